//! Whose turn it is: so many pages at a time and so many that wait, and of these so many of one waddle, so that links to
//! slow servers hold up their own waddle alone.

use std::sync::Arc;

use ahash::AHashMap;
use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit};

use crate::Bounds;

/// Waddles that are remembered before those without a page are forgotten.
const WADDLES: usize = 1_024;

/// Pages of one waddle.
#[derive(Debug)]
struct Own {
    at_a_time: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
}

/// Pages that are fetched, or wait for it.
#[derive(Debug)]
pub struct Turns {
    at_a_time: Semaphore,
    waiting: Semaphore,
    bounds: Bounds,
    waddles: Mutex<AHashMap<u64, Arc<Own>>>,
}

/// A page that is fetched.
#[derive(Debug)]
pub struct Turn<'a> {
    _held: (OwnedSemaphorePermit, OwnedSemaphorePermit, Arc<Own>),
    _all: (SemaphorePermit<'a>, SemaphorePermit<'a>),
}

fn semaphore(permits: usize) -> Arc<Semaphore> {
    Arc::new(Semaphore::new(permits.max(1)))
}

impl Turns {
    pub fn new(bounds: Bounds) -> Self {
        Self {
            at_a_time: Semaphore::new(bounds.at_a_time.max(1)),
            waiting: Semaphore::new(bounds.waiting.max(1)),
            bounds,
            waddles: Mutex::default(),
        }
    }

    fn of(&self, waddle: u64) -> Arc<Own> {
        let mut all = self.waddles.lock();
        if all.len() >= WADDLES {
            // who has a turn or waits for one holds it too
            all.retain(|_, own| Arc::strong_count(own) > 1);
        }
        let own = all.entry(waddle).or_insert_with(|| {
            Arc::new(Own {
                at_a_time: semaphore(self.bounds.at_a_time_of_one),
                waiting: semaphore(self.bounds.waiting_of_one),
            })
        });
        own.clone()
    }

    /// Waits for a turn of a waddle; nothing where too many wait already.
    pub async fn take(&self, waddle: u64) -> Option<Turn<'_>> {
        let own = self.of(waddle);
        let own_waiting = own.waiting.clone().try_acquire_owned().ok()?;
        let waiting = self.waiting.try_acquire().ok()?;
        let own_turn = own.at_a_time.clone().acquire_owned().await.ok()?;
        let turn = self.at_a_time.acquire().await.ok()?;
        Some(Turn {
            _held: (own_waiting, own_turn, own),
            _all: (waiting, turn),
        })
    }
}
