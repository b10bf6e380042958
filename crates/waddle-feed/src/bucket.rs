//! A token bucket: so many at once, and as many again over its period.

use std::time::Duration;

use waddle_core::{Timestamp, limits::Rate};

/// Tokens of one binding, kept as the time at which the bucket is full again.
#[derive(Debug, Clone)]
pub struct Bucket {
    /// The time in which one token comes.
    each: Duration,
    /// The time in which an empty bucket fills.
    all: Duration,
    full_at: Timestamp,
}

impl Bucket {
    /// A full bucket; none where the rate has no messages or no period, which lets nothing through.
    pub fn new(rate: Rate, now: Timestamp) -> Option<Self> {
        if rate.count == 0 || rate.seconds == 0 {
            return None;
        }
        let all = Duration::from_secs(u64::from(rate.seconds));
        Some(Self {
            each: all / rate.count,
            all,
            full_at: now,
        })
    }

    /// When there is a token. After a clock that went back, no later than in one period.
    pub fn ready(&self, now: Timestamp) -> Timestamp {
        let full_at = self.full_at.min(now.plus(self.all));
        full_at.plus(self.each).minus(self.all)
    }

    /// Takes a token, if there is one.
    pub fn take(&mut self, now: Timestamp) -> bool {
        let enough = self.ready(now) <= now;
        if enough {
            self.full_at = self.full_at.max(now).plus(self.each);
        }
        enough
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(s: i64) -> Timestamp {
        Timestamp(s * 1_000_000)
    }

    #[test]
    fn so_many_then_as_fast_as_it_fills() {
        let mut b = Bucket::new(
            Rate {
                count: 3,
                seconds: 30,
            },
            at(0),
        )
        .unwrap();
        assert!((0..3).all(|_| b.take(at(0))));
        assert!(!b.take(at(0)) && !b.take(at(9)));
        assert_eq!(b.ready(at(9)), at(10));
        assert!(b.take(at(10)) && !b.take(at(10)));
        assert!(!b.take(at(5)), "the clock went back");
        assert!((0..3).all(|_| b.take(at(1_000))) && !b.take(at(1_000)));
        assert!(b.ready(at(-5_000)) <= at(-4_990), "the clock went far back");
        for (count, seconds) in [(0, 1), (1, 0)] {
            assert!(Bucket::new(Rate { count, seconds }, at(0)).is_none());
        }
    }
}
