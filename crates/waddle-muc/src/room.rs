//! One room: what it is, who is in it, and what all features ask of it.

use std::{collections::VecDeque, sync::Arc};

use ahash::AHashSet;
use waddle_core::{BareJid, ChannelId, Jid, Limits, RoomName, UserId, WaddleId};
use waddle_storage::repo::rooms::{RoomSettings, Subject};

use crate::{
    activity::Activity,
    api::Sender,
    avatar::Avatar,
    error::{self, Outcome},
    hats::Hats,
    history::Past,
    occupant_id::RoomSecret,
    occupants::Occupants,
    people::People,
    policy::Policy,
    relay::Relays,
    say::Pace,
    silence,
    slash::SlashCommands,
    slow_mode::Slow,
    standing::{Affiliation, Role, Standing},
    state::Queue,
};

/// What stands behind an address of the service.
#[derive(Debug)]
pub enum Kind {
    /// A channel of a waddle.
    Channel(Channel),
    /// A room that some client made.
    Plain(Box<Plain>),
    /// A plain room that does not exist: entering makes it, if there is room for one more.
    Absent {
        /// Whether the server has as many plain rooms as it may have.
        full: bool,
    },
    /// An address below a waddle that is no channel.
    Nothing(Box<dyn Policy>),
}

/// A channel.
#[derive(Debug)]
pub struct Channel {
    /// Its waddle.
    pub waddle: WaddleId,
    /// Which of its channels.
    pub id: ChannelId,
    /// Who may do what.
    pub policy: Box<dyn Policy>,
}

/// A plain room's people.
#[derive(Debug, Default)]
pub struct Plain {
    /// Everybody with an affiliation other than none.
    pub people: People,
    /// Until its maker has configured it, nobody else gets in (XEP-0045 §10.1).
    pub locked: bool,
    /// Its hats.
    pub hats: Hats,
    /// Who waits for an admin to register them (§9.9).
    pub asked: AHashSet<BareJid>,
}

/// A room.
#[derive(Debug)]
pub struct Room {
    /// Its address.
    pub jid: BareJid,
    /// Its address as text.
    pub at: Arc<str>,
    /// Limits.
    pub limits: Arc<Limits>,
    /// What it is.
    pub kind: Kind,
    /// Settings.
    pub settings: RoomSettings,
    /// Makes the occupant ids.
    pub secret: RoomSecret,
    /// Who is here.
    pub occupants: Occupants,
    /// The revision of the permissions at which it was last known of everybody whether they may be here.
    judged: u64,
    /// What it is about.
    pub subject: Option<Subject>,
    /// The topic that an occupant has asked the community for.
    pub(crate) topic_asked: Option<String>,
    /// The tail of the archive, oldest first.
    pub history: VecDeque<Past>,
    /// Its vCard.
    pub(crate) avatar: Option<Avatar>,
    /// Messages per hour.
    pub(crate) activity: Activity,
    /// IQ requests between occupants.
    pub(crate) relays: Relays,
    pub(crate) queue: Queue,
    /// Who must wait in slow mode.
    pub(crate) slow: Slow,
    /// Who must wait, of those who use no client.
    pub(crate) pace: Pace,
    /// Who carries out commands.
    pub(crate) slash: Option<Arc<dyn SlashCommands>>,
}

impl Room {
    /// A room without occupants.
    pub fn new(
        jid: BareJid,
        limits: Arc<Limits>,
        kind: Kind,
        settings: RoomSettings,
        secret: RoomSecret,
    ) -> Self {
        Self {
            at: jid.as_str().into(),
            jid,
            limits,
            kind,
            settings,
            secret,
            occupants: Occupants::default(),
            judged: 0,
            subject: None,
            topic_asked: None,
            history: VecDeque::new(),
            avatar: None,
            activity: Activity::default(),
            relays: Relays::default(),
            queue: Queue::default(),
            slow: Slow::default(),
            pace: Pace::default(),
            slash: None,
        }
    }

    /// Whether there is a room at all.
    pub fn exists(&self) -> bool {
        matches!(self.kind, Kind::Channel(_) | Kind::Plain(_))
    }

    /// Whether nothing is going on, so that the actor may stop.
    pub fn is_idle(&self) -> bool {
        self.occupants.is_empty() && self.queue.is_empty()
    }

    /// Whether messages go to the archive: not before the room is open.
    pub fn keeps(&self) -> bool {
        let locked = matches!(&self.kind, Kind::Plain(p) if p.locked);
        self.settings.archive && !locked
    }

    /// The revision that standings are computed at now.
    pub fn revision(&self) -> u64 {
        match &self.kind {
            Kind::Channel(c) => c.policy.revision(),
            _ => 0,
        }
    }

    /// What somebody is here.
    pub fn standing(&self, user: &UserId, bare: &BareJid) -> Standing {
        match &self.kind {
            Kind::Channel(c) => c.policy.standing(user),
            Kind::Plain(p) => self.plain_standing(p.people.affiliation(bare)),
            Kind::Absent { .. } | Kind::Nothing(_) => Standing::STRANGER,
        }
    }

    /// What an affiliation means in a plain room with these settings.
    pub fn plain_standing(&self, affiliation: Affiliation) -> Standing {
        let s = &self.settings;
        let (join, role) = match affiliation {
            Affiliation::Outcast => (false, Role::None),
            Affiliation::Owner | Affiliation::Admin => (true, Role::Moderator),
            Affiliation::Member => (true, Role::Participant),
            Affiliation::None if s.members_only => (false, Role::None),
            Affiliation::None if s.moderated => (true, Role::Visitor),
            Affiliation::None => (true, Role::Participant),
        };
        Standing {
            join,
            affiliation,
            role,
        }
    }

    /// What the occupant's identifier is computed from: the person, not the device.
    pub fn occupant_id(&self, user: &UserId) -> String {
        self.secret.occupant_id(user.as_str())
    }

    /// The occupant of a session, or why there is none.
    pub fn occupant_of(&self, sender: &Sender) -> Outcome<usize> {
        if let Some(i) = self.occupants.of_session(&sender.jid) {
            return Ok(i);
        }
        self.may_look(sender)?;
        Err(error::not_acceptable("you are not in this room; join it first"))
    }

    /// Brings an occupant's standing up to date; `Err` if they may not be here any more.
    pub fn refresh(&mut self, i: usize) -> Outcome<()> {
        let revision = self.revision();
        let o = self.occupants.at(i);
        if o.revision == revision {
            return Ok(());
        }
        let standing = self.standing(&o.user, &o.bare);
        if !standing.join {
            return Err(error::forbidden("you may not be in this room any more"));
        }
        // What others see is announced when the change itself is heard of; what they may do counts at once.
        let o = self.occupants.at_mut(i);
        if o.affiliation == standing.affiliation && o.role == o.role_set.unwrap_or(standing.role) {
            o.revision = revision;
        }
        let role = o.role_set.unwrap_or(standing.role).min(standing.role);
        if role < Role::Participant && o.role >= Role::Participant {
            let gone = || error::forbidden("you may not speak in this room any more");
            let timed_out = self
                .policy()
                .and_then(|p| silence::timed_out(p, &self.occupants.at(i).user));
            return Err(timed_out.map_or_else(gone, error::forbidden));
        }
        Ok(())
    }

    /// Finds out who may not be here any more, where permissions have changed since that was last done. They leave when
    /// the change is heard of; until then they get nothing.
    pub(crate) fn judge(&mut self) {
        let Kind::Channel(c) = &self.kind else { return };
        let revision = c.policy.revision();
        if revision == self.judged {
            return;
        }
        for o in self.occupants.iter_mut() {
            o.is_out = o.revision != revision && !c.policy.may_join(&o.user);
        }
        self.judged = revision;
    }

    /// The answer to somebody for whom this address is nothing.
    pub fn absent(&self, sender: &Sender) -> Outcome<()> {
        match &self.kind {
            Kind::Channel(_) | Kind::Plain(_) => Ok(()),
            // What could be a channel's address is answered like one that is: nobody learns which waddles there are.
            Kind::Absent { .. } if self.is_like_a_channel() => Err(members_only()),
            Kind::Absent { .. } => Err(error::item_not_found("there is no such room")),
            Kind::Nothing(policy) if policy.belongs(&sender.user) => {
                Err(error::item_not_found("there is no such channel in this waddle"))
            }
            Kind::Nothing(policy) if policy.is_banned(&sender.user) => Err(silence::banned(&**policy)),
            Kind::Nothing(_) => Err(members_only()),
        }
    }

    fn is_like_a_channel(&self) -> bool {
        let name = self.jid.local().unwrap_or_default();
        RoomName::parse(name) != RoomName::Plain
    }

    /// Refuses whoever may not know what goes on in a room for members only.
    pub fn may_look(&self, sender: &Sender) -> Outcome<()> {
        self.absent(sender)?;
        match &self.kind {
            Kind::Channel(c) if !c.policy.standing(&sender.user).join => {
                if c.policy.is_banned(&sender.user) {
                    Err(silence::banned(&*c.policy))
                } else if c.policy.belongs(&sender.user) {
                    Err(error::item_not_found("there is no such channel in this waddle"))
                } else {
                    Err(members_only())
                }
            }
            Kind::Plain(p) if p.locked && self.occupants.of_session(&sender.jid).is_none() => {
                Err(error::item_not_found("this room is not yet open"))
            }
            _ => Ok(()),
        }
    }

    /// The room address with a nickname.
    pub fn address(&self, nick: &str) -> Outcome<Jid> {
        self.jid
            .with_resource(nick)
            .map_err(|_| error::jid_malformed("this nickname has characters that are not allowed"))
    }
}

/// What everybody hears who does not belong to a waddle, whether the channel exists or not.
pub(crate) fn members_only() -> error::Refusal {
    error::forbidden("this channel is for members of its waddle; ask one of them for an invite link")
}
