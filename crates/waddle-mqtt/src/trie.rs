//! The subscriptions of one topic space, a node per level (MQTT 5.0 §4.7).
//!
//! Nodes are freed when their last subscription goes, and maps shrink: filters that came and went leave nothing.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use ahash::AHashMap;

use crate::{link::Opts, session::Session};

/// A subscription at its node.
#[derive(Debug, Clone)]
pub struct Sub {
    /// Whose.
    pub session: Arc<Session>,
    /// How its messages are wanted.
    pub opts: Arc<Opts>,
    /// Not what the session publishes itself.
    pub no_local: bool,
}

type Key = (u64, bool);

impl Sub {
    fn key(&self) -> Key {
        (self.session.serial, self.opts.prefixed)
    }
}

#[derive(Debug, Default)]
struct Group {
    members: AHashMap<Key, Sub>,
    next: Arc<AtomicUsize>,
}

#[derive(Debug, Default)]
struct Ends {
    subs: AHashMap<Key, Sub>,
    groups: AHashMap<Box<str>, Group>,
}

impl Ends {
    fn is_empty(&self) -> bool {
        self.subs.is_empty() && self.groups.is_empty()
    }
}

#[derive(Debug, Default)]
struct Node {
    children: AHashMap<Box<str>, Node>,
    plus: Option<Box<Node>>,
    here: Option<Box<Ends>>,
    hash: Option<Box<Ends>>,
}

impl Node {
    fn is_empty(&self) -> bool {
        self.children.is_empty() && self.plus.is_none() && self.here.is_none() && self.hash.is_none()
    }
}

fn shrink<K: std::hash::Hash + Eq, V>(map: &mut AHashMap<K, V>) {
    if map.capacity() > 64 && map.len() * 4 < map.capacity() {
        let keep = map.len() * 2;
        map.shrink_to(keep);
    }
}

/// What matched a topic.
#[derive(Debug, Default)]
pub struct Matches {
    /// Plain subscriptions; a session appears once per matching filter.
    pub subs: Vec<Sub>,
    /// Shared ones: the members of each group at each matching filter, and whose turn it is.
    pub groups: Vec<(Vec<Sub>, Arc<AtomicUsize>)>,
    /// Filters that matched.
    pub nodes: usize,
}

/// The subscriptions of a space.
#[derive(Debug, Default)]
pub struct Trie {
    root: Node,
    count: usize,
}

impl Trie {
    /// Subscriptions.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Adds or replaces a subscription; `group` is its share.
    pub fn insert(&mut self, filter: &str, group: Option<&str>, sub: Sub) {
        let mut node = &mut self.root;
        let mut ends = None;
        for level in filter.split('/') {
            match level {
                "#" => {
                    ends = Some(node.hash.get_or_insert_default());
                    break;
                }
                "+" => node = node.plus.get_or_insert_default(),
                l => {
                    if !node.children.contains_key(l) {
                        node.children.insert(l.into(), Node::default());
                    }
                    let Some(child) = node.children.get_mut(l) else {
                        return;
                    };
                    node = child;
                }
            }
            // The borrow of `node` moves on with the loop; only the last level's place is used below.
        }
        let ends = match ends {
            Some(e) => e,
            None => node.here.get_or_insert_default(),
        };
        let old = match group {
            None => ends.subs.insert(sub.key(), sub),
            Some(g) => ends
                .groups
                .entry(g.into())
                .or_default()
                .members
                .insert(sub.key(), sub),
        };
        self.count += usize::from(old.is_none());
    }

    /// Removes a subscription.
    pub fn remove(&mut self, filter: &str, group: Option<&str>, serial: u64, prefixed: bool) -> bool {
        let levels: Vec<&str> = filter.split('/').collect();
        let gone = remove(&mut self.root, &levels, group, (serial, prefixed));
        self.count -= usize::from(gone);
        gone
    }

    /// Everything that matches `topic`.
    pub fn matches(&self, topic: &str) -> Matches {
        let levels: smallvec::SmallVec<[&str; 16]> = topic.split('/').collect();
        let mut out = Matches::default();
        walk(&self.root, &levels, !topic.starts_with('$'), &mut out);
        out
    }
}

fn remove(node: &mut Node, levels: &[&str], group: Option<&str>, key: Key) -> bool {
    match levels {
        [] => take(&mut node.here, group, key),
        ["#", ..] => take(&mut node.hash, group, key),
        ["+", rest @ ..] => {
            let Some(child) = node.plus.as_deref_mut() else {
                return false;
            };
            let gone = remove(child, rest, group, key);
            if child.is_empty() {
                node.plus = None;
            }
            gone
        }
        [level, rest @ ..] => {
            let Some(child) = node.children.get_mut(*level) else {
                return false;
            };
            let gone = remove(child, rest, group, key);
            if child.is_empty() {
                node.children.remove(*level);
                shrink(&mut node.children);
            }
            gone
        }
    }
}

fn take(ends: &mut Option<Box<Ends>>, group: Option<&str>, key: Key) -> bool {
    let Some(e) = ends.as_deref_mut() else {
        return false;
    };
    let gone = match group {
        None => {
            let gone = e.subs.remove(&key).is_some();
            shrink(&mut e.subs);
            gone
        }
        Some(g) => {
            let Some(members) = e.groups.get_mut(g) else {
                return false;
            };
            let gone = members.members.remove(&key).is_some();
            if members.members.is_empty() {
                e.groups.remove(g);
            }
            gone
        }
    };
    if e.is_empty() {
        *ends = None;
    }
    gone
}

fn collect(ends: Option<&Ends>, out: &mut Matches) {
    let Some(e) = ends else { return };
    if !e.subs.is_empty() {
        out.nodes += 1;
        out.subs.extend(e.subs.values().cloned());
    }
    for g in e.groups.values() {
        let mut members: Vec<Sub> = g.members.values().cloned().collect();
        members.sort_unstable_by_key(Sub::key);
        out.groups.push((members, g.next.clone()));
    }
}

fn walk(node: &Node, levels: &[&str], wild: bool, out: &mut Matches) {
    if wild {
        collect(node.hash.as_deref(), out);
    }
    let Some((level, rest)) = levels.split_first() else {
        collect(node.here.as_deref(), out);
        return;
    };
    if let Some(child) = node.children.get(*level) {
        walk(child, rest, true, out);
    }
    if wild && let Some(child) = node.plus.as_deref() {
        walk(child, rest, true, out);
    }
}

/// Whose turn it is in a group of `n`.
pub fn turn(next: &AtomicUsize, n: usize) -> usize {
    next.fetch_add(1, Ordering::Relaxed) % n.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::tests::session;
    use waddle_core::TopicFilter;

    fn sub(session: &Arc<Session>, qos: u8) -> Sub {
        Sub {
            session: session.clone(),
            opts: Arc::new(Opts {
                qos,
                as_published: false,
                prefixed: false,
                ids: Vec::new(),
            }),
            no_local: false,
        }
    }

    #[test]
    fn agrees_with_matching_filter_by_filter() {
        let parts = ["a", "b", "+", "$SYS", ""];
        let mut filters = vec!["#".to_owned()];
        for a in parts {
            filters.push(a.to_owned());
            filters.push(format!("{a}/#"));
            for b in parts {
                filters.push(format!("{a}/{b}"));
                filters.push(format!("{a}/{b}/#"));
                for c in parts {
                    filters.push(format!("{a}/{b}/{c}"));
                }
            }
        }
        filters.retain(|f| !f.is_empty());
        let s: Vec<_> = filters.iter().map(|_| session()).collect();
        let mut trie = Trie::default();
        for (f, s) in filters.iter().zip(&s) {
            trie.insert(f, None, sub(s, 0));
        }
        assert_eq!(trie.len(), filters.len());
        for topic in [
            "a", "b/a", "a/b/a", "/", "a/", "$SYS", "$SYS/a", "c", "a/b/c/d", "//a",
        ] {
            let mut got: Vec<u64> = trie
                .matches(topic)
                .subs
                .iter()
                .map(|s| s.session.serial)
                .collect();
            got.sort_unstable();
            let want: Vec<u64> = filters
                .iter()
                .zip(&s)
                .filter(|(f, _)| f.parse::<TopicFilter>().unwrap().matches(topic))
                .map(|(_, s)| s.serial)
                .collect();
            assert_eq!(got, want, "{topic}");
        }
        for (f, s) in filters.iter().zip(&s) {
            assert!(trie.remove(f, None, s.serial, false), "{f}");
            assert!(!trie.remove(f, None, s.serial, false), "{f}");
        }
        assert!(trie.len() == 0 && trie.root.is_empty());
    }

    #[test]
    fn filters_that_came_and_went_leave_nothing() {
        let s = session();
        let mut trie = Trie::default();
        for i in 0..20_000 {
            trie.insert(&format!("x/{i}/#"), (i % 2 == 0).then_some("g"), sub(&s, 0));
        }
        for i in 0..20_000 {
            assert!(trie.remove(&format!("x/{i}/#"), (i % 2 == 0).then_some("g"), s.serial, false));
        }
        assert!(trie.root.is_empty() && trie.root.children.capacity() <= 64);
        assert_eq!(Arc::strong_count(&s), 1);
    }

    #[test]
    fn shares_are_by_group_and_filter() {
        let (a, b) = (session(), session());
        let mut trie = Trie::default();
        trie.insert("t", Some("g"), sub(&a, 0));
        trie.insert("t", Some("g"), sub(&b, 0));
        trie.insert("t", Some("h"), sub(&b, 0));
        trie.insert("+", Some("g"), sub(&b, 0));
        trie.insert("t", None, sub(&a, 0));
        let m = trie.matches("t");
        assert_eq!((m.subs.len(), m.groups.len()), (1, 3));
        assert!(trie.remove("t", Some("g"), a.serial, false));
        assert!(!trie.remove("t", Some("x"), a.serial, false));
        assert_eq!(trie.matches("t").groups.len(), 3);
    }
}
