//! A few tuples more or fewer than the store holds: contextual tuples, and the way back to an older revision.
//! The store itself is neither changed nor copied.

use ahash::AHashMap;

use crate::{
    edges::{Back, Edges, Who},
    objects::Node,
    schema::{RelationId, Schema, TypeId},
    set::Set,
    store::{TupleStore, key},
    tuple::{Object, ObjectRef, Subject, SubjectRef, Tuple},
};

/// What differs from the store.
#[derive(Debug, Clone, Default)]
pub(crate) struct Overlay {
    plus: AHashMap<u64, Edges>,
    minus: AHashMap<u64, Edges>,
    backs: AHashMap<Node, Set<Back, 2>>,
    names: AHashMap<(TypeId, Box<str>), Node>,
    slots: Vec<(TypeId, Box<str>)>,
    everyone: AHashMap<TypeId, Vec<(Node, RelationId)>>,
}

/// The store as one question sees it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct View<'a> {
    pub store: &'a TupleStore,
    pub overlay: Option<&'a Overlay>,
}

/// The tuples of one object and relation, of all layers.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Layers<'a> {
    base: Option<&'a Edges>,
    plus: Option<&'a Edges>,
    minus: Option<&'a Edges>,
}

impl<'a> Layers<'a> {
    pub fn contains(self, who: Who) -> bool {
        let in_base = self.base.is_some_and(|e| e.contains(who));
        in_base && !self.minus.is_some_and(|e| e.contains(who)) || self.plus.is_some_and(|e| e.contains(who))
    }

    pub fn objects(self) -> impl Iterator<Item = Node> + 'a {
        let kept = move |n: &Node| !self.minus.is_some_and(|e| e.objects.contains(*n));
        let base = self.base.into_iter().flat_map(|e| e.objects.iter()).filter(kept);
        base.chain(self.plus.into_iter().flat_map(|e| e.objects.iter()))
    }

    pub fn usersets(self) -> impl Iterator<Item = (Node, RelationId)> + 'a {
        let kept = move |u: &(Node, RelationId)| !self.minus.is_some_and(|e| e.usersets.contains(*u));
        let base = self.base.into_iter().flat_map(|e| e.usersets.iter()).filter(kept);
        base.chain(self.plus.into_iter().flat_map(|e| e.usersets.iter()))
    }

    pub fn all(self) -> impl Iterator<Item = Who> + 'a {
        let kept = move |w: &Who| !self.minus.is_some_and(|e| e.contains(*w));
        let base = self.base.into_iter().flat_map(Edges::iter).filter(kept);
        base.chain(self.plus.into_iter().flat_map(Edges::iter))
    }
}

impl<'a> View<'a> {
    pub fn schema(self) -> &'a Schema {
        &self.store.schema
    }

    pub fn edges(self, node: Node, relation: RelationId) -> Layers<'a> {
        let k = key(node, relation);
        Layers {
            base: self.store.forward.get(&k),
            plus: self.overlay.and_then(|o| o.plus.get(&k)),
            minus: self.overlay.and_then(|o| o.minus.get(&k)),
        }
    }

    pub fn find(self, kind: TypeId, id: &str) -> Option<Node> {
        self.store.objects.find(kind, id).or_else(|| {
            let names = &self.overlay?.names;
            if names.is_empty() {
                return None;
            }
            names.get(&(kind, id.into())).copied()
        })
    }

    fn slot(self, node: Node) -> Option<&'a (TypeId, Box<str>)> {
        let at = node.0.checked_sub(Node::EXTRA)?;
        self.overlay?.slots.get(at as usize)
    }

    pub fn kind(self, node: Node) -> TypeId {
        match self.slot(node) {
            Some((kind, _)) => *kind,
            None => self.store.objects.kind(node),
        }
    }

    pub fn object(self, node: Node) -> Object {
        let (kind, id) = match self.slot(node) {
            Some((kind, id)) => (*kind, &**id),
            None => (self.store.objects.kind(node), self.store.objects.id(node)),
        };
        Object {
            kind: self.schema().type_name(kind).into(),
            id: id.into(),
        }
    }

    pub fn subject(self, who: Who) -> Subject {
        match who {
            Who::Object(n) => Subject::Object(self.object(n)),
            Who::Wildcard(t) => Subject::Wildcard(self.schema().type_name(t).into()),
            Who::Userset(n, r) => Subject::Userset(self.object(n), self.schema().relation_name(r).into()),
        }
    }

    pub fn tuple(self, node: Node, relation: RelationId, who: Who) -> Tuple {
        Tuple {
            object: self.object(node),
            relation: self.schema().relation_name(relation).into(),
            subject: self.subject(who),
        }
    }

    /// The ways back from a subject to the tuples that name it.
    pub fn backs(self, node: Node) -> impl Iterator<Item = Back> + 'a {
        let base = (node.0 < Node::EXTRA).then(|| self.store.objects.backs(node));
        let extra = self.overlay.and_then(|o| o.backs.get(&node));
        let there = move |b: &Back| {
            self.overlay
                .is_none_or(|_| self.edges(b.node, b.relation).contains(b.who(node)))
        };
        let base = base.into_iter().flat_map(Set::iter).filter(there);
        base.chain(extra.into_iter().flat_map(Set::iter))
    }

    /// The objects and relations that are given to everybody of a type.
    pub fn everyone(self, of: TypeId) -> impl Iterator<Item = (Node, RelationId)> + 'a {
        let base = self.store.everyone(of);
        let extra = self.overlay.and_then(|o| o.everyone.get(&of));
        let there = move |(n, r): &(Node, RelationId)| {
            self.overlay
                .is_none_or(|_| self.edges(*n, *r).contains(Who::Wildcard(of)))
        };
        base.filter(there).chain(extra.into_iter().flatten().copied())
    }

    /// Every tuple, in no order.
    pub fn tuples(self) -> impl Iterator<Item = Tuple> + 'a {
        let parts = |k: u64| (Node((k >> 16) as u32), RelationId(k as u16));
        let base = self.store.forward.keys().flat_map(move |k| {
            let (node, relation) = parts(*k);
            let edges = self.edges(node, relation);
            edges.all().map(move |who| self.tuple(node, relation, who))
        });
        let only_extra = self.overlay.into_iter().flat_map(|o| o.plus.iter());
        let extra = only_extra
            .filter(|(k, _)| !self.store.forward.contains_key(k))
            .flat_map(move |(k, edges)| {
                let (node, relation) = parts(*k);
                edges.iter().map(move |who| self.tuple(node, relation, who))
            });
        base.chain(extra)
    }

    /// Whether the tuple itself is there; nothing is derived.
    pub fn has(self, object: ObjectRef<'_>, relation: &str, subject: SubjectRef<'_>) -> bool {
        let there = || {
            let kind = self.schema().type_id(object.kind)?;
            let relation = self.schema().relation_id(kind, relation)?;
            let edges = self.edges(self.find(kind, object.id)?, relation);
            Some(edges.contains(self.who(subject)?))
        };
        there().unwrap_or(false)
    }

    pub fn who(self, subject: SubjectRef<'_>) -> Option<Who> {
        let schema = self.schema();
        let node = |o: ObjectRef<'_>| self.find(schema.type_id(o.kind)?, o.id);
        Some(match subject {
            SubjectRef::Object(o) => Who::Object(node(o)?),
            SubjectRef::Wildcard(kind) => Who::Wildcard(schema.type_id(kind)?),
            SubjectRef::Userset(o, r) => {
                Who::Userset(node(o)?, schema.relation_id(schema.type_id(o.kind)?, r)?)
            }
        })
    }
}

impl Overlay {
    /// The number of an object, given for this question if the store has none.
    pub fn name(&mut self, store: &TupleStore, kind: TypeId, id: &str) -> Node {
        if let Some(node) = store.objects.find(kind, id) {
            return node;
        }
        let next = Node(Node::EXTRA + self.slots.len() as u32);
        let node = *self.names.entry((kind, id.into())).or_insert(next);
        if node == next {
            self.slots.push((kind, id.into()));
        }
        node
    }

    /// The parts of a tuple whose names the schema has.
    fn parts(&mut self, store: &TupleStore, t: &Tuple) -> Option<(Node, RelationId, Who)> {
        let schema = store.schema.clone();
        let kind = schema.type_id(&t.object.kind)?;
        let relation = schema.relation_id(kind, &t.relation)?;
        let who = match &t.subject {
            Subject::Object(o) => Who::Object(self.name(store, schema.type_id(&o.kind)?, &o.id)),
            Subject::Wildcard(kind) => Who::Wildcard(schema.type_id(kind)?),
            Subject::Userset(o, r) => {
                let of = schema.type_id(&o.kind)?;
                Who::Userset(self.name(store, of, &o.id), schema.relation_id(of, r)?)
            }
        };
        Some((self.name(store, kind, &t.object.id), relation, who))
    }

    /// The tuple is there from now on; its names are the schema's.
    pub fn add(&mut self, store: &TupleStore, t: &Tuple) {
        let Some((node, relation, who)) = self.parts(store, t) else {
            return;
        };
        let k = key(node, relation);
        if self.minus.get_mut(&k).is_some_and(|e| e.remove(who))
            || store.forward.get(&k).is_some_and(|e| e.contains(who))
            || !self.plus.entry(k).or_default().insert(who)
        {
            return;
        }
        match (Back::of(node, relation, who), who) {
            (Some((subject, back)), _) => {
                self.backs.entry(subject).or_default().insert(back);
            }
            (None, Who::Wildcard(of)) => self.everyone.entry(of).or_default().push((node, relation)),
            (None, _) => {}
        }
    }

    /// The tuple is not there from now on.
    pub fn take(&mut self, store: &TupleStore, t: &Tuple) {
        let Some((node, relation, who)) = self.parts(store, t) else {
            return;
        };
        let k = key(node, relation);
        if !self.plus.get_mut(&k).is_some_and(|e| e.remove(who)) {
            if store.forward.get(&k).is_some_and(|e| e.contains(who)) {
                self.minus.entry(k).or_default().insert(who);
            }
            return;
        }
        match (Back::of(node, relation, who), who) {
            (Some((subject, back)), _) => {
                if let Some(list) = self.backs.get_mut(&subject) {
                    list.remove(back);
                }
            }
            (None, Who::Wildcard(of)) => {
                if let Some(list) = self.everyone.get_mut(&of) {
                    list.retain(|x| *x != (node, relation));
                }
            }
            (None, _) => {}
        }
    }
}
