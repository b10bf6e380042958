//! What is sent: items of an outbox.
//!
//! Every stanza that leaves is self-contained: its top tag carries `xmlns="jabber:client"`, so the same bytes go to
//! TCP, WebSocket, archive and `<forwarded/>`.

use bytes::{BufMut, Bytes, BytesMut};
use waddle_outbox::{Urgency, Weight};

use crate::{Stanza, StreamError};

/// What an outgoing item is, for counters, stream management and drop rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Class {
    /// `<message/>`
    Message,
    /// `<presence/>`
    Presence,
    /// `<iq/>`
    Iq,
    /// Anything that stream management does not count.
    Nonza,
}

impl Class {
    /// Whether stream management counts it (XEP-0198 §4).
    pub fn is_stanza(self) -> bool {
        self != Self::Nonza
    }
}

/// An item of an outbox: a head of its own and a tail that may be shared with other recipients.
#[derive(Debug, Clone)]
pub struct Outgoing {
    /// The first bytes, usually the top tag.
    pub head: Bytes,
    /// The rest.
    pub tail: Bytes,
    /// What it is.
    pub class: Class,
}

impl Outgoing {
    /// Bytes in one piece.
    pub fn whole(bytes: Bytes, class: Class) -> Self {
        Self {
            head: bytes,
            tail: Bytes::new(),
            class,
        }
    }

    /// Something that is no stanza.
    pub fn nonza(bytes: Bytes) -> Self {
        Self::whole(bytes, Class::Nonza)
    }

    /// Bytes on the wire.
    pub fn len(&self) -> usize {
        self.head.len() + self.tail.len()
    }

    /// Whether there are no bytes.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All bytes in one piece: for a WebSocket message, the archive, a test. Copies unless there is one piece already.
    pub fn concat(&self) -> Bytes {
        if self.tail.is_empty() {
            return self.head.clone();
        }
        if self.head.is_empty() {
            return self.tail.clone();
        }
        let mut b = BytesMut::with_capacity(self.len());
        b.put_slice(&self.head);
        b.put_slice(&self.tail);
        b.freeze()
    }

    /// Scans what is to be sent, for whoever receives it within the server.
    pub fn to_stanza(&self) -> Result<Stanza, StreamError> {
        Stanza::parse(self.concat())
    }
}

impl Weight for Outgoing {
    fn weight(&self) -> usize {
        self.len()
    }

    fn urgency(&self) -> Urgency {
        crate::urgency::of(self)
    }
}
