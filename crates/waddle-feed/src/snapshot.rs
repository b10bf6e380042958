//! What the broker asks for every batch: the filters of each waddle, read without a lock.
//!
//! A waddle that is not in it is one whose bindings are not known (yet, or any more): everything is wanted there,
//! so that nothing is lost until they are read.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use ahash::AHashMap;
use arc_swap::ArcSwap;
use waddle_core::WaddleId;

use crate::filters::Filters;

/// Parts, so that a change copies only a small one.
const PARTS: usize = 64;

type Part = AHashMap<WaddleId, Arc<Filters>>;

/// The filters of all waddles whose bindings are known.
pub struct Snapshot {
    parts: [ArcSwap<Part>; PARTS],
    hasher: ahash::RandomState,
}

impl Default for Snapshot {
    fn default() -> Self {
        Self {
            parts: std::array::from_fn(|_| ArcSwap::default()),
            hasher: ahash::RandomState::default(),
        }
    }
}

impl Snapshot {
    fn part(&self, waddle: WaddleId) -> &ArcSwap<Part> {
        &self.parts[self.hasher.hash_one(waddle) as usize % PARTS]
    }

    /// Whether somebody wants this topic, or may want it.
    pub fn wants(&self, waddle: WaddleId, topic: &str) -> bool {
        self.part(waddle).load().get(&waddle).is_none_or(|f| f.any(topic))
    }

    /// The filters of a waddle are known, as of `seen`; unless `epoch` went on since.
    pub fn put(&self, waddle: WaddleId, filters: &Arc<Filters>, epoch: &AtomicU64, seen: u64) {
        self.part(waddle).rcu(|part| {
            let mut part = (**part).clone();
            if epoch.load(Ordering::SeqCst) == seen {
                part.insert(waddle, filters.clone());
            }
            part
        });
    }

    /// The filters of a waddle are not known any more.
    pub fn forget(&self, waddle: WaddleId) {
        self.part(waddle).rcu(|part| {
            let mut part = (**part).clone();
            part.remove(&waddle);
            part
        });
    }

    /// Nothing is known any more.
    pub fn forget_all(&self) {
        for part in &self.parts {
            part.store(Arc::default());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_unknown_is_wanted() {
        let (s, w, epoch) = (Snapshot::default(), WaddleId::new(), AtomicU64::new(0));
        assert!(s.wants(w, "a"));
        s.put(w, &Arc::default(), &epoch, 0);
        assert!(!s.wants(w, "a"));
        s.put(w, &Arc::new(Filters::new(&["a/+".parse().unwrap()])), &epoch, 0);
        assert!(s.wants(w, "a/b") && !s.wants(w, "a") && s.wants(WaddleId::new(), "a"));
        epoch.store(1, Ordering::SeqCst);
        s.forget(w);
        s.put(w, &Arc::default(), &epoch, 0);
        assert!(s.wants(w, "a"), "what was read before a change does not count");
        s.put(w, &Arc::default(), &epoch, 1);
        assert!(!s.wants(w, "a"));
        s.forget_all();
        assert!(s.wants(w, "a"));
    }
}
