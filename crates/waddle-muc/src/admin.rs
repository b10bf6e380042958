//! Moderation and administration ([XEP-0045 §8, §9]): lists, kicks, bans, voice, affiliations.
//!
//! In a plain room the list is the room's; in a channel affiliations are membership of the waddle, and changing
//! them is an operation of the community, with its own right.
//!
//! [XEP-0045 §8, §9]: https://xmpp.org/extensions/xep-0045.html#moderator

use std::sync::Arc;

use waddle_core::{BareJid, Timestamp};
use waddle_stanza::{Class, Element, ns};
use waddle_storage::repo::rooms::Affiliate;

use crate::{
    api::Arrived,
    error::{self, Outcome},
    manage::{Change, Manage, Who},
    message::not_stored,
    nick,
    room::{Kind, Person, Room},
    rules::{self, Verdict},
    show::Departure,
    standing::{Affiliation, Role},
    state::{Effect, Effects, Then, Write},
};

/// Items of one request at the most.
const MOST: usize = 200;

/// One `<item/>` of a request, checked.
enum Item {
    Role {
        key: String,
        role: Role,
        reason: Option<Arc<str>>,
    },
    Affiliation(Change),
}

fn allowed(verdict: Verdict) -> Outcome {
    match verdict {
        Verdict::Allowed => Ok(()),
        Verdict::Forbidden => Err(error::forbidden("you have no right to change this")),
        Verdict::NotAllowed => Err(error::not_allowed("their affiliation protects them from this")),
        Verdict::Conflict => Err(error::conflict(
            "a room keeps its last owner; make somebody else owner first",
        )),
    }
}

impl Room {
    /// A list of people of one affiliation or role.
    pub(crate) fn admin_list(&mut self, inbound: Arrived, query: Element<'_>, fx: &mut Effects) -> Outcome {
        self.may_look(&inbound.sender)?;
        let item = query
            .child("item", ns::MUC_ADMIN)
            .ok_or_else(|| error::bad_request("the query names an affiliation or a role in an item"))?;
        let bare = inbound.sender.jid.bare();
        let asker = self.standing(&inbound.sender.user, &bare);
        if let Some(role) = item.attr("role") {
            let role = Role::parse(&role).ok_or_else(|| error::bad_request("there is no such role"))?;
            let here = self.occupants.of_session(&inbound.sender.jid);
            if here.is_none_or(|i| self.occupants.at(i).role < Role::Moderator) {
                return Err(error::forbidden("only a moderator may see this list"));
            }
            let mut w = inbound.stanza.result(None);
            w.open_ns("query", ns::MUC_ADMIN);
            for o in self.occupants.iter().filter(|o| o.role == role) {
                w.open("item")
                    .attr("affiliation", o.affiliation.as_str())
                    .attr("role", o.role.as_str())
                    .attr("nick", &o.nick)
                    .attr_opt("jid", o.sessions.first().map(|s| s.jid.as_str()))
                    .close();
            }
            fx.reply(&inbound.sender, w.outgoing(Class::Iq));
            return Ok(());
        }
        let wanted = item
            .attr("affiliation")
            .and_then(|a| Affiliation::parse(&a))
            .filter(|a| *a != Affiliation::None)
            .ok_or_else(|| error::bad_request("there is no list of that affiliation"))?;
        // Where everybody sees everybody's address, members may see the list of members.
        let open_to_members = wanted > Affiliation::None
            && asker.affiliation >= Affiliation::Member
            && self.settings.whois_anyone
            && self.settings.members_only;
        if asker.affiliation < Affiliation::Admin && !open_to_members {
            return Err(error::forbidden("only admins may see this list"));
        }
        let Kind::Plain(p) = &self.kind else {
            fx.rest.push(Effect::List(Box::new(inbound), wanted));
            return Ok(());
        };
        let mut w = inbound.stanza.result(None);
        w.open_ns("query", ns::MUC_ADMIN);
        for (jid, person) in p.people.iter().filter(|(_, p)| p.affiliation == wanted) {
            w.open("item")
                .attr("affiliation", wanted.as_str())
                .attr("jid", jid.as_str())
                .attr_opt("nick", person.nick.as_deref());
            if let Some(reason) = &person.reason {
                w.leaf("reason", reason);
            }
            w.close();
        }
        fx.reply(&inbound.sender, w.outgoing(Class::Iq));
        Ok(())
    }

    /// Changes of roles and affiliations: all of a request, or none.
    pub(crate) fn admin_change(
        &mut self,
        inbound: Arrived,
        query: Element<'_>,
        now: Timestamp,
        fx: &mut Effects,
    ) -> Outcome {
        self.may_look(&inbound.sender)?;
        let mut items = Vec::new();
        for item in query.children().filter(|c| c.is("item", ns::MUC_ADMIN)) {
            if items.len() == MOST {
                return Err(error::bad_request("too many items in one request"));
            }
            items.push(self.read_item(&inbound, item)?);
        }
        if items.is_empty() {
            return Err(error::bad_request("there is no item in the request"));
        }
        let mut changes = Vec::new();
        let actor = self
            .occupants
            .of_session(&inbound.sender.jid)
            .map(|i| self.occupants.at(i).nick.clone());
        for item in items {
            match item {
                Item::Role { key, role, reason } => {
                    self.set_role(&key, role, actor.as_deref(), reason.as_deref(), fx);
                }
                Item::Affiliation(change) => changes.push(change),
            }
        }
        if changes.is_empty() {
            fx.reply(&inbound.sender, inbound.stanza.result(None).outgoing(Class::Iq));
            return Ok(());
        }
        if matches!(self.kind, Kind::Channel(_)) {
            fx.rest
                .push(Effect::Manage(Box::new(inbound), Manage { changes }));
            return Ok(());
        }
        let listed = changes
            .iter()
            .filter(|c| c.affiliation != Affiliation::None)
            .filter_map(Change::jid);
        if !self.has_room_on_lists(listed) {
            return Err(error::busy(
                "the lists of this room are full; take somebody off them first",
            ));
        }
        self.set_affiliations(inbound, changes, actor, now, fx);
        Ok(())
    }

    /// Whether a plain room's lists can take these people too.
    pub(crate) fn has_room_on_lists<'a>(&self, more: impl Iterator<Item = &'a BareJid>) -> bool {
        match &self.kind {
            Kind::Plain(p) => {
                let new = more.filter(|jid| !p.people.contains_key(*jid)).count();
                new == 0 || p.people.len() + new <= self.limits.muc_affiliations
            }
            _ => true,
        }
    }

    fn read_item(&self, inbound: &Arrived, item: Element<'_>) -> Outcome<Item> {
        let reason = item
            .child_text("reason", ns::MUC_ADMIN)
            .filter(|r| !r.is_empty())
            .map(|r| Arc::from(&*r));
        let of_nick = item.attr("nick").and_then(|n| nick::key(&n, usize::MAX).ok());
        if let Some(affiliation) = item.attr("affiliation") {
            let affiliation = Affiliation::parse(&affiliation)
                .ok_or_else(|| error::bad_request("there is no such affiliation"))?;
            let jid = match item.attr("jid") {
                Some(jid) => {
                    let jid: waddle_core::Jid = jid
                        .parse()
                        .map_err(|_| error::jid_malformed("the item's jid is no address"))?;
                    jid.bare()
                }
                None => of_nick
                    .and_then(|key| self.occupants.of_key(&key))
                    .map(|i| self.occupants.at(i).bare.clone())
                    .ok_or_else(|| error::item_not_found("nobody of that nickname is in the room"))?,
            };
            self.may_set_affiliation(inbound, &jid, affiliation)?;
            let nick = item.attr("nick").filter(|_| item.attr("jid").is_some());
            return Ok(Item::Affiliation(Change {
                who: Who::Jid(jid),
                affiliation,
                nick: nick.map(std::borrow::Cow::into_owned),
                reason,
            }));
        }
        let role = item
            .attr("role")
            .and_then(|r| Role::parse(&r))
            .ok_or_else(|| error::bad_request("an item names a role or an affiliation"))?;
        let i = self.occupant_of(&inbound.sender)?;
        let target = of_nick
            .and_then(|key| self.occupants.of_key(&key))
            .ok_or_else(|| error::item_not_found("nobody of that nickname is in the room"))?;
        let (actor, target) = (self.occupants.at(i), self.occupants.at(target));
        let verdict = rules::role(
            (actor.affiliation, actor.role),
            (target.affiliation, target.role),
            role,
        );
        allowed(verdict)?;
        if matches!(self.kind, Kind::Channel(_)) && role > self.standing(&target.user, &target.bare).role {
            return Err(error::not_allowed(
                "the waddle's permissions do not give them that; change their role in the waddle",
            ));
        }
        Ok(Item::Role {
            key: target.key.clone(),
            role,
            reason,
        })
    }

    fn may_set_affiliation(&self, inbound: &Arrived, jid: &BareJid, new: Affiliation) -> Outcome {
        let bare = inbound.sender.jid.bare();
        let asker = self.standing(&inbound.sender.user, &bare).affiliation;
        let Kind::Plain(p) = &self.kind else {
            return if asker >= Affiliation::Admin {
                Ok(())
            } else {
                Err(error::forbidden("you have no right to change this"))
            };
        };
        let now = p.people.get(jid).map_or(Affiliation::None, |p| p.affiliation);
        let owners = p
            .people
            .values()
            .filter(|p| p.affiliation == Affiliation::Owner)
            .count();
        if *jid == bare && new == Affiliation::Outcast && asker >= Affiliation::Admin {
            return Err(error::conflict("you cannot ban yourself"));
        }
        allowed(rules::affiliation(asker, now, new, owners))
    }

    fn set_role(
        &mut self,
        key: &str,
        role: Role,
        actor: Option<&str>,
        reason: Option<&str>,
        fx: &mut Effects,
    ) {
        let Some(i) = self.occupants.of_key(key) else {
            return;
        };
        if role == Role::None {
            let d = Departure {
                codes: &["307"],
                actor,
                reason,
                ..Departure::default()
            };
            self.depart(i, d, fx);
            return self.last_has_left(fx);
        }
        let o = self.occupants.at_mut(i);
        if o.role != role {
            o.role = role;
            o.role_set = Some(role);
            o.shown = [None, None];
            self.announce(i, &[], fx);
        }
    }

    /// Changes a plain room's list, once it is stored.
    fn set_affiliations(
        &mut self,
        inbound: Arrived,
        changes: Vec<Change>,
        actor: Option<Arc<str>>,
        now: Timestamp,
        fx: &mut Effects,
    ) {
        let rows = changes
            .iter()
            .map(|c| Affiliate {
                jid: c.jid().map(ToString::to_string).unwrap_or_default(),
                affiliation: c.affiliation.as_str().to_owned(),
                nick: c.nick.clone(),
                reason: c.reason.as_deref().map(str::to_owned),
            })
            .collect();
        let then = move |room: &mut Room, result, _, fx: &mut Effects| {
            // Taken whole: it is dealt with when this has run.
            let inbound = &inbound;
            match result {
                Ok(_) => {
                    room.apply_affiliations(&changes, actor.as_deref(), fx);
                    fx.reply(&inbound.sender, inbound.stanza.result(None).outgoing(Class::Iq));
                    room.last_has_left(fx);
                }
                Err(failed) => fx.refuse(&inbound.stanza, &inbound.sender, &not_stored(failed)),
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

    fn apply_affiliations(&mut self, changes: &[Change], actor: Option<&str>, fx: &mut Effects) {
        for c in changes {
            let (Some(jid), Kind::Plain(p)) = (c.jid(), &mut self.kind) else {
                continue;
            };
            if c.affiliation == Affiliation::None {
                p.people.remove(jid);
            } else {
                let person = Person {
                    affiliation: c.affiliation,
                    nick: c.nick.clone(),
                    reason: c.reason.as_deref().map(str::to_owned),
                };
                p.people.insert(jid.clone(), person);
            }
            let standing = self.plain_standing(c.affiliation);
            for key in self.places_of(jid) {
                let Some(i) = self.occupants.of_key(&key) else {
                    continue;
                };
                if standing.join {
                    self.occupants.at_mut(i).role_set = None;
                    if self.occupants.at_mut(i).stand(standing, 0) {
                        self.announce(i, &[], fx);
                    }
                    continue;
                }
                let codes: &[&str] = if c.affiliation == Affiliation::Outcast {
                    &["301"]
                } else {
                    &["321"]
                };
                let d = Departure {
                    codes,
                    affiliation: Some(c.affiliation),
                    actor,
                    reason: c.reason.as_deref(),
                    ..Departure::default()
                };
                self.depart(i, d, fx);
            }
        }
    }
}
