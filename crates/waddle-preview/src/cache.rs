//! What was found lately, by address; that nothing was found is worth remembering too.

use std::{collections::VecDeque, time::Duration};

use ahash::AHashMap;
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::Page;

#[derive(Debug, Default)]
struct Kept {
    pages: AHashMap<Box<str>, (Instant, Option<Page>)>,
    order: VecDeque<Box<str>>,
}

/// A bounded memory; the oldest goes first.
#[derive(Debug)]
pub struct Cache {
    kept: Mutex<Kept>,
    most: usize,
    time: Duration,
}

/// What was found at an address.
#[derive(Debug, PartialEq, Eq)]
pub struct Known(pub Option<Page>);

impl Cache {
    /// Remembers `most` pages for `time`.
    pub fn new(most: usize, time: Duration) -> Self {
        Self {
            kept: Mutex::default(),
            most,
            time,
        }
    }

    /// What is known of an address, if anything is; perhaps that there is nothing to show.
    pub fn get(&self, url: &str, now: Instant) -> Option<Known> {
        let kept = self.kept.lock();
        let (at, page) = kept.pages.get(url)?;
        (now.saturating_duration_since(*at) < self.time).then(|| Known(page.clone()))
    }

    /// Remembers what was found.
    pub fn put(&self, url: &str, page: Option<Page>, now: Instant) {
        if self.most == 0 {
            return;
        }
        let mut kept = self.kept.lock();
        if kept.pages.insert(url.into(), (now, page)).is_none() {
            kept.order.push_back(url.into());
        }
        while kept.order.len() > self.most {
            if let Some(oldest) = kept.order.pop_front() {
                kept.pages.remove(&oldest);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounded_in_number_and_time() {
        let cache = Cache::new(2, Duration::from_secs(10));
        let start = Instant::now();
        for url in ["a", "b", "c"] {
            cache.put(url, None, start);
        }
        assert_eq!(cache.get("a", start), None, "the oldest went");
        assert_eq!(cache.get("c", start), Some(Known(None)));
        assert_eq!(cache.get("c", start + Duration::from_secs(10)), None, "too old");
        cache.put("c", Some(Page::default()), start + Duration::from_secs(20));
        assert!(
            cache
                .get("c", start + Duration::from_secs(21))
                .is_some_and(|k| k.0.is_some())
        );
    }
}
