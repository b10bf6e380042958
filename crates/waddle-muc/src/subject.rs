//! The subject ([XEP-0045 §7.2.15, §8.1]): the last thing that a newcomer gets, and how it is changed.
//!
//! [XEP-0045 §7.2.15, §8.1]: https://xmpp.org/extensions/xep-0045.html#subject-mod

use waddle_core::Timestamp;
use waddle_stanza::{Class, XmlWriter, ns};
use waddle_storage::repo::rooms::Subject;

use crate::{
    api::Arrived,
    channel_config::Wanted,
    error::{self, Outcome},
    fan::Fan,
    message::{not_stored, to_archive},
    occupants::Session,
    room::{Kind, Room},
    show::write_occupant_id,
    stamp,
    standing::Role,
    state::{Effect, Effects, Write, WriteResult},
};

impl Room {
    /// The occupant at `i` sets the subject.
    pub(crate) fn change_subject(
        &mut self,
        inbound: Arrived,
        i: usize,
        text: String,
        now: Timestamp,
        fx: &mut Effects,
    ) -> Outcome {
        let o = self.occupants.at(i);
        let may = match o.role {
            Role::Moderator => true,
            Role::Participant => self.settings.change_subject && !matches!(self.kind, Kind::Channel(_)),
            Role::Visitor | Role::None => false,
        };
        if !may {
            return Err(error::forbidden("only a moderator may change the subject here"));
        }
        if text.len() > self.limits.muc_subject_bytes {
            return Err(error::not_acceptable("this subject is too long"));
        }
        if matches!(self.kind, Kind::Channel(_)) && text != self.settings.description {
            // It is the channel's topic: the community changes that first.
            self.topic_asked = Some(text.clone());
            fx.rest
                .push(Effect::Configure(Box::new(inbound), Wanted::Topic(text)));
            return Ok(());
        }
        self.say_subject(inbound, i, text, now, fx);
        Ok(())
    }

    /// The community has changed the topic of the channel, or not, as an occupant asked.
    pub(crate) fn topic_answered(
        &mut self,
        inbound: Arrived,
        text: String,
        answer: Outcome,
        now: Timestamp,
        fx: &mut Effects,
    ) {
        if self.topic_asked.as_ref() == Some(&text) {
            self.topic_asked = None;
        }
        if let Err(why) = answer {
            return fx.refuse(&inbound.stanza, &inbound.sender, &why);
        }
        self.settings.description.clone_from(&text);
        match self.occupants.of_session(&inbound.sender.jid) {
            Some(i) => self.say_subject(inbound, i, text, now, fx),
            None => self.show_topic(text, now, fx),
        }
    }

    /// The topic of the channel was changed elsewhere: the room says so.
    pub(crate) fn show_topic(&mut self, text: String, now: Timestamp, fx: &mut Effects) {
        let mut w = XmlWriter::message();
        w.attr("from", &self.at).attr("type", "groupchat");
        w.leaf("subject", &text);
        let fan = Fan::new(w.outgoing(Class::Message));
        let subject = Subject {
            text,
            nick: String::new(),
            at: now,
            occupant: None,
        };
        let set = subject.clone();
        let then = move |room: &mut Room, result: WriteResult, _, fx: &mut Effects| {
            if result.is_ok() {
                room.subject = Some(subject);
                room.broadcast(&fan, fx);
            }
        };
        self.write(Write::Subject(set, None), false, Box::new(then), fx);
    }

    /// The occupant at `i` has set the subject: it is stored, and everybody hears it.
    fn say_subject(&mut self, inbound: Arrived, i: usize, text: String, now: Timestamp, fx: &mut Effects) {
        let o = self.occupants.at(i);
        let fan = self.fan_of_message(&inbound.stanza, o);
        let archived = self.keeps().then(|| to_archive(&inbound, o, &fan, now));
        let subject = Subject {
            text,
            nick: o.nick.to_string(),
            at: now,
            occupant: Some(o.stable_id.clone()),
        };
        let set = subject.clone();
        let then = move |room: &mut Room, result, _, fx: &mut Effects| {
            // Taken whole: it is dealt with when this has run.
            let inbound = &inbound;
            match result {
                Ok(id) => {
                    room.subject = Some(subject);
                    let fan = match id {
                        Some(id) => fan.with(&stamp::stanza_id(id, &room.at)),
                        None => fan,
                    };
                    room.broadcast(&fan, fx);
                }
                Err(failed) => fx.refuse(&inbound.stanza, &inbound.sender, &not_stored(failed)),
            }
        };
        self.write(Write::Subject(set, archived), false, Box::new(then), fx);
    }

    /// Sends the subject to a newcomer; an empty one where none is set.
    pub(crate) fn send_subject(&self, to: &Session, fx: &mut Effects) {
        let mut w = XmlWriter::message();
        let from = self
            .subject
            .as_ref()
            .and_then(|s| self.jid.with_resource(&s.nick).ok());
        w.attr("from", from.as_ref().map_or(&*self.at, |f| f.as_str()))
            .attr("to", to.jid.as_str())
            .attr("type", "groupchat");
        let text = self.subject.as_ref().map_or("", |s| s.text.as_str());
        w.leaf("subject", text);
        if let Some(s) = &self.subject {
            if let Some(id) = &s.occupant {
                write_occupant_id(&mut w, id);
            }
            w.open_ns("delay", ns::DELAY)
                .attr("from", &self.at)
                .attr_display("stamp", s.at)
                .close();
        }
        fx.push(&to.outbox, w.outgoing(Class::Message), false);
    }
}
