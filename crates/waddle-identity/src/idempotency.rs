//! Keys that clients give to requests which make something, so that asking twice makes one: whose, and what was
//! answered. An answer may hold a secret that is told once, so it is kept encrypted.

use std::time::Duration;

use waddle_storage::repo::idempotency::{Idempotency, Keep, Known};

use crate::{Account, Error, Identity};

/// The place of sealed answers.
const PLACE: &str = "idempotency";
/// How much longer than a request may take its key is held, before it counts as broken off.
const SLACK: Duration = Duration::from_secs(30);

/// What is known of a request with a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Repeat {
    /// Nothing: it is to be done now.
    First,
    /// It is being done.
    UnderWay,
    /// The key was another request's.
    Other,
    /// It was done, and answered so.
    Done(Vec<u8>),
}

impl Identity {
    /// Begins a request of an account; `key` and `request` are digests.
    pub async fn begin_request(
        &self,
        account: &Account,
        key: [u8; 32],
        request: [u8; 32],
    ) -> Result<Repeat, Error> {
        let limits = &self.0.config.limits;
        let keep = Keep {
            answer: Duration::from_secs(3_600 * limits.http_idempotency_hours),
            under_way: Duration::from_secs(limits.http_request_seconds) + SLACK,
            keys: limits.http_idempotency_keys,
        };
        let found = Idempotency(&self.0.db)
            .begin(account.row, key, request, keep)
            .await?;
        Ok(match found {
            Known::New => Repeat::First,
            Known::UnderWay => Repeat::UnderWay,
            Known::Other => Repeat::Other,
            Known::Answered(sealed) => Repeat::Done(self.0.keys.open_sealed(PLACE, &sealed)?.to_vec()),
        })
    }

    /// Keeps the answer to a request that was begun.
    pub async fn keep_answer(&self, account: &Account, key: [u8; 32], answer: &[u8]) -> Result<(), Error> {
        let sealed = self.0.keys.seal(PLACE, answer)?;
        Ok(Idempotency(&self.0.db).answer(account.row, key, sealed).await?)
    }

    /// Forgets a request that was begun and did nothing.
    pub async fn forget_request(&self, account: &Account, key: [u8; 32]) -> Result<(), Error> {
        Ok(Idempotency(&self.0.db).forget(account.row, key).await?)
    }
}
