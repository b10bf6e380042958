//! Feed bindings: which topics appear in which channel, and how.

use serde::Serialize;
use waddle_core::{BindingId, ChannelId, Timestamp, TopicFilter, UserId, WaddleId};

use super::words::words;
use crate::{Conn, Result, Tx};

words! {
    /// How readings appear in a channel.
    FeedMode {
        /// Each as a message.
        Message = "message",
        /// One card that changes.
        Card = "card",
        /// Gathered into one line.
        Digest = "digest",
    }
}

/// A binding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Binding {
    /// Its identifier.
    pub id: BindingId,
    /// Its waddle.
    pub waddle: WaddleId,
    /// The topics, within the waddle.
    pub filter: TopicFilter,
    /// Where they appear.
    pub channel: ChannelId,
    /// How.
    pub mode: FeedMode,
    /// What it is called.
    pub name: String,
    /// Who made it; nobody for the server's operator.
    pub made_by: Option<UserId>,
    /// When it was made.
    pub made_at: Timestamp,
}

/// All bindings, the oldest first; bounded by the limit on bindings.
pub fn list(conn: &Conn, waddle: WaddleId) -> Result<Vec<Binding>> {
    conn.query(
        "SELECT id, filter, channel, mode, name, made_by, made_at FROM bindings ORDER BY id",
        (),
        |r| {
            Ok(Binding {
                id: r.get(0)?,
                waddle,
                filter: r.get(1)?,
                channel: r.get(2)?,
                mode: r.get(3)?,
                name: r.get(4)?,
                made_by: r.get(5)?,
                made_at: r.get(6)?,
            })
        },
    )
}

/// How many bindings there are.
pub fn count(conn: &Conn) -> Result<usize> {
    conn.query_one("SELECT count(*) FROM bindings", (), |r| r.get(0))
}

/// Enters a binding.
pub fn insert(tx: &mut Tx, b: &Binding) -> Result<()> {
    tx.execute(
        "INSERT INTO bindings (id, filter, channel, mode, name, made_by, made_at) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        (
            b.id,
            &b.filter,
            b.channel,
            b.mode,
            &b.name,
            b.made_by.as_ref(),
            b.made_at,
        ),
    )
    .map(drop)
}

/// Takes a binding out.
pub fn delete(tx: &mut Tx, id: BindingId) -> Result<()> {
    tx.execute_one("DELETE FROM bindings WHERE id = ?1", (id,))
}
