//! Tokens of FAST (XEP-0484): a credential for each client, with two places for tokens.

use waddle_core::Timestamp;

use super::accounts::{self, AccountRow};
use super::credentials::remove;
use crate::{Db, Result, StorageError, Tx};

/// The tables `fast_clients` and `fast_tokens`.
#[derive(Debug)]
pub struct Fast<'a>(pub &'a Db);

/// A token to keep.
#[derive(Debug)]
pub struct NewFast {
    /// The client's id.
    pub client: String,
    /// What people read in the list of their tokens.
    pub label: String,
    /// The mechanism that it is for.
    pub mechanism: &'static str,
    /// The token, encrypted.
    pub sealed: Vec<u8>,
    /// When it ends.
    pub expires_at: Timestamp,
    /// What the client logged in with; the token goes with it.
    pub origin: i64,
}

/// A token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FastToken {
    /// Whether it follows another one and was not used yet.
    pub fresh: bool,
    /// The mechanism that it is for.
    pub mechanism: String,
    /// The token, encrypted.
    pub sealed: Vec<u8>,
    /// When it ends.
    pub expires_at: Timestamp,
}

/// A client with its tokens, the fresh one first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FastClient {
    /// Whose.
    pub account: AccountRow,
    /// Its credential.
    pub credential: i64,
    /// What the credential was made from.
    pub origin: i64,
    /// Whether that was a token.
    pub from_token: bool,
    /// When that ends.
    pub origin_expires_at: Option<Timestamp>,
    /// Its tokens.
    pub tokens: Vec<FastToken>,
}

impl Fast<'_> {
    /// Keeps a new token of a client, in the place of the fresh one. Answers the client's credential, and those that
    /// had to go because an account has `most` at the most.
    pub async fn issue(&self, account: i64, new: NewFast, most: usize) -> Result<(i64, Vec<i64>)> {
        self.0
            .write(move |tx| {
                let now = tx.now();
                let found = tx.query_opt(
                    "SELECT c.id, c.origin FROM fast_clients f JOIN credentials c ON c.id = f.credential \
                     WHERE f.account = ?1 AND f.client = ?2",
                    (account, &new.client),
                    |r| Ok((r.get::<i64>(0)?, r.get::<Option<i64>>(1)?)),
                )?;
                // A token that is made with a token of this client stands for the same origin; those that were made from
                // another one do not get the rights of this one.
                let (credential, gone) = match found {
                    Some((c, origin)) if c == new.origin || origin == Some(new.origin) => (c, Vec::new()),
                    Some((c, _)) => {
                        tx.execute("DELETE FROM fast_tokens WHERE credential = ?1", (c,))?;
                        tx.execute(
                            "UPDATE credentials SET origin = ?2, expires_at = ?3 WHERE id = ?1",
                            (c, new.origin, new.expires_at),
                        )?;
                        (c, Vec::new())
                    }
                    None => add(tx, account, &new, most)?,
                };
                tx.execute(
                    "UPDATE credentials SET label = ?2, expires_at = max(coalesce(expires_at, 0), ?3) WHERE id = ?1",
                    (credential, &new.label, new.expires_at),
                )?;
                tx.execute(
                    "INSERT OR REPLACE INTO fast_tokens (credential, fresh, mechanism, sealed, expires_at) \
                     VALUES (?1, 1, ?2, ?3, ?4)",
                    (credential, new.mechanism, &new.sealed, new.expires_at),
                )?;
                tx.execute(
                    "DELETE FROM fast_tokens WHERE credential = ?1 AND expires_at <= ?2",
                    (credential, now),
                )?;
                Ok((credential, gone))
            })
            .await
    }

    /// A client of an account with its tokens; expired ones too, so that they can be told from wrong ones.
    pub async fn client(&self, localpart: String, client: String) -> Result<Option<FastClient>> {
        self.0
            .read(move |conn| {
                let Some(account) = accounts::find(conn, "a.localpart", &localpart)? else {
                    return Ok(None);
                };
                let found = conn.query_opt(
                    "SELECT c.id, o.id, o.kind = 'token', o.expires_at FROM fast_clients f \
                     JOIN credentials c ON c.id = f.credential JOIN credentials o ON o.id = c.origin \
                     WHERE f.account = ?1 AND f.client = ?2",
                    (account.id, &client),
                    |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?, r.get(3)?)),
                )?;
                let Some((credential, origin, from_token, origin_expires_at)) = found else {
                    return Ok(None);
                };
                let tokens = conn.query(
                    "SELECT fresh, mechanism, sealed, expires_at FROM fast_tokens \
                     WHERE credential = ?1 ORDER BY fresh DESC",
                    (credential,),
                    |r| {
                        Ok(FastToken {
                            fresh: r.get(0)?,
                            mechanism: r.get(1)?,
                            sealed: r.get(2)?,
                            expires_at: r.get(3)?,
                        })
                    },
                )?;
                Ok(Some(FastClient {
                    account,
                    credential,
                    origin,
                    from_token,
                    origin_expires_at,
                    tokens,
                }))
            })
            .await
    }

    /// Notes that a token was used: a fresh one takes the place of the one before it. `count` must be higher than any
    /// before it (`Conflict` where it is not). `NotFound` where the token is gone meanwhile.
    pub async fn used(&self, credential: i64, sealed: Vec<u8>, count: Option<u32>) -> Result<()> {
        self.0
            .write(move |tx| {
                let (fresh, last) = tx
                    .query_opt(
                        "SELECT fresh, count FROM fast_tokens WHERE credential = ?1 AND sealed = ?2",
                        (credential, &sealed),
                        |r| Ok((r.get::<bool>(0)?, r.get::<i64>(1)?)),
                    )?
                    .ok_or(StorageError::NotFound)?;
                if count.is_some_and(|c| i64::from(c) <= last) {
                    return Err(StorageError::Conflict("the count was used".into()));
                }
                if fresh {
                    tx.execute(
                        "DELETE FROM fast_tokens WHERE credential = ?1 AND fresh = 0",
                        (credential,),
                    )?;
                }
                tx.execute_one(
                    "UPDATE fast_tokens SET fresh = 0, count = ?3 WHERE credential = ?1 AND sealed = ?2",
                    (credential, &sealed, count.map_or(last, i64::from)),
                )
            })
            .await
    }

    /// Forgets a client with its tokens; answers the credentials that are gone.
    pub async fn forget(&self, credential: i64) -> Result<Vec<i64>> {
        self.0.write(move |tx| remove(tx, &[credential])).await
    }
}

fn add(tx: &mut Tx, account: i64, new: &NewFast, most: usize) -> Result<(i64, Vec<i64>)> {
    let now = tx.now();
    // What was made from the same origin goes first: a program does not drive out others.
    let over = tx.query(
        "SELECT id FROM credentials WHERE account = ?1 AND kind = 'token' AND id <> ?2 \
         ORDER BY coalesce(origin, 0) = ?2, id DESC LIMIT -1 OFFSET ?3",
        (account, new.origin, most.saturating_sub(1)),
        |r| r.get::<i64>(0),
    )?;
    let gone = remove(tx, &over)?;
    let id = tx.query_one(
        "INSERT INTO credentials (account, kind, label, created_at, expires_at, origin) \
         VALUES (?1, 'token', ?2, ?3, ?4, ?5) RETURNING id",
        (account, &new.label, now, new.expires_at, new.origin),
        |r| r.get(0),
    )?;
    tx.execute(
        "INSERT INTO fast_clients (credential, account, client) VALUES (?1, ?2, ?3)",
        (id, account, &new.client),
    )?;
    Ok((id, gone))
}
