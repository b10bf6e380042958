//! How many may be somewhere at a time, and how many of them of one network.

use std::{collections::HashMap, net::IpAddr, sync::Arc};

use parking_lot::Mutex;

use crate::client::network;

/// A bounded number of places, of which one network gets a part.
#[derive(Debug, Clone)]
pub struct Crowd(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    most: usize,
    each: usize,
    there: Mutex<There>,
}

#[derive(Debug, Default)]
struct There {
    count: usize,
    of: HashMap<IpAddr, usize>,
}

/// A place; it is free again when this is dropped.
#[derive(Debug)]
pub struct Place {
    crowd: Crowd,
    network: IpAddr,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut there = self.crowd.0.there.lock();
        there.count -= 1;
        if let Some(n) = there.of.get_mut(&self.network) {
            *n -= 1;
            if *n == 0 {
                there.of.remove(&self.network);
            }
        }
    }
}

impl Crowd {
    /// So many at the most, so many of one network.
    pub fn new(most: usize, each: usize) -> Self {
        Self(Arc::new(Inner {
            most,
            each,
            there: Mutex::default(),
        }))
    }

    /// A place, if there is one.
    pub fn enter(&self, addr: IpAddr) -> Option<Place> {
        let network = network(addr);
        let mut there = self.0.there.lock();
        let of = there.of.get(&network).copied().unwrap_or(0);
        if there.count >= self.0.most || of >= self.0.each {
            return None;
        }
        there.count += 1;
        there.of.insert(network, of + 1);
        drop(there);
        Some(Place {
            crowd: self.clone(),
            network,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_gets_its_part() {
        let crowd = Crowd::new(3, 2);
        let enter = |addr: &str| crowd.enter(addr.parse().unwrap());
        // what one customer has counts as one (RFC 6177)
        let (a, b) = (enter("2001:db8::1"), enter("2001:db8::ffff:2"));
        assert!(a.is_some() && b.is_some() && enter("2001:db8::3").is_none());
        assert!(enter("2001:db8:0:1::3").is_some(), "another network");
        let c = enter("192.0.2.1");
        assert!(c.is_some() && enter("::ffff:192.0.2.1").is_none(), "it is full");
        drop(a);
        assert!(enter("2001:db8::3").is_some());
        drop((b, c));
        assert_eq!(crowd.0.there.lock().count, 0);
        assert!(crowd.0.there.lock().of.is_empty());
    }
}
