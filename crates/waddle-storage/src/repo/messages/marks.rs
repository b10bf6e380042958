//! Who is mentioned, who has read how far, and how much they have not (XEP-0333, XEP-0490).

use waddle_core::MessageId;

use super::json;
use crate::{
    Conn, Result, Tx, params,
    repo::archive::{self, ArchiveKey, Archived},
};

/// Stands for everybody in [`mention`].
pub const EVERYONE: &str = "*";
/// Stands for everybody who was in the room, in [`mention`].
pub const HERE: &str = "@";

/// Notes who is mentioned in a message: identifiers of users, or [`EVERYONE`] and [`HERE`].
pub fn mention(tx: &mut Tx, archive: &ArchiveKey, id: MessageId, subjects: &[String]) -> Result<()> {
    for subject in subjects {
        tx.execute(
            "INSERT OR IGNORE INTO message_mentions (subject, archive, id) VALUES (?1, ?2, ?3)",
            (subject, archive, id),
        )?;
    }
    Ok(())
}

/// Forgets who is mentioned in a message: a correction says it anew.
pub fn mentioned(tx: &mut Tx, archive: &ArchiveKey, id: MessageId, subjects: &[String]) -> Result<()> {
    tx.execute("DELETE FROM message_mentions WHERE id = ?1", (id,))?;
    mention(tx, archive, id, subjects)
}

/// Who is mentioned in these messages.
pub fn mentions(conn: &Conn, ids: &[MessageId]) -> Result<Vec<(MessageId, String)>> {
    conn.query(
        "SELECT m.id, m.subject FROM json_each(?1) j \
         CROSS JOIN message_mentions m INDEXED BY message_mentions_id ON m.id = j.value",
        (json(ids),),
        |r| Ok((r.get(0)?, r.get(1)?)),
    )
}

/// Up to where somebody has read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Marker {
    /// The archive's key, or `peer:` and an address.
    pub place: String,
    /// The last message that they have seen.
    pub id: MessageId,
}

/// Forgets up to where somebody has read, everywhere in this database.
pub fn forget_reader(tx: &mut Tx, owner: &str) -> Result<()> {
    tx.execute("DELETE FROM message_markers WHERE owner = ?1", (owner,))
        .map(drop)
}

/// Moves somebody's marker forward; `false` where it was there already, or further.
pub fn mark(tx: &mut Tx, owner: &str, place: &str, id: MessageId) -> Result<bool> {
    let moved = tx.execute(
        "INSERT INTO message_markers (owner, place, id) VALUES (?1, ?2, ?3) \
         ON CONFLICT (owner, place) DO UPDATE SET id = excluded.id WHERE excluded.id > message_markers.id",
        (owner, place, id),
    )?;
    Ok(moved > 0)
}

/// Somebody's marker.
pub fn marker(conn: &Conn, owner: &str, place: &str) -> Result<Option<MessageId>> {
    conn.query_opt(
        "SELECT id FROM message_markers WHERE owner = ?1 AND place = ?2",
        (owner, place),
        |r| r.get(0),
    )
}

/// All markers of somebody, up to `max`.
pub fn markers(conn: &Conn, owner: &str, max: usize) -> Result<Vec<Marker>> {
    conn.query(
        "SELECT place, id FROM message_markers WHERE owner = ?1 ORDER BY place LIMIT ?2",
        (owner, max),
        |r| {
            Ok(Marker {
                place: r.get(0)?,
                id: r.get(1)?,
            })
        },
    )
}

/// How much somebody has not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Unread {
    /// Messages of others.
    pub messages: u64,
    /// Those of them that mention the reader.
    pub mentions: u64,
}

/// What `reader` has not read of a channel behind `after`; neither count goes beyond `most`.
pub fn unread(
    conn: &Conn,
    archive: &ArchiveKey,
    reader: &str,
    after: MessageId,
    most: usize,
) -> Result<Unread> {
    let messages = conn.query_one(
        "SELECT count(*) FROM (SELECT 1 FROM archive INDEXED BY archive_page WHERE archive = ?1 AND id > ?2 \
         AND kind = 0 AND retracted = 0 AND author IS NOT ?3 LIMIT ?4)",
        params![archive, after, reader, most],
        |r| r.get(0),
    )?;
    if messages == 0 {
        return Ok(Unread::default());
    }
    let mentions = conn.query_one(
        "SELECT count(*) FROM (SELECT id FROM message_mentions WHERE subject = ?3 AND archive = ?1 AND id > ?2 \
         UNION SELECT id FROM message_mentions WHERE subject = '*' AND archive = ?1 AND id > ?2 LIMIT ?4) m \
         CROSS JOIN archive a ON a.id = m.id WHERE a.author IS NOT ?3",
        params![archive, after, reader, most],
        |r| r.get(0),
    )?;
    Ok(Unread { messages, mentions })
}

/// What `reader` has not read of what `peer` wrote to them; corrections are no messages of their own.
pub fn unread_from(
    conn: &Conn,
    archive: &ArchiveKey,
    peer: &str,
    reader: &str,
    after: MessageId,
    most: usize,
) -> Result<u64> {
    conn.query_one(
        "SELECT count(*) FROM (SELECT 1 FROM archive INDEXED BY archive_page WHERE archive = ?1 AND id > ?2 \
         AND peer = ?3 AND body IS NOT NULL AND retracted = 0 AND author IS NOT ?4 \
         AND NOT EXISTS (SELECT 1 FROM message_links l WHERE l.id = archive.id AND l.edits IS NOT NULL) LIMIT ?5)",
        params![archive, after, peer, reader, most],
        |r| r.get(0),
    )
}

/// The last message of a channel.
pub fn latest(conn: &Conn, archive: &ArchiveKey) -> Result<Option<Archived>> {
    conn.query_opt(
        "SELECT id, at, kind, retracted, peer, resource, author, origin_id, sender, stanza FROM archive \
         INDEXED BY archive_page WHERE archive = ?1 AND kind = 0 ORDER BY id DESC LIMIT 1",
        (archive,),
        archive::archived,
    )
}

/// The identifier of the last message of a channel.
pub fn latest_id(conn: &Conn, archive: &ArchiveKey) -> Result<Option<MessageId>> {
    conn.query_opt(
        "SELECT id FROM archive INDEXED BY archive_page WHERE archive = ?1 AND kind = 0 ORDER BY id DESC LIMIT 1",
        (archive,),
        |r| r.get(0),
    )
}

/// Somebody with whom an account talked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// Their address.
    pub jid: String,
    /// The last message.
    pub last: MessageId,
    /// The last one of the account itself.
    pub own: Option<MessageId>,
}

/// With whom an account talked last, the latest first: those of the last `reach` messages of its archive.
pub fn peers(
    conn: &Conn,
    archive: &ArchiveKey,
    account: &str,
    reach: usize,
    max: usize,
) -> Result<Vec<Peer>> {
    conn.query(
        "SELECT peer, max(id), max(CASE WHEN author = ?4 THEN id END) FROM (SELECT peer, id, author, kind, said \
         FROM archive INDEXED BY archive_page WHERE archive = ?1 ORDER BY id DESC LIMIT ?2) \
         WHERE peer IS NOT NULL AND (kind = 0 OR said IS NOT NULL) GROUP BY peer ORDER BY max(id) DESC LIMIT ?3",
        params![archive, reach, max, account],
        |r| {
            Ok(Peer {
                jid: r.get(0)?,
                last: r.get(1)?,
                own: r.get(2)?,
            })
        },
    )
}
