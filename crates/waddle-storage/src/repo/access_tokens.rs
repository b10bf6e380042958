//! Personal access tokens of accounts (`specs/http.md`).

use waddle_core::{AccessTokenId, Timestamp};

use super::accounts::{self, AccountRow, WIDTH};
use crate::{Db, Result, Row};

/// The table `access_tokens`.
#[derive(Debug)]
pub struct AccessTokens<'a>(pub &'a Db);

/// A token as its owner sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessTokenRow {
    /// Its key.
    pub id: AccessTokenId,
    /// What it is for.
    pub label: String,
    /// What it may do: words with spaces between.
    pub scopes: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ends.
    pub expires_at: Option<Timestamp>,
    /// When it was last used, give or take some minutes.
    pub last_used_at: Option<Timestamp>,
}

const COLUMNS: &str =
    "t.id, t.label, t.scopes, t.created_at, t.expires_at, t.last_used_at FROM access_tokens t";

fn token(r: &Row<'_>, from: usize) -> Result<AccessTokenRow> {
    Ok(AccessTokenRow {
        id: r.get(from)?,
        label: r.get(from + 1)?,
        scopes: r.get(from + 2)?,
        created_at: r.get(from + 3)?,
        expires_at: r.get(from + 4)?,
        last_used_at: r.get(from + 5)?,
    })
}

impl AccessTokens<'_> {
    /// Adds a token of an account, whose expired ones go; nothing where it has `most` already.
    pub async fn add(
        &self,
        account: i64,
        id: AccessTokenId,
        (label, scopes): (String, String),
        digest: [u8; 32],
        expires_at: Option<Timestamp>,
        most: usize,
    ) -> Result<Option<AccessTokenRow>> {
        self.0
            .write(move |tx| {
                let now = tx.now();
                tx.execute(
                    "DELETE FROM access_tokens WHERE account = ?1 AND expires_at <= ?2",
                    (account, now),
                )?;
                let have: usize = tx.query_one(
                    "SELECT count(*) FROM access_tokens WHERE account = ?1",
                    (account,),
                    |r| r.get(0),
                )?;
                if have >= most {
                    return Ok(None);
                }
                tx.execute(
                    "INSERT INTO access_tokens (id, account, label, digest, scopes, created_at, expires_at) \
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                    (id, account, &label, &digest, &scopes, now, expires_at),
                )?;
                Ok(Some(AccessTokenRow {
                    id,
                    label,
                    scopes,
                    created_at: now,
                    expires_at,
                    last_used_at: None,
                }))
            })
            .await
    }

    /// The live token of a digest, and whose it is.
    pub async fn by_digest(&self, digest: [u8; 32]) -> Result<Option<(AccountRow, AccessTokenRow)>> {
        self.0
            .read(move |conn| {
                let sql = [
                    "SELECT ",
                    accounts::columns(),
                    ", ",
                    COLUMNS,
                    " JOIN accounts a ON a.id = t.account WHERE t.digest = ?1 AND (t.expires_at IS NULL OR t.expires_at > ?2)",
                ]
                .concat();
                conn.query_opt(&sql, (&digest, conn.now()), |r| {
                    Ok((accounts::account(r)?, token(r, WIDTH)?))
                })
            })
            .await
    }

    /// Live tokens of an account, the newest first.
    pub async fn list(&self, account: i64, limit: usize) -> Result<Vec<AccessTokenRow>> {
        self.0
            .read(move |conn| {
                let sql = [
                    "SELECT ",
                    COLUMNS,
                    " WHERE t.account = ?1 AND (t.expires_at IS NULL OR t.expires_at > ?2) \
                     ORDER BY t.created_at DESC, t.id DESC LIMIT ?3",
                ]
                .concat();
                conn.query(&sql, (account, conn.now(), limit), |r| token(r, 0))
            })
            .await
    }

    /// Deletes a token of an account; `NotFound` where it has no such token.
    pub async fn revoke(&self, account: i64, id: AccessTokenId) -> Result<()> {
        self.0
            .write(move |tx| {
                tx.execute_one(
                    "DELETE FROM access_tokens WHERE id = ?1 AND account = ?2",
                    (id, account),
                )
            })
            .await
    }

    /// Notes that a token was used.
    pub async fn used(&self, id: AccessTokenId) -> Result<()> {
        self.0
            .write(move |tx| {
                let now = tx.now();
                tx.execute(
                    "UPDATE access_tokens SET last_used_at = ?2 WHERE id = ?1",
                    (id, now),
                )
                .map(drop)
            })
            .await
    }
}
