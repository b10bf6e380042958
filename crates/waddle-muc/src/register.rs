//! Registration with a room ([XEP-0045 §7.10, §9.9]): somebody reserves a nickname and becomes a member.
//!
//! A room that everybody may enter and speak in registers at once; one for members only, or with newcomers
//! without voice, asks its admins. Whoever registers with a channel of a public waddle joins the waddle.
//!
//! [XEP-0045 §7.10, §9.9]: https://xmpp.org/extensions/xep-0045.html#register

use waddle_core::{BareJid, Jid, Timestamp};
use waddle_stanza::{
    Class, Element, XmlWriter,
    forms::{Field, FieldKind, Form, FormKind},
    ns,
};

use crate::{
    affiliations::Draft,
    api::Arrived,
    channel_config::Wanted,
    error::{self, Outcome},
    nick,
    people::Person,
    room::{Kind, Plain, Room},
    standing::Affiliation,
    state::{Effect, Effects},
};

/// The form's type.
pub(crate) const MUC_REGISTER: &str = "http://jabber.org/protocol/muc#register";
/// Requests that wait for an admin, at the most.
const ASKED: usize = 100;
/// Admins that are asked, at the most.
const ADMINS: usize = 20;

impl Room {
    /// The room, if somebody may register with it.
    fn registrable(&self, inbound: &Arrived) -> Outcome<&Plain> {
        self.may_look(&inbound.sender)?;
        let Kind::Plain(p) = &self.kind else {
            return Err(error::not_allowed("only rooms and channels have members"));
        };
        if p.locked {
            return Err(error::item_not_found("this room is not yet open"));
        }
        if p.people.affiliation(&inbound.sender.jid.bare()) == Affiliation::Outcast {
            return Err(error::not_allowed("you are banned from this room"));
        }
        Ok(p)
    }

    /// What there is to fill out, or that somebody is registered.
    pub(crate) fn registration_form(&mut self, inbound: &Arrived, fx: &mut Effects) -> Outcome {
        if matches!(self.kind, Kind::Channel(_)) {
            return self.joining_form(inbound, fx);
        }
        let p = self.registrable(inbound)?;
        let person = p.people.get(&inbound.sender.jid.bare());
        let mut w = inbound.stanza.result(None);
        w.open_ns("query", ns::REGISTER);
        if let Some(nick) = person.and_then(|p| p.nick.as_deref()) {
            w.open("registered").close().leaf("username", nick);
        } else {
            let mut nick = Field::new("muc#register_roomnick", FieldKind::TextSingle).label("Nickname");
            nick.required = true;
            w.leaf(
                "instructions",
                "Choose the nickname that is to be yours in this room.",
            );
            Form::of_type(FormKind::Form, MUC_REGISTER)
                .title("Registration")
                .field(nick)
                .write(&mut w);
        }
        fx.reply(&inbound.sender, w.outgoing(Class::Iq));
        Ok(())
    }

    /// Whoever registers with a channel that everybody may enter joins its waddle.
    fn joining_form(&self, inbound: &Arrived, fx: &mut Effects) -> Outcome {
        self.may_look(&inbound.sender)?;
        let mut w = inbound.stanza.result(None);
        w.open_ns("query", ns::REGISTER);
        if self
            .policy()
            .is_some_and(|p| p.role(&inbound.sender.user).is_some())
        {
            w.open("registered").close();
        } else {
            w.leaf(
                "instructions",
                "Submit this to join the community that this channel belongs to.",
            );
            Form::of_type(FormKind::Form, MUC_REGISTER)
                .title("Joining")
                .write(&mut w);
        }
        fx.reply(&inbound.sender, w.outgoing(Class::Iq));
        Ok(())
    }

    fn join_waddle(&self, inbound: Arrived, query: Element<'_>, fx: &mut Effects) -> Outcome {
        self.may_look(&inbound.sender)?;
        if query.has("remove", ns::REGISTER) {
            return Err(error::not_allowed(
                "this would end your membership in the whole waddle; leave the waddle itself",
            ));
        }
        if Form::within(query).is_some_and(|form| form.kind == FormKind::Cancel) {
            fx.reply(&inbound.sender, inbound.stanza.result(None).outgoing(Class::Iq));
            return Ok(());
        }
        fx.rest.push(Effect::Configure(Box::new(inbound), Wanted::Join));
        Ok(())
    }

    /// Somebody registers, or takes it back.
    pub(crate) fn register(
        &mut self,
        inbound: Arrived,
        query: Element<'_>,
        now: Timestamp,
        fx: &mut Effects,
    ) -> Outcome {
        if matches!(self.kind, Kind::Channel(_)) {
            return self.join_waddle(inbound, query, fx);
        }
        let p = self.registrable(&inbound)?;
        let bare = inbound.sender.jid.bare();
        let person = p.people.get(&bare).cloned();
        if query.has("remove", ns::REGISTER) {
            return self.unregister(Some(inbound), &bare, person, now, fx);
        }
        let form =
            Form::within(query).ok_or_else(|| error::bad_request("there is no form in the request"))?;
        match form.kind {
            FormKind::Cancel => {
                fx.reply(&inbound.sender, inbound.stanza.result(None).outgoing(Class::Iq));
                return Ok(());
            }
            FormKind::Submit if form.form_type().is_none_or(|t| t == MUC_REGISTER) => {}
            _ => return Err(error::bad_request("this is not the form of a registration")),
        }
        let wanted = form
            .value("muc#register_roomnick")
            .map(str::trim)
            .filter(|n| !n.is_empty())
            .ok_or_else(|| error::bad_request("a registration has a nickname"))?
            .to_owned();
        let key = nick::key(&wanted, self.limits.muc_nick_bytes)
            .map_err(|e| error::not_acceptable(e.to_string()))?;
        self.address(&wanted)?;
        let here = self.occupants.of_key(&key);
        if here.is_some_and(|i| self.occupants.at(i).bare != bare) {
            return Err(error::conflict("somebody in the room has this nickname"));
        }
        let affiliation = person.map_or(Affiliation::None, |p| p.affiliation);
        let at_once =
            affiliation > Affiliation::None || !(self.settings.members_only || self.settings.moderated);
        let mut draft = Draft::new(&p.people);
        draft.set(
            bare.clone(),
            affiliation.max(Affiliation::Member),
            Some(&wanted),
            None,
        )?;
        draft.check(self.limits.muc_affiliations)?;
        let changes = draft.changes;
        if at_once {
            self.change_people(Some(inbound), changes, None, now, fx);
            return Ok(());
        }
        self.ask_admins(&bare, &wanted, fx)?;
        fx.reply(&inbound.sender, inbound.stanza.result(None).outgoing(Class::Iq));
        Ok(())
    }

    fn unregister(
        &mut self,
        inbound: Option<Arrived>,
        bare: &BareJid,
        person: Option<Person>,
        now: Timestamp,
        fx: &mut Effects,
    ) -> Outcome {
        let Kind::Plain(p) = &self.kind else { return Ok(()) };
        let registered = person.filter(|p| p.nick.is_some() || p.affiliation == Affiliation::Member);
        let Some(person) = registered else {
            return Err(error::registration_required(
                "you are not registered with this room",
            ));
        };
        let to = match person.affiliation {
            Affiliation::Member => Affiliation::None,
            more => more,
        };
        let mut draft = Draft::new(&p.people);
        draft.set(bare.clone(), to, Some(""), None)?;
        let changes = draft.changes;
        self.change_people(inbound, changes, None, now, fx);
        Ok(())
    }

    /// Asks owners and admins whether somebody may become a member.
    fn ask_admins(&mut self, bare: &BareJid, nick: &str, fx: &mut Effects) -> Outcome {
        let Kind::Plain(p) = &mut self.kind else {
            return Ok(());
        };
        if p.asked.contains(bare) {
            return Ok(());
        }
        if p.asked.len() >= ASKED {
            return Err(error::busy(
                "too many people wait to be let in; try again when the admins have answered",
            ));
        }
        p.asked.insert(bare.clone());
        let mut form = Form::of_type(FormKind::Form, MUC_REGISTER)
            .title("Registration request")
            .field(
                Field::new("muc#register_jid", FieldKind::JidSingle)
                    .label("Address")
                    .value(bare.as_str()),
            )
            .field(
                Field::new("muc#register_roomnick", FieldKind::TextSingle)
                    .label("Desired nickname")
                    .value(nick),
            )
            .field(
                Field::new("muc#register_allow", FieldKind::Boolean)
                    .label("Allow this person to register with the room?")
                    .flag(false),
            );
        form.instructions
            .push("Choose whether this person becomes a member, and submit the form.".to_owned());
        let admins = p
            .people
            .iter()
            .filter(|(_, p)| p.affiliation >= Affiliation::Admin);
        for (jid, _) in admins.take(ADMINS) {
            let mut w = XmlWriter::message();
            w.attr("from", &self.at).attr("to", jid.as_str());
            form.write(&mut w);
            let to = Jid::from(jid.clone());
            fx.rest.push(Effect::Outside(to, w.outgoing(Class::Message)));
        }
        Ok(())
    }

    /// An admin answers.
    pub(crate) fn approve(
        &mut self,
        inbound: &Arrived,
        form: &Form,
        now: Timestamp,
        fx: &mut Effects,
    ) -> Outcome {
        let Kind::Plain(p) = &mut self.kind else {
            return Err(error::not_allowed(
                "members of a channel are members of its waddle",
            ));
        };
        if p.people.affiliation(&inbound.sender.jid.bare()) < Affiliation::Admin {
            return Err(error::forbidden(
                "only an admin may register people with the room",
            ));
        }
        let who: BareJid = form
            .value("muc#register_jid")
            .and_then(|jid| jid.parse::<Jid>().ok())
            .map(|jid| jid.bare())
            .ok_or_else(|| error::bad_request("the form says for whom in muc#register_jid"))?;
        let waited = p.asked.remove(&who);
        if form.kind != FormKind::Submit || form.flag("muc#register_allow") != Some(true) {
            return Ok(());
        }
        if !waited {
            return Err(error::item_not_found(
                "nobody of that address waits to be registered",
            ));
        }
        if p.people.affiliation(&who) != Affiliation::None {
            return Err(error::conflict("this person is on the room's lists already"));
        }
        let mut draft = Draft::new(&p.people);
        draft.set(
            who,
            Affiliation::Member,
            form.value("muc#register_roomnick"),
            None,
        )?;
        draft.check(self.limits.muc_affiliations)?;
        let changes = draft.changes;
        let here = self.occupants.of_session(&inbound.sender.jid);
        let actor = here.map(|i| self.occupants.at(i).nick.clone());
        self.change_people(Some(inbound.clone()), changes, actor, now, fx);
        Ok(())
    }

    /// Somebody took back their registrations with all rooms of this service.
    pub(crate) fn unregistered(&mut self, bare: &BareJid, now: Timestamp, fx: &mut Effects) {
        let Kind::Plain(p) = &self.kind else { return };
        let person = p.people.get(bare).filter(|p| p.nick.is_some()).cloned();
        if person.is_some() {
            // Nobody asked this room, and somebody registered may always go.
            let _ = self.unregister(None, bare, person, now, fx);
        }
    }
}
