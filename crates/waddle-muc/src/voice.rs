//! Asking for voice ([XEP-0045 §7.13]) and giving it by form (§8.6).
//!
//! [XEP-0045 §7.13]: https://xmpp.org/extensions/xep-0045.html#requestvoice

use waddle_stanza::{
    Class, XmlWriter,
    forms::{Field, FieldKind, Form, FormKind},
    ns,
};

use crate::{
    api::Arrived,
    error::{self, Outcome},
    nick,
    room::{Kind, Room},
    show::Departure,
    standing::Role,
    state::Effects,
};

impl Room {
    /// A form about voice: a visitor asks, or a moderator gives.
    pub(crate) fn voice(&mut self, inbound: &Arrived, form: &Form, fx: &mut Effects) -> Outcome {
        let i = self.occupant_of(&inbound.sender)?;
        if matches!(self.kind, Kind::Channel(_)) {
            return Err(error::not_allowed(
                "who may speak in a channel is decided by its waddle; ask one of its admins",
            ));
        }
        let o = self.occupants.at(i);
        if let Some(target) = form.value("muc#roomnick").filter(|_| o.role == Role::Moderator) {
            if form.kind == FormKind::Submit && form.flag("muc#request_allow") == Some(true) {
                let key = nick::key(target, usize::MAX).unwrap_or_default();
                let at = self
                    .occupants
                    .of_key(&key)
                    .ok_or_else(|| error::item_not_found("nobody of that nickname is in the room"))?;
                let actor = self.occupants.at(i).nick.clone();
                let visitor = self.occupants.at_mut(at);
                if visitor.role == Role::Visitor {
                    visitor.role = Role::Participant;
                    visitor.role_set = Some(Role::Participant);
                    visitor.shown = [None, None];
                    let change = Departure {
                        actor: Some(&actor),
                        ..Departure::default()
                    };
                    self.announce_change(at, Role::Visitor, change, fx);
                }
            }
            return Ok(());
        }
        if form.kind != FormKind::Submit
            || form
                .value("muc#role")
                .is_some_and(|role| role != Role::Participant.as_str())
        {
            return Err(error::bad_request("a visitor asks for the role participant"));
        }
        if o.role != Role::Visitor {
            return Err(error::not_acceptable("you have voice already"));
        }
        let form = Form::of_type(FormKind::Form, ns::MUC_REQUEST)
            .title("Voice request")
            .field(
                Field::new("muc#role", FieldKind::ListSingle)
                    .label("Requested role")
                    .value("participant")
                    .option(None, "participant"),
            )
            .field(
                Field::new("muc#jid", FieldKind::JidSingle)
                    .label("Address")
                    .value(inbound.sender.jid.as_str()),
            )
            .field(
                Field::new("muc#roomnick", FieldKind::TextSingle)
                    .label("Nickname")
                    .value(&*o.nick),
            )
            .field(
                Field::new("muc#request_allow", FieldKind::Boolean)
                    .label("Give them voice?")
                    .flag(false),
            );
        for m in self.occupants.iter().filter(|m| m.role == Role::Moderator) {
            for s in &m.sessions {
                let mut w = XmlWriter::message();
                w.attr("from", &self.at).attr("to", s.jid.as_str());
                form.write(&mut w);
                fx.push(&s.outbox, w.outgoing(Class::Message), false);
            }
        }
        Ok(())
    }
}
