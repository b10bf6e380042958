//! Reactions (XEP-0444): what somebody reacts with replaces what they reacted with before.

use waddle_core::MessageId;

use super::json;
use crate::{Conn, Result, Tx, params, repo::archive::ArchiveKey};

/// Kinds of reactions to one message that are told.
const KINDS: usize = 100;

/// Sets somebody's reactions to a message; none of them takes them back. `false` where this archive has no such
/// message (any more).
pub fn set_reactions(
    tx: &mut Tx,
    archive: &ArchiveKey,
    target: MessageId,
    author: &str,
    emojis: &[String],
    id: MessageId,
) -> Result<bool> {
    let there = tx.query_opt(
        "SELECT 1 FROM archive WHERE id = ?1 AND archive = ?2 AND retracted = 0",
        (target, archive),
        |_| Ok(()),
    )?;
    if there.is_none() {
        return Ok(false);
    }
    tx.execute(
        "DELETE FROM message_reactions WHERE target = ?1 AND author = ?2",
        (target, author),
    )?;
    for emoji in emojis {
        tx.execute(
            "INSERT OR REPLACE INTO message_reactions (target, author, emoji, id) VALUES (?1, ?2, ?3, ?4)",
            params![target, author, emoji, id],
        )?;
    }
    Ok(true)
}

/// What somebody reacts to a message with, the oldest first.
pub fn reactions_of(conn: &Conn, target: MessageId, author: &str) -> Result<Vec<String>> {
    conn.query(
        "SELECT emoji FROM message_reactions WHERE target = ?1 AND author = ?2 ORDER BY id, emoji LIMIT ?3",
        params![target, author, KINDS],
        |r| r.get(0),
    )
}

/// How many people react to a message with one emoji.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reactions {
    /// The message.
    pub target: MessageId,
    /// With what.
    pub emoji: String,
    /// How many do.
    pub count: u64,
    /// Whether the one who asks does.
    pub me: bool,
}

/// The reactions to these messages, those first that were made first.
pub fn reactions(conn: &Conn, ids: &[MessageId], me: Option<&str>) -> Result<Vec<Reactions>> {
    conn.query(
        "SELECT r.target, r.emoji, count(*), max(r.author = ?2) FROM json_each(?1) j \
         CROSS JOIN message_reactions r ON r.target = j.value GROUP BY r.target, r.emoji \
         ORDER BY r.target, min(r.id), r.emoji LIMIT ?3",
        params![json(ids), me.unwrap_or_default(), ids.len() * KINDS],
        |r| {
            Ok(Reactions {
                target: r.get(0)?,
                emoji: r.get(1)?,
                count: r.get(2)?,
                me: r.get(3)?,
            })
        },
    )
}

/// Who reacts to a message, with one emoji or with any: pairs of emoji and UserId, behind `after`.
pub fn reactors(
    conn: &Conn,
    target: MessageId,
    emoji: Option<&str>,
    after: (&str, &str),
    max: usize,
) -> Result<Vec<(String, String)>> {
    conn.query(
        "SELECT emoji, author FROM message_reactions WHERE target = ?1 AND (?2 IS NULL OR emoji = ?2) \
         AND (author, emoji) > (?3, ?4) ORDER BY author, emoji LIMIT ?5",
        params![target, emoji, after.0, after.1, max],
        |r| Ok((r.get(0)?, r.get(1)?)),
    )
}
