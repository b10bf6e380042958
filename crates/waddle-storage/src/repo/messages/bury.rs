//! What goes with a message that is retracted: its corrections, reactions, mentions, files, pin, preview and full text.

use waddle_core::MessageId;

use crate::{
    Conn, Result, Tx,
    repo::archive::{self, ArchiveKey, Archived},
};

/// Corrections of one message that are read at once.
const CORRECTIONS: usize = 1_000;

/// What a message consists of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Buried {
    /// The message.
    pub id: MessageId,
    /// Its corrections that are still there, oldest first: so many as are read at once.
    pub corrections: Vec<Archived>,
}

/// A message and its corrections, of which `id` may be one.
pub fn parts_of(conn: &Conn, id: MessageId) -> Result<Buried> {
    let edits: Option<Option<MessageId>> =
        conn.query_opt("SELECT edits FROM message_links WHERE id = ?1", (id,), |r| {
            r.get(0)
        })?;
    let id = edits.flatten().unwrap_or(id);
    let corrections = conn.query(
        "SELECT a.id, a.at, a.kind, a.retracted, a.peer, a.resource, a.author, a.origin_id, a.sender, a.stanza \
         FROM message_links l INDEXED BY message_links_edits CROSS JOIN archive a ON a.id = l.id \
         WHERE l.edits = ?1 AND a.retracted = 0 ORDER BY l.id LIMIT ?2",
        (id, CORRECTIONS),
        archive::archived,
    )?;
    Ok(Buried { id, corrections })
}

/// Removes what belongs to a message whose text is gone; its place in a thread stays.
pub fn bury(tx: &mut Tx, archive: &ArchiveKey, id: MessageId) -> Result<()> {
    for sql in [
        "DELETE FROM message_search WHERE rowid = ?1",
        "DELETE FROM message_reactions WHERE target = ?1",
        "DELETE FROM message_mentions WHERE id = ?1",
        "DELETE FROM message_files WHERE id = ?1",
        "DELETE FROM message_previews WHERE id = ?1",
    ] {
        tx.execute(sql, (id,))?;
    }
    tx.execute(
        "DELETE FROM message_pins WHERE archive = ?1 AND id = ?2",
        (archive, id),
    )
    .map(drop)
}
