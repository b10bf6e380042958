//! What a waddle keeps of its moderation: word and link rules, purges under way.

use waddle_core::{ChannelId, MessageId, Timestamp, UserId, WaddleId};

use crate::{Conn, Result, Row, Tx, params};

/// A rule as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredRule {
    /// Its number.
    pub id: i64,
    /// The rule, as JSON.
    pub rule: String,
    /// Who changed it last; nobody for the server's operator.
    pub made_by: Option<UserId>,
    /// When.
    pub changed_at: Timestamp,
}

/// Every rule in the order of their making; bounded by the limit on rules.
pub fn rules(conn: &Conn) -> Result<Vec<StoredRule>> {
    conn.query(
        "SELECT id, rule, made_by, changed_at FROM rules ORDER BY id",
        (),
        |r| {
            Ok(StoredRule {
                id: r.get(0)?,
                rule: r.get(1)?,
                made_by: r.get(2)?,
                changed_at: r.get(3)?,
            })
        },
    )
}

/// Enters a rule and says its number.
pub fn insert_rule(tx: &mut Tx, rule: &str, by: Option<&UserId>, at: Timestamp) -> Result<i64> {
    tx.query_one(
        "INSERT INTO rules (rule, made_by, changed_at) VALUES (?1, ?2, ?3) RETURNING id",
        (rule, by, at),
        |r| r.get(0),
    )
}

/// Changes a rule; [`StorageError::NotFound`](crate::StorageError::NotFound) where there is none of that number.
pub fn update_rule(tx: &mut Tx, id: i64, rule: &str, by: Option<&UserId>, at: Timestamp) -> Result<()> {
    tx.execute_one(
        "UPDATE rules SET rule = ?2, made_by = ?3, changed_at = ?4 WHERE id = ?1",
        (id, rule, by, at),
    )
}

/// Removes a rule; whether it was there.
pub fn delete_rule(tx: &mut Tx, id: i64) -> Result<bool> {
    Ok(tx.execute("DELETE FROM rules WHERE id = ?1", (id,))? > 0)
}

/// A purge of somebody's messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Purge {
    /// Its number.
    pub id: i64,
    /// Whose messages.
    pub user: UserId,
    /// Who wants it; nobody for the server's operator.
    pub by: Option<UserId>,
    /// Why.
    pub reason: Option<String>,
    /// Only in this channel.
    pub channel: Option<ChannelId>,
    /// Nothing older.
    pub since: Timestamp,
    /// Next are messages with a smaller identifier.
    pub below: MessageId,
    /// How many may still go.
    pub left: u64,
    /// How many went.
    pub removed: u64,
    /// When it was asked for.
    pub at: Timestamp,
    /// When it was done.
    pub finished_at: Option<Timestamp>,
}

fn purge_of(r: &Row<'_>) -> Result<Purge> {
    Ok(Purge {
        id: r.get(0)?,
        user: r.get(1)?,
        by: r.get(2)?,
        reason: r.get(3)?,
        channel: r.get(4)?,
        since: r.get(5)?,
        below: r.get(6)?,
        left: r.get(7)?,
        removed: r.get(8)?,
        at: r.get(9)?,
        finished_at: r.get(10)?,
    })
}

/// Enters a purge and says its number.
pub fn insert_purge(tx: &mut Tx, p: &Purge) -> Result<i64> {
    tx.query_one(
        "INSERT INTO purges (user, made_by, reason, channel, since, below, left, at) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) RETURNING id",
        params![
            &p.user,
            p.by.as_ref(),
            p.reason.as_deref(),
            p.channel,
            p.since,
            p.below,
            p.left,
            p.at,
        ],
        |r| r.get(0),
    )
}

/// One purge.
pub fn purge(conn: &Conn, id: i64) -> Result<Option<Purge>> {
    conn.query_opt(
        "SELECT id, user, made_by, reason, channel, since, below, left, removed, at, finished_at \
         FROM purges WHERE id = ?1",
        (id,),
        purge_of,
    )
}

/// The oldest purge that is not done.
pub fn next_purge(conn: &Conn) -> Result<Option<Purge>> {
    conn.query_opt(
        "SELECT id, user, made_by, reason, channel, since, below, left, removed, at, finished_at \
         FROM purges WHERE finished_at IS NULL ORDER BY id LIMIT 1",
        (),
        purge_of,
    )
}

/// How many purges are not done.
pub fn open_purges(conn: &Conn) -> Result<usize> {
    conn.query_one("SELECT count(*) FROM purges WHERE finished_at IS NULL", (), |r| {
        r.get(0)
    })
}

/// So many messages of a purge went.
pub fn count_purged(tx: &mut Tx, id: i64, removed: u64) -> Result<()> {
    tx.execute(
        "UPDATE purges SET removed = removed + ?2, left = max(left - ?2, 0) WHERE id = ?1",
        (id, removed),
    )
    .map(drop)
}

/// A purge has come this far; with `finished` it is done.
pub fn advance_purge(tx: &mut Tx, id: i64, below: MessageId, finished: Option<Timestamp>) -> Result<()> {
    tx.execute(
        "UPDATE purges SET below = min(below, ?2), finished_at = ?3 WHERE id = ?1 AND finished_at IS NULL",
        (id, below, finished),
    )
    .map(drop)
}

/// Purges that were done before `before` are forgotten.
pub fn forget_purges(tx: &mut Tx, before: Timestamp) -> Result<u64> {
    tx.execute("DELETE FROM purges WHERE finished_at < ?1", (before,))
}

/// In the server's database: notes that a waddle has purges under way, or none any more.
pub fn set_purging(tx: &mut Tx, waddle: WaddleId, under_way: bool) -> Result<()> {
    let sql = if under_way {
        "INSERT OR IGNORE INTO purging (waddle) VALUES (?1)"
    } else {
        "DELETE FROM purging WHERE waddle = ?1"
    };
    tx.execute(sql, (waddle,)).map(drop)
}

/// In the server's database: the waddles with purges under way.
pub fn purging(conn: &Conn) -> Result<Vec<WaddleId>> {
    conn.query("SELECT waddle FROM purging", (), |r| r.get(0))
}
