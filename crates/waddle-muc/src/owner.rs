//! What owners do ([XEP-0045 §10]): open a new room, configure, destroy.
//!
//! [XEP-0045 §10]: https://xmpp.org/extensions/xep-0045.html#owner

use waddle_core::Timestamp;
use waddle_stanza::{
    Class, Element,
    forms::{Form, FormKind},
    ns,
};
use waddle_storage::repo::rooms::{Affiliate, RoomSettings};

use crate::{
    api::Arrived,
    config,
    error::{self, Outcome},
    message::not_stored,
    removal::changed_codes,
    room::{Kind, Plain, Room},
    show::{Departure, Destroyed},
    standing::Affiliation,
    state::{Effects, Write},
};

impl Room {
    /// The asker must own this plain room.
    fn owned(&self, inbound: &Arrived) -> Outcome<&Plain> {
        self.may_look(&inbound.sender)?;
        let Kind::Plain(p) = &self.kind else {
            return Err(error::not_allowed(
                "a channel is configured in its waddle, not in its room",
            ));
        };
        let bare = inbound.sender.jid.bare();
        if p.people.get(&bare).map(|p| p.affiliation) == Some(Affiliation::Owner) {
            Ok(p)
        } else {
            Err(error::forbidden("only an owner may do this"))
        }
    }

    /// The configuration form.
    pub(crate) fn owner_form(&mut self, inbound: &Arrived, fx: &mut Effects) -> Outcome {
        self.owned(inbound)?;
        let mut w = inbound.stanza.result(None);
        w.open_ns("query", ns::MUC_OWNER);
        config::form(&self.settings, self.limits.muc_occupants).write(&mut w);
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
        let locked = self.owned(&inbound)?.locked;
        if let Some(destroy) = query.child("destroy", ns::MUC_OWNER) {
            self.destroy(inbound.clone(), destroy, now, fx);
            return Ok(());
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
                let new = config::read(&form, &self.settings)?;
                self.configure(inbound.clone(), new, locked, fx);
                Ok(())
            }
            FormKind::Form | FormKind::Result => Err(error::bad_request("a form is submitted or cancelled")),
        }
    }

    fn configure(&mut self, inbound: Arrived, new: RoomSettings, locked: bool, fx: &mut Effects) {
        let people = match &self.kind {
            Kind::Plain(p) if locked => p
                .people
                .iter()
                .map(|(jid, person)| Affiliate {
                    jid: jid.to_string(),
                    affiliation: person.affiliation.as_str().to_owned(),
                    nick: person.nick.clone(),
                    reason: person.reason.clone(),
                })
                .collect(),
            _ => Vec::new(),
        };
        let saved = Box::new(new.clone());
        let then = move |room: &mut Room, result, _, fx: &mut Effects| {
            // Taken whole: it is dealt with when this has run.
            let inbound = &inbound;
            match result {
                Ok(_) => {
                    fx.reply(&inbound.sender, inbound.stanza.result(None).outgoing(Class::Iq));
                    room.configured(new, fx);
                }
                Err(failed) => fx.refuse(&inbound.stanza, &inbound.sender, &not_stored(failed)),
            }
        };
        self.write(Write::Settings(saved, people), true, Box::new(then), fx);
    }

    fn configured(&mut self, new: RoomSettings, fx: &mut Effects) {
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
        // Who may not be here any more leaves (322); who has or lacks voice now is shown so.
        self.recheck(None, fx);
        self.last_has_left(fx);
    }

    fn destroy(&mut self, inbound: Arrived, destroy: Element<'_>, now: Timestamp, fx: &mut Effects) {
        let instead = destroy.attr("jid").map(std::borrow::Cow::into_owned);
        let reason = destroy
            .child_text("reason", ns::MUC_OWNER)
            .filter(|r| !r.is_empty())
            .map(std::borrow::Cow::into_owned);
        let then = move |room: &mut Room, result, _, fx: &mut Effects| {
            // Taken whole: it is dealt with when this has run.
            let inbound = &inbound;
            match result {
                Ok(_) => {
                    let d = Departure {
                        affiliation: Some(Affiliation::None),
                        reason: reason.as_deref(),
                        destroyed: Some(Destroyed {
                            instead: instead.as_deref(),
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
            return self.in_turn(Box::new(then), now, fx);
        }
        self.write(Write::Delete, true, Box::new(then), fx);
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
