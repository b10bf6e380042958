//! The decision to trace one event in so many, taken before any span is made.

use std::sync::atomic::{AtomicU64, Ordering};

/// Says *yes* for a set share of calls, evenly spread; two relaxed atomic operations, one when off.
#[derive(Debug, Default)]
pub struct Sampler {
    /// Share of calls that are sampled, in 2⁻³².
    share: AtomicU64,
    sum: AtomicU64,
}

impl Sampler {
    /// A sampler that never says yes.
    pub const fn off() -> Self {
        Self {
            share: AtomicU64::new(0),
            sum: AtomicU64::new(0),
        }
    }

    /// Sets the share: 0.0 is never, 1.0 always.
    pub fn set_ratio(&self, ratio: f64) {
        self.share.store(
            (ratio.clamp(0.0, 1.0) * 4_294_967_296.0) as u64,
            Ordering::Relaxed,
        );
    }

    /// Whether to trace this one.
    pub fn sample(&self) -> bool {
        let share = self.share.load(Ordering::Relaxed);
        if share == 0 {
            return false;
        }
        let before = self.sum.fetch_add(share, Ordering::Relaxed);
        before >> 32 != before.wrapping_add(share) >> 32
    }
}

/// The sampler of stanza and MQTT message spans, set once by the configuration.
pub static STANZA_SPANS: Sampler = Sampler::off();

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares() {
        for (ratio, want) in [(0.0, 0), (0.25, 250), (1.0, 1000)] {
            let s = Sampler::off();
            s.set_ratio(ratio);
            assert_eq!((0..1000).filter(|_| s.sample()).count(), want);
        }
    }
}
