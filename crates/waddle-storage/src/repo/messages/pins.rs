//! Pinned messages of a channel, and previews of what messages link to.

use waddle_core::{MessageId, Timestamp};

use super::json;
use crate::{Conn, Result, StorageError, Tx, params, repo::archive::ArchiveKey};

/// Pins a message. [`StorageError::NotFound`] where it is not there (any more), [`StorageError::Conflict`] where
/// `most` are pinned; `false` where it was pinned already.
pub fn pin(
    tx: &mut Tx,
    archive: &ArchiveKey,
    id: MessageId,
    by: &str,
    at: Timestamp,
    most: usize,
) -> Result<bool> {
    tx.query_one(
        "SELECT 1 FROM archive WHERE id = ?1 AND archive = ?2 AND retracted = 0 AND kind = 0",
        (id, archive),
        |_| Ok(()),
    )?;
    let there = tx.query_opt(
        "SELECT 1 FROM message_pins WHERE archive = ?1 AND id = ?2",
        (archive, id),
        |_| Ok(()),
    )?;
    if there.is_some() {
        return Ok(false);
    }
    let count: usize = tx.query_one(
        "SELECT count(*) FROM message_pins WHERE archive = ?1",
        (archive,),
        |r| r.get(0),
    )?;
    if count >= most {
        return Err(StorageError::Conflict("too many pinned messages".into()));
    }
    tx.execute(
        "INSERT INTO message_pins (archive, id, pinned_by, at) VALUES (?1, ?2, ?3, ?4)",
        params![archive, id, by, at],
    )?;
    Ok(true)
}

/// Takes a pin off; [`StorageError::NotFound`] where there is none.
pub fn unpin(tx: &mut Tx, archive: &ArchiveKey, id: MessageId) -> Result<()> {
    tx.execute_one(
        "DELETE FROM message_pins WHERE archive = ?1 AND id = ?2",
        (archive, id),
    )
}

/// A pinned message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pin {
    /// Which.
    pub id: MessageId,
    /// Who pinned it.
    pub by: String,
    /// When.
    pub at: Timestamp,
}

/// The pinned messages, the last pinned first.
pub fn pins(conn: &Conn, archive: &ArchiveKey, max: usize) -> Result<Vec<Pin>> {
    conn.query(
        "SELECT id, pinned_by, at FROM message_pins WHERE archive = ?1 ORDER BY at DESC, id DESC LIMIT ?2",
        (archive, max),
        |r| {
            Ok(Pin {
                id: r.get(0)?,
                by: r.get(1)?,
                at: r.get(2)?,
            })
        },
    )
}

/// Those of these messages that are pinned.
pub fn pinned(conn: &Conn, archive: &ArchiveKey, ids: &[MessageId]) -> Result<Vec<MessageId>> {
    conn.query(
        "SELECT p.id FROM json_each(?1) j CROSS JOIN message_pins p ON p.id = j.value AND p.archive = ?2",
        (json(ids), archive),
        |r| r.get(0),
    )
}

/// What a link leads to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Preview {
    /// The link.
    pub url: String,
    /// The title.
    pub title: Option<String>,
    /// A sentence or two.
    pub description: Option<String>,
    /// The address of a picture.
    pub image: Option<String>,
    /// Whose page it is.
    pub site: Option<String>,
}

/// Keeps the preview of a message's first link; `false` where the message is not there (any more), or was given a text
/// without that link meanwhile.
pub fn set_preview(tx: &mut Tx, archive: &ArchiveKey, id: MessageId, preview: &Preview) -> Result<bool> {
    let set = tx.execute(
        "INSERT OR REPLACE INTO message_previews (id, url, title, description, image, site) \
         SELECT id, ?3, ?4, ?5, ?6, ?7 FROM archive WHERE id = ?1 AND archive = ?2 AND retracted = 0 \
         AND NOT EXISTS (SELECT 1 FROM archive c WHERE c.id = \
         (SELECT max(id) FROM message_links WHERE edits = ?1) AND instr(coalesce(c.body, ''), ?3) = 0)",
        params![
            id,
            archive,
            &preview.url,
            preview.title.as_deref(),
            preview.description.as_deref(),
            preview.image.as_deref(),
            preview.site.as_deref(),
        ],
    )?;
    Ok(set > 0)
}

/// A message has another text: its preview goes, where the link is in it no more.
pub fn keep_preview_if(tx: &mut Tx, id: MessageId, text: &str) -> Result<()> {
    tx.execute(
        "DELETE FROM message_previews WHERE id = ?1 AND instr(?2, url) = 0",
        (id, text),
    )
    .map(drop)
}

/// The previews of these messages.
pub fn previews(conn: &Conn, ids: &[MessageId]) -> Result<Vec<(MessageId, Preview)>> {
    conn.query(
        "SELECT p.id, p.url, p.title, p.description, p.image, p.site FROM json_each(?1) j \
         CROSS JOIN message_previews p ON p.id = j.value",
        (json(ids),),
        |r| {
            let preview = Preview {
                url: r.get(1)?,
                title: r.get(2)?,
                description: r.get(3)?,
                image: r.get(4)?,
                site: r.get(5)?,
            };
            Ok((r.get(0)?, preview))
        },
    )
}
