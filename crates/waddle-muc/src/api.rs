//! What goes in and out of the room service: the types that its callers use.

use std::sync::Arc;

use waddle_community::Community;
use waddle_core::{ChannelId, Jid, Limits, MessageId, SharedClock, UserId, WaddleId};
use waddle_outbox::Outbox;
use waddle_stanza::{Outgoing, Stanza};
use waddle_storage::Storage;

/// A stanza for the room service, from one bound session.
///
/// The connection has stamped `from`; `stanza.to()` is an address at the service.
#[derive(Debug, Clone)]
pub struct Inbound {
    /// What was sent.
    pub stanza: Stanza,
    /// Who sent it.
    pub sender: Sender,
}

/// A stanza within the service.
#[derive(Debug, Clone)]
pub(crate) struct Arrived {
    pub stanza: Stanza,
    pub sender: Sender,
    /// Dropped with the last copy: when the stanza is dealt with.
    _done: Option<Arc<Done>>,
}

impl Arrived {
    /// `done` is called when the stanza is dealt with: stored and sent on, refused, or in need of neither.
    pub fn new(inbound: Inbound, done: Option<Box<dyn FnOnce() + Send + Sync>>) -> Self {
        Self {
            stanza: inbound.stanza,
            sender: inbound.sender,
            _done: done.map(|call| Arc::new(Done(Some(call)))),
        }
    }
}

struct Done(Option<Box<dyn FnOnce() + Send + Sync>>);

impl std::fmt::Debug for Done {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Done")
    }
}

impl Drop for Done {
    fn drop(&mut self) {
        if let Some(call) = self.0.take() {
            call();
        }
    }
}

/// The session that a stanza came from, and where its answers go.
#[derive(Debug, Clone)]
pub struct Sender {
    /// The full address of the session.
    pub jid: Jid,
    /// The person, as permissions know them.
    pub user: UserId,
    /// The session's outgoing queue.
    pub outbox: Arc<Outbox<Outgoing>>,
}

/// What the service needs around it.
#[derive(Clone)]
pub struct Deps {
    /// Databases.
    pub storage: Storage,
    /// Waddles, channels, members and what they may do.
    pub community: Community,
    /// The time.
    pub clock: SharedClock,
    /// Limits.
    pub limits: Arc<Limits>,
    /// The server's XMPP domain; the service is `muc.` before it.
    pub domain: String,
}

/// Takes what rooms send to people who are not in them: invitations and their refusals.
pub trait Postman: Send + Sync + 'static {
    /// Sends a complete stanza whose `to` is `to`, by the rules for messages to that address.
    fn deliver(&self, to: &Jid, stanza: Outgoing);
}

/// A message that the server itself puts into a channel: a feed's reading, a bot's line.
#[derive(Debug, Clone)]
pub struct Post {
    /// The waddle.
    pub waddle: WaddleId,
    /// The channel.
    pub channel: ChannelId,
    /// The nickname that it appears under.
    pub nick: String,
    /// The text.
    pub body: String,
}

/// Why a post was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PostError {
    /// No such channel.
    #[error("the channel does not exist")]
    NoChannel,
    /// The nickname cannot be one.
    #[error("the nickname is not allowed")]
    Nick,
    /// Too much waits in this room; later it may work.
    #[error("the room is busy; try again later")]
    Busy,
    /// The message could not be stored.
    #[error("the message could not be stored")]
    Storage,
}

/// The result of a post that was stored and sent to the occupants.
pub type Posted = Result<MessageId, PostError>;

/// Figures of the service, for the status page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Figures {
    /// Rooms with an actor.
    pub active_rooms: usize,
    /// Sessions in rooms, each counted once per room.
    pub occupants: usize,
}
