//! Who somebody is to the permission layer: the identifier in `user:<id>`.

use std::{fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::{BareJid, Did, jid::precis_localpart};

/// A person or device as a subject of permissions.
///
/// | kind | form | example |
/// |---|---|---|
/// | Bluesky account | the DID | `did:plc:ewvi7nxzyoun6zhxrhs64oiz` |
/// | local account | `local:` localpart | `local:alice` |
/// | remote XMPP user | `xmpp:` escaped bare JID | `xmpp:romeo%40example.net` |
/// | device | `device:` id | `device:0192…` |
/// | bot | `bot:` id | `bot:0192…` |
///
/// `#`, `@` and `%` never occur raw in it, so that a tuple's text form stays unambiguous.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct UserId(Arc<str>);

/// A text that names no user.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a user identifier: expected did:…, local:…, xmpp:…, device:… or bot:…")]
pub struct UserIdError;

impl UserId {
    /// The user of a Bluesky account. The `%` of a did:web port is kept: it is never a separator.
    pub fn did(did: &Did) -> Self {
        Self(did.as_str().into())
    }

    /// The user of a local account; `localpart` must already be prepared (RFC 7622 §3.3).
    pub fn local(localpart: &str) -> Self {
        Self(format!("local:{localpart}").into())
    }

    /// A user of another server.
    pub fn remote(jid: &BareJid) -> Self {
        let mut out = String::from("xmpp:");
        for c in jid.as_str().chars() {
            match c {
                '%' => out.push_str("%25"),
                '@' => out.push_str("%40"),
                '#' => out.push_str("%23"),
                ':' => out.push_str("%3A"),
                '*' => out.push_str("%2A"),
                c => out.push(c),
            }
        }
        Self(out.into())
    }

    /// A device.
    pub fn device(id: crate::DeviceId) -> Self {
        Self(format!("device:{id}").into())
    }

    /// A bot.
    pub fn bot(id: crate::BotId) -> Self {
        Self(format!("bot:{id}").into())
    }

    /// The bot, if it is one.
    pub fn as_bot(&self) -> Option<crate::BotId> {
        self.0.strip_prefix("bot:")?.parse().ok()
    }

    /// Whether it is a program's account.
    pub fn is_bot(&self) -> bool {
        self.0.starts_with("bot:")
    }

    /// The identifier, without the type `user:`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The DID, for a Bluesky account.
    pub fn as_did(&self) -> Option<Did> {
        self.0.parse().ok()
    }

    /// The localpart, for a local account.
    pub fn as_local(&self) -> Option<&str> {
        self.0.strip_prefix("local:")
    }

    /// The address, for a user of another server.
    pub fn as_remote(&self) -> Option<BareJid> {
        let mut out = String::new();
        let mut rest = self.0.strip_prefix("xmpp:")?;
        while let Some((before, after)) = rest.split_once('%') {
            out.push_str(before);
            out.push(match after.get(..2)? {
                "25" => '%',
                "40" => '@',
                "23" => '#',
                "3A" => ':',
                "2A" => '*',
                _ => return None,
            });
            rest = after.get(2..)?;
        }
        out.push_str(rest);
        out.parse().ok()
    }

    /// The subject as tuples write it: `user:<id>`.
    pub fn subject(&self) -> String {
        format!("user:{}", self.0)
    }
}

/// Bytes behind the kind at the most: the parts of a bare JID have 1,023 each (RFC 7622 §3.1), escaped threefold.
const LONGEST: usize = 2 * 3 * 1023 + 3;

impl FromStr for UserId {
    type Err = UserIdError;
    fn from_str(s: &str) -> Result<Self, UserIdError> {
        if let Ok(did) = s.parse::<Did>() {
            return Ok(Self::did(&did));
        }
        let (kind, rest) = s.split_once(':').ok_or(UserIdError)?;
        let plain = !rest.is_empty() && rest.len() <= LONGEST && !rest.contains(['#', '@', '*']);
        match kind {
            "local" if plain && precis_localpart(rest).is_ok_and(|p| p == rest) => Ok(Self(s.into())),
            "device" if rest.parse::<crate::DeviceId>().is_ok() => Ok(Self(s.into())),
            "bot" if rest.parse::<crate::BotId>().is_ok() => Ok(Self(s.into())),
            "xmpp" if plain => Ok(Self(s.into())),
            _ => Err(UserIdError),
        }
    }
}
impl fmt::Display for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
impl fmt::Debug for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
impl From<UserId> for String {
    fn from(u: UserId) -> String {
        u.0.as_ref().to_owned()
    }
}
impl TryFrom<String> for UserId {
    type Error = UserIdError;
    fn try_from(s: String) -> Result<Self, UserIdError> {
        s.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms() {
        assert_eq!(UserId::local("alice").subject(), "user:local:alice");
        let bot = crate::BotId::new();
        let b = UserId::bot(bot);
        assert_eq!((b.as_bot(), b.is_bot()), (Some(bot), true));
        assert_eq!(b.as_str().parse::<UserId>().unwrap(), b);
        assert!("bot:x".parse::<UserId>().is_err() && !UserId::local("bot").is_bot());
        for odd in ["romeo@example.net", "a%25#*b@example.net", "example.net"] {
            let jid: BareJid = odd.parse().unwrap();
            assert_eq!(UserId::remote(&jid).as_remote(), Some(jid), "{odd}");
        }
        // whatever is a JID is read again from where it was stored
        let longest: BareJid = format!("{}@{}.example", "%".repeat(1023), "a".repeat(63))
            .parse()
            .unwrap();
        let stored = UserId::remote(&longest);
        assert!(stored.as_str().len() > 3_072);
        assert_eq!(stored.as_str().parse(), Ok(stored.clone()));
        assert_eq!(stored.as_remote(), Some(longest));
        assert_eq!(UserId::local("romeo").as_remote(), None);
        let r = UserId::remote(&"romeo@example.net".parse().unwrap());
        assert_eq!(r.as_str(), "xmpp:romeo%40example.net");
        for ok in ["did:plc:ewvi7nxzyoun6zhxrhs64oiz", "local:alice", r.as_str()] {
            assert_eq!(ok.parse::<UserId>().unwrap().as_str(), ok);
        }
        for bad in [
            "",
            "alice",
            "local:",
            "local:Alice",
            "local:a@b",
            "xmpp:a#b",
            "device:x",
            "root:x",
        ] {
            assert!(bad.parse::<UserId>().is_err(), "{bad}");
        }
    }
}
