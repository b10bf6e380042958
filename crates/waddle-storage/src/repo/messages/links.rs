//! Which message belongs to which: replies (XEP-0461), threads (XEP-0201) and corrections (XEP-0308).

use waddle_core::{MessageId, Timestamp};

use super::json;
use crate::{
    Conn, Result, Tx, params,
    repo::archive::{self, ArchiveKey, Archived},
};

/// What a message belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Link {
    /// The message that it answers.
    pub reply_to: Option<MessageId>,
    /// The message that its thread began with.
    pub root: Option<MessageId>,
    /// The name of the thread that it begins.
    pub thread: Option<String>,
    /// The message that it corrects.
    pub edits: Option<MessageId>,
}

/// Notes what a message belongs to.
pub fn link(tx: &mut Tx, archive: &ArchiveKey, id: MessageId, link: &Link) -> Result<()> {
    tx.execute(
        "INSERT OR REPLACE INTO message_links (id, archive, reply_to, root, thread, edits) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        params![
            id,
            archive,
            link.reply_to,
            link.root,
            link.thread.as_deref(),
            link.edits
        ],
    )
    .map(drop)
}

/// The message that a message's thread began with; nothing where it is in no thread.
pub fn root_of(conn: &Conn, id: MessageId) -> Result<Option<MessageId>> {
    let root = conn.query_opt("SELECT root FROM message_links WHERE id = ?1", (id,), |r| {
        r.get(0)
    })?;
    Ok(root.flatten())
}

/// The message that another one corrects; itself where it corrects none.
pub fn first_of(conn: &Conn, id: MessageId) -> Result<MessageId> {
    let edits: Option<Option<MessageId>> =
        conn.query_opt("SELECT edits FROM message_links WHERE id = ?1", (id,), |r| {
            r.get(0)
        })?;
    Ok(edits.flatten().unwrap_or(id))
}

/// The message that began the thread of this name.
pub fn began(conn: &Conn, archive: &ArchiveKey, thread: &str) -> Result<Option<MessageId>> {
    conn.query_opt(
        "SELECT id FROM message_links WHERE archive = ?1 AND thread = ?2 ORDER BY id LIMIT 1",
        (archive, thread),
        |r| r.get(0),
    )
}

/// The message that `author` sent last under the `id` that they name, among the last `reach` of a room's archive. It
/// reads entries of an index; two messages of one hash are taken for the same.
pub fn named(
    conn: &Conn,
    archive: &ArchiveKey,
    author: &str,
    id: &str,
    reach: usize,
) -> Result<Option<MessageId>> {
    let found: Option<MessageId> = conn.query_opt(
        "SELECT id FROM (SELECT id, said FROM archive INDEXED BY archive_page WHERE archive = ?1 \
         ORDER BY id DESC LIMIT ?2) WHERE said = ?3 LIMIT 1",
        params![archive, reach, archive::hash(author, id)],
        |r| r.get(0),
    )?;
    let Some(found) = found else { return Ok(None) };
    let by: Option<String> = conn
        .query_opt("SELECT author FROM archive WHERE id = ?1", (found,), |r| r.get(0))?
        .flatten();
    Ok(by.is_some_and(|by| by == author).then_some(found))
}

/// What these messages belong to, as far as they do.
pub fn links(conn: &Conn, ids: &[MessageId]) -> Result<Vec<(MessageId, Link)>> {
    conn.query(
        "SELECT l.id, l.reply_to, l.root, l.thread, l.edits FROM json_each(?1) j \
         CROSS JOIN message_links l ON l.id = j.value",
        (json(ids),),
        |r| {
            let link = Link {
                reply_to: r.get(1)?,
                root: r.get(2)?,
                thread: r.get(3)?,
                edits: r.get(4)?,
            };
            Ok((r.get(0)?, link))
        },
    )
}

/// The last correction of each of these messages that has one.
pub fn edited(conn: &Conn, ids: &[MessageId]) -> Result<Vec<(MessageId, Archived)>> {
    conn.query(
        "SELECT a.id, a.at, a.kind, a.retracted, a.peer, a.resource, a.author, a.origin_id, a.sender, a.stanza, \
         j.value FROM json_each(?1) j CROSS JOIN archive a ON a.id = \
         (SELECT max(id) FROM message_links WHERE edits = j.value) WHERE a.retracted = 0",
        (json(ids),),
        |r| Ok((r.get(10)?, archive::archived(r)?)),
    )
}

/// How many messages are in the threads that these began, and when the last one was said.
pub fn replies(conn: &Conn, ids: &[MessageId]) -> Result<Vec<(MessageId, u64, Timestamp)>> {
    conn.query(
        "SELECT l.root, count(*), max(l.id) FROM json_each(?1) j CROSS JOIN message_links l ON l.root = j.value \
         GROUP BY l.root",
        (json(ids),),
        |r| Ok((r.get(0)?, r.get(1)?, r.get::<Timestamp>(2)?)),
    )
}
