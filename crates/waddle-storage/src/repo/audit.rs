//! The audit log of a waddle: who did what to whom, when, why and from where.

use serde::Serialize;
use waddle_core::{Timestamp, UserId};

use crate::{Conn, Result, Row, Tx, params};

/// One line of the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AuditEntry {
    /// Its number, rising.
    pub id: i64,
    /// When.
    pub at: Timestamp,
    /// Who; nobody for the server's operator and for what happens by itself.
    pub actor: Option<UserId>,
    /// What, e.g. `member.remove`.
    pub action: String,
    /// To whom or what, e.g. `user:local:bob`.
    pub target: String,
    /// More, e.g. the new role.
    pub detail: String,
    /// Why, if it was said.
    pub reason: Option<String>,
    /// Over what: `http`, `xmpp`, `mqtt`; nothing where it happened by itself.
    pub via: Option<String>,
    /// The client's address, where it was known.
    pub address: Option<String>,
    /// The token or session that it was done with, by its public identifier.
    pub token: Option<String>,
}

/// Which lines are wanted; what is left out does not matter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AuditFilter {
    /// Who did it.
    pub actor: Option<UserId>,
    /// What: this action, or every action that begins with it where it ends with a dot.
    pub action: Option<String>,
    /// To whom or what.
    pub target: Option<String>,
    /// Not before.
    pub since: Option<Timestamp>,
    /// Before.
    pub until: Option<Timestamp>,
}

/// Enters a line; its number is given here.
pub fn insert(tx: &mut Tx, e: &AuditEntry) -> Result<()> {
    tx.execute(
        "INSERT INTO audit (at, actor, action, target, detail, reason, via, address, token) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        params![
            e.at,
            e.actor.as_ref(),
            &e.action,
            &e.target,
            &e.detail,
            e.reason.as_deref(),
            e.via.as_deref(),
            e.address.as_deref(),
            e.token.as_deref(),
        ],
    )
    .map(drop)
}

fn entry(r: &Row<'_>) -> Result<AuditEntry> {
    Ok(AuditEntry {
        id: r.get(0)?,
        at: r.get(1)?,
        actor: r.get(2)?,
        action: r.get(3)?,
        target: r.get(4)?,
        detail: r.get(5)?,
        reason: r.get(6)?,
        via: r.get(7)?,
        address: r.get(8)?,
        token: r.get(9)?,
    })
}

/// A page of the log, the newest first, before `before` if it is given.
pub fn list(conn: &Conn, before: Option<i64>, limit: usize) -> Result<Vec<AuditEntry>> {
    find(conn, &AuditFilter::default(), before, limit)
}

/// Those of a page that the filter wants: `limit` at the most, the newest first.
pub fn find(conn: &Conn, f: &AuditFilter, before: Option<i64>, limit: usize) -> Result<Vec<AuditEntry>> {
    let (action, prefix) = match f.action.as_deref() {
        Some(a) if a.ends_with('.') => (None, Some(a)),
        other => (other, None),
    };
    conn.query(
        "SELECT id, at, actor, action, target, detail, reason, via, address, token FROM audit \
         WHERE id < ?1 AND (?2 IS NULL OR actor = ?2) AND (?3 IS NULL OR action = ?3) \
         AND (?4 IS NULL OR substr(action, 1, length(?4)) = ?4) AND (?5 IS NULL OR target = ?5) \
         AND at >= ?6 AND at < ?7 ORDER BY id DESC LIMIT ?8",
        params![
            before.unwrap_or(i64::MAX),
            f.actor.as_ref(),
            action,
            prefix,
            f.target.as_deref(),
            f.since.unwrap_or(Timestamp(i64::MIN)),
            f.until.unwrap_or(Timestamp(i64::MAX)),
            limit,
        ],
        entry,
    )
}

/// The lines behind `after`, the oldest first: for who reads along.
pub fn after(conn: &Conn, after: i64, limit: usize) -> Result<Vec<AuditEntry>> {
    conn.query(
        "SELECT id, at, actor, action, target, detail, reason, via, address, token FROM audit \
         WHERE id > ?1 ORDER BY id LIMIT ?2",
        (after, limit),
        entry,
    )
}

/// Removes up to `most` lines that are older than `before`; how many. Lines are in the order of their times.
pub fn forget(tx: &mut Tx, before: Timestamp, most: usize) -> Result<u64> {
    tx.execute(
        "DELETE FROM audit WHERE id IN (SELECT id FROM (SELECT id, at FROM audit ORDER BY id LIMIT ?2) \
         WHERE at < ?1)",
        (before, most),
    )
}
