//! The feeds of one waddle as a plain reducer: a published message in, lines for channels out.

use std::sync::Arc;

use waddle_community::{Binding, FeedMode};
use waddle_core::{ChannelId, Limits, Timestamp};

use crate::{
    bucket::Bucket,
    payload::{Reading, read},
};

/// A line for a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Where.
    pub channel: ChannelId,
    /// The nickname that it appears under.
    pub nick: Arc<str>,
    /// The text.
    pub body: String,
}

/// One binding at work.
#[derive(Debug)]
struct Feed {
    binding: Binding,
    nick: Arc<str>,
    bucket: Bucket,
    surplus: Option<Surplus>,
}

/// What came while the bucket was empty.
#[derive(Debug)]
struct Surplus {
    count: u64,
    last: String,
    /// When it becomes one line.
    due: Timestamp,
}

/// The feeds of one waddle.
#[derive(Debug)]
pub struct FeedState {
    limits: Arc<Limits>,
    feeds: Vec<Feed>,
}

impl FeedState {
    /// Feeds of these bindings.
    pub fn new(limits: Arc<Limits>, bindings: Vec<Binding>, now: Timestamp) -> Self {
        let mut this = Self {
            limits,
            feeds: Vec::new(),
        };
        this.rebind(bindings, now);
        this
    }

    /// The bindings changed; those that stay keep their buckets.
    pub fn rebind(&mut self, bindings: Vec<Binding>, now: Timestamp) {
        let mut old = std::mem::take(&mut self.feeds);
        for binding in bindings.into_iter().filter(|b| b.mode == FeedMode::Message) {
            let kept = old.iter().position(|f| f.binding.id == binding.id);
            let (bucket, surplus) = match kept.map(|i| old.swap_remove(i)) {
                Some(f) => (f.bucket, f.surplus),
                None => (Bucket::new(self.limits.feed_rate, now), None),
            };
            self.feeds.push(Feed {
                nick: nick_of(&binding, self.limits.muc_nick_bytes).into(),
                binding,
                bucket,
                surplus,
            });
        }
    }

    /// A message was published; the lines that it becomes are added to `lines`.
    pub fn handle(&mut self, topic: &str, payload: &[u8], now: Timestamp, lines: &mut Vec<Line>) {
        let mut shown = None;
        for feed in self.feeds.iter_mut().filter(|f| f.binding.filter.matches(topic)) {
            let body = match shown.get_or_insert_with(|| line(topic, payload, &self.limits)) {
                Some(body) => body.clone(),
                None => return,
            };
            if let Some(surplus) = &mut feed.surplus {
                surplus.count += 1;
                surplus.last = body;
            } else if feed.bucket.take(now) {
                lines.push(feed.line(body));
            } else {
                feed.surplus = Some(Surplus {
                    count: 1,
                    last: body,
                    due: now.plus(feed.bucket.period()),
                });
            }
        }
    }

    /// When the next surplus becomes a line.
    pub fn due(&self) -> Option<Timestamp> {
        self.feeds
            .iter()
            .filter_map(|f| f.surplus.as_ref().map(|s| s.due))
            .min()
    }

    /// Each surplus whose time has come becomes one line.
    pub fn tick(&mut self, now: Timestamp, lines: &mut Vec<Line>) {
        for feed in &mut self.feeds {
            if let Some(surplus) = feed.surplus.take_if(|s| s.due <= now) {
                // The line itself counts too.
                feed.bucket.take(now);
                let body = match surplus.count {
                    1 => surplus.last,
                    n => [&n.to_string(), " more readings, the last: ", &surplus.last].concat(),
                };
                lines.push(feed.line(body));
            }
        }
    }
}

impl Feed {
    fn line(&self, body: String) -> Line {
        Line {
            channel: self.binding.channel,
            nick: self.nick.clone(),
            body,
        }
    }
}

/// `kitchen: 21.5 °C`: the topic's last level and what the payload says; nothing for an empty payload.
fn line(topic: &str, payload: &[u8], limits: &Limits) -> Option<String> {
    let value = match read(payload, limits.feed_payload_bytes) {
        Reading::Value(value) => value,
        Reading::Unreadable => "unreadable".to_owned(),
        Reading::Empty => return None,
    };
    let last = topic.rsplit('/').find(|l| !l.is_empty()).unwrap_or(topic);
    let last: String = last
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(100)
        .collect();
    Some([last.trim(), ": ", &value].concat())
}

/// The binding's name; where it has none of its own, the last level of its filter that is no wildcard.
fn nick_of(binding: &Binding, max_bytes: usize) -> String {
    let filter = binding.filter.as_str();
    let name = if binding.name == filter {
        let mut levels = filter.rsplit('/').filter(|l| !matches!(*l, "#" | "+" | ""));
        levels.next().unwrap_or("feed")
    } else {
        binding.name.trim()
    };
    let mut end = name.len().min(max_bytes);
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    match name[..end].trim() {
        "" => "feed".to_owned(),
        nick => nick.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use waddle_core::{BindingId, WaddleId, limits::Rate};

    use super::*;

    fn at(s: i64) -> Timestamp {
        Timestamp(s * 1_000_000)
    }

    fn binding(filter: &str, name: &str, mode: FeedMode) -> Binding {
        Binding {
            id: BindingId::new(),
            waddle: WaddleId::new(),
            filter: filter.parse().unwrap(),
            channel: ChannelId::new(),
            mode,
            name: name.to_owned(),
            made_by: None,
            made_at: at(0),
        }
    }

    fn state(bindings: Vec<Binding>) -> FeedState {
        let limits = Limits {
            feed_rate: Rate { count: 2, seconds: 10 },
            ..Limits::default()
        };
        FeedState::new(Arc::new(limits), bindings, at(0))
    }

    fn publish(s: &mut FeedState, topic: &str, payload: &str, now: i64) -> Vec<String> {
        let mut lines = Vec::new();
        s.handle(topic, payload.as_bytes(), at(now), &mut lines);
        lines.into_iter().map(|l| l.body).collect()
    }

    #[test]
    fn a_reading_becomes_a_line() {
        let b = binding("home/sensors/#", "home/sensors/#", FeedMode::Message);
        let mut s = state(vec![b.clone()]);
        let mut lines = Vec::new();
        let payload = r#"{"value": 21.5, "unit": "°C"}"#;
        s.handle("home/sensors/temperature/kitchen", payload.as_bytes(), at(0), &mut lines);
        let want = Line {
            channel: b.channel,
            nick: "sensors".into(),
            body: "kitchen: 21.5 °C".to_owned(),
        };
        assert_eq!(lines, [want]);
        assert!(publish(&mut s, "home/other", "1", 0).is_empty());
        assert!(publish(&mut s, "home/sensors/x", "", 0).is_empty(), "a retained message is cleared");
        assert_eq!(publish(&mut s, "home/sensors/x", "NaN", 0), ["x: unreadable"]);
    }

    #[test]
    fn surplus_becomes_one_line() {
        let mut s = state(vec![binding("t/+", "Attic", FeedMode::Message)]);
        for n in 0..1_000 {
            let lines = publish(&mut s, "t/x", &n.to_string(), 1);
            assert_eq!(lines.len(), usize::from(n < 2));
        }
        assert_eq!(s.due(), Some(at(11)));
        let mut lines = Vec::new();
        s.tick(at(10), &mut lines);
        assert!(lines.is_empty());
        s.tick(at(11), &mut lines);
        assert_eq!(lines[0].body, "998 more readings, the last: x: 999");
        assert_eq!((lines.len(), s.due()), (1, None));
        assert_eq!(publish(&mut s, "t/x", "5", 11), ["x: 5"]);
        publish(&mut s, "t/x", "6", 11);
        lines.clear();
        s.tick(at(100), &mut lines);
        assert_eq!(lines[0].body, "x: 6", "a surplus of one is itself");
    }

    #[test]
    fn bindings_keep_their_buckets_apart_and_over_changes() {
        let (a, b) = (
            binding("t/#", "A", FeedMode::Message),
            binding("t/x", "B", FeedMode::Message),
        );
        let card = binding("t/#", "C", FeedMode::Card);
        let mut s = state(vec![a.clone(), b.clone(), card.clone()]);
        assert_eq!(publish(&mut s, "t/x", "1", 0).len(), 2);
        assert_eq!(publish(&mut s, "t/y", "1", 0).len(), 1);
        s.rebind(vec![a, card], at(0));
        assert!(publish(&mut s, "t/x", "1", 0).is_empty(), "the bucket of A is empty");
    }

    #[test]
    fn nicknames() {
        let nick = |filter, name| nick_of(&binding(filter, name, FeedMode::Message), 8);
        assert_eq!(nick("home/sensors/#", "home/sensors/#"), "sensors");
        assert_eq!(nick("#", "#"), "feed");
        assert_eq!(nick("t", "Attic"), "Attic");
        assert_eq!(nick("t", "ööööö"), "öööö");
    }
}
