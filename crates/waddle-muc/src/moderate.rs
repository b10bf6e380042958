//! Moderated retraction ([XEP-0425]): a moderator takes back what somebody said; everybody is told, the archive keeps
//! a tombstone.
//!
//! [XEP-0425]: https://xmpp.org/extensions/xep-0425.html

use waddle_core::{MessageId, SessionId, Timestamp};
use waddle_stanza::{
    Class, Element,
    retract::{self, Moderate, Moderated},
};

use crate::{
    api::Arrived,
    error::{self, Outcome},
    fan::Fan,
    message::{NO_SUCH_MESSAGE, not_stored},
    room::{Kind, Room},
    stamp,
    standing::Role,
    state::{Asker, BUSY, Effects, Message, Retracts, Write},
};

impl Room {
    /// A moderator's request.
    pub(crate) fn moderate(
        &mut self,
        inbound: Arrived,
        payload: Element<'_>,
        now: Timestamp,
        fx: &mut Effects,
    ) -> Outcome {
        self.may_look(&inbound.sender)?;
        let wish = Moderate::of(payload)
            .ok_or_else(|| error::bad_request("a moderator names a message and retracts it"))?;
        let i = self.occupant_of(&inbound.sender)?;
        let o = self.occupants.at(i);
        // In a channel the permissions decide at this moment, whatever is still shown.
        let role = match &self.kind {
            Kind::Channel(_) => o.role.min(self.standing(&o.user, &o.bare).role),
            _ => o.role,
        };
        if role < Role::Moderator {
            return Err(error::forbidden("only moderators may retract what others said"));
        }
        if wish
            .reason
            .as_ref()
            .is_some_and(|r| r.len() > self.limits.muc_subject_bytes)
        {
            return Err(error::not_acceptable("this reason is too long"));
        }
        let gone: MessageId = match wish.id.parse() {
            Ok(id) if self.keeps() => id,
            _ => return Err(error::item_not_found(NO_SUCH_MESSAGE)),
        };
        if !self.has_place() {
            return Err(error::busy(BUSY));
        }
        let moderated = Moderated {
            by: Some(o.address.to_string()),
            occupant_id: Some(o.stable_id.clone()),
            reason: wish.reason,
        };
        let id = SessionId::new().to_string();
        let fan = Fan::new(retract::announcement(&self.at, &id, &wish.id, &moderated));
        let message = Message {
            at: now,
            nick: o.nick.clone(),
            author: o.user.as_str().to_owned(),
            sender: None,
            retracts: Some(Retracts {
                id: gone,
                by_message: Some(id),
                moderated: Some(moderated),
                asker: Some(Asker {
                    session: inbound.sender.jid.clone(),
                    via: inbound.via(),
                }),
            }),
            origin_id: None,
            facts: None,
            said: None,
            body: None,
            stanza: fan.whole(),
        };
        let then = move |room: &mut Room, result, _, fx: &mut Effects| {
            // Taken whole: it is dealt with when this has run.
            let inbound = &inbound;
            match result {
                Ok(Some(id)) => {
                    let fan = fan.with(&stamp::stanza_id(id, &room.at));
                    room.broadcast(&fan, fx);
                    room.unremember(Some(gone));
                    room.remember(id, fan, now);
                    fx.reply(&inbound.sender, inbound.stanza.result(None).outgoing(Class::Iq));
                    inbound.answer(Ok(id));
                }
                Ok(None) => {}
                Err(failed) => {
                    let why = not_stored(failed);
                    fx.refuse(&inbound.stanza, &inbound.sender, &why);
                    inbound.answer(Err(why));
                }
            }
        };
        self.write(Write::Message(message), false, Box::new(then), fx);
        Ok(())
    }
}
