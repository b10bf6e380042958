//! Presence as occupants see each other ([XEP-0045 §7.1, §7.2.3]): one text for those who see real addresses,
//! one for the others, each made once per change.
//!
//! [XEP-0045 §7.1, §7.2.3]: https://xmpp.org/extensions/xep-0045.html#enter

use waddle_core::BareJid;
use waddle_stanza::{Class, Element, XmlWriter, ns};

use crate::{
    fan::Fan,
    occupants::{Occupant, Session},
    room::Room,
    stamp,
    standing::{Affiliation, Role},
    state::Effects,
};

/// From how many sessions on presence may be dropped for those who do not keep up.
const BIG: usize = 200;

/// How an occupant goes.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Departure<'a> {
    /// Status codes for everybody.
    pub codes: &'a [&'a str],
    /// What they are from now on.
    pub affiliation: Option<Affiliation>,
    /// The nickname of who did it.
    pub actor: Option<&'a str>,
    /// Why.
    pub reason: Option<&'a str>,
    /// The nickname that they go on with.
    pub new_nick: Option<&'a str>,
    /// The room is gone.
    pub destroyed: Option<Destroyed<'a>>,
}

/// The end of a room.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Destroyed<'a> {
    /// The room to go to.
    pub instead: Option<&'a str>,
}

/// The `<x/>` of a presence.
struct Item<'a> {
    affiliation: Affiliation,
    role: Role,
    jid: Option<&'a str>,
    codes: &'a [&'a str],
    self_codes: &'a [&'a str],
    departure: Departure<'a>,
}

fn write_x(w: &mut XmlWriter, item: &Item<'_>) {
    let d = item.departure;
    w.open_ns("x", ns::MUC_USER).open("item");
    w.attr("affiliation", item.affiliation.as_str())
        .attr("role", item.role.as_str())
        .attr_opt("jid", item.jid)
        .attr_opt("nick", d.new_nick);
    if let Some(actor) = d.actor {
        w.open("actor").attr("nick", actor).close();
    }
    if let (Some(reason), None) = (d.reason, d.destroyed) {
        w.leaf("reason", reason);
    }
    w.close();
    if let Some(end) = d.destroyed {
        w.open("destroy").attr_opt("jid", end.instead);
        if let Some(reason) = d.reason {
            w.leaf("reason", reason);
        }
        w.close();
    }
    for code in item.codes.iter().chain(item.self_codes) {
        w.open("status").attr("code", code).close();
    }
    w.close();
}

fn available(o: &Occupant, with_jid: bool, self_codes: &[&str]) -> Fan {
    let mut w = XmlWriter::with_capacity(256);
    write_occupant_id(&mut w, &o.stable_id);
    let item = Item {
        affiliation: o.affiliation,
        role: o.role,
        jid: address_of(o, with_jid),
        codes: &[],
        self_codes,
        departure: Departure::default(),
    };
    write_x(&mut w, &item);
    let payload = o
        .presence
        .rewrite()
        .strip(stamp::is_forged_presence)
        .append(&w.finish())
        .finish();
    Fan::new(payload.head().from(o.address.as_str()).no_to().build())
}

fn address_of(o: &Occupant, with_jid: bool) -> Option<&str> {
    let session = o.sessions.first().filter(|_| with_jid);
    session.map(|s| s.jid.as_str())
}

fn unavailable(
    o: &Occupant,
    with_jid: bool,
    d: Departure<'_>,
    self_codes: &[&str],
    status: Option<Element<'_>>,
) -> Fan {
    let mut w = XmlWriter::presence();
    w.attr("from", o.address.as_str()).attr("type", "unavailable");
    if let Some(status) = status {
        w.copy(status);
    }
    write_occupant_id(&mut w, &o.stable_id);
    let item = Item {
        affiliation: d.affiliation.unwrap_or(o.affiliation),
        role: if d.new_nick.is_some() { o.role } else { Role::None },
        jid: address_of(o, with_jid),
        codes: d.codes,
        self_codes,
        departure: d,
    };
    write_x(&mut w, &item);
    Fan::new(w.outgoing(Class::Presence))
}

/// Tells one session of an occupant that it is out, while others stay.
pub(crate) fn tell_one(o: &Occupant, session: &Session, d: Departure<'_>, fx: &mut Effects) {
    let fan = unavailable(o, true, d, &["110"], None);
    fx.push(&session.outbox, fan.to(&session.to), false);
}

/// `<occupant-id/>` (XEP-0421).
pub(crate) fn write_occupant_id(w: &mut XmlWriter, id: &str) {
    w.open_ns("occupant-id", ns::OCCUPANT_ID).attr("id", id).close();
}

impl Room {
    /// Whether an occupant sees the real addresses of others.
    pub(crate) fn sees_addresses(&self, viewer: &Occupant) -> bool {
        self.settings.whois_anyone || viewer.role == Role::Moderator
    }

    /// Shows the occupant at `i` to everybody; to themselves with `110` and `codes`.
    pub(crate) fn announce(&mut self, i: usize, codes: &[&str], fx: &mut Effects) {
        self.announce_to_others(i, fx);
        self.announce_to_own(i, codes, fx);
    }

    /// Shows the occupant at `i` to all their own sessions.
    pub(crate) fn announce_to_own(&self, i: usize, codes: &[&str], fx: &mut Effects) {
        let own: Vec<&str> = [&["110"], codes].concat();
        let o = self.occupants.at(i);
        let fan = available(o, true, &own);
        for s in &o.sessions {
            fx.push(&s.outbox, fan.to(&s.to), false);
        }
    }

    /// Shows the occupant at `i` to everybody else.
    pub(crate) fn announce_to_others(&mut self, i: usize, fx: &mut Effects) {
        self.prepare(i);
        let droppable = self.occupants.sessions() > BIG;
        let shown = &self.occupants.at(i).shown;
        for (at, viewer) in self.occupants.iter().enumerate() {
            let fan = shown[usize::from(self.sees_addresses(viewer))].as_ref();
            if let (Some(fan), true) = (fan, at != i) {
                for s in &viewer.sessions {
                    fx.push(&s.outbox, fan.to(&s.to), droppable);
                }
            }
        }
    }

    /// Shows everybody but the occupant at `i` to their last session.
    pub(crate) fn show_all_to(&mut self, i: usize, fx: &mut Effects) {
        for at in 0..self.occupants.len() {
            self.prepare(at);
        }
        let droppable = self.occupants.sessions() > BIG;
        let viewer = self.occupants.at(i);
        let which = usize::from(self.sees_addresses(viewer));
        let Some(session) = viewer.sessions.last() else {
            return;
        };
        for (at, o) in self.occupants.iter().enumerate() {
            if let (Some(fan), true) = (o.shown[which].as_ref(), at != i) {
                fx.push(&session.outbox, fan.to(&session.to), droppable);
            }
        }
    }

    /// Shows the last session of the occupant at `i` themselves.
    pub(crate) fn show_self(&self, i: usize, codes: &[&str], fx: &mut Effects) {
        let o = self.occupants.at(i);
        let own: Vec<&str> = [&["110"], codes].concat();
        if let Some(s) = o.sessions.last() {
            fx.push(&s.outbox, available(o, true, &own).to(&s.to), false);
        }
    }

    fn prepare(&mut self, i: usize) {
        let o = self.occupants.at_mut(i);
        for with_jid in [false, true] {
            let place = usize::from(with_jid);
            if o.shown[place].is_none() {
                o.shown[place] = Some(available(o, with_jid, &[]));
            }
        }
    }

    /// Takes the occupant at `i` out and tells everybody.
    pub(crate) fn depart(&mut self, i: usize, d: Departure<'_>, fx: &mut Effects) {
        let gone = self.occupants.remove(i);
        self.tell_departure(&gone, d, None, fx);
    }

    /// Tells everybody, and those of `gone` who still listen, that an occupant is away.
    pub(crate) fn tell_departure(
        &self,
        gone: &Occupant,
        d: Departure<'_>,
        status: Option<Element<'_>>,
        fx: &mut Effects,
    ) {
        let droppable = self.occupants.sessions() > BIG && d.codes.is_empty();
        let shown = [false, true].map(|with_jid| unavailable(gone, with_jid, d, &[], status));
        for viewer in self.occupants.iter() {
            if viewer.key == gone.key {
                continue;
            }
            let fan = &shown[usize::from(self.sees_addresses(viewer))];
            for s in &viewer.sessions {
                fx.push(&s.outbox, fan.to(&s.to), droppable);
            }
        }
        let own = unavailable(gone, true, d, &["110"], status);
        for s in &gone.sessions {
            fx.push(&s.outbox, own.to(&s.to), false);
        }
    }

    /// Takes everybody out, as far as they are told anything else than that, with a last word.
    pub(crate) fn empty(&mut self, d: Departure<'_>, fx: &mut Effects) {
        while !self.occupants.is_empty() {
            let gone = self.occupants.remove(self.occupants.len() - 1);
            let own = unavailable(&gone, true, d, &["110"], None);
            for s in &gone.sessions {
                fx.push(&s.outbox, own.to(&s.to), false);
            }
        }
    }

    /// Everything of one person who is here: at most one occupant, but be sure.
    pub(crate) fn places_of(&self, bare: &BareJid) -> Vec<String> {
        self.occupants
            .iter()
            .filter(|o| o.bare == *bare)
            .map(|o| o.key.clone())
            .collect()
    }
}
