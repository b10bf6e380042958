//! A histogram of latencies with a relative error of at most 1/32, 12 KB, no allocation per value.

use serde::Serialize;

/// Sub-buckets of each power of two, as a power of two.
const BITS: u32 = 5;
const SUB: u64 = 1 << BITS;
const BUCKETS: usize = ((64 - BITS as usize) + 1) * SUB as usize;

/// Counts of durations in nanoseconds.
#[derive(Clone)]
pub struct Histogram {
    counts: Vec<u64>,
    total: u64,
    max: u64,
}

/// The percentiles that reports carry, in microseconds.
#[derive(Clone, Debug, Serialize)]
pub struct Percentiles {
    /// Median.
    pub p50: f64,
    /// 90th percentile.
    pub p90: f64,
    /// 99th percentile.
    pub p99: f64,
    /// The largest value.
    pub max: f64,
}

impl Histogram {
    /// An empty histogram.
    pub fn new() -> Self {
        Self {
            counts: vec![0; BUCKETS],
            total: 0,
            max: 0,
        }
    }

    /// Adds `count` observations of `nanos`.
    pub fn record(&mut self, nanos: u64, count: u64) {
        self.counts[index(nanos)] += count;
        self.total += count;
        self.max = self.max.max(nanos);
    }

    /// Adds all of `other`.
    pub fn merge(&mut self, other: &Self) {
        for (mine, theirs) in self.counts.iter_mut().zip(&other.counts) {
            *mine += theirs;
        }
        self.total += other.total;
        self.max = self.max.max(other.max);
    }

    /// The percentiles, or nothing where nothing was recorded.
    pub fn percentiles(&self) -> Option<Percentiles> {
        (self.total > 0).then(|| Percentiles {
            p50: self.quantile(0.50),
            p90: self.quantile(0.90),
            p99: self.quantile(0.99),
            max: self.max as f64 / 1000.0,
        })
    }

    fn quantile(&self, quantile: f64) -> f64 {
        let wanted = ((self.total as f64 * quantile).ceil() as u64).max(1);
        let mut seen = 0;
        for (bucket, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= wanted {
                return upper(bucket).min(self.max) as f64 / 1000.0;
            }
        }
        self.max as f64 / 1000.0
    }
}

fn index(value: u64) -> usize {
    if value < SUB {
        return value as usize;
    }
    let shift = value.ilog2() - BITS;
    (u64::from(shift + 1) * SUB + ((value >> shift) - SUB)) as usize
}

/// The largest value of a bucket.
fn upper(bucket: usize) -> u64 {
    let bucket = bucket as u64;
    if bucket < SUB {
        return bucket;
    }
    let shift = bucket / SUB - 1;
    ((SUB + bucket % SUB) << shift) + ((1 << shift) - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_hold_their_values() {
        for value in (0..2000).chain([1 << 20, (1 << 40) + 12_345, u64::MAX]) {
            let bucket = index(value);
            assert!(bucket < BUCKETS, "{value}");
            let top = if value == u64::MAX {
                u64::MAX
            } else {
                upper(bucket)
            };
            assert!(
                top >= value && (top - value) as f64 <= value as f64 / 32.0 + 1.0,
                "{value} {top}"
            );
        }
    }

    #[test]
    fn percentiles_of_a_ramp() {
        let mut histogram = Histogram::new();
        for value in 1..=1000_u64 {
            histogram.record(value * 1000, 1);
        }
        let p = histogram.percentiles().unwrap();
        assert!((p.p50 - 500.0).abs() < 20.0, "{p:?}");
        assert!((p.p99 - 990.0).abs() < 35.0, "{p:?}");
        assert!((p.max - 1000.0).abs() < 0.1, "{p:?}");
        assert!(Histogram::new().percentiles().is_none());
    }
}
