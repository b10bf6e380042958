//! Decisions remembered until the next revision.

use std::sync::{Mutex, PoisonError};

use ahash::AHashMap;

use crate::check::Decision;

const SHARDS: usize = 16;

/// (object and relation, subject).
pub(crate) type CacheKey = (u64, u64);

/// A bounded map from question to decision; a full shard is emptied.
#[derive(Debug)]
pub(crate) struct Cache {
    shards: [Mutex<AHashMap<CacheKey, Decision>>; SHARDS],
    per_shard: usize,
}

impl Cache {
    pub fn new(entries: usize) -> Self {
        Self {
            shards: Default::default(),
            per_shard: entries.div_ceil(SHARDS),
        }
    }

    fn shard(&self, key: CacheKey) -> &Mutex<AHashMap<CacheKey, Decision>> {
        let mixed = (key.0 ^ key.1.rotate_left(32)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        &self.shards[(mixed >> 60) as usize % SHARDS]
    }

    pub fn get(&self, key: CacheKey) -> Option<Decision> {
        let shard = self.shard(key).lock().unwrap_or_else(PoisonError::into_inner);
        shard.get(&key).copied()
    }

    pub fn put(&self, key: CacheKey, decision: Decision) {
        if self.per_shard == 0 {
            return;
        }
        let mut shard = self.shard(key).lock().unwrap_or_else(PoisonError::into_inner);
        if shard.len() >= self.per_shard {
            shard.clear();
        }
        shard.insert(key, decision);
    }

    pub fn clear(&mut self) {
        for shard in &mut self.shards {
            shard.get_mut().unwrap_or_else(PoisonError::into_inner).clear();
        }
    }
}

impl Clone for Cache {
    /// A clone starts empty.
    fn clone(&self) -> Self {
        Self {
            shards: Default::default(),
            per_shard: self.per_shard,
        }
    }
}
