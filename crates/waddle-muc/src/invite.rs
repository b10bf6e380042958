//! Invitations through the room and their refusals ([XEP-0045 §7.8.2]). Direct ones (XEP-0249) do not pass here.
//!
//! [XEP-0045 §7.8.2]: https://xmpp.org/extensions/xep-0045.html#invite-mediated

use waddle_core::{BareJid, Jid, Timestamp};
use waddle_stanza::{Class, Element, XmlWriter, ns};
use waddle_storage::repo::rooms::Affiliate;

use crate::{
    api::Arrived,
    error::{self, Outcome},
    room::{Kind, Person, Room},
    standing::{Affiliation, Role},
    state::{Effect, Effects},
};

/// Invitations in one message at the most.
const MOST: usize = 20;

impl Room {
    /// `<x/>` with invitations, or with the refusal of one.
    pub(crate) fn mediate(
        &mut self,
        inbound: &Arrived,
        x: Element<'_>,
        now: Timestamp,
        fx: &mut Effects,
    ) -> Outcome {
        if let Some(decline) = x.child("decline", ns::MUC_USER) {
            return self.decline(inbound, decline, fx);
        }
        let i = self.occupant_of(&inbound.sender)?;
        let o = self.occupants.at(i);
        if o.role < Role::Participant {
            return Err(error::forbidden("you may read here but not invite"));
        }
        let plain_members_only = matches!(self.kind, Kind::Plain(_)) && self.settings.members_only;
        if plain_members_only && !self.settings.allow_invites && o.affiliation < Affiliation::Admin {
            return Err(error::forbidden("only admins may invite to this room"));
        }
        let from = inbound.sender.jid.clone();
        let mut invited = Vec::new();
        for invite in x.children().filter(|c| c.is("invite", ns::MUC_USER)).take(MOST) {
            let to: Jid = invite
                .attr("to")
                .and_then(|to| to.parse().ok())
                .ok_or_else(|| error::jid_malformed("an invitation has a to with the address of a person"))?;
            if to.local().is_none() {
                return Err(error::jid_malformed("an invitation goes to a person"));
            }
            invited.push((invite, to));
        }
        if invited.is_empty() {
            return Err(error::bad_request("there is no invitation in it"));
        }
        let mut new_members = Vec::new();
        let bare: Vec<BareJid> = invited.iter().map(|(_, to)| to.bare()).collect();
        if plain_members_only && !self.has_room_on_lists(bare.iter()) {
            return Err(error::busy(
                "the lists of this room are full; an admin takes somebody off them first",
            ));
        }
        for (invite, to) in &invited {
            let mut w = XmlWriter::message();
            w.attr("from", &self.at).attr("to", to.as_str());
            w.open_ns("x", ns::MUC_USER)
                .open("invite")
                .attr("from", from.bare_str());
            if let Some(reason) = invite.child_text("reason", ns::MUC_USER) {
                w.leaf("reason", &reason);
            }
            if let Some(thread) = invite.child("continue", ns::MUC_USER).map(|c| c.attr("thread")) {
                w.open("continue").attr_opt("thread", thread.as_deref()).close();
            }
            w.close();
            if let Some(password) = &self.settings.password {
                w.leaf("password", password);
            }
            w.close();
            fx.rest
                .push(Effect::Outside(to.clone(), w.outgoing(Class::Message)));
            if plain_members_only {
                new_members.push(to.bare());
            }
        }
        self.admit_invited(new_members, now, fx);
        Ok(())
    }

    /// Who is invited to a room for members becomes one (§9.3).
    fn admit_invited(&mut self, invited: Vec<BareJid>, now: Timestamp, fx: &mut Effects) {
        let Kind::Plain(p) = &self.kind else { return };
        let new: Vec<BareJid> = invited
            .into_iter()
            .filter(|j| !p.people.contains_key(j))
            .collect();
        if new.is_empty() {
            return;
        }
        let rows = new
            .iter()
            .map(|jid| Affiliate {
                jid: jid.to_string(),
                affiliation: "member".to_owned(),
                nick: None,
                reason: None,
            })
            .collect();
        let then = move |room: &mut Room, result: crate::state::WriteResult, _, _: &mut Effects| {
            if let (Ok(_), Kind::Plain(p)) = (result, &mut room.kind) {
                for jid in new {
                    p.people.entry(jid).or_insert(Person {
                        affiliation: Affiliation::Member,
                        nick: None,
                        reason: None,
                    });
                }
            }
        };
        self.save_people(rows, Box::new(then), now, fx);
    }

    fn decline(&mut self, inbound: &Arrived, decline: Element<'_>, fx: &mut Effects) -> Outcome {
        self.may_look(&inbound.sender)?;
        let to: Jid = decline
            .attr("to")
            .and_then(|to| to.parse().ok())
            .ok_or_else(|| error::jid_malformed("a refusal has a to with the address of who invited"))?;
        // Only to somebody who is here: a room is no way to write to strangers.
        let bare = to.bare();
        let Some(o) = self.occupants.iter().find(|o| o.bare == bare) else {
            return Err(error::item_not_found(
                "who invited you is not in the room any more",
            ));
        };
        for s in &o.sessions {
            let mut w = XmlWriter::message();
            w.attr("from", &self.at).attr("to", s.jid.as_str());
            w.open_ns("x", ns::MUC_USER)
                .open("decline")
                .attr("from", inbound.sender.jid.bare_str());
            if let Some(reason) = decline.child_text("reason", ns::MUC_USER) {
                w.leaf("reason", &reason);
            }
            fx.push(&s.outbox, w.outgoing(Class::Message), false);
        }
        Ok(())
    }
}
