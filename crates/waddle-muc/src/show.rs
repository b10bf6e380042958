//! Presence as occupants see each other ([XEP-0045 §7.1, §7.2.3]): one text for those who see real addresses,
//! one for the others, each made once per change. Who gets it is told in `audience`.
//!
//! [XEP-0045 §7.1, §7.2.3]: https://xmpp.org/extensions/xep-0045.html#enter

use waddle_stanza::{Class, Element, XmlWriter, ns};

use crate::{
    fan::Fan,
    occupants::{Occupant, Session},
    stamp,
    standing::{Affiliation, Role},
    state::Effects,
};

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
    /// The identifier of the presence that asked for it, for whoever sent it.
    pub id: Option<&'a str>,
}

/// The end of a room.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Destroyed<'a> {
    /// The room to go to.
    pub instead: Option<&'a str>,
    /// Its password.
    pub password: Option<&'a str>,
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
        if let Some(password) = end.password {
            w.leaf("password", password);
        }
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

/// The presence that an occupant sent last, in the room's words; `change` says why a role or affiliation is new.
pub(crate) fn available(o: &Occupant, with_jid: bool, self_codes: &[&str], change: Departure<'_>) -> Fan {
    let mut w = XmlWriter::with_capacity(256);
    write_occupant_id(&mut w, &o.stable_id);
    let item = Item {
        affiliation: o.affiliation,
        role: o.role,
        jid: address_of(o, with_jid),
        codes: &[],
        self_codes,
        departure: change,
    };
    write_x(&mut w, &item);
    w.trusted(&o.hats);
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

/// That an occupant is away.
pub(crate) fn unavailable(
    o: &Occupant,
    with_jid: bool,
    d: Departure<'_>,
    self_codes: &[&str],
    status: Option<Element<'_>>,
) -> Fan {
    let mut w = XmlWriter::presence();
    w.attr("from", o.address.as_str()).attr("type", "unavailable");
    if !self_codes.is_empty() {
        w.attr_opt("id", d.id);
    }
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
