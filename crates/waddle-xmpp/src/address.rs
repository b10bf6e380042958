//! Connections per client address, bounded (`connections_per_address`).

use std::{
    net::{IpAddr, Ipv6Addr},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use dashmap::{DashMap, Entry};

/// Counts who is connected from where.
#[derive(Debug)]
pub struct Addresses {
    by_address: DashMap<IpAddr, usize, ahash::RandomState>,
    total: AtomicUsize,
    max_total: usize,
    max_each: usize,
}

/// A place of one connection; dropping it frees the place.
#[derive(Debug)]
pub struct Place {
    table: Arc<Addresses>,
    key: IpAddr,
}

/// An IPv6 subscriber has a /64: that is one address here.
fn key(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(_) => ip,
        IpAddr::V6(v6) => v6.to_ipv4_mapped().map_or_else(
            || {
                let s = v6.segments();
                IpAddr::V6(Ipv6Addr::new(s[0], s[1], s[2], s[3], 0, 0, 0, 0))
            },
            IpAddr::V4,
        ),
    }
}

impl Addresses {
    /// A table that admits `total` connections, `each` of one address.
    pub fn new(total: usize, each: usize) -> Arc<Self> {
        Arc::new(Self {
            by_address: DashMap::default(),
            total: AtomicUsize::new(0),
            max_total: total,
            max_each: each,
        })
    }

    /// Takes a place, or says that there is none.
    pub fn enter(self: &Arc<Self>, ip: IpAddr) -> Option<Place> {
        if self.total.fetch_add(1, Ordering::Relaxed) >= self.max_total {
            self.total.fetch_sub(1, Ordering::Relaxed);
            return None;
        }
        let key = key(ip);
        let mut n = self.by_address.entry(key).or_insert(0);
        if *n >= self.max_each {
            drop(n);
            self.total.fetch_sub(1, Ordering::Relaxed);
            return None;
        }
        *n += 1;
        drop(n);
        Some(Place {
            table: self.clone(),
            key,
        })
    }

    /// Connections now.
    pub fn total(&self) -> usize {
        self.total.load(Ordering::Relaxed)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.table.total.fetch_sub(1, Ordering::Relaxed);
        if let Entry::Occupied(mut e) = self.table.by_address.entry(self.key) {
            *e.get_mut() -= 1;
            if *e.get() == 0 {
                e.remove();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_bounded_and_come_back() {
        let t = Addresses::new(3, 2);
        let a: IpAddr = "192.0.2.1".parse().unwrap();
        let b: IpAddr = "2001:db8::1".parse().unwrap();
        let b2: IpAddr = "2001:db8::2".parse().unwrap();
        let one = t.enter(a);
        let two = t.enter("::ffff:192.0.2.1".parse().unwrap());
        assert!(
            one.is_some() && two.is_some() && t.enter(a).is_none(),
            "mapped v4 is v4"
        );
        let three = t.enter(b);
        assert!(three.is_some() && t.enter(b2).is_none(), "the total is bounded");
        drop(one);
        assert!(t.enter(b2).is_some(), "one /64 counts together, two are allowed");
        drop((two, three));
        assert_eq!(t.total(), 0);
        assert!(t.by_address.is_empty(), "nothing stays behind");
    }
}
