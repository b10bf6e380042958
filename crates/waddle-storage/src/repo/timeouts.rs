//! Who may read and not write in a waddle, and until when.

use serde::Serialize;
use waddle_core::{Timestamp, UserId};

use crate::{Conn, Result, Row, Tx};

/// Somebody who is silenced for a while.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Timeout {
    /// Who.
    pub user: UserId,
    /// When it ends.
    pub expires_at: Timestamp,
    /// Why, if it was said.
    pub reason: Option<String>,
    /// By whom; nobody for the server's operator.
    pub by: Option<UserId>,
    /// Since when.
    pub at: Timestamp,
}

const COLUMNS: &str = "user, expires_at, reason, made_by, made_at";

fn timeout(row: &Row<'_>) -> Result<Timeout> {
    Ok(Timeout {
        user: row.get(0)?,
        expires_at: row.get(1)?,
        reason: row.get(2)?,
        by: row.get(3)?,
        at: row.get(4)?,
    })
}

/// One page of the timeouts, those that end first at the front.
pub fn list(conn: &Conn, offset: usize, limit: usize) -> Result<Vec<Timeout>> {
    let sql = [
        "SELECT ",
        COLUMNS,
        " FROM timeouts ORDER BY expires_at, user LIMIT ?2 OFFSET ?1",
    ]
    .concat();
    conn.query(&sql, (offset, limit), timeout)
}

/// One page of the timeouts, those that end first at the front, behind `after`.
pub fn page(conn: &Conn, after: Option<&(Timestamp, UserId)>, limit: usize) -> Result<Vec<Timeout>> {
    let (at, user) = after.map_or((Timestamp(i64::MIN), String::new()), |(at, u)| {
        (*at, u.to_string())
    });
    let sql = [
        "SELECT ",
        COLUMNS,
        " FROM timeouts WHERE (expires_at, user) > (?1, ?2) ORDER BY expires_at, user LIMIT ?3",
    ]
    .concat();
    conn.query(&sql, (at, user, limit), timeout)
}

/// One person's timeout.
pub fn get(conn: &Conn, user: &UserId) -> Result<Option<Timeout>> {
    let sql = ["SELECT ", COLUMNS, " FROM timeouts WHERE user = ?1"].concat();
    conn.query_opt(&sql, (user,), timeout)
}

/// How many there are.
pub fn count(conn: &Conn) -> Result<usize> {
    conn.query_one("SELECT count(*) FROM timeouts", (), |r| r.get(0))
}

/// Enters a timeout, or the newer one in its place.
pub fn put(tx: &mut Tx, t: &Timeout) -> Result<()> {
    tx.execute(
        "INSERT OR REPLACE INTO timeouts (user, expires_at, reason, made_by, made_at) VALUES (?1, ?2, ?3, ?4, ?5)",
        (&t.user, t.expires_at, t.reason.as_deref(), t.by.as_ref(), t.at),
    )
    .map(drop)
}

/// Ends a timeout; whether there was one.
pub fn delete(tx: &mut Tx, user: &UserId) -> Result<bool> {
    Ok(tx.execute("DELETE FROM timeouts WHERE user = ?1", (user,))? > 0)
}

/// Those whose time is over, at most `limit`.
pub fn due(conn: &Conn, now: Timestamp, limit: usize) -> Result<Vec<UserId>> {
    conn.query(
        "SELECT user FROM timeouts WHERE expires_at <= ?1 ORDER BY expires_at LIMIT ?2",
        (now, limit),
        |r| r.get(0),
    )
}

/// When the next timeout or ban ends.
pub fn next_end(conn: &Conn) -> Result<Option<Timestamp>> {
    conn.query_one(
        "SELECT min(at) FROM (SELECT min(expires_at) AS at FROM timeouts \
         UNION ALL SELECT min(expires_at) FROM bans WHERE expires_at IS NOT NULL)",
        (),
        |r| r.get(0),
    )
}
