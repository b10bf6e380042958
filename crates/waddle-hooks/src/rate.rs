//! How often something may happen: a bucket per key, bounded in number.

use std::{collections::HashMap, hash::Hash};

use parking_lot::Mutex;
use waddle_core::{Timestamp, limits::Rate};

/// Buckets that are remembered; full ones are forgotten first.
const KEYS: usize = 10_000;

/// Buckets of one rate.
#[derive(Debug)]
pub(crate) struct Buckets<K> {
    rate: Rate,
    /// When the bucket of a key is full again, in microseconds.
    full_at: Mutex<HashMap<K, i64>>,
}

impl<K: Hash + Eq> Buckets<K> {
    pub fn new(rate: Rate) -> Self {
        Self {
            rate,
            full_at: Mutex::default(),
        }
    }

    /// Takes one; or the seconds to wait.
    pub fn take(&self, key: K, now: Timestamp) -> Result<(), u64> {
        let window = i64::from(self.rate.seconds.max(1)) * 1_000_000;
        let each = window / i64::from(self.rate.count.max(1));
        let mut all = self.full_at.lock();
        if all.len() >= KEYS {
            all.retain(|_, at| *at > now.0);
            if all.len() >= KEYS {
                return Err(1);
            }
        }
        let at = all.entry(key).or_insert(now.0);
        let next = (*at).max(now.0) + each;
        if next - now.0 > window {
            let wait = next - now.0 - window;
            return Err(u64::try_from(wait).unwrap_or(0).div_ceil(1_000_000).max(1));
        }
        *at = next;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_then_one_at_a_time() {
        let b = Buckets::new(Rate {
            count: 3,
            seconds: 30,
        });
        let now = Timestamp(1_000_000_000);
        for _ in 0..3 {
            b.take("a", now).unwrap();
        }
        assert_eq!(b.take("a", now), Err(10));
        b.take("b", now).unwrap();
        let later = Timestamp(now.0 + 10_000_000);
        b.take("a", later).unwrap();
        assert!(b.take("a", later).is_err());
    }
}
