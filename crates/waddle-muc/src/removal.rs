//! Changes of permissions that reach people who are in the room: they leave, or their role changes, at once
//! ([XEP-0045 §9.2 to §9.4], `specs/rooms.md` "Changes while somebody is in").
//!
//! [XEP-0045 §9.2 to §9.4]: https://xmpp.org/extensions/xep-0045.html#ban

use ahash::AHashSet;
use waddle_community::RemovalKind;
use waddle_core::{Timestamp, UserId};
use waddle_stanza::{Class, XmlWriter, ns};
use waddle_storage::repo::rooms::RoomSettings;

use crate::{
    policy::Policy,
    room::{Kind, Room},
    show::{Departure, Destroyed},
    silence,
    standing::Affiliation,
    state::Effects,
};

impl Room {
    /// Compares what these people may do now with what is shown of them; everybody, without a list.
    pub(crate) fn recheck(&mut self, users: Option<&[UserId]>, fx: &mut Effects) {
        self.judge();
        let users: Option<AHashSet<&UserId>> = users.map(|list| list.iter().collect());
        let concerned: Vec<String> = self
            .occupants
            .iter()
            .filter(|o| users.as_ref().is_none_or(|list| list.contains(&o.user)))
            .map(|o| o.key.clone())
            .collect();
        let revision = self.revision();
        for key in concerned {
            let Some(i) = self.occupants.of_key(&key) else {
                continue;
            };
            let o = self.occupants.at(i);
            let standing = self.standing(&o.user, &o.bare);
            if standing.join {
                let was = o.role;
                let hats = self.hats_of(&o.user, &o.bare);
                if self.occupants.at_mut(i).stand(standing, hats, revision) {
                    let user = &self.occupants.at(i).user;
                    let why = self.policy().and_then(|p| silence::timed_out(p, user));
                    let d = Departure {
                        reason: why.as_deref(),
                        ..Departure::default()
                    };
                    self.announce_change(i, was, d, fx);
                }
                continue;
            }
            // No member any more (321), or banned (301).
            let (code, affiliation) = match standing.affiliation {
                Affiliation::Outcast => ("301", Affiliation::Outcast),
                _ if self.settings.members_only && matches!(self.kind, Kind::Plain(_)) => {
                    ("322", Affiliation::None)
                }
                _ => ("321", Affiliation::None),
            };
            let d = Departure {
                codes: &[code],
                affiliation: Some(affiliation),
                ..Departure::default()
            };
            self.depart(i, d, fx);
        }
        self.last_has_left(fx);
    }

    /// Somebody is no member of the waddle any more.
    pub(crate) fn removed(
        &mut self,
        user: &UserId,
        kind: RemovalKind,
        reason: Option<&str>,
        fx: &mut Effects,
    ) {
        self.judge();
        let (code, affiliation) = match kind {
            RemovalKind::Banned => ("301", Affiliation::Outcast),
            RemovalKind::Kicked => ("307", Affiliation::None),
            RemovalKind::Removed | RemovalKind::Left => ("321", Affiliation::None),
        };
        // Whoever is banned reads at once how to appeal.
        let appeal = self
            .policy()
            .filter(|_| kind == RemovalKind::Banned)
            .and_then(Policy::appeal);
        let told = appeal.map(|a| {
            silence::with_appeal(
                reason.unwrap_or("you are banned from this waddle").to_owned(),
                Some(a),
            )
        });
        let reason = told.as_deref().or(reason);
        let keys: Vec<String> = self
            .occupants
            .iter()
            .filter(|o| o.user == *user)
            .map(|o| o.key.clone())
            .collect();
        for key in keys {
            let Some(i) = self.occupants.of_key(&key) else {
                continue;
            };
            let o = self.occupants.at(i);
            let standing = self.standing(&o.user, &o.bare);
            if standing.join && matches!(kind, RemovalKind::Removed | RemovalKind::Left) {
                // The channel is open to everybody: they stay as a guest.
                let (was, revision) = (o.role, self.revision());
                let hats = self.hats_of(&o.user, &o.bare);
                if self.occupants.at_mut(i).stand(standing, hats, revision) {
                    self.announce_change(i, was, Departure::default(), fx);
                }
                continue;
            }
            let d = Departure {
                codes: &[code],
                affiliation: Some(affiliation),
                reason,
                ..Departure::default()
            };
            self.depart(i, d, fx);
        }
    }

    /// New settings of a channel: tell everybody that something changed (XEP-0045 §10.2.1).
    pub(crate) fn renewed(&mut self, settings: RoomSettings, now: Timestamp, fx: &mut Effects) {
        if settings.description != self.settings.description {
            self.settings.description.clone_from(&settings.description);
            // What an occupant asked for comes in their name.
            if self.topic_asked.as_ref() != Some(&settings.description) {
                self.show_topic(settings.description.clone(), now, fx);
            }
        }
        let mut settings = settings;
        if !matches!(self.kind, Kind::Channel(_)) {
            // It does not follow from a row of its own.
            settings.retention_days = self.settings.retention_days;
        }
        if self.settings != settings {
            let codes = changed_codes(&self.settings, &settings);
            self.settings = settings;
            self.tell_codes(&codes, fx);
        }
    }

    /// The channel, or its waddle, was deleted.
    pub(crate) fn channel_deleted(&mut self, fx: &mut Effects) {
        let d = Departure {
            affiliation: Some(Affiliation::None),
            reason: Some("this channel was deleted"),
            destroyed: Some(Destroyed::default()),
            ..Departure::default()
        };
        self.empty(d, fx);
        self.forget();
    }

    /// A waddle has taken the slug that the name of this room begins with, before the room was stored.
    pub(crate) fn claimed(&mut self, fx: &mut Effects) {
        if !matches!(self.kind, Kind::Channel(_)) {
            self.channel_deleted(fx);
            // Whoever comes before this actor has stopped makes no room here either.
            self.kind = Kind::Absent { full: true };
        }
    }

    /// A message with status codes for everybody.
    pub(crate) fn tell_codes(&mut self, codes: &[&str], fx: &mut Effects) {
        let mut w = XmlWriter::message();
        w.attr("from", &self.at).attr("type", "groupchat");
        w.open_ns("x", ns::MUC_USER);
        for code in codes {
            w.open("status").attr("code", code).close();
        }
        let fan = crate::fan::Fan::new(w.outgoing(Class::Message));
        self.broadcast(&fan, fx);
    }
}

/// The status codes that tell of a change of settings.
pub(crate) fn changed_codes(old: &RoomSettings, new: &RoomSettings) -> Vec<&'static str> {
    let mut codes = Vec::new();
    if old.archive != new.archive {
        codes.push(if new.archive { "170" } else { "171" });
    }
    if old.whois_anyone != new.whois_anyone {
        codes.push(if new.whois_anyone { "172" } else { "173" });
    }
    let other = RoomSettings {
        archive: old.archive,
        whois_anyone: old.whois_anyone,
        ..new.clone()
    };
    if other != *old {
        codes.push("104");
    }
    codes
}
