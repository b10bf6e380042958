//! Lines for channels: what they say and who says it.

use std::sync::Arc;

use waddle_community::Binding;
use waddle_core::ChannelId;

use crate::payload::{Reading, one_line};

/// Characters of a name before the colon.
const NAME: usize = 64;
/// The nickname where a binding's name cannot be one.
pub const NICK: &str = "feed";

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

/// The last level of a topic that is not empty.
pub fn name(topic: &str) -> String {
    let last = topic.rsplit('/').find(|l| !l.trim().is_empty()).unwrap_or(topic);
    one_line(last.trim(), NAME)
}

/// `kitchen: 21.5 °C`.
pub fn body(name: &str, reading: &Reading) -> String {
    format!("{name}: {reading}")
}

/// The binding's name; where it has none of its own, the last level of its filter that is no wildcard.
pub fn nick(binding: &Binding, max_bytes: usize) -> String {
    let filter = binding.filter.as_str();
    let name = if binding.name == filter {
        let mut levels = filter
            .rsplit('/')
            .filter(|l| !matches!(*l, "#" | "+") && !l.trim().is_empty());
        levels.next().unwrap_or(NICK)
    } else {
        binding.name.as_str()
    };
    let name = one_line(name.trim(), max_bytes);
    let mut end = name.len().min(max_bytes);
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    match name[..end].trim() {
        "" => NICK.to_owned(),
        nick => nick.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use waddle_community::FeedMode;
    use waddle_core::{BindingId, Timestamp, WaddleId};

    use super::*;

    #[test]
    fn nicknames() {
        let of = |filter: &str, name: &str| {
            let binding = Binding {
                id: BindingId::new(),
                waddle: WaddleId::new(),
                filter: filter.parse().unwrap(),
                channel: ChannelId::new(),
                mode: FeedMode::Message,
                name: name.to_owned(),
                made_by: None,
                made_at: Timestamp(0),
            };
            nick(&binding, 8)
        };
        assert_eq!(of("home/sensors/#", "home/sensors/#"), "sensors");
        assert_eq!(of("#", "#"), NICK);
        assert_eq!(of("/+/", "/+/"), NICK);
        assert_eq!(of("t", "Attic"), "Attic");
        assert_eq!(of("t", "t"), "t");
        assert_eq!(of("t", "ööööö"), "öööö");
    }

    #[test]
    fn names() {
        for (topic, shown) in [
            ("home/sensors/temperature/kitchen", "kitchen"),
            ("kitchen", "kitchen"),
            ("a/b/", "b"),
            ("/", "/"),
            ("a/b\nc\u{202e}", "b c"),
        ] {
            assert_eq!(name(topic), shown);
        }
        assert_eq!(name(&"x".repeat(1_000)).chars().count(), NAME + 1);
    }
}
