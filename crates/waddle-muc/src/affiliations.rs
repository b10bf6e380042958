//! Changes of a plain room's people: stored first, then shown, in the order that [XEP-0045 §9] sets: whoever is out
//! hears it, then the one who asked, then the others. People who are away are told out of the room (§17.1: 101),
//! new members of a room for members are invited (§9.5).
//!
//! [XEP-0045 §9]: https://xmpp.org/extensions/xep-0045.html#admin

use std::sync::Arc;

use waddle_core::{BareJid, Jid, Timestamp};
use waddle_stanza::{Class, XmlWriter, ns};
use waddle_storage::repo::rooms::Affiliate;

use crate::{
    api::Arrived,
    error::{self, Outcome},
    message::not_stored,
    nick,
    people::{self, People, Person},
    room::{Kind, Room},
    show::Departure,
    standing::Affiliation,
    state::{Effect, Effects, Then, Write},
};

/// Somebody's new line on the list.
#[derive(Debug, Clone)]
pub(crate) struct Change {
    /// Whose.
    pub jid: BareJid,
    /// What it says; `None` takes them off.
    pub person: Option<Person>,
    /// Why, for those who see it.
    pub reason: Option<Arc<str>>,
}

impl Change {
    /// What they are from then on.
    pub fn affiliation(&self) -> Affiliation {
        self.person.as_ref().map_or(Affiliation::None, |p| p.affiliation)
    }
}

/// A list as it would be after changes: what may not happen is found before anything does.
#[derive(Debug)]
pub(crate) struct Draft<'a> {
    people: &'a People,
    /// In order; one for each person.
    pub changes: Vec<Change>,
}

impl<'a> Draft<'a> {
    pub fn new(people: &'a People) -> Self {
        Self {
            people,
            changes: Vec::new(),
        }
    }

    fn now(&self, jid: &BareJid) -> Option<&Person> {
        match self.changes.iter().find(|c| c.jid == *jid) {
            Some(change) => change.person.as_ref(),
            None => self.people.get(jid),
        }
    }

    /// Gives somebody an affiliation. A nickname is reserved where one is given, given up where it is empty, and
    /// kept where there is none.
    pub fn set(
        &mut self,
        jid: BareJid,
        affiliation: Affiliation,
        new_nick: Option<&str>,
        reason: Option<Arc<str>>,
    ) -> Outcome {
        if jid.local().is_none() && affiliation > Affiliation::None {
            return Err(error::jid_malformed("only people can be given this affiliation"));
        }
        let old = self.now(&jid).and_then(|p| p.nick.clone());
        let nick = match new_nick {
            _ if affiliation <= Affiliation::None => None,
            None => old,
            Some("") => None,
            Some(wanted) => {
                let key = nick::key(wanted, usize::MAX).map_err(|e| error::not_acceptable(e.to_string()))?;
                if self.people.holder(&key).is_some_and(|holder| *holder != jid) {
                    return Err(error::conflict("this nickname is reserved for somebody else"));
                }
                Some(wanted.to_owned())
            }
        };
        let person = (affiliation != Affiliation::None).then(|| Person {
            affiliation,
            nick,
            reason: reason.as_deref().map(str::to_owned),
        });
        self.changes.retain(|c| c.jid != jid);
        self.changes.push(Change { jid, person, reason });
        Ok(())
    }

    /// Whether the room keeps an owner, and the list its bounds.
    pub fn check(&self, most: usize) -> Outcome {
        let (mut owners, mut new) = (self.people.owners(), 0);
        for c in &self.changes {
            let was = self.people.get(&c.jid);
            owners -= usize::from(was.is_some_and(|p| p.affiliation == Affiliation::Owner));
            owners += usize::from(c.affiliation() == Affiliation::Owner);
            new += usize::from(was.is_none() && c.person.is_some());
        }
        if owners == 0 && self.people.owners() > 0 {
            return Err(error::conflict(
                "a room keeps its last owner; make somebody else owner first",
            ));
        }
        if new > 0 && self.people.len() + new > most {
            return Err(error::busy(
                "the lists of this room are full; take somebody off them first",
            ));
        }
        Ok(())
    }

    /// As it is stored.
    pub fn rows(changes: &[Change]) -> Vec<Affiliate> {
        let row = |c: &Change| people::row(&c.jid, c.person.as_ref());
        changes.iter().map(row).collect()
    }
}

impl Room {
    /// Stores changes of a plain room's list and then shows them; an IQ is answered in between.
    pub(crate) fn change_people(
        &mut self,
        inbound: Option<Arrived>,
        changes: Vec<Change>,
        actor: Option<Arc<str>>,
        now: Timestamp,
        fx: &mut Effects,
    ) {
        let rows = Draft::rows(&changes);
        let then = move |room: &mut Room, result, _, fx: &mut Effects| {
            // Taken whole: it is dealt with when this has run.
            let inbound = &inbound;
            match (result, inbound) {
                (Ok(_), _) => {
                    let mut later = Effects::default();
                    room.apply_people(&changes, actor.as_deref(), fx, &mut later);
                    if let Some(i) = inbound.as_ref().filter(|i| i.stanza.is_request()) {
                        fx.reply(&i.sender, i.stanza.result(None).outgoing(Class::Iq));
                    }
                    fx.append(later);
                    room.last_has_left(fx);
                }
                (Err(failed), Some(i)) => fx.refuse(&i.stanza, &i.sender, &not_stored(failed)),
                (Err(_), None) => {}
            }
        };
        self.save_people(rows, Box::new(then), now, fx);
    }

    /// Stores lines of a plain room's list; a room that is not yet open is stored with its settings, later.
    pub(crate) fn save_people(&mut self, rows: Vec<Affiliate>, then: Then, now: Timestamp, fx: &mut Effects) {
        match &self.kind {
            Kind::Plain(p) if p.locked => self.in_turn(then, now, fx),
            _ => self.write(Write::Affiliates(rows), true, then, fx),
        }
    }

    /// Makes stored changes true: who is out hears it in `fx`, everybody else in `later`.
    pub(crate) fn apply_people(
        &mut self,
        changes: &[Change],
        actor: Option<&str>,
        fx: &mut Effects,
        later: &mut Effects,
    ) {
        for c in changes {
            let Kind::Plain(p) = &mut self.kind else { return };
            let was = p.people.affiliation(&c.jid);
            p.asked.remove(&c.jid);
            p.people.set(c.jid.clone(), c.person.clone());
            let places = self.places_of(&c.jid);
            if places.is_empty() && was != c.affiliation() {
                self.tell_absent(&c.jid, was, c, later);
            }
            for key in places {
                let Some(i) = self.occupants.of_key(&key) else {
                    continue;
                };
                let change = Departure {
                    actor,
                    reason: c.reason.as_deref(),
                    ..Departure::default()
                };
                let o = self.occupants.at(i);
                let (role, standing) = (o.role, self.standing(&o.user, &o.bare));
                let hats = self.hats_of(&o.user, &o.bare);
                if standing.join {
                    let o = self.occupants.at_mut(i);
                    if o.affiliation != standing.affiliation {
                        o.role_set = None;
                    }
                    if o.stand(standing, hats, 0) {
                        self.announce_change(i, role, change, later);
                    }
                    continue;
                }
                let code = match standing.affiliation {
                    Affiliation::Outcast => &["301"],
                    _ => &["321"],
                };
                let d = Departure {
                    codes: code,
                    affiliation: Some(standing.affiliation),
                    ..change
                };
                self.expel(i, d, fx, later);
            }
        }
    }

    /// Tells somebody who is not here what they are now; a new member of a room for members is invited.
    fn tell_absent(&self, jid: &BareJid, was: Affiliation, c: &Change, fx: &mut Effects) {
        if jid.local().is_none() {
            return;
        }
        let to = Jid::from(jid.clone());
        let mut w = XmlWriter::message();
        w.attr("from", &self.at).attr("to", to.as_str());
        w.open_ns("x", ns::MUC_USER).open("item");
        w.attr("affiliation", c.affiliation().as_str())
            .attr("jid", jid.as_str())
            .attr("role", "none");
        if let Some(reason) = &c.reason {
            w.leaf("reason", reason);
        }
        w.close().open("status").attr("code", "101").close();
        fx.rest
            .push(Effect::Outside(to.clone(), w.outgoing(Class::Message)));
        let locked = matches!(&self.kind, Kind::Plain(p) if p.locked);
        if self.settings.members_only
            && !locked
            && was <= Affiliation::None
            && c.affiliation() > Affiliation::None
        {
            let mut w = XmlWriter::message();
            w.attr("from", &self.at).attr("to", to.as_str());
            w.open_ns("x", ns::MUC_USER).open("invite").attr("from", &self.at);
            if let Some(reason) = &c.reason {
                w.leaf("reason", reason);
            }
            w.close();
            if let Some(password) = &self.settings.password {
                w.leaf("password", password);
            }
            fx.rest.push(Effect::Outside(to, w.outgoing(Class::Message)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use waddle_stanza::Condition;

    fn jid(s: &str) -> BareJid {
        s.parse().unwrap()
    }

    #[test]
    fn a_request_is_judged_as_a_whole() {
        let mut people = People::default();
        people.set(jid("a@x"), Some(Person::new(Affiliation::Owner)));
        let mut d = Draft::new(&people);
        d.set(jid("a@x"), Affiliation::Admin, None, None).unwrap();
        assert_eq!(d.check(10).unwrap_err().condition, Condition::Conflict);
        d.set(jid("b@x"), Affiliation::Owner, None, None).unwrap();
        d.check(10).unwrap();
        assert_eq!(d.check(1).unwrap_err().condition, Condition::ResourceConstraint);
    }

    #[test]
    fn nicknames_are_kept_given_up_and_reserved_once() {
        let mut people = People::default();
        people.set(jid("o@x"), Some(Person::new(Affiliation::Owner)));
        let witch = Person {
            nick: Some("witch".to_owned()),
            ..Person::new(Affiliation::Member)
        };
        people.set(jid("w@x"), Some(witch));
        let mut d = Draft::new(&people);
        let nick = |d: &Draft<'_>| d.changes.last().unwrap().person.clone().and_then(|p| p.nick);
        d.set(jid("w@x"), Affiliation::Admin, None, None).unwrap();
        assert_eq!(nick(&d).as_deref(), Some("witch"));
        d.set(jid("w@x"), Affiliation::Admin, Some(""), None).unwrap();
        assert_eq!(nick(&d), None);
        let taken = d.set(jid("o@x"), Affiliation::Owner, Some("Witch"), None);
        assert_eq!(taken.unwrap_err().condition, Condition::Conflict);
        d.set(jid("w@x"), Affiliation::Outcast, Some("witch"), None)
            .unwrap();
        assert_eq!(nick(&d), None, "outcasts have no nickname");
        let whole = d.set(jid("x"), Affiliation::Member, None, None);
        assert_eq!(whole.unwrap_err().condition, Condition::JidMalformed);
        assert_eq!(Draft::rows(&d.changes)[0].affiliation, "outcast");
    }
}
