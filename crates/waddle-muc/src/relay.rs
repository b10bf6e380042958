//! IQ requests that occupants send each other through the room ([XEP-0045 §17.4]): addresses and identifiers are
//! replaced on the way, so that neither learns the other's real address.
//!
//! [XEP-0045 §17.4]: https://xmpp.org/extensions/xep-0045.html#bizrules-iq

use std::collections::VecDeque;

use ahash::AHashMap;
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

impl Relays {
    /// Takes out what one more of this asker is too many for: their own oldest, or that of who has most.
    fn make_room(&mut self, asker: &Jid, each: usize, most: usize) -> Option<Relay> {
        let asker = asker.bare_str();
        let own = self.waiting.iter().filter(|r| r.sender.jid.bare_str() == asker);
        let greedy = if own.count() >= each {
            asker
        } else if self.waiting.len() >= most {
            let mut counts: AHashMap<&str, usize> = AHashMap::new();
            for r in &self.waiting {
                *counts.entry(r.sender.jid.bare_str()).or_default() += 1;
            }
            let greatest = counts.values().max()?;
            let of_most = |r: &&Relay| counts.get(r.sender.jid.bare_str()) == Some(greatest);
            self.waiting.iter().find(of_most)?.sender.jid.bare_str()
        } else {
            return None;
        };
        let at = self
            .waiting
            .iter()
            .position(|r| r.sender.jid.bare_str() == greedy)?;
        self.waiting.remove(at)
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
        let (most, each) = (self.limits.muc_relayed_iqs, self.limits.muc_relayed_iqs_per_asker);
        if let Some(old) = self.relays.make_room(&inbound.sender.jid, each, most) {
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use waddle_core::UserId;
    use waddle_outbox::Outbox;

    fn ask(relays: &mut Relays, from: &str, each: usize, most: usize) -> Option<(String, u64)> {
        let jid: Jid = from.parse().unwrap();
        let given_up = relays.make_room(&jid, each, most);
        relays.number += 1;
        relays.waiting.push_back(Relay {
            number: relays.number,
            asked: "x@a/1".parse().unwrap(),
            asked_as: "r@muc.a/x".parse().unwrap(),
            request: Stanza::parse("<iq type='get' id='1'/>".into()).unwrap(),
            sender: Sender {
                user: UserId::remote(&jid.bare()),
                jid,
                outbox: Arc::new(Outbox::new(1, 1)),
            },
        });
        given_up.map(|r| (r.sender.jid.to_string(), r.number))
    }

    #[test]
    fn nobody_uses_up_the_room_for_the_others() {
        let mut r = Relays::default();
        assert_eq!(ask(&mut r, "quiet@a/1", 3, 5), None);
        for device in ["1", "2", "3"] {
            assert_eq!(ask(&mut r, &["loud@a/", device].concat(), 3, 5), None);
        }
        assert_eq!(
            ask(&mut r, "loud@a/4", 3, 5),
            Some(("loud@a/1".into(), 2)),
            "their own oldest, of whichever client"
        );
        assert_eq!(ask(&mut r, "third@a/1", 3, 5), None);
        assert_eq!(
            ask(&mut r, "fourth@a/1", 3, 5),
            Some(("loud@a/2".into(), 3)),
            "of who has most"
        );
        assert!(r.waiting.len() == 5 && r.waiting.iter().any(|w| w.number == 1));
    }
}
