//! Sessions of browsers and of our own clients.

use waddle_core::{SessionId, Timestamp};

use super::accounts::{self, AccountRow, WIDTH};
use crate::{Db, Result};

/// The table `login_sessions`.
#[derive(Debug)]
pub struct LoginSessions<'a>(pub &'a Db);

/// One session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionRow {
    /// Its key.
    pub id: SessionId,
    /// When it began.
    pub created_at: Timestamp,
    /// When it ends.
    pub expires_at: Timestamp,
}

impl LoginSessions<'_> {
    /// Adds a session; drops expired ones of all accounts, a bounded number at a time. Above `most` of this account
    /// the oldest end; the answer names them too.
    pub async fn add(
        &self,
        id: SessionId,
        account: i64,
        digest: [u8; 32],
        expires_at: Timestamp,
        most: usize,
    ) -> Result<(SessionRow, Vec<SessionId>)> {
        self.0
            .write(move |tx| {
                let now = tx.now();
                tx.execute(
                    "DELETE FROM login_sessions WHERE id IN \
                     (SELECT id FROM login_sessions WHERE expires_at <= ?1 LIMIT 100)",
                    (now,),
                )?;
                let ended = tx.query(
                    "DELETE FROM login_sessions WHERE id IN (SELECT id FROM login_sessions WHERE account = ?1 \
                     ORDER BY created_at DESC, id DESC LIMIT -1 OFFSET ?2) RETURNING id",
                    (account, most.saturating_sub(1)),
                    |r| r.get(0),
                )?;
                tx.execute(
                    "INSERT INTO login_sessions (id, account, digest, created_at, expires_at) VALUES (?1, ?2, ?3, ?4, ?5)",
                    (id, account, &digest, now, expires_at),
                )?;
                let row = SessionRow {
                    id,
                    created_at: now,
                    expires_at,
                };
                Ok((row, ended))
            })
            .await
    }

    /// The live session of an access token.
    pub async fn by_digest(&self, digest: [u8; 32]) -> Result<Option<(AccountRow, SessionRow)>> {
        self.0
            .read(move |conn| {
                let sql = [
                    "SELECT ",
                    accounts::columns(),
                    ", s.id, s.created_at, s.expires_at FROM login_sessions s JOIN accounts a ON a.id = s.account \
                     WHERE s.digest = ?1 AND s.expires_at > ?2",
                ]
                .concat();
                conn.query_opt(&sql, (&digest, conn.now()), |r| {
                    let session = SessionRow {
                        id: r.get(WIDTH)?,
                        created_at: r.get(WIDTH + 1)?,
                        expires_at: r.get(WIDTH + 2)?,
                    };
                    Ok((accounts::account(r)?, session))
                })
            })
            .await
    }

    /// Live sessions of an account, the newest first.
    pub async fn list(&self, account: i64, limit: usize) -> Result<Vec<SessionRow>> {
        self.0
            .read(move |conn| {
                conn.query(
                    "SELECT id, created_at, expires_at FROM login_sessions WHERE account = ?1 AND expires_at > ?2 \
                     ORDER BY created_at DESC LIMIT ?3",
                    (account, conn.now(), limit),
                    |r| {
                        Ok(SessionRow {
                            id: r.get(0)?,
                            created_at: r.get(1)?,
                            expires_at: r.get(2)?,
                        })
                    },
                )
            })
            .await
    }

    /// Ends a session of an account; answers how many it still has. `NotFound` where it has no such session.
    pub async fn end(&self, account: i64, id: SessionId) -> Result<usize> {
        self.0
            .write(move |tx| {
                tx.execute_one(
                    "DELETE FROM login_sessions WHERE id = ?1 AND account = ?2",
                    (id, account),
                )?;
                let now = tx.now();
                tx.query_one(
                    "SELECT count(*) FROM login_sessions WHERE account = ?1 AND expires_at > ?2",
                    (account, now),
                    |r| r.get(0),
                )
            })
            .await
    }
}
