//! The list of all waddles, and those whose tuples are in memory.

use std::{sync::Arc, time::Duration};

use ahash::AHashMap;
use parking_lot::{Mutex, RwLock};
use tokio::{
    sync::{MutexGuard, OnceCell},
    time::Instant,
};
use waddle_core::{Slug, Timestamp, UserId, WaddleId};
use waddle_storage::Db;

use crate::{Result, Waddle, WaddleAccess};

/// Every waddle of the server by identifier and slug; bounded by the limit on waddles.
#[derive(Default)]
pub(crate) struct Directory {
    names: RwLock<Names>,
}

#[derive(Default)]
struct Names {
    by_id: AHashMap<WaddleId, Arc<Waddle>>,
    /// Also those that are being made or deleted.
    slugs: AHashMap<Slug, WaddleId>,
}

impl Directory {
    pub fn get(&self, id: WaddleId) -> Option<Arc<Waddle>> {
        self.names.read().by_id.get(&id).cloned()
    }

    pub fn by_slug(&self, slug: &Slug) -> Option<Arc<Waddle>> {
        let names = self.names.read();
        names.slugs.get(slug).and_then(|id| names.by_id.get(id)).cloned()
    }

    pub fn is_taken(&self, slug: &Slug) -> bool {
        self.names.read().slugs.contains_key(slug)
    }

    /// Takes a slug before anything is stored; `false` where it is taken.
    pub fn reserve(&self, slug: &Slug, id: WaddleId, max: usize) -> Result<bool> {
        let mut names = self.names.write();
        if names.slugs.contains_key(slug) {
            return Ok(false);
        }
        if names.slugs.len() >= max {
            return Err(crate::Error::Limit { what: "waddles", max });
        }
        names.slugs.insert(slug.clone(), id);
        Ok(true)
    }

    pub fn release(&self, slug: &Slug) {
        self.names.write().slugs.remove(slug);
    }

    pub fn put(&self, waddle: Arc<Waddle>) {
        let mut names = self.names.write();
        names.slugs.insert(waddle.slug.clone(), waddle.id);
        names.by_id.insert(waddle.id, waddle);
    }

    /// Hides a waddle; its slug stays taken until it is released.
    pub fn hide(&self, id: WaddleId) {
        self.names.write().by_id.remove(&id);
    }

    pub fn all(&self) -> Vec<Arc<Waddle>> {
        self.names.read().by_id.values().cloned().collect()
    }
}

/// How many people enter something at a time.
const LANES: usize = 64;

/// One entry of a person into a waddle at a time, from the count of what they belong to until that counts one more.
/// Whoever waits for one has the waddle's turn already, if they need it, and no other of these.
pub(crate) struct Entering {
    lanes: [tokio::sync::Mutex<()>; LANES],
    hash: ahash::RandomState,
}

impl Entering {
    /// Of one person.
    pub async fn one(&self, user: &UserId) -> MutexGuard<'_, ()> {
        let lane = self.hash.hash_one(user.as_str()) % LANES as u64;
        self.lanes[lane as usize].lock().await
    }

    /// Of everybody.
    pub async fn all(&self) -> Vec<MutexGuard<'_, ()>> {
        let mut all = Vec::with_capacity(LANES);
        for lane in &self.lanes {
            all.push(lane.lock().await);
        }
        all
    }
}

impl Default for Entering {
    fn default() -> Self {
        Self {
            lanes: std::array::from_fn(|_| tokio::sync::Mutex::default()),
            hash: ahash::RandomState::new(),
        }
    }
}

/// A waddle in memory, and the turn that its changes take.
pub(crate) struct Open {
    pub access: Arc<WaddleAccess>,
    pub db: Db,
    pub turn: Arc<tokio::sync::Mutex<()>>,
}

#[derive(Clone)]
struct Entry {
    cell: Arc<OnceCell<Arc<Open>>>,
    used: Instant,
}

/// The waddles in memory. Never two at a time for the same waddle: one that somebody holds stays.
#[derive(Default)]
pub(crate) struct OpenWaddles {
    entries: Mutex<AHashMap<WaddleId, Entry>>,
}

impl OpenWaddles {
    /// The place of a waddle, to be filled by whoever comes first.
    pub fn entry(&self, id: WaddleId, max: usize) -> Arc<OnceCell<Arc<Open>>> {
        let mut entries = self.entries.lock();
        let now = Instant::now();
        if let Some(e) = entries.get_mut(&id) {
            e.used = now;
            return e.cell.clone();
        }
        if entries.len() >= max {
            let mut unused: Vec<_> = entries
                .iter()
                .filter(|(_, e)| e.is_unused())
                .map(|(id, e)| (e.used, *id))
                .collect();
            unused.sort_unstable_by_key(|(used, _)| *used);
            for (_, id) in unused.into_iter().take(entries.len() + 1 - max) {
                entries.remove(&id);
            }
        }
        let cell = Arc::new(OnceCell::new());
        entries.insert(
            id,
            Entry {
                cell: cell.clone(),
                used: now,
            },
        );
        cell
    }

    /// The waddle, if it is in memory.
    pub fn get(&self, id: WaddleId) -> Option<Arc<Open>> {
        self.entries.lock().get(&id).and_then(|e| e.cell.get().cloned())
    }

    /// Those of which something is due at `now`.
    pub fn due(&self, now: Timestamp) -> Vec<Arc<Open>> {
        let entries = self.entries.lock();
        let open = entries.values().filter_map(|e| e.cell.get());
        open.filter(|o| o.access.next_end().is_some_and(|at| at <= now))
            .cloned()
            .collect()
    }

    pub fn remove(&self, id: WaddleId) {
        self.entries.lock().remove(&id);
    }

    /// Lets go of what nobody holds and nobody asked for during `idle`.
    pub fn sweep(&self, idle: Duration) {
        self.entries
            .lock()
            .retain(|_, e| !e.is_unused() || e.used.elapsed() < idle);
    }

    pub fn len(&self) -> usize {
        self.entries.lock().len()
    }
}

impl Entry {
    /// Nobody but this list holds it, and nobody is about to: that takes the list's lock.
    fn is_unused(&self) -> bool {
        let held = |o: &Arc<Open>| Arc::strong_count(o) > 1 || Arc::strong_count(&o.access) > 1;
        Arc::strong_count(&self.cell) == 1 && !self.cell.get().is_some_and(held)
    }
}
