//! Identifiers of things that Waddle stores: UUIDv7 for records, a commit-ordered number for messages.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A text that is no identifier of the kind asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not an identifier: {0:?}")]
pub struct IdError(pub String);

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(into = "String", try_from = "String")]
        pub struct $name(Uuid);

        impl $name {
            /// A new identifier, ordered by the time of its making (UUIDv7, RFC 9562 §5.7).
            pub fn new() -> Self {
                Self(Uuid::now_v7())
            }
        }
        impl Default for $name {
            fn default() -> Self {
                Self::new()
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.simple().fmt(f)
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0.simple())
            }
        }
        impl FromStr for $name {
            type Err = IdError;
            /// Takes the 32 hexadecimal digits that `Display` writes, nothing else.
            fn from_str(s: &str) -> Result<Self, IdError> {
                if s.len() != 32 {
                    return Err(IdError(s.chars().take(64).collect()));
                }
                Uuid::try_parse(s).map(Self).map_err(|_| IdError(s.to_owned()))
            }
        }
        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.to_string()
            }
        }
        impl TryFrom<String> for $name {
            type Error = IdError;
            fn try_from(s: String) -> Result<Self, IdError> {
                s.parse()
            }
        }
    )*};
}

ids! {
    /// A community.
    WaddleId
    /// A channel of a waddle.
    ChannelId
    /// A device with a credential of its own.
    DeviceId
    /// An invite link.
    InviteId
    /// A feed binding: topic filter → channel.
    BindingId
    /// A login session of a person.
    SessionId
    /// A personal access token.
    AccessTokenId
    /// A webhook, incoming or outgoing.
    HookId
    /// A bot account.
    BotId
    /// A slash command that somebody ran.
    InteractionId
    /// A role of a waddle's own making.
    RoleId
    /// A group of channels of a waddle.
    CategoryId
    /// Somebody's request to join a waddle.
    JoinRequestId
}

/// The archive identifier of a message (XEP-0359 `stanza-id`): unique and increasing within one archive.
///
/// It is the commit's time in microseconds since the Unix epoch, raised by one where the clock stood
/// still or went back, so that identifier order = commit order = broadcast order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct MessageId(pub i64);

impl From<MessageId> for String {
    fn from(id: MessageId) -> String {
        id.to_string()
    }
}
impl TryFrom<String> for MessageId {
    type Error = IdError;
    fn try_from(s: String) -> Result<Self, IdError> {
        s.parse()
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl FromStr for MessageId {
    type Err = IdError;
    /// Takes the 16 lower-case hexadecimal digits that `Display` writes, nothing else.
    fn from_str(s: &str) -> Result<Self, IdError> {
        let ok = s.len() == 16 && s.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        let id = ok.then(|| i64::from_str_radix(s, 16).ok()).flatten();
        id.map(Self).ok_or_else(|| IdError(s.chars().take(64).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_round_trip_and_refuse_other_shapes() {
        let id = WaddleId::new();
        assert_eq!(id.to_string().parse::<WaddleId>().unwrap(), id);
        assert!("018f-".parse::<WaddleId>().is_err());
        assert!(
            Uuid::now_v7().to_string().parse::<WaddleId>().is_err(),
            "hyphenated form"
        );
        let m = MessageId(1_700_000_000_000_001);
        assert_eq!(m.to_string().parse::<MessageId>().unwrap(), m);
        for bad in [
            "",
            "+000000000000001",
            "000000000000000G",
            "00000000000000001",
            "FFFFFFFFFFFFFFFF",
        ] {
            assert!(bad.parse::<MessageId>().is_err(), "{bad}");
        }
    }
}
