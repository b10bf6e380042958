//! How many may be somewhere at a time, and how many of them of one kind: connections of a network, streams of a bot.

use std::{collections::HashMap, hash::Hash, sync::Arc};

use parking_lot::Mutex;

/// A bounded number of places, of which those with one key get a part.
#[derive(Debug, Clone)]
pub struct Crowd<K: Eq + Hash + Clone>(Arc<Inner<K>>);

#[derive(Debug)]
struct Inner<K> {
    most: usize,
    each: usize,
    there: Mutex<There<K>>,
}

#[derive(Debug)]
struct There<K> {
    count: usize,
    of: HashMap<K, usize>,
}

/// A place; it is free again when this is dropped.
#[derive(Debug)]
pub struct Place<K: Eq + Hash + Clone> {
    crowd: Crowd<K>,
    key: K,
}

impl<K: Eq + Hash + Clone> Drop for Place<K> {
    fn drop(&mut self) {
        let mut there = self.crowd.0.there.lock();
        there.count -= 1;
        if let Some(n) = there.of.get_mut(&self.key) {
            *n -= 1;
            if *n == 0 {
                there.of.remove(&self.key);
            }
        }
    }
}

impl<K: Eq + Hash + Clone> Crowd<K> {
    /// So many at the most, so many of one key.
    pub fn new(most: usize, each: usize) -> Self {
        Self(Arc::new(Inner {
            most,
            each,
            there: Mutex::new(There {
                count: 0,
                of: HashMap::new(),
            }),
        }))
    }

    /// A place, if there is one.
    pub fn enter(&self, key: K) -> Option<Place<K>> {
        let mut there = self.0.there.lock();
        let of = there.of.get(&key).copied().unwrap_or(0);
        if there.count >= self.0.most || of >= self.0.each {
            return None;
        }
        there.count += 1;
        there.of.insert(key.clone(), of + 1);
        drop(there);
        Some(Place {
            crowd: self.clone(),
            key,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;
    use crate::client::network;

    #[test]
    fn a_network_gets_its_part() {
        let crowd = Crowd::new(3, 2);
        let enter = |addr: &str| crowd.enter(network(addr.parse::<IpAddr>().unwrap()));
        // what one customer has counts as one (RFC 6177)
        let (a, b) = (enter("2001:db8::1"), enter("2001:db8::ffff:2"));
        assert!(a.is_some() && b.is_some() && enter("2001:db8::3").is_none());
        let c = enter("2001:db8:0:1::3");
        assert!(c.is_some(), "another network");
        assert!(enter("192.0.2.1").is_none(), "it is full");
        drop(a);
        let d = enter("::ffff:192.0.2.1");
        assert!(d.is_some() && enter("192.0.2.1").is_none());
        drop((b, c, d));
        let there = crowd.0.there.lock();
        assert!(there.count == 0 && there.of.is_empty());
    }
}
