//! IQ requests to the room and to its occupants, and who answers them ([XEP-0045 §6.6, §17.4], XEP-0410).
//!
//! [XEP-0045 §6.6, §17.4]: https://xmpp.org/extensions/xep-0045.html#disco-occupant

use waddle_core::{Jid, Timestamp};
use waddle_messages::facts::PINS;
use waddle_stanza::{Class, ns};

use crate::{
    api::Arrived,
    avatar,
    error::{self, Outcome},
    room::{Kind, Room},
    state::{Effect, Effects},
};

impl Room {
    /// An IQ.
    pub(crate) fn iq(&mut self, inbound: Arrived, now: Timestamp, fx: &mut Effects) -> Outcome {
        let stanza = inbound.stanza.clone();
        if !stanza.is_request() {
            self.relay_back(&inbound, fx);
            return Ok(());
        }
        if !matches!(self.kind, Kind::Plain(_)) {
            // Whatever they ask: a stranger does not learn from the answer which channels there are.
            self.may_look(&inbound.sender)?;
        }
        let Some(payload) = stanza.payload() else {
            return Err(error::bad_request("an IQ request has one child element"));
        };
        let set = stanza.is_type("set");
        let to = stanza.to().ok().flatten();
        if let Some(to) = to.filter(|to| !to.is_bare()) {
            return self.iq_to_occupant(&inbound, &to, payload, fx);
        }
        match (payload.name(), payload.ns(), set) {
            ("query", ns::DISCO_INFO, false) => self.disco_info(&inbound, payload, now, fx),
            ("query", ns::DISCO_ITEMS, false) => self.disco_items(&inbound, fx),
            ("query", ns::MUC_ADMIN, false) => self.admin_list(inbound.clone(), payload, fx),
            ("query", ns::MUC_ADMIN, true) => self.admin_change(inbound.clone(), payload, now, fx),
            ("query", ns::MUC_OWNER, false) => self.owner_form(&inbound, fx),
            ("query", ns::MUC_OWNER, true) => self.owner_change(inbound.clone(), payload, now, fx),
            ("query", ns::REGISTER, false) => self.registration_form(&inbound, fx),
            ("query", ns::REGISTER, true) => self.register(inbound.clone(), payload, now, fx),
            ("vCard", avatar::VCARD, false) => self.vcard(&inbound, fx),
            ("vCard", avatar::VCARD, true) => self.set_vcard(inbound.clone(), payload, now, fx),
            ("query", ns::MAM, _) | ("metadata", ns::MAM, false) => {
                self.may_read_archive(&inbound)?;
                let addresses = self.shows_addresses(&inbound);
                fx.rest.push(Effect::Archive(Box::new(inbound), addresses));
                Ok(())
            }
            ("moderate", ns::MODERATE, true) | ("apply-to", ns::FASTEN, true) => {
                self.moderate(inbound.clone(), payload, now, fx)
            }
            ("pin" | "unpin", PINS, true) => self.pin(inbound.clone(), payload, now, fx),
            ("pins", PINS, false) => {
                self.may_read_archive(&inbound)?;
                fx.rest.push(Effect::Pins(Box::new(inbound)));
                Ok(())
            }
            ("ping", ns::PING, false) => {
                self.may_look(&inbound.sender)?;
                fx.reply(&inbound.sender, stanza.result(None).outgoing(Class::Iq));
                Ok(())
            }
            _ => Err(error::unsupported("a room does not answer this")),
        }
    }

    /// A ping to oneself is answered by the room (XEP-0410), everything else goes to the occupant's client.
    fn iq_to_occupant(
        &mut self,
        inbound: &Arrived,
        to: &Jid,
        payload: waddle_stanza::Element<'_>,
        fx: &mut Effects,
    ) -> Outcome {
        let Some(i) = self.occupants.of_session(&inbound.sender.jid) else {
            self.may_look(&inbound.sender)?;
            if payload.ns() == ns::DISCO_INFO || payload.ns() == ns::DISCO_ITEMS {
                return Err(error::bad_request("only occupants may ask about occupants"));
            }
            return Err(error::not_acceptable("you are not in this room; join it first"));
        };
        let target = self.named(to)?;
        if target == i && payload.is("ping", ns::PING) {
            fx.reply(&inbound.sender, inbound.stanza.result(None).outgoing(Class::Iq));
            return Ok(());
        }
        self.relay(inbound, i, target, fx)
    }
}
