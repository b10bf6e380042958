//! Entering a room ([XEP-0045 §7.2]), and making one by entering it (§10.1).
//!
//! [XEP-0045 §7.2]: https://xmpp.org/extensions/xep-0045.html#enter

use smallvec::smallvec;
use subtle_eq::equal;
use waddle_core::{BareJid, Timestamp};
use waddle_stanza::{Element, ns};

use crate::{
    activity::Activity,
    api::Arrived,
    error::{self, Outcome},
    history::Wanted,
    occupants::{Occupant, Session},
    people::{People, Person},
    room::{Kind, Plain, Room},
    standing::{Affiliation, Standing},
    state::{Effect, Effects},
};

mod subtle_eq {
    //! Comparing a password without telling by the time taken how much of it was right.

    /// Whether both are equal.
    pub fn equal(a: &str, b: &str) -> bool {
        let digest = |s: &str| ring::digest::digest(&ring::digest::SHA256, s.as_bytes());
        let (a, b) = (digest(a), digest(b));
        a.as_ref()
            .iter()
            .zip(b.as_ref())
            .fold(0, |acc, (x, y)| acc | (x ^ y))
            == 0
    }
}

impl Room {
    /// Somebody enters under the nickname `wanted`; `x` is their `<x xmlns='…/muc'/>`.
    pub(crate) fn enter(
        &mut self,
        inbound: &Arrived,
        wanted: &str,
        x: Element<'_>,
        now: Timestamp,
        fx: &mut Effects,
    ) -> Outcome {
        let sender = &inbound.sender;
        let bare = sender.jid.bare();
        let created = match &self.kind {
            Kind::Absent { .. } if self.is_group() => {
                return Err(error::item_not_found(
                    "there is no such group; groups are made by command or over the API",
                ));
            }
            Kind::Absent { full } => {
                if *full {
                    return Err(error::busy("this server has as many rooms as it can hold"));
                }
                self.check_nick(wanted, &bare, None)?;
                self.create(&bare);
                true
            }
            Kind::Nothing(_) => return self.absent(sender),
            Kind::Channel(_) | Kind::Plain(_) => false,
        };
        let standing = self.standing(&sender.user, &bare);
        if let Kind::Channel(c) = &self.kind
            && !standing.join
            && c.policy.is_invited(&sender.user)
        {
            // They accept by coming; the community makes them a member, and they enter then.
            fx.rest.push(Effect::Welcome(Box::new(inbound.clone())));
            return Ok(());
        }
        if !created {
            self.admission(inbound, standing, x)?;
        }
        let (key, address) = self.check_nick(wanted, &bare, None)?;
        self.screen_nick(&sender.user, wanted)?;
        let session = Session::of(sender, &inbound.stanza);
        let mut codes = self.entry_codes();
        if created {
            codes.push("201");
        }
        if let Some(i) = self.occupants.of_key(&key) {
            self.occupants.add_session(i, session);
            let o = self.occupants.at_mut(i);
            // The nickname is the one that the person's other client wrote (§7.2.8).
            if &*o.nick != wanted {
                codes.push("210");
            }
            o.presence = inbound.stanza.clone();
            o.shown = [None, None];
            self.show_all_to(i, fx);
            self.announce_to_others(i, fx);
            self.announce_to_own(i, &codes, fx);
            self.after_entering(i, x, now, fx);
            return Ok(());
        }
        let max = match self.settings.max_occupants as usize {
            0 => self.limits.muc_occupants,
            n => n.min(self.limits.muc_occupants),
        };
        if self.occupants.len() >= max && standing.affiliation < Affiliation::Admin {
            return Err(error::service_unavailable("this room is full; try again later"));
        }
        let nick = address.resource().unwrap_or(wanted).to_owned();
        let i = self.occupants.insert(Occupant {
            nick: nick.as_str().into(),
            key,
            address,
            user: sender.user.clone(),
            bare,
            affiliation: standing.affiliation,
            role: standing.role,
            role_set: None,
            revision: self.revision(),
            is_out: false,
            stable_id: self.occupant_id(&sender.user),
            sessions: smallvec![session],
            presence: inbound.stanza.clone(),
            hats: self.hats_of(&sender.user, &sender.jid.bare()),
            public: self.is_public(standing.role),
            shown: [None, None],
        });
        self.show_all_to(i, fx);
        self.announce(i, &codes, fx);
        self.after_entering(i, x, now, fx);
        Ok(())
    }

    /// Shows everything anew to a session that entered again.
    pub(crate) fn welcome_back(
        &mut self,
        i: usize,
        inbound: &Arrived,
        x: Element<'_>,
        now: Timestamp,
        fx: &mut Effects,
    ) {
        let o = self.occupants.at_mut(i);
        // The session that asked is the one to be shown everything.
        if let Some(at) = o.sessions.iter().position(|s| s.jid == inbound.sender.jid) {
            let last = o.sessions.len() - 1;
            o.sessions.swap(at, last);
        }
        o.presence = inbound.stanza.clone();
        o.shown = [None, None];
        let codes = self.entry_codes();
        self.show_all_to(i, fx);
        self.announce_to_others(i, fx);
        self.show_self(i, &codes, fx);
        self.after_entering(i, x, now, fx);
    }

    /// What a newcomer must know before they say anything: who sees their address, and that it is kept.
    fn entry_codes(&self) -> Vec<&'static str> {
        let mut codes = Vec::with_capacity(4);
        if self.settings.whois_anyone {
            codes.push("100");
        }
        if self.settings.archive {
            codes.push("170");
        }
        codes
    }

    fn after_entering(&mut self, i: usize, x: Element<'_>, now: Timestamp, fx: &mut Effects) {
        let mut wanted = x.child("history", ns::MUC).map(Wanted::parse).unwrap_or_default();
        if let Some(most) = self.settings.max_history {
            let most = most as usize;
            wanted.max_stanzas = Some(wanted.max_stanzas.map_or(most, |n| n.min(most)));
        }
        let o = self.occupants.at(i);
        if let Some(session) = o.sessions.last() {
            self.send_history(wanted, session, now, fx);
            self.send_subject(session, fx);
        }
    }

    /// Whether somebody may enter (§7.2.5 to §7.2.10).
    fn admission(&self, inbound: &Arrived, standing: Standing, x: Element<'_>) -> Outcome {
        match &self.kind {
            Kind::Channel(_) => {
                if standing.join {
                    return Ok(());
                }
                self.may_look(&inbound.sender)
            }
            Kind::Plain(p) => {
                if p.locked && standing.affiliation != Affiliation::Owner {
                    return Err(error::item_not_found("this room is not yet open"));
                }
                if standing.affiliation == Affiliation::Outcast {
                    return Err(error::forbidden("you are banned from this room"));
                }
                if !standing.join {
                    return Err(error::registration_required(
                        "this room is for members; ask one of its owners to make you one",
                    ));
                }
                if let Some(password) = &self.settings.password
                    && standing.affiliation < Affiliation::Owner
                {
                    let given = x.child_text("password", ns::MUC).unwrap_or_default();
                    if !equal(&given, password) {
                        return Err(error::not_authorized("this room asks for its password"));
                    }
                }
                Ok(())
            }
            Kind::Absent { .. } | Kind::Nothing(_) => self.absent(&inbound.sender),
        }
    }

    /// Makes a plain room, locked until its maker has configured it.
    fn create(&mut self, maker: &BareJid) {
        let mut people = People::default();
        people.set(maker.clone(), Some(Person::new(Affiliation::Owner)));
        self.kind = Kind::Plain(Box::new(Plain {
            people,
            locked: true,
            ..Plain::default()
        }));
        self.settings = waddle_storage::repo::rooms::RoomSettings::default();
        self.subject = None;
        self.avatar = None;
        self.activity = Activity::default();
        self.history.clear();
    }

    /// What a plain room does when nobody is left: go, unless it is to stay.
    pub(crate) fn last_has_left(&mut self, fx: &mut Effects) {
        let Kind::Plain(p) = &self.kind else { return };
        if !self.occupants.is_empty() || (self.settings.persistent && !p.locked) {
            return;
        }
        if p.locked {
            self.forget();
        } else {
            self.delete_when_stored(fx);
        }
    }

    /// Becomes an address without a room. That of a channel makes no plain room: what it is now is looked up
    /// when it is addressed again.
    pub(crate) fn forget(&mut self) {
        let absent = Kind::Absent { full: false };
        self.kind = match std::mem::replace(&mut self.kind, absent) {
            Kind::Channel(c) => Kind::Nothing(c.policy),
            Kind::Nothing(policy) => Kind::Nothing(policy),
            Kind::Plain(_) | Kind::Absent { .. } => Kind::Absent { full: false },
        };
        self.subject = None;
        self.avatar = None;
        self.history.clear();
    }
}
