//! Stream management of one session: when to ask, what to keep (XEP-0198).

use std::collections::VecDeque;

use waddle_core::Limits;
use waddle_outbox::{Urgency, Weight as _};
use waddle_stanza::{
    Class, Outgoing,
    sm::{self, SmError, SmState},
};

/// Counters, queue and whether an answer to `<r/>` is awaited.
#[derive(Debug)]
pub struct Sm {
    state: SmState<Outgoing>,
    /// For how many seconds a lost connection's session waits.
    resumable: Option<u64>,
    awaited: bool,
    /// The most unacknowledged stanzas before sending stops until some are acknowledged.
    window: usize,
}

impl Sm {
    /// Counters at zero.
    pub(crate) fn new(limits: &Limits, resumable: Option<u64>) -> Self {
        // One outbox may be drained on top of a window that is almost full.
        let items = limits.xmpp_unacked_stanzas + limits.xmpp_outbox_stanzas;
        Self {
            state: SmState::new(items, limits.xmpp_outbox_bytes.saturating_mul(3)),
            resumable,
            awaited: false,
            window: limits.xmpp_unacked_stanzas,
        }
    }

    /// For how many seconds the session waits for its resumption, if it does.
    pub(super) fn resumable(&self) -> Option<u64> {
        self.resumable
    }

    pub(super) fn has_room(&self) -> bool {
        self.state.unacked().len() < self.window
    }

    /// A stanza of the client was handled.
    pub(super) fn handled_one(&mut self) {
        self.state.handled_one();
    }

    pub(super) fn handled(&self) -> u32 {
        self.state.h()
    }

    /// Keeps what is about to be sent.
    pub(super) fn sent(&mut self, items: &VecDeque<Outgoing>) -> Result<(), SmError> {
        for item in items.iter().filter(|i| i.class.is_stanza()) {
            self.state.push(item.clone())?;
        }
        Ok(())
    }

    /// `<r/>`, if it is due: one at a time.
    pub(super) fn request(&mut self) -> Option<Outgoing> {
        let due = !self.awaited && self.state.request_due(1);
        due.then(|| self.force_request())
    }

    pub(super) fn force_request(&mut self) -> Outgoing {
        self.awaited = true;
        Outgoing::nonza(sm::request())
    }

    /// The client's `<r/>`.
    pub(super) fn answer(&self) -> Outgoing {
        Outgoing::nonza(sm::ack(self.state.h()))
    }

    /// The client's `<a/>`.
    pub(super) fn acknowledge(&mut self, h: u32) -> Result<(), SmError> {
        self.awaited = false;
        self.state.ack(h).map(drop)?;
        self.state.shrink();
        Ok(())
    }

    /// The answer to a successful `<resume/>`, whose `h` was acknowledged.
    pub(super) fn resumed(&self, previd: &str) -> Outgoing {
        Outgoing::nonza(sm::resumed(self.state.h(), previd))
    }

    /// What is sent again after it.
    pub(super) fn resend(&mut self) -> Vec<Outgoing> {
        self.awaited = false;
        self.state.unacked().cloned().collect()
    }

    /// The messages that hurry and may not have arrived: how many, and the last.
    pub(super) fn urgent(&self) -> Option<(u32, Outgoing)> {
        let rings = |i: &&Outgoing| i.class == Class::Message && i.urgency() == Urgency::Now;
        let (count, last) = self
            .state
            .unacked()
            .filter(rings)
            .fold((0, None), |(n, _), item| (n + 1, Some(item)));
        Some((count, last?.clone()))
    }

    /// What the client never acknowledged, when the session ends.
    pub(super) fn take_unacknowledged(&mut self) -> VecDeque<Outgoing> {
        self.state.take_unacked()
    }
}
