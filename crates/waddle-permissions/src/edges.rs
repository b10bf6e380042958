//! The tuples of one object and relation, by the kind of their subjects.

use crate::{
    objects::Node,
    schema::{RelationId, TypeId},
    set::Set,
};

/// A subject as the store keeps it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Who {
    Object(Node),
    Wildcard(TypeId),
    Userset(Node, RelationId),
}

/// Who has one relation to one object.
#[derive(Debug, Clone, Default)]
pub(crate) struct Edges {
    pub objects: Set<Node, 4>,
    pub usersets: Set<(Node, RelationId), 2>,
    pub wildcards: Set<TypeId, 2>,
}

impl Edges {
    pub fn contains(&self, who: Who) -> bool {
        match who {
            Who::Object(n) => self.objects.contains(n),
            Who::Wildcard(t) => self.wildcards.contains(t),
            Who::Userset(n, r) => self.usersets.contains((n, r)),
        }
    }

    /// Whether it was new.
    pub fn insert(&mut self, who: Who) -> bool {
        match who {
            Who::Object(n) => self.objects.insert(n),
            Who::Wildcard(t) => self.wildcards.insert(t),
            Who::Userset(n, r) => self.usersets.insert((n, r)),
        }
    }

    /// Whether it was there.
    pub fn remove(&mut self, who: Who) -> bool {
        match who {
            Who::Object(n) => self.objects.remove(n),
            Who::Wildcard(t) => self.wildcards.remove(t),
            Who::Userset(n, r) => self.usersets.remove((n, r)),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.objects.is_empty() && self.usersets.is_empty() && self.wildcards.is_empty()
    }

    pub fn iter(&self) -> impl Iterator<Item = Who> + '_ {
        let objects = self.objects.iter().map(Who::Object);
        let usersets = self.usersets.iter().map(|(n, r)| Who::Userset(n, r));
        let wildcards = self.wildcards.iter().map(Who::Wildcard);
        objects.chain(usersets).chain(wildcards)
    }
}

/// Where an object stands as subject: of which object and relation, alone or as a userset of which relation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Back {
    pub node: Node,
    pub relation: RelationId,
    via: RelationId,
}

/// No schema has as many relations.
const ALONE: RelationId = RelationId(u16::MAX);

impl Back {
    /// The object that the tuple's subject needs to know of, and the way back to the tuple.
    pub fn of(node: Node, relation: RelationId, who: Who) -> Option<(Node, Self)> {
        let (subject, via) = match who {
            Who::Object(n) => (n, ALONE),
            Who::Userset(n, r) => (n, r),
            Who::Wildcard(_) => return None,
        };
        Some((subject, Self { node, relation, via }))
    }

    /// The relation of the userset, where the subject is one.
    pub fn userset(self) -> Option<RelationId> {
        (self.via != ALONE).then_some(self.via)
    }

    /// The subject of the tuple, given the object in it.
    pub fn who(self, subject: Node) -> Who {
        self.userset()
            .map_or(Who::Object(subject), |r| Who::Userset(subject, r))
    }
}
