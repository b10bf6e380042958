//! Messages to the room ([XEP-0045 §7.4]): strip what is forged, store, and on commit tell everybody (`specs/rooms.md`).
//!
//! The room does not wait for the commit before it takes the next message; commits come back in order.
//!
//! [XEP-0045 §7.4]: https://xmpp.org/extensions/xep-0045.html#message

use std::borrow::Cow;

use waddle_core::{MessageId, Timestamp};
use waddle_messages::{Facts, text};
use waddle_stanza::{Element, Stanza, XmlWriter, forms::Form, ns, retract::Retract};

use crate::{
    api::Arrived,
    error::{self, Outcome},
    fan::Fan,
    metrics,
    occupants::Occupant,
    register,
    room::{Kind, Room},
    show::write_occupant_id,
    stamp,
    standing::Role,
    state::{BUSY, Effect, Effects, Message, Retracts, Unretracted, Write, WriteFailed},
};

impl Room {
    /// A message for the room or for one of its occupants.
    pub(crate) fn message(&mut self, inbound: Arrived, now: Timestamp, fx: &mut Effects) -> Outcome {
        let stanza = &inbound.stanza;
        let to_occupant = stanza.to().ok().flatten().is_some_and(|to| !to.is_bare());
        let type_ = stanza.type_().unwrap_or(Cow::Borrowed("normal"));
        match (&*type_, to_occupant) {
            ("error", _) => {
                self.bounced(&inbound, fx);
                Ok(())
            }
            ("groupchat", false) => self.groupchat(inbound, now, fx),
            ("groupchat", true) => Err(error::bad_request(
                "a private message has type chat; one for everybody goes to the room without a nickname",
            )),
            (_, true) => self.private(&inbound, fx),
            (_, false) => self.without_groupchat(&inbound, now, fx),
        }
    }

    /// A message without type `groupchat` for the room itself: an invitation, or a wish for voice.
    fn without_groupchat(&mut self, inbound: &Arrived, now: Timestamp, fx: &mut Effects) -> Outcome {
        let root = inbound.stanza.root();
        if let Some(x) = root.child("x", ns::MUC_USER) {
            return self.mediate(inbound, x, now, fx);
        }
        self.may_look(&inbound.sender)?;
        if let Some(form) = Form::within(root) {
            return match form.form_type() {
                Some(ns::MUC_REQUEST) => self.voice(inbound, &form, fx),
                Some(register::MUC_REGISTER) => self.approve(inbound, &form, now, fx),
                _ => Err(error::bad_request("a room takes no such form")),
            };
        }
        Err(error::bad_request("a message for everybody has type groupchat"))
    }

    fn groupchat(&mut self, inbound: Arrived, now: Timestamp, fx: &mut Effects) -> Outcome {
        let i = self.occupant_of(&inbound.sender)?;
        self.refresh(i)?;
        if !self.has_place() {
            return Err(error::busy(BUSY));
        }
        self.is_short(&inbound.stanza)?;
        let root = inbound.stanza.root();
        if let (Some(subject), None, None) = (
            root.child("subject", ns::CLIENT),
            root.child("body", ns::CLIENT),
            root.child("thread", ns::CLIENT),
        ) {
            let subject = subject.text().into_owned();
            let user = self.occupants.at(i).user.clone();
            if self.screen(&user, &inbound.stanza, fx)?.covered.is_some() {
                return Err(error::against_rules(
                    "a rule of this waddle does not let this subject pass",
                ));
            }
            return self.change_subject(inbound, i, subject, now, fx);
        }
        let o = self.occupants.at(i);
        let mut inbound = inbound;
        if o.role < Role::Participant {
            // One's own words one may take back, and say nothing with it.
            inbound.stanza = only_taking_back(&inbound.stanza).ok_or_else(|| self.voiceless(&o.user))?;
        }
        let root = inbound.stanza.root();
        if let Some(ran) = self.command(&inbound, i) {
            return ran;
        }
        let user = o.user.clone();
        let must_correct = self.may_speak_again(&user, root, now)?;
        let mut passed = self.screen(&user, &inbound.stanza, fx)?;
        if let Some(covered) = passed.covered.take() {
            inbound.stanza = covered;
        }
        let root = inbound.stanza.root();
        self.has_spoken(&user, root, now);
        let o = self.occupants.at(i);
        let fan = self.fan_of_message(&inbound.stanza, o);
        let retracts = retracts(&inbound)?;
        self.activity.count(root, now);
        let gone = retracts.as_ref().map(|r| r.id);
        // A retraction is kept in any case: who was away must hear of it.
        if !(self.keeps()
            && (gone.is_some() || stamp::is_archived(root, matches!(self.kind, Kind::Channel(_)))))
        {
            let then = move |room: &mut Room, _, _, fx: &mut Effects| {
                room.broadcast(&fan, fx);
                passed.stored(None, fx);
                inbound.answer(Err(error::not_acceptable("this is nothing that a room keeps")));
            };
            self.in_turn(Box::new(then), now, fx);
            return Ok(());
        }
        let mut message = Message {
            retracts,
            ..to_archive(&inbound, o, &fan, now)
        };
        let link = message.body.as_deref().and_then(|b| text::links(b, 1).pop());
        message.facts = self.mentioning(message.facts.take(), message.body.as_deref(), Some(&user));
        if let Some(facts) = message.facts.as_mut() {
            facts.must_correct = must_correct;
        }
        let line = gone.is_none()
            && message
                .facts
                .as_ref()
                .is_none_or(|f| f.is_line && f.replaces.is_none());
        let link = link.filter(|_| line);
        let then = move |room: &mut Room, result, _, fx: &mut Effects| {
            // Taken whole: it is dealt with when this has run.
            let inbound = &inbound;
            match result {
                Ok(Some(id)) => {
                    let _span = metrics::message_span(&room.at, &inbound.sender.jid, id);
                    let fan = fan.with(&stamp::stanza_id(id, &room.at));
                    room.broadcast(&fan, fx);
                    room.unremember(gone);
                    room.remember(id, fan, now);
                    passed.stored(Some(id), fx);
                    if let Some(link) = link {
                        fx.rest.push(Effect::Links(id, link));
                    }
                    inbound.answer(Ok(id));
                }
                Ok(None) => {}
                Err(failed) => {
                    room.has_not_spoken(&user, now);
                    let why = not_stored(failed);
                    fx.refuse(&inbound.stanza, &inbound.sender, &why);
                    inbound.answer(Err(why));
                }
            }
        };
        self.write(Write::Message(message), false, Box::new(then), fx);
        Ok(())
    }

    /// A message of an occupant as everybody gets it.
    pub(crate) fn fan_of_message(&self, stanza: &Stanza, o: &Occupant) -> Fan {
        let mut w = XmlWriter::with_capacity(96);
        write_occupant_id(&mut w, &o.stable_id);
        let seconds = self.settings.expire_seconds;
        if seconds > 0 {
            stamp::write_ephemeral(&mut w, seconds);
        }
        let own = |c: Element<'_>| seconds > 0 && c.is("ephemeral", stamp::EPHEMERAL);
        let payload = stanza
            .rewrite()
            .strip(|child| stamp::is_forged(child, &self.at) || own(child))
            .append(&w.finish())
            .finish();
        Fan::new(payload.head().from(o.address.as_str()).no_to().build())
    }

    /// Sends to every session in the room, but to nobody who may not be here any more and is still to be told so.
    pub(crate) fn broadcast(&mut self, fan: &Fan, fx: &mut Effects) {
        self.judge();
        fx.deliveries.reserve(self.occupants.sessions());
        for o in self.occupants.iter().filter(|o| !o.is_out) {
            for s in &o.sessions {
                fx.push(&s.outbox, fan.to(&s.to), false);
            }
        }
        metrics::message(self.occupants.sessions());
    }
}

/// A message that takes another one of this room back, without anything else; nothing, where it takes none back.
fn only_taking_back(stanza: &Stanza) -> Option<Stanza> {
    let wish = Retract::of(stanza.root()).filter(|r| !r.legacy)?;
    wish.id.parse::<MessageId>().ok()?;
    let stays =
        |c: Element<'_>| c.is("retract", ns::RETRACT) || c.in_ns(ns::HINTS) || c.is("origin-id", ns::SID);
    let payload = stanza.rewrite().strip(|c| !stays(c)).finish();
    payload.head().build().to_stanza().ok()
}

/// The message of this room that its author takes back. What an old client names by an identifier of its own passes
/// as it is: others of its kind may know it.
fn retracts(inbound: &Arrived) -> Outcome<Option<Retracts>> {
    let Some(wish) = Retract::of(inbound.stanza.root()) else {
        return Ok(None);
    };
    match wish.id.parse() {
        Ok(id) => Ok(Some(Retracts {
            id,
            by_message: inbound.stanza.id().map(Cow::into_owned),
            moderated: None,
            asker: None,
        })),
        Err(_) if wish.legacy => Ok(None),
        Err(_) => Err(error::item_not_found(NO_SUCH_MESSAGE)),
    }
}

/// What whoever retracts hears, where there is nothing to retract.
pub(crate) const NO_SUCH_MESSAGE: &str =
    "this room has no such message (any more); name it by the room's stanza-id";

/// The archive's row of a message.
pub(crate) fn to_archive(inbound: &Arrived, o: &Occupant, fan: &Fan, now: Timestamp) -> Message {
    let root = inbound.stanza.root();
    Message {
        at: now,
        nick: o.nick.clone(),
        author: o.user.as_str().to_owned(),
        sender: Some(inbound.sender.jid.clone()),
        retracts: None,
        facts: Facts::of(root),
        said: inbound.stanza.id().map(Cow::into_owned),
        origin_id: root
            .child("origin-id", ns::SID)
            .and_then(|e| e.attr("id").map(Cow::into_owned)),
        body: root.child("body", ns::CLIENT).map(|b| b.text().into_owned()),
        stanza: fan.whole(),
    }
}

/// What the sender hears when the database failed.
pub(crate) fn not_stored(failed: WriteFailed) -> error::Refusal {
    match failed.unretracted {
        Some(Unretracted::NotFound) => return error::item_not_found(NO_SUCH_MESSAGE),
        Some(Unretracted::Forbidden) => {
            return error::forbidden("you may take back only what you said yourself");
        }
        Some(Unretracted::TooMany) => {
            return error::conflict("as many messages are pinned as may be; take a pin off first");
        }
        None => {}
    }
    if failed.temporary {
        error::busy("it could not be stored; send it again in a moment")
    } else {
        error::internal("it could not be stored; tell whoever runs this server")
    }
}
