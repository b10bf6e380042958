//! What was done to the messages of channels, told after each commit; and the same read again from the archive, for those
//! who were away.

use waddle_core::{ChannelId, MessageId, WaddleId};
use waddle_stanza::Stanza;
use waddle_storage::{Conn, repo::archive};

use crate::{Facts, Result};

/// Something was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct News {
    /// The waddle.
    pub waddle: WaddleId,
    /// The channel.
    pub channel: ChannelId,
    /// The archive's identifier of what did it: a cursor over all channels of the waddle.
    pub id: MessageId,
    /// What.
    pub kind: NewsKind,
}

/// What was done; each names the message that it was done to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NewsKind {
    /// A message was said: the one of [`News::id`].
    Posted,
    /// A message has another text.
    Edited(MessageId),
    /// A message was taken back, by its author or a moderator.
    Retracted(MessageId),
    /// Somebody's reactions to a message are others.
    Reacted(MessageId),
    /// A message was pinned.
    Pinned(MessageId),
    /// A message is pinned no more.
    Unpinned(MessageId),
    /// The preview of a message's link is there.
    Previewed(MessageId),
    /// Something else that the archive keeps: a subject, a marker.
    Other,
}

impl NewsKind {
    /// The message that it was done to, where it was done to one; `id` is what did it.
    pub fn target(self, id: MessageId) -> Option<MessageId> {
        match self {
            Self::Posted => Some(id),
            Self::Edited(t)
            | Self::Retracted(t)
            | Self::Reacted(t)
            | Self::Pinned(t)
            | Self::Unpinned(t)
            | Self::Previewed(t) => Some(t),
            Self::Other => None,
        }
    }

    /// What the archive's row says was done.
    pub(crate) fn of(row: &archive::Archived, edits: Option<MessageId>) -> Self {
        if row.kind == archive::Kind::Subject {
            return Self::Other;
        }
        if let Some(target) = edits {
            return Self::Edited(target);
        }
        if row.kind == archive::Kind::Message {
            return Self::Posted;
        }
        let Ok(stanza) = Stanza::parse(row.stanza.clone()) else {
            return Self::Other;
        };
        Facts::kept(stanza.root()).map_or(Self::Other, |f| f.news())
    }
}

/// What was done in all channels of a waddle behind `after`, at most `max`, in the order of the commits. What expired
/// since then is not told.
pub fn since(conn: &Conn, waddle: WaddleId, after: MessageId, max: usize) -> Result<Vec<News>> {
    let rows = archive::since(conn, after, max)?;
    let ids: Vec<MessageId> = rows.iter().map(|(_, r)| r.id).collect();
    let links = waddle_storage::repo::messages::links(conn, &ids)?;
    Ok(rows
        .into_iter()
        .filter_map(|(key, row)| {
            let edits = links
                .iter()
                .find(|(id, _)| *id == row.id)
                .and_then(|(_, l)| l.edits);
            Some(News {
                waddle,
                channel: key.as_channel()?,
                id: row.id,
                kind: NewsKind::of(&row, edits),
            })
        })
        .collect())
}
