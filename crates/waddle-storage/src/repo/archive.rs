//! Archived messages (XEP-0313 Message Archive Management): rooms' in the database of their waddle, plain rooms'
//! and direct messages' in the server database. The same table and the same functions in both.

mod authors;
mod page;
mod removal;
mod retention;
mod said;

use std::{fmt, sync::Arc};

use bytes::Bytes;
use waddle_core::{BareJid, ChannelId, Jid, MessageId, Timestamp, UserId};

pub use authors::{Found, Seen, around, messages_of, see, spoke_since};
pub use page::{Ends, Filter, Page, Start, ends, last, page};
pub use removal::{Afterwards, condemn, finish_removals};
pub use retention::{archives, keep, kept, newest_beyond};
pub(super) use said::hash;
pub use said::{said, said_by_peer};

use crate::{Conn, FromColumn, IntoValue, Result, Row, Tx, Value, params};

/// Whose archive.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ArchiveKey(Arc<str>);

impl ArchiveKey {
    /// Of a channel, in the database of its waddle.
    pub fn channel(id: ChannelId) -> Self {
        Self(format!("channel:{id}").into())
    }

    /// Of a plain room by its localpart, in the server database.
    pub fn room(localpart: &str) -> Self {
        Self(["room:", localpart].concat().into())
    }

    /// A user's direct messages, in the server database.
    pub fn user(id: &UserId) -> Self {
        Self(["user:", id.as_str()].concat().into())
    }

    /// Whether it is an account's, not a room's.
    pub fn is_account(&self) -> bool {
        self.0.starts_with("user:")
    }

    /// The channel whose it is, where it is one's.
    pub fn as_channel(&self) -> Option<ChannelId> {
        self.0.strip_prefix("channel:")?.parse().ok()
    }

    /// As the table holds it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
impl fmt::Debug for ArchiveKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
impl IntoValue for &ArchiveKey {
    fn into_value(self) -> Value {
        self.as_str().into_value()
    }
}

/// What a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Kind {
    /// A message that people read.
    #[default]
    Message,
    /// A change of a room's subject.
    Subject,
    /// Anything else worth keeping: markers, reactions, corrections.
    Other,
}
impl IntoValue for Kind {
    fn into_value(self) -> Value {
        Value::Integer(self as i64)
    }
}
impl FromColumn for Kind {
    const EXPECTED: &'static str = "kind of message";
    fn from_column(value: Value) -> Option<Self> {
        match value {
            Value::Integer(0) => Some(Self::Message),
            Value::Integer(1) => Some(Self::Subject),
            Value::Integer(2) => Some(Self::Other),
            _ => None,
        }
    }
}

/// With whom a message was exchanged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum With {
    /// Direct messages: the other side. A bare JID in a filter stands for all its resources.
    Jid(Jid),
    /// Rooms: the sender's nickname.
    Nick(String),
}

impl With {
    fn into_columns(self) -> (String, Option<String>) {
        match self {
            Self::Jid(jid) => (jid.bare().to_string(), jid.resource().map(str::to_owned)),
            Self::Nick(nick) => (nick, None),
        }
    }
}

/// A message to keep.
#[derive(Debug, Clone)]
pub struct NewMessage {
    /// The stamp that it is shown with.
    pub at: Timestamp,
    /// What it is.
    pub kind: Kind,
    /// The other side, or the sender's nickname.
    pub with: Option<With>,
    /// Who really sent it: a [`UserId`].
    pub author: Option<String>,
    /// The sender's own identifier (XEP-0359).
    pub origin_id: Option<String>,
    /// Readable text, for search.
    pub body: Option<String>,
    /// The stanza to give out again.
    pub stanza: Bytes,
}

/// How a message is found again, and shown to whom, beside its identifier.
#[derive(Debug, Clone, Default)]
pub struct Trace {
    /// Direct messages: the `id` that its author sent it with; the author must be given too.
    pub said: Option<String>,
    /// Rooms: the full JID that it came from.
    pub sender: Option<String>,
}

/// A message as it was kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Archived {
    /// The archive's identifier (XEP-0359 `stanza-id`).
    pub id: MessageId,
    /// The stamp that it is shown with.
    pub at: Timestamp,
    /// What it is.
    pub kind: Kind,
    /// Whether only a tombstone is left (XEP-0424).
    pub retracted: bool,
    /// Bare JID of the other side; in rooms the sender's nickname.
    pub peer: Option<String>,
    /// Resource of the other side.
    pub resource: Option<String>,
    /// Who really sent it.
    pub author: Option<String>,
    /// The sender's own identifier.
    pub origin_id: Option<String>,
    /// In rooms the full JID that it came from.
    pub sender: Option<String>,
    /// The stanza to give out again.
    pub stanza: Bytes,
}

impl Archived {
    /// The other side of a direct message, as full as it is known.
    pub fn peer_jid(&self) -> Option<Jid> {
        let bare: BareJid = self.peer.as_deref()?.parse().ok()?;
        match &self.resource {
            Some(resource) => bare.with_resource(resource).ok(),
            None => Some(bare.into()),
        }
    }
}

/// Keeps a message and gives it its identifier, greater than all before it in this database.
pub fn append(tx: &mut Tx, archive: &ArchiveKey, message: NewMessage) -> Result<MessageId> {
    append_traced(tx, archive, message, Trace::default())
}

/// [`append`] for a message that is to be found again.
pub fn append_traced(
    tx: &mut Tx,
    archive: &ArchiveKey,
    message: NewMessage,
    trace: Trace,
) -> Result<MessageId> {
    let id = tx.next_message_id()?;
    let said = message
        .author
        .as_deref()
        .zip(trace.said.as_deref())
        .map(|(author, said)| said::hash(author, said));
    let (peer, resource) = message.with.map(With::into_columns).unzip();
    tx.execute(
        "INSERT INTO archive (id, archive, at, kind, peer, resource, author, origin_id, body, stanza, said, \
         sender) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
        params![
            id,
            archive,
            message.at.min(Timestamp(id.0)),
            message.kind,
            peer,
            resource.flatten(),
            message.author,
            message.origin_id,
            message.body,
            message.stanza,
            said,
            trace.sender,
        ],
    )?;
    Ok(id)
}

/// One message; [`StorageError::NotFound`](crate::StorageError::NotFound) where this archive has none of that identifier.
pub fn get(conn: &Conn, archive: &ArchiveKey, id: MessageId) -> Result<Archived> {
    conn.query_one(
        "SELECT id, at, kind, retracted, peer, resource, author, origin_id, sender, stanza FROM archive \
         WHERE id = ?1 AND archive = ?2",
        (id, archive),
        archived,
    )
}

/// Whether this archive has a message of that identifier.
pub fn has(conn: &Conn, archive: &ArchiveKey, id: MessageId) -> Result<bool> {
    let found = conn.query_opt(
        "SELECT 1 FROM archive WHERE id = ?1 AND archive = ?2",
        (id, archive),
        |_| Ok(()),
    )?;
    Ok(found.is_some())
}

/// A message of any archive of this database.
pub fn anywhere(conn: &Conn, id: MessageId) -> Result<Option<(ArchiveKey, Archived)>> {
    conn.query_opt(
        "SELECT id, at, kind, retracted, peer, resource, author, origin_id, sender, stanza, archive FROM archive \
         WHERE id = ?1",
        (id,),
        |r| Ok((ArchiveKey(r.get::<String>(10)?.into()), archived(r)?)),
    )
}

/// What all archives of a database took behind `after`, in the order of the commits.
pub fn since(conn: &Conn, after: MessageId, max: usize) -> Result<Vec<(ArchiveKey, Archived)>> {
    conn.query(
        "SELECT id, at, kind, retracted, peer, resource, author, origin_id, sender, stanza, archive FROM archive \
         WHERE id > ?1 ORDER BY id LIMIT ?2",
        (after, max),
        |r| Ok((ArchiveKey(r.get::<String>(10)?.into()), archived(r)?)),
    )
}

/// Replaces a message by its tombstone (XEP-0424, XEP-0425): its text is gone, its place stays.
pub fn retract(tx: &mut Tx, archive: &ArchiveKey, id: MessageId, tombstone: &[u8]) -> Result<()> {
    tx.execute("DELETE FROM message_search WHERE rowid = ?1", (id,))?;
    tx.execute_one(
        "UPDATE archive SET stanza = ?3, body = NULL, said = NULL, retracted = 1 WHERE id = ?1 AND archive = ?2",
        (id, archive, tombstone),
    )
}

/// Removes up to `most` messages from the start of the archive, with identifiers below `before` (all without
/// it); answers how many. Call it until that is less than `most`, each time in a write of its own.
pub fn remove(tx: &mut Tx, archive: &ArchiveKey, before: Option<MessageId>, most: usize) -> Result<u64> {
    tx.execute(
        "DELETE FROM archive WHERE id IN (SELECT id FROM archive INDEXED BY archive_page \
         WHERE archive = ?1 AND id < ?2 ORDER BY id LIMIT ?3)",
        (archive, before.unwrap_or(MessageId(i64::MAX)), most),
    )
}

pub(super) fn archived(row: &Row<'_>) -> Result<Archived> {
    Ok(Archived {
        id: row.get(0)?,
        at: row.get(1)?,
        kind: row.get(2)?,
        retracted: row.get(3)?,
        peer: row.get(4)?,
        resource: row.get(5)?,
        author: row.get(6)?,
        origin_id: row.get(7)?,
        sender: row.get(8)?,
        stanza: row.get(9)?,
    })
}
