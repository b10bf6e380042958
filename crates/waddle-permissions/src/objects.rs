//! Objects as small numbers, counted so that names which no tuple uses any more cost nothing.

use std::sync::Arc;

use ahash::AHashMap;

use crate::schema::TypeId;

/// An object that some tuple names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Node(pub u32);

impl Node {
    /// An object asked about that no tuple names.
    pub const ABSENT: Self = Self(u32::MAX);
    /// The object of a userset asked about that no tuple names.
    pub const ABSENT_SUBJECT: Self = Self(u32::MAX - 1);
}

#[derive(Debug, Clone)]
struct Slot {
    kind: TypeId,
    id: Arc<str>,
    uses: u32,
}

/// The table of objects.
#[derive(Debug, Clone, Default)]
pub(crate) struct Objects {
    by_type: Vec<AHashMap<Arc<str>, Node>>,
    slots: Vec<Slot>,
    free: Vec<Node>,
}

impl Objects {
    pub fn new(types: usize) -> Self {
        Self {
            by_type: vec![AHashMap::new(); types],
            ..Self::default()
        }
    }

    pub fn find(&self, kind: TypeId, id: &str) -> Option<Node> {
        self.by_type.get(usize::from(kind.0))?.get(id).copied()
    }

    /// Counts one use of the object, naming it first if it is new.
    pub fn acquire(&mut self, kind: TypeId, id: &str) -> Node {
        if let Some(node) = self.find(kind, id) {
            self.slots[node.0 as usize].uses += 1;
            return node;
        }
        let id: Arc<str> = id.into();
        let slot = Slot {
            kind,
            id: id.clone(),
            uses: 1,
        };
        let node = match self.free.pop() {
            Some(node) => {
                self.slots[node.0 as usize] = slot;
                node
            }
            None => {
                self.slots.push(slot);
                Node(self.slots.len() as u32 - 1)
            }
        };
        self.by_type[usize::from(kind.0)].insert(id, node);
        node
    }

    /// Takes one use back; the last one frees the number.
    pub fn release(&mut self, node: Node) {
        let slot = &mut self.slots[node.0 as usize];
        slot.uses -= 1;
        if slot.uses == 0 {
            self.by_type[usize::from(slot.kind.0)].remove(&slot.id);
            slot.id = Arc::from("");
            self.free.push(node);
        }
    }

    pub fn kind(&self, node: Node) -> TypeId {
        self.slots[node.0 as usize].kind
    }

    pub fn id(&self, node: Node) -> &Arc<str> {
        &self.slots[node.0 as usize].id
    }

    /// Objects in use.
    pub fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }
}
