//! Failed logins per address: a token bucket that only failures empty (`rate_failed_logins`).

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::Arc,
    time::Duration,
};

use parking_lot::Mutex;
use waddle_core::{Timestamp, limits::Rate};

/// Addresses remembered at a time; the fullest bucket goes first.
const ADDRESSES: usize = 65_536;

/// Buckets of failures by address (IPv6 by /64).
#[derive(Clone)]
pub struct Throttle {
    rate: Rate,
    buckets: Arc<Mutex<HashMap<IpAddr, Bucket>>>,
}

#[derive(Clone, Copy)]
struct Bucket {
    /// Failures left, in millionths.
    left: u64,
    at: Timestamp,
}

const ONE: u64 = 1_000_000;

fn network(addr: IpAddr) -> IpAddr {
    match addr.to_canonical() {
        IpAddr::V6(a) => {
            let [a, b, c, d, ..] = a.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
        v4 @ IpAddr::V4(_) => v4,
    }
}

impl Throttle {
    /// A throttle that allows `rate` failures.
    pub fn new(rate: Rate) -> Self {
        Self {
            rate,
            buckets: Arc::default(),
        }
    }

    fn full(&self) -> u64 {
        u64::from(self.rate.count.max(1)) * ONE
    }

    /// Microseconds in which an empty bucket fills.
    fn micros(&self) -> u128 {
        u128::from(self.rate.seconds.max(1)) * u128::from(ONE)
    }

    fn refilled(&self, b: Bucket, now: Timestamp) -> Bucket {
        let full = u128::from(self.full());
        let gained = full * now.since(b.at).as_micros() / self.micros();
        let left = b.left.saturating_add(u64::try_from(gained).unwrap_or(u64::MAX));
        Bucket {
            left: left.min(self.full()),
            at: now.max(b.at),
        }
    }

    /// Whether an address may try now; if not, how long it waits.
    pub fn allowed(&self, addr: IpAddr, now: Timestamp) -> Result<(), Duration> {
        let buckets = self.buckets.lock();
        let Some(b) = buckets.get(&network(addr)) else {
            return Ok(());
        };
        let b = self.refilled(*b, now);
        if b.left >= ONE {
            return Ok(());
        }
        let wait = (u128::from(ONE - b.left) * self.micros()).div_ceil(u128::from(self.full()));
        let seconds = wait.div_ceil(u128::from(ONE)).max(1);
        Err(Duration::from_secs(u64::try_from(seconds).unwrap_or(u64::MAX)))
    }

    /// Takes back one failure.
    pub fn forgiven(&self, addr: IpAddr) {
        if let Some(b) = self.buckets.lock().get_mut(&network(addr)) {
            b.left = (b.left + ONE).min(self.full());
        }
    }

    /// Counts a failure.
    pub fn failed(&self, addr: IpAddr, now: Timestamp) {
        let mut buckets = self.buckets.lock();
        let key = network(addr);
        if buckets.len() >= ADDRESSES && !buckets.contains_key(&key) {
            buckets.retain(|_, b| self.refilled(*b, now).left < self.full());
            if buckets.len() >= ADDRESSES
                && let Some(fullest) = buckets.iter().max_by_key(|(_, b)| b.left).map(|(k, _)| *k)
            {
                buckets.remove(&fullest);
            }
        }
        let b = buckets.entry(key).or_insert(Bucket {
            left: self.full(),
            at: now,
        });
        *b = self.refilled(*b, now);
        b.left = b.left.saturating_sub(ONE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_empty_and_time_fills() {
        let t = Throttle::new(Rate {
            count: 3,
            seconds: 30,
        });
        let a: IpAddr = "192.0.2.1".parse().unwrap();
        let now = Timestamp(1_000_000_000);
        for _ in 0..3 {
            assert!(t.allowed(a, now).is_ok());
            t.failed(a, now);
        }
        assert_eq!(t.allowed(a, now), Err(Duration::from_secs(10)));
        assert!(
            t.allowed("192.0.2.2".parse().unwrap(), now).is_ok(),
            "others go on"
        );
        assert!(
            t.allowed("::ffff:192.0.2.1".parse().unwrap(), now).is_err(),
            "the same address"
        );
        assert!(t.allowed(a, now.plus(Duration::from_secs(10))).is_ok());
        t.forgiven(a);
        assert!(t.allowed(a, now).is_ok());
        t.failed(a, now);
        assert!(
            t.allowed(a, now.minus(Duration::from_secs(99))).is_err(),
            "a clock that went back"
        );
    }

    #[test]
    fn ipv6_counts_by_network_and_memory_is_bounded() {
        let t = Throttle::new(Rate {
            count: 1,
            seconds: 60,
        });
        let now = Timestamp(0);
        t.failed("2001:db8::1".parse().unwrap(), now);
        assert!(t.allowed("2001:db8::2".parse().unwrap(), now).is_err());
        assert!(t.allowed("2001:db8:0:1::2".parse().unwrap(), now).is_ok());
        for i in 0..(ADDRESSES as u32 + 50) {
            t.failed(IpAddr::from(i.to_be_bytes()), now);
        }
        assert!(t.buckets.lock().len() <= ADDRESSES);
    }
}
