//! Objects as small numbers, counted so that names which no tuple uses any more cost nothing.

use ahash::RandomState;
use hashbrown::HashTable;

use crate::{edges::Back, schema::TypeId, set::Set};

/// An object that some tuple names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Node(pub u32);

impl Node {
    /// An object asked about that no tuple names.
    pub const ABSENT: Self = Self(u32::MAX);
    /// The object of a userset asked about that no tuple names.
    pub const ABSENT_SUBJECT: Self = Self(u32::MAX - 1);
    /// From here on numbers belong to an overlay (`crate::overlay`).
    pub const EXTRA: u32 = 1 << 31;
}

#[derive(Debug, Clone)]
struct Slot {
    id: Box<str>,
    uses: u32,
    kind: TypeId,
    /// Tuples whose subject is this object or a userset of it.
    backs: Set<Back, 2>,
}

/// The table of objects.
#[derive(Debug, Clone)]
pub(crate) struct Objects {
    by_type: Vec<HashTable<Node>>,
    slots: Vec<Slot>,
    free: Vec<Node>,
    hasher: RandomState,
}

impl Objects {
    pub fn new(types: usize) -> Self {
        Self {
            by_type: vec![HashTable::new(); types],
            slots: Vec::new(),
            free: Vec::new(),
            hasher: RandomState::new(),
        }
    }

    pub fn find(&self, kind: TypeId, id: &str) -> Option<Node> {
        let hash = self.hasher.hash_one(id);
        let same = |n: &Node| *self.slots[n.0 as usize].id == *id;
        self.by_type.get(usize::from(kind.0))?.find(hash, same).copied()
    }

    /// Counts one use of the object, naming it first if it is new.
    pub fn acquire(&mut self, kind: TypeId, id: &str) -> Node {
        let hash = self.hasher.hash_one(id);
        let (slots, hasher) = (&mut self.slots, &self.hasher);
        let table = &mut self.by_type[usize::from(kind.0)];
        if let Some(node) = table.find(hash, |n| *slots[n.0 as usize].id == *id) {
            slots[node.0 as usize].uses += 1;
            return *node;
        }
        let slot = Slot {
            id: id.into(),
            uses: 1,
            kind,
            backs: Set::default(),
        };
        let node = match self.free.pop() {
            Some(node) => {
                slots[node.0 as usize] = slot;
                node
            }
            None => {
                slots.push(slot);
                Node(slots.len() as u32 - 1)
            }
        };
        table.insert_unique(hash, node, |n| hasher.hash_one(&*slots[n.0 as usize].id));
        node
    }

    /// Takes one use back; the last one frees the number.
    pub fn release(&mut self, node: Node) {
        let slot = &mut self.slots[node.0 as usize];
        slot.uses -= 1;
        if slot.uses == 0 {
            let hash = self.hasher.hash_one(&*slot.id);
            let entry = self.by_type[usize::from(slot.kind.0)].find_entry(hash, |n| *n == node);
            if let Ok(entry) = entry {
                entry.remove();
            }
            slot.id = Box::from("");
            self.free.push(node);
        }
    }

    pub fn kind(&self, node: Node) -> TypeId {
        self.slots[node.0 as usize].kind
    }

    pub fn id(&self, node: Node) -> &str {
        &self.slots[node.0 as usize].id
    }

    pub fn backs(&self, node: Node) -> &Set<Back, 2> {
        &self.slots[node.0 as usize].backs
    }

    pub fn backs_mut(&mut self, node: Node) -> &mut Set<Back, 2> {
        &mut self.slots[node.0 as usize].backs
    }

    /// Objects in use.
    pub fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// Gives back the room that growing left over.
    pub fn shrink(&mut self) {
        self.slots.shrink_to_fit();
        let (slots, hasher) = (&self.slots, &self.hasher);
        for table in &mut self.by_type {
            table.shrink_to_fit(|n| hasher.hash_one(&*slots[n.0 as usize].id));
        }
    }
}
