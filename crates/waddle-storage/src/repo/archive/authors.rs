//! Messages by who wrote them: for purges, and for who must wait in a slow channel.

use serde::Serialize;
use waddle_core::{MessageId, Timestamp, UserId};

use super::{ArchiveKey, Archived, archived};
use crate::{Conn, Result};

/// What one look through the archives found.
#[derive(Debug)]
pub struct Found {
    /// Somebody's messages, each with its archive, the newest first.
    pub messages: Vec<(ArchiveKey, Archived)>,
    /// Everything from here on up was looked at; none where that was all there is.
    pub next: Option<MessageId>,
}

/// Looks through up to `rows` messages of all channels, from `below` down, for what `author` said and is still there.
pub fn messages_of(
    conn: &Conn,
    author: &UserId,
    below: MessageId,
    since: Timestamp,
    rows: usize,
) -> Result<Found> {
    let lowest = conn.query_one(
        "SELECT min(id), count(*) FROM (SELECT id FROM archive WHERE id < ?1 AND id >= ?2 ORDER BY id DESC LIMIT ?3)",
        (below, MessageId(since.0), rows),
        |r| Ok((r.get::<Option<MessageId>>(0)?, r.get::<usize>(1)?)),
    )?;
    let (Some(lowest), count) = lowest else {
        return Ok(Found {
            messages: Vec::new(),
            next: None,
        });
    };
    let messages = conn.query(
        "SELECT id, at, kind, retracted, peer, resource, author, origin_id, sender, stanza, archive FROM archive \
         WHERE id < ?1 AND id >= ?2 AND author = ?3 AND retracted = 0 ORDER BY id DESC",
        (below, lowest, author),
        |r| Ok((ArchiveKey(r.get::<String>(10)?.into()), archived(r)?)),
    )?;
    Ok(Found {
        messages,
        next: (count == rows).then_some(lowest),
    })
}

/// When each of those who spoke in an archive since `since` spoke last; the newest `rows` messages are looked at.
pub fn spoke_since(
    conn: &Conn,
    archive: &ArchiveKey,
    since: Timestamp,
    rows: usize,
) -> Result<Vec<(String, MessageId)>> {
    conn.query(
        "SELECT author, max(id) FROM (SELECT author, id FROM archive WHERE archive = ?1 AND id > ?2 \
         AND author IS NOT NULL AND body IS NOT NULL ORDER BY id DESC LIMIT ?3) GROUP BY author",
        (archive, MessageId(since.0), rows),
        |r| Ok((r.get(0)?, r.get(1)?)),
    )
}

/// A message as moderators see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Seen {
    /// Its identifier.
    pub id: MessageId,
    /// When it was said.
    pub at: Timestamp,
    /// The nickname that it was said under.
    pub nick: Option<String>,
    /// Who said it.
    pub author: Option<String>,
    /// What; nothing where it was retracted.
    pub body: Option<String>,
    /// Whether it was retracted.
    pub retracted: bool,
}

fn seen(r: &crate::Row<'_>) -> Result<Seen> {
    Ok(Seen {
        id: r.get(0)?,
        at: r.get(1)?,
        nick: r.get(2)?,
        author: r.get(3)?,
        body: r.get(4)?,
        retracted: r.get(5)?,
    })
}

/// One message as moderators see it.
pub fn see(conn: &Conn, archive: &ArchiveKey, id: MessageId) -> Result<Option<Seen>> {
    conn.query_opt(
        "SELECT id, at, peer, author, body, retracted FROM archive WHERE id = ?1 AND archive = ?2",
        (id, archive),
        seen,
    )
}

/// A message with up to `most` before and behind it that have a text, or had one, in their order.
pub fn around(conn: &Conn, archive: &ArchiveKey, id: MessageId, most: usize) -> Result<Vec<Seen>> {
    let mut found = conn.query(
        "SELECT id, at, peer, author, body, retracted FROM archive WHERE archive = ?1 AND id <= ?2 \
         AND (body IS NOT NULL OR retracted = 1 OR id = ?2) ORDER BY id DESC LIMIT ?3",
        (archive, id, most + 1),
        seen,
    )?;
    found.reverse();
    found.extend(conn.query(
        "SELECT id, at, peer, author, body, retracted FROM archive WHERE archive = ?1 AND id > ?2 \
         AND (body IS NOT NULL OR retracted = 1) ORDER BY id LIMIT ?3",
        (archive, id, most),
        seen,
    )?);
    Ok(found)
}
