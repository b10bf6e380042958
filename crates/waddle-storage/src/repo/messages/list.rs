//! Pages of what people said: corrections, reactions and markers are no lines of their own.

use waddle_core::{MessageId, Timestamp};

use super::json;
use crate::{
    Conn, Result, params,
    repo::archive::{self, ArchiveKey, Archived},
};

/// Rows of one page at the most, whatever is asked for.
const PAGE: usize = 500;

/// Which messages, and from which end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Range {
    /// The last ones before this message; the very last ones without it.
    Before(Option<MessageId>),
    /// The first ones after this message; the very first ones without it.
    After(Option<MessageId>),
    /// The first ones of this time and later, before another.
    Between(Timestamp, Timestamp),
}

/// Messages of a channel, oldest first; whether there are none beyond.
pub fn list(conn: &Conn, archive: &ArchiveKey, range: Range, max: usize) -> Result<(Vec<Archived>, bool)> {
    let max = max.min(PAGE);
    let (low, high, forward) = match range {
        Range::Before(id) => (i64::MIN, id.map_or(i64::MAX, |i| i.0 - 1), false),
        Range::After(id) => (id.map_or(i64::MIN, |i| i.0 + 1), i64::MAX, true),
        Range::Between(from, to) => (from.0, to.0 - 1, true),
    };
    let sql = if forward {
        "SELECT id, at, kind, retracted, peer, resource, author, origin_id, sender, stanza FROM archive \
         INDEXED BY archive_page WHERE archive = ?1 AND id BETWEEN ?2 AND ?3 AND kind = 0 ORDER BY id LIMIT ?4"
    } else {
        "SELECT id, at, kind, retracted, peer, resource, author, origin_id, sender, stanza FROM archive \
         INDEXED BY archive_page WHERE archive = ?1 AND id BETWEEN ?2 AND ?3 AND kind = 0 ORDER BY id DESC LIMIT ?4"
    };
    let mut items = conn.query(sql, params![archive, low, high, max + 1], archive::archived)?;
    Ok(trim(&mut items, max, forward))
}

/// Messages of the thread that `root` began, without it, oldest first; whether there are none beyond.
pub fn of_thread(conn: &Conn, root: MessageId, range: Range, max: usize) -> Result<(Vec<Archived>, bool)> {
    let max = max.min(PAGE);
    let (low, high, forward) = match range {
        Range::Before(id) => (i64::MIN, id.map_or(i64::MAX, |i| i.0 - 1), false),
        Range::After(id) => (id.map_or(i64::MIN, |i| i.0 + 1), i64::MAX, true),
        Range::Between(from, to) => (from.0, to.0 - 1, true),
    };
    let sql = if forward {
        "SELECT a.id, a.at, a.kind, a.retracted, a.peer, a.resource, a.author, a.origin_id, a.sender, a.stanza \
         FROM message_links l INDEXED BY message_links_root CROSS JOIN archive a ON a.id = l.id \
         WHERE l.root = ?1 AND l.id BETWEEN ?2 AND ?3 ORDER BY l.id LIMIT ?4"
    } else {
        "SELECT a.id, a.at, a.kind, a.retracted, a.peer, a.resource, a.author, a.origin_id, a.sender, a.stanza \
         FROM message_links l INDEXED BY message_links_root CROSS JOIN archive a ON a.id = l.id \
         WHERE l.root = ?1 AND l.id BETWEEN ?2 AND ?3 ORDER BY l.id DESC LIMIT ?4"
    };
    let mut items = conn.query(sql, params![root, low, high, max + 1], archive::archived)?;
    Ok(trim(&mut items, max, forward))
}

/// These messages, in the order of their identifiers; what is not in this archive is left out.
pub fn these(conn: &Conn, archive: &ArchiveKey, ids: &[MessageId]) -> Result<Vec<Archived>> {
    conn.query(
        "SELECT a.id, a.at, a.kind, a.retracted, a.peer, a.resource, a.author, a.origin_id, a.sender, a.stanza \
         FROM json_each(?1) j CROSS JOIN archive a ON a.id = j.value WHERE a.archive = ?2 ORDER BY a.id",
        (json(ids), archive),
        archive::archived,
    )
}

fn trim(items: &mut Vec<Archived>, max: usize, forward: bool) -> (Vec<Archived>, bool) {
    let complete = items.len() <= max;
    items.truncate(max);
    if !forward {
        items.reverse();
    }
    (std::mem::take(items), complete)
}
