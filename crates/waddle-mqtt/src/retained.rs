//! The retained messages of one topic space, in memory, ordered by topic (MQTT 5.0 §3.3.1.3).

use std::{collections::BTreeMap, ops::Bound, sync::Arc};

use waddle_core::TopicFilter;

use crate::message::Run;

/// Retained messages: each a run of one.
#[derive(Debug, Default)]
pub struct Retained {
    by_topic: BTreeMap<Arc<str>, Arc<Run>>,
    bytes: usize,
}

/// A retained message was refused: the space has too many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Full;

/// Bytes that a retained message counts besides its content.
const OVERHEAD: usize = 256;

fn cost(run: &Run) -> usize {
    run.weight() + OVERHEAD
}

impl Retained {
    /// Messages.
    pub fn len(&self) -> usize {
        self.by_topic.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.by_topic.is_empty()
    }

    /// Bytes, about.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Keeps a message in place of what its topic had.
    pub fn set(&mut self, run: Arc<Run>, max: usize, max_bytes: usize) -> Result<(), Full> {
        let old = self.by_topic.get(&run.topic).map(|r| cost(r));
        let bytes = self.bytes - old.unwrap_or(0) + cost(&run);
        if (old.is_none() && self.by_topic.len() >= max) || bytes > max_bytes {
            return Err(Full);
        }
        self.bytes = bytes;
        self.by_topic.insert(run.topic.clone(), run);
        Ok(())
    }

    /// Forgets a topic's message.
    pub fn clear(&mut self, topic: &str) -> bool {
        let old = self.by_topic.remove(topic);
        if let Some(r) = &old {
            self.bytes -= cost(r);
        }
        old.is_some()
    }

    /// The message of a topic.
    pub fn get(&self, topic: &str) -> Option<&Arc<Run>> {
        self.by_topic.get(topic)
    }

    /// Up to `n` messages of `filter` whose topics come after `after`, looking at no more than `look` topics; the
    /// topic to go on from, unless everything was seen.
    pub fn page(
        &self,
        filter: &TopicFilter,
        after: Option<&str>,
        n: usize,
        look: usize,
    ) -> (Vec<Arc<Run>>, Option<Arc<str>>) {
        if filter.is_exact() {
            let found = after.is_none().then(|| self.get(filter.as_str()).cloned());
            return (found.flatten().into_iter().collect(), None);
        }
        let prefix = literal(filter.as_str());
        let from = match after {
            Some(a) => Bound::Excluded(a),
            None => Bound::Included(prefix),
        };
        let mut out = Vec::new();
        let range = self.by_topic.range::<str, _>((from, Bound::Unbounded));
        for (seen, (topic, run)) in range.enumerate() {
            if !topic.starts_with(prefix) {
                break;
            }
            if filter.matches(topic) {
                out.push(run.clone());
            }
            if out.len() >= n || seen + 1 >= look {
                return (out, Some(topic.clone()));
            }
        }
        (out, None)
    }
}

/// The text before the first wildcard, without the slash that `/#` may do without.
fn literal(filter: &str) -> &str {
    let end = filter.find(['+', '#']).unwrap_or(filter.len());
    let prefix = &filter[..end];
    if filter.ends_with("/#") && end + 1 == filter.len() {
        &prefix[..prefix.len() - 1]
    } else {
        prefix
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{Envelope, Gather};
    use waddle_core::Timestamp;

    fn run(topic: &str, payload: &[u8]) -> Arc<Run> {
        let mut g = Gather::default();
        g.add_parts("", b"", payload, None);
        g.finish(Envelope {
            waddle: None,
            view: "".into(),
            topic: topic.into(),
            qos: 0,
            retain: true,
            received: Timestamp(0),
            from: 0,
            publisher: None,
        })
    }

    fn all(r: &Retained, filter: &str, n: usize) -> Vec<String> {
        let f = filter.parse().unwrap();
        let (mut out, mut after) = (Vec::new(), None::<Arc<str>>);
        loop {
            let (page, next) = r.page(&f, after.as_deref(), n, 3);
            assert!(page.len() <= n);
            out.extend(page.iter().map(|r| r.topic.to_string()));
            match next {
                Some(t) => after = Some(t),
                None => return out,
            }
        }
    }

    #[test]
    fn pages_give_every_match_once() {
        let mut r = Retained::default();
        for t in ["a", "a/b", "a/b/c", "a-b", "b/x", "b/y", "$SYS/x"] {
            r.set(run(t, b"x"), 100, 100_000).unwrap();
        }
        for n in 1..5 {
            assert_eq!(all(&r, "a/#", n), ["a", "a/b", "a/b/c"]);
            assert_eq!(all(&r, "#", n), ["a", "a-b", "a/b", "a/b/c", "b/x", "b/y"]);
            assert_eq!(all(&r, "+/+", n), ["a/b", "b/x", "b/y"]);
            assert_eq!(all(&r, "b/+", n), ["b/x", "b/y"]);
            assert_eq!(all(&r, "a/b", n), ["a/b"]);
            assert_eq!(all(&r, "c/#", n), [""; 0]);
        }
    }

    #[test]
    fn bounds() {
        let mut r = Retained::default();
        r.set(run("a", b"1"), 1, 1000).unwrap();
        assert_eq!(r.set(run("b", b"1"), 1, 1000), Err(Full));
        assert_eq!(r.set(run("a", &[0; 2000]), 1, 1000), Err(Full));
        r.set(run("a", b"2"), 1, 1000).unwrap();
        assert!(r.clear("a") && !r.clear("a"));
        assert_eq!((r.len(), r.bytes()), (0, 0));
    }
}
