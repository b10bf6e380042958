//! Rooms (XEP-0045): plain rooms in the server database, what a channel's room keeps in its waddle's.

mod settings;

use bytes::Bytes;
use waddle_core::{ChannelId, Slug, Timestamp};

pub use settings::{PrivateMessages, RoleSet, RoomSettings};

use super::archive::{self, ArchiveKey};
use crate::{Conn, Db, Result, Row, StorageError, Tx, params};

/// Rows that one write deletes at the most.
const CHUNK: usize = 1_000;

/// The subject of a room, who set it and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    /// The text; empty where it was cleared.
    pub text: String,
    /// The nickname of who set it.
    pub nick: String,
    /// When.
    pub at: Timestamp,
    /// The occupant id of who set it (XEP-0421).
    pub occupant: Option<String>,
}

/// One line of a plain room's list of people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Affiliate {
    /// Bare JID.
    pub jid: String,
    /// `owner`, `admin`, `member`, `outcast`, or `none` to take them off the list.
    pub affiliation: String,
    /// The nickname that is reserved for them.
    pub nick: Option<String>,
    /// Why.
    pub reason: Option<String>,
}

/// A plain room as stored.
#[derive(Debug, Clone)]
pub struct StoredRoom {
    /// The secret of its occupant ids.
    pub secret: Vec<u8>,
    /// Its settings.
    pub settings: RoomSettings,
    /// Its subject.
    pub subject: Option<Subject>,
    /// Its people.
    pub affiliates: Vec<Affiliate>,
    /// Its vCard (XEP-0486), a complete `<vCard/>`.
    pub vcard: Option<Bytes>,
}

/// What a channel's room keeps.
#[derive(Debug, Clone)]
pub struct StoredChannelRoom {
    /// The secret of its occupant ids.
    pub secret: Vec<u8>,
    /// Its subject.
    pub subject: Option<Subject>,
}

/// One room of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedRoom {
    /// Localpart.
    pub name: String,
    /// The name that people read; may be empty.
    pub title: String,
}

/// Plain rooms; takes the server database.
#[derive(Debug)]
pub struct PlainRooms<'a>(pub &'a Db);

impl PlainRooms<'_> {
    /// The room of that name, and how many rooms there are altogether.
    pub async fn load(&self, name: String) -> Result<(Option<StoredRoom>, usize)> {
        self.0.read(move |c| Ok((load(c, &name)?, count(c)?))).await
    }

    /// Listed rooms in the order of their names, behind `after`.
    pub async fn listed(&self, after: Option<String>, max: usize) -> Result<Vec<ListedRoom>> {
        self.0
            .read(move |c| {
                c.query(
                    "SELECT name, title FROM rooms WHERE public = 1 AND name > ?1 ORDER BY name LIMIT ?2",
                    (after.unwrap_or_default(), max as i64),
                    |r| {
                        Ok(ListedRoom {
                            name: r.get(0)?,
                            title: r.get(1)?,
                        })
                    },
                )
            })
            .await
    }

    /// Deletes rooms that were not to outlive their last occupant, and groups that nobody belongs to, with their archives:
    /// at start nobody is in.
    pub async fn sweep(&self) -> Result<()> {
        self.0.write(end_empty_groups).await?;
        let sql = "SELECT name FROM rooms WHERE persistent = 0 LIMIT ?1";
        loop {
            let names = self
                .0
                .read(move |c| c.query(sql, (CHUNK,), |r| r.get::<String>(0)))
                .await?;
            if names.is_empty() {
                return Ok(());
            }
            for name in names {
                self.delete(name).await?;
            }
        }
    }

    /// Deletes a room with its people and its archive, a part at a time, the room itself last.
    pub async fn delete(&self, name: String) -> Result<()> {
        let archive = ArchiveKey::room(&name);
        loop {
            let archive = archive.clone();
            let gone = self.0.write(move |tx| archive::remove(tx, &archive, None, CHUNK));
            if gone.await? < CHUNK as u64 {
                break;
            }
        }
        let sql = "DELETE FROM rooms WHERE name = ?1";
        let gone = self.0.write(move |tx| {
            archive::keep(tx, &ArchiveKey::room(&name), 0)?;
            tx.execute(sql, (name,))
        });
        gone.await.map(drop)
    }
}

/// A small private group that nobody belongs to ends: its room is one that is deleted at the next start, or before.
/// `false` where somebody is in it.
pub fn end_group(tx: &mut Tx, room: &str) -> Result<bool> {
    let ended = tx.execute(
        "DELETE FROM direct_groups WHERE room = ?1 AND NOT EXISTS (SELECT 1 FROM direct_people WHERE room = ?1)",
        (room,),
    )?;
    if ended > 0 {
        tx.execute("UPDATE rooms SET persistent = 0 WHERE name = ?1", (room,))?;
    }
    Ok(ended > 0)
}

fn end_empty_groups(tx: &mut Tx) -> Result<()> {
    let empty = "SELECT room FROM direct_groups g WHERE NOT EXISTS (SELECT 1 FROM direct_people p WHERE p.room = g.room)";
    for room in tx.query(empty, (), |r| r.get::<String>(0))? {
        end_group(tx, &room)?;
    }
    Ok(())
}

/// Whether the name of a plain room begins with `slug` and a dot: then no waddle may take that slug.
pub fn uses_slug(conn: &Conn, slug: &Slug) -> Result<bool> {
    let from = [slug.as_str(), "."].concat();
    // `/` is the character behind the dot.
    let to = [slug.as_str(), "/"].concat();
    let sql = "SELECT 1 FROM rooms WHERE name >= ?1 AND name < ?2 LIMIT 1";
    let found = conn.query_opt(sql, (from, to), |r| r.get::<i64>(0))?;
    Ok(found.is_some())
}

/// The number of plain rooms.
pub fn count(conn: &Conn) -> Result<usize> {
    conn.query_one(
        "SELECT count(*) FROM rooms",
        (),
        |r| Ok(r.get::<i64>(0)? as usize),
    )
}

/// A plain room with its people.
pub fn load(conn: &Conn, name: &str) -> Result<Option<StoredRoom>> {
    let room = conn.query_opt(
        "SELECT secret, subject, subject_nick, subject_at, title, description, persistent, public, members_only, \
         moderated, password, whois_anyone, max_occupants, change_subject, allow_invites, allow_private, archive, \
         lang, presence_of, member_list_for, max_history, contacts, vcard, subject_occupant FROM rooms WHERE name = ?1",
        (name,),
        |r| {
            Ok(StoredRoom {
                secret: r.get(0)?,
                subject: subject(r, 23)?,
                settings: RoomSettings {
                    expire_seconds: 0,
                    title: r.get(4)?,
                    description: r.get(5)?,
                    persistent: r.get(6)?,
                    public: r.get(7)?,
                    members_only: r.get(8)?,
                    moderated: r.get(9)?,
                    password: r.get(10)?,
                    whois_anyone: r.get(11)?,
                    max_occupants: r.get::<i64>(12)? as u32,
                    change_subject: r.get(13)?,
                    allow_invites: r.get(14)?,
                    private: PrivateMessages::from_row(r.get(15)?),
                    archive: r.get(16)?,
                    retention_days: 0,
                    lang: r.get(17)?,
                    presence_of: RoleSet(r.get::<i64>(18)? as u8),
                    member_list_for: RoleSet(r.get::<i64>(19)? as u8),
                    max_history: r.get::<Option<i64>>(20)?.map(|n| n as u32),
                    contacts: r.get::<String>(21)?.lines().map(str::to_owned).collect(),
                },
                affiliates: Vec::new(),
                vcard: r.get::<Option<Vec<u8>>>(22)?.map(Bytes::from),
            })
        },
    )?;
    let Some(mut room) = room else { return Ok(None) };
    room.settings.retention_days = archive::kept(conn, &ArchiveKey::room(name))?;
    room.affiliates = conn.query(
        "SELECT jid, affiliation, nick, reason FROM room_affiliations WHERE room = ?1",
        (name,),
        |r| {
            Ok(Affiliate {
                jid: r.get(0)?,
                affiliation: r.get(1)?,
                nick: r.get(2)?,
                reason: r.get(3)?,
            })
        },
    )?;
    Ok(Some(room))
}

/// Columns 1 to 3 of a row: text, nickname, time; and the occupant id.
fn subject(r: &Row<'_>, occupant: usize) -> Result<Option<Subject>> {
    let Some(text) = r.get::<Option<String>>(1)? else {
        return Ok(None);
    };
    Ok(Some(Subject {
        text,
        nick: r.get::<Option<String>>(2)?.unwrap_or_default(),
        at: Timestamp(r.get::<Option<i64>>(3)?.unwrap_or_default()),
        occupant: r.get(occupant)?,
    }))
}

/// Makes a room or renews its settings. [`StorageError::Conflict`] where its name has become one below a waddle's:
/// making a waddle looks for rooms ([`uses_slug`]) in this database too, so one of the two finds the other.
pub fn save(tx: &mut Tx, name: &str, secret: &[u8], s: &RoomSettings) -> Result<()> {
    let taken = "SELECT 1 FROM waddles WHERE slug = ?1 AND NOT EXISTS (SELECT 1 FROM rooms WHERE name = ?2)";
    if let Some((slug, _)) = name.split_once('.')
        && tx.query_opt(taken, (slug, name), |_| Ok(()))?.is_some()
    {
        return Err(StorageError::Conflict("the name belongs to a waddle".into()));
    }
    let now = tx.now().0;
    let values = params![
        name,
        secret,
        now,
        s.title.as_str(),
        s.description.as_str(),
        s.persistent,
        s.public,
        s.members_only,
        s.moderated,
        s.password.as_deref(),
        s.whois_anyone,
        i64::from(s.max_occupants),
        s.change_subject,
        s.allow_invites,
        s.private.to_row(),
        s.archive,
        s.lang.as_str(),
        i64::from(s.presence_of.0),
        i64::from(s.member_list_for.0),
        s.max_history.map(i64::from),
        s.contacts.join("\n"),
    ];
    archive::keep(tx, &ArchiveKey::room(name), s.retention_days)?;
    tx.execute(
        "INSERT INTO rooms (name, secret, created, title, description, persistent, public, members_only, moderated, \
         password, whois_anyone, max_occupants, change_subject, allow_invites, allow_private, archive, \
         lang, presence_of, member_list_for, max_history, contacts) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21) \
         ON CONFLICT (name) DO UPDATE SET title = ?4, description = ?5, persistent = ?6, public = ?7, \
         members_only = ?8, moderated = ?9, password = ?10, whois_anyone = ?11, max_occupants = ?12, \
         change_subject = ?13, allow_invites = ?14, allow_private = ?15, archive = ?16, lang = ?17, \
         presence_of = ?18, member_list_for = ?19, max_history = ?20, contacts = ?21",
        values,
    )?;
    Ok(())
}

/// Enters people into a room's list, or takes them off it with the affiliation `none`.
pub fn set_affiliates(tx: &mut Tx, room: &str, list: &[Affiliate]) -> Result<()> {
    for a in list {
        if a.affiliation == "none" {
            tx.execute(
                "DELETE FROM room_affiliations WHERE room = ?1 AND jid = ?2",
                (room, a.jid.as_str()),
            )?;
        } else {
            tx.execute(
                "INSERT INTO room_affiliations (room, jid, affiliation, nick, reason) VALUES (?1, ?2, ?3, ?4, ?5) \
                 ON CONFLICT (room, jid) DO UPDATE SET affiliation = ?3, nick = ?4, reason = ?5",
                (
                    room,
                    a.jid.as_str(),
                    a.affiliation.as_str(),
                    a.nick.as_deref(),
                    a.reason.as_deref(),
                ),
            )?;
        }
    }
    Ok(())
}

/// Sets a plain room's vCard, or takes it away; without effect where the room is not stored.
pub fn set_vcard(tx: &mut Tx, name: &str, vcard: Option<&[u8]>) -> Result<()> {
    tx.execute("UPDATE rooms SET vcard = ?2 WHERE name = ?1", (name, vcard))?;
    Ok(())
}

/// The plain rooms where somebody has a reserved nickname, at most `max`.
pub fn registered_in(conn: &Conn, jid: &str, max: usize) -> Result<Vec<String>> {
    conn.query(
        "SELECT room FROM room_affiliations WHERE jid = ?1 AND nick IS NOT NULL ORDER BY room LIMIT ?2",
        (jid, max as i64),
        |r| r.get(0),
    )
}

/// Messages with a text in each of the last hours, the present one first (XEP-0502). At most `max` rows are looked
/// at; hours that they do not reach are left out.
pub fn hourly_messages(
    conn: &Conn,
    archive: &ArchiveKey,
    now: Timestamp,
    hours: usize,
    max: usize,
) -> Result<Vec<u32>> {
    const HOUR: i64 = 3_600_000_000;
    let mut counts = vec![0_u32; hours];
    let sql =
        "SELECT at, body IS NOT NULL AND kind = 0 FROM archive WHERE archive = ?1 ORDER BY id DESC LIMIT ?2";
    let rows = conn.query(sql, (archive.as_str(), max as i64), |r| {
        Ok((r.get::<i64>(0)?, r.get::<bool>(1)?))
    })?;
    if rows.len() == max {
        let reached = rows.last().map_or(0, |(at, _)| now.0 / HOUR - at / HOUR);
        counts.truncate(usize::try_from(reached).unwrap_or(0));
    }
    for (at, counted) in rows {
        let age = now.0 / HOUR - at / HOUR;
        if let (true, Some(n)) = (counted, usize::try_from(age).ok().and_then(|a| counts.get_mut(a))) {
            *n += 1;
        }
    }
    Ok(counts)
}

/// Sets a plain room's subject; without effect where the room is not stored.
pub fn set_subject(tx: &mut Tx, name: &str, s: &Subject) -> Result<()> {
    tx.execute(
        "UPDATE rooms SET subject = ?2, subject_nick = ?3, subject_at = ?4, subject_occupant = ?5 WHERE name = ?1",
        (name, s.text.as_str(), s.nick.as_str(), s.at.0, s.occupant.as_deref()),
    )?;
    Ok(())
}

/// What a channel's room keeps; made with `secret` where there is nothing yet. Takes the waddle's database.
pub async fn channel_room(db: &Db, channel: ChannelId, secret: Vec<u8>) -> Result<StoredChannelRoom> {
    let read = move |c: &Conn| {
        c.query_opt(
            "SELECT secret, subject, subject_nick, subject_at, subject_occupant FROM channel_rooms WHERE channel = ?1",
            (channel.to_string(),),
            |r| {
                Ok(StoredChannelRoom {
                    secret: r.get(0)?,
                    subject: subject(r, 4)?,
                })
            },
        )
    };
    if let Some(found) = db.read(read).await? {
        return Ok(found);
    }
    db.write(move |tx| {
        tx.execute(
            "INSERT INTO channel_rooms (channel, secret) VALUES (?1, ?2) ON CONFLICT DO NOTHING",
            (channel.to_string(), secret),
        )?;
        read(tx)?.ok_or(StorageError::NotFound)
    })
    .await
}

/// Forgets what the rooms of deleted channels kept, and empties their archives. Takes the waddle's database.
pub async fn clear_channels(db: &Db, afterwards: archive::Afterwards) -> Result<()> {
    let orphans = "FROM channel_rooms WHERE channel NOT IN (SELECT id FROM channels)";
    let there = ["SELECT 1 ", orphans, " LIMIT 1"].concat();
    if db
        .read(move |c| c.query_opt(&there, (), |_| Ok(())))
        .await?
        .is_some()
    {
        let gone = ["DELETE ", orphans].concat();
        db.write(move |tx| tx.execute(&gone, ())).await?;
    }
    archive::finish_removals(db, afterwards).await
}

/// Sets a channel's subject.
pub fn set_channel_subject(tx: &mut Tx, channel: ChannelId, s: &Subject) -> Result<()> {
    tx.execute_one(
        "UPDATE channel_rooms SET subject = ?2, subject_nick = ?3, subject_at = ?4, subject_occupant = ?5 \
         WHERE channel = ?1",
        (
            channel.to_string(),
            s.text.as_str(),
            s.nick.as_str(),
            s.at.0,
            s.occupant.as_deref(),
        ),
    )
}
