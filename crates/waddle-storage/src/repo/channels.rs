//! Channels of a waddle.

use serde::Serialize;
use waddle_core::{ChannelId, Slug, Timestamp, WaddleId};

use super::words::words;
use crate::{Conn, Result, Tx};

words! {
    /// What a channel is for.
    ChannelKind {
        /// Everybody in it may write.
        Text = "text",
        /// Moderators write, everybody reads.
        Announcement = "announcement",
    }
}

/// A channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Channel {
    /// Its identifier.
    pub id: ChannelId,
    /// Its waddle.
    pub waddle: WaddleId,
    /// Its name in addresses.
    pub slug: Slug,
    /// Its name, 1 to 100 characters.
    pub name: String,
    /// What it is about, up to 1,000 characters.
    pub topic: String,
    /// Text or announcements.
    #[serde(rename = "type")]
    pub kind: ChannelKind,
    /// Not open to all members.
    pub private: bool,
    /// Its place in the list.
    pub position: u32,
    /// When it was made.
    pub created_at: Timestamp,
}

/// All channels, in their order; bounded by the limit on channels.
pub fn list(conn: &Conn, waddle: WaddleId) -> Result<Vec<Channel>> {
    conn.query(
        "SELECT id, slug, name, topic, kind, private, position, created_at FROM channels ORDER BY position, id",
        (),
        |r| {
            Ok(Channel {
                id: r.get(0)?,
                waddle,
                slug: r.get(1)?,
                name: r.get(2)?,
                topic: r.get(3)?,
                kind: r.get(4)?,
                private: r.get(5)?,
                position: r.get(6)?,
                created_at: r.get(7)?,
            })
        },
    )
}

/// Enters a channel.
pub fn insert(tx: &mut Tx, c: &Channel) -> Result<()> {
    tx.execute(
        "INSERT INTO channels (id, slug, name, topic, kind, private, position, created_at) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        (
            c.id,
            &c.slug,
            &c.name,
            &c.topic,
            c.kind,
            c.private,
            c.position,
            c.created_at,
        ),
    )
    .map(drop)
}

/// Changes all of a channel but its slug.
pub fn update(tx: &mut Tx, c: &Channel) -> Result<()> {
    tx.execute_one(
        "UPDATE channels SET name = ?2, topic = ?3, kind = ?4, private = ?5, position = ?6 WHERE id = ?1",
        (c.id, &c.name, &c.topic, c.kind, c.private, c.position),
    )
}

/// Takes a channel out, its feed bindings with it.
pub fn delete(tx: &mut Tx, id: ChannelId) -> Result<()> {
    tx.execute_one("DELETE FROM channels WHERE id = ?1", (id,))
}
