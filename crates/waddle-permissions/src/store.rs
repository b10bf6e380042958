//! Tuples in memory: indexes by object and by subject, atomic changes, revisions.

use std::sync::Arc;

use ahash::{AHashMap, AHashSet};

use crate::{
    cache::Cache,
    edges::{Back, Edges, Who},
    log::{Change, Log, RevisionChanges, RevisionError},
    objects::{Node, Objects},
    overlay::View,
    schema::{RelationId, Restriction, Schema, TypeId},
    set::Set,
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

/// The bounds of a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoreLimits {
    /// Tuples held.
    pub tuples: usize,
    /// Decisions remembered until the next revision.
    pub cached: usize,
    /// Changes held for watchers and for the way back to older revisions.
    pub log: usize,
}

impl From<&waddle_core::Limits> for StoreLimits {
    fn from(l: &waddle_core::Limits) -> Self {
        Self {
            tuples: l.permission_tuples,
            cached: l.permission_cache,
            log: l.permission_log,
        }
    }
}

/// The tuples of one database under one schema.
#[derive(Debug, Clone)]
pub struct TupleStore {
    pub(crate) schema: Arc<Schema>,
    pub(crate) objects: Objects,
    pub(crate) forward: AHashMap<u64, Edges>,
    /// What is given to everybody of a type.
    everyone: AHashMap<TypeId, Set<(Node, RelationId), 2>>,
    pub(crate) cache: Cache,
    /// Kept although this schema does not allow them.
    dormant: AHashSet<Tuple>,
    log: Log,
    count: usize,
    limits: StoreLimits,
    revision: u64,
}

/// The index key of an object's relation.
pub(crate) fn key(node: Node, relation: RelationId) -> u64 {
    u64::from(node.0) << 16 | u64::from(relation.0)
}

impl TupleStore {
    /// An empty store.
    pub fn new(schema: Arc<Schema>, limits: StoreLimits) -> Self {
        Self {
            objects: Objects::new(schema.types.len()),
            schema,
            forward: AHashMap::new(),
            everyone: AHashMap::new(),
            cache: Cache::new(limits.cached),
            dormant: AHashSet::new(),
            log: Log::new(limits.log),
            count: 0,
            limits,
            revision: 0,
        }
    }

    /// A store with what is at hand; tuples that the schema does not allow are left out and named.
    pub fn load(
        schema: Arc<Schema>,
        limits: StoreLimits,
        revision: u64,
        tuples: impl IntoIterator<Item = Tuple>,
    ) -> (Self, Vec<Ignored>) {
        let mut store = Self::new(schema, limits);
        let ignored = store.fill(tuples);
        store.revision = revision;
        (store, ignored)
    }

    fn fill(&mut self, tuples: impl IntoIterator<Item = Tuple>) -> Vec<Ignored> {
        let max = self.limits.tuples;
        let mut ignored = Vec::new();
        for tuple in tuples {
            match self.checked(&tuple) {
                Ok(_) if self.count >= max => ignored.push(Ignored {
                    tuple,
                    why: WriteError::Full { max },
                }),
                Ok((kind, relation)) => {
                    self.insert(kind, relation, &tuple);
                }
                Err(why) => {
                    self.dormant.insert(tuple.clone());
                    ignored.push(Ignored { tuple, why });
                }
            }
        }
        self.objects.shrink();
        self.forward.shrink_to_fit();
        ignored
    }

    /// The same tuples under another schema, as the next revision. What it does not allow is named, sleeps, and
    /// comes back with a schema that does; changes from before are not held any more.
    pub fn change_schema(&mut self, schema: Arc<Schema>) -> Vec<Ignored> {
        let mut tuples: Vec<Tuple> = self.tuples().collect();
        tuples.extend(self.dormant.drain());
        let revision = self.revision + 1;
        *self = Self::new(schema, self.limits);
        self.revision = revision;
        self.fill(tuples)
    }

    /// Takes up what an earlier life of this store did, oldest first and up to its revision now, so that
    /// watchers go on and older revisions are served. Whatever does not end at this revision is not taken.
    pub fn remember(&mut self, past: impl IntoIterator<Item = RevisionChanges>) {
        self.log.clear();
        for entry in past {
            self.log.push(entry);
        }
        if self.log.newest().is_some_and(|r| r != self.revision) {
            self.log.clear();
        }
    }

    /// What happened after a revision, oldest first, one entry for each revision.
    pub fn changes_after(
        &self,
        revision: u64,
    ) -> Result<impl DoubleEndedIterator<Item = &RevisionChanges>, RevisionError> {
        self.log.after(revision, self.revision)
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
        let few = changes.deletes.len() <= 16;
        let deletes: AHashSet<&Tuple> = if few {
            AHashSet::new()
        } else {
            changes.deletes.iter().collect()
        };
        for t in &changes.writes {
            self.checked(t)?;
            let contradicts = if few {
                changes.deletes.contains(t)
            } else {
                deletes.contains(t)
            };
            if contradicts {
                return Err(WriteError::Contradiction(t.to_string()));
            }
        }
        let max = self.limits.tuples;
        if self.count + changes.writes.len() > max {
            let new: AHashSet<&Tuple> = changes.writes.iter().filter(|t| !self.contains(t)).collect();
            let gone: AHashSet<&Tuple> = changes.deletes.iter().filter(|t| self.contains(t)).collect();
            if (self.count + new.len()).saturating_sub(gone.len()) > max && !new.is_empty() {
                return Err(WriteError::Full { max });
            }
        }
        Ok(())
    }

    /// Makes a change as a whole or not at all.
    pub fn apply(&mut self, changes: &Changes) -> Result<Applied, WriteError> {
        self.validate(changes)?;
        let mut done = Vec::new();
        let mut note = |written: bool, t: &Tuple| {
            done.push(Change {
                written,
                tuple: t.clone(),
            });
        };
        let (mut written, mut deleted) = (0, 0);
        for t in &changes.deletes {
            self.dormant.remove(t);
            if self.remove(t) {
                deleted += 1;
                note(false, t);
            }
        }
        for t in &changes.writes {
            let (kind, relation) = self.checked(t)?;
            if self.insert(kind, relation, t) {
                written += 1;
                note(true, t);
            }
        }
        if written + deleted > 0 {
            self.revision += 1;
            self.cache.clear();
            self.log.push(RevisionChanges {
                revision: self.revision,
                changes: done.into(),
            });
        }
        Ok(Applied {
            revision: self.revision,
            written,
            deleted,
        })
    }

    /// Whether the schema allows the tuple.
    pub fn accepts(&self, t: &Tuple) -> Result<(), WriteError> {
        self.checked(t).map(drop)
    }

    /// Whether the tuple itself is held; nothing is derived.
    pub fn contains(&self, t: &Tuple) -> bool {
        self.has(t.object.as_ref(), &t.relation, t.subject.as_ref())
    }

    /// Whether the tuple of these parts is held; nothing is derived.
    pub fn has(&self, object: ObjectRef<'_>, relation: &str, subject: SubjectRef<'_>) -> bool {
        self.view().has(object, relation, subject)
    }

    /// The subjects that tuples name for one object and relation; nothing is derived.
    pub fn subjects(&self, object: ObjectRef<'_>, relation: &str) -> impl Iterator<Item = Subject> {
        self.find(object, relation)
            .into_iter()
            .flat_map(Edges::iter)
            .map(|who| self.view().subject(who))
    }

    /// Every tuple whose subject is this object, or a userset of it.
    pub fn tuples_of(&self, subject: ObjectRef<'_>) -> Vec<Tuple> {
        let view = self.view();
        let node = self
            .schema
            .type_id(subject.kind)
            .and_then(|kind| self.objects.find(kind, subject.id));
        node.map_or_else(Vec::new, |node| {
            view.backs(node)
                .map(|back| view.tuple(back.node, back.relation, back.who(node)))
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
            let edges = self.view().edges(node, *relation);
            out.extend(edges.all().map(|who| self.view().tuple(node, *relation, who)));
        }
        out
    }

    /// Every tuple, in no order.
    pub fn tuples(&self) -> impl Iterator<Item = Tuple> {
        self.view().tuples()
    }

    pub(crate) fn view(&self) -> View<'_> {
        View {
            store: self,
            overlay: None,
        }
    }

    pub(crate) fn everyone(&self, of: TypeId) -> impl Iterator<Item = (Node, RelationId)> + '_ {
        self.everyone.get(&of).into_iter().flat_map(Set::iter)
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

    pub(crate) fn checked(&self, t: &Tuple) -> Result<(TypeId, RelationId), WriteError> {
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
            allowed: self.schema.allowed(relation),
            subject: t.subject.to_string(),
        })
    }

    fn find(&self, object: ObjectRef<'_>, relation: &str) -> Option<&Edges> {
        let kind = self.schema.type_id(object.kind)?;
        let relation = self.schema.relation_id(kind, relation)?;
        self.forward
            .get(&key(self.objects.find(kind, object.id)?, relation))
    }

    fn insert(&mut self, kind: TypeId, relation: RelationId, t: &Tuple) -> bool {
        let node = self.objects.acquire(kind, &t.object.id);
        let (schema, objects) = (&self.schema, &mut self.objects);
        let mut acquire = |o: &Object| {
            let kind = schema.type_id(&o.kind)?;
            Some((kind, objects.acquire(kind, &o.id)))
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
        let new = self.forward.entry(key(node, relation)).or_default().insert(who);
        match (Back::of(node, relation, who), who) {
            (Some((subject, back)), _) if new => {
                self.objects.backs_mut(subject).insert(back);
            }
            (None, Who::Wildcard(of)) if new => {
                self.everyone.entry(of).or_default().insert((node, relation));
            }
            (Some((subject, _)), _) => {
                self.objects.release(subject);
                self.objects.release(node);
            }
            (None, _) => self.objects.release(node),
        }
        self.count += usize::from(new);
        new
    }

    fn remove(&mut self, t: &Tuple) -> bool {
        let found = || {
            let kind = self.schema.type_id(&t.object.kind)?;
            let relation = self.schema.relation_id(kind, &t.relation)?;
            let node = self.objects.find(kind, &t.object.id)?;
            Some((node, relation, self.view().who(t.subject.as_ref())?))
        };
        let Some((node, relation, who)) = found() else {
            return false;
        };
        let k = key(node, relation);
        let Some(edges) = self.forward.get_mut(&k) else {
            return false;
        };
        if !edges.remove(who) {
            return false;
        }
        if edges.is_empty() {
            self.forward.remove(&k);
        }
        match (Back::of(node, relation, who), who) {
            (Some((subject, back)), _) => {
                self.objects.backs_mut(subject).remove(back);
                self.objects.release(subject);
            }
            (None, Who::Wildcard(of)) => {
                if let Some(given) = self.everyone.get_mut(&of) {
                    given.remove((node, relation));
                }
            }
            (None, _) => {}
        }
        self.objects.release(node);
        self.count -= 1;
        true
    }
}
