//! Who a stanza comes from: a session, or anything else that may send one (RFC 6120 §8.1.2).

use std::sync::{Arc, atomic::Ordering};

use waddle_core::{BareJid, Jid, UserId};

use crate::session::{Flow, Session};

/// Who sent a stanza. Its address was checked by whoever made it.
#[derive(Debug, Clone)]
pub enum Origin {
    /// A client of this server.
    Session(Arc<Session>),
    /// The server, a room, a service, a component, another server.
    Elsewhere(Arc<Elsewhere>),
}

/// A sender that is no session.
#[derive(Debug)]
pub struct Elsewhere {
    jid: Jid,
    bare: BareJid,
    user: Option<UserId>,
    flow: Arc<Flow>,
    /// The number under which it waited for the consent that it has now.
    accepted: Option<i64>,
}

impl Origin {
    /// Somebody who has no account here.
    pub fn elsewhere(jid: Jid) -> Self {
        Self::new(jid, None, Arc::default())
    }

    /// An account of this server without a session: what the server does for it counts as its own.
    pub fn account(jid: Jid, user: UserId) -> Self {
        Self::new(jid, Some(user), Arc::default())
    }

    /// Whoever sent what waited for consent under this number, which was given.
    pub(crate) fn accepted_as(jid: Jid, user: Option<UserId>, held: i64) -> Self {
        Self::Elsewhere(Arc::new(Elsewhere {
            bare: jid.bare(),
            jid,
            user,
            flow: Arc::default(),
            accepted: Some(held),
        }))
    }

    /// The number under which it waited for the consent that it has now.
    pub(super) fn accepted(&self) -> Option<i64> {
        match self {
            Self::Session(_) => None,
            Self::Elsewhere(e) => e.accepted,
        }
    }

    /// Another address on the same connection: the order of their messages is kept, and they wait together.
    #[must_use]
    pub fn with_jid(&self, jid: Jid) -> Self {
        Self::new(jid, None, self.flow().clone())
    }

    fn new(jid: Jid, user: Option<UserId>, flow: Arc<Flow>) -> Self {
        Self::Elsewhere(Arc::new(Elsewhere {
            bare: jid.bare(),
            jid,
            user,
            flow,
            accepted: None,
        }))
    }

    /// The address: full for a session.
    pub fn jid(&self) -> &Jid {
        match self {
            Self::Session(s) => &s.jid,
            Self::Elsewhere(e) => &e.jid,
        }
    }

    /// The address without its resource.
    pub fn bare(&self) -> &BareJid {
        match self {
            Self::Session(s) => &s.bare,
            Self::Elsewhere(e) => &e.bare,
        }
    }

    /// The account of this server that it is.
    pub fn user(&self) -> Option<&UserId> {
        match self {
            Self::Session(s) => Some(&s.user),
            Self::Elsewhere(e) => e.user.as_ref(),
        }
    }

    /// The localpart of the account of this server that it is.
    pub fn account_name(&self) -> Option<&str> {
        self.user().and_then(|_| self.bare().local())
    }

    /// The subject of permissions: an account, or a user of another host.
    pub fn subject(&self) -> UserId {
        self.user()
            .map_or_else(|| UserId::remote(self.bare()), Clone::clone)
    }

    /// The session, where it is one.
    pub fn session(&self) -> Option<&Arc<Session>> {
        match self {
            Self::Session(s) => Some(s),
            Self::Elsewhere(_) => None,
        }
    }

    /// Whether it is this session.
    pub fn is(&self, session: &Session) -> bool {
        self.session().is_some_and(|s| s.id == session.id)
    }

    /// The messages of it that wait for their commit.
    pub(crate) fn flow(&self) -> &Arc<Flow> {
        match self {
            Self::Session(s) => &s.flow,
            Self::Elsewhere(e) => &e.flow,
        }
    }

    /// Whether nothing of it waits for its commit.
    pub(super) fn is_settled(&self) -> bool {
        self.flow().pending.load(Ordering::Acquire) == 0
    }

    /// Waits until fewer than `below` of its messages wait for their commit: a connection that reads on only then
    /// is bounded.
    pub async fn settled(&self, below: u32) {
        self.flow().settled(below).await;
    }
}

impl From<&Arc<Session>> for Origin {
    fn from(s: &Arc<Session>) -> Self {
        Self::Session(s.clone())
    }
}
