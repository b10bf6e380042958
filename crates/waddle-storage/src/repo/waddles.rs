//! Waddles: the list in the server database, the one row in each waddle's own, and who is in which.

use serde::Serialize;
use waddle_core::{Slug, Timestamp, UserId, WaddleId};

use super::{members::Role, words::words};
use crate::{Conn, Result, Row, Tx};

words! {
    /// Who sees a waddle.
    Visibility {
        /// Its members.
        Private = "private",
        /// Everybody, and everybody may read its open channels.
        Public = "public",
        /// Everybody sees that it exists; members alone read.
        Restricted = "restricted",
    }
}

words! {
    /// Where a waddle is between being made and being gone.
    State {
        /// Its slug is taken; its database may not be complete.
        Making = "making",
        /// It is there.
        Live = "live",
        /// It is being deleted.
        Deleting = "deleting",
    }
}

/// A community.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Waddle {
    /// Its identifier.
    pub id: WaddleId,
    /// Its name in addresses.
    pub slug: Slug,
    /// Its name, 2 to 100 characters.
    pub name: String,
    /// What it is about, up to 1,000 characters.
    pub description: String,
    /// Who sees it.
    pub visibility: Visibility,
    /// When it was made.
    pub created_at: Timestamp,
}

/// The revisions of one waddle's database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Revisions {
    /// Of its tuples.
    pub tuples: u64,
    /// Of its members.
    pub members: u64,
}

const COLUMNS: &str = "id, slug, name, description, visibility, created_at";

fn waddle(row: &Row<'_>) -> Result<Waddle> {
    Ok(Waddle {
        id: row.get(0)?,
        slug: row.get(1)?,
        name: row.get(2)?,
        description: row.get(3)?,
        visibility: row.get(4)?,
        created_at: row.get(5)?,
    })
}

/// Server: every waddle and its state; bounded by the limit on waddles.
pub fn list(conn: &Conn) -> Result<Vec<(Waddle, State)>> {
    let sql = ["SELECT ", COLUMNS, ", state FROM waddles ORDER BY id"].concat();
    conn.query(&sql, (), |r| Ok((waddle(r)?, r.get(6)?)))
}

/// Server: takes the slug for a waddle that is being made.
pub fn reserve(tx: &mut Tx, w: &Waddle) -> Result<()> {
    tx.execute(
        "INSERT INTO waddles (id, slug, name, description, visibility, created_at, state, members_revision) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, 'making', 0)",
        (w.id, &w.slug, &w.name, &w.description, w.visibility, w.created_at),
    )
    .map(drop)
}

/// Server: the next state.
pub fn set_state(tx: &mut Tx, id: WaddleId, state: State) -> Result<()> {
    tx.execute_one("UPDATE waddles SET state = ?2 WHERE id = ?1", (id, state))
}

/// Server: the copy of what the waddle's own database says.
pub fn set_copy(tx: &mut Tx, w: &Waddle) -> Result<()> {
    tx.execute_one(
        "UPDATE waddles SET name = ?2, description = ?3, visibility = ?4 WHERE id = ?1",
        (w.id, &w.name, &w.description, w.visibility),
    )
}

/// Server: forgets a waddle and who was in it.
pub fn forget(tx: &mut Tx, id: WaddleId) -> Result<()> {
    tx.execute("DELETE FROM memberships WHERE waddle = ?1", (id,))?;
    tx.execute("DELETE FROM waddles WHERE id = ?1", (id,)).map(drop)
}

/// Server: the revision of the members that the index shows.
pub fn indexed_revision(conn: &Conn, id: WaddleId) -> Result<u64> {
    conn.query_one("SELECT members_revision FROM waddles WHERE id = ?1", (id,), |r| {
        r.get(0)
    })
}

/// Server: moves the index from one revision to the next; `false` where it stood elsewhere and must be
/// made anew.
pub fn advance_index(tx: &mut Tx, id: WaddleId, from: u64, to: u64) -> Result<bool> {
    let changed = tx.execute(
        "UPDATE waddles SET members_revision = ?3 WHERE id = ?1 AND members_revision = ?2",
        (id, from, to),
    )?;
    Ok(changed > 0)
}

/// Server: enters or corrects a membership.
pub fn index_put(tx: &mut Tx, id: WaddleId, user: &UserId, role: Role) -> Result<()> {
    tx.execute(
        "INSERT INTO memberships (user, waddle, role) VALUES (?1, ?2, ?3) \
         ON CONFLICT (user, waddle) DO UPDATE SET role = excluded.role",
        (user, id, role),
    )
    .map(drop)
}

/// Server: takes a membership out.
pub fn index_remove(tx: &mut Tx, id: WaddleId, user: &UserId) -> Result<()> {
    tx.execute(
        "DELETE FROM memberships WHERE user = ?1 AND waddle = ?2",
        (user, id),
    )
    .map(drop)
}

/// Server: makes the index of a waddle anew.
pub fn index_replace(tx: &mut Tx, id: WaddleId, members: &[(UserId, Role)], revision: u64) -> Result<()> {
    tx.execute("DELETE FROM memberships WHERE waddle = ?1", (id,))?;
    for (user, role) in members {
        index_put(tx, id, user, *role)?;
    }
    tx.execute_one(
        "UPDATE waddles SET members_revision = ?2 WHERE id = ?1",
        (id, revision),
    )
}

/// Server: the waddles of a user, at most `limit`.
pub fn of_user(conn: &Conn, user: &UserId, limit: usize) -> Result<Vec<(WaddleId, Role)>> {
    conn.query(
        "SELECT m.waddle, m.role FROM memberships m JOIN waddles w ON w.id = m.waddle \
         WHERE m.user = ?1 AND w.state = 'live' ORDER BY m.waddle LIMIT ?2",
        (user, limit),
        |r| Ok((r.get(0)?, r.get(1)?)),
    )
}

/// Server: how many waddles a user owns.
pub fn owned_by(conn: &Conn, user: &UserId) -> Result<usize> {
    conn.query_one(
        "SELECT count(*) FROM memberships WHERE user = ?1 AND role = 'owner'",
        (user,),
        |r| r.get(0),
    )
}

/// Waddle: its row and revisions, once it is complete.
pub fn own(conn: &Conn) -> Result<Option<(Waddle, Revisions)>> {
    let sql = ["SELECT ", COLUMNS, ", revision, members_revision FROM waddle"].concat();
    conn.query_opt(&sql, (), |r| {
        Ok((
            waddle(r)?,
            Revisions {
                tuples: r.get(6)?,
                members: r.get(7)?,
            },
        ))
    })
}

/// Waddle: writes its row for the first time.
pub fn insert_own(tx: &mut Tx, w: &Waddle) -> Result<()> {
    tx.execute(
        "INSERT INTO waddle (one, id, slug, name, description, visibility, created_at, revision, members_revision) \
         VALUES (1, ?1, ?2, ?3, ?4, ?5, ?6, 0, 0)",
        (w.id, &w.slug, &w.name, &w.description, w.visibility, w.created_at),
    )
    .map(drop)
}

/// Waddle: changes its row.
pub fn update_own(tx: &mut Tx, w: &Waddle) -> Result<()> {
    tx.execute_one(
        "UPDATE waddle SET name = ?1, description = ?2, visibility = ?3",
        (&w.name, &w.description, w.visibility),
    )
}

/// Waddle: notes the revisions.
pub fn set_revisions(tx: &mut Tx, r: Revisions) -> Result<()> {
    tx.execute_one(
        "UPDATE waddle SET revision = ?1, members_revision = ?2",
        (r.tuples, r.members),
    )
}
