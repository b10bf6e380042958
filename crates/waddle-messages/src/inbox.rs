//! What somebody has not read yet, over all their channels and conversations (`specs/messages.md`, [XEP-0430]).
//!
//! A marker belongs to the person, not to a device: XEP-0333, XEP-0490 and HTTP move the same one. Who has never read
//! a channel has read what was said before they joined its waddle.
//!
//! [XEP-0430]: https://xmpp.org/extensions/xep-0430.html

use std::sync::Arc;

use waddle_community::{Channel, Community, Waddle};
use waddle_core::{BareJid, Jid, MessageId, Timestamp, UserId, WaddleId};
use waddle_stanza::Stanza;
use waddle_storage::{
    Conn, Db, StorageError,
    repo::{
        archive::{self, ArchiveKey, Archived},
        direct::{self, Group},
        members,
        messages::{self, Unread},
    },
};

use crate::{MessageView, Result, Viewer, names, text, view};

/// Bounds of an inbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Counts end here.
    pub counted: usize,
    /// Channels that are listed.
    pub channels: usize,
    /// Conversations with people that are listed.
    pub direct: usize,
    /// Small groups that are listed.
    pub groups: usize,
    /// Messages of an account's archive that are looked at for them.
    pub reach: usize,
}

/// What was said last between two people, or in a small group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirectView {
    /// Its identifier in the archive of the one who asks, or of the group.
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
    /// A small group.
    Group {
        /// It.
        group: Arc<Group>,
        /// What was said last.
        last: Option<DirectView>,
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

/// The inbox of a person, the latest first, as far as its bounds go: which conversations there are, their last messages
/// and markers. What is in them is read for a page alone, with [`read`].
#[derive(Debug, Clone, Default)]
pub struct Index {
    /// The latest first.
    pub heads: Vec<Head>,
}

/// A conversation of which only the place in the inbox is known.
#[derive(Debug, Clone)]
pub struct Head {
    /// With whom.
    pub with: HeadOf,
    /// The last message; 0 where nothing was said.
    pub last: MessageId,
    read: Option<MessageId>,
    after: MessageId,
}

/// Whose.
#[derive(Debug, Clone)]
pub enum HeadOf {
    /// A channel, and its waddle.
    Channel(Arc<Waddle>, Arc<Channel>),
    /// A person.
    Direct(Jid),
    /// A small group.
    Group(Arc<Group>),
}

impl Head {
    /// By what an inbox is ordered: the time of the last message, then a name that does not change.
    pub fn place(&self) -> (MessageId, String) {
        let name = match &self.with {
            HeadOf::Channel(_, channel) => channel.id.to_string(),
            HeadOf::Direct(peer) => peer.to_string(),
            HeadOf::Group(group) => group.room.clone(),
        };
        (self.last, name)
    }

    /// Whether there may be something that is not read.
    fn is_new(&self) -> bool {
        self.last > self.after
    }

    fn unread(&self, conn: &Conn, user: &UserId, counted: usize) -> Result<Unread> {
        if !self.is_new() {
            return Ok(Unread::default());
        }
        let reader = user.as_str();
        Ok(match &self.with {
            HeadOf::Channel(_, channel) => messages::unread(
                conn,
                &ArchiveKey::channel(channel.id),
                reader,
                self.after,
                counted,
            )?,
            HeadOf::Direct(peer) => {
                let key = ArchiveKey::user(user);
                let messages = messages::unread_from(conn, &key, peer.as_str(), reader, self.after, counted)?;
                Unread {
                    messages,
                    mentions: messages,
                }
            }
            HeadOf::Group(group) => {
                messages::unread(conn, &ArchiveKey::room(&group.room), reader, self.after, counted)?
            }
        })
    }
}

/// Which conversations somebody has: for each channel and group one look into an index, for people one for all of them. `me`
/// is their address, by which groups know them.
pub async fn index(community: &Community, user: &UserId, me: &BareJid, bounds: Bounds) -> Result<Index> {
    let server = community.storage().server();
    let mut heads = conversations(&server, user, bounds).await?;
    heads.extend(groups(&server, user, me, bounds.groups).await?);
    let mut left = bounds.channels;
    for (waddle, _) in community.waddles_of(user).await? {
        if left == 0 {
            break;
        }
        let of = channels(community, user, &waddle, left).await?;
        left = left.saturating_sub(of.len());
        heads.extend(of);
    }
    heads.sort_by_cached_key(|h| std::cmp::Reverse(h.place()));
    Ok(Index { heads })
}

async fn channels(
    community: &Community,
    user: &UserId,
    waddle: &Arc<Waddle>,
    most: usize,
) -> Result<Vec<Head>> {
    let access = community.access(waddle.id).await?;
    let mut readable = access.channels();
    readable.retain(|c| access.channel_allows(c.id, "join", user));
    readable.truncate(most);
    if readable.is_empty() {
        return Ok(Vec::new());
    }
    let (user, waddle) = (user.clone(), waddle.clone());
    let db = community.storage().waddle(waddle.id).await?;
    let found = db.read(move |c| {
        let joined = joined(c, &user)?;
        let mut all = Vec::with_capacity(readable.len());
        for channel in readable {
            let key = ArchiveKey::channel(channel.id);
            let read = messages::marker(c, user.as_str(), key.as_str())?;
            all.push(Head {
                last: messages::latest_id(c, &key)?.unwrap_or(MessageId(0)),
                with: HeadOf::Channel(waddle.clone(), channel),
                read,
                after: read.unwrap_or(joined),
            });
        }
        Ok(all)
    });
    Ok(found.await?)
}

/// Behind which message somebody came into a waddle: identifiers are times.
pub(crate) fn joined(conn: &Conn, user: &UserId) -> waddle_storage::Result<MessageId> {
    Ok(members::get(conn, user)?.map_or(MessageId(0), |m| MessageId(m.joined_at.0 - 1)))
}

async fn groups(server: &Db, user: &UserId, me: &BareJid, most: usize) -> Result<Vec<Head>> {
    let (user, me) = (user.clone(), me.clone());
    let found = server.read(move |c| {
        let mut all = Vec::new();
        for group in direct::groups_of(c, &me, most)? {
            let (read, after) = place_in_group(c, &user, &me, &group.room)?;
            all.push(Head {
                last: messages::latest_id(c, &ArchiveKey::room(&group.room))?.unwrap_or(MessageId(0)),
                with: HeadOf::Group(Arc::new(group)),
                read,
                after,
            });
        }
        Ok(all)
    });
    Ok(found.await?)
}

/// Up to where somebody has read a small group, and behind which message something is new to them: who has never read it has
/// read what was said before they came in.
pub fn place_in_group(
    conn: &Conn,
    user: &UserId,
    me: &BareJid,
    room: &str,
) -> waddle_storage::Result<(Option<MessageId>, MessageId)> {
    let read = messages::marker(conn, user.as_str(), ArchiveKey::room(room).as_str())?;
    let after = match read {
        Some(read) => read,
        None => {
            let people = direct::people(conn, room)?;
            let own = people.iter().find(|p| p.jid == *me);
            own.map_or(MessageId(0), |p| MessageId(p.at.0))
        }
    };
    Ok((read, after))
}

async fn conversations(server: &Db, user: &UserId, bounds: Bounds) -> Result<Vec<Head>> {
    let user = user.clone();
    let found = server.read(move |c| {
        let key = ArchiveKey::user(&user);
        let mut all = Vec::new();
        for peer in messages::peers(c, &key, user.as_str(), bounds.reach, bounds.direct)? {
            let Ok(jid) = peer.jid.parse::<Jid>() else {
                continue;
            };
            let read = messages::marker(c, user.as_str(), &place_of(&peer.jid))?;
            all.push(Head {
                with: HeadOf::Direct(jid),
                last: peer.last,
                read,
                // Who answers has read.
                after: read.max(peer.own).unwrap_or(MessageId(0)),
            });
        }
        Ok(all)
    });
    Ok(found.await?)
}

/// The positions of the heads of each database: that of a waddle, or the server's.
fn by_database(heads: &[Head]) -> Vec<(Option<WaddleId>, Vec<usize>)> {
    let mut all: Vec<(Option<WaddleId>, Vec<usize>)> = Vec::new();
    for (n, head) in heads.iter().enumerate() {
        let of = match &head.with {
            HeadOf::Channel(waddle, _) => Some(waddle.id),
            HeadOf::Direct(_) | HeadOf::Group(_) => None,
        };
        match all.iter_mut().find(|(found, _)| *found == of) {
            Some((_, numbers)) => numbers.push(n),
            None => all.push((of, vec![n])),
        }
    }
    all
}

async fn database(community: &Community, of: Option<WaddleId>) -> Result<Db> {
    Ok(match of {
        Some(waddle) => community.storage().waddle(waddle).await?,
        None => community.storage().server(),
    })
}

/// How much is not read of each, in their order.
pub async fn unread(
    community: &Community,
    user: &UserId,
    heads: &[Head],
    counted: usize,
) -> Result<Vec<Unread>> {
    let mut all = vec![Unread::default(); heads.len()];
    let new: Vec<usize> = (0..heads.len()).filter(|n| heads[*n].is_new()).collect();
    let of: Vec<Head> = new.iter().map(|n| heads[*n].clone()).collect();
    for (waddle, numbers) in by_database(&of) {
        let part: Vec<(usize, Head)> = numbers.into_iter().map(|n| (new[n], of[n].clone())).collect();
        let (db, user) = (database(community, waddle).await?, user.clone());
        let counts = db.read(move |c| {
            Ok(part
                .into_iter()
                .map(|(n, head)| Ok((n, head.unread(c, &user, counted)?)))
                .collect::<Result<Vec<_>>>())
        });
        for (n, count) in counts.await?? {
            all[n] = count;
        }
    }
    Ok(all)
}

/// What is in these conversations, in their order. One whose channel, waddle or last message went meanwhile is left out.
pub async fn read(
    community: &Community,
    user: &UserId,
    heads: &[Head],
    counted: usize,
) -> Result<Vec<Conversation>> {
    let mut all: Vec<(usize, Conversation)> = Vec::with_capacity(heads.len());
    for (waddle, numbers) in by_database(heads) {
        let viewer = match waddle {
            Some(waddle) => Some(Viewer::of(&*community.access(waddle).await?, user)),
            None => None,
        };
        let part: Vec<(usize, Head)> = numbers.into_iter().map(|n| (n, heads[n].clone())).collect();
        let (db, user) = (database(community, waddle).await?, user.clone());
        let found = db.read(move |c| {
            let mut read = Vec::with_capacity(part.len());
            for (n, head) in part {
                match one(c, head, viewer.as_ref(), &user, counted) {
                    Ok(conversation) => read.extend(conversation.map(|found| (n, found))),
                    Err(e) => return Ok(Err(e)),
                }
            }
            Ok(Ok(read))
        });
        all.extend(found.await??);
    }
    all.sort_by_key(|(n, _)| *n);
    let mut all: Vec<Conversation> = all.into_iter().map(|(_, c)| c).collect();
    let said = all.iter_mut().filter_map(|c| match &mut c.with {
        With::Channel { last, .. } => last.as_deref_mut(),
        With::Direct { .. } | With::Group { .. } => None,
    });
    names::put(&community.storage().server(), said).await?;
    Ok(all)
}

fn one(
    conn: &Conn,
    head: Head,
    viewer: Option<&Viewer>,
    user: &UserId,
    counted: usize,
) -> Result<Option<Conversation>> {
    let unread = head.unread(conn, user, counted)?;
    let (read, id) = (head.read, head.last);
    let with = match (head.with, viewer) {
        (HeadOf::Channel(waddle, channel), Some(viewer)) => {
            let key = ArchiveKey::channel(channel.id);
            let row = messages::latest(conn, &key)?;
            let last = view::views(conn, &key, channel.id, viewer, row.iter().cloned().collect())?;
            With::Channel {
                waddle,
                channel,
                last: last.into_iter().next().map(Box::new),
                row: row.map(Box::new),
            }
        }
        (HeadOf::Direct(peer), _) => {
            let row = match archive::get(conn, &ArchiveKey::user(user), id) {
                Ok(row) => row,
                Err(StorageError::NotFound) => return Ok(None),
                Err(e) => return Err(e.into()),
            };
            With::Direct {
                peer,
                last: said(&row, user),
            }
        }
        (HeadOf::Group(group), _) => {
            let row = messages::latest(conn, &ArchiveKey::room(&group.room))?;
            With::Group {
                group,
                last: row.map(|row| said(&row, user)),
            }
        }
        (HeadOf::Channel(..), None) => return Ok(None),
    };
    Ok(Some(Conversation { with, read, unread }))
}

/// The place of a conversation's marker.
pub fn place_of(peer: &str) -> String {
    ["peer:", peer].concat()
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

/// A message as one of those who have it sees it.
pub(crate) fn said(row: &Archived, user: &UserId) -> DirectView {
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
