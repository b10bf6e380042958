//! What stands behind an address of the service, read from storage (`adrs/0009-room-addresses.md`).

use std::sync::Arc;

use ring::rand::{SecureRandom, SystemRandom};
use waddle_archive::retraction;
use waddle_community::{Channel as ChannelRow, ChannelKind, Visibility, Waddle};
use waddle_core::{BareJid, ChannelId, RoomName, UserId};
use waddle_messages::{NewsKind, index};
use waddle_stanza::retract::Tombstone;
use waddle_storage::{
    Db, StorageError, Tx,
    repo::{
        archive::{self, ArchiveKey, NewMessage, Trace, With},
        audit::{self, AuditEntry},
        direct, messages, moderation, room_hats,
        rooms::{self, PlainRooms, PrivateMessages, RoomSettings, StoredRoom, Subject},
    },
};

use crate::{
    activity::{self, Activity},
    api::Deps,
    avatar::Avatar,
    fan::Fan,
    hats::Hats,
    occupant_id::RoomSecret,
    people::{People, Person},
    policy::ChannelPolicy,
    room::{Channel, Kind, Plain, Room},
    slow_mode::Slow,
    stamp,
    standing::Affiliation,
    state::{Message, Stored, Write},
};

/// Why a room could not be loaded.
#[derive(Debug, Clone, thiserror::Error)]
pub enum LoadError {
    /// The database failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The community failed.
    #[error(transparent)]
    Community(#[from] waddle_community::Error),
}

/// Where a room keeps what it keeps.
#[derive(Debug, Clone)]
pub(crate) struct Store {
    pub db: Db,
    pub archive: ArchiveKey,
    owner: Owner,
    secret: Arc<[u8]>,
    /// How far back a correction finds what it corrects.
    reach: usize,
    /// Messages that may be pinned.
    pins: usize,
    /// People in a small group.
    group_people: usize,
}

#[derive(Debug, Clone)]
enum Owner {
    Channel(ChannelId),
    Plain(Arc<str>),
}

/// A room, and where it keeps what it keeps.
pub(crate) struct Loaded {
    pub room: Room,
    pub store: Store,
}

fn fresh_secret() -> Vec<u8> {
    let mut secret = vec![0; 32];
    // Without randomness there is no TLS either; zeros only make the occupant ids guessable.
    let _ = SystemRandom::new().fill(&mut secret);
    secret
}

/// Reads what stands behind `jid`.
pub(crate) async fn load(deps: &Deps, jid: BareJid) -> Result<Loaded, LoadError> {
    let name = jid.local().unwrap_or_default().to_owned();
    let parsed = RoomName::parse(&name);
    let waddle = match &parsed {
        RoomName::Channel { waddle, .. } | RoomName::Below { waddle } => {
            deps.community.waddle_by_slug(waddle)
        }
        RoomName::Plain => None,
    };
    let Some(waddle) = waddle else {
        return plain(deps, jid, name, &parsed).await;
    };
    let access = deps.community.access(waddle.id).await?;
    let channel = match &parsed {
        RoomName::Channel { channel, .. } => access.channel_by_slug(channel),
        _ => None,
    };
    let db = deps.storage.waddle(waddle.id).await?;
    let Some(channel) = channel else {
        let kind = Kind::Nothing(Box::new(ChannelPolicy::nothing(access)));
        let secret = fresh_secret();
        let room = Room::new(
            jid,
            deps.limits.clone(),
            kind,
            RoomSettings::default(),
            RoomSecret::new(&secret),
        );
        let store = Store {
            db,
            archive: ArchiveKey::room(&name),
            owner: Owner::Plain(name.into()),
            secret: secret.into(),
            reach: deps.limits.message_correction_reach,
            pins: deps.limits.message_pins,
            group_people: deps.limits.direct_group_people,
        };
        return Ok(Loaded { room, store });
    };
    let stored = rooms::channel_room(&db, channel.id, fresh_secret()).await?;
    let kind = Kind::Channel(Channel {
        waddle: waddle.id,
        id: channel.id,
        policy: Box::new(ChannelPolicy::new(access, channel.id)),
    });
    let store = Store {
        db,
        archive: ArchiveKey::channel(channel.id),
        owner: Owner::Channel(channel.id),
        secret: stored.secret.into(),
        reach: deps.limits.message_correction_reach,
        pins: deps.limits.message_pins,
        group_people: deps.limits.direct_group_people,
    };
    let mut room = Room::new(
        jid,
        deps.limits.clone(),
        kind,
        settings_of(&waddle, &channel),
        RoomSecret::new(&store.secret),
    );
    // The subject is the channel's topic, whoever set it, and wherever.
    room.subject = match stored.subject {
        Some(subject) if subject.text == channel.topic => Some(subject),
        None if channel.topic.is_empty() => None,
        _ => Some(Subject {
            text: channel.topic.clone(),
            nick: String::new(),
            at: channel.created_at,
            occupant: None,
        }),
    };
    let (seconds, rows) = (channel.slow_mode_seconds, deps.limits.slow_mode_rows);
    room.slow = Slow::load(&store.db, channel.id, seconds, deps.clock.now(), rows).await?;
    read_history(&mut room, &store).await?;
    Ok(Loaded { room, store })
}

async fn plain(deps: &Deps, jid: BareJid, name: String, parsed: &RoomName) -> Result<Loaded, LoadError> {
    let db = deps.storage.server();
    let (stored, count) = PlainRooms(&db).load(name.clone()).await?;
    let exists = stored.is_some();
    let reserved = match parsed {
        RoomName::Channel { waddle, .. } | RoomName::Below { waddle } => deps.community.is_slug_taken(waddle),
        RoomName::Plain => false,
    };
    let mut avatar = None;
    let (kind, settings, subject, secret) = match stored {
        Some(StoredRoom {
            secret,
            settings,
            subject,
            affiliates,
            vcard,
        }) => {
            avatar = vcard.and_then(Avatar::stored);
            let room = name.clone();
            let mut people = People::default();
            for a in affiliates {
                if let (Ok(jid), Some(affiliation)) = (a.jid.parse(), Affiliation::parse(&a.affiliation)) {
                    let person = Person {
                        affiliation,
                        nick: a.nick,
                        reason: a.reason,
                    };
                    people.set(jid, Some(person));
                }
            }
            let hats = db.read(move |c| room_hats::load(c, &room)).await?;
            let plain = Plain {
                people,
                hats: Hats::stored(hats),
                ..Plain::default()
            };
            (Kind::Plain(Box::new(plain)), settings, subject, secret)
        }
        None => {
            let full = reserved || count >= deps.limits.muc_plain_rooms;
            (
                Kind::Absent { full },
                RoomSettings::default(),
                None::<Subject>,
                fresh_secret(),
            )
        }
    };
    let mut room = Room::new(jid, deps.limits.clone(), kind, settings, RoomSecret::new(&secret));
    room.subject = subject;
    room.avatar = avatar;
    let store = Store {
        db,
        archive: ArchiveKey::room(&name),
        owner: Owner::Plain(name.into()),
        secret: secret.into(),
        reach: deps.limits.message_correction_reach,
        pins: deps.limits.message_pins,
        group_people: deps.limits.direct_group_people,
    };
    if exists {
        read_history(&mut room, &store).await?;
        let (key, now) = (store.archive.clone(), deps.clock.now());
        let read = move |c: &waddle_storage::Conn| {
            rooms::hourly_messages(c, &key, now, activity::HOURS + 1, activity::ROWS)
        };
        if room.settings.persistent && room.settings.public {
            room.activity = Activity::of_archive(store.db.read(read).await?, now);
        }
    }
    Ok(Loaded { room, store })
}

/// The settings that follow from a channel.
pub(crate) fn settings_of(waddle: &Waddle, channel: &ChannelRow) -> RoomSettings {
    let open = waddle.visibility == Visibility::Public && !channel.private;
    RoomSettings {
        expire_seconds: channel.expire_seconds.into(),
        retention_days: channel.retention_days,
        title: channel.name.clone(),
        description: channel.topic.clone(),
        persistent: true,
        public: waddle.visibility != Visibility::Private && !channel.private,
        members_only: !open,
        moderated: channel.kind == ChannelKind::Announcement,
        password: None,
        // Members of a waddle know each other; guests of an open one see members' nicknames only.
        whois_anyone: !open,
        max_occupants: 0,
        change_subject: false,
        allow_invites: true,
        private: PrivateMessages::Anyone,
        archive: true,
        ..RoomSettings::default()
    }
}

/// An author as the audit log names people; a webhook or feed as it is.
fn subject_of(author: &str) -> String {
    author
        .parse::<UserId>()
        .map_or_else(|_| author.to_owned(), |user| user.subject())
}

async fn read_history(room: &mut Room, store: &Store) -> Result<(), LoadError> {
    let (key, most) = (store.archive.clone(), room.limits.muc_history);
    let read =
        move |c: &waddle_storage::Conn| Ok((archive::kept(c, &key)?, archive::last(c, &key, most, None)?));
    let (days, items) = store.db.read(read).await?;
    // A channel's follows from the channel.
    if !matches!(room.kind, Kind::Channel(_)) {
        room.settings.retention_days = days;
    }
    let said = |m: &archive::Archived| m.kind != archive::Kind::Subject && !m.retracted;
    for m in items.into_iter().filter(said) {
        if let Some(fan) = Fan::stored(m.stanza) {
            room.remember(m.id, fan.with(&stamp::stanza_id(m.id, &room.at)), m.at);
        }
    }
    Ok(())
}

impl Store {
    /// Carries out a write, within a transaction; messages bring their identifier.
    pub fn apply(&self, tx: &mut Tx, write: Write) -> Result<Option<Stored>, StorageError> {
        match write {
            Write::Message(m) => self.append(tx, m, archive::Kind::Message, None).map(Some),
            Write::Preview(target, preview) => {
                if !messages::set_preview(tx, &self.archive, target, &preview)? {
                    return Err(StorageError::NotFound);
                }
                Ok(Some(Stored {
                    id: tx.next_message_id()?,
                    news: NewsKind::Previewed(target),
                    gone: Vec::new(),
                    read: None,
                }))
            }
            Write::Purge(purge, messages, announced) => {
                let mut ids = Vec::with_capacity(messages.len());
                for m in messages {
                    ids.push(match self.append(tx, m, archive::Kind::Message, Some(purge)) {
                        // Somebody else was quicker.
                        Err(StorageError::NotFound) => None,
                        done => Some(done?),
                    });
                }
                let count = ids.iter().flatten().count() as u64;
                moderation::count_purged(tx, purge, count)?;
                *announced.lock() = ids;
                Ok(None)
            }
            Write::Subject(subject, message) => {
                match &self.owner {
                    Owner::Channel(id) => rooms::set_channel_subject(tx, *id, &subject)?,
                    Owner::Plain(name) => rooms::set_subject(tx, name, &subject)?,
                }
                message
                    .map(|m| self.append(tx, m, archive::Kind::Subject, None))
                    .transpose()
            }
            Write::Settings(settings, people) => {
                if let Owner::Plain(name) = &self.owner {
                    rooms::save(tx, name, &self.secret, &settings)?;
                    rooms::set_affiliates(tx, name, &people)?;
                    self.follow(tx, name, &people)?;
                }
                Ok(None)
            }
            Write::Affiliates(people) => {
                if let Owner::Plain(name) = &self.owner {
                    rooms::set_affiliates(tx, name, &people)?;
                    self.follow(tx, name, &people)?;
                }
                Ok(None)
            }
            Write::Hats(hats) => {
                if let Owner::Plain(name) = &self.owner {
                    room_hats::set(tx, name, &hats)?;
                }
                Ok(None)
            }
            Write::Avatar(vcard) => {
                if let Owner::Plain(name) = &self.owner {
                    rooms::set_vcard(tx, name, vcard.as_deref())?;
                }
                Ok(None)
            }
            // It takes several transactions; see the actor.
            Write::Delete => Ok(None),
        }
    }

    /// Who is in a small group is who its room has on its list.
    fn follow(&self, tx: &mut Tx, name: &str, people: &[rooms::Affiliate]) -> Result<(), StorageError> {
        let in_it = |a: &rooms::Affiliate| Affiliation::parse(&a.affiliation) >= Some(Affiliation::Member);
        let changes: Vec<_> = people.iter().map(|a| (a.jid.clone(), in_it(a))).collect();
        direct::follow(tx, name, &changes, self.group_people)
    }

    /// Archives a message with all that it does; `purge` is the one that it is part of.
    fn append(
        &self,
        tx: &mut Tx,
        m: Message,
        kind: archive::Kind,
        purge: Option<i64>,
    ) -> Result<Stored, StorageError> {
        let mut gone_now = Vec::new();
        if let Some(gone) = &m.retracts {
            let tombstone = Tombstone {
                at: m.at,
                by_message: gone.by_message.as_deref(),
                moderated: gone.moderated.as_ref(),
            };
            let author = gone.moderated.is_none().then_some(&*m.author);
            // Whose it was is asked as long as it is there.
            let whose = match (&self.owner, &gone.moderated) {
                (Owner::Channel(_), Some(_)) => {
                    let first = messages::first_of(tx, gone.id)?;
                    archive::get(tx, &self.archive, first)?.author
                }
                _ => None,
            };
            gone_now = retraction::of_room(tx, &self.archive, gone.id, author, &tombstone)?;
            if let (Owner::Channel(channel), Some(by)) = (&self.owner, &gone.moderated) {
                let via = gone.asker.as_ref().and_then(|a| a.via.as_deref());
                audit::insert(
                    tx,
                    &AuditEntry {
                        id: 0,
                        at: m.at,
                        actor: m.author.parse().ok(),
                        action: "message.retract".to_owned(),
                        target: format!("message:{}", gone.id),
                        detail: [
                            Some(format!("channel:{channel}")),
                            whose.map(|whose| subject_of(&whose)),
                            // That one's line says from where it was asked for.
                            purge.map(|n| format!("purge:{n}")),
                        ]
                        .into_iter()
                        .flatten()
                        .collect::<Vec<_>>()
                        .join(" "),
                        reason: by.reason.clone(),
                        via: gone
                            .asker
                            .as_ref()
                            .map(|_| via.map_or("xmpp", |v| v.kind).to_owned()),
                        address: via.and_then(|v| v.address).map(|a| a.to_string()),
                        token: via.and_then(|v| v.token.as_deref()).map(str::to_owned),
                    },
                )?;
            }
        }
        if let Some((target, pinned)) = m.facts.as_ref().and_then(|f| f.pins) {
            if pinned {
                messages::pin(tx, &self.archive, target, &m.author, m.at, self.pins)?;
            } else {
                messages::unpin(tx, &self.archive, target)?;
            }
        }
        let marks = m.facts.as_ref().is_some_and(|f| f.displayed.is_some());
        let reader = marks.then(|| m.author.parse::<UserId>().ok()).flatten();
        let message = NewMessage {
            at: m.at,
            // What takes another one back is no line of its own.
            kind: if m.retracts.is_some() {
                archive::Kind::Other
            } else {
                kind
            },
            with: Some(With::Nick(m.nick.to_string())),
            author: Some(m.author),
            origin_id: m.origin_id,
            body: m.body,
            stanza: m.stanza,
        };
        let trace = Trace {
            said: m.said,
            sender: m.sender.map(|jid| jid.to_string()),
        };
        let done = index::append(tx, &self.archive, message, trace, m.facts.as_deref(), self.reach)?;
        let news = match gone_now.first() {
            Some(first) => NewsKind::Retracted(*first),
            None if kind == archive::Kind::Subject => NewsKind::Other,
            None => done.news,
        };
        Ok(Stored {
            id: done.id,
            news,
            gone: gone_now,
            read: reader.zip(done.read),
        })
    }
}
