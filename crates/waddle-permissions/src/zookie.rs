//! Zookies: opaque tokens that name a revision of one store (Zanzibar §2.2, `adrs/0014-permission-lookups.md`).
//!
//! A token is authenticated for its scope, so that nobody learns or invents revisions of another waddle.

use std::{fmt, str::FromStr};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::hmac;

const VERSION: u8 = 1;
const TAG: usize = 16;

/// The key that tokens are made with.
pub struct ZookieKey(hmac::Key);

/// A token as it travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Zookie([u8; 9 + TAG]);

/// A text that is no token of this scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a consistency token of this waddle; use one from an earlier answer, or none")]
pub struct ZookieError;

/// How fresh an answer must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Consistency {
    /// As of the last change.
    #[default]
    Latest,
    /// As of this revision or a later one.
    AtLeast(u64),
    /// As of exactly this revision.
    Exact(u64),
}

impl ZookieKey {
    /// A key of 32 secret bytes.
    pub fn new(secret: &[u8; 32]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, secret))
    }

    /// The token of a revision. `scope` tells stores and histories apart: the waddle, and its restore if it had one.
    pub fn seal(&self, scope: &[u8], revision: u64) -> Zookie {
        let mut out = [0; 9 + TAG];
        out[0] = VERSION;
        out[1..9].copy_from_slice(&revision.to_be_bytes());
        out[9..].copy_from_slice(&self.tag(scope, revision).as_ref()[..TAG]);
        Zookie(out)
    }

    /// The revision that a token names.
    pub fn open(&self, scope: &[u8], zookie: &Zookie) -> Result<u64, ZookieError> {
        let revision = zookie.revision();
        let tag = self.tag(scope, revision);
        // Every byte is looked at, however many differ.
        let differs = tag
            .as_ref()
            .iter()
            .zip(&zookie.0[9..])
            .fold(0, |d, (a, b)| d | (a ^ b));
        if zookie.0[0] == VERSION && std::hint::black_box(differs) == 0 {
            Ok(revision)
        } else {
            Err(ZookieError)
        }
    }

    fn tag(&self, scope: &[u8], revision: u64) -> hmac::Tag {
        let mut context = hmac::Context::with_key(&self.0);
        context.update(b"waddle zookie\0");
        context.update(&(scope.len() as u64).to_be_bytes());
        context.update(scope);
        context.update(&revision.to_be_bytes());
        context.sign()
    }
}

impl Zookie {
    fn revision(&self) -> u64 {
        self.0[1..9].iter().fold(0, |r, b| r << 8 | u64::from(*b))
    }
}

impl fmt::Debug for ZookieKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ZookieKey(…)")
    }
}

impl fmt::Display for Zookie {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

impl FromStr for Zookie {
    type Err = ZookieError;
    fn from_str(s: &str) -> Result<Self, ZookieError> {
        // Longer texts are not even decoded.
        if s.len() > 64 {
            return Err(ZookieError);
        }
        let bytes = URL_SAFE_NO_PAD.decode(s).map_err(|_| ZookieError)?;
        bytes.try_into().map(Self).map_err(|_| ZookieError)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_of_one_scope_one_key_and_untouched() {
        let key = ZookieKey::new(&[7; 32]);
        let token = key.seal(b"w1", 0x0123_4567_89ab_cdef).to_string();
        let read: Zookie = token.parse().unwrap();
        assert_eq!(key.open(b"w1", &read), Ok(0x0123_4567_89ab_cdef));
        assert_eq!(key.open(b"w2", &read), Err(ZookieError));
        assert_eq!(ZookieKey::new(&[8; 32]).open(b"w1", &read), Err(ZookieError));
        for i in 0..read.0.len() {
            let mut other = read;
            other.0[i] ^= 1;
            assert_eq!(key.open(b"w1", &other), Err(ZookieError), "{i}");
        }
        for bad in [
            "",
            "AA",
            "not base64 !",
            &token[1..],
            &format!("{token}AAAA"),
            &"A".repeat(1000),
        ] {
            assert!(bad.parse::<Zookie>().is_err(), "{bad}");
        }
        assert_eq!(format!("{key:?}"), "ZookieKey(…)");
    }
}
