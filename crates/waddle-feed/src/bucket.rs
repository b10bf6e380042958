//! A token bucket: so many at once, and as many again over its period.

use std::time::Duration;

use waddle_core::{Timestamp, limits::Rate};

/// Tokens of one binding.
#[derive(Debug, Clone)]
pub struct Bucket {
    rate: Rate,
    /// Tokens, in millionths.
    tokens: u64,
    filled: Timestamp,
}

const ONE: u64 = 1_000_000;

impl Bucket {
    /// A full bucket. A rate without messages or without a period lets nothing through.
    pub fn new(rate: Rate, now: Timestamp) -> Self {
        Self {
            rate,
            tokens: u64::from(rate.count) * ONE,
            filled: now,
        }
    }

    /// Takes a token, if there is one. A clock that goes back fills nothing.
    pub fn take(&mut self, now: Timestamp) -> bool {
        if self.rate.count == 0 || self.rate.seconds == 0 {
            return false;
        }
        let full = u64::from(self.rate.count) * ONE;
        let passed = u64::try_from(now.since(self.filled).as_micros()).unwrap_or(u64::MAX);
        let more = passed.saturating_mul(u64::from(self.rate.count)) / u64::from(self.rate.seconds);
        self.tokens = self.tokens.saturating_add(more).min(full);
        self.filled = now;
        let enough = self.tokens >= ONE;
        if enough {
            self.tokens -= ONE;
        }
        enough
    }

    /// The time in which an empty bucket is full again.
    pub fn period(&self) -> Duration {
        Duration::from_secs(u64::from(self.rate.seconds.max(1)))
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
        let mut b = Bucket::new(Rate { count: 3, seconds: 30 }, at(0));
        assert!((0..3).all(|_| b.take(at(0))));
        assert!(!b.take(at(0)) && !b.take(at(9)));
        assert!(b.take(at(10)) && !b.take(at(10)));
        assert!(!b.take(at(5)), "the clock went back");
        assert!((0..3).all(|_| b.take(at(1_000))) && !b.take(at(1_000)));
        assert!(!Bucket::new(Rate { count: 0, seconds: 1 }, at(0)).take(at(9)));
    }
}
