//! Who is told of whom ([XEP-0045 §7.2.2, §7.7, §7.14], `muc#roomconfig_presencebroadcast`, `specs/rooms.md` *Crowds*).
//!
//! Everybody sees the presence of those roles whose presence the room broadcasts; in a room with more occupants
//! than `muc_presence_occupants` newcomers below moderator are not broadcast. Moderators see everybody, and
//! everybody sees themselves. Who was once shown to all is so until they leave or the settings say otherwise, so
//! that nobody is left with somebody who is gone.
//!
//! [XEP-0045 §7.2.2, §7.7, §7.14]: https://xmpp.org/extensions/xep-0045.html#enter-pres

use waddle_core::BareJid;
use waddle_stanza::Element;
use waddle_storage::repo::rooms::RoleSet;

use crate::{
    occupants::Occupant,
    room::Room,
    show::{Departure, available, unavailable},
    standing::Role,
    state::Effects,
};

/// From how many sessions on presence may be dropped for those who do not keep up.
const BIG: usize = 200;

impl Role {
    /// The role as a member of a [`RoleSet`].
    pub(crate) fn bit(self) -> u8 {
        match self {
            Self::None => 0,
            Self::Visitor => RoleSet::VISITOR,
            Self::Participant => RoleSet::PARTICIPANT,
            Self::Moderator => RoleSet::MODERATOR,
        }
    }
}

impl Room {
    /// Whether an occupant sees the real addresses of others.
    pub(crate) fn sees_addresses(&self, viewer: &Occupant) -> bool {
        self.settings.whois_anyone || viewer.role == Role::Moderator
    }

    /// Whether a newcomer with this role is shown to everybody.
    pub(crate) fn is_public(&self, role: Role) -> bool {
        self.settings.presence_of.has(role.bit())
            && (role == Role::Moderator || self.occupants.len() < self.limits.muc_presence_occupants)
    }

    fn sees(viewer: &Occupant, o: &Occupant) -> bool {
        o.public || viewer.role == Role::Moderator
    }

    /// Shows the occupant at `i` to everybody; to themselves with `110` and `codes`.
    pub(crate) fn announce(&mut self, i: usize, codes: &[&str], fx: &mut Effects) {
        self.announce_to_others(i, fx);
        self.announce_to_own(i, codes, fx);
    }

    /// A new role or affiliation of the occupant at `i`, who had the role `was`.
    pub(crate) fn announce_change(&mut self, i: usize, was: Role, change: Departure<'_>, fx: &mut Effects) {
        if change.actor.is_some() || change.reason.is_some() {
            let o = self.occupants.at_mut(i);
            o.shown = [false, true].map(|with_jid| Some(available(o, with_jid, &[], change)));
            self.announce_to_others(i, fx);
            // The reason belongs to the change, not to the presence.
            self.occupants.at_mut(i).shown = [None, None];
        } else {
            self.announce_to_others(i, fx);
        }
        let o = self.occupants.at(i);
        let fan = available(o, true, &["110"], change);
        for s in &o.sessions {
            fx.push(&s.outbox, fan.to(&s.to), false);
        }
        if was != Role::Moderator && o.role == Role::Moderator {
            self.reveal_hidden_to(i, fx);
        }
    }

    /// Shows the occupant at `i` to all their own sessions.
    pub(crate) fn announce_to_own(&self, i: usize, codes: &[&str], fx: &mut Effects) {
        let own: Vec<&str> = [&["110"], codes].concat();
        let o = self.occupants.at(i);
        let fan = available(o, true, &own, Departure::default());
        for s in &o.sessions {
            fx.push(&s.outbox, fan.to(&s.to), false);
        }
    }

    /// Shows the occupant at `i` to everybody else who is to see them; who is not any more hears that they left.
    pub(crate) fn announce_to_others(&mut self, i: usize, fx: &mut Effects) {
        self.judge();
        let o = self.occupants.at(i);
        let (was, role) = (o.public, o.role);
        let public = self.settings.presence_of.has(role.bit()) && (was || self.is_public(role));
        self.occupants.at_mut(i).public = public;
        self.prepare(i);
        let droppable = self.occupants.sessions() > BIG;
        let o = self.occupants.at(i);
        let away = (was && !public)
            .then(|| [false, true].map(|with_jid| unavailable(o, with_jid, Departure::default(), &[], None)));
        for (at, viewer) in self.occupants.iter().enumerate() {
            if at == i || viewer.is_out {
                continue;
            }
            let which = usize::from(self.sees_addresses(viewer));
            let fan = match &away {
                _ if Self::sees(viewer, o) => o.shown[which].as_ref(),
                Some(away) => Some(&away[which]),
                None => None,
            };
            let Some(fan) = fan else { continue };
            for s in &viewer.sessions {
                fx.push(&s.outbox, fan.to(&s.to), droppable);
            }
        }
    }

    /// Shows everybody but the occupant at `i` to their last session, as far as they are to see them.
    pub(crate) fn show_all_to(&mut self, i: usize, fx: &mut Effects) {
        for at in 0..self.occupants.len() {
            if self.occupants.at(at).public || self.occupants.at(i).role == Role::Moderator {
                self.prepare(at);
            }
        }
        let droppable = self.occupants.sessions() > BIG;
        let viewer = self.occupants.at(i);
        let which = usize::from(self.sees_addresses(viewer));
        let Some(session) = viewer.sessions.last() else {
            return;
        };
        for (at, o) in self.occupants.iter().enumerate() {
            if let (Some(fan), true) = (o.shown[which].as_ref(), at != i && Self::sees(viewer, o)) {
                fx.push(&session.outbox, fan.to(&session.to), droppable);
            }
        }
    }

    /// Shows a new moderator those whom only moderators see.
    fn reveal_hidden_to(&mut self, i: usize, fx: &mut Effects) {
        for at in 0..self.occupants.len() {
            if at == i || self.occupants.at(at).public {
                continue;
            }
            self.prepare(at);
            let o = self.occupants.at(at);
            let Some(fan) = &o.shown[1] else { continue };
            for s in &self.occupants.at(i).sessions {
                fx.push(&s.outbox, fan.to(&s.to), true);
            }
        }
    }

    /// After a change of the roles whose presence is broadcast: some appear, some go.
    pub(crate) fn review_audience(&mut self, fx: &mut Effects) {
        for i in 0..self.occupants.len() {
            let o = self.occupants.at(i);
            if self.is_public(o.role) != o.public {
                self.announce_to_others(i, fx);
            }
        }
    }

    /// Shows the last session of the occupant at `i` themselves.
    pub(crate) fn show_self(&self, i: usize, codes: &[&str], fx: &mut Effects) {
        let o = self.occupants.at(i);
        let own: Vec<&str> = [&["110"], codes].concat();
        if let Some(s) = o.sessions.last() {
            fx.push(
                &s.outbox,
                available(o, true, &own, Departure::default()).to(&s.to),
                false,
            );
        }
    }

    fn prepare(&mut self, i: usize) {
        let o = self.occupants.at_mut(i);
        for with_jid in [false, true] {
            let place = usize::from(with_jid);
            if o.shown[place].is_none() {
                o.shown[place] = Some(available(o, with_jid, &[], Departure::default()));
            }
        }
    }

    /// Takes the occupant at `i` out and tells everybody.
    pub(crate) fn depart(&mut self, i: usize, d: Departure<'_>, fx: &mut Effects) {
        let gone = self.occupants.remove(i);
        self.relays_end(&gone, fx);
        self.tell_departure(&gone, d, None, fx);
    }

    /// Takes the occupant at `i` out and tells them at once, the others in `later`: what the order of a kick and
    /// of a ban is (§8.2, §9.1).
    pub(crate) fn expel(&mut self, i: usize, d: Departure<'_>, fx: &mut Effects, later: &mut Effects) {
        let gone = self.occupants.remove(i);
        self.relays_end(&gone, fx);
        Self::tell_own_departure(&gone, d, None, fx);
        self.tell_others_departure(&gone, d, None, later);
    }

    /// Tells everybody, and those of `gone` who still listen, that an occupant is away.
    pub(crate) fn tell_departure(
        &self,
        gone: &Occupant,
        d: Departure<'_>,
        status: Option<Element<'_>>,
        fx: &mut Effects,
    ) {
        self.tell_others_departure(gone, d, status, fx);
        Self::tell_own_departure(gone, d, status, fx);
    }

    fn tell_own_departure(gone: &Occupant, d: Departure<'_>, status: Option<Element<'_>>, fx: &mut Effects) {
        let own = unavailable(gone, true, d, &["110"], status);
        for s in &gone.sessions {
            fx.push(&s.outbox, own.to(&s.to), false);
        }
    }

    fn tell_others_departure(
        &self,
        gone: &Occupant,
        d: Departure<'_>,
        status: Option<Element<'_>>,
        fx: &mut Effects,
    ) {
        let droppable = self.occupants.sessions() > BIG && d.codes.is_empty();
        let shown = [false, true].map(|with_jid| unavailable(gone, with_jid, d, &[], status));
        for viewer in self.occupants.iter() {
            if viewer.key == gone.key || viewer.is_out || !Self::sees(viewer, gone) {
                continue;
            }
            let fan = &shown[usize::from(self.sees_addresses(viewer))];
            for s in &viewer.sessions {
                fx.push(&s.outbox, fan.to(&s.to), droppable);
            }
        }
    }

    /// Takes everybody out, as far as they are told anything else than that, with a last word.
    pub(crate) fn empty(&mut self, d: Departure<'_>, fx: &mut Effects) {
        while !self.occupants.is_empty() {
            let gone = self.occupants.remove(self.occupants.len() - 1);
            Self::tell_own_departure(&gone, d, None, fx);
        }
    }

    /// Everything of one person who is here, or of everybody of a domain.
    pub(crate) fn places_of(&self, jid: &BareJid) -> Vec<String> {
        self.occupants
            .iter()
            .filter(|o| o.bare == *jid || (jid.local().is_none() && o.bare.domain() == jid.domain()))
            .map(|o| o.key.clone())
            .collect()
    }
}
