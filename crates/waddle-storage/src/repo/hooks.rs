//! Webhooks of a waddle: incoming ones of a channel, outgoing ones with their place in what happened, and the events
//! that a receiver did not take (`specs/integrations.md`).

use serde::Serialize;
use waddle_core::{ChannelId, HookId, Timestamp, UserId, WaddleId};

use super::audit::AuditEntry;
use crate::{Conn, Result, Row, Tx, params};

/// An incoming webhook.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct IncomingHook {
    /// Its identifier.
    pub id: HookId,
    /// Where its messages appear.
    pub channel: ChannelId,
    /// What it is called.
    pub name: String,
    /// Its picture.
    pub avatar_url: Option<String>,
    /// Who made it; nobody for the server's operator.
    pub made_by: Option<UserId>,
    /// When it was made.
    pub made_at: Timestamp,
    /// When a message of it was last taken.
    pub last_used_at: Option<Timestamp>,
    /// Why the last one that was not taken was not.
    pub last_error: Option<String>,
    /// When that was.
    pub last_error_at: Option<Timestamp>,
}

const INCOMING: &str =
    "id, channel, name, avatar_url, made_by, made_at, last_used_at, last_error, last_error_at";

fn incoming(row: &Row<'_>) -> Result<IncomingHook> {
    Ok(IncomingHook {
        id: row.get(0)?,
        channel: row.get(1)?,
        name: row.get(2)?,
        avatar_url: row.get(3)?,
        made_by: row.get(4)?,
        made_at: row.get(5)?,
        last_used_at: row.get(6)?,
        last_error: row.get(7)?,
        last_error_at: row.get(8)?,
    })
}

/// The incoming hooks, of one channel or all; bounded by their limit.
pub fn list_incoming(conn: &Conn, channel: Option<ChannelId>) -> Result<Vec<IncomingHook>> {
    let sql = [
        "SELECT ",
        INCOMING,
        " FROM incoming_hooks WHERE ?1 IS NULL OR channel = ?1 ORDER BY id LIMIT 10000",
    ]
    .concat();
    conn.query(&sql, (channel,), incoming)
}

/// One incoming hook and the digest of its secret.
pub fn get_incoming(conn: &Conn, id: HookId) -> Result<Option<(IncomingHook, Vec<u8>)>> {
    let sql = ["SELECT ", INCOMING, ", secret FROM incoming_hooks WHERE id = ?1"].concat();
    conn.query_opt(&sql, (id,), |r| Ok((incoming(r)?, r.get(9)?)))
}

/// How many incoming hooks there are in a channel.
pub fn count_incoming(conn: &Conn, channel: ChannelId) -> Result<usize> {
    conn.query_one(
        "SELECT count(*) FROM incoming_hooks WHERE channel = ?1",
        (channel,),
        |r| r.get(0),
    )
}

/// Enters an incoming hook with the digest of its secret.
pub fn insert_incoming(tx: &mut Tx, h: &IncomingHook, secret: &[u8; 32]) -> Result<()> {
    tx.execute(
        "INSERT INTO incoming_hooks (id, channel, name, avatar_url, secret, made_by, made_at) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        (
            h.id,
            h.channel,
            &h.name,
            h.avatar_url.as_deref(),
            secret,
            h.made_by.as_ref(),
            h.made_at,
        ),
    )
    .map(drop)
}

/// Changes channel, name, picture and on whose behalf.
pub fn update_incoming(tx: &mut Tx, h: &IncomingHook) -> Result<()> {
    tx.execute_one(
        "UPDATE incoming_hooks SET channel = ?2, name = ?3, avatar_url = ?4, made_by = ?5 WHERE id = ?1",
        (
            h.id,
            h.channel,
            &h.name,
            h.avatar_url.as_deref(),
            h.made_by.as_ref(),
        ),
    )
}

/// Gives an incoming hook a new secret, on somebody's behalf.
pub fn set_incoming_secret(tx: &mut Tx, id: HookId, secret: &[u8; 32], by: Option<&UserId>) -> Result<()> {
    tx.execute_one(
        "UPDATE incoming_hooks SET secret = ?2, made_by = ?3 WHERE id = ?1",
        (id, secret, by),
    )
}

/// Deletes an incoming hook.
pub fn delete_incoming(tx: &mut Tx, id: HookId) -> Result<()> {
    tx.execute_one("DELETE FROM incoming_hooks WHERE id = ?1", (id,))
}

/// Notes a use of an incoming hook: taken, or why not.
pub fn used_incoming(tx: &mut Tx, id: HookId, error: Option<&str>) -> Result<()> {
    let now = tx.now();
    match error {
        None => tx.execute(
            "UPDATE incoming_hooks SET last_used_at = ?2 WHERE id = ?1",
            (id, now),
        ),
        Some(why) => tx.execute(
            "UPDATE incoming_hooks SET last_error = ?2, last_error_at = ?3 WHERE id = ?1",
            (id, why, now),
        ),
    }
    .map(drop)
}

/// How far an outgoing hook has come: everything up to these was delivered, given up or not asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Cursor {
    /// The archive identifier.
    pub messages: i64,
    /// The number in the audit log.
    pub audit: i64,
}

/// An outgoing webhook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutgoingHook {
    /// Its identifier.
    pub id: HookId,
    /// What it is called.
    pub name: String,
    /// Where its events go.
    pub url: String,
    /// The sealed secret that signs them.
    pub secret: Vec<u8>,
    /// The sealed secret before it, and until when it signs too.
    pub old_secret: Option<(Vec<u8>, Timestamp)>,
    /// Names of events, as JSON.
    pub events: String,
    /// Channels, as JSON; all without it.
    pub channels: Option<String>,
    /// Who made it; nobody for the server's operator.
    pub made_by: Option<UserId>,
    /// When it was made.
    pub made_at: Timestamp,
    /// Whether it is at work.
    pub enabled: bool,
    /// Why it is not, if the server stopped it.
    pub disabled_why: Option<String>,
    /// How far it has come.
    pub cursor: Cursor,
    /// Failed attempts at the event after the cursor.
    pub attempts: u32,
    /// When the next attempt is due.
    pub next_at: Option<Timestamp>,
    /// Since when nothing was taken.
    pub failing_since: Option<Timestamp>,
    /// When something was last taken.
    pub last_success_at: Option<Timestamp>,
    /// What went wrong last.
    pub last_error: Option<String>,
    /// When that was.
    pub last_error_at: Option<Timestamp>,
}

const OUTGOING: &str = "id, name, url, secret, old_secret, old_until, events, channels, made_by, made_at, enabled, \
     disabled_why, messages_done, audit_done, attempts, next_at, failing_since, last_success_at, last_error, \
     last_error_at";

fn outgoing(row: &Row<'_>) -> Result<OutgoingHook> {
    let (old, until): (Option<Vec<u8>>, Option<Timestamp>) = (row.get(4)?, row.get(5)?);
    Ok(OutgoingHook {
        id: row.get(0)?,
        name: row.get(1)?,
        url: row.get(2)?,
        secret: row.get(3)?,
        old_secret: old.zip(until),
        events: row.get(6)?,
        channels: row.get(7)?,
        made_by: row.get(8)?,
        made_at: row.get(9)?,
        enabled: row.get(10)?,
        disabled_why: row.get(11)?,
        cursor: Cursor {
            messages: row.get(12)?,
            audit: row.get(13)?,
        },
        attempts: row.get(14)?,
        next_at: row.get(15)?,
        failing_since: row.get(16)?,
        last_success_at: row.get(17)?,
        last_error: row.get(18)?,
        last_error_at: row.get(19)?,
    })
}

/// The outgoing hooks; bounded by their limit.
pub fn list_outgoing(conn: &Conn) -> Result<Vec<OutgoingHook>> {
    let sql = [
        "SELECT ",
        OUTGOING,
        " FROM outgoing_hooks ORDER BY id LIMIT 10000",
    ]
    .concat();
    conn.query(&sql, (), outgoing)
}

/// One outgoing hook.
pub fn get_outgoing(conn: &Conn, id: HookId) -> Result<Option<OutgoingHook>> {
    let sql = ["SELECT ", OUTGOING, " FROM outgoing_hooks WHERE id = ?1"].concat();
    conn.query_opt(&sql, (id,), outgoing)
}

/// How many outgoing hooks there are.
pub fn count_outgoing(conn: &Conn) -> Result<usize> {
    conn.query_one("SELECT count(*) FROM outgoing_hooks", (), |r| r.get(0))
}

/// Enters an outgoing hook.
pub fn insert_outgoing(tx: &mut Tx, h: &OutgoingHook) -> Result<()> {
    tx.execute(
        "INSERT INTO outgoing_hooks (id, name, url, secret, events, channels, made_by, made_at, enabled, \
         messages_done, audit_done) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
        params![
            h.id,
            &h.name,
            &h.url,
            &h.secret,
            &h.events,
            h.channels.as_deref(),
            h.made_by.as_ref(),
            h.made_at,
            h.enabled,
            h.cursor.messages,
            h.cursor.audit,
        ],
    )
    .map(drop)
}

/// Changes what people set: name, address, secrets, events, channels, on whose behalf, and whether it is at work, which
/// forgets its failures.
pub fn update_outgoing(tx: &mut Tx, h: &OutgoingHook) -> Result<()> {
    let (old, until) = h.old_secret.clone().unzip();
    tx.execute_one(
        "UPDATE outgoing_hooks SET name = ?2, url = ?3, secret = ?4, old_secret = ?5, old_until = ?6, events = ?7, \
         channels = ?8, enabled = ?9, disabled_why = ?10, made_by = ?11, attempts = 0, next_at = NULL, \
         failing_since = NULL WHERE id = ?1",
        params![
            h.id,
            &h.name,
            &h.url,
            &h.secret,
            old,
            until,
            &h.events,
            h.channels.as_deref(),
            h.enabled,
            h.disabled_why.as_deref(),
            h.made_by.as_ref(),
        ],
    )
}

/// Deletes an outgoing hook with its dead letters.
pub fn delete_outgoing(tx: &mut Tx, id: HookId) -> Result<()> {
    tx.execute_one("DELETE FROM outgoing_hooks WHERE id = ?1", (id,))
}

/// Moves the cursor over what nobody asked for.
pub fn skip(tx: &mut Tx, id: HookId, to: Cursor) -> Result<()> {
    tx.execute(
        "UPDATE outgoing_hooks SET messages_done = ?2, audit_done = ?3, attempts = 0, next_at = NULL WHERE id = ?1",
        (id, to.messages, to.audit),
    )
    .map(drop)
}

/// An event was taken: the cursor moves over it.
pub fn delivered(tx: &mut Tx, id: HookId, to: Cursor) -> Result<()> {
    let now = tx.now();
    tx.execute(
        "UPDATE outgoing_hooks SET messages_done = ?2, audit_done = ?3, attempts = 0, next_at = NULL, \
         failing_since = NULL, last_success_at = ?4 WHERE id = ?1",
        (id, to.messages, to.audit, now),
    )
    .map(drop)
}

/// An attempt failed, as all have since `since`; the next is due then.
pub fn failed(tx: &mut Tx, id: HookId, error: &str, next_at: Timestamp, since: Timestamp) -> Result<()> {
    let now = tx.now();
    tx.execute(
        "UPDATE outgoing_hooks SET attempts = attempts + 1, next_at = ?3, last_error = ?2, last_error_at = ?4, \
         failing_since = ?5 WHERE id = ?1",
        (id, error, next_at, now, since),
    )
    .map(drop)
}

/// The server stops a hook.
pub fn disable(tx: &mut Tx, id: HookId, why: &str) -> Result<()> {
    tx.execute(
        "UPDATE outgoing_hooks SET enabled = 0, disabled_why = ?2 WHERE id = ?1",
        (id, why),
    )
    .map(drop)
}

/// An event that a receiver did not take.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DeadLetter {
    /// Its number.
    pub id: i64,
    /// Whose.
    #[serde(skip)]
    pub hook: HookId,
    /// Whether it is a line of the audit log, not a message.
    #[serde(skip)]
    pub audit: bool,
    /// Its archive identifier, or its number in the audit log.
    #[serde(skip)]
    pub position: i64,
    /// The event's name.
    #[serde(rename = "type")]
    pub kind: String,
    /// When it was given up.
    pub at: Timestamp,
    /// After so many attempts.
    pub attempts: u32,
    /// What went wrong last.
    pub error: String,
}

/// Keeps an event that was given up, at most `most` of a hook, the newest.
pub fn bury(tx: &mut Tx, letter: &DeadLetter, most: usize) -> Result<()> {
    tx.execute(
        "INSERT INTO hook_dead_letters (hook, source, position, kind, at, attempts, error) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        (
            letter.hook,
            letter.audit,
            letter.position,
            &letter.kind,
            letter.at,
            letter.attempts,
            &letter.error,
        ),
    )?;
    tx.execute(
        "DELETE FROM hook_dead_letters WHERE hook = ?1 AND id <= (SELECT id FROM hook_dead_letters \
         WHERE hook = ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2)",
        (letter.hook, most),
    )
    .map(drop)
}

/// Dead letters of a hook, the newest first, before one.
pub fn dead_letters(conn: &Conn, hook: HookId, before: Option<i64>, limit: usize) -> Result<Vec<DeadLetter>> {
    conn.query(
        "SELECT id, hook, source, position, kind, at, attempts, error FROM hook_dead_letters \
         WHERE hook = ?1 AND id < ?2 ORDER BY id DESC LIMIT ?3",
        (hook, before.unwrap_or(i64::MAX), limit),
        |r| {
            Ok(DeadLetter {
                id: r.get(0)?,
                hook: r.get(1)?,
                audit: r.get(2)?,
                position: r.get(3)?,
                kind: r.get(4)?,
                at: r.get(5)?,
                attempts: r.get(6)?,
                error: r.get(7)?,
            })
        },
    )
}

/// Takes a dead letter out.
pub fn unbury(tx: &mut Tx, hook: HookId, id: i64) -> Result<()> {
    tx.execute_one(
        "DELETE FROM hook_dead_letters WHERE hook = ?1 AND id = ?2",
        (hook, id),
    )
}

fn audit_line(r: &Row<'_>) -> Result<AuditEntry> {
    Ok(AuditEntry {
        id: r.get(0)?,
        at: r.get(1)?,
        actor: r.get(2)?,
        action: r.get(3)?,
        target: r.get(4)?,
        detail: r.get(5)?,
        reason: r.get(6)?,
        // from where is for the audit log's readers alone
        via: None,
        address: None,
        token: None,
    })
}

/// Lines of the audit log after one, in their order.
pub fn audit_after(conn: &Conn, after: i64, limit: usize) -> Result<Vec<AuditEntry>> {
    conn.query(
        "SELECT id, at, actor, action, target, detail, reason FROM audit WHERE id > ?1 ORDER BY id LIMIT ?2",
        (after, limit),
        audit_line,
    )
}

/// One line of the audit log.
pub fn audit(conn: &Conn, id: i64) -> Result<Option<AuditEntry>> {
    conn.query_opt(
        "SELECT id, at, actor, action, target, detail, reason FROM audit WHERE id = ?1",
        (id,),
        audit_line,
    )
}

/// Where what happens from now on begins.
pub fn now(conn: &Conn) -> Result<Cursor> {
    let last = |sql: &str| conn.query_one(sql, (), |r| r.get::<Option<i64>>(0));
    Ok(Cursor {
        messages: last("SELECT max(id) FROM archive")?.unwrap_or(0),
        audit: last("SELECT max(id) FROM audit")?.unwrap_or(0),
    })
}

/// Server: waddles that may have outgoing hooks.
pub fn waddles(conn: &Conn) -> Result<Vec<WaddleId>> {
    conn.query("SELECT waddle FROM hook_waddles LIMIT 1000000", (), |r| r.get(0))
}

/// Server: a waddle has outgoing hooks, or has none any more.
pub fn set_waddle(tx: &mut Tx, waddle: WaddleId, has: bool) -> Result<()> {
    let sql = if has {
        "INSERT OR IGNORE INTO hook_waddles (waddle) VALUES (?1)"
    } else {
        "DELETE FROM hook_waddles WHERE waddle = ?1"
    };
    tx.execute(sql, (waddle,)).map(drop)
}
