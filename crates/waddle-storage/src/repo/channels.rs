//! Channels of a waddle.

use serde::Serialize;
use waddle_core::{CategoryId, ChannelId, Slug, Timestamp, WaddleId};

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
    /// The group that it is in; those that are in none come first.
    pub category: Option<CategoryId>,
    /// Its place in its category, from 0 on without gaps.
    pub position: u32,
    /// Seconds that a person waits between two messages; 0 for none.
    pub slow_mode_seconds: u32,
    /// Days that its messages are kept; 0 for as long as the server keeps them.
    pub retention_days: u32,
    /// Seconds after which a message disappears; 0 for never.
    pub expire_seconds: u32,
    /// Whether its archive can be read on the web, where its waddle is public and it is open.
    pub public_archive: bool,
    /// When it was made.
    pub created_at: Timestamp,
}

/// All channels, by category and place; bounded by the limit on channels.
pub fn list(conn: &Conn, waddle: WaddleId) -> Result<Vec<Channel>> {
    conn.query(
        "SELECT id, slug, name, topic, kind, private, category, position, slow_mode_seconds, retention_days, \
         expire_seconds, public_archive, created_at FROM channels ORDER BY category, position, id",
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
                category: r.get(6)?,
                position: r.get(7)?,
                slow_mode_seconds: r.get(8)?,
                retention_days: r.get(9)?,
                expire_seconds: r.get(10)?,
                public_archive: r.get(11)?,
                created_at: r.get(12)?,
            })
        },
    )
}

/// The identifiers of all channels, in their order.
pub fn ids(conn: &Conn) -> Result<Vec<ChannelId>> {
    conn.query("SELECT id FROM channels ORDER BY id", (), |r| r.get(0))
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
    )?;
    update(tx, c)
}

/// Changes all of a channel but its slug.
pub fn update(tx: &mut Tx, c: &Channel) -> Result<()> {
    tx.execute_one(
        "UPDATE channels SET name = ?2, topic = ?3, kind = ?4, private = ?5, category = ?6, position = ?7, \
         slow_mode_seconds = ?8, retention_days = ?9, expire_seconds = ?10, public_archive = ?11 WHERE id = ?1",
        (
            c.id,
            &c.name,
            &c.topic,
            c.kind,
            c.private,
            c.category,
            c.position,
            c.slow_mode_seconds,
            c.retention_days,
            c.expire_seconds,
            c.public_archive,
        ),
    )
}

/// Puts a channel in its place.
pub fn place(tx: &mut Tx, id: ChannelId, category: Option<CategoryId>, position: u32) -> Result<()> {
    tx.execute_one(
        "UPDATE channels SET category = ?2, position = ?3 WHERE id = ?1",
        (id, category, position),
    )
}

/// Takes a channel out, its feed bindings with it.
pub fn delete(tx: &mut Tx, id: ChannelId) -> Result<()> {
    tx.execute_one("DELETE FROM channels WHERE id = ?1", (id,))
}
