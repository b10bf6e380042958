//! What all databases of a storage have in common: limits, clock, and which of them are open.

use std::{
    hash::{BuildHasher, RandomState},
    sync::Arc,
    time::Instant,
};

use ahash::AHashMap;
use parking_lot::Mutex;
use tokio::sync::watch;
use waddle_core::{Limits, SharedClock, WaddleId};

use crate::{file::DbFile, metrics::Metrics};

/// Threads that write, and as many that read, for the waddles.
pub(crate) const SHARDS: usize = 2;

/// The waddles that were asked for, until they are forgotten again.
#[derive(Default)]
pub(crate) struct Files {
    pub(crate) known: AHashMap<WaddleId, Arc<DbFile>>,
    pub(crate) closed: bool,
}

pub(crate) struct Shared {
    pub(crate) limits: Limits,
    pub(crate) clock: SharedClock,
    pub(crate) metrics: Metrics,
    pub(crate) files: Mutex<Files>,
    pub(crate) open: watch::Sender<usize>,
    shards: [Mutex<Vec<Arc<DbFile>>>; SHARDS],
    hasher: RandomState,
    start: Instant,
}

impl Shared {
    pub(crate) fn new(limits: Limits, clock: SharedClock) -> Arc<Self> {
        Arc::new(Self {
            limits,
            clock,
            metrics: Metrics::new(),
            files: Mutex::default(),
            open: watch::channel(0).0,
            shards: Default::default(),
            hasher: RandomState::new(),
            start: Instant::now(),
        })
    }

    /// Milliseconds since the start.
    pub(crate) fn ticks(&self) -> u64 {
        self.start.elapsed().as_millis() as u64
    }

    pub(crate) fn shard(&self, id: WaddleId) -> usize {
        self.hasher.hash_one(id) as usize % SHARDS
    }

    /// Notes a waddle as open, and closes the longest unused one where the limit is reached. The limit holds
    /// for each shard by its share, so that the threads of one never wait for those of another.
    pub(crate) fn reserve(&self, file: &Arc<DbFile>) {
        let Some(id) = file.waddle else { return };
        // At least two, so that one is never at work on the shard's other thread.
        let most = (self.limits.storage_open_waddles / SHARDS).max(2);
        let mut open = self.shards[self.shard(id)].lock();
        if open.iter().any(|f| Arc::ptr_eq(f, file)) {
            return;
        }
        if open.len() >= most {
            open.sort_by_cached_key(|f| (!f.is_idle(), f.used()));
            let mut surplus = open.len() + 1 - most;
            open.retain(|f| {
                let close = surplus > 0 && f.try_close();
                surplus -= usize::from(close);
                !close
            });
        }
        open.push(file.clone());
        drop(open);
        self.count();
    }

    /// Closes the waddles of a shard that nobody used for `storage_idle_seconds`, and forgets those that
    /// nobody holds.
    pub(crate) fn tidy(&self, shard: usize) {
        let idle = self.limits.storage_idle_seconds.saturating_mul(1000);
        let now = self.ticks();
        self.shards[shard]
            .lock()
            .retain(|f| f.used().saturating_add(idle) > now || !f.is_idle() || !f.try_close());
        self.files.lock().known.retain(|_, f| Arc::strong_count(f) > 1);
        self.count();
    }

    /// Notes a waddle as closed.
    pub(crate) fn forget(&self, file: &Arc<DbFile>) {
        if let Some(id) = file.waddle {
            self.shards[self.shard(id)]
                .lock()
                .retain(|f| !Arc::ptr_eq(f, file));
            self.count();
        }
    }

    fn count(&self) {
        let open = self.shards.iter().map(|s| s.lock().len()).sum();
        self.open.send_replace(open);
        self.metrics.open(open);
    }
}
