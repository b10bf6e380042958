//! Passwords and tokens of accounts: SCRAM keys that share one salt per account and hash (RFC 5802).

use waddle_core::{SessionId, Timestamp};

use super::accounts::{self, AccountRow, WIDTH};
use crate::{Conn, Db, Result, StorageError, Tx};

/// The tables `account_salts`, `credentials` and `credential_keys`.
#[derive(Debug)]
pub struct Credentials<'a>(pub &'a Db);

/// Salt and iteration count of an account for one hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Salt {
    /// 1, 256 or 512.
    pub hash: u16,
    /// The salt.
    pub salt: Vec<u8>,
    /// PBKDF2 iterations.
    pub iterations: u32,
}

/// The keys of one credential for one hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewKeys {
    /// 1, 256 or 512.
    pub hash: u16,
    /// RFC 5802 `StoredKey`.
    pub stored_key: Vec<u8>,
    /// RFC 5802 `ServerKey`.
    pub server_key: Vec<u8>,
}

/// A live credential that a login may match.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// Its key.
    pub id: i64,
    /// Whether it is a token.
    pub token: bool,
    /// When it ends.
    pub expires_at: Option<Timestamp>,
    /// RFC 5802 `StoredKey`.
    pub stored_key: Vec<u8>,
    /// RFC 5802 `ServerKey`.
    pub server_key: Vec<u8>,
}

/// All that one login with one hash needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lookup {
    /// Whose.
    pub account: AccountRow,
    /// Salt and count.
    pub salt: Salt,
    /// Live credentials.
    pub candidates: Vec<Candidate>,
}

/// A credential as its owner sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CredentialRow {
    /// Its key.
    pub id: i64,
    /// What it is for.
    pub label: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ends.
    pub expires_at: Option<Timestamp>,
    /// When it was last used, give or take some minutes.
    pub last_used_at: Option<Timestamp>,
}

/// A token to keep.
#[derive(Debug)]
pub struct NewToken {
    /// What it is for.
    pub label: String,
    /// SHA-256 of the token.
    pub digest: [u8; 32],
    /// Its keys per hash.
    pub keys: Vec<NewKeys>,
    /// When it ends.
    pub expires_at: Timestamp,
}

/// Logins of an account that ended.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Ended {
    /// Passwords and tokens.
    pub credentials: Vec<i64>,
    /// Sessions of browsers and of our own clients.
    pub sessions: Vec<SessionId>,
}

impl Credentials<'_> {
    /// The salts of an account; those given where it has none yet.
    pub async fn salts(&self, account: i64, fresh: Vec<Salt>) -> Result<Vec<Salt>> {
        self.0
            .write(move |tx| {
                put_salts(tx, account, &fresh)?;
                tx.query(
                    "SELECT hash, salt, iterations FROM account_salts WHERE account = ?1 ORDER BY hash",
                    (account,),
                    |r| {
                        Ok(Salt {
                            hash: r.get(0)?,
                            salt: r.get(1)?,
                            iterations: r.get(2)?,
                        })
                    },
                )
            })
            .await
    }

    /// What a login of `localpart` with `hash` needs; nothing where there is no such account or it has no salt.
    pub async fn lookup(&self, localpart: String, hash: u16) -> Result<Option<Lookup>> {
        self.0.read(move |conn| lookup(conn, &localpart, hash)).await
    }

    /// The account and credential of a live token.
    pub async fn by_digest(&self, digest: [u8; 32]) -> Result<Option<(AccountRow, CredentialRow)>> {
        self.0
            .read(move |conn| {
                let sql = [
                    "SELECT ",
                    accounts::columns(),
                    ", c.id, c.label, c.created_at, c.expires_at, c.last_used_at \
                     FROM credentials c JOIN accounts a ON a.id = c.account \
                     WHERE c.digest = ?1 AND (c.expires_at IS NULL OR c.expires_at > ?2)",
                ]
                .concat();
                conn.query_opt(&sql, (&digest, conn.now()), |r| {
                    let credential = CredentialRow {
                        id: r.get(WIDTH)?,
                        label: r.get(WIDTH + 1)?,
                        created_at: r.get(WIDTH + 2)?,
                        expires_at: r.get(WIDTH + 3)?,
                        last_used_at: r.get(WIDTH + 4)?,
                    };
                    Ok((accounts::account(r)?, credential))
                })
            })
            .await
    }

    /// Replaces the password of an account; its tokens end too, and its sessions but `keep`. Answers the new one's
    /// identifier and what ended.
    pub async fn set_password(
        &self,
        account: i64,
        keys: Vec<NewKeys>,
        keep: Option<SessionId>,
    ) -> Result<(i64, Ended)> {
        self.0
            .write(move |tx| {
                let ended = end_logins(tx, account, keep)?;
                Ok((put_password(tx, account, &keys)?, ended))
            })
            .await
    }

    /// Ends every credential and every session of an account.
    pub async fn end_all(&self, account: i64) -> Result<Ended> {
        self.0.write(move |tx| end_logins(tx, account, None)).await
    }

    /// Adds a token and drops expired ones; above `most` live ones the oldest go. Answers its identifier and those of all
    /// that are gone.
    pub async fn add_token(&self, account: i64, token: NewToken, most: usize) -> Result<(i64, Vec<i64>)> {
        self.0
            .write(move |tx| {
                let now = tx.now();
                let ended = tx.query(
                    "SELECT id FROM credentials WHERE account = ?1 AND expires_at <= ?2",
                    (account, now),
                    |r| r.get(0),
                )?;
                let mut gone = remove(tx, &ended)?;
                let over = tx.query(
                    "SELECT id FROM credentials WHERE account = ?1 AND kind = 'token' \
                     ORDER BY id DESC LIMIT -1 OFFSET ?2",
                    (account, most.saturating_sub(1)),
                    |r| r.get(0),
                )?;
                gone.extend(remove(tx, &over)?);
                let id = tx.query_one(
                    "INSERT INTO credentials (account, kind, label, digest, created_at, expires_at) \
                     VALUES (?1, 'token', ?2, ?3, ?4, ?5) RETURNING id",
                    (account, &token.label, &token.digest, now, token.expires_at),
                    |r| r.get(0),
                )?;
                put_keys(tx, id, &token.keys)?;
                Ok((id, gone))
            })
            .await
    }

    /// Live tokens of an account, the newest first.
    pub async fn tokens(&self, account: i64, limit: usize) -> Result<Vec<CredentialRow>> {
        self.0
            .read(move |conn| {
                conn.query(
                    "SELECT id, label, created_at, expires_at, last_used_at FROM credentials \
                     WHERE account = ?1 AND kind = 'token' AND (expires_at IS NULL OR expires_at > ?2) \
                     ORDER BY id DESC LIMIT ?3",
                    (account, conn.now(), limit),
                    |r| {
                        Ok(CredentialRow {
                            id: r.get(0)?,
                            label: r.get(1)?,
                            created_at: r.get(2)?,
                            expires_at: r.get(3)?,
                            last_used_at: r.get(4)?,
                        })
                    },
                )
            })
            .await
    }

    /// Deletes a token of an account with those that were made from it, whose identifiers are the answer; `NotFound`
    /// where it has no such token.
    pub async fn revoke_token(&self, account: i64, id: i64) -> Result<Vec<i64>> {
        self.0
            .write(move |tx| {
                tx.query_one(
                    "SELECT 1 FROM credentials WHERE id = ?1 AND account = ?2 AND kind = 'token'",
                    (id, account),
                    |_| Ok(()),
                )?;
                remove(tx, &[id])
            })
            .await
    }

    /// Whether a credential is a token, or was made from one; none where there is no such credential.
    pub async fn is_token(&self, id: i64) -> Result<Option<bool>> {
        self.0
            .read(move |conn| {
                conn.query_opt(
                    "SELECT coalesce(o.kind, c.kind) = 'token' FROM credentials c \
                     LEFT JOIN credentials o ON o.id = c.origin WHERE c.id = ?1",
                    (id,),
                    |r| r.get(0),
                )
            })
            .await
    }

    /// Whether there is such a credential, of an account that is not disabled; of a bot, whose owner's is not. Its end
    /// counts for new logins only.
    pub async fn lives(&self, id: i64) -> Result<bool> {
        self.0
            .read(move |conn| {
                let found = conn.query_opt(
                    "SELECT 1 FROM credentials c JOIN accounts a ON a.id = c.account \
                     LEFT JOIN bots b ON b.account = a.id LEFT JOIN accounts o ON o.user_id = b.owner \
                     WHERE c.id = ?1 AND a.disabled = 0 AND coalesce(o.disabled, 0) = 0",
                    (id,),
                    |_| Ok(()),
                )?;
                Ok(found.is_some())
            })
            .await
    }

    /// Notes that a credential and its account were used.
    pub async fn used(&self, id: i64) -> Result<()> {
        self.0
            .write(move |tx| {
                let now = tx.now();
                tx.execute("UPDATE credentials SET last_used_at = ?2 WHERE id = ?1", (id, now))?;
                tx.execute(
                    "UPDATE accounts SET last_login_at = ?2 WHERE id = (SELECT account FROM credentials WHERE id = ?1)",
                    (id, now),
                )?;
                Ok(())
            })
            .await
    }
}

/// What a login of `localpart` with `hash` needs, within a larger read.
pub fn lookup(conn: &Conn, localpart: &str, hash: u16) -> Result<Option<Lookup>> {
    let Some(account) = accounts::find(conn, "a.localpart", localpart)? else {
        return Ok(None);
    };
    let salt = conn.query_opt(
        "SELECT salt, iterations FROM account_salts WHERE account = ?1 AND hash = ?2",
        (account.id, hash),
        |r| {
            Ok(Salt {
                hash,
                salt: r.get(0)?,
                iterations: r.get(1)?,
            })
        },
    )?;
    let Some(salt) = salt else {
        return Ok(None);
    };
    let candidates = conn.query(
        "SELECT c.id, c.kind = 'token', c.expires_at, k.stored_key, k.server_key FROM credentials c \
         JOIN credential_keys k ON k.credential = c.id AND k.hash = ?2 \
         WHERE c.account = ?1 AND (c.expires_at IS NULL OR c.expires_at > ?3) ORDER BY c.id DESC LIMIT 1000",
        (account.id, hash, conn.now()),
        |r| {
            Ok(Candidate {
                id: r.get(0)?,
                token: r.get(1)?,
                expires_at: r.get(2)?,
                stored_key: r.get(3)?,
                server_key: r.get(4)?,
            })
        },
    )?;
    Ok(Some(Lookup {
        account,
        salt,
        candidates,
    }))
}

/// Deletes credentials with those that were made from them; answers all that are gone.
pub(super) fn remove(tx: &mut Tx, ids: &[i64]) -> Result<Vec<i64>> {
    let mut gone = Vec::new();
    for id in ids {
        gone.extend(tx.query(
            "SELECT id FROM credentials WHERE id = ?1 OR origin = ?1",
            (*id,),
            |r| r.get::<i64>(0),
        )?);
        // What was made from it goes by its foreign key.
        tx.execute("DELETE FROM credentials WHERE id = ?1", (*id,))?;
    }
    Ok(gone)
}

fn end_logins(tx: &mut Tx, account: i64, keep: Option<SessionId>) -> Result<Ended> {
    let old = tx.query("SELECT id FROM credentials WHERE account = ?1", (account,), |r| {
        r.get(0)
    })?;
    Ok(Ended {
        credentials: remove(tx, &old)?,
        sessions: tx.query(
            "DELETE FROM login_sessions WHERE account = ?1 AND id IS NOT ?2 RETURNING id",
            (account, keep),
            |r| r.get(0),
        )?,
    })
}

pub(super) fn put_salts(tx: &mut Tx, account: i64, salts: &[Salt]) -> Result<()> {
    for s in salts {
        tx.execute(
            "INSERT OR IGNORE INTO account_salts (account, hash, salt, iterations) VALUES (?1, ?2, ?3, ?4)",
            (account, s.hash, &s.salt, s.iterations),
        )?;
    }
    Ok(())
}

pub(super) fn put_password(tx: &mut Tx, account: i64, keys: &[NewKeys]) -> Result<i64> {
    let now = tx.now();
    let id: i64 = tx.query_one(
        "INSERT INTO credentials (account, kind, label, created_at) VALUES (?1, 'password', 'password', ?2) RETURNING id",
        (account, now),
        |r| r.get(0),
    )?;
    put_keys(tx, id, keys)?;
    Ok(id)
}

fn put_keys(tx: &mut Tx, credential: i64, keys: &[NewKeys]) -> Result<()> {
    if keys.is_empty() {
        return Err(StorageError::Constraint("a credential without keys".into()));
    }
    for k in keys {
        tx.execute(
            "INSERT INTO credential_keys (credential, hash, stored_key, server_key) VALUES (?1, ?2, ?3, ?4)",
            (credential, k.hash, &k.stored_key, &k.server_key),
        )?;
    }
    Ok(())
}
