//! Places for requests to other servers: so many at a time, and of these so many of one waddle, so that whoever answers
//! slowly holds up its own waddle alone.

use std::{collections::HashMap, sync::Arc};

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit};
use waddle_core::WaddleId;

/// Waddles that are remembered before those without a request are forgotten.
const WADDLES: usize = 1_024;

/// Requests of one kind.
#[derive(Debug)]
pub(crate) struct Places {
    all: Semaphore,
    each: usize,
    waddles: Mutex<HashMap<WaddleId, Arc<Semaphore>>>,
}

/// A request under way.
#[derive(Debug)]
pub(crate) struct Place<'a> {
    _own: OwnedSemaphorePermit,
    _all: SemaphorePermit<'a>,
}

impl Places {
    pub fn new(all: usize, each: usize) -> Self {
        Self {
            all: Semaphore::new(all.max(1)),
            each: each.max(1),
            waddles: Mutex::default(),
        }
    }

    fn of(&self, waddle: WaddleId) -> Arc<Semaphore> {
        let mut all = self.waddles.lock();
        if all.len() >= WADDLES {
            // who has a place or waits for one holds it too
            all.retain(|_, s| Arc::strong_count(s) > 1);
        }
        let new = || Arc::new(Semaphore::new(self.each));
        all.entry(waddle).or_insert_with(new).clone()
    }

    /// Waits for a place; nothing where the server stops. A waddle's own come first: who waits there takes none of the
    /// others'.
    pub async fn take(&self, waddle: WaddleId) -> Option<Place<'_>> {
        let own = self.of(waddle).acquire_owned().await.ok()?;
        let all = self.all.acquire().await.ok()?;
        Some(Place { _own: own, _all: all })
    }

    /// Nobody gets one any more.
    pub fn close(&self) {
        self.all.close();
        for s in self.waddles.lock().values() {
            s.close();
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn a_slow_waddle_waits_for_itself() {
        let (places, slow, other) = (Places::new(3, 2), WaddleId::new(), WaddleId::new());
        let one = places.take(slow).await;
        let _two = places.take(slow).await.unwrap();
        assert!(places.take(slow).now_or_never().is_none(), "its two are taken");
        let _others = places
            .take(other)
            .now_or_never()
            .flatten()
            .expect("another waddle has a place");
        assert!(places.take(other).now_or_never().is_none(), "all three are taken");
        drop(one);
        assert!(places.take(slow).now_or_never().flatten().is_some());
        places.close();
        assert!(places.take(WaddleId::new()).await.is_none());
    }

    #[tokio::test]
    async fn waddles_without_requests_are_forgotten() {
        let places = Places::new(2, 2);
        let busy = WaddleId::new();
        let _place = places.take(busy).await.unwrap();
        for _ in 0..WADDLES {
            drop(places.take(WaddleId::new()).await);
        }
        let left = places.waddles.lock();
        assert!(left.len() <= 2 && left.contains_key(&busy), "{}", left.len());
    }
}
