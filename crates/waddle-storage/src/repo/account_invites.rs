//! Invitations to make an account (XEP-0401), and the registration that uses one up (XEP-0445).

use waddle_core::{Timestamp, UserId};

use super::accounts::{self, AccountRow, FirstPassword};
use crate::{Conn, Db, Result, StorageError, Tx};

/// The table `account_invites`.
#[derive(Debug)]
pub struct AccountInvites<'a>(pub &'a Db);

/// An invitation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InviteRow {
    /// Localpart of who invites; none for the server's operator.
    pub inviter: Option<String>,
    /// The name that is kept for the invited.
    pub localpart: Option<String>,
    /// Whether the two become contacts.
    pub contact: bool,
    /// When it ends.
    pub expires_at: Timestamp,
}

/// An invitation to keep.
#[derive(Debug)]
pub struct NewInvite {
    /// SHA-256 of the token.
    pub digest: [u8; 32],
    /// Who invites; none for the server's operator.
    pub inviter: Option<i64>,
    /// The name to keep.
    pub localpart: Option<String>,
    /// Whether the two become contacts.
    pub contact: bool,
    /// When it ends.
    pub expires_at: Timestamp,
}

impl AccountInvites<'_> {
    /// Keeps an invitation and drops expired ones. `Constraint` where `most` of the inviter are open, `Conflict` where
    /// the name is taken or kept for somebody else.
    pub async fn add(&self, new: NewInvite, most: usize) -> Result<()> {
        self.0
            .write(move |tx| {
                let now = tx.now();
                tx.execute("DELETE FROM account_invites WHERE expires_at <= ?1", (now,))?;
                let open: usize = tx.query_one(
                    "SELECT count(*) FROM account_invites WHERE inviter IS ?1",
                    (new.inviter,),
                    |r| r.get(0),
                )?;
                if open >= most {
                    return Err(StorageError::Constraint("invitations".into()));
                }
                if let Some(name) = &new.localpart
                    && (accounts::find(tx, "a.localpart", name)?.is_some()
                        || accounts::is_retired(tx, name)?
                        || is_kept(tx, name, None)?)
                {
                    return Err(StorageError::Conflict("the name is taken".into()));
                }
                tx.execute(
                    "INSERT INTO account_invites (digest, inviter, localpart, contact, created_at, expires_at) \
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                    (
                        &new.digest,
                        new.inviter,
                        new.localpart.as_deref(),
                        new.contact,
                        now,
                        new.expires_at,
                    ),
                )?;
                Ok(())
            })
            .await
    }

    /// A live invitation.
    pub async fn get(&self, digest: [u8; 32]) -> Result<Option<InviteRow>> {
        self.0.read(move |conn| find(conn, &digest, conn.now())).await
    }

    /// Uses up a live invitation of `inviter` to become a contact; whether there was one.
    pub async fn take_contact(&self, digest: [u8; 32], inviter: String) -> Result<bool> {
        self.0
            .write(move |tx| {
                let now = tx.now();
                let fits = find(tx, &digest, now)?
                    .is_some_and(|i| i.contact && i.inviter.as_deref() == Some(&*inviter));
                if fits {
                    tx.execute("DELETE FROM account_invites WHERE digest = ?1", (&digest,))?;
                }
                Ok(fits)
            })
            .await
    }

    /// Makes a local account, with an invitation that is used up where one is shown: `NotFound` where it was used
    /// meanwhile, `Constraint` where it is for another name. Its end was checked when it was shown (XEP-0445 §4).
    /// `Conflict` where the name is or was somebody's, or is kept for somebody else.
    pub async fn register(
        &self,
        user: UserId,
        localpart: String,
        password: FirstPassword,
        digest: Option<[u8; 32]>,
    ) -> Result<(AccountRow, Option<InviteRow>)> {
        self.0
            .write(move |tx| {
                let invite = match &digest {
                    Some(d) => {
                        let found = find(tx, d, Timestamp(i64::MIN))?.ok_or(StorageError::NotFound)?;
                        tx.execute("DELETE FROM account_invites WHERE digest = ?1", (d,))?;
                        Some(found)
                    }
                    None => None,
                };
                let only = invite.as_ref().and_then(|i| i.localpart.as_deref());
                if only.is_some_and(|name| name != localpart) {
                    return Err(StorageError::Constraint(
                        "the invitation is for another name".into(),
                    ));
                }
                if is_kept(tx, &localpart, digest.as_ref())? {
                    return Err(StorageError::Conflict("the name is kept for somebody".into()));
                }
                let row = accounts::add_local(tx, &user, &localpart, false, Some(&password))?;
                Ok((row, invite))
            })
            .await
    }
}

/// A live invitation; those of who is disabled are none.
fn find(conn: &Conn, digest: &[u8; 32], now: Timestamp) -> Result<Option<InviteRow>> {
    conn.query_opt(
        "SELECT a.localpart, i.localpart, i.contact, i.expires_at FROM account_invites i \
         LEFT JOIN accounts a ON a.id = i.inviter \
         WHERE i.digest = ?1 AND i.expires_at > ?2 AND coalesce(a.disabled, 0) = 0",
        (digest, now),
        |r| {
            Ok(InviteRow {
                inviter: r.get(0)?,
                localpart: r.get(1)?,
                contact: r.get(2)?,
                expires_at: r.get(3)?,
            })
        },
    )
}

/// Whether a name is kept by a live invitation other than `mine`.
fn is_kept(tx: &Tx, localpart: &str, mine: Option<&[u8; 32]>) -> Result<bool> {
    let found = tx.query_opt(
        "SELECT 1 FROM account_invites WHERE localpart = ?1 AND expires_at > ?2 AND digest IS NOT ?3",
        (localpart, tx.now(), mine),
        |_| Ok(()),
    )?;
    Ok(found.is_some())
}
