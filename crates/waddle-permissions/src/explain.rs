//! Explain: why somebody is allowed, or why not, as a tree of tuples and rewrites (`specs/permissions.md`).
//!
//! The tree is noted by the same code that decides, so that it cannot tell another story than the decision.

use std::{fmt, rc::Rc};

use crate::{
    check::{Decision, Value},
    edges::Who,
    objects::Node,
    overlay::View,
    schema::RelationId,
    tuple::{Object, Subject, Tuple},
};

/// Parts that one explanation has at most; it says where more were left out.
const MAX_PARTS: usize = 1_000;

/// What an evaluation notes down while it decides.
pub(crate) trait Record {
    type Note: Clone;
    fn note(part: impl FnOnce() -> Part<Self::Note>) -> Self::Note;
}

/// Notes nothing.
pub(crate) struct Quiet;

impl Record for Quiet {
    type Note = ();
    fn note(_: impl FnOnce() -> Part<()>) {}
}

/// Notes everything that decides.
pub(crate) struct Tell;

#[derive(Clone)]
pub(crate) struct Told(Rc<Part<Told>>);

impl Record for Tell {
    type Note = Told;
    fn note(part: impl FnOnce() -> Part<Told>) -> Told {
        Told(Rc::new(part()))
    }
}

/// One thing that was found.
pub(crate) enum Part<N> {
    Limit,
    Itself,
    Again(Node, RelationId),
    Relation(Node, RelationId, Value, N),
    Tuple(Node, RelationId, Who, Option<N>),
    NoTuple(Node, RelationId, Vec<N>),
    AnyOf(Vec<N>),
    AllOf(Vec<N>),
    Excluded(Value, N),
}

/// A decision and what it rests on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// The same that a check answers.
    pub decision: Decision,
    /// Whom it is about.
    pub subject: Subject,
    /// The relation asked about, and below it what decides.
    pub reason: Reason,
}

/// One step and what it rests on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// What was found.
    pub fact: Fact,
    /// What it follows from; only what decides.
    pub because: Vec<Reason>,
}

/// What was found at one step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fact {
    /// A relation of an object, and whether the subject has it.
    Relation(Object, Box<str>, Decision),
    /// A tuple that names the subject, or leads on to what is below.
    Tuple(Tuple),
    /// The userset asked about is this one.
    Itself,
    /// No tuple of this relation names the subject; below are the tuples that led on in vain.
    NoTuple(Object, Box<str>),
    /// One of the parts would do.
    AnyOf,
    /// All of these parts together.
    AllOf,
    /// `but not`: whether the subject has what excludes.
    Excluded(Decision),
    /// The relation is reached again while it is decided: a cycle, which never grants.
    Cycle(Object, Box<str>),
    /// A bound was reached here; something else decided.
    Limit,
    /// Further parts were left out.
    More,
}

fn decision(v: Value) -> Decision {
    match v {
        Value::True => Decision::Allowed,
        Value::False => Decision::Denied,
        Value::Unknown { .. } => Decision::Unknown,
    }
}

impl Told {
    /// The tree with names in place of numbers.
    pub fn tree(&self, view: View<'_>) -> Reason {
        let mut room = MAX_PARTS;
        self.reason(view, &mut room)
    }

    fn reason(&self, view: View<'_>, room: &mut usize) -> Reason {
        let name = |r: RelationId| -> Box<str> { view.schema().relation_name(r).into() };
        let (fact, below): (Fact, &[Told]) = match &*self.0 {
            Part::Limit => (Fact::Limit, &[]),
            Part::Itself => (Fact::Itself, &[]),
            Part::Again(n, r) => (Fact::Cycle(view.object(*n), name(*r)), &[]),
            Part::Relation(n, r, v, why) => {
                let fact = Fact::Relation(view.object(*n), name(*r), decision(*v));
                (fact, std::slice::from_ref(why))
            }
            Part::Tuple(n, r, who, then) => (Fact::Tuple(view.tuple(*n, *r, *who)), then.as_slice()),
            Part::NoTuple(n, r, tried) => (Fact::NoTuple(view.object(*n), name(*r)), tried),
            Part::AnyOf(parts) => (Fact::AnyOf, parts),
            Part::AllOf(parts) => (Fact::AllOf, parts),
            Part::Excluded(v, why) => (Fact::Excluded(decision(*v)), std::slice::from_ref(why)),
        };
        let mut because = Vec::new();
        for part in below {
            if *room == 0 {
                because.push(Reason {
                    fact: Fact::More,
                    because: Vec::new(),
                });
                break;
            }
            *room -= 1;
            because.push(part.reason(view, room));
        }
        Reason { fact, because }
    }
}

impl Explanation {
    /// The steps from the question to the tuples: how deep, what was found, and the same for people.
    pub fn steps(&self) -> Vec<(usize, &Fact, String)> {
        let mut out = Vec::new();
        self.lines(&self.reason, 0, &mut |depth, fact, line| {
            out.push((depth, fact, line));
        });
        out
    }

    fn lines<'r>(&'r self, reason: &'r Reason, depth: usize, out: &mut impl FnMut(usize, &'r Fact, String)) {
        let subject = &self.subject;
        let has = |d: &Decision| match d {
            Decision::Allowed => "has",
            Decision::Denied => "does not have",
            Decision::Unknown => "cannot be said to have",
        };
        let line = match &reason.fact {
            Fact::Relation(o, r, d) => Some(format!("{subject} {} {o}#{r}", has(d))),
            Fact::Tuple(t) => Some(format!("tuple {t}")),
            Fact::Itself => Some(format!("{subject} is the userset asked about")),
            Fact::NoTuple(o, r) => Some(format!("no tuple of {o}#{r} leads to {subject}")),
            Fact::Excluded(d) => Some(format!("but not: {subject} {} what excludes", has(d))),
            Fact::Cycle(o, r) => Some(format!("{o}#{r} is being decided already: a cycle")),
            Fact::Limit => Some("a bound was reached here".to_owned()),
            Fact::More => Some("… more was left out".to_owned()),
            Fact::AnyOf | Fact::AllOf => None,
        };
        let deeper = depth + usize::from(line.is_some());
        if let Some(line) = line {
            out(depth, &reason.fact, line);
        }
        for r in &reason.because {
            self.lines(r, deeper, out);
        }
    }
}

impl fmt::Display for Explanation {
    /// The chain, indented.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut first = true;
        let mut done = Ok(());
        self.lines(&self.reason, 0, &mut |depth, _, line| {
            let end = if first { "" } else { "\n" };
            first = false;
            if done.is_ok() {
                done = write!(f, "{end}{:1$}{line}", "", depth * 2);
            }
        });
        done
    }
}
