//! Deriving SCRAM keys (RFC 5802 §3): on blocking threads, one per processor at a time.

use std::time::Instant;

use waddle_core::{Secret, jid::precis_password};
use waddle_stanza::sasl::{MAX_ITERATIONS, ScramHash, ScramKeys, scram_derive};
use waddle_storage::repo::credentials::{NewKeys, Salt};

use crate::{Error, Identity, MIN_ITERATIONS, keys::random, metrics::METRICS};

/// Every hash that keys are kept for.
pub(crate) const HASHES: [ScramHash; 3] = [ScramHash::Sha1, ScramHash::Sha256, ScramHash::Sha512];

/// The hash that plain passwords are checked with.
pub(crate) const PLAIN_HASH: ScramHash = ScramHash::Sha256;

/// The number a hash has in the database.
pub(crate) fn number(hash: ScramHash) -> u16 {
    match hash {
        ScramHash::Sha1 => 1,
        ScramHash::Sha256 => 256,
        ScramHash::Sha512 => 512,
    }
}

/// A new password, prepared (RFC 8265 §4.2).
pub(crate) fn new_password(password: &Secret) -> Result<Secret, Error> {
    match precis_password(password.expose()) {
        Some(p) if p.len() <= 1024 && !crate::token::is_token(&p) => Ok(Secret::new(p.into_owned())),
        _ => Err(Error::Password),
    }
}

impl Identity {
    fn iterations(&self) -> u32 {
        self.0
            .config
            .scram_iterations
            .clamp(MIN_ITERATIONS, MAX_ITERATIONS)
    }

    /// Random salts for a new account.
    pub(crate) fn new_salts(&self) -> Result<Vec<Salt>, Error> {
        HASHES
            .iter()
            .map(|h| {
                Ok(Salt {
                    hash: number(*h),
                    salt: random::<16>()?.to_vec(),
                    iterations: self.iterations(),
                })
            })
            .collect()
    }

    /// The salt of somebody who does not exist: the same each time, and not told apart from a real one.
    pub(crate) fn fake_salt(&self, localpart: &str, hash: ScramHash) -> Salt {
        let number = number(hash);
        let mac = self
            .0
            .keys
            .mac("fake-salt", format!("{number}:{localpart}").as_bytes());
        Salt {
            hash: number,
            salt: mac[..16].to_vec(),
            iterations: self.iterations(),
        }
    }

    /// The keys of `secret` for each salt.
    pub(crate) async fn derive(&self, secret: &Secret, salts: Vec<Salt>) -> Result<Vec<NewKeys>, Error> {
        let keys = self.derive_each(secret, salts).await?;
        Ok(keys
            .into_iter()
            .map(|(hash, k)| NewKeys {
                hash,
                stored_key: k.stored_key,
                server_key: k.server_key,
            })
            .collect())
    }

    pub(crate) async fn derive_each(
        &self,
        secret: &Secret,
        salts: Vec<Salt>,
    ) -> Result<Vec<(u16, ScramKeys)>, Error> {
        let gone = |_| Error::Config("password derivation has stopped".into());
        let begun = Instant::now();
        let permit = std::sync::Arc::clone(&self.0.derivations)
            .acquire_owned()
            .await
            .map_err(|_| Error::Config("password derivation has stopped".into()))?;
        let secret = secret.clone();
        let keys = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            salts
                .iter()
                .filter_map(|s| {
                    let hash = *HASHES.iter().find(|h| number(**h) == s.hash)?;
                    Some((s.hash, scram_derive(hash, &secret, &s.salt, s.iterations).ok()?))
                })
                .collect()
        })
        .await
        .map_err(gone)?;
        METRICS.derivation.record(begun.elapsed().as_secs_f64(), &[]);
        Ok(keys)
    }
}
