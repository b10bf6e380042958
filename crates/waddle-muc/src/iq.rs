//! IQ requests to the room and to its occupants, and who answers them.

use waddle_core::Timestamp;
use waddle_stanza::{Class, ns};

use crate::{
    api::Arrived,
    error::{self, Outcome},
    nick,
    room::Room,
    state::{Effect, Effects},
};

impl Room {
    /// An IQ.
    pub(crate) fn iq(&mut self, inbound: Arrived, now: Timestamp, fx: &mut Effects) -> Outcome {
        let stanza = inbound.stanza.clone();
        if !stanza.is_request() {
            return Ok(());
        }
        let Some(payload) = stanza.payload() else {
            return Err(error::bad_request("an IQ request has one child element"));
        };
        let set = stanza.is_type("set");
        let to = stanza.to().ok().flatten();
        if let Some(nick) = to.as_ref().and_then(|to| to.resource()) {
            return self.iq_to_occupant(&inbound, nick, payload.is("ping", ns::PING), fx);
        }
        match (payload.name(), payload.ns(), set) {
            ("query", ns::DISCO_INFO, false) => self.disco_info(&inbound, payload, fx),
            ("query", ns::DISCO_ITEMS, false) => self.disco_items(&inbound, fx),
            ("query", ns::MUC_ADMIN, false) => self.admin_list(inbound.clone(), payload, fx),
            ("query", ns::MUC_ADMIN, true) => self.admin_change(inbound.clone(), payload, now, fx),
            ("query", ns::MUC_OWNER, false) => self.owner_form(&inbound, fx),
            ("query", ns::MUC_OWNER, true) => self.owner_change(inbound.clone(), payload, now, fx),
            ("query", ns::MAM, _) | ("metadata", ns::MAM, false) => {
                self.may_read_archive(&inbound)?;
                let addresses = self.shows_addresses(&inbound);
                fx.rest.push(Effect::Archive(Box::new(inbound), addresses));
                Ok(())
            }
            ("moderate", ns::MODERATE, true) | ("apply-to", ns::FASTEN, true) => {
                self.moderate(inbound.clone(), payload, now, fx)
            }
            ("ping", ns::PING, false) => {
                self.may_look(&inbound.sender)?;
                fx.reply(&inbound.sender, stanza.result(None).outgoing(Class::Iq));
                Ok(())
            }
            _ => {
                self.absent(&inbound.sender)?;
                Err(error::unsupported("a room does not answer this"))
            }
        }
    }

    /// Self-ping (XEP-0410): the room answers at once whether the asker is still in. Nothing else is relayed.
    fn iq_to_occupant(&mut self, inbound: &Arrived, wanted: &str, ping: bool, fx: &mut Effects) -> Outcome {
        self.absent(&inbound.sender)?;
        let i = self.occupant_of(&inbound.sender)?;
        let key = nick::key(wanted, usize::MAX).unwrap_or_default();
        let target = self
            .occupants
            .of_key(&key)
            .ok_or_else(|| error::item_not_found("nobody of that nickname is in the room"))?;
        if ping && target == i {
            fx.reply(&inbound.sender, inbound.stanza.result(None).outgoing(Class::Iq));
            return Ok(());
        }
        Err(error::not_relayed(
            "rooms do not pass on requests to occupants; send it to their own address",
        ))
    }
}
