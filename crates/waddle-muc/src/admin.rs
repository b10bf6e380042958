//! Moderation and administration ([XEP-0045 §8, §9]): lists, kicks, bans, voice, affiliations.
//!
//! In a plain room the list is the room's; in a channel affiliations are membership of the waddle, and changing
//! them is an operation of the community, with its own right.
//!
//! [XEP-0045 §8, §9]: https://xmpp.org/extensions/xep-0045.html#moderator

use std::sync::Arc;

use waddle_core::{BareJid, Jid, Timestamp};
use waddle_stanza::{Class, Element, ns};

use crate::{
    affiliations::Draft,
    api::{Arrived, Sender},
    error::{self, Outcome},
    manage::{self, Manage},
    nick,
    policy::Policy,
    room::{Kind, Room},
    rules::{self, Verdict},
    show::Departure,
    standing::{Affiliation, Role},
    state::{Effect, Effects, Noted},
};

/// Items of one request at the most.
const MOST: usize = 200;

/// One `<item/>` of a request, read.
struct Item {
    what: What,
    reason: Option<Arc<str>>,
}

enum What {
    Role(String, Role),
    Affiliation(BareJid, Affiliation, Option<String>),
}

fn allowed(verdict: Verdict) -> Outcome {
    match verdict {
        Verdict::Allowed => Ok(()),
        Verdict::Forbidden => Err(error::forbidden("you have no right to change this")),
        Verdict::NotAllowed => Err(error::not_allowed("their affiliation protects them from this")),
    }
}

impl Room {
    /// What somebody may do here: their affiliation, and the role that they have, with another client too. Admins
    /// need not be in the room.
    fn powers(&self, sender: &Sender) -> (Affiliation, Role) {
        let bare = sender.jid.bare();
        let standing = self.standing(&sender.user, &bare);
        let here = self.occupants.of_session(&sender.jid);
        let role = match here {
            // In a channel the permissions decide at this moment, whatever is still shown.
            Some(i) if matches!(self.kind, Kind::Channel(_)) => self.occupants.at(i).role.min(standing.role),
            Some(i) => self.occupants.at(i).role,
            None => {
                let same = self.occupants.iter().filter(|o| o.bare == bare);
                let role = same.map(|o| o.role).max();
                let away = match standing.affiliation {
                    Affiliation::Owner | Affiliation::Admin => standing.role,
                    _ => Role::None,
                };
                role.unwrap_or(away)
            }
        };
        (standing.affiliation, role)
    }

    /// A list of people of one affiliation or role.
    pub(crate) fn admin_list(&mut self, inbound: Arrived, query: Element<'_>, fx: &mut Effects) -> Outcome {
        self.may_look(&inbound.sender)?;
        let item = query
            .child("item", ns::MUC_ADMIN)
            .ok_or_else(|| error::bad_request("the query names an affiliation or a role in an item"))?;
        let asker = self.powers(&inbound.sender);
        if let Some(role) = item.attr("role") {
            let role = Role::parse(&role).ok_or_else(|| error::bad_request("there is no such role"))?;
            return self.role_list(&inbound, asker, role, fx);
        }
        let wanted = item
            .attr("affiliation")
            .and_then(|a| Affiliation::parse(&a))
            .filter(|a| *a != Affiliation::None)
            .ok_or_else(|| error::bad_request("there is no list of that affiliation"))?;
        if !self.may_list(asker, wanted) {
            return Err(error::forbidden("you may not see this list"));
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

    /// The voice list is the moderators', that of moderators the admins' (§8.5, §9.8).
    fn role_list(
        &self,
        inbound: &Arrived,
        (affiliation, role): (Affiliation, Role),
        wanted: Role,
        fx: &mut Effects,
    ) -> Outcome {
        let channel = matches!(self.kind, Kind::Channel(_));
        if role < Role::Moderator {
            return Err(error::forbidden("only a moderator may see this list"));
        }
        if wanted == Role::Moderator && affiliation < Affiliation::Admin && !channel {
            return Err(error::forbidden("only an admin may see the list of moderators"));
        }
        let mut w = inbound.stanza.result(None);
        w.open_ns("query", ns::MUC_ADMIN);
        for o in self.occupants.iter().filter(|o| o.role == wanted) {
            w.open("item")
                .attr("affiliation", o.affiliation.as_str())
                .attr("role", o.role.as_str())
                .attr("nick", &o.nick)
                .attr_opt("jid", o.sessions.first().map(|s| s.jid.as_str()))
                .close();
        }
        fx.reply(&inbound.sender, w.outgoing(Class::Iq));
        Ok(())
    }

    /// Whether somebody may read the list of an affiliation (§9.2, §9.5, §10.5, §10.8).
    fn may_list(&self, (affiliation, role): (Affiliation, Role), wanted: Affiliation) -> bool {
        if matches!(self.kind, Kind::Channel(_)) {
            let known = self.settings.whois_anyone && self.settings.members_only;
            return affiliation >= Affiliation::Admin
                || (wanted > Affiliation::None && known && affiliation >= Affiliation::Member);
        }
        // Where everybody sees everybody's address, members know each other.
        let known = self.settings.whois_anyone && affiliation >= Affiliation::Member;
        match wanted {
            Affiliation::Outcast | Affiliation::None => affiliation >= Affiliation::Admin,
            Affiliation::Member => {
                affiliation >= Affiliation::Admin
                    || known
                    || (affiliation > Affiliation::Outcast && self.settings.member_list_for.has(role.bit()))
            }
            Affiliation::Admin | Affiliation::Owner => affiliation == Affiliation::Owner || known,
        }
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
        self.judge();
        let asker = self.powers(&inbound.sender);
        let mut roles = Vec::new();
        let mut affiliations = Vec::new();
        for (n, item) in query
            .children()
            .filter(|c| c.is("item", ns::MUC_ADMIN))
            .enumerate()
        {
            if n == MOST {
                return Err(error::bad_request("too many items in one request"));
            }
            let item = self.read_item(&inbound, asker, item)?;
            match item.what {
                What::Role(key, role) => roles.push((key, role, item.reason)),
                What::Affiliation(jid, to, nick) => affiliations.push((jid, to, nick, item.reason)),
            }
        }
        if roles.is_empty() && affiliations.is_empty() {
            return Err(error::bad_request("there is no item in the request"));
        }
        if !roles.is_empty() && !affiliations.is_empty() {
            return Err(error::bad_request(
                "a request changes roles or affiliations, not both",
            ));
        }
        let here = self.occupants.of_session(&inbound.sender.jid);
        let actor = here.map(|i| self.occupants.at(i).nick.clone());
        if affiliations.is_empty() {
            let mut later = Effects::default();
            for (key, role, reason) in roles {
                self.note_role(&inbound, &key, role, reason.as_deref(), fx);
                self.set_role(&key, role, actor.as_deref(), reason.as_deref(), fx, &mut later);
            }
            fx.reply(&inbound.sender, inbound.stanza.result(None).outgoing(Class::Iq));
            fx.append(later);
            self.last_has_left(fx);
            return Ok(());
        }
        let Kind::Plain(p) = &self.kind else {
            let changes = affiliations
                .into_iter()
                .map(|(jid, affiliation, _, reason)| manage::Change {
                    jid,
                    affiliation,
                    reason,
                })
                .collect();
            fx.rest
                .push(Effect::Manage(Box::new(inbound), Manage { changes }));
            return Ok(());
        };
        let mut draft = Draft::new(&p.people);
        for (jid, affiliation, nick, reason) in affiliations {
            draft.set(jid, affiliation, nick.as_deref(), reason)?;
        }
        draft.check(self.limits.muc_affiliations)?;
        let changes = draft.changes;
        self.change_people(Some(inbound), changes, actor, now, fx);
        Ok(())
    }

    fn read_item(&self, inbound: &Arrived, asker: (Affiliation, Role), item: Element<'_>) -> Outcome<Item> {
        let reason = item
            .child_text("reason", ns::MUC_ADMIN)
            .filter(|r| !r.is_empty())
            .map(|r| Arc::from(&*r));
        let named = item.attr("nick");
        let of_nick = named.as_deref().and_then(|n| nick::key(n, usize::MAX).ok());
        let target = of_nick.and_then(|key| self.occupants.of_key(&key));
        let nobody = || error::item_not_found("nobody of that nickname is in the room");
        match (item.attr("affiliation"), item.attr("role")) {
            (Some(_), Some(_)) => Err(error::bad_request(
                "an item changes a role or an affiliation, not both",
            )),
            (Some(affiliation), None) => {
                let affiliation = Affiliation::parse(&affiliation)
                    .ok_or_else(|| error::bad_request("there is no such affiliation"))?;
                let (jid, nick) = match item.attr("jid") {
                    Some(jid) => {
                        let jid: Jid = jid
                            .parse()
                            .map_err(|_| error::jid_malformed("the item's jid is no address"))?;
                        (jid.bare(), named.map(std::borrow::Cow::into_owned))
                    }
                    None => (self.occupants.at(target.ok_or_else(nobody)?).bare.clone(), None),
                };
                self.may_set_affiliation(inbound, asker.0, &jid, affiliation)?;
                Ok(Item {
                    what: What::Affiliation(jid, affiliation, nick),
                    reason,
                })
            }
            (None, Some(role)) => {
                let role = Role::parse(&role).ok_or_else(|| error::bad_request("there is no such role"))?;
                if asker.1 < Role::Moderator {
                    return Err(error::forbidden("only a moderator may change roles"));
                }
                let target = self.occupants.at(target.ok_or_else(nobody)?);
                allowed(rules::role(asker, (target.affiliation, target.role), role))?;
                if matches!(self.kind, Kind::Channel(_))
                    && role > self.standing(&target.user, &target.bare).role
                {
                    return Err(error::not_allowed(
                        "the waddle's permissions do not give them that; change their role in the waddle",
                    ));
                }
                Ok(Item {
                    what: What::Role(target.key.clone(), role),
                    reason,
                })
            }
            (None, None) => Err(error::bad_request("an item names a role or an affiliation")),
        }
    }

    fn may_set_affiliation(
        &self,
        inbound: &Arrived,
        asker: Affiliation,
        jid: &BareJid,
        new: Affiliation,
    ) -> Outcome {
        let Kind::Plain(p) = &self.kind else {
            let manages = |p: &dyn Policy| p.manages_people(&inbound.sender.user);
            return if self.policy().is_some_and(manages) {
                Ok(())
            } else {
                Err(error::forbidden("you have no right to change this"))
            };
        };
        if *jid == inbound.sender.jid.bare() && new == Affiliation::Outcast && asker >= Affiliation::Admin {
            return Err(error::conflict("you cannot ban yourself"));
        }
        let now = p.people.get(jid).map_or(Affiliation::None, |p| p.affiliation);
        allowed(rules::affiliation(asker, now, new))
    }

    /// What a moderator does to an occupant of a channel stands in the audit log of the waddle.
    fn note_role(&self, inbound: &Arrived, key: &str, role: Role, reason: Option<&str>, fx: &mut Effects) {
        let Some(target) = self.occupants.of_key(key).map(|i| self.occupants.at(i)) else {
            return;
        };
        if !matches!(self.kind, Kind::Channel(_)) || target.role == role {
            return;
        }
        let noted = Noted {
            actor: inbound.sender.user.clone(),
            session: inbound.sender.jid.clone(),
            action: if role == Role::None {
                "occupant.kick"
            } else {
                "occupant.role"
            },
            target: target.user.subject(),
            detail: format!("{} in {}", role.as_str(), self.at),
            reason: reason.map(str::to_owned),
        };
        fx.rest.push(Effect::Note(Box::new(noted)));
    }

    fn set_role(
        &mut self,
        key: &str,
        role: Role,
        actor: Option<&str>,
        reason: Option<&str>,
        fx: &mut Effects,
        later: &mut Effects,
    ) {
        let Some(i) = self.occupants.of_key(key) else {
            return;
        };
        let change = Departure {
            actor,
            reason,
            ..Departure::default()
        };
        if role == Role::None {
            let d = Departure {
                codes: &["307"],
                ..change
            };
            return self.expel(i, d, fx, later);
        }
        let o = self.occupants.at_mut(i);
        if o.role != role {
            let was = std::mem::replace(&mut o.role, role);
            o.role_set = Some(role);
            o.shown = [None, None];
            self.announce_change(i, was, change, later);
        }
    }
}
