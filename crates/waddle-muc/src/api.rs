//! What goes in and out of the room service: the types that its callers use.

use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::oneshot;
use waddle_community::{Community, Via};
use waddle_core::{ChannelId, Jid, Limits, MessageId, SharedClock, UserId, WaddleId};
use waddle_outbox::Outbox;
use waddle_stanza::{Outgoing, Stanza};
use waddle_storage::Storage;

use crate::error::Refusal;

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
    /// Where it came from no client.
    acting: Option<Arc<Acting>>,
}

/// Somebody does something by other means than a client.
#[derive(Debug)]
struct Acting {
    /// Who waits for what becomes of it.
    answer: Mutex<Option<oneshot::Sender<Acted>>>,
    /// From where it came.
    via: Option<Arc<Via>>,
}

impl Arrived {
    /// `done` is called when the stanza is dealt with: stored and sent on, refused, or in need of neither.
    pub fn new(inbound: Inbound, done: Option<Box<dyn FnOnce() + Send + Sync>>) -> Self {
        Self {
            stanza: inbound.stanza,
            sender: inbound.sender,
            _done: done.map(|call| Arc::new(Done(Some(call)))),
            acting: None,
        }
    }

    /// A stanza that somebody sent by other means than a client; `answer` hears what becomes of it.
    pub fn acting(stanza: Stanza, sender: Sender, answer: oneshot::Sender<Acted>) -> Self {
        Self {
            stanza,
            sender,
            _done: None,
            acting: Some(Arc::new(Acting {
                answer: Mutex::new(Some(answer)),
                via: Via::now(),
            })),
        }
    }

    /// Whether it came from no client.
    pub fn is_acting(&self) -> bool {
        self.acting.is_some()
    }

    /// From where it came, where it came from no client.
    pub fn via(&self) -> Option<Arc<Via>> {
        self.acting.as_ref().and_then(|a| a.via.clone())
    }

    /// Says what became of it to whoever waits for that.
    pub fn answer(&self, acted: Acted) {
        let waiting = self.acting.as_ref().and_then(|a| a.answer.lock().take());
        if let Some(waiting) = waiting {
            let _ = waiting.send(acted);
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

    /// From where a session came, for the audit log.
    fn via(&self, _session: &Jid) -> Option<Via> {
        None
    }
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
    /// Who says it, where it is no feed.
    pub poster: Option<Poster>,
}

/// Something that posts into channels and is neither a feed nor an occupant: a webhook, a bot.
#[derive(Debug, Clone)]
pub struct Poster {
    /// Who it is to the archive and to `occupant-id`, such as `webhook:<id>`: the same under whatever nickname.
    pub author: String,
    /// What always stands behind the nickname; no occupant can have a nickname that ends with it.
    pub mark: &'static str,
    /// More elements of the message, of the writer's.
    pub payload: Bytes,
}

/// What stands behind the nickname of a webhook's message.
pub const WEBHOOK: &str = " (webhook)";
/// What stands behind the nickname of what a bot answers.
pub const BOT: &str = " (bot)";
/// What stands behind the nickname of a feed.
pub const FEED: &str = " (feed)";

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
    /// A rule of the waddle is against it.
    #[error("a rule of the waddle does not let this pass")]
    Rule,
    /// A bot said something in a channel in slow mode and has to wait.
    #[error("the channel is in slow mode; wait and send it again")]
    Slow,
    /// The message could not be stored.
    #[error("the message could not be stored")]
    Storage,
}

/// What became of something that a person did by other means than a client: what it is called in the archive.
pub type Acted = Result<MessageId, Refusal>;

/// Why somebody could not do something in a channel.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ActError {
    /// The room refuses it: as it would refuse a client.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// There is no such message in this channel (any more).
    #[error("there is no such message in this channel (any more)")]
    NoMessage,
    /// What they want to say cannot be said.
    #[error("{0}")]
    Invalid(&'static str),
    /// Too much of them in a short time.
    #[error("too many messages; wait {0} seconds")]
    TooMany(u32),
    /// The message could not be stored.
    #[error("the message could not be stored; try again")]
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
