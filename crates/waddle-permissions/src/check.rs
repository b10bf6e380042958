//! Check: does a subject have a relation to an object? Three-valued (`specs/permissions.md`).
//!
//! A relation that is reached again while it is being decided is *unknown*. `or` is true if a part is, `and`
//! false if a part is, `but not` false if its base is false or its exclusion true; otherwise an unknown
//! part makes the whole unknown, and unknown never grants. This is Kleene's logic, so a value that is true
//! or false although something below was cut off stays so, and may be remembered.

use ahash::AHashMap;
use smallvec::SmallVec;

use crate::{
    cache::CacheKey,
    objects::Node,
    schema::{RelationId, Rewrite, Schema, TypeId},
    store::{TupleStore, WriteError, key},
    tuple::{ObjectRef, SubjectRef},
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

/// The bounds of one check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CheckLimits {
    /// Relations within relations; at most 128.
    pub depth: u32,
    /// Relations looked at in all.
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

/// The bound that a check ran into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exceeded {
    /// [`CheckLimits::depth`].
    Depth,
    /// [`CheckLimits::steps`].
    Steps,
}

/// Why a check has no answer; callers deny.
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
const MAX_DEPTH: u32 = 128;

/// A value, and for unknown ones the lowest place of the path that was hit.
#[derive(Debug, Clone, Copy)]
enum Value {
    True,
    False,
    Unknown { low: u32 },
}

/// Unknown for good: it depends on nothing that is still being decided.
const FINAL: u32 = u32::MAX;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Target {
    Object(Node, TypeId),
    Wildcard(TypeId),
    Userset(Node, RelationId),
}

struct Evaluation<'a> {
    store: &'a TupleStore,
    schema: &'a Schema,
    target: Target,
    depth: u32,
    steps_left: u32,
    exceeded: Option<Exceeded>,
    path: SmallVec<[u64; 32]>,
    memo: Memo,
}

/// Values found in this check: a short list first, a map when it grows.
#[derive(Default)]
struct Memo {
    list: SmallVec<[(u64, Value); 16]>,
    map: AHashMap<u64, Value>,
}

impl Memo {
    fn get(&self, k: u64) -> Option<Value> {
        let found = self.list.iter().find(|(key, _)| *key == k).map(|(_, v)| *v);
        if found.is_some() || self.map.is_empty() {
            return found;
        }
        self.map.get(&k).copied()
    }

    fn put(&mut self, k: u64, v: Value) {
        if self.list.len() < 16 {
            self.list.push((k, v));
        } else {
            self.map.insert(k, v);
        }
    }
}

impl TupleStore {
    /// Decides by the tuples of this revision, or from what was decided before at it.
    ///
    /// `relation` is one of the object's type. Unknown names are errors, unknown objects and subjects are not.
    pub fn check(
        &self,
        object: ObjectRef<'_>,
        relation: &str,
        subject: SubjectRef<'_>,
        limits: CheckLimits,
    ) -> Result<Decision, CheckError> {
        let kind = self.type_of(object.kind)?;
        let relation = self.relation_of(kind, relation)?;
        self.check_relation(object.id, relation, subject, limits)
    }

    /// The same, the relation (and with it the object's type) already looked up.
    pub fn check_relation(
        &self,
        object_id: &str,
        relation: RelationId,
        subject: SubjectRef<'_>,
        limits: CheckLimits,
    ) -> Result<Decision, CheckError> {
        let kind = self.schema.relation_type(relation);
        let node = self.objects.find(kind, object_id).unwrap_or(Node::ABSENT);
        let target = self.target(node, kind, object_id, subject)?;
        let cache_key: Option<CacheKey> = match target {
            Target::Object(who, of) if node != Node::ABSENT => {
                Some((key(node, relation), u64::from(who.0) << 16 | u64::from(of.0)))
            }
            _ => None,
        };
        if let Some(decision) = cache_key.and_then(|k| self.cache.get(k)) {
            return Ok(decision);
        }
        let decision = self.evaluate(node, relation, target, limits)?;
        if let Some(k) = cache_key {
            self.cache.put(k, decision);
        }
        Ok(decision)
    }

    /// Decides without looking at what was decided before.
    pub fn check_uncached(
        &self,
        object: ObjectRef<'_>,
        relation: &str,
        subject: SubjectRef<'_>,
        limits: CheckLimits,
    ) -> Result<Decision, CheckError> {
        let kind = self.type_of(object.kind)?;
        let relation = self.relation_of(kind, relation)?;
        let node = self.objects.find(kind, object.id).unwrap_or(Node::ABSENT);
        let target = self.target(node, kind, object.id, subject)?;
        self.evaluate(node, relation, target, limits)
    }

    fn target(
        &self,
        node: Node,
        kind: TypeId,
        object_id: &str,
        subject: SubjectRef<'_>,
    ) -> Result<Target, CheckError> {
        Ok(match subject {
            SubjectRef::Object(o) => {
                let of = self.type_of(o.kind)?;
                Target::Object(self.objects.find(of, o.id).unwrap_or(Node::ABSENT), of)
            }
            SubjectRef::Wildcard(of) => Target::Wildcard(self.type_of(of)?),
            SubjectRef::Userset(o, r) => {
                let of = self.type_of(o.kind)?;
                let found = self.objects.find(of, o.id);
                // An object that no tuple names is still itself.
                let same = of == kind && o.id == object_id;
                let absent = if same { node } else { Node::ABSENT_SUBJECT };
                Target::Userset(found.unwrap_or(absent), self.relation_of(of, r)?)
            }
        })
    }

    fn evaluate(
        &self,
        node: Node,
        relation: RelationId,
        target: Target,
        limits: CheckLimits,
    ) -> Result<Decision, CheckError> {
        let mut e = Evaluation {
            store: self,
            schema: &self.schema,
            target,
            depth: limits.depth.min(MAX_DEPTH),
            steps_left: limits.steps,
            exceeded: None,
            path: SmallVec::new(),
            memo: Memo::default(),
        };
        let value = e.relation(node, relation);
        match (value, e.exceeded) {
            (Value::True, _) => Ok(Decision::Allowed),
            (Value::False, _) => Ok(Decision::Denied),
            (Value::Unknown { .. }, Some(bound)) => Err(CheckError::TooComplex(bound)),
            (Value::Unknown { .. }, None) => Ok(Decision::Unknown),
        }
    }
}

impl Evaluation<'_> {
    fn cut(&mut self, bound: Exceeded) -> Value {
        self.exceeded.get_or_insert(bound);
        Value::Unknown { low: 0 }
    }

    fn relation(&mut self, node: Node, relation: RelationId) -> Value {
        if self.target == Target::Userset(node, relation) {
            return Value::True;
        }
        let k = key(node, relation);
        if let Some(known) = self.memo.get(k) {
            return known;
        }
        if let Some(at) = self.path.iter().position(|p| *p == k) {
            return Value::Unknown { low: at as u32 };
        }
        if self.path.len() as u32 >= self.depth {
            return self.cut(Exceeded::Depth);
        }
        if self.steps_left == 0 {
            return self.cut(Exceeded::Steps);
        }
        self.steps_left -= 1;
        let here = self.path.len() as u32;
        self.path.push(k);
        let schema = self.schema;
        let value = self.rewrite(node, relation, schema.rewrite(relation));
        self.path.pop();
        match value {
            // Depends at most on itself: unknown wherever it is asked. Not so if a bound cut it.
            Value::Unknown { low } if low >= here && self.exceeded.is_none() => {
                let v = Value::Unknown { low: FINAL };
                self.memo.put(k, v);
                v
            }
            Value::Unknown { .. } => value,
            _ => {
                self.memo.put(k, value);
                value
            }
        }
    }

    fn rewrite(&mut self, node: Node, relation: RelationId, rewrite: &Rewrite) -> Value {
        match rewrite {
            Rewrite::Direct => self.direct(node, relation),
            Rewrite::Computed(r) => self.relation(node, *r),
            Rewrite::From { tupleset, targets } => self.follow(node, *tupleset, targets),
            Rewrite::Union(parts) => {
                let mut any = Value::False;
                for p in parts {
                    any = or(any, self.rewrite(node, relation, p));
                    if matches!(any, Value::True) {
                        break;
                    }
                }
                any
            }
            Rewrite::Intersection(parts) => {
                let mut all = Value::True;
                for p in parts {
                    all = and(all, self.rewrite(node, relation, p));
                    if matches!(all, Value::False) {
                        break;
                    }
                }
                all
            }
            Rewrite::Exclusion(base, not) => {
                let base = self.rewrite(node, relation, base);
                if matches!(base, Value::False) {
                    return base;
                }
                let not = match self.rewrite(node, relation, not) {
                    Value::True => Value::False,
                    Value::False => Value::True,
                    unknown @ Value::Unknown { .. } => unknown,
                };
                and(base, not)
            }
        }
    }

    fn direct(&mut self, node: Node, relation: RelationId) -> Value {
        let store = self.store;
        let Some(edges) = store.forward.get(&key(node, relation)) else {
            return Value::False;
        };
        let found = match self.target {
            Target::Object(who, of) => edges.wildcards.contains(&of) || edges.has_object(who),
            Target::Wildcard(of) => edges.wildcards.contains(&of),
            Target::Userset(..) => false,
        };
        if found {
            return Value::True;
        }
        let mut any = Value::False;
        for (object, relation) in &edges.usersets {
            any = or(any, self.relation(*object, *relation));
            if matches!(any, Value::True) {
                break;
            }
        }
        any
    }

    fn follow(&mut self, node: Node, tupleset: RelationId, targets: &[(TypeId, RelationId)]) -> Value {
        let store = self.store;
        let Some(edges) = store.forward.get(&key(node, tupleset)) else {
            return Value::False;
        };
        let mut any = Value::False;
        for object in &edges.objects {
            let kind = store.objects.kind(*object);
            let Some((_, relation)) = targets.iter().find(|(t, _)| *t == kind) else {
                continue;
            };
            any = or(any, self.relation(*object, *relation));
            if matches!(any, Value::True) {
                break;
            }
        }
        any
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
