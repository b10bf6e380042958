//! What happens to one person beside the channels: direct messages, requests, groups, markers. It is told for those who
//! follow it by other means than a client (`specs/http.md`, "Events"); while nobody does, it costs nothing.

use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::broadcast;
use waddle_core::{BareJid, MessageId, UserId};

/// Something happened to a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirectNews {
    /// To whom.
    pub user: UserId,
    /// What.
    pub what: What,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// Something was put into their archive.
    Said(MessageId),
    /// Somebody asks to write to them, or to add them to a group.
    Asked {
        /// The localpart of their account.
        owner: String,
        /// Who asks.
        jid: BareJid,
        /// The group, by its localpart.
        room: Option<String>,
    },
    /// They answered a request.
    Answered {
        /// Which.
        id: i64,
        /// How.
        accepted: bool,
    },
    /// They have read a conversation up to here, on whatever device.
    Read {
        /// The room or the other person.
        with: BareJid,
        /// The message, by the archive of the room or their own.
        id: MessageId,
    },
    /// A group that they are in, by its localpart, has other people or another name.
    Group(String),
    /// They are in a group no more.
    LeftGroup(String),
}

/// Tells it.
#[derive(Debug)]
pub struct Teller {
    sender: broadcast::Sender<DirectNews>,
    followed: AtomicBool,
}

impl Teller {
    /// A slow follower may be `most` behind before it misses some.
    pub(crate) fn new(most: usize) -> Self {
        Self {
            sender: broadcast::channel(most.max(1)).0,
            followed: AtomicBool::new(false),
        }
    }

    /// Whether anybody ever wanted to hear.
    pub(crate) fn is_followed(&self) -> bool {
        self.followed.load(Ordering::Relaxed)
    }

    /// Tells those who follow, if any.
    pub(crate) fn tell(&self, user: &UserId, what: What) {
        if self.is_followed() {
            // Nobody needs to listen.
            let _ = self.sender.send(DirectNews {
                user: user.clone(),
                what,
            });
        }
    }

    /// What happens from now on.
    pub(crate) fn follow(&self) -> broadcast::Receiver<DirectNews> {
        let follower = self.sender.subscribe();
        self.followed.store(true, Ordering::Relaxed);
        follower
    }
}
