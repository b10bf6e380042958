//! Keys of SCRAM: [RFC 5802 §3](https://www.rfc-editor.org/rfc/rfc5802#section-3), RFC 7677.

use std::{fmt, num::NonZeroU32};

use ring::{digest, hmac, pbkdf2};
use waddle_core::Secret;

use super::SaslError;

/// The fewest iterations that keys are made with (RFC 7677 §4).
pub const MIN_ITERATIONS: u32 = 4096;
/// The most iterations that keys are made with, and that a client is willing to do.
pub const MAX_ITERATIONS: u32 = 1_000_000;
/// The hash of a SCRAM mechanism.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ScramHash {
    /// SCRAM-SHA-1
    Sha1,
    /// SCRAM-SHA-256
    Sha256,
    /// SCRAM-SHA-512
    Sha512,
}

impl ScramHash {
    /// All, the strongest first.
    pub const ALL: [Self; 3] = [Self::Sha512, Self::Sha256, Self::Sha1];

    /// The mechanism's name; with channel binding, its `-PLUS` form.
    pub fn mechanism(self, plus: bool) -> &'static str {
        match (self, plus) {
            (Self::Sha1, false) => "SCRAM-SHA-1",
            (Self::Sha1, true) => "SCRAM-SHA-1-PLUS",
            (Self::Sha256, false) => "SCRAM-SHA-256",
            (Self::Sha256, true) => "SCRAM-SHA-256-PLUS",
            (Self::Sha512, false) => "SCRAM-SHA-512",
            (Self::Sha512, true) => "SCRAM-SHA-512-PLUS",
        }
    }

    /// The hash of a mechanism, and whether it is the `-PLUS` form.
    pub fn from_mechanism(name: &str) -> Option<(Self, bool)> {
        Self::ALL
            .into_iter()
            .flat_map(|h| [(h, false), (h, true)])
            .find(|&(h, plus)| h.mechanism(plus) == name)
    }

    /// Bytes of a hash.
    pub fn len(self) -> usize {
        self.digest().output_len()
    }

    /// Never.
    pub fn is_empty(self) -> bool {
        false
    }

    fn digest(self) -> &'static digest::Algorithm {
        match self {
            Self::Sha1 => &digest::SHA1_FOR_LEGACY_USE_ONLY,
            Self::Sha256 => &digest::SHA256,
            Self::Sha512 => &digest::SHA512,
        }
    }

    pub(super) fn hash(self, data: &[u8]) -> digest::Digest {
        digest::digest(self.digest(), data)
    }

    pub(super) fn hmac(self, key: &[u8], data: &[u8]) -> hmac::Tag {
        let algorithm = match self {
            Self::Sha1 => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
            Self::Sha256 => hmac::HMAC_SHA256,
            Self::Sha512 => hmac::HMAC_SHA512,
        };
        hmac::sign(&hmac::Key::new(algorithm, key), data)
    }

    pub(super) fn salted(self, password: &str, salt: &[u8], iterations: NonZeroU32) -> Vec<u8> {
        let algorithm = match self {
            Self::Sha1 => pbkdf2::PBKDF2_HMAC_SHA1,
            Self::Sha256 => pbkdf2::PBKDF2_HMAC_SHA256,
            Self::Sha512 => pbkdf2::PBKDF2_HMAC_SHA512,
        };
        let mut out = vec![0; self.len()];
        pbkdf2::derive(algorithm, iterations, salt, password.as_bytes(), &mut out);
        out
    }
}

/// What is stored in place of a password.
#[derive(Clone, PartialEq, Eq)]
pub struct ScramKeys {
    /// `H(HMAC(SaltedPassword, "Client Key"))`
    pub stored_key: Vec<u8>,
    /// `HMAC(SaltedPassword, "Server Key")`
    pub server_key: Vec<u8>,
}

impl fmt::Debug for ScramKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ScramKeys([secret])")
    }
}

pub(super) fn iterations_in_bounds(n: u32) -> Option<NonZeroU32> {
    NonZeroU32::new(n).filter(|_| (MIN_ITERATIONS..=MAX_ITERATIONS).contains(&n))
}

/// Makes the keys of a password or token, which the caller has prepared
/// ([`precis_password`](waddle_core::jid::precis_password)). Takes milliseconds: not for an async worker.
/// Iterations out of [`MIN_ITERATIONS`]..=[`MAX_ITERATIONS`] are `temporary-auth-failure`.
pub fn scram_derive(
    hash: ScramHash,
    password: &Secret,
    salt: &[u8],
    iterations: u32,
) -> Result<ScramKeys, SaslError> {
    let iterations = iterations_in_bounds(iterations).ok_or(SaslError::TemporaryAuthFailure)?;
    let salted = hash.salted(password.expose(), salt, iterations);
    let client_key = hash.hmac(&salted, b"Client Key");
    Ok(ScramKeys {
        stored_key: hash.hash(client_key.as_ref()).as_ref().to_vec(),
        server_key: hash.hmac(&salted, b"Server Key").as_ref().to_vec(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn iterations_are_bounded() {
        for n in [0, 1, MIN_ITERATIONS - 1, MAX_ITERATIONS + 1, u32::MAX] {
            assert!(scram_derive(ScramHash::Sha1, &Secret::new("x"), b"salt", n).is_err());
        }
    }
}
