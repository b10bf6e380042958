//! MQTT topic names and filters: validity and matching (MQTT 5.0 §4.7).

use std::{fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Serialize};

/// Why a text is no topic name or filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TopicError {
    /// Empty topics are not allowed.
    #[error("a topic may not be empty")]
    Empty,
    /// Over 65,535 bytes.
    #[error("a topic of over 65535 bytes")]
    TooLong,
    /// U+0000 is not allowed.
    #[error("a topic may not contain U+0000")]
    Nul,
    /// `+` or `#` in a topic name.
    #[error("a topic name may not contain + or #")]
    Wildcard,
    /// Not what [`TopicRule`] reads.
    #[error("not a topic prefix; expected e.g. home/sensors, read:home/state or write:home/button")]
    Prefix,
    /// `+` or `#` not alone in a level, or `#` not last.
    #[error("in a topic filter + and # stand alone in their level, and # only in the last")]
    MisplacedWildcard,
}

fn basic(s: &str) -> Result<(), TopicError> {
    match s {
        "" => Err(TopicError::Empty),
        s if s.len() > 65_535 => Err(TopicError::TooLong),
        s if s.contains('\0') => Err(TopicError::Nul),
        _ => Ok(()),
    }
}

macro_rules! topic_type {
    ($(#[$doc:meta])* $name:ident, $check:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(into = "String", try_from = "String")]
        pub struct $name(Arc<str>);

        impl $name {
            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
            /// The text, shared.
            pub fn shared(&self) -> Arc<str> {
                self.0.clone()
            }
            /// The levels between slashes; empty ones count.
            pub fn levels(&self) -> std::str::Split<'_, char> {
                self.0.split('/')
            }
        }
        impl FromStr for $name {
            type Err = TopicError;
            fn from_str(s: &str) -> Result<Self, TopicError> {
                basic(s)?;
                let check: fn(&str) -> Result<(), TopicError> = $check;
                check(s).map(|()| Self(s.into()))
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }
        impl From<$name> for String {
            fn from(t: $name) -> String {
                t.0.as_ref().to_owned()
            }
        }
        impl TryFrom<String> for $name {
            type Error = TopicError;
            fn try_from(s: String) -> Result<Self, TopicError> {
                s.parse()
            }
        }
    };
}

topic_type! {
    /// A topic that a message is published to.
    TopicName,
    |s| if s.contains(['+', '#']) { Err(TopicError::Wildcard) } else { Ok(()) }
}

topic_type! {
    /// A topic filter of a subscription, without a `$share` prefix.
    TopicFilter,
    |s| {
        let mut levels = s.split('/').peekable();
        while let Some(l) = levels.next() {
            let ok = match l {
                "#" => levels.peek().is_none(),
                "+" => true,
                l => !l.contains(['+', '#']),
            };
            if !ok {
                return Err(TopicError::MisplacedWildcard);
            }
        }
        Ok(())
    }
}

impl TopicFilter {
    /// Whether a message to `topic` is for this filter. A wildcard first level does not match `$…` (§4.7.2).
    pub fn matches(&self, topic: &str) -> bool {
        let filter = self.as_str();
        if topic.starts_with('$') && !filter.starts_with('$') {
            return false;
        }
        let mut f = filter.split('/');
        let mut t = topic.split('/');
        loop {
            match (f.next(), t.next()) {
                (Some("#"), _) | (None, None) => return true,
                (Some("+"), Some(_)) => {}
                (Some(a), Some(b)) if a == b => {}
                _ => return false,
            }
        }
    }

    /// Whether every topic that `other` matches is matched by this filter too.
    pub fn covers(&self, other: &Self) -> bool {
        if other.as_str().starts_with('$') && !self.as_str().starts_with('$') {
            return false;
        }
        let mut a = self.levels();
        let mut b = other.levels();
        loop {
            match (a.next(), b.next()) {
                (Some("#"), _) | (None, None) => return true,
                (Some("+"), Some(l)) if l != "#" => {}
                (Some(x), Some(y)) if x == y => {}
                _ => return false,
            }
        }
    }

    /// Whether some topic could match both filters.
    pub fn overlaps(&self, other: &Self) -> bool {
        let mut a = self.levels();
        let mut b = other.levels();
        loop {
            match (a.next(), b.next()) {
                (Some("#"), _) | (_, Some("#")) | (None, None) => return true,
                (Some("+"), Some(_)) | (Some(_), Some("+")) => {}
                (Some(x), Some(y)) if x == y => {}
                _ => return false,
            }
        }
    }

    /// Whether the filter is a plain topic name.
    pub fn is_exact(&self) -> bool {
        !self.as_str().contains(['+', '#'])
    }
}

/// Whether `topic` is `prefix` itself or below it (`prefix/…`), never `prefixx`.
pub fn under_prefix(prefix: &str, topic: &str) -> bool {
    topic
        .strip_prefix(prefix)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// What a device may do at a prefix of topics: the prefix itself and everything below it, `PREFIX/…`, never `PREFIXx`.
///
/// As text: `PREFIX`, or with `read:` or `write:` before it for one of the two.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TopicRule {
    /// Within the waddle, without wildcards and without a trailing slash.
    pub prefix: String,
    /// May subscribe.
    pub read: bool,
    /// May publish.
    pub write: bool,
}

impl TopicRule {
    /// Whether the rule is about this topic.
    pub fn covers(&self, topic: &str) -> bool {
        under_prefix(&self.prefix, topic)
    }
}

impl FromStr for TopicRule {
    type Err = TopicError;
    fn from_str(text: &str) -> Result<Self, TopicError> {
        let (read, write, prefix) = match text.split_once(':') {
            Some(("read", rest)) => (true, false, rest),
            Some(("write", rest)) => (false, true, rest),
            _ => (true, true, text),
        };
        let prefix = prefix.strip_suffix("/#").unwrap_or(prefix).trim_end_matches('/');
        if prefix.starts_with('$') || prefix.parse::<TopicName>().is_err() {
            return Err(TopicError::Prefix);
        }
        Ok(Self {
            prefix: prefix.to_owned(),
            read,
            write,
        })
    }
}

impl fmt::Display for TopicRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match (self.read, self.write) {
            (true, false) => "read:",
            (false, true) => "write:",
            _ => "",
        })?;
        f.write_str(&self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn f(s: &str) -> TopicFilter {
        s.parse().unwrap()
    }

    #[test]
    fn specification_examples() {
        assert!(f("sport/tennis/player1/#").matches("sport/tennis/player1"));
        assert!(f("sport/tennis/player1/#").matches("sport/tennis/player1/score/wimbledon"));
        assert!(f("sport/+").matches("sport/") && !f("sport/+").matches("sport"));
        assert!(f("+/+").matches("/finance") && f("/+").matches("/finance") && !f("+").matches("/finance"));
        assert!(
            !f("#").matches("$SYS/x")
                && !f("+/monitor").matches("$SYS/monitor")
                && f("$SYS/#").matches("$SYS/x")
        );
        for bad in ["", "sport/tennis#", "sport/#/x", "sport+", "a\0"] {
            assert!(bad.parse::<TopicFilter>().is_err(), "{bad:?}");
        }
        assert!("a/+".parse::<TopicName>().is_err() && "ä".parse::<TopicName>().is_ok());
        assert!(under_prefix("a/b", "a/b") && under_prefix("a/b", "a/b/c") && !under_prefix("a/b", "a/bc"));
    }

    #[test]
    fn rules() {
        let rule = |s: &str| s.parse::<TopicRule>().unwrap();
        let both = rule("home/sensors/#");
        assert_eq!(
            (both.prefix.as_str(), both.read, both.write),
            ("home/sensors", true, true)
        );
        assert!(both.covers("home/sensors") && both.covers("home/sensors/a/b"));
        assert!(!both.covers("home/sensorsx") && !both.covers("home") && !both.covers(""));
        assert_eq!(rule("home/").to_string(), "home");
        for (text, read, write) in [
            ("read:home", true, false),
            ("write:a:b", false, true),
            ("a:b", true, true),
        ] {
            let r = rule(text);
            assert_eq!((r.read, r.write, r.to_string().as_str()), (read, write, text));
        }
        for bad in ["", "#", "a/+/b", "$SYS", "read:", "/"] {
            assert_eq!(bad.parse::<TopicRule>(), Err(TopicError::Prefix), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn cover_and_overlap_agree_with_matching(
            a in "(a|b|\\+)(/(a|b|\\+)){0,2}(/#)?", b in "(a|b|\\+)(/(a|b|\\+)){0,2}(/#)?", t in "(a|b)(/(a|b)){0,3}"
        ) {
            let (a, b) = (f(&a), f(&b));
            if a.covers(&b) && b.matches(&t) { prop_assert!(a.matches(&t)); }
            if a.matches(&t) && b.matches(&t) { prop_assert!(a.overlaps(&b)); }
        }
    }
}
