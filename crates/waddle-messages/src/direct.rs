//! Direct messages as one of the two people has them, and those of small groups as one of their people does, for those who follow them live or read what they missed
//! (`specs/http.md`, "Events").

use waddle_core::{BareJid, Jid, MessageId, Timestamp, UserId};
use waddle_stanza::{Stanza, ns, retract::Retract};
use waddle_storage::{
    Conn, Result, StorageError,
    repo::{
        archive::{self, ArchiveKey, Archived, Filter, Start, With},
        messages,
    },
};

use crate::{
    Facts, NewsKind,
    inbox::{self, DirectView},
};

/// Rows of an archive that are read at a time.
const PAGE: usize = 500;

/// What was done between two people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DirectNews {
    /// Something was said.
    Said {
        /// The other one; an occupant of a room with their nickname.
        peer: Jid,
        /// It.
        message: DirectView,
        /// The message that it corrects.
        replaces: Option<MessageId>,
    },
    /// A message was taken back.
    Deleted {
        /// The other one.
        peer: Jid,
        /// Which.
        id: MessageId,
    },
}

/// What was done in a small group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GroupNews {
    /// Something was said.
    Said {
        /// Who did, where they are known.
        author: Option<UserId>,
        /// Their nickname.
        nick: String,
        /// It.
        message: DirectView,
        /// The message that it corrects.
        replaces: Option<MessageId>,
    },
    /// This message was taken back.
    Deleted(MessageId),
}

/// What a message of an account's archive is to its owner; nothing where it is none that people read.
pub fn one(conn: &Conn, user: &UserId, id: MessageId) -> Result<Option<DirectNews>> {
    let key = ArchiveKey::user(user);
    match archive::get(conn, &key, id) {
        Ok(row) => of(conn, &key, user, &row),
        Err(StorageError::NotFound) => Ok(None),
        Err(e) => Err(e),
    }
}

/// What was done behind a message, up to `most` and a few, in the order of the archive; each with what did it.
pub fn since(
    conn: &Conn,
    user: &UserId,
    after: MessageId,
    most: usize,
) -> Result<Vec<(MessageId, DirectNews)>> {
    let key = ArchiveKey::user(user);
    rows_since(conn, &key, after, most, |row| of(conn, &key, user, row))
}

/// What a message of a small group's archive is to one of its people; nothing where it is none that people read.
pub fn one_in_group(conn: &Conn, user: &UserId, room: &str, id: MessageId) -> Result<Option<GroupNews>> {
    match archive::get(conn, &ArchiveKey::room(room), id) {
        Ok(row) => in_group(conn, user, &row),
        Err(StorageError::NotFound) => Ok(None),
        Err(e) => Err(e),
    }
}

/// [`since`] for a small group.
pub fn since_in_group(
    conn: &Conn,
    user: &UserId,
    room: &str,
    after: MessageId,
    most: usize,
) -> Result<Vec<(MessageId, GroupNews)>> {
    rows_since(conn, &ArchiveKey::room(room), after, most, |row| {
        in_group(conn, user, row)
    })
}

fn rows_since<T>(
    conn: &Conn,
    key: &ArchiveKey,
    after: MessageId,
    most: usize,
    of: impl Fn(&Archived) -> Result<Option<T>>,
) -> Result<Vec<(MessageId, T)>> {
    let filter = Filter {
        // Identifiers are times, and no stamp is behind its identifier.
        start: Some(Timestamp(after.0.saturating_sub(SLACK))),
        ..Filter::default()
    };
    let (mut start, mut all) = (Start::First, Vec::new());
    loop {
        let page = archive::page(conn, key, &filter, start, PAGE, false)?;
        for row in page.items.iter().filter(|row| row.id > after) {
            all.extend(of(row)?.map(|news| (row.id, news)));
        }
        match page.items.last() {
            Some(last) if !page.complete && all.len() <= most => start = Start::After(last.id),
            _ => return Ok(all),
        }
    }
}

/// By how much an identifier may be ahead of its stamp: many in one moment are numbered on.
const SLACK: i64 = 1_000_000;

/// The message that was taken back by the one with this `id`: its tombstone says so. Looked for among the last that were
/// exchanged before.
fn taken_back(
    conn: &Conn,
    key: &ArchiveKey,
    peer: BareJid,
    before: MessageId,
    by: Option<&str>,
) -> Result<Option<MessageId>> {
    let filter = Filter {
        with: Some(With::Jid(peer.into())),
        ..Filter::default()
    };
    let page = archive::page(conn, key, &filter, Start::Before(before), PAGE, false)?;
    let is_it = |m: &&Archived| {
        let tombstone = Stanza::parse(m.stanza.clone()).ok();
        m.retracted
            && tombstone.is_some_and(|t| {
                let retracted = t.root().child("retracted", ns::RETRACT);
                retracted.and_then(|r| r.attr("id")).as_deref() == by
            })
    };
    // Its corrections went with it: the first of them is what was said.
    Ok(page.items.iter().find(is_it).map(|m| m.id))
}

fn of(conn: &Conn, key: &ArchiveKey, user: &UserId, row: &Archived) -> Result<Option<DirectNews>> {
    let Ok(stanza) = Stanza::parse(row.stanza.clone()) else {
        return Ok(None);
    };
    let root = stanza.root();
    let Some(bare) = row.peer.as_deref().and_then(|p| p.parse::<BareJid>().ok()) else {
        return Ok(None);
    };
    // Between occupants of a room the nickname is who it is.
    let peer = match row.peer_jid() {
        Some(full) if root.has("x", ns::MUC_USER) => full,
        _ => bare.clone().into(),
    };
    if !row.retracted && Retract::of(root).is_some() {
        let gone = taken_back(conn, key, bare, row.id, stanza.id().as_deref())?;
        return Ok(gone.map(|id| DirectNews::Deleted { peer, id }));
    }
    if Facts::kept(root).is_some_and(|f| !f.is_line) && !row.retracted {
        return Ok(None);
    }
    let links = messages::links(conn, &[row.id])?;
    Ok(Some(DirectNews::Said {
        peer,
        replaces: links.into_iter().find_map(|(_, l)| l.edits),
        message: inbox::said(row, user),
    }))
}

fn in_group(conn: &Conn, user: &UserId, row: &Archived) -> Result<Option<GroupNews>> {
    let links = messages::links(conn, &[row.id])?;
    let replaces = match NewsKind::of(row, links.into_iter().find_map(|(_, l)| l.edits)) {
        NewsKind::Posted => None,
        NewsKind::Edited(target) => Some(target),
        NewsKind::Retracted(target) => return Ok(Some(GroupNews::Deleted(target))),
        _ => return Ok(None),
    };
    Ok(Some(GroupNews::Said {
        author: row.author.as_deref().and_then(|a| a.parse().ok()),
        nick: row.peer.clone().unwrap_or_default(),
        message: inbox::said(row, user),
        replaces,
    }))
}
