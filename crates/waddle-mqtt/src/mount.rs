//! Where a client's topics lie: mounts, views and shares (`specs/topics.md`; MQTT 5.0 §4.7, §4.8.2).
//!
//! Each waddle has a topic space. A device, or a person who logs in as `localpart@domain/<slug>`, sees one space as
//! its root. A person's plain login sees each of their waddles below `waddle/<slug>/` and their home waddle, if
//! there is one, as its root.

use waddle_core::{TopicFilter, WaddleId};

/// How a connection sees the topic spaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Mount {
    /// One waddle is the root.
    Waddle(WaddleId),
    /// A person's plain login.
    Person {
        /// The waddle in which topics resolve that do not start with `waddle/`.
        home: Option<WaddleId>,
    },
}

impl Mount {
    /// The key of sessions: the waddle, or none for a person's plain login, whatever its home.
    pub fn waddle(self) -> Option<WaddleId> {
        match self {
            Self::Waddle(w) => Some(w),
            Self::Person { .. } => None,
        }
    }
}

/// Whose space a topic is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place<'a> {
    /// A waddle's, seen as the root.
    Root(WaddleId),
    /// A waddle's, seen below `waddle/<slug>/`.
    Slug(&'a str),
    /// Every waddle's that the person belongs to, seen below `waddle/<slug>/` (filters only).
    Each,
    /// The server's own, outside all waddles: `$SYS` and what the operator's topic policy opens.
    Server,
    /// Nobody's.
    Nowhere,
}

/// The place of a topic name and its name there.
pub fn topic(mount: Mount, name: &str) -> (Place<'_>, &str) {
    if name.starts_with('$') {
        return (
            if name.starts_with("$SYS") {
                Place::Server
            } else {
                Place::Nowhere
            },
            name,
        );
    }
    let home = match mount {
        Mount::Waddle(w) => return (Place::Root(w), name),
        Mount::Person { home } => home,
    };
    match name.strip_prefix("waddle").map(|r| r.strip_prefix('/')) {
        Some(Some(rest)) => match rest.split_once('/') {
            Some((slug, inner)) if !inner.is_empty() => (Place::Slug(slug), inner),
            _ => (Place::Nowhere, name),
        },
        Some(None) if name == "waddle" => (Place::Nowhere, name),
        _ => (home.map_or(Place::Server, Place::Root), name),
    }
}

/// The place of a filter and what it matches there.
pub fn filter(mount: Mount, filter: &str) -> (Place<'_>, &str) {
    if filter.starts_with('$') {
        return topic(mount, filter);
    }
    if let Mount::Waddle(w) = mount {
        return (Place::Root(w), filter);
    }
    let Some(rest) = filter.strip_prefix("waddle/") else {
        return topic(mount, filter);
    };
    match rest.split_once('/') {
        None if rest == "#" => (Place::Each, "#"),
        None => (Place::Nowhere, filter),
        Some((_, "")) => (Place::Nowhere, filter),
        Some(("+", inner)) => (Place::Each, inner),
        Some((slug, inner)) => (Place::Slug(slug), inner),
    }
}

/// A filter as clients write it, with its share taken off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shared<'a> {
    /// The share's name.
    pub group: Option<&'a str>,
    /// The filter.
    pub filter: &'a str,
}

/// Takes `$share/<group>/` off and checks both parts; `None` where the filter is none.
pub fn shared(text: &str, levels: usize) -> Option<Shared<'_>> {
    let (group, filter) = match text.strip_prefix("$share/") {
        Some(rest) => {
            let (group, filter) = rest.split_once('/')?;
            if group.is_empty() || group.contains(['+', '#']) {
                return None;
            }
            (Some(group), filter)
        }
        None if text == "$share" => return None,
        None => (None, text),
    };
    filter.parse::<TopicFilter>().ok()?;
    (filter.split('/').count() <= levels).then_some(Shared { group, filter })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places() {
        let w = WaddleId::new();
        let root = Mount::Waddle(w);
        let plain = Mount::Person { home: None };
        let home = Mount::Person { home: Some(w) };
        assert_eq!(topic(root, "home/x"), (Place::Root(w), "home/x"));
        assert_eq!(topic(root, "waddle/p/x"), (Place::Root(w), "waddle/p/x"));
        assert_eq!(topic(plain, "waddle/p/home/x"), (Place::Slug("p"), "home/x"));
        assert_eq!(topic(home, "waddle/p/home/x"), (Place::Slug("p"), "home/x"));
        assert_eq!(topic(home, "home/x"), (Place::Root(w), "home/x"));
        assert_eq!(topic(home, "waddlex"), (Place::Root(w), "waddlex"));
        assert_eq!(topic(plain, "home/x").0, Place::Server);
        for nowhere in ["waddle", "waddle/", "waddle/p", "waddle/p/", "$share/x", "$x"] {
            assert_eq!(topic(home, nowhere).0, Place::Nowhere, "{nowhere}");
        }
        assert_eq!(topic(root, "$SYS/x"), (Place::Server, "$SYS/x"));
    }

    #[test]
    fn filters() {
        let w = WaddleId::new();
        let home = Mount::Person { home: Some(w) };
        assert_eq!(filter(home, "#"), (Place::Root(w), "#"));
        assert_eq!(filter(home, "+/x"), (Place::Root(w), "+/x"));
        assert_eq!(filter(home, "waddle/p/#"), (Place::Slug("p"), "#"));
        assert_eq!(filter(home, "waddle/+/a/#"), (Place::Each, "a/#"));
        assert_eq!(filter(home, "waddle/#"), (Place::Each, "#"));
        for nowhere in ["waddle", "waddle/p", "waddle/+", "waddle/p/"] {
            assert_eq!(filter(home, nowhere).0, Place::Nowhere, "{nowhere}");
        }
        assert_eq!(filter(Mount::Waddle(w), "waddle/#"), (Place::Root(w), "waddle/#"));
        assert_eq!(filter(home, "$SYS/#").0, Place::Server);
    }

    #[test]
    fn shares() {
        assert_eq!(shared("$share/g/a/#", 8).unwrap().group, Some("g"));
        assert_eq!(shared("$share/g//a", 8).unwrap().filter, "/a");
        for bad in [
            "$share//x",
            "$share/g",
            "$share/g/",
            "$share/+/x",
            "$share",
            "a/#/b",
            "",
        ] {
            assert!(shared(bad, 8).is_none(), "{bad}");
        }
        assert!(shared(&"a/".repeat(8), 8).is_none());
    }
}
