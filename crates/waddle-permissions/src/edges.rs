//! The tuples of one object and relation, by the kind of their subjects.

use smallvec::SmallVec;

use crate::{
    objects::Node,
    schema::{RelationId, TypeId},
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
    /// Sorted.
    pub objects: SmallVec<[Node; 4]>,
    pub usersets: SmallVec<[(Node, RelationId); 2]>,
    pub wildcards: SmallVec<[TypeId; 1]>,
}

impl Edges {
    pub fn contains(&self, who: Who) -> bool {
        match who {
            Who::Object(n) => self.has_object(n),
            Who::Wildcard(t) => self.wildcards.contains(&t),
            Who::Userset(n, r) => self.usersets.contains(&(n, r)),
        }
    }

    pub fn has_object(&self, node: Node) -> bool {
        match self.objects.len() {
            0..=8 => self.objects.contains(&node),
            _ => self.objects.binary_search(&node).is_ok(),
        }
    }

    /// Whether it was new.
    pub fn insert(&mut self, who: Who) -> bool {
        if self.contains(who) {
            return false;
        }
        match who {
            Who::Object(n) => {
                let at = self.objects.binary_search(&n).unwrap_or_else(|at| at);
                self.objects.insert(at, n);
            }
            Who::Wildcard(t) => self.wildcards.push(t),
            Who::Userset(n, r) => self.usersets.push((n, r)),
        }
        true
    }

    /// Whether it was there.
    pub fn remove(&mut self, who: Who) -> bool {
        let before = self.len();
        match who {
            Who::Object(n) => {
                if let Ok(at) = self.objects.binary_search(&n) {
                    self.objects.remove(at);
                }
            }
            Who::Wildcard(t) => self.wildcards.retain(|x| *x != t),
            Who::Userset(n, r) => self.usersets.retain(|x| *x != (n, r)),
        }
        self.len() != before
    }

    pub fn len(&self) -> usize {
        self.objects.len() + self.usersets.len() + self.wildcards.len()
    }

    pub fn iter(&self) -> impl Iterator<Item = Who> + '_ {
        let objects = self.objects.iter().map(|n| Who::Object(*n));
        let usersets = self.usersets.iter().map(|(n, r)| Who::Userset(*n, *r));
        let wildcards = self.wildcards.iter().map(|t| Who::Wildcard(*t));
        objects.chain(usersets).chain(wildcards)
    }
}
