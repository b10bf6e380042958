//! Pinned messages (`specs/messages.md`, "Pins"): whoever has the right pins a message or takes the pin off, everybody is
//! told, and whoever may read the archive may ask which are pinned.
//!
//! ```xml
//! <iq type='set' to='w.c@muc.x' id='1'><pin xmlns='urn:waddle:pins:0' id='…'/></iq>
//! <message from='w.c@muc.x' type='groupchat'><pinned xmlns='urn:waddle:pins:0' id='…' by='w.c@muc.x/nick'/></message>
//! <iq type='get' to='w.c@muc.x' id='2'><pins xmlns='urn:waddle:pins:0'/></iq>
//! ```

use waddle_core::{MessageId, SessionId, Timestamp};
use waddle_messages::{Facts, facts::PINS};
use waddle_stanza::{Class, Element, Outgoing, XmlWriter};
use waddle_storage::{
    Db,
    repo::{archive::ArchiveKey, messages},
};

use crate::{
    api::Arrived,
    error::{self, Outcome},
    fan::Fan,
    message::{NO_SUCH_MESSAGE, not_stored},
    room::{Kind, Room},
    stamp,
    standing::Role,
    state::{BUSY, Effects, Message, Write},
};

impl Room {
    /// A wish to pin a message, or to take a pin off.
    pub(crate) fn pin(
        &mut self,
        inbound: Arrived,
        payload: Element<'_>,
        now: Timestamp,
        fx: &mut Effects,
    ) -> Outcome {
        self.may_look(&inbound.sender)?;
        let pinned = payload.name() == "pin";
        let i = self.occupant_of(&inbound.sender)?;
        let o = self.occupants.at(i);
        let may = match &self.kind {
            Kind::Channel(c) => c.policy.standing(&o.user).join && c.policy.allows("pin", &o.user),
            _ => o.role == Role::Moderator,
        };
        if !may {
            return Err(error::forbidden("you may not pin messages here"));
        }
        let target: MessageId = match payload.attr("id").and_then(|id| id.parse().ok()) {
            Some(id) if self.keeps() => id,
            _ => return Err(error::item_not_found(NO_SUCH_MESSAGE)),
        };
        if !self.has_place() {
            return Err(error::busy(BUSY));
        }
        let mut w = XmlWriter::message();
        w.attr("from", &self.at)
            .attr("type", "groupchat")
            .attr("id", &SessionId::new().to_string());
        w.open_ns(if pinned { "pinned" } else { "unpinned" }, PINS)
            .attr_display("id", target)
            .attr("by", o.address.as_str())
            .close();
        let fan = Fan::new(w.outgoing(Class::Message));
        let message = Message {
            at: now,
            nick: o.nick.clone(),
            author: o.user.as_str().to_owned(),
            sender: None,
            retracts: None,
            origin_id: None,
            facts: Some(Box::new(Facts {
                pins: Some((target, pinned)),
                ..Facts::default()
            })),
            said: None,
            body: None,
            stanza: fan.whole(),
        };
        let then = move |room: &mut Room, result: crate::state::WriteResult, _, fx: &mut Effects| {
            // Taken whole: it is dealt with when this has run.
            let inbound = &inbound;
            match result {
                Ok(Some(id)) => {
                    let fan = fan.with(&stamp::stanza_id(id, &room.at));
                    room.broadcast(&fan, fx);
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

/// The answer to whoever asks which messages are pinned, the last pinned first.
pub(crate) async fn answer(db: &Db, key: &ArchiveKey, most: usize, inbound: &Arrived) -> Vec<Outgoing> {
    let key = key.clone();
    let found = match db.read(move |c| messages::pins(c, &key, most)).await {
        Ok(found) => found,
        Err(e) => {
            tracing::error!(error = %e, "pins cannot be read");
            let why = error::busy("the room is busy; try again in a moment");
            return why.reply(&inbound.stanza, &inbound.sender).into_iter().collect();
        }
    };
    let mut w = inbound.stanza.result(None);
    w.open_ns("pins", PINS);
    for p in found {
        w.open("pin")
            .attr_display("id", p.id)
            .attr_display("stamp", p.at)
            .close();
    }
    w.close();
    vec![w.outgoing(Class::Iq)]
}
