//! Check: does a subject have a relation to an object? Three-valued (`specs/permissions.md`).
//!
//! A relation that is reached again while it is being decided is *unknown*. `or` is true if a part is, `and`
//! false if a part is, `but not` false if its base is false or its exclusion true; otherwise an unknown
//! part makes the whole unknown, and unknown never grants. This is Kleene's logic, so a value that is true
//! or false although something below was cut off stays so, and may be remembered.
//!
//! The bound on time is a number of steps, for this crate has no clock: a step looks at one relation or one
//! tuple that leads on, costs about the same whatever the data, and makes the answer the same on every machine.

use ahash::AHashMap;
use smallvec::SmallVec;

use crate::{
    edges::Who,
    explain::{Part, Record},
    objects::Node,
    overlay::View,
    schema::{RelationId, Rewrite, TypeId},
    store::{WriteError, key},
};

/// The answer to a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Decision {
    /// Yes.
    Allowed,
    /// No.
    Denied,
    /// A cycle decides, which never grants.
    Unknown,
}

impl Decision {
    /// Whether the answer is yes.
    pub fn is_allowed(self) -> bool {
        self == Self::Allowed
    }
}

/// The bounds of one question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CheckLimits {
    /// Relations within relations; at most 128.
    pub depth: u32,
    /// Relations and leading tuples looked at in one check.
    pub steps: u32,
}

impl Default for CheckLimits {
    fn default() -> Self {
        Self {
            depth: 25,
            steps: 100_000,
        }
    }
}

impl From<&waddle_core::Limits> for CheckLimits {
    fn from(l: &waddle_core::Limits) -> Self {
        Self {
            depth: l.permission_depth,
            steps: l.permission_steps,
        }
    }
}

/// The bound that a question ran into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exceeded {
    /// [`CheckLimits::depth`].
    Depth,
    /// [`CheckLimits::steps`], or those of a lookup.
    Steps,
}

/// Why a question has no answer; callers deny.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CheckError {
    /// A name that the schema does not have.
    #[error(transparent)]
    Name(#[from] WriteError),
    /// Too deep or too many steps.
    #[error("too complex to decide: {}", match .0 { Exceeded::Depth => "too deep", Exceeded::Steps => "too many steps" })]
    TooComplex(Exceeded),
}

/// Relations within relations that the call stack has room for, whatever the configuration says.
pub(crate) const MAX_DEPTH: u32 = 128;

/// A value, and for unknown ones the lowest place of the path that was hit.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Value {
    True,
    False,
    Unknown { low: u32 },
}

/// Unknown for good: it depends on nothing that is still being decided.
const FINAL: u32 = u32::MAX;

/// Whom a check is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Target {
    Object(Node, TypeId),
    Wildcard(TypeId),
    Userset(Node, RelationId),
}

/// The decisions about one subject; what was found for one object helps with the next.
pub(crate) struct Evaluation<'a, R: Record> {
    view: View<'a>,
    target: Target,
    depth: u32,
    pub steps_left: u32,
    exceeded: Option<Exceeded>,
    path: SmallVec<[u64; 32]>,
    memo: Memo<R::Note>,
}

/// Values found so far: a short list first, a map when it grows.
struct Memo<N> {
    list: SmallVec<[(u64, Value, N); 16]>,
    map: AHashMap<u64, (Value, N)>,
}

impl<N: Clone> Memo<N> {
    fn get(&self, k: u64) -> Option<(Value, N)> {
        let found = self.list.iter().find(|(key, ..)| *key == k);
        if found.is_some() || self.map.is_empty() {
            return found.map(|(_, v, n)| (*v, n.clone()));
        }
        self.map.get(&k).cloned()
    }

    fn put(&mut self, k: u64, v: Value, n: N) {
        if self.list.len() < 16 {
            self.list.push((k, v, n));
        } else {
            self.map.insert(k, (v, n));
        }
    }
}

/// What a value was found to be, and why.
type Found<R> = (Value, <R as Record>::Note);

impl<'a, R: Record> Evaluation<'a, R> {
    pub fn new(view: View<'a>, target: Target, limits: CheckLimits) -> Self {
        Self {
            view,
            target,
            depth: limits.depth.min(MAX_DEPTH),
            steps_left: limits.steps,
            exceeded: None,
            path: SmallVec::new(),
            memo: Memo {
                list: SmallVec::new(),
                map: AHashMap::new(),
            },
        }
    }

    /// Another subject; what was found for the last one is forgotten.
    pub fn turn_to(&mut self, target: Target) {
        self.target = target;
        self.memo.list.clear();
        self.memo.map.clear();
    }

    pub fn decide(&mut self, node: Node, relation: RelationId) -> Result<(Decision, R::Note), CheckError> {
        self.exceeded = None;
        let (value, note) = self.relation(node, relation);
        match (value, self.exceeded) {
            (Value::True, _) => Ok((Decision::Allowed, note)),
            (Value::False, _) => Ok((Decision::Denied, note)),
            (Value::Unknown { .. }, Some(bound)) => Err(CheckError::TooComplex(bound)),
            (Value::Unknown { .. }, None) => Ok((Decision::Unknown, note)),
        }
    }

    fn cut(&mut self, bound: Exceeded) -> Found<R> {
        self.exceeded.get_or_insert(bound);
        (Value::Unknown { low: 0 }, R::note(|| Part::Limit))
    }

    /// Takes one step, if there is one left.
    fn step(&mut self) -> bool {
        let left = self.steps_left > 0;
        self.steps_left -= u32::from(left);
        left
    }

    fn relation(&mut self, node: Node, relation: RelationId) -> Found<R> {
        if self.target == Target::Userset(node, relation) {
            return (Value::True, R::note(|| Part::Itself));
        }
        let k = key(node, relation);
        if let Some(known) = self.memo.get(k) {
            return known;
        }
        if let Some(at) = self.path.iter().position(|p| *p == k) {
            let note = R::note(|| Part::Again(node, relation));
            return (Value::Unknown { low: at as u32 }, note);
        }
        if self.path.len() as u32 >= self.depth {
            return self.cut(Exceeded::Depth);
        }
        if !self.step() {
            return self.cut(Exceeded::Steps);
        }
        let here = self.path.len() as u32;
        self.path.push(k);
        let schema = self.view.schema();
        let (mut value, why) = self.rewrite(node, relation, schema.rewrite(relation));
        self.path.pop();
        let note = R::note(|| Part::Relation(node, relation, value, why));
        let lasting = match value {
            // Depends at most on itself: unknown wherever it is asked. Not so if a bound cut it.
            Value::Unknown { low } if low >= here && self.exceeded.is_none() => {
                value = Value::Unknown { low: FINAL };
                true
            }
            Value::Unknown { .. } => false,
            _ => true,
        };
        if lasting {
            self.memo.put(k, value, note.clone());
        }
        (value, note)
    }

    fn rewrite(&mut self, node: Node, relation: RelationId, rewrite: &'a Rewrite) -> Found<R> {
        match rewrite {
            Rewrite::Direct => self.direct(node, relation),
            Rewrite::Computed(r) => self.relation(node, *r),
            Rewrite::From { tupleset, targets } => self.follow(node, *tupleset, targets),
            Rewrite::Union(parts) => {
                let mut any = Any::<R>::new();
                for p in parts {
                    let found = self.rewrite(node, relation, p);
                    if any.is_decided_by(found) {
                        break;
                    }
                }
                any.done(Part::AnyOf)
            }
            Rewrite::Intersection(parts) => self.intersection(node, relation, parts),
            Rewrite::Exclusion(base, not) => {
                let (base, why) = self.rewrite(node, relation, base);
                if matches!(base, Value::False) {
                    return (base, R::note(|| Part::AllOf(vec![why])));
                }
                let (excluded, why_not) = self.rewrite(node, relation, not);
                let not = match excluded {
                    Value::True => Value::False,
                    Value::False => Value::True,
                    unknown @ Value::Unknown { .. } => unknown,
                };
                let why_not = R::note(|| Part::Excluded(excluded, why_not));
                let value = and(base, not);
                let parts = match (value, not, base) {
                    (Value::False, ..) => vec![why_not],
                    (Value::Unknown { .. }, Value::True, _) => vec![why],
                    (Value::Unknown { .. }, _, Value::True) => vec![why_not],
                    _ => vec![why, why_not],
                };
                (value, R::note(|| Part::AllOf(parts)))
            }
        }
    }

    fn intersection(&mut self, node: Node, relation: RelationId, parts: &'a [Rewrite]) -> Found<R> {
        let mut all = Value::True;
        let mut notes = Vec::new();
        for p in parts {
            let (value, why) = self.rewrite(node, relation, p);
            all = and(all, value);
            match value {
                Value::False => {
                    notes = vec![why];
                    break;
                }
                Value::Unknown { .. } => notes.push(why),
                Value::True => notes.push(why),
            }
        }
        (all, R::note(|| Part::AllOf(notes)))
    }

    fn direct(&mut self, node: Node, relation: RelationId) -> Found<R> {
        let edges = self.view.edges(node, relation);
        let candidates = match self.target {
            Target::Object(who, of) => [Some(Who::Object(who)), Some(Who::Wildcard(of))],
            Target::Wildcard(of) => [None, Some(Who::Wildcard(of))],
            Target::Userset(..) => [None, None],
        };
        for who in candidates.into_iter().flatten() {
            if edges.contains(who) {
                return (Value::True, R::note(|| Part::Tuple(node, relation, who, None)));
            }
        }
        let mut any = Any::<R>::new();
        for (object, r) in edges.usersets() {
            if !self.step() {
                any.is_decided_by(self.cut(Exceeded::Steps));
                break;
            }
            let (value, then) = self.relation(object, r);
            let note = R::note(|| Part::Tuple(node, relation, Who::Userset(object, r), Some(then)));
            if any.is_decided_by((value, note)) {
                break;
            }
        }
        any.done(|tried| Part::NoTuple(node, relation, tried))
    }

    fn follow(&mut self, node: Node, tupleset: RelationId, targets: &[(TypeId, RelationId)]) -> Found<R> {
        let view = self.view;
        let mut any = Any::<R>::new();
        for object in view.edges(node, tupleset).objects() {
            if !self.step() {
                any.is_decided_by(self.cut(Exceeded::Steps));
                break;
            }
            let kind = view.kind(object);
            let Some((_, relation)) = targets.iter().find(|(t, _)| *t == kind) else {
                continue;
            };
            let (value, then) = self.relation(object, *relation);
            let note = R::note(|| Part::Tuple(node, tupleset, Who::Object(object), Some(then)));
            if any.is_decided_by((value, note)) {
                break;
            }
        }
        any.done(|tried| Part::NoTuple(node, tupleset, tried))
    }
}

/// The `or` of what is found one after the other.
struct Any<R: Record> {
    value: Value,
    notes: Vec<R::Note>,
}

impl<R: Record> Any<R> {
    fn new() -> Self {
        Self {
            value: Value::False,
            notes: Vec::new(),
        }
    }

    fn is_decided_by(&mut self, (value, note): Found<R>) -> bool {
        self.value = or(self.value, value);
        if matches!(value, Value::True) {
            self.notes.clear();
        }
        self.notes.push(note);
        matches!(value, Value::True)
    }

    /// One true part speaks for itself.
    fn done(mut self, part: impl FnOnce(Vec<R::Note>) -> Part<R::Note>) -> Found<R> {
        let note = match self.value {
            Value::True => self.notes.pop(),
            _ => None,
        };
        let notes = self.notes;
        (self.value, note.unwrap_or_else(|| R::note(|| part(notes))))
    }
}

fn or(a: Value, b: Value) -> Value {
    match (a, b) {
        (Value::True, _) | (_, Value::True) => Value::True,
        (Value::Unknown { low: a }, Value::Unknown { low: b }) => Value::Unknown { low: a.min(b) },
        (u @ Value::Unknown { .. }, Value::False) | (Value::False, u @ Value::Unknown { .. }) => u,
        (Value::False, Value::False) => Value::False,
    }
}

fn and(a: Value, b: Value) -> Value {
    match (a, b) {
        (Value::False, _) | (_, Value::False) => Value::False,
        (Value::Unknown { low: a }, Value::Unknown { low: b }) => Value::Unknown { low: a.min(b) },
        (u @ Value::Unknown { .. }, Value::True) | (Value::True, u @ Value::Unknown { .. }) => u,
        (Value::True, Value::True) => Value::True,
    }
}
