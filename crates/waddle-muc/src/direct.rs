//! Small private groups (`specs/moderation.md`, "Groups"): plain rooms for their members, under reserved names, hidden,
//! with real addresses, without owners: everybody in it may add somebody, and leaves when they want.

use std::sync::Arc;

use ring::rand::{SecureRandom, SystemRandom};
use tokio::sync::oneshot;
use waddle_core::{BareJid, MessageId, SessionId, Timestamp, UserId};
use waddle_stanza::Condition;
use waddle_storage::{
    StorageError,
    repo::{
        direct::{self, GROUP, Group, Participant},
        rooms::{self, Affiliate, PlainRooms, RoomSettings},
    },
};

use crate::{
    affiliations::Change,
    error::{self, Refusal},
    message::not_stored,
    people::Person,
    room::{Kind, Room},
    rooms::Rooms,
    standing::Affiliation,
    state::{Effect, Effects, Input, Write, WriteResult},
};

/// A change of a group.
#[derive(Debug, Clone)]
pub enum GroupChange {
    /// These come in.
    Add(Vec<BareJid>),
    /// One goes out.
    Remove(BareJid),
    /// It has another name.
    Name(String),
}

/// Something was done in a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupNews {
    /// The group, by the localpart of its room.
    pub room: Arc<str>,
    /// The archive's identifier of what did it.
    pub id: MessageId,
}

/// Whether a change was made.
pub type Grouped = Result<(), Refusal>;

/// A group to be made.
#[derive(Debug, Clone)]
pub struct NewGroup {
    /// Its name, up to 100 characters; may be empty.
    pub name: String,
    /// Who makes it.
    pub by: UserId,
    /// Who is in it from the start, whoever makes it included.
    pub people: Vec<BareJid>,
}

/// Why a group was not made or changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GroupError {
    /// There is no such group, or the asker is not in it.
    #[error("there is no such group, or you are not in it")]
    NotFound,
    /// It has as many people as it can have, or the asker as many groups.
    #[error("at most {max} {what}")]
    Full {
        /// Of what.
        what: &'static str,
        /// How many.
        max: usize,
    },
    /// A name that is none.
    #[error("the name has up to 100 characters")]
    Name,
    /// The room refuses.
    #[error("{0}")]
    Room(Refusal),
    /// The database failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

impl Room {
    /// Whether its name is one of a group.
    pub(crate) fn is_group(&self) -> bool {
        self.jid.local().is_some_and(|l| l.starts_with(GROUP))
    }

    /// Changes a group.
    pub(crate) fn change_group(
        &mut self,
        change: GroupChange,
        reply: oneshot::Sender<Grouped>,
        now: Timestamp,
        fx: &mut Effects,
    ) {
        if !self.is_group() || !matches!(self.kind, Kind::Plain(_)) {
            let why = error::item_not_found("there is no such group");
            return fx.rest.push(Effect::Grouped(reply, Err(why)));
        }
        let member = |jid, person| Change {
            jid,
            person,
            reason: None,
        };
        let changes: Vec<Change> = match change {
            GroupChange::Add(people) => people
                .into_iter()
                .map(|jid| member(jid, Some(Person::new(Affiliation::Member))))
                .collect(),
            GroupChange::Remove(jid) => vec![member(jid, None)],
            GroupChange::Name(title) => return self.rename_group(title, reply, fx),
        };
        let rows = crate::affiliations::Draft::rows(&changes);
        let max = self.limits.direct_group_people;
        let then = move |room: &mut Room, result: WriteResult, _, fx: &mut Effects| {
            let done = match result {
                Ok(_) => {
                    let mut later = Effects::default();
                    room.apply_people(&changes, None, fx, &mut later);
                    fx.append(later);
                    Ok(())
                }
                Err(failed) if failed.temporary => Err(not_stored(failed)),
                Err(_) => Err(error::busy(format!("a group has at most {max} people"))),
            };
            fx.rest.push(Effect::Grouped(reply, done));
        };
        self.save_people(rows, Box::new(then), now, fx);
    }

    fn rename_group(&mut self, title: String, reply: oneshot::Sender<Grouped>, fx: &mut Effects) {
        let mut settings = self.settings.clone();
        settings.title = title;
        let set = Box::new(settings.clone());
        let then = move |room: &mut Room, result: WriteResult, now, fx: &mut Effects| {
            let done = result
                .map(|_| room.renewed(settings, now, fx))
                .map_err(not_stored);
            fx.rest.push(Effect::Grouped(reply, done));
        };
        self.write(Write::Settings(set, Vec::new()), true, Box::new(then), fx);
    }
}

fn settings(name: &str, max: usize) -> RoomSettings {
    RoomSettings {
        title: name.to_owned(),
        persistent: true,
        public: false,
        members_only: true,
        whois_anyone: true,
        change_subject: true,
        allow_invites: false,
        max_occupants: u32::try_from(max).unwrap_or(u32::MAX),
        member_list_for: rooms::RoleSet::ALL,
        archive: true,
        ..RoomSettings::default()
    }
}

impl Rooms {
    /// Makes a group. Whether everybody agrees to be in it was asked before.
    pub async fn make_group(&self, new: NewGroup) -> Result<Group, GroupError> {
        let limits = self.deps().limits.clone();
        let mut people = new.people;
        people.sort();
        people.dedup();
        if people.len() > limits.direct_group_people {
            return Err(GroupError::Full {
                what: "people in a group",
                max: limits.direct_group_people,
            });
        }
        check_name(&new.name)?;
        let mut secret = [0; 32];
        // Without randomness there is no TLS either; zeros only make the occupant ids guessable.
        let _ = SystemRandom::new().fill(&mut secret);
        let room = [GROUP, &SessionId::new().to_string()].concat();
        let (name, by, clock) = (new.name, new.by, self.deps().clock.now());
        let max = limits.direct_group_people;
        let server = self.deps().storage.server();
        let made = server.write(move |tx| {
            let group = Group {
                room: room.clone(),
                name: name.clone(),
                made_by: by,
                made_at: clock,
            };
            rooms::save(tx, &room, &secret, &settings(&name, max))?;
            let rows: Vec<Affiliate> = people
                .iter()
                .map(|jid| crate::people::row(jid, Some(&Person::new(Affiliation::Member))))
                .collect();
            rooms::set_affiliates(tx, &room, &rows)?;
            direct::insert_group(tx, &group)?;
            let all: Vec<_> = people.iter().map(|j| (j.to_string(), true)).collect();
            direct::follow(tx, &room, &all, max)?;
            Ok(group)
        });
        Ok(made.await?)
    }

    /// A group that somebody is in, with everybody who is.
    pub async fn group(&self, room: &str, asker: &BareJid) -> Result<(Group, Vec<Participant>), GroupError> {
        let (room, asker) = (room.to_owned(), asker.clone());
        let server = self.deps().storage.server();
        let found = server.read(move |c| {
            let people = direct::people(c, &room)?;
            let in_it = people.iter().any(|p| p.jid == asker);
            Ok(direct::get_group(c, &room)?
                .filter(|_| in_it)
                .map(|g| (g, people)))
        });
        found.await?.ok_or(GroupError::NotFound)
    }

    /// The groups that somebody is in, the newest first.
    pub async fn groups_of(&self, jid: &BareJid) -> Result<Vec<(Group, Vec<Participant>)>, GroupError> {
        let (jid, max) = (jid.clone(), self.deps().limits.direct_groups);
        let server = self.deps().storage.server();
        let found = server.read(move |c| {
            direct::groups_of(c, &jid, max)?
                .into_iter()
                .map(|g| Ok((direct::people(c, &g.room)?, g)))
                .map(|r| r.map(|(people, g)| (g, people)))
                .collect()
        });
        Ok(found.await?)
    }

    /// Puts people into a group. Whether they agree was asked before.
    pub async fn add_to_group(&self, room: &str, people: Vec<BareJid>) -> Result<(), GroupError> {
        self.change_group(room, GroupChange::Add(people)).await
    }

    /// Takes somebody out of a group; with the last one goes the group.
    pub async fn leave_group(&self, room: &str, jid: &BareJid) -> Result<(), GroupError> {
        self.change_group(room, GroupChange::Remove(jid.clone())).await?;
        let (name, server) = (room.to_owned(), self.deps().storage.server());
        if server.write(move |tx| rooms::end_group(tx, &name)).await? {
            self.forget_room(room);
            PlainRooms(&server).delete(room.to_owned()).await?;
        }
        Ok(())
    }

    /// Gives a group another name.
    pub async fn rename_group(&self, room: &str, name: &str) -> Result<(), GroupError> {
        check_name(name)?;
        self.change_group(room, GroupChange::Name(name.to_owned()))
            .await?;
        let (room, name) = (room.to_owned(), name.to_owned());
        let server = self.deps().storage.server();
        Ok(server
            .write(move |tx| direct::rename_group(tx, &room, &name))
            .await?)
    }

    async fn change_group(&self, room: &str, change: GroupChange) -> Result<(), GroupError> {
        if !room.starts_with(GROUP) {
            return Err(GroupError::NotFound);
        }
        let (reply, answer) = oneshot::channel();
        self.send(room, Input::Group(change, reply));
        let busy = || Err(error::busy(crate::state::BUSY));
        answer
            .await
            .unwrap_or_else(|_| busy())
            .map_err(|why| match why.condition {
                Condition::ItemNotFound => GroupError::NotFound,
                _ => GroupError::Room(why),
            })
    }
}

fn check_name(name: &str) -> Result<(), GroupError> {
    let good = name.chars().count() <= 100 && !name.chars().any(char::is_control);
    good.then_some(()).ok_or(GroupError::Name)
}
