//! Random schemas and tuples, and a naive evaluator of them: Kleene's three-valued logic iterated to its least
//! fixed point over every object and relation (`specs/permissions.md`, "Cycles").
#![expect(clippy::unwrap_used, reason = "tests")]
#![allow(
    dead_code,
    clippy::allow_attributes,
    reason = "each test file takes what it needs"
)]

use std::{collections::BTreeMap, fmt::Write, sync::Arc};

use proptest::prelude::*;
use waddle_permissions::{CheckLimits, Decision, Object, Schema, StoreLimits, Subject, Tuple};

pub const RELATIONS: [&str; 4] = ["r0", "r1", "r2", "r3"];

/// The right side of a `define`. Every relation of type `doc` may have tuples; `parent` has documents.
#[derive(Debug, Clone, PartialEq)]
pub enum Expr {
    Direct,
    Computed(usize),
    FromParent(usize),
    Or(Vec<Expr>),
    And(Vec<Expr>),
    ButNot(Box<Expr>, Box<Expr>),
}

fn leaf() -> impl Strategy<Value = Expr> {
    prop_oneof![
        (0..4usize).prop_map(Expr::Computed),
        (0..4usize).prop_map(Expr::FromParent)
    ]
}

fn expr() -> impl Strategy<Value = Expr> {
    let inner = leaf().prop_recursive(2, 6, 3, |e| {
        prop_oneof![
            prop::collection::vec(e.clone(), 2..4).prop_map(Expr::Or),
            prop::collection::vec(e.clone(), 2..4).prop_map(Expr::And),
            (e.clone(), e).prop_map(|(a, b)| Expr::ButNot(Box::new(a), Box::new(b))),
        ]
    });
    // The relation's own tuples in one place, as the language has it.
    prop_oneof![
        Just(Expr::Direct),
        inner.clone().prop_map(|e| Expr::Or(vec![Expr::Direct, e])),
        inner.clone().prop_map(|e| Expr::And(vec![Expr::Direct, e])),
        inner.prop_map(|e| Expr::ButNot(Box::new(Expr::Direct), Box::new(e))),
    ]
}

/// The same without what the language refuses: a relation that follows from itself, a part that stands twice.
fn allowed(e: Expr, relation: usize) -> Expr {
    let one_of = |list: Vec<Expr>, or: bool| {
        let mut out: Vec<Expr> = Vec::new();
        for part in list {
            let parts = match allowed(part, relation) {
                Expr::Or(inner) if or => inner,
                Expr::And(inner) if !or => inner,
                other => vec![other],
            };
            for p in parts {
                if !out.contains(&p) {
                    out.push(p);
                }
            }
        }
        if out.len() > 1 {
            return if or { Expr::Or(out) } else { Expr::And(out) };
        }
        out.pop().unwrap()
    };
    match e {
        Expr::Computed(r) if r >= relation => Expr::FromParent(r),
        Expr::Or(list) => one_of(list, true),
        Expr::And(list) => one_of(list, false),
        Expr::ButNot(a, b) => {
            let (a, mut b) = (allowed(*a, relation), allowed(*b, relation));
            if a == b {
                b = if a == Expr::FromParent(0) {
                    Expr::FromParent(1)
                } else {
                    Expr::FromParent(0)
                };
            }
            Expr::ButNot(Box::new(a), Box::new(b))
        }
        other => other,
    }
}

/// The definitions of the four relations.
pub fn defines() -> impl Strategy<Value = Vec<Expr>> {
    let four = prop::collection::vec(expr(), 4);
    four.prop_map(|list| list.into_iter().enumerate().map(|(i, e)| allowed(e, i)).collect())
}

fn print(e: &Expr, out: &mut String) {
    let list = |parts: &[Expr], op: &str, out: &mut String| {
        out.push('(');
        for (i, p) in parts.iter().enumerate() {
            if i > 0 {
                write!(out, " {op} ").unwrap();
            }
            print(p, out);
        }
        out.push(')');
    };
    match e {
        Expr::Direct => {
            out.push_str("[user, user:*, doc#r0, doc#r1, doc#r2, doc#r3]");
        }
        Expr::Computed(r) => out.push_str(RELATIONS[*r]),
        Expr::FromParent(r) => write!(out, "{} from parent", RELATIONS[*r]).unwrap(),
        Expr::Or(p) => list(p, "or", out),
        Expr::And(p) => list(p, "and", out),
        Expr::ButNot(a, b) => {
            out.push('(');
            print(a, out);
            out.push_str(" but not ");
            print(b, out);
            out.push(')');
        }
    }
}

pub fn schema_text(defines: &[Expr]) -> String {
    let mut s =
        String::from("model\n  schema 1.1\ntype user\ntype doc\n  relations\n    define parent: [doc]\n");
    for (r, e) in RELATIONS.iter().zip(defines) {
        write!(s, "    define {r}: ").unwrap();
        print(e, &mut s);
        s.push('\n');
    }
    s
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Three {
    No,
    Unknown,
    Yes,
}
pub use Three::{No, Unknown, Yes};

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Who {
    User(usize),
    Everyone,
    Set(usize, usize),
    /// Only for `parent`.
    Doc(usize),
}

/// relation 4 is `parent`.
pub type Facts = Vec<(usize, usize, Who)>;

/// The naive evaluator.
pub struct Naive<'a> {
    pub defines: &'a [Expr],
    pub facts: &'a Facts,
    pub subject: &'a Who,
    pub values: BTreeMap<(usize, usize), Three>,
}

impl Naive<'_> {
    pub fn decide(mut self, docs: usize, doc: usize, relation: usize) -> Three {
        loop {
            let mut next = BTreeMap::new();
            for d in 0..docs {
                for r in 0..4 {
                    let itself = *self.subject == Who::Set(d, r);
                    next.insert(
                        (d, r),
                        if itself {
                            Yes
                        } else {
                            self.eval(&self.defines[r], d, r)
                        },
                    );
                }
            }
            if next == self.values {
                return self.values[&(doc, relation)];
            }
            self.values = next;
        }
    }

    fn eval(&self, expr: &Expr, doc: usize, relation: usize) -> Three {
        match expr {
            Expr::Direct => {
                let mut any = No;
                for (_, _, who) in self
                    .facts
                    .iter()
                    .filter(|(fd, fr, _)| (*fd, *fr) == (doc, relation))
                {
                    let v = match (who, self.subject) {
                        (Who::User(a), Who::User(b)) if a == b => Yes,
                        (Who::Everyone, Who::User(_) | Who::Everyone) => Yes,
                        (Who::Set(d, r), _) => self.values[&(*d, *r)],
                        _ => No,
                    };
                    any = or(any, v);
                }
                any
            }
            Expr::Computed(r) => self.values[&(doc, *r)],
            Expr::FromParent(r) => self
                .facts
                .iter()
                .filter_map(|f| match f {
                    (fd, 4, Who::Doc(parent)) if *fd == doc => Some(self.values[&(*parent, *r)]),
                    _ => None,
                })
                .fold(No, or),
            Expr::Or(p) => p.iter().map(|p| self.eval(p, doc, relation)).fold(No, or),
            Expr::And(p) => p.iter().map(|p| self.eval(p, doc, relation)).fold(Yes, and),
            Expr::ButNot(base, out) => {
                and(self.eval(base, doc, relation), not(self.eval(out, doc, relation)))
            }
        }
    }
}

pub fn or(a: Three, b: Three) -> Three {
    match (a, b) {
        (Yes, _) | (_, Yes) => Yes,
        (No, No) => No,
        _ => Unknown,
    }
}

pub fn not(a: Three) -> Three {
    match a {
        Yes => No,
        No => Yes,
        Unknown => Unknown,
    }
}

pub fn and(a: Three, b: Three) -> Three {
    not(or(not(a), not(b)))
}

pub fn doc(d: usize) -> Object {
    Object::new("doc", &d.to_string()).unwrap()
}

pub fn subject(w: &Who) -> Subject {
    match w {
        Who::User(u) => Subject::Object(Object::new("user", &u.to_string()).unwrap()),
        Who::Everyone => Subject::Wildcard("user".into()),
        Who::Set(d, r) => Subject::Userset(doc(*d), RELATIONS[*r].into()),
        Who::Doc(d) => Subject::Object(doc(*d)),
    }
}

pub fn tuple((d, r, w): &(usize, usize, Who)) -> Tuple {
    let relation = if *r == 4 { "parent" } else { RELATIONS[*r] };
    Tuple::new(doc(*d), relation, subject(w))
}

pub const DOCS: usize = 4;
pub const USERS: usize = 3;

pub fn fact() -> impl Strategy<Value = (usize, usize, Who)> {
    let who = prop_oneof![
        6 => (0..USERS).prop_map(Who::User),
        1 => Just(Who::Everyone),
        5 => (0..DOCS, 0..4usize).prop_map(|(d, r)| Who::Set(d, r)),
    ];
    prop_oneof![
        3 => (0..DOCS, 0..4usize, who),
        1 => (0..DOCS, 0..DOCS).prop_map(|(d, p)| (d, 4, Who::Doc(p))),
    ]
}

/// Bounds that nothing here reaches.
pub const WIDE: CheckLimits = CheckLimits {
    depth: 100,
    steps: 100_000,
};

pub const STORE: StoreLimits = StoreLimits {
    tuples: 1000,
    cached: 256,
    log: 1000,
};

/// The schema of these definitions, unless a relation of it can never hold.
pub fn schema(defines: &[Expr]) -> Option<Arc<Schema>> {
    let problems = Schema::problems(&schema_text(defines));
    for p in &problems {
        assert!(p.what.contains("can never hold"), "{p}\n{}", schema_text(defines));
    }
    problems
        .is_empty()
        .then(|| Arc::new(Schema::parse(&schema_text(defines)).unwrap()))
}

/// What a check must answer.
pub fn truth(defines: &[Expr], facts: &Facts, subject: &Who, d: usize, r: usize) -> Decision {
    let values = (0..DOCS)
        .flat_map(|d| (0..4).map(move |r| ((d, r), Unknown)))
        .collect();
    let naive = Naive {
        defines,
        facts,
        subject,
        values,
    };
    match naive.decide(DOCS, d, r) {
        Yes => Decision::Allowed,
        No => Decision::Denied,
        Unknown => Decision::Unknown,
    }
}

/// One user whom no tuple names, everyone, and usersets too.
pub fn subjects() -> impl Iterator<Item = Who> {
    let users = (0..=USERS).map(Who::User);
    users.chain([Who::Everyone, Who::Set(0, 0), Who::Set(1, 2), Who::Set(3, 3)])
}
