//! Retraction from the archives ([XEP-0424 §4], [XEP-0425 §4]), inside the transaction that stores the retraction:
//! both happen or neither.
//!
//! [XEP-0424 §4]: https://xmpp.org/extensions/xep-0424.html#tombstones
//! [XEP-0425 §4]: https://xmpp.org/extensions/xep-0425.html#tombstones

use waddle_core::{BareJid, MessageId};
use waddle_stanza::{Stanza, retract::Tombstone};
use waddle_storage::{
    Result, StorageError, Tx,
    repo::{
        archive::{self, ArchiveKey, Archived},
        messages::{self, Link},
    },
};

/// Retracts a message of a room by the room's identifier, with everything that its author made of it since: corrections
/// (XEP-0308), files, reactions to it, its place in searches. With `author` only if that is who sent it. The identifiers
/// of what is gone, the message first; a correction stands for the message that it corrects.
///
/// # Errors
/// [`StorageError::NotFound`] where there is no such message, or nothing of it is left;
/// [`StorageError::Conflict`] where it is somebody else's.
pub fn of_room(
    tx: &mut Tx,
    room: &ArchiveKey,
    id: MessageId,
    author: Option<&str>,
    tombstone: &Tombstone<'_>,
) -> Result<Vec<MessageId>> {
    let id = messages::first_of(tx, id)?;
    let message = archive::get(tx, room, id)?;
    if message.retracted {
        return Err(StorageError::NotFound);
    }
    if author.is_some_and(|a| message.author.as_deref() != Some(a)) {
        return Err(StorageError::Conflict("the message is somebody else's".into()));
    }
    bury(tx, room, &message, tombstone)?;
    let mut gone = vec![message.id];
    gone.extend(corrections(tx, room, message.id, tombstone)?);
    messages::bury(tx, room, message.id)?;
    Ok(gone)
}

/// Buries all corrections of a message; which they were.
fn corrections(
    tx: &mut Tx,
    archive: &ArchiveKey,
    id: MessageId,
    tombstone: &Tombstone<'_>,
) -> Result<Vec<MessageId>> {
    let mut gone = Vec::new();
    loop {
        // Each is read once: one that is buried is found no more.
        let parts = messages::parts_of(tx, id)?;
        if parts.corrections.is_empty() {
            return Ok(gone);
        }
        for c in &parts.corrections {
            bury(tx, archive, c, tombstone)?;
            gone.push(c.id);
        }
    }
}

/// One side of a conversation: an archive, and who is the other side there.
#[derive(Debug, Clone)]
pub struct Side {
    /// The archive.
    pub archive: ArchiveKey,
    /// The other side.
    pub other: BareJid,
}

/// Retracts the message that `author` sent last with the `id` that they name, from the archives of both sides; says
/// from which, under which identifiers. Nothing, where it is not there (any more) or not theirs.
pub fn of_conversation(
    tx: &mut Tx,
    sides: &[Side],
    author: &str,
    id: &str,
    tombstone: &Tombstone<'_>,
) -> Result<Vec<(ArchiveKey, MessageId)>> {
    let mut gone: Vec<(ArchiveKey, MessageId)> = Vec::new();
    for Side { archive, other } in sides {
        if gone.iter().any(|(a, _)| a == archive) {
            continue;
        }
        let said = archive::said(tx, archive, other.as_str(), author, id)?;
        if let Some(message) = said.into_iter().find(|m| is_named(m, id)) {
            bury(tx, archive, &message, tombstone)?;
            corrections(tx, archive, message.id, tombstone)?;
            gone.push((archive.clone(), message.id));
        }
    }
    Ok(gone)
}

/// Notes that `id` corrects what its author sent as `named` to the other side (XEP-0308): it is found in its place, and
/// goes with it. Nothing, where that is not there (any more) or not theirs.
pub fn corrects(tx: &mut Tx, side: &Side, author: &str, named: &str, id: MessageId) -> Result<()> {
    let said = archive::said(tx, &side.archive, side.other.as_str(), author, named)?;
    let Some(message) = said.into_iter().find(|m| m.id != id && is_named(m, named)) else {
        return Ok(());
    };
    if message.retracted {
        return Ok(());
    }
    let link = Link {
        edits: Some(messages::first_of(tx, message.id)?),
        ..Link::default()
    };
    messages::link(tx, &side.archive, id, &link)
}

fn is_named(message: &Archived, id: &str) -> bool {
    Stanza::parse(message.stanza.clone()).is_ok_and(|s| s.id().as_deref() == Some(id))
        || message.origin_id.as_deref() == Some(id)
}

fn bury(tx: &mut Tx, archive: &ArchiveKey, message: &Archived, tombstone: &Tombstone<'_>) -> Result<()> {
    let stanza = Stanza::parse(message.stanza.clone()).map_err(|_| StorageError::NotFound)?;
    archive::retract(tx, archive, message.id, &tombstone.of(&stanza))
}
