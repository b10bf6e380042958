//! What somebody has not read yet, over all their channels and conversations (`specs/messages.md`, [XEP-0430]).
//!
//! A marker belongs to the person, not to a device: XEP-0333, XEP-0490 and HTTP move the same one. Who has never read
//! a channel has read what was said before they joined its waddle.
//!
//! [XEP-0430]: https://xmpp.org/extensions/xep-0430.html

use std::sync::Arc;

use waddle_community::{Channel, Community, Waddle};
use waddle_core::{Jid, MessageId, Timestamp, UserId};
use waddle_stanza::Stanza;
use waddle_storage::{
    Conn, Db,
    repo::{
        archive::{self, ArchiveKey, Archived},
        members,
        messages::{self, Unread},
    },
};

use crate::{MessageView, Result, Viewer, text, view};

/// Bounds of an inbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Counts end here.
    pub counted: usize,
    /// Conversations with people that are listed.
    pub direct: usize,
    /// Messages of an account's archive that are looked at for them.
    pub reach: usize,
}

/// What was said last between two people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirectView {
    /// Its identifier in the archive of the one who asks.
    pub id: MessageId,
    /// When.
    pub sent_at: Timestamp,
    /// Whether the one who asks said it.
    pub mine: bool,
    /// The text; empty where it is encrypted or was taken back.
    pub body: String,
    /// Whether it was taken back.
    pub deleted: bool,
    /// As it was sent.
    pub stanza: bytes::Bytes,
}

/// With whom.
#[derive(Debug, Clone)]
pub enum With {
    /// A channel.
    Channel {
        /// Its waddle.
        waddle: Arc<Waddle>,
        /// It.
        channel: Arc<Channel>,
        /// What was said last.
        last: Option<Box<MessageView>>,
        /// The same as the archive has it.
        row: Option<Box<Archived>>,
    },
    /// A person.
    Direct {
        /// Their address.
        peer: Jid,
        /// What was said last.
        last: DirectView,
    },
}

/// A channel or a conversation.
#[derive(Debug, Clone)]
pub struct Conversation {
    /// With whom.
    pub with: With,
    /// Up to where the one who asks has read.
    pub read: Option<MessageId>,
    /// What they have not.
    pub unread: Unread,
}

impl Conversation {
    /// The last message, by which an inbox is ordered.
    pub fn last(&self) -> MessageId {
        match &self.with {
            With::Channel { last, .. } => last.as_ref().map_or(MessageId(0), |m| m.id),
            With::Direct { last, .. } => last.id,
        }
    }
}

/// The inbox of a person: the latest first.
pub async fn inbox(community: &Community, user: &UserId, bounds: Bounds) -> Result<Vec<Conversation>> {
    let mut all = direct(&community.storage().server(), user, bounds).await?;
    for (waddle, _) in community.waddles_of(user).await? {
        all.extend(channels(community, user, &waddle, bounds.counted).await?);
    }
    all.sort_by_key(|c| std::cmp::Reverse(c.last()));
    Ok(all)
}

/// The channels of one waddle that a person may read, in their order.
pub async fn channels(
    community: &Community,
    user: &UserId,
    waddle: &Arc<Waddle>,
    counted: usize,
) -> Result<Vec<Conversation>> {
    let access = community.access(waddle.id).await?;
    let mut readable = access.channels();
    readable.retain(|c| access.channel_allows(c.id, "join", user));
    if readable.is_empty() {
        return Ok(Vec::new());
    }
    let (viewer, user) = (Viewer::of(&access, user), user.clone());
    let waddle = waddle.clone();
    let db = community.storage().waddle(waddle.id).await?;
    db.read(move |c| {
        // Identifiers are times.
        let joined = members::get(c, &user)?.map_or(MessageId(0), |m| MessageId(m.joined_at.0 - 1));
        let mut all = Vec::with_capacity(readable.len());
        for channel in readable {
            match one(c, &waddle, channel, &viewer, &user, joined, counted) {
                Ok(entry) => all.push(entry),
                Err(e) => return Ok(Err(e)),
            }
        }
        Ok(Ok(all))
    })
    .await?
}

fn one(
    conn: &Conn,
    waddle: &Arc<Waddle>,
    channel: Arc<Channel>,
    viewer: &Viewer,
    user: &UserId,
    joined: MessageId,
    counted: usize,
) -> Result<Conversation> {
    let key = ArchiveKey::channel(channel.id);
    let row = messages::latest(conn, &key)?;
    let read = messages::marker(conn, user.as_str(), key.as_str())?;
    let after = read.unwrap_or(joined);
    let unread = match &row {
        Some(m) if m.id > after => messages::unread(conn, &key, user.as_str(), after, counted)?,
        _ => Unread::default(),
    };
    let last = view::views(conn, &key, channel.id, viewer, row.iter().cloned().collect())?;
    Ok(Conversation {
        with: With::Channel {
            waddle: waddle.clone(),
            channel,
            last: last.into_iter().next().map(Box::new),
            row: row.map(Box::new),
        },
        read,
        unread,
    })
}

/// The place of a conversation's marker.
pub fn place_of(peer: &str) -> String {
    ["peer:", peer].concat()
}

/// The conversations of a person with others, the latest first.
pub async fn direct(server: &Db, user: &UserId, bounds: Bounds) -> Result<Vec<Conversation>> {
    let user = user.clone();
    let found = server.read(move |c| {
        let key = ArchiveKey::user(&user);
        let mut all = Vec::new();
        for (peer, id, _) in messages::peers(c, &key, bounds.reach, bounds.direct)? {
            let Ok(jid) = peer.parse::<Jid>() else { continue };
            let row = archive::get(c, &key, id)?;
            let read = messages::marker(c, user.as_str(), &place_of(&peer))?;
            let after = read.unwrap_or(MessageId(0));
            // Who answers has read.
            let answered = messages::last_by(c, &key, &peer, user.as_str(), bounds.reach)?;
            let after = answered.map_or(after, |a| a.max(after));
            let messages = messages::unread_from(c, &key, &peer, user.as_str(), after, bounds.counted)?;
            all.push(Conversation {
                with: With::Direct {
                    peer: jid,
                    last: said(&row, &user),
                },
                read,
                unread: Unread {
                    messages,
                    mentions: messages,
                },
            });
        }
        Ok(all)
    });
    Ok(found.await?)
}

/// Moves a person's marker in a conversation forward, to a message of their archive.
pub async fn mark_direct(server: &Db, user: &UserId, peer: &str, id: MessageId) -> Result<bool> {
    let (user, place) = (user.clone(), place_of(peer));
    let moved = server.write(move |tx| {
        archive::get(tx, &ArchiveKey::user(&user), id)?;
        messages::mark(tx, user.as_str(), &place, id)
    });
    Ok(moved.await?)
}

fn said(row: &Archived, user: &UserId) -> DirectView {
    let body = Stanza::parse(row.stanza.clone()).map_or_else(|_| String::new(), |s| text::shown(s.root()));
    DirectView {
        id: row.id,
        sent_at: row.at,
        mine: row.author.as_deref() == Some(user.as_str()),
        body: if row.retracted { String::new() } else { body },
        deleted: row.retracted,
        stanza: row.stanza.clone(),
    }
}
