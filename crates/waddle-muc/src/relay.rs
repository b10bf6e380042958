//! IQ requests that occupants send each other through the room ([XEP-0045 §17.4]): addresses and identifiers are
//! replaced on the way, so that neither learns the other's real address.
//!
//! [XEP-0045 §17.4]: https://xmpp.org/extensions/xep-0045.html#bizrules-iq

use std::collections::VecDeque;

use waddle_core::Jid;
use waddle_stanza::{Condition, Stanza, StanzaError};

use crate::{
    api::{Arrived, Sender},
    avatar,
    error::{self, Outcome},
    nick,
    occupants::Occupant,
    room::Room,
    state::{Effect, Effects},
};

/// A request on its way.
#[derive(Debug)]
struct Relay {
    /// The identifier that the asked client sees.
    number: u64,
    /// The client that was asked; or the account, whose server answers for it.
    asked: Jid,
    /// The room address that was asked.
    asked_as: Jid,
    /// The request, for its answer.
    request: Stanza,
    /// Who asks.
    sender: Sender,
}

/// Requests on their way, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Relays {
    waiting: VecDeque<Relay>,
    number: u64,
}

/// What an account's server keeps and answers: its vCard, and what it publishes (XEP-0054, XEP-0163).
fn is_for_account(stanza: &Stanza) -> bool {
    let Some(payload) = stanza.payload() else {
        return false;
    };
    stanza.is_type("get")
        && (payload.is("vCard", avatar::VCARD) || payload.is("pubsub", "http://jabber.org/protocol/pubsub"))
}

impl Relay {
    fn fails(&self, condition: Condition, text: &str, fx: &mut Effects) {
        let error = StanzaError::new(condition).text(text);
        if let Some(item) = error.reply(&self.request, None, Some(self.sender.jid.as_str())) {
            fx.reply(&self.sender, item);
        }
    }
}

impl Room {
    /// An IQ request to an occupant.
    pub(crate) fn relay(&mut self, inbound: &Arrived, i: usize, target: usize, fx: &mut Effects) -> Outcome {
        let asker = self.occupants.at(i).address.clone();
        let o = self.occupants.at(target);
        // One client of several: the one that was heard of last.
        let Some(session) = o.sessions.last() else {
            return Err(error::item_not_found("nobody of that nickname is in the room"));
        };
        if self.relays.waiting.len() >= self.limits.muc_relayed_iqs
            && let Some(old) = self.relays.waiting.pop_front()
        {
            old.fails(Condition::RemoteServerTimeout, "no answer came in time", fx);
        }
        self.relays.number += 1;
        let number = self.relays.number;
        let account = is_for_account(&inbound.stanza);
        let asked = if account {
            Jid::from(o.bare.clone())
        } else {
            session.jid.clone()
        };
        let item = inbound
            .stanza
            .head()
            .from(asker.as_str())
            .to(asked.as_str())
            .id(&number.to_string())
            .build();
        if account {
            fx.rest.push(Effect::Outside(asked.clone(), item));
        } else {
            fx.push(&session.outbox, item, false);
        }
        self.relays.waiting.push_back(Relay {
            number,
            asked,
            asked_as: o.address.clone(),
            request: inbound.stanza.clone(),
            sender: inbound.sender.clone(),
        });
        Ok(())
    }

    /// The answer to a relayed request; what answers nothing is dropped.
    pub(crate) fn relay_back(&mut self, inbound: &Arrived, fx: &mut Effects) {
        let Some(number) = inbound.stanza.id().and_then(|id| id.parse::<u64>().ok()) else {
            return;
        };
        let found = self.relays.waiting.iter();
        let Some(at) = found
            .clone()
            .position(|r| r.number == number && r.asked == inbound.sender.jid)
        else {
            return;
        };
        let Some(relay) = self.relays.waiting.remove(at) else {
            return;
        };
        if self.occupants.of_session(&relay.sender.jid).is_none() {
            return;
        }
        let id = relay.request.id().unwrap_or_default();
        let item = inbound
            .stanza
            .head()
            .from(relay.asked_as.as_str())
            .to(relay.sender.jid.as_str())
            .id(&id)
            .build();
        fx.reply(&relay.sender, item);
    }

    /// Somebody left: what they were asked stays without an answer.
    pub(crate) fn relays_end(&mut self, gone: &Occupant, fx: &mut Effects) {
        for s in &gone.sessions {
            self.relay_ends(&s.jid, fx);
        }
    }

    /// A client left.
    pub(crate) fn relay_ends(&mut self, gone: &Jid, fx: &mut Effects) {
        self.relays.waiting.retain(|r| {
            if r.asked == *gone {
                r.fails(Condition::RecipientUnavailable, "they left the room", fx);
            }
            r.asked != *gone && r.sender.jid != *gone
        });
    }

    /// The occupant whom an address in the room names.
    pub(crate) fn named(&self, to: &Jid) -> Outcome<usize> {
        to.resource()
            .and_then(|n| nick::key(n, usize::MAX).ok())
            .and_then(|key| self.occupants.of_key(&key))
            .filter(|i| !self.occupants.at(*i).is_out)
            .ok_or_else(|| error::item_not_found("nobody of that nickname is in the room"))
    }
}
