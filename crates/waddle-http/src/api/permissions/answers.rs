//! What the engine answers, as JSON.

use serde::Serialize;
use utoipa::ToSchema;
use waddle_community::permissions::{Branch, CheckError, Decision, Explanation, Fact, Tree};

use super::refused;

/// What a check says.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum DecisionWord {
    /// Yes.
    Allowed,
    /// No.
    Denied,
    /// A cycle decides, which never grants.
    Unknown,
}

impl From<Decision> for DecisionWord {
    fn from(d: Decision) -> Self {
        match d {
            Decision::Allowed => Self::Allowed,
            Decision::Denied => Self::Denied,
            Decision::Unknown => Self::Unknown,
        }
    }
}

/// A decision.
#[derive(Debug, Serialize, ToSchema)]
pub struct CheckView {
    allowed: bool,
    decision: DecisionWord,
    /// Names the revision that was asked.
    zookie: String,
}

impl CheckView {
    pub fn new(d: Decision, zookie: String) -> Self {
        Self {
            allowed: d.is_allowed(),
            decision: d.into(),
            zookie,
        }
    }
}

/// The answer to one question of several.
#[derive(Debug, Serialize, ToSchema)]
pub struct BatchAnswer {
    /// False too where there is no decision.
    allowed: bool,
    decision: Option<DecisionWord>,
    /// Why there is none, for programs: `invalid`, `too-complex`.
    error: Option<String>,
    /// Why there is none, for people.
    detail: Option<String>,
}

impl From<Result<Decision, CheckError>> for BatchAnswer {
    fn from(answer: Result<Decision, CheckError>) -> Self {
        let problem = answer.as_ref().err().map(|e| refused(e.clone().into()));
        Self {
            allowed: answer.as_ref().is_ok_and(|d| d.is_allowed()),
            decision: answer.ok().map(Into::into),
            error: problem.as_ref().map(|p| p.kind.to_owned()),
            detail: problem.map(|p| p.detail),
        }
    }
}

/// How a part of a userset is made up.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum BranchKind {
    /// Whom tuples name.
    Direct,
    /// Another relation of the same object.
    Computed,
    /// A relation of the objects that tuples name.
    From,
    /// Any part.
    Union,
    /// All parts.
    Intersection,
    /// The first part without the second.
    Exclusion,
    /// A relation that stands further up: a cycle.
    Cycle,
}

/// A part of a userset.
#[derive(Debug, Serialize, ToSchema)]
pub struct UsersetView {
    kind: BranchKind,
    /// `object#relation`, where a relation begins.
    userset: Option<String>,
    /// The relation whose tuples are followed, of `from`.
    tupleset: Option<String>,
    /// Whom tuples name, of `direct`.
    subjects: Vec<String>,
    /// How many more these are.
    omitted: usize,
    #[schema(no_recursion)]
    parts: Vec<UsersetView>,
}

impl UsersetView {
    fn part(kind: BranchKind, parts: Vec<Self>) -> Self {
        Self {
            kind,
            userset: None,
            tupleset: None,
            subjects: Vec::new(),
            omitted: 0,
            parts,
        }
    }

    fn branch(b: &Branch) -> Self {
        let all = |list: &[Branch]| list.iter().map(Self::branch).collect();
        match b {
            Branch::Direct { subjects, omitted } => Self {
                subjects: subjects.iter().map(ToString::to_string).collect(),
                omitted: *omitted,
                ..Self::part(BranchKind::Direct, Vec::new())
            },
            Branch::Computed(t) => Self::part(BranchKind::Computed, vec![(&**t).into()]),
            Branch::From { tupleset, trees } => Self {
                tupleset: Some(tupleset.to_string()),
                ..Self::part(BranchKind::From, trees.iter().map(Into::into).collect())
            },
            Branch::Union(list) => Self::part(BranchKind::Union, all(list)),
            Branch::Intersection(list) => Self::part(BranchKind::Intersection, all(list)),
            Branch::Exclusion(base, not) => {
                Self::part(BranchKind::Exclusion, vec![Self::branch(base), Self::branch(not)])
            }
            Branch::Cycle => Self::part(BranchKind::Cycle, Vec::new()),
        }
    }
}

impl From<&Tree> for UsersetView {
    fn from(t: &Tree) -> Self {
        Self {
            userset: Some(format!("{}#{}", t.object, t.relation)),
            ..Self::branch(&t.branch)
        }
    }
}

/// A userset as a tree.
#[derive(Debug, Serialize, ToSchema)]
pub struct ExpandView {
    pub tree: UsersetView,
    /// Names the revision that was asked.
    pub zookie: String,
}

/// What was found at a step of an explanation.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum FactKind {
    /// Whether the subject has a relation.
    Relation,
    /// A tuple that names the subject, or leads on.
    Tuple,
    /// The userset asked about is this one.
    Itself,
    /// No tuple leads to the subject.
    NoTuple,
    /// What excludes.
    Excluded,
    /// A cycle.
    Cycle,
    /// A bound was reached; something else decided.
    Limit,
    /// More was left out.
    More,
}

/// A step of an explanation; what it follows from comes behind it, one deeper.
#[derive(Debug, Serialize, ToSchema)]
pub struct StepView {
    depth: usize,
    kind: FactKind,
    /// For people.
    text: String,
}

/// A decision and why.
#[derive(Debug, Serialize, ToSchema)]
pub struct ExplainView {
    allowed: bool,
    decision: DecisionWord,
    /// The chain of tuples and rewrites that decides.
    because: Vec<StepView>,
    /// Names the revision that was asked.
    zookie: String,
}

impl ExplainView {
    pub fn new(e: &Explanation, zookie: String) -> Self {
        let step = |depth, fact: &Fact, text| StepView {
            depth,
            kind: match fact {
                Fact::Relation(..) | Fact::AnyOf | Fact::AllOf => FactKind::Relation,
                Fact::Tuple(_) => FactKind::Tuple,
                Fact::Itself => FactKind::Itself,
                Fact::NoTuple(..) => FactKind::NoTuple,
                Fact::Excluded(_) => FactKind::Excluded,
                Fact::Cycle(..) => FactKind::Cycle,
                Fact::Limit => FactKind::Limit,
                Fact::More => FactKind::More,
            },
            text,
        };
        Self {
            allowed: e.decision.is_allowed(),
            decision: e.decision.into(),
            because: e
                .steps()
                .into_iter()
                .map(|(d, f, text)| step(d, f, text))
                .collect(),
            zookie,
        }
    }
}
