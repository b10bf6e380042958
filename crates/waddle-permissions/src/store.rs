//! Tuples in memory: indexes by object and by subject, atomic changes, revisions.

use std::sync::Arc;

use ahash::AHashMap;
use smallvec::SmallVec;

use crate::{
    cache::Cache,
    edges::{Edges, Who},
    objects::{Node, Objects},
    schema::{RelationId, Restriction, Schema, TypeId},
    suggest::nearest,
    tuple::{Object, ObjectRef, Subject, SubjectRef, Tuple},
};

/// Tuples to write and to delete in one step.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    /// To be there afterwards; one that is there already is no error.
    pub writes: Vec<Tuple>,
    /// To be gone afterwards; one that is not there is no error.
    pub deletes: Vec<Tuple>,
}

impl Changes {
    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.writes.is_empty() && self.deletes.is_empty()
    }
}

/// What a change did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Applied {
    /// The revision from now on; one more than before if anything changed.
    pub revision: u64,
    /// Tuples that are new.
    pub written: usize,
    /// Tuples that are gone.
    pub deleted: usize,
}

/// A tuple that the schema does not allow (any more), left out when loading.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ignored {
    /// The tuple.
    pub tuple: Tuple,
    /// Why.
    pub why: WriteError,
}

/// Why a change was refused; nothing of it happened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WriteError {
    /// The schema has no such type.
    #[error("there is no type `{name}`{}", hint(.suggestion.as_deref()))]
    UnknownType {
        /// The name.
        name: String,
        /// A known one like it.
        suggestion: Option<String>,
    },
    /// The type has no such relation.
    #[error("type `{kind}` has no relation `{name}`{}", hint(.suggestion.as_deref()))]
    UnknownRelation {
        /// The type.
        kind: String,
        /// The name.
        name: String,
        /// A known one like it.
        suggestion: Option<String>,
    },
    /// The relation takes no tuples with such a subject.
    #[error("`{kind}#{relation}` takes {allowed}, not `{subject}`")]
    NotAllowed {
        /// The object's type.
        kind: String,
        /// The relation.
        relation: String,
        /// What its tuples may name.
        allowed: String,
        /// The subject.
        subject: String,
    },
    /// The same tuple is to be written and deleted.
    #[error("to be written and deleted at once: {0}")]
    Contradiction(String),
    /// The store holds as many tuples as it may.
    #[error("at most {max} tuples")]
    Full {
        /// The bound.
        max: usize,
    },
}

pub(crate) fn hint(suggestion: Option<&str>) -> String {
    suggestion
        .map(|s| format!("; did you mean `{s}`?"))
        .unwrap_or_default()
}

/// Where an object stands as subject: of which object and relation, and as a userset of which relation.
type Back = (Node, RelationId, Option<RelationId>);

/// The tuples of one database under one schema.
#[derive(Debug, Clone)]
pub struct TupleStore {
    pub(crate) schema: Arc<Schema>,
    pub(crate) objects: Objects,
    pub(crate) forward: AHashMap<u64, Edges>,
    /// By an object that stands as subject, alone or in a userset.
    reverse: AHashMap<Node, SmallVec<[Back; 2]>>,
    pub(crate) cache: Cache,
    count: usize,
    max: usize,
    revision: u64,
}

/// The index key of an object's relation.
pub(crate) fn key(node: Node, relation: RelationId) -> u64 {
    u64::from(node.0) << 16 | u64::from(relation.0)
}

impl TupleStore {
    /// An empty store for at most `max` tuples, remembering up to `cached` decisions.
    pub fn new(schema: Arc<Schema>, max: usize, cached: usize) -> Self {
        Self {
            objects: Objects::new(schema.types.len()),
            schema,
            forward: AHashMap::new(),
            reverse: AHashMap::new(),
            cache: Cache::new(cached),
            count: 0,
            max,
            revision: 0,
        }
    }

    /// A store with what is at hand; tuples that the schema does not allow are left out and named.
    pub fn load(
        schema: Arc<Schema>,
        max: usize,
        cached: usize,
        revision: u64,
        tuples: impl IntoIterator<Item = Tuple>,
    ) -> (Self, Vec<Ignored>) {
        let mut store = Self::new(schema, max, cached);
        let mut ignored = Vec::new();
        for tuple in tuples {
            let checked = store.checked(&tuple);
            match checked {
                Ok(_) if store.count >= max => ignored.push(Ignored {
                    tuple,
                    why: WriteError::Full { max },
                }),
                Ok((kind, relation)) => {
                    store.insert(kind, relation, &tuple);
                }
                Err(why) => ignored.push(Ignored { tuple, why }),
            }
        }
        store.revision = revision;
        (store, ignored)
    }

    /// The schema that the tuples are kept under.
    pub fn schema(&self) -> &Arc<Schema> {
        &self.schema
    }

    /// The number of changes so far; decisions of one revision never change.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// Tuples held.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether no tuple is held.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Objects that tuples name.
    pub fn objects_len(&self) -> usize {
        self.objects.len()
    }

    /// Whether a change would be accepted.
    pub fn validate(&self, changes: &Changes) -> Result<(), WriteError> {
        for t in &changes.writes {
            self.checked(t)?;
            if changes.deletes.contains(t) {
                return Err(WriteError::Contradiction(t.to_string()));
            }
        }
        let new = changes.writes.iter().filter(|t| !self.contains(t)).count();
        let gone = changes.deletes.iter().filter(|t| self.contains(t)).count();
        if (self.count + new).saturating_sub(gone) > self.max && new > 0 {
            return Err(WriteError::Full { max: self.max });
        }
        Ok(())
    }

    /// Makes a change as a whole or not at all.
    pub fn apply(&mut self, changes: &Changes) -> Result<Applied, WriteError> {
        self.validate(changes)?;
        let (mut written, mut deleted) = (0, 0);
        for t in &changes.deletes {
            deleted += usize::from(self.remove(t));
        }
        for t in &changes.writes {
            let (kind, relation) = self.checked(t)?;
            written += usize::from(self.insert(kind, relation, t));
        }
        if written + deleted > 0 {
            self.revision += 1;
            self.cache.clear();
        }
        Ok(Applied {
            revision: self.revision,
            written,
            deleted,
        })
    }

    /// Whether the tuple itself is held; nothing is derived.
    pub fn contains(&self, t: &Tuple) -> bool {
        self.has(t.object.as_ref(), &t.relation, t.subject.as_ref())
    }

    /// Whether the tuple of these parts is held; nothing is derived.
    pub fn has(&self, object: ObjectRef<'_>, relation: &str, subject: SubjectRef<'_>) -> bool {
        self.find(object, relation)
            .zip(self.who(subject))
            .is_some_and(|(edges, who)| edges.contains(who))
    }

    /// The subjects that tuples name for one object and relation; nothing is derived.
    pub fn subjects(&self, object: ObjectRef<'_>, relation: &str) -> impl Iterator<Item = Subject> {
        self.find(object, relation)
            .into_iter()
            .flat_map(Edges::iter)
            .map(|who| self.subject(who))
    }

    /// Every tuple whose subject is this object, or a userset of it.
    pub fn tuples_of(&self, subject: ObjectRef<'_>) -> Vec<Tuple> {
        let node = self
            .schema
            .type_id(subject.kind)
            .and_then(|kind| self.objects.find(kind, subject.id));
        let edges = node.and_then(|n| self.reverse.get(&n).map(|e| (n, e)));
        edges.map_or_else(Vec::new, |(node, edges)| {
            edges
                .iter()
                .map(|(object, relation, userset)| {
                    let who = userset.map_or(Who::Object(node), |r| Who::Userset(node, r));
                    self.tuple(*object, *relation, who)
                })
                .collect()
        })
    }

    /// Every tuple about this object.
    pub fn tuples_about(&self, object: ObjectRef<'_>) -> Vec<Tuple> {
        let Some(kind) = self.schema.type_id(object.kind) else {
            return Vec::new();
        };
        let Some(node) = self.objects.find(kind, object.id) else {
            return Vec::new();
        };
        let mut out = Vec::new();
        for relation in self.schema.type_def(kind).relations.values() {
            if let Some(edges) = self.forward.get(&key(node, *relation)) {
                out.extend(edges.iter().map(|who| self.tuple(node, *relation, who)));
            }
        }
        out
    }

    /// Every tuple, in no order.
    pub fn tuples(&self) -> impl Iterator<Item = Tuple> {
        self.forward.iter().flat_map(move |(k, edges)| {
            let (node, relation) = (Node((k >> 16) as u32), RelationId(*k as u16));
            edges.iter().map(move |who| self.tuple(node, relation, who))
        })
    }

    fn object(&self, node: Node) -> Object {
        Object {
            kind: self.schema.type_name(self.objects.kind(node)).into(),
            id: (&**self.objects.id(node)).into(),
        }
    }

    fn subject(&self, who: Who) -> Subject {
        match who {
            Who::Object(n) => Subject::Object(self.object(n)),
            Who::Wildcard(t) => Subject::Wildcard(self.schema.type_name(t).into()),
            Who::Userset(n, r) => Subject::Userset(self.object(n), self.schema.relation_name(r).into()),
        }
    }

    fn tuple(&self, node: Node, relation: RelationId, who: Who) -> Tuple {
        Tuple {
            object: self.object(node),
            relation: self.schema.relation_name(relation).into(),
            subject: self.subject(who),
        }
    }

    pub(crate) fn type_of(&self, name: &str) -> Result<TypeId, WriteError> {
        self.schema.type_id(name).ok_or_else(|| WriteError::UnknownType {
            name: name.into(),
            suggestion: nearest(name, self.schema.types.iter().map(|t| &*t.name)),
        })
    }

    pub(crate) fn relation_of(&self, of: TypeId, name: &str) -> Result<RelationId, WriteError> {
        self.schema
            .relation_id(of, name)
            .ok_or_else(|| WriteError::UnknownRelation {
                kind: self.schema.type_name(of).into(),
                name: name.into(),
                suggestion: nearest(name, self.schema.relation_names(of)),
            })
    }

    fn checked(&self, t: &Tuple) -> Result<(TypeId, RelationId), WriteError> {
        let kind = self.type_of(&t.object.kind)?;
        let relation = self.relation_of(kind, &t.relation)?;
        let wanted = match &t.subject {
            Subject::Object(o) => Restriction::Object(self.type_of(&o.kind)?),
            Subject::Wildcard(kind) => Restriction::Wildcard(self.type_of(kind)?),
            Subject::Userset(o, r) => Restriction::Userset(self.relation_of(self.type_of(&o.kind)?, r)?),
        };
        if self.schema.restrictions(relation).contains(&wanted) {
            return Ok((kind, relation));
        }
        Err(WriteError::NotAllowed {
            kind: t.object.kind.to_string(),
            relation: t.relation.to_string(),
            allowed: self.allowed(relation),
            subject: t.subject.to_string(),
        })
    }

    fn allowed(&self, relation: RelationId) -> String {
        let s = &self.schema;
        let list: Vec<String> = s
            .restrictions(relation)
            .iter()
            .map(|r| match r {
                Restriction::Object(t) => s.type_name(*t).to_owned(),
                Restriction::Wildcard(t) => format!("{}:*", s.type_name(*t)),
                Restriction::Userset(r) => {
                    format!("{}#{}", s.type_name(s.relation_type(*r)), s.relation_name(*r))
                }
            })
            .collect();
        if list.is_empty() {
            "no tuples: it follows from other relations".into()
        } else {
            format!("[{}]", list.join(", "))
        }
    }

    fn find(&self, object: ObjectRef<'_>, relation: &str) -> Option<&Edges> {
        let kind = self.schema.type_id(object.kind)?;
        let relation = self.schema.relation_id(kind, relation)?;
        self.forward
            .get(&key(self.objects.find(kind, object.id)?, relation))
    }

    fn who(&self, subject: SubjectRef<'_>) -> Option<Who> {
        let node = |o: ObjectRef<'_>| self.objects.find(self.schema.type_id(o.kind)?, o.id);
        Some(match subject {
            SubjectRef::Object(o) => Who::Object(node(o)?),
            SubjectRef::Wildcard(kind) => Who::Wildcard(self.schema.type_id(kind)?),
            SubjectRef::Userset(o, r) => Who::Userset(
                node(o)?,
                self.schema.relation_id(self.schema.type_id(o.kind)?, r)?,
            ),
        })
    }

    fn insert(&mut self, kind: TypeId, relation: RelationId, t: &Tuple) -> bool {
        if self.contains(t) {
            return false;
        }
        let schema = self.schema.clone();
        let node = self.objects.acquire(kind, &t.object.id);
        let mut acquire = |o: &Object| {
            schema
                .type_id(&o.kind)
                .map(|kind| (kind, self.objects.acquire(kind, &o.id)))
        };
        let who = match &t.subject {
            Subject::Object(o) => acquire(o).map(|(_, n)| Who::Object(n)),
            Subject::Wildcard(kind) => schema.type_id(kind).map(Who::Wildcard),
            Subject::Userset(o, r) => {
                acquire(o).and_then(|(kind, n)| Some(Who::Userset(n, schema.relation_id(kind, r)?)))
            }
        };
        // The caller has checked the names; a subject that does not resolve is never inserted.
        let Some(who) = who else {
            self.objects.release(node);
            return false;
        };
        self.forward.entry(key(node, relation)).or_default().insert(who);
        match who {
            Who::Object(n) => self.reverse.entry(n).or_default().push((node, relation, None)),
            Who::Userset(n, r) => self.reverse.entry(n).or_default().push((node, relation, Some(r))),
            Who::Wildcard(_) => {}
        }
        self.count += 1;
        true
    }

    fn remove(&mut self, t: &Tuple) -> bool {
        let Some(kind) = self.schema.type_id(&t.object.kind) else {
            return false;
        };
        let Some(relation) = self.schema.relation_id(kind, &t.relation) else {
            return false;
        };
        let found = self
            .objects
            .find(kind, &t.object.id)
            .zip(self.who(t.subject.as_ref()));
        let Some((node, who)) = found else { return false };
        let Some(edges) = self.forward.get_mut(&key(node, relation)) else {
            return false;
        };
        if !edges.remove(who) {
            return false;
        }
        if edges.len() == 0 {
            self.forward.remove(&key(node, relation));
        }
        let back = match who {
            Who::Object(n) => Some((n, None)),
            Who::Userset(n, r) => Some((n, Some(r))),
            Who::Wildcard(_) => None,
        };
        if let Some((subject, userset)) = back {
            if let Some(list) = self.reverse.get_mut(&subject) {
                list.retain(|e| *e != (node, relation, userset));
                if list.is_empty() {
                    self.reverse.remove(&subject);
                }
            }
            self.objects.release(subject);
        }
        self.objects.release(node);
        self.count -= 1;
        true
    }
}
