//! Decentralized identifiers and their localparts (ATProto DID specification; `adrs/0006-did-to-jid.md`).

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// A DID of one of the two methods that ATProto blesses: `did:plc` and `did:web`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Did(String);

/// Why a text is no DID that Waddle accepts.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DidError {
    /// Not `did:plc:` with 24 characters of base32, nor `did:web:` with a host name.
    #[error("not a did:plc or did:web identifier")]
    Malformed,
    /// Over 2,048 bytes.
    #[error("a DID of over 2048 bytes")]
    TooLong,
}

impl Did {
    /// The whole identifier, e.g. `did:plc:ewvi7nxzyoun6zhxrhs64oiz`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The localpart that this DID gets when the name is free: the identifier itself for `did:plc`,
    /// `web-` and the host with every other character than `[a-z0-9]` turned into `-` for `did:web`.
    ///
    /// The stored table decides the way back; [`Did::localpart_if_taken`] is the second choice.
    pub fn localpart(&self) -> String {
        if let Some(id) = self.0.strip_prefix("did:plc:") {
            return id.to_owned();
        }
        let host = self.0.strip_prefix("did:web:").unwrap_or(&self.0);
        let mut out = String::with_capacity(host.len() + 4);
        out.push_str("web-");
        out.extend(host.chars().map(|c| {
            let c = c.to_ascii_lowercase();
            if c.is_ascii_lowercase() || c.is_ascii_digit() {
                c
            } else {
                '-'
            }
        }));
        out
    }

    /// [`Did::localpart`] with a short hash of the DID appended, for a name that another DID holds.
    pub fn localpart_if_taken(&self) -> String {
        // FNV-1a: stable over releases; uniqueness is the table's business, not the hash's.
        let hash = self.0.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |h, b| {
            (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3)
        });
        format!("{}-{:08x}", self.localpart(), hash >> 32)
    }

    /// Whether `localpart` is a name that some DID could map to, which local accounts may not take.
    pub fn reserves(localpart: &str) -> bool {
        localpart.starts_with("web-")
            || (localpart.len() == 24 && localpart.bytes().all(|b| matches!(b, b'a'..=b'z' | b'2'..=b'7')))
    }
}

impl FromStr for Did {
    type Err = DidError;
    fn from_str(s: &str) -> Result<Self, DidError> {
        if s.len() > 2048 {
            return Err(DidError::TooLong);
        }
        if let Some(id) = s.strip_prefix("did:plc:") {
            let ok = id.len() == 24 && id.bytes().all(|b| matches!(b, b'a'..=b'z' | b'2'..=b'7'));
            return if ok {
                Ok(Self(s.to_owned()))
            } else {
                Err(DidError::Malformed)
            };
        }
        let host = s.strip_prefix("did:web:").ok_or(DidError::Malformed)?;
        let label = |l: &str| {
            !l.is_empty()
                && l.len() <= 63
                && !l.starts_with('-')
                && !l.ends_with('-')
                && l.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        };
        let (name, port) = host
            .split_once("%3A")
            .or_else(|| host.split_once("%3a"))
            .unwrap_or((host, "1"));
        let ok = host.len() <= 253
            && name.split('.').all(label)
            && port.parse::<u16>().is_ok_and(|p| p > 0)
            && (name.contains('.') || name.eq_ignore_ascii_case("localhost"));
        if ok {
            Ok(Self(format!(
                "did:web:{}",
                host.to_ascii_lowercase().replace("%3a", "%3A")
            )))
        } else {
            Err(DidError::Malformed)
        }
    }
}

impl fmt::Display for Did {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
impl fmt::Debug for Did {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
impl From<Did> for String {
    fn from(d: Did) -> String {
        d.0
    }
}
impl TryFrom<String> for Did {
    type Error = DidError;
    fn try_from(s: String) -> Result<Self, DidError> {
        s.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn localparts() {
        let plc: Did = "did:plc:ewvi7nxzyoun6zhxrhs64oiz".parse().unwrap();
        assert_eq!(plc.localpart(), "ewvi7nxzyoun6zhxrhs64oiz");
        let web: Did = "did:web:Example.com".parse().unwrap();
        assert_eq!(web.localpart(), "web-example-com");
        assert_ne!(
            web.localpart_if_taken(),
            "did:web:example-com.org"
                .parse::<Did>()
                .unwrap()
                .localpart_if_taken()
        );
        assert!(
            Did::reserves("web-x") && Did::reserves("ewvi7nxzyoun6zhxrhs64oiz") && !Did::reserves("alice")
        );
    }

    #[test]
    fn refused() {
        for bad in [
            "",
            "did:plc:short",
            "did:plc:EWVI7NXZYOUN6ZHXRHS64OIZ",
            "did:key:z6",
            "did:web:",
            "did:web:a..b",
            "did:web:a.b/c",
            "did:web:-a.b",
            "did:web:a.b%3A0",
        ] {
            assert!(bad.parse::<Did>().is_err(), "{bad}");
        }
        assert!(format!("did:web:{}", "a".repeat(3000)).parse::<Did>().is_err());
    }
}
