//! How many bytes a client may send: a token bucket over time (`limits.mqtt_bytes_per_second`).

use std::time::Duration;

use tokio::time::Instant;

/// Seconds' worth of bytes that may come at once.
const BURST: f64 = 10.0;

/// Bytes that may still be read.
#[derive(Debug)]
pub struct Bucket {
    rate: f64,
    left: f64,
    at: Instant,
}

impl Bucket {
    /// A full bucket; a rate of 0 has no bound.
    pub fn new(bytes_per_second: u32) -> Self {
        let rate = f64::from(bytes_per_second);
        Self {
            rate,
            left: rate * BURST,
            at: Instant::now(),
        }
    }

    /// Takes `n` bytes that were read; how long to wait before more is read, if at all.
    pub fn take(&mut self, n: usize) -> Option<Duration> {
        if self.rate == 0.0 {
            return None;
        }
        let now = Instant::now();
        let more = now.duration_since(self.at).as_secs_f64() * self.rate;
        self.at = now;
        self.left = (self.left + more).min(self.rate * BURST) - n as f64;
        (self.left < 0.0).then(|| Duration::from_secs_f64(-self.left / self.rate))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn bursts_then_the_rate() {
        let mut b = Bucket::new(100);
        assert_eq!(b.take(1_000), None);
        assert_eq!(b.take(50), Some(Duration::from_millis(500)));
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(b.take(50), None);
        assert_eq!(Bucket::new(0).take(usize::MAX), None);
    }
}
