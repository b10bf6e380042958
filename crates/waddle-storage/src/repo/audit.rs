//! The audit log of a waddle: who did what to whom, when and why.

use serde::Serialize;
use waddle_core::{Timestamp, UserId};

use crate::{Conn, Result, Tx};

/// One line of the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AuditEntry {
    /// Its number, rising.
    pub id: i64,
    /// When.
    pub at: Timestamp,
    /// Who; nobody for the server's operator.
    pub actor: Option<UserId>,
    /// What, e.g. `member.remove`.
    pub action: String,
    /// To whom or what, e.g. `user:local:bob`.
    pub target: String,
    /// More, e.g. the new role.
    pub detail: String,
    /// Why, if it was said.
    pub reason: Option<String>,
}

/// Enters a line; its number is given here.
pub fn insert(tx: &mut Tx, e: &AuditEntry) -> Result<()> {
    tx.execute(
        "INSERT INTO audit (at, actor, action, target, detail, reason) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        (
            e.at,
            e.actor.as_ref(),
            &e.action,
            &e.target,
            &e.detail,
            e.reason.as_deref(),
        ),
    )
    .map(drop)
}

/// A page of the log, the newest first, before `before` if it is given.
pub fn list(conn: &Conn, before: Option<i64>, limit: usize) -> Result<Vec<AuditEntry>> {
    conn.query(
        "SELECT id, at, actor, action, target, detail, reason FROM audit \
         WHERE id < ?1 ORDER BY id DESC LIMIT ?2",
        (before.unwrap_or(i64::MAX), limit),
        |r| {
            Ok(AuditEntry {
                id: r.get(0)?,
                at: r.get(1)?,
                actor: r.get(2)?,
                action: r.get(3)?,
                target: r.get(4)?,
                detail: r.get(5)?,
                reason: r.get(6)?,
            })
        },
    )
}
