//! The store as one question sees it: now or at an older revision, with contextual tuples or without.

use crate::{
    cache::CacheKey,
    check::{CheckError, CheckLimits, Decision, Evaluation, Target},
    expand::{Expansion, Tree},
    explain::{Explanation, Quiet, Tell},
    log::RevisionError,
    lookup::{Filter, Lookup, LookupLimits, Subjects, Wanted},
    objects::Node,
    overlay::{Overlay, View},
    schema::{RelationId, TypeId},
    store::{TupleStore, WriteError, key},
    tuple::{Object, ObjectRef, SubjectRef, Tuple},
    zookie::Consistency,
};

/// One question of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Question<'a> {
    /// The object.
    pub object: ObjectRef<'a>,
    /// A relation of its type.
    pub relation: &'a str,
    /// Who may have it.
    pub subject: SubjectRef<'a>,
}

/// The tuples at one revision, and those that the question brings along.
#[derive(Debug, Clone)]
pub struct Snapshot<'a> {
    store: &'a TupleStore,
    overlay: Option<Overlay>,
    revision: u64,
}

impl TupleStore {
    /// The tuples as they are now.
    pub fn now(&self) -> Snapshot<'_> {
        Snapshot {
            store: self,
            overlay: None,
            revision: self.revision(),
        }
    }

    /// The tuples as fresh as is wanted. An older revision is made from the log of changes, while it is held.
    pub fn at(&self, consistency: Consistency) -> Result<Snapshot<'_>, RevisionError> {
        let now = self.revision();
        match consistency {
            Consistency::AtLeast(wanted) if wanted > now => Err(RevisionError::Ahead { wanted, now }),
            Consistency::Latest | Consistency::AtLeast(_) => Ok(self.now()),
            Consistency::Exact(wanted) => {
                let mut overlay = Overlay::default();
                for entry in self.changes_after(wanted)?.rev() {
                    for change in entry.changes.iter().rev() {
                        if change.written {
                            overlay.take(self, &change.tuple);
                        } else {
                            overlay.add(self, &change.tuple);
                        }
                    }
                }
                Ok(Snapshot {
                    store: self,
                    overlay: (wanted != now).then_some(overlay),
                    revision: wanted,
                })
            }
        }
    }

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
        let view = self.view();
        let kind = self.schema.relation_type(relation);
        let node = view.find(kind, object_id).unwrap_or(Node::ABSENT);
        let target = target(view, node, kind, object_id, subject)?;
        let cache_key = cache_key(node, relation, target);
        if let Some(decision) = cache_key.and_then(|k| self.cache.get(k)) {
            return Ok(decision);
        }
        let (decision, ()) = Evaluation::<Quiet>::new(view, target, limits).decide(node, relation)?;
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
        let (view, kind) = (self.view(), self.type_of(object.kind)?);
        let relation = self.relation_of(kind, relation)?;
        let node = view.find(kind, object.id).unwrap_or(Node::ABSENT);
        let target = target(view, node, kind, object.id, subject)?;
        let (decision, ()) = Evaluation::<Quiet>::new(view, target, limits).decide(node, relation)?;
        Ok(decision)
    }
}

impl Snapshot<'_> {
    /// With tuples that hold for this question alone; the schema must allow them.
    pub fn with(mut self, contextual: &[Tuple]) -> Result<Self, WriteError> {
        for t in contextual {
            self.store.checked(t)?;
            self.overlay.get_or_insert_default().add(self.store, t);
        }
        Ok(self)
    }

    /// The revision of the tuples.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// Every tuple, in no order.
    pub fn tuples(&self) -> impl Iterator<Item = Tuple> {
        self.view().tuples()
    }

    /// Whether the tuple itself is there; nothing is derived.
    pub fn contains(&self, t: &Tuple) -> bool {
        self.view()
            .has(t.object.as_ref(), &t.relation, t.subject.as_ref())
    }

    fn view(&self) -> View<'_> {
        View {
            store: self.store,
            overlay: self.overlay.as_ref(),
        }
    }

    /// Decides one question.
    pub fn check(&self, q: Question<'_>, limits: CheckLimits) -> Result<Decision, CheckError> {
        if self.overlay.is_none() {
            return self.store.check(q.object, q.relation, q.subject, limits);
        }
        let (view, kind) = (self.view(), self.store.type_of(q.object.kind)?);
        let relation = self.store.relation_of(kind, q.relation)?;
        let node = view.find(kind, q.object.id).unwrap_or(Node::ABSENT);
        let target = target(view, node, kind, q.object.id, q.subject)?;
        Ok(Evaluation::<Quiet>::new(view, target, limits)
            .decide(node, relation)?
            .0)
    }

    /// Decides many questions at one revision, each within the bounds.
    pub fn check_many(
        &self,
        questions: &[Question<'_>],
        limits: CheckLimits,
    ) -> Vec<Result<Decision, CheckError>> {
        questions.iter().map(|q| self.check(*q, limits)).collect()
    }

    /// This snapshot with numbers for the objects of the question, whether tuples name them or not.
    fn naming(&self, objects: &[ObjectRef<'_>]) -> Result<Self, WriteError> {
        let mut named = self.clone();
        for o in objects {
            let kind = self.store.type_of(o.kind)?;
            if self.view().find(kind, o.id).is_none() {
                named.overlay.get_or_insert_default().name(self.store, kind, o.id);
            }
        }
        Ok(named)
    }

    /// Why the answer to a question is what it is.
    pub fn explain(&self, q: Question<'_>, limits: CheckLimits) -> Result<Explanation, CheckError> {
        let named = match q.subject {
            SubjectRef::Object(o) | SubjectRef::Userset(o, _) => self.naming(&[q.object, o])?,
            SubjectRef::Wildcard(_) => self.naming(&[q.object])?,
        };
        let (view, kind) = (named.view(), self.store.type_of(q.object.kind)?);
        let relation = self.store.relation_of(kind, q.relation)?;
        let node = view.find(kind, q.object.id).unwrap_or(Node::ABSENT);
        let target = target(view, node, kind, q.object.id, q.subject)?;
        let (decision, told) = Evaluation::<Tell>::new(view, target, limits).decide(node, relation)?;
        Ok(Explanation {
            decision,
            subject: q.subject.to_owned(),
            reason: told.tree(view),
        })
    }

    /// The effective userset of a relation as a tree; each leaf shows at most `subjects`.
    pub fn expand(
        &self,
        object: ObjectRef<'_>,
        relation: &str,
        subjects: usize,
        limits: CheckLimits,
    ) -> Result<Tree, CheckError> {
        let named = self.naming(&[object])?;
        let (view, kind) = (named.view(), self.store.type_of(object.kind)?);
        let relation = self.store.relation_of(kind, relation)?;
        let node = view.find(kind, object.id).unwrap_or(Node::ABSENT);
        Expansion::new(view, limits, subjects).tree(node, relation)
    }

    /// The objects of a type to which the subject has a relation, sorted: those for which a check answers yes.
    pub fn list_objects(
        &self,
        kind: &str,
        relation: &str,
        subject: SubjectRef<'_>,
        limits: LookupLimits,
    ) -> Result<Vec<Object>, CheckError> {
        let relation = self.store.relation_of(self.store.type_of(kind)?, relation)?;
        let named = match subject {
            SubjectRef::Userset(o, _) => self.naming(&[o])?,
            SubjectRef::Object(_) | SubjectRef::Wildcard(_) => self.clone(),
        };
        let view = named.view();
        let target = target(view, Node::ABSENT, TypeId(0), "", subject)?;
        Lookup::new(view, limits).objects(target, relation)
    }

    /// Who has a relation to an object: those for whom a check answers yes.
    pub fn list_users(
        &self,
        object: ObjectRef<'_>,
        relation: &str,
        wanted: Wanted<'_>,
        limits: LookupLimits,
    ) -> Result<Subjects, CheckError> {
        let kind = self.store.type_of(object.kind)?;
        let relation = self.store.relation_of(kind, relation)?;
        let filter = match wanted {
            Wanted::Objects(of) => Filter::Objects(self.store.type_of(of)?),
            Wanted::Usersets(of, r) => Filter::Usersets(self.store.relation_of(self.store.type_of(of)?, r)?),
        };
        let named = self.naming(&[object])?;
        let view = named.view();
        let node = view.find(kind, object.id).unwrap_or(Node::ABSENT);
        Lookup::new(view, limits).subjects(node, relation, filter)
    }
}

fn cache_key(node: Node, relation: RelationId, target: Target) -> Option<CacheKey> {
    match target {
        Target::Object(who, of) if node != Node::ABSENT => {
            Some((key(node, relation), u64::from(who.0) << 16 | u64::from(of.0)))
        }
        _ => None,
    }
}

fn target(
    view: View<'_>,
    node: Node,
    kind: TypeId,
    object_id: &str,
    subject: SubjectRef<'_>,
) -> Result<Target, CheckError> {
    let store = view.store;
    Ok(match subject {
        SubjectRef::Object(o) => {
            let of = store.type_of(o.kind)?;
            Target::Object(view.find(of, o.id).unwrap_or(Node::ABSENT), of)
        }
        SubjectRef::Wildcard(of) => Target::Wildcard(store.type_of(of)?),
        SubjectRef::Userset(o, r) => {
            let of = store.type_of(o.kind)?;
            // An object that no tuple names is still itself.
            let same = of == kind && o.id == object_id;
            let absent = if same { node } else { Node::ABSENT_SUBJECT };
            Target::Userset(view.find(of, o.id).unwrap_or(absent), store.relation_of(of, r)?)
        }
    })
}
