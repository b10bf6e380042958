//! What owners do ([XEP-0045 §10]): open a new room, configure, destroy.
//!
//! [XEP-0045 §10]: https://xmpp.org/extensions/xep-0045.html#owner

use waddle_core::{Jid, Timestamp};
use waddle_stanza::{
    Class, Element,
    forms::{Form, FormKind},
    ns,
};

use crate::{
    affiliations::{Change, Draft},
    api::Arrived,
    channel_config::Wanted,
    config::{self, Wish},
    error::{self, Outcome},
    message::not_stored,
    people,
    removal::changed_codes,
    room::{Kind, Plain, Room},
    show::{Departure, Destroyed},
    standing::Affiliation,
    state::{Effect, Effects, Write},
};

impl Room {
    /// The asker must own this plain room.
    fn owned(&self, inbound: &Arrived) -> Outcome<&Plain> {
        self.may_look(&inbound.sender)?;
        let Kind::Plain(p) = &self.kind else {
            return Err(error::not_allowed(
                "a channel is deleted in its waddle, not in its room",
            ));
        };
        if p.people.affiliation(&inbound.sender.jid.bare()) == Affiliation::Owner {
            Ok(p)
        } else {
            Err(error::forbidden("only an owner may do this"))
        }
    }

    /// The asker must manage this channel; `false` where the room is none.
    fn manages(&self, inbound: &Arrived) -> Outcome<bool> {
        let Kind::Channel(c) = &self.kind else {
            return Ok(false);
        };
        self.may_look(&inbound.sender)?;
        if c.policy.allows("manage", &inbound.sender.user) {
            return Ok(true);
        }
        Err(error::forbidden(
            "only who manages this channel in its waddle may configure it",
        ))
    }

    /// The configuration form.
    pub(crate) fn owner_form(&mut self, inbound: &Arrived, fx: &mut Effects) -> Outcome {
        if self.manages(inbound)? {
            fx.rest
                .push(Effect::Configure(Box::new(inbound.clone()), Wanted::Form));
            return Ok(());
        }
        let plain = self.owned(inbound)?;
        let mut w = inbound.stanza.result(None);
        w.open_ns("query", ns::MUC_OWNER);
        config::form(&self.settings, &plain.people, self.limits.muc_occupants).write(&mut w);
        fx.reply(&inbound.sender, w.outgoing(Class::Iq));
        Ok(())
    }

    /// A submitted form, a cancelled one, or the end of the room.
    pub(crate) fn owner_change(
        &mut self,
        inbound: Arrived,
        query: Element<'_>,
        now: Timestamp,
        fx: &mut Effects,
    ) -> Outcome {
        let channel = query.child("destroy", ns::MUC_OWNER).is_none() && self.manages(&inbound)?;
        if channel {
            let form =
                Form::within(query).ok_or_else(|| error::bad_request("there is no form in the request"))?;
            match form.kind {
                FormKind::Cancel => {
                    fx.reply(&inbound.sender, inbound.stanza.result(None).outgoing(Class::Iq));
                }
                FormKind::Submit if form.form_type().is_none_or(|t| t == ns::MUC_ROOMCONFIG) => {
                    fx.rest
                        .push(Effect::Configure(Box::new(inbound), Wanted::Change(form)));
                }
                _ => {
                    return Err(error::bad_request(
                        "submit or cancel the form of the channel's configuration",
                    ));
                }
            }
            return Ok(());
        }
        let locked = self.owned(&inbound)?.locked;
        if let Some(destroy) = query.child("destroy", ns::MUC_OWNER) {
            return self.destroy(inbound.clone(), destroy, now, fx);
        }
        let form =
            Form::within(query).ok_or_else(|| error::bad_request("there is no form in the request"))?;
        match form.kind {
            FormKind::Cancel => {
                fx.reply(&inbound.sender, inbound.stanza.result(None).outgoing(Class::Iq));
                // Cancelling the configuration of a new room means that there is to be none (§10.1.3).
                if locked {
                    let d = Departure {
                        destroyed: Some(Destroyed::default()),
                        affiliation: Some(Affiliation::None),
                        ..Departure::default()
                    };
                    self.empty(d, fx);
                    self.forget();
                }
                Ok(())
            }
            FormKind::Submit => {
                if form.form_type().is_some_and(|t| t != ns::MUC_ROOMCONFIG) {
                    return Err(error::bad_request(
                        "this is not the form of a room's configuration",
                    ));
                }
                let wish = config::read(&form, &self.settings)?;
                self.configure(inbound.clone(), wish, fx)
            }
            FormKind::Form | FormKind::Result => Err(error::bad_request("a form is submitted or cancelled")),
        }
    }

    /// The changes of the list that full lists of owners and admins mean (§10.2). Who is no owner any more is an
    /// admin; where the form says who is admin too, they are what the room has for everybody.
    fn listed(&self, wish: &Wish) -> Outcome<Vec<Change>> {
        let Kind::Plain(p) = &self.kind else {
            return Ok(Vec::new());
        };
        let mut draft = Draft::new(&p.people);
        for (jid, person) in p
            .people
            .iter()
            .filter(|(_, p)| p.affiliation >= Affiliation::Admin)
        {
            let stays =
                |list: &Option<Vec<_>>, otherwise| list.as_ref().map_or(otherwise, |l| l.contains(jid));
            let rest = if wish.settings.members_only || person.nick.is_some() {
                Affiliation::Member
            } else {
                Affiliation::None
            };
            let to = if stays(&wish.owners, person.affiliation == Affiliation::Owner) {
                Affiliation::Owner
            } else if stays(&wish.admins, true) {
                Affiliation::Admin
            } else {
                rest
            };
            if to != person.affiliation {
                draft.set(jid.clone(), to, None, None)?;
            }
        }
        for (list, to) in [
            (&wish.admins, Affiliation::Admin),
            (&wish.owners, Affiliation::Owner),
        ] {
            for jid in list.iter().flatten() {
                if p.people.affiliation(jid) < Affiliation::Admin {
                    draft.set(jid.clone(), to, None, None)?;
                }
            }
        }
        draft.check(self.limits.muc_affiliations)?;
        Ok(draft.changes)
    }

    fn configure(&mut self, inbound: Arrived, wish: Wish, fx: &mut Effects) -> Outcome {
        let changes = self.listed(&wish)?;
        let mut rows = Vec::new();
        let mut vcard = None;
        // A new room is stored whole.
        if let Kind::Plain(p) = &self.kind
            && p.locked
        {
            rows.extend(
                p.people
                    .iter()
                    .map(|(jid, person)| people::row(jid, Some(person))),
            );
            vcard = self.avatar.as_ref().map(|a| a.vcard.clone());
        }
        rows.extend(Draft::rows(&changes));
        let new = wish.settings;
        let saved = Box::new(new.clone());
        let here = self.occupants.of_session(&inbound.sender.jid);
        let actor = here.map(|i| self.occupants.at(i).nick.clone());
        let then = move |room: &mut Room, result, _, fx: &mut Effects| {
            // Taken whole: it is dealt with when this has run.
            let inbound = &inbound;
            match result {
                Ok(_) => {
                    fx.reply(&inbound.sender, inbound.stanza.result(None).outgoing(Class::Iq));
                    room.configured(new, &changes, actor.as_deref(), fx);
                }
                Err(failed) => fx.refuse(&inbound.stanza, &inbound.sender, &not_stored(failed)),
            }
        };
        self.write(Write::Settings(saved, rows), true, Box::new(then), fx);
        if vcard.is_some() {
            self.write(Write::Avatar(vcard), true, Box::new(|_, _, _, _| {}), fx);
        }
        Ok(())
    }

    fn configured(
        &mut self,
        new: waddle_storage::repo::rooms::RoomSettings,
        changes: &[Change],
        actor: Option<&str>,
        fx: &mut Effects,
    ) {
        let Kind::Plain(p) = &mut self.kind else { return };
        let opened = std::mem::replace(&mut p.locked, false);
        let old = std::mem::replace(&mut self.settings, new);
        if old != self.settings {
            if old.whois_anyone != self.settings.whois_anyone {
                for o in self.occupants.iter_mut() {
                    o.shown = [None, None];
                }
            }
            if !opened {
                let codes = changed_codes(&old, &self.settings);
                self.tell_codes(&codes, fx);
            }
        }
        let mut later = Effects::default();
        self.apply_people(changes, actor, fx, &mut later);
        fx.append(later);
        // Who may not be here any more leaves (322); who has or lacks voice now is shown so.
        self.recheck(None, fx);
        if old.presence_of != self.settings.presence_of {
            self.review_audience(fx);
        }
        self.last_has_left(fx);
    }

    fn destroy(
        &mut self,
        inbound: Arrived,
        destroy: Element<'_>,
        now: Timestamp,
        fx: &mut Effects,
    ) -> Outcome {
        let text = |name| {
            destroy
                .child_text(name, ns::MUC_OWNER)
                .filter(|t| !t.is_empty())
                .map(std::borrow::Cow::into_owned)
        };
        let instead = match destroy.attr("jid").filter(|jid| !jid.is_empty()) {
            Some(jid) => {
                let parsed: Jid = jid
                    .parse()
                    .map_err(|_| error::jid_malformed("the alternate venue is no address"))?;
                Some(parsed)
            }
            None => None,
        };
        let (reason, password) = (text("reason"), text("password"));
        let then = move |room: &mut Room, result, _, fx: &mut Effects| {
            // Taken whole: it is dealt with when this has run.
            let inbound = &inbound;
            match result {
                Ok(_) => {
                    let d = Departure {
                        affiliation: Some(Affiliation::None),
                        reason: reason.as_deref(),
                        destroyed: Some(Destroyed {
                            instead: instead.as_ref().map(Jid::as_str),
                            password: password.as_deref(),
                        }),
                        ..Departure::default()
                    };
                    room.empty(d, fx);
                    room.forget();
                    fx.reply(&inbound.sender, inbound.stanza.result(None).outgoing(Class::Iq));
                }
                Err(failed) => fx.refuse(&inbound.stanza, &inbound.sender, &not_stored(failed)),
            }
        };
        if matches!(&self.kind, Kind::Plain(p) if p.locked) {
            self.in_turn(Box::new(then), now, fx);
        } else {
            self.write(Write::Delete, true, Box::new(then), fx);
        }
        Ok(())
    }

    /// Deletes a room that nobody is in any more.
    pub(crate) fn delete_when_stored(&mut self, fx: &mut Effects) {
        let then = |room: &mut Room, result, _, _: &mut Effects| match result {
            Ok(_) if room.occupants.is_empty() => room.forget(),
            _ => {}
        };
        self.write(Write::Delete, true, Box::new(then), fx);
    }
}
