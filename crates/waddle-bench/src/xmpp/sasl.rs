//! The client's side of PLAIN (RFC 4616) and SCRAM (RFC 5802, RFC 7677), with derived keys kept so that
//! the load generator spends its time on load.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::Mutex;

use anyhow::{Context as _, Result, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::{digest, hmac, pbkdf2};

/// A mechanism.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mechanism {
    /// PLAIN.
    Plain,
    /// SCRAM-SHA-1.
    ScramSha1,
    /// SCRAM-SHA-256.
    ScramSha256,
}

impl Mechanism {
    /// From the command line.
    pub fn parse(name: &str) -> Result<Self> {
        Ok(match name.to_ascii_lowercase().as_str() {
            "plain" => Self::Plain,
            "scram-sha-1" => Self::ScramSha1,
            "scram-sha-256" => Self::ScramSha256,
            other => bail!("unknown mechanism {other}"),
        })
    }

    /// As in `<mechanism/>`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Plain => "PLAIN",
            Self::ScramSha1 => "SCRAM-SHA-1",
            Self::ScramSha256 => "SCRAM-SHA-256",
        }
    }

    fn algorithms(self) -> (hmac::Algorithm, &'static digest::Algorithm, pbkdf2::Algorithm) {
        match self {
            Self::ScramSha1 => (
                hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
                &digest::SHA1_FOR_LEGACY_USE_ONLY,
                pbkdf2::PBKDF2_HMAC_SHA1,
            ),
            _ => (hmac::HMAC_SHA256, &digest::SHA256, pbkdf2::PBKDF2_HMAC_SHA256),
        }
    }
}

type CacheKey = (Vec<u8>, u32, String);

/// Salted passwords by salt, iterations and password.
#[derive(Default)]
pub struct Keys(Mutex<HashMap<CacheKey, Vec<u8>>>);

impl Keys {
    fn salted(&self, mechanism: Mechanism, salt: &[u8], iterations: u32, password: &str) -> Result<Vec<u8>> {
        let key = (salt.to_vec(), iterations, password.to_owned());
        if let Some(found) = self.0.lock().ok().and_then(|keys| keys.get(&key).cloned()) {
            return Ok(found);
        }
        let (_, hash, derive) = mechanism.algorithms();
        let mut out = vec![0; hash.output_len()];
        let rounds = NonZeroU32::new(iterations).context("iterations")?;
        pbkdf2::derive(derive, rounds, salt, password.as_bytes(), &mut out);
        if let Ok(mut keys) = self.0.lock() {
            keys.insert(key, out.clone());
        }
        Ok(out)
    }
}

/// The initial response of PLAIN.
pub fn plain(user: &str, password: &str) -> String {
    STANDARD.encode(["\0", user, "\0", password].concat())
}

/// An exchange under way.
pub struct Scram {
    mechanism: Mechanism,
    bare: String,
}

impl Scram {
    /// `nonce` must differ between logins; load tests need no more of it.
    pub fn new(mechanism: Mechanism, user: &str, nonce: u64) -> Self {
        Self {
            mechanism,
            bare: format!("n={user},r=waddle-bench-{nonce:016x}"),
        }
    }

    /// The initial response.
    pub fn first(&self) -> String {
        STANDARD.encode(["n,,", &self.bare].concat())
    }

    /// The answer to the server's challenge, both in base64.
    pub fn answer(&self, challenge: &str, password: &str, keys: &Keys) -> Result<String> {
        let challenge = String::from_utf8(STANDARD.decode(challenge)?)?;
        let field = |name: &str| {
            challenge
                .split(',')
                .find_map(|part| part.strip_prefix(name))
                .with_context(|| ["no ", name, " in the challenge"].concat())
        };
        let (nonce, salt, iterations) = (
            field("r=")?,
            STANDARD.decode(field("s=")?)?,
            field("i=")?.parse()?,
        );
        let without_proof = ["c=biws,r=", nonce].concat();
        let message = [&self.bare, ",", &challenge, ",", &without_proof].concat();
        let (mac, hash, _) = self.mechanism.algorithms();
        let salted = keys.salted(self.mechanism, &salt, iterations, password)?;
        let client_key = hmac::sign(&hmac::Key::new(mac, &salted), b"Client Key");
        let stored_key = digest::digest(hash, client_key.as_ref());
        let signature = hmac::sign(&hmac::Key::new(mac, stored_key.as_ref()), message.as_bytes());
        let proof: Vec<u8> = client_key
            .as_ref()
            .iter()
            .zip(signature.as_ref())
            .map(|(a, b)| a ^ b)
            .collect();
        Ok(STANDARD.encode([&without_proof, ",p=", &STANDARD.encode(proof)].concat()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of RFC 5802 §5.
    #[test]
    fn rfc_5802_example() {
        let scram = Scram {
            mechanism: Mechanism::ScramSha1,
            bare: "n=user,r=fyko+d2lbbFgONRv9qkxdawL".into(),
        };
        let challenge =
            STANDARD.encode("r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096");
        let keys = Keys::default();
        for _ in 0..2 {
            let answer = scram.answer(&challenge, "pencil", &keys).unwrap();
            assert_eq!(
                STANDARD.decode(answer).unwrap(),
                b"c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts="
            );
        }
    }

    #[test]
    fn bad_challenges_are_errors() {
        let scram = Scram::new(Mechanism::ScramSha256, "a", 1);
        assert!(scram.answer("%%", "x", &Keys::default()).is_err());
        assert!(
            scram
                .answer(&STANDARD.encode("r=a,s=QQ==,i=0"), "x", &Keys::default())
                .is_err()
        );
        assert!(Mechanism::parse("digest-md5").is_err());
    }
}
