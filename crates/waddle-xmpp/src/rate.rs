//! Token buckets of a session (mission line 13). No clock: the caller says what time it is.

use waddle_core::{Timestamp, limits::Rate};

/// A token bucket; full at the start.
#[derive(Debug, Clone, Copy)]
pub struct Bucket {
    /// Tokens in millionths.
    tokens: i64,
    last: Timestamp,
}

/// How long to wait until the bucket has a token again, in whole seconds, at least 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wait(pub u32);

const UNIT: i64 = 1_000_000;

impl Bucket {
    /// A full bucket.
    pub fn new(rate: Rate, now: Timestamp) -> Self {
        Self {
            tokens: i64::from(rate.count) * UNIT,
            last: now,
        }
    }

    /// Takes `n` tokens, or says how long to wait.
    pub fn take(&mut self, rate: Rate, n: u32, now: Timestamp) -> Result<(), Wait> {
        let seconds = i64::from(rate.seconds.max(1));
        let count = i64::from(rate.count.max(1));
        // A clock that went back gives nothing and takes nothing.
        let past = now.0.saturating_sub(self.last.0).clamp(0, seconds * UNIT);
        self.last = now;
        self.tokens = (self.tokens + past * count / seconds).min(count * UNIT);
        let need = i64::from(n) * UNIT;
        if self.tokens >= need {
            self.tokens -= need;
            return Ok(());
        }
        let missing = need.min(count * UNIT) - self.tokens;
        let micros = missing * seconds / count;
        Err(Wait(
            u32::try_from((micros + UNIT - 1) / UNIT)
                .unwrap_or(u32::MAX)
                .max(1),
        ))
    }
}

/// A bucket of bytes: reading goes on late instead of failing.
#[derive(Debug, Clone, Copy)]
pub struct ByteBucket {
    left: i64,
    last: Timestamp,
}

impl ByteBucket {
    /// A full bucket: ten seconds' worth.
    pub fn new(per_second: u32, now: Timestamp) -> Self {
        Self {
            left: i64::from(per_second) * 10,
            last: now,
        }
    }

    /// Takes `n` bytes; the answer is how many microseconds to wait before the next read.
    pub fn take(&mut self, per_second: u32, n: usize, now: Timestamp) -> u64 {
        let per_second = i64::from(per_second.max(1));
        let past = now.0.saturating_sub(self.last.0).clamp(0, 10 * UNIT);
        self.last = now;
        self.left = (self.left + past * per_second / UNIT).min(per_second * 10) - n as i64;
        if self.left >= 0 {
            0
        } else {
            (-self.left * UNIT / per_second) as u64
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_then_the_rate() {
        let rate = Rate {
            count: 10,
            seconds: 10,
        };
        let mut b = Bucket::new(rate, Timestamp(0));
        for _ in 0..10 {
            b.take(rate, 1, Timestamp(0)).unwrap();
        }
        assert_eq!(b.take(rate, 1, Timestamp(0)), Err(Wait(1)));
        assert_eq!(
            b.take(rate, 1, Timestamp(-5 * UNIT)),
            Err(Wait(1)),
            "clock backwards"
        );
        b.take(rate, 1, Timestamp(-4 * UNIT)).unwrap();
        assert_eq!(b.take(rate, 100, Timestamp(-4 * UNIT)), Err(Wait(10)));
    }

    #[test]
    fn bytes_are_delayed() {
        let mut b = ByteBucket::new(1000, Timestamp(0));
        assert_eq!(b.take(1000, 10_000, Timestamp(0)), 0);
        assert_eq!(b.take(1000, 500, Timestamp(0)), 500_000);
        assert_eq!(b.take(1000, 0, Timestamp(UNIT)), 0);
    }
}
