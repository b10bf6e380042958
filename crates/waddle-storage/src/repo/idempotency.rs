//! Requests that make something, with the keys that their clients gave them (`specs/http.md`).

use std::time::Duration;

use crate::{Db, Result};

/// The table `idempotent_requests`.
#[derive(Debug)]
pub struct Idempotency<'a>(pub &'a Db);

/// What is known of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Known {
    /// Nothing: it is this request's from now on.
    New,
    /// The same request is under way.
    UnderWay,
    /// Another request had it.
    Other,
    /// The same request had it: its answer, sealed.
    Answered(Vec<u8>),
}

/// How long things are kept.
#[derive(Debug, Clone, Copy)]
pub struct Keep {
    /// An answer.
    pub answer: Duration,
    /// A request under way: then it broke off, and its key is free again.
    pub under_way: Duration,
    /// Keys of one account; above it the oldest go.
    pub keys: usize,
}

impl Idempotency<'_> {
    /// Asks for a key and takes it where it is free. Old ones go, a bounded number at a time.
    pub async fn begin(&self, account: i64, key: [u8; 32], request: [u8; 32], keep: Keep) -> Result<Known> {
        self.0
            .write(move |tx| {
                let now = tx.now();
                tx.execute(
                    "DELETE FROM idempotent_requests WHERE (account, key) IN (SELECT account, key \
                     FROM idempotent_requests WHERE begun_at <= ?1 ORDER BY begun_at LIMIT 100)",
                    (now.minus(keep.answer),),
                )?;
                tx.execute(
                    "DELETE FROM idempotent_requests WHERE account = ?1 AND key = ?2 AND answer IS NULL AND begun_at <= ?3",
                    (account, &key, now.minus(keep.under_way)),
                )?;
                let found: Option<(Vec<u8>, Option<Vec<u8>>)> = tx.query_opt(
                    "SELECT request, answer FROM idempotent_requests WHERE account = ?1 AND key = ?2",
                    (account, &key),
                    |r| Ok((r.get(0)?, r.get(1)?)),
                )?;
                if let Some((known, answer)) = found {
                    return Ok(match answer {
                        _ if known != request => Known::Other,
                        Some(answer) => Known::Answered(answer),
                        None => Known::UnderWay,
                    });
                }
                tx.execute(
                    "DELETE FROM idempotent_requests WHERE account = ?1 AND key IN (SELECT key \
                     FROM idempotent_requests WHERE account = ?1 ORDER BY begun_at DESC LIMIT -1 OFFSET ?2)",
                    (account, keep.keys.saturating_sub(1)),
                )?;
                tx.execute(
                    "INSERT INTO idempotent_requests (account, key, request, begun_at) VALUES (?1, ?2, ?3, ?4)",
                    (account, &key, &request, now),
                )?;
                Ok(Known::New)
            })
            .await
    }

    /// Keeps the answer to a request that has a key.
    pub async fn answer(&self, account: i64, key: [u8; 32], sealed: Vec<u8>) -> Result<()> {
        self.0
            .write(move |tx| {
                tx.execute(
                    "UPDATE idempotent_requests SET answer = ?3 WHERE account = ?1 AND key = ?2",
                    (account, &key, &sealed),
                )
                .map(drop)
            })
            .await
    }

    /// Frees a key: its request did nothing.
    pub async fn forget(&self, account: i64, key: [u8; 32]) -> Result<()> {
        self.0
            .write(move |tx| {
                tx.execute(
                    "DELETE FROM idempotent_requests WHERE account = ?1 AND key = ?2",
                    (account, &key),
                )
                .map(drop)
            })
            .await
    }
}
