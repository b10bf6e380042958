//! Requests to join a waddle; who was refused is remembered until they may ask again.

use serde::Serialize;
use waddle_core::{JoinRequestId, Timestamp, UserId};

use crate::{Conn, Result, Row, Tx};

/// Somebody who asked to join.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct JoinRequest {
    /// Its identifier.
    pub id: JoinRequestId,
    /// Who.
    pub user: UserId,
    /// What they said, up to 500 characters.
    pub message: String,
    /// When they asked.
    pub made_at: Timestamp,
    /// When they were refused, if they were.
    pub refused_at: Option<Timestamp>,
}

const COLUMNS: &str = "id, user, message, made_at, refused_at";

fn request(row: &Row<'_>) -> Result<JoinRequest> {
    Ok(JoinRequest {
        id: row.get(0)?,
        user: row.get(1)?,
        message: row.get(2)?,
        made_at: row.get(3)?,
        refused_at: row.get(4)?,
    })
}

/// One page of the requests that wait for an answer, the oldest first, behind `after`.
pub fn open(conn: &Conn, after: Option<JoinRequestId>, limit: usize) -> Result<Vec<JoinRequest>> {
    let sql = [
        "SELECT ",
        COLUMNS,
        " FROM join_requests WHERE refused_at IS NULL AND id > ?1 ORDER BY id LIMIT ?2",
    ]
    .concat();
    let after = after.map(|a| a.to_string()).unwrap_or_default();
    conn.query(&sql, (after, limit), request)
}

/// How many wait for an answer.
pub fn count_open(conn: &Conn) -> Result<usize> {
    conn.query_one(
        "SELECT count(*) FROM join_requests WHERE refused_at IS NULL",
        (),
        |r| r.get(0),
    )
}

/// One request.
pub fn get(conn: &Conn, id: JoinRequestId) -> Result<Option<JoinRequest>> {
    let sql = ["SELECT ", COLUMNS, " FROM join_requests WHERE id = ?1"].concat();
    conn.query_opt(&sql, (id,), request)
}

/// One person's request.
pub fn of_user(conn: &Conn, user: &UserId) -> Result<Option<JoinRequest>> {
    let sql = ["SELECT ", COLUMNS, " FROM join_requests WHERE user = ?1"].concat();
    conn.query_opt(&sql, (user,), request)
}

/// Enters a request, in the place of an older one of the same person.
pub fn put(tx: &mut Tx, r: &JoinRequest) -> Result<()> {
    tx.execute("DELETE FROM join_requests WHERE user = ?1", (&r.user,))?;
    tx.execute(
        "INSERT INTO join_requests (id, user, message, made_at) VALUES (?1, ?2, ?3, ?4)",
        (r.id, &r.user, &r.message, r.made_at),
    )
    .map(drop)
}

/// Notes that a request was refused.
pub fn refuse(tx: &mut Tx, id: JoinRequestId, at: Timestamp) -> Result<()> {
    tx.execute_one("UPDATE join_requests SET refused_at = ?2 WHERE id = ?1", (id, at))
}

/// Takes a person's request out; whether there was one.
pub fn delete_of(tx: &mut Tx, user: &UserId) -> Result<bool> {
    Ok(tx.execute("DELETE FROM join_requests WHERE user = ?1", (user,))? > 0)
}

/// Forgets who was refused before `at`.
pub fn forget_refused(tx: &mut Tx, at: Timestamp) -> Result<()> {
    tx.execute("DELETE FROM join_requests WHERE refused_at <= ?1", (at,))
        .map(drop)
}
