//! Accounts: people with a localpart on this server (`specs/identity.md`).

use waddle_core::{Did, Timestamp, UserId};

use super::{
    credentials::{self, NewKeys, Salt},
    departed,
};
use crate::{Conn, Db, Result, Row, StorageError, Tx, params};

/// The table `accounts`.
#[derive(Debug)]
pub struct Accounts<'a>(pub &'a Db);

/// One account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountRow {
    /// Key of the row.
    pub id: i64,
    /// The subject of permissions.
    pub user: UserId,
    /// The part before `@` of its JID.
    pub localpart: String,
    /// The DID of a Bluesky account.
    pub did: Option<Did>,
    /// Its handle, as last confirmed.
    pub handle: Option<String>,
    /// The name to show.
    pub display_name: Option<String>,
    /// Whether it may administer the server.
    pub admin: bool,
    /// Whether it may not log in for now.
    pub disabled: bool,
    /// When it was made.
    pub created_at: Timestamp,
    /// When somebody last logged in with it.
    pub last_login_at: Option<Timestamp>,
}

const COLUMNS: &str = "a.id, a.user_id, a.localpart, a.did, a.handle, a.display_name, a.admin, a.created_at, a.last_login_at, \
     a.disabled";
/// Number of columns that [`AccountRow`] takes.
pub(super) const WIDTH: usize = 10;

pub(super) fn columns() -> &'static str {
    COLUMNS
}

pub(super) fn account(row: &Row<'_>) -> Result<AccountRow> {
    Ok(AccountRow {
        id: row.get(0)?,
        user: row.get(1)?,
        localpart: row.get(2)?,
        did: row.get(3)?,
        handle: row.get(4)?,
        display_name: row.get(5)?,
        admin: row.get(6)?,
        created_at: row.get(7)?,
        last_login_at: row.get(8)?,
        disabled: row.get(9)?,
    })
}

/// The first password of a new local account.
#[derive(Debug)]
pub struct FirstPassword {
    /// Salt and count per hash.
    pub salts: Vec<Salt>,
    /// Its keys per hash.
    pub keys: Vec<NewKeys>,
}

impl Accounts<'_> {
    /// Makes a local account. `Conflict` where the name is or was another account's.
    pub async fn create_local(
        &self,
        user: UserId,
        localpart: String,
        admin: bool,
        password: Option<FirstPassword>,
    ) -> Result<AccountRow> {
        self.0
            .write(move |tx| add_local(tx, &user, &localpart, admin, password.as_ref()))
            .await
    }

    /// The account of a DID, made if there is none: with the first of `localparts` that is free. Its handle is set,
    /// and taken from any other account that had it.
    pub async fn login_did(
        &self,
        did: Did,
        handle: Option<String>,
        localparts: Vec<String>,
    ) -> Result<AccountRow> {
        self.0
            .write(move |tx| {
                if let Some(handle) = &handle {
                    tx.execute(
                        "UPDATE accounts SET handle = NULL WHERE handle = ?1 AND did IS NOT ?2",
                        (handle, &did),
                    )?;
                }
                let now = tx.now();
                if let Some(row) = find(tx, "a.did", did.as_str())? {
                    tx.execute(
                        "UPDATE accounts SET handle = ?2, last_login_at = ?3 WHERE id = ?1",
                        (row.id, handle.as_deref(), now),
                    )?;
                    return find(tx, "a.did", did.as_str())?.ok_or(StorageError::NotFound);
                }
                let user = UserId::did(&did);
                for localpart in &localparts {
                    let taken = find(tx, "a.localpart", localpart)?.is_some()
                        || is_retired_for(tx, localpart, &user)?;
                    if taken {
                        continue;
                    }
                    tx.execute(
                        "DELETE FROM retired_localparts WHERE localpart = ?1",
                        (localpart,),
                    )?;
                    tx.execute(
                        "INSERT INTO accounts (user_id, localpart, did, handle, created_at, last_login_at) \
                         VALUES (?1, ?2, ?3, ?4, ?5, ?5)",
                        (&user, localpart, &did, handle.as_deref(), now),
                    )?;
                    return find(tx, "a.did", did.as_str())?.ok_or(StorageError::NotFound);
                }
                Err(StorageError::Conflict("no free localpart".into()))
            })
            .await
    }

    /// By localpart, prepared.
    pub async fn by_localpart(&self, localpart: &str) -> Result<Option<AccountRow>> {
        self.by("a.localpart", localpart.to_owned()).await
    }

    /// By subject.
    pub async fn by_user(&self, user: &UserId) -> Result<Option<AccountRow>> {
        self.by("a.user_id", user.to_string()).await
    }

    /// By handle, in lower case.
    pub async fn by_handle(&self, handle: &str) -> Result<Option<AccountRow>> {
        self.by("a.handle", handle.to_owned()).await
    }

    async fn by(&self, column: &'static str, value: String) -> Result<Option<AccountRow>> {
        self.0.read(move |conn| find(conn, column, &value)).await
    }

    /// Accounts in the order of their localparts, after one.
    pub async fn list(&self, after: Option<String>, limit: usize) -> Result<Vec<AccountRow>> {
        self.0
            .read(move |conn| {
                let sql = [
                    "SELECT ",
                    COLUMNS,
                    " FROM accounts a WHERE a.localpart > ?1 ORDER BY a.localpart LIMIT ?2",
                ]
                .concat();
                conn.query(&sql, (after.unwrap_or_default(), limit), account)
            })
            .await
    }

    /// How many accounts there are.
    pub async fn count(&self) -> Result<usize> {
        self.0
            .read(|conn| conn.query_one("SELECT count(*) FROM accounts", (), |r| r.get(0)))
            .await
    }

    /// Gives or takes the right to administer the server.
    pub async fn set_admin(&self, user: UserId, admin: bool) -> Result<()> {
        self.0
            .write(move |tx| {
                tx.execute_one(
                    "UPDATE accounts SET admin = ?2 WHERE user_id = ?1",
                    (&user, admin),
                )
            })
            .await
    }

    /// The accounts of these users, in no order; who has none here is left out.
    pub async fn of_users(&self, users: &[UserId]) -> Result<Vec<AccountRow>> {
        let wanted = json(users);
        self.0
            .read(move |conn| {
                let sql = [
                    "SELECT ",
                    COLUMNS,
                    " FROM json_each(?1) j CROSS JOIN accounts a ON a.user_id = j.value",
                ]
                .concat();
                conn.query(&sql, (wanted,), account)
            })
            .await
    }

    /// Sets the name that is shown, or takes it away.
    pub async fn set_display_name(&self, user: UserId, name: Option<String>) -> Result<()> {
        self.0
            .write(move |tx| {
                tx.execute_one(
                    "UPDATE accounts SET display_name = ?2 WHERE user_id = ?1",
                    (&user, name.as_deref()),
                )
            })
            .await
    }

    /// Takes the right to log in, or gives it back.
    pub async fn set_disabled(&self, user: UserId, disabled: bool) -> Result<()> {
        self.0
            .write(move |tx| {
                tx.execute_one(
                    "UPDATE accounts SET disabled = ?2 WHERE user_id = ?1",
                    (&user, disabled),
                )
            })
            .await
    }

    /// Accounts that may not log in, in the order of their localparts, and how many there are.
    pub async fn disabled(&self, limit: usize) -> Result<(Vec<AccountRow>, usize)> {
        self.0
            .read(move |conn| flagged(conn, "a.disabled = 1", limit))
            .await
    }

    /// Accounts that may administer the server, and how many there are.
    pub async fn admins(&self, limit: usize) -> Result<(Vec<AccountRow>, usize)> {
        self.0.read(move |conn| flagged(conn, "a.admin = 1", limit)).await
    }

    /// Makes these users, and nobody else, administrators.
    pub async fn set_admins(&self, users: Vec<UserId>) -> Result<()> {
        self.0
            .write(move |tx| {
                tx.execute("UPDATE accounts SET admin = 0 WHERE admin = 1", ())?;
                for user in &users {
                    tx.execute_one("UPDATE accounts SET admin = 1 WHERE user_id = ?1", (user,))?;
                }
                Ok(())
            })
            .await
    }

    /// Deletes an account with its credentials, sessions, ATProto tokens, roster and waiting messages; its localpart
    /// is given to nobody else. Its archive and MQTT sessions are void from then on: [`departed::clear`] removes them.
    pub async fn delete(&self, user: UserId) -> Result<AccountRow> {
        self.0
            .write(move |tx| {
                let row = find(tx, "a.user_id", user.as_str())?.ok_or(StorageError::NotFound)?;
                let now = tx.now();
                tx.execute(
                    "INSERT OR REPLACE INTO retired_localparts (localpart, user_id, retired_at) VALUES (?1, ?2, ?3)",
                    (&row.localpart, &user, now),
                )?;
                if let Some(did) = &row.did {
                    tx.execute("DELETE FROM oauth_sessions WHERE did = ?1", (did,))?;
                }
                departed::leave(tx, &user, &row.localpart)?;
                tx.execute("DELETE FROM accounts WHERE id = ?1", (row.id,))?;
                Ok(row)
            })
            .await
    }
}

fn flagged(conn: &Conn, which: &'static str, limit: usize) -> Result<(Vec<AccountRow>, usize)> {
    let sql = [
        "SELECT ",
        COLUMNS,
        " FROM accounts a WHERE ",
        which,
        " ORDER BY a.localpart LIMIT ?1",
    ]
    .concat();
    let rows = conn.query(&sql, (limit,), account)?;
    let sql = ["SELECT count(*) FROM accounts a WHERE ", which].concat();
    Ok((rows, conn.query_one(&sql, (), |r| r.get(0))?))
}

/// Makes a local account within a write.
pub(super) fn add_local(
    tx: &mut Tx,
    user: &UserId,
    localpart: &str,
    admin: bool,
    password: Option<&FirstPassword>,
) -> Result<AccountRow> {
    if is_retired(tx, localpart)? {
        return Err(StorageError::Conflict("the name was another account's".into()));
    }
    let now = tx.now();
    tx.execute(
        "INSERT INTO accounts (user_id, localpart, admin, created_at) VALUES (?1, ?2, ?3, ?4)",
        (user, localpart, admin, now),
    )?;
    let row = find(tx, "a.localpart", localpart)?.ok_or(StorageError::NotFound)?;
    if let Some(p) = password {
        credentials::put_salts(tx, row.id, &p.salts)?;
        credentials::put_password(tx, row.id, &p.keys)?;
    }
    Ok(row)
}

pub(super) fn find(conn: &Conn, column: &'static str, value: &str) -> Result<Option<AccountRow>> {
    let sql = ["SELECT ", COLUMNS, " FROM accounts a WHERE ", column, " = ?1"].concat();
    conn.query_opt(&sql, (value,), account)
}

fn json(users: &[UserId]) -> String {
    let texts: Vec<&str> = users.iter().map(UserId::as_str).collect();
    serde_json::to_string(&texts).unwrap_or_default()
}

/// The names that these users show; who shows none is left out.
pub fn display_names(conn: &Conn, users: &[UserId]) -> Result<Vec<(UserId, String)>> {
    conn.query(
        "SELECT a.user_id, a.display_name FROM json_each(?1) j CROSS JOIN accounts a ON a.user_id = j.value \
         WHERE a.display_name IS NOT NULL",
        (json(users),),
        |r| Ok((r.get(0)?, r.get(1)?)),
    )
}

/// The account of a name.
pub fn user_of(conn: &Conn, localpart: &str) -> Result<Option<UserId>> {
    conn.query_opt(
        "SELECT user_id FROM accounts WHERE localpart = ?1",
        (localpart,),
        |r| r.get(0),
    )
}

/// [`StorageError::NotFound`] where there is no account of `user` (any more).
pub fn must_exist(conn: &Conn, user: &UserId) -> Result<()> {
    conn.query_one("SELECT 1 FROM accounts WHERE user_id = ?1", (user,), |_| Ok(()))
}

/// Whether an account of `user` was deleted, and is not there again.
pub fn is_gone(conn: &Conn, user: &UserId) -> Result<bool> {
    let found = conn.query_opt(
        "SELECT 1 FROM retired_localparts WHERE user_id = ?1 \
         AND NOT EXISTS (SELECT 1 FROM accounts WHERE user_id = ?1) LIMIT 1",
        (user,),
        |_| Ok(()),
    )?;
    Ok(found.is_some())
}

pub(super) fn is_retired(conn: &Conn, localpart: &str) -> Result<bool> {
    let found = conn.query_opt(
        "SELECT 1 FROM retired_localparts WHERE localpart = ?1",
        (localpart,),
        |_| Ok(()),
    )?;
    Ok(found.is_some())
}

/// Whether a localpart was another user's.
fn is_retired_for(tx: &Tx, localpart: &str, user: &UserId) -> Result<bool> {
    let found = tx.query_opt(
        "SELECT 1 FROM retired_localparts WHERE localpart = ?1 AND user_id IS NOT ?2",
        params![localpart, user],
        |_| Ok(()),
    )?;
    Ok(found.is_some())
}
