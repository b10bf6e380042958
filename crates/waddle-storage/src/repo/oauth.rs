//! Logins with ATProto that are under way, token sets and the client's keys; every value comes in encrypted.

use waddle_core::Timestamp;

use crate::{Db, Result};

/// The tables `oauth_states`, `oauth_sessions` and `oauth_keys`.
#[derive(Debug)]
pub struct OAuth<'a>(pub &'a Db);

impl OAuth<'_> {
    /// Keeps a state until `expires`, and drops those that are too old.
    pub async fn put_state(
        &self,
        digest: [u8; 32],
        sealed: Vec<u8>,
        now: Timestamp,
        expires: Timestamp,
    ) -> Result<()> {
        self.0
            .write(move |tx| {
                tx.execute("DELETE FROM oauth_states WHERE expires_at <= ?1", (now,))?;
                tx.execute(
                    "INSERT INTO oauth_states (digest, sealed, created_at, expires_at) VALUES (?1, ?2, ?3, ?4)",
                    (&digest, sealed, now, expires),
                )?;
                Ok(())
            })
            .await
    }

    /// Takes a state: of two that ask, one gets it. Nothing where it is too old; it is gone all the same.
    pub async fn take_state(&self, digest: [u8; 32], now: Timestamp) -> Result<Option<Vec<u8>>> {
        self.0
            .write(move |tx| {
                let taken: Option<(Vec<u8>, Timestamp)> = tx.query_opt(
                    "DELETE FROM oauth_states WHERE digest = ?1 RETURNING sealed, expires_at",
                    (&digest,),
                    |r| Ok((r.get(0)?, r.get(1)?)),
                )?;
                Ok(taken
                    .filter(|(_, expires)| *expires > now)
                    .map(|(sealed, _)| sealed))
            })
            .await
    }

    /// How many logins are under way.
    pub async fn count_states(&self, now: Timestamp) -> Result<usize> {
        self.0
            .read(move |conn| {
                conn.query_one(
                    "SELECT count(*) FROM oauth_states WHERE expires_at > ?1",
                    (now,),
                    |r| r.get(0),
                )
            })
            .await
    }

    /// Keeps the tokens of an account.
    pub async fn put_session(&self, did: &str, sealed: Vec<u8>, now: Timestamp) -> Result<()> {
        let did = did.to_owned();
        self.0
            .write(move |tx| {
                tx.execute(
                    "INSERT INTO oauth_sessions (did, sealed, updated_at) VALUES (?1, ?2, ?3) \
                     ON CONFLICT (did) DO UPDATE SET sealed = excluded.sealed, updated_at = excluded.updated_at",
                    (&did, sealed, now),
                )?;
                Ok(())
            })
            .await
    }

    /// The tokens of an account.
    pub async fn session(&self, did: &str) -> Result<Option<Vec<u8>>> {
        let did = did.to_owned();
        self.0
            .read(move |conn| {
                conn.query_opt("SELECT sealed FROM oauth_sessions WHERE did = ?1", (&did,), |r| {
                    r.get(0)
                })
            })
            .await
    }

    /// Forgets the tokens of an account.
    pub async fn delete_session(&self, did: &str) -> Result<()> {
        let did = did.to_owned();
        self.0
            .write(move |tx| {
                tx.execute("DELETE FROM oauth_sessions WHERE did = ?1", (&did,))
                    .map(drop)
            })
            .await
    }

    /// The newest key of the client, with its identifier.
    pub async fn newest_key(&self) -> Result<Option<(String, Vec<u8>)>> {
        self.0
            .read(|conn| {
                conn.query_opt(
                    "SELECT kid, sealed FROM oauth_keys ORDER BY created_at DESC, kid DESC LIMIT 1",
                    (),
                    |r| Ok((r.get(0)?, r.get(1)?)),
                )
            })
            .await
    }

    /// Adds a key of the client.
    pub async fn put_key(&self, kid: &str, sealed: Vec<u8>, now: Timestamp) -> Result<()> {
        let kid = kid.to_owned();
        self.0
            .write(move |tx| {
                tx.execute(
                    "INSERT INTO oauth_keys (kid, sealed, created_at) VALUES (?1, ?2, ?3)",
                    (&kid, sealed, now),
                )
                .map(drop)
            })
            .await
    }
}
