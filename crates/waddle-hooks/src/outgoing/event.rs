//! Names of events, and which a hook wants.

use crate::{Error, Result};

/// The names of events, with what they tell. Besides these every action of the audit log is one, such as `member.add`,
/// for hooks whose maker may read that log.
pub const EVENTS: &[(&str, &str)] = &[
    ("message.created", "a message was said"),
    (
        "message.updated",
        "a message has another text, or its preview is there",
    ),
    ("message.deleted", "a message was taken back"),
    (
        "message.reactions",
        "somebody's reactions to a message are others",
    ),
    ("message.pinned", "a message was pinned"),
    ("message.unpinned", "a message is pinned no more"),
];

/// The event that only a test makes.
pub const PING: &str = "webhook.ping";

/// Names that one hook may list.
const MOST: usize = 64;

/// Which events a hook wants: names, `message.*`, or `*`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter(Vec<String>);

impl Filter {
    /// Reads the names; each must be one that there is, or can be one of the audit log.
    pub fn new(names: Vec<String>) -> Result<Self> {
        let fine = |name: &String| {
            let known = EVENTS.iter().any(|(n, _)| n == name);
            let stem = name.strip_suffix(".*").unwrap_or(name);
            let word = !stem.is_empty()
                && stem
                    .bytes()
                    .all(|b| b.is_ascii_lowercase() || matches!(b, b'.' | b'_'));
            known || name == "*" || (name.len() <= 64 && word && (name.ends_with(".*") || stem.contains('.')))
        };
        if names.is_empty() || names.len() > MOST {
            return Err(Error::invalid(
                "events",
                "1 to 64 names of events, such as message.created, message.* or *",
            ));
        }
        if let Some(bad) = names.iter().find(|n| !fine(n)) {
            let shown: String = bad.chars().take(64).collect();
            return Err(Error::invalid(
                "events",
                format!("{shown:?} is no event; expected such as message.created, member.*, or *"),
            ));
        }
        if names
            .iter()
            .any(|n| n.starts_with("message.") && !n.ends_with('*') && !EVENTS.iter().any(|(e, _)| e == n))
        {
            let all: Vec<&str> = EVENTS.iter().map(|(n, _)| *n).collect();
            return Err(Error::invalid(
                "events",
                format!("of messages there are {}", all.join(", ")),
            ));
        }
        Ok(Self(names))
    }

    /// As a row keeps them.
    pub(crate) fn stored(text: &str) -> Self {
        Self(serde_json::from_str(text).unwrap_or_default())
    }

    /// For the row.
    pub(crate) fn to_json(&self) -> String {
        serde_json::to_string(&self.0).unwrap_or_default()
    }

    /// The names.
    pub fn names(&self) -> &[String] {
        &self.0
    }

    /// Whether an event is wanted.
    pub fn wants(&self, event: &str) -> bool {
        self.0.iter().any(|name| match name.strip_suffix('*') {
            Some(stem) => event.starts_with(stem),
            None => name == event,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(names: &[&str]) -> Result<Filter> {
        Filter::new(names.iter().map(|s| (*s).to_owned()).collect())
    }

    #[test]
    fn names_and_stars() {
        let f = filter(&["message.created", "member.*"]).unwrap();
        assert!(f.wants("message.created") && f.wants("member.add") && f.wants("member.remove"));
        assert!(!f.wants("message.deleted") && !f.wants("members") && !f.wants("channel.create"));
        assert!(filter(&["*"]).unwrap().wants("channel.create"));
        assert_eq!(Filter::stored(&f.to_json()), f);
        for bad in [
            &[][..],
            &["nonsense"],
            &["message.creatd"],
            &["m*"],
            &["Message.*"],
            &[".*"],
            &["a b.c"],
        ] {
            assert!(filter(bad).is_err(), "{bad:?}");
        }
    }
}
