//! Invite links of a waddle; their codes are stored hashed.

use serde::Serialize;
use waddle_core::{InviteId, Timestamp, UserId};

use super::members::Role;
use crate::{Conn, Result, Row, Tx};

/// An invite.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Invite {
    /// Its identifier.
    pub id: InviteId,
    /// What whoever accepts becomes.
    pub role: Role,
    /// How often it can be accepted.
    pub max_uses: Option<u32>,
    /// How often it was.
    pub uses: u32,
    /// When it ends.
    pub expires_at: Option<Timestamp>,
    /// Who made it; nobody for the server's operator.
    pub made_by: Option<UserId>,
    /// When it was made.
    pub made_at: Timestamp,
    /// Whom it is for, where it is for one person.
    pub for_user: Option<UserId>,
}

const COLUMNS: &str = "id, role, max_uses, uses, expires_at, made_by, made_at, for_user";

fn invite(row: &Row<'_>) -> Result<Invite> {
    Ok(Invite {
        id: row.get(0)?,
        role: row.get(1)?,
        max_uses: row.get(2)?,
        uses: row.get(3)?,
        expires_at: row.get(4)?,
        made_by: row.get(5)?,
        made_at: row.get(6)?,
        for_user: row.get(7)?,
    })
}

/// All invites, the newest first; bounded by the limit on invites.
pub fn list(conn: &Conn) -> Result<Vec<Invite>> {
    let sql = ["SELECT ", COLUMNS, " FROM invites ORDER BY id DESC"].concat();
    conn.query(&sql, (), invite)
}

/// The invite of this code's hash.
pub fn by_hash(conn: &Conn, hash: &[u8]) -> Result<Option<Invite>> {
    let sql = ["SELECT ", COLUMNS, " FROM invites WHERE code_hash = ?1"].concat();
    conn.query_opt(&sql, (hash,), invite)
}

/// One invite.
pub fn get(conn: &Conn, id: InviteId) -> Result<Option<Invite>> {
    let sql = ["SELECT ", COLUMNS, " FROM invites WHERE id = ?1"].concat();
    conn.query_opt(&sql, (id,), invite)
}

/// The invite for one person.
pub fn of_person(conn: &Conn, user: &UserId) -> Result<Option<Invite>> {
    let sql = ["SELECT ", COLUMNS, " FROM invites WHERE for_user = ?1"].concat();
    conn.query_opt(&sql, (user,), invite)
}

/// Whom there are invites for; bounded by the limit on invites.
pub fn invited(conn: &Conn) -> Result<Vec<UserId>> {
    conn.query(
        "SELECT for_user FROM invites WHERE for_user IS NOT NULL AND uses < max_uses",
        (),
        |r| r.get(0),
    )
}

/// Takes out the invite for one person.
pub fn delete_of_person(tx: &mut Tx, user: &UserId) -> Result<()> {
    tx.execute("DELETE FROM invites WHERE for_user = ?1", (user,))
        .map(drop)
}

/// How many invites there are.
pub fn count(conn: &Conn) -> Result<usize> {
    conn.query_one("SELECT count(*) FROM invites", (), |r| r.get(0))
}

/// Enters an invite.
pub fn insert(tx: &mut Tx, i: &Invite, hash: &[u8]) -> Result<()> {
    tx.execute(
        "INSERT INTO invites (id, code_hash, role, max_uses, uses, expires_at, made_by, made_at, for_user) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        (
            i.id,
            hash,
            i.role,
            i.max_uses,
            i.uses,
            i.expires_at,
            i.made_by.as_ref(),
            i.made_at,
            i.for_user.as_ref(),
        ),
    )
    .map(drop)
}

/// Counts one use.
pub fn count_use(tx: &mut Tx, id: InviteId) -> Result<()> {
    tx.execute_one("UPDATE invites SET uses = uses + 1 WHERE id = ?1", (id,))
}

/// Takes an invite out.
pub fn delete(tx: &mut Tx, id: InviteId) -> Result<()> {
    tx.execute_one("DELETE FROM invites WHERE id = ?1", (id,))
}

/// Takes out what nobody can accept any more.
pub fn delete_spent(tx: &mut Tx, now: Timestamp) -> Result<()> {
    tx.execute(
        "DELETE FROM invites WHERE expires_at <= ?1 OR uses >= max_uses",
        (now,),
    )
    .map(drop)
}
