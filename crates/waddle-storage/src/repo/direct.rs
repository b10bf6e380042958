//! Direct messages: who may write to whom, requests that wait for consent, small private groups. All in the server
//! database; owners are localparts, as in rosters.

use bytes::Bytes;
use serde::Serialize;
use waddle_core::{BareJid, Timestamp, UserId};

use super::{accounts, words::words};
use crate::{Conn, Result, Row, StorageError, Tx};

words! {
    /// Who may write to an account without asking.
    RequestPolicy {
        /// Everybody.
        Everyone = "everyone",
        /// Contacts, and who is in a waddle with the owner.
        FriendsAndWaddles = "friends_and_waddles",
        /// Contacts.
        FriendsOnly = "friends_only",
        /// Contacts; nobody else may even ask.
        Nobody = "nobody",
    }
}

/// Every policy that is not the usual one; bounded by the number of accounts.
pub fn policies(conn: &Conn) -> Result<Vec<(String, RequestPolicy)>> {
    conn.query("SELECT owner, policy FROM direct_policies", (), |r| {
        Ok((r.get(0)?, r.get(1)?))
    })
}

/// The policy of an account.
pub fn policy(conn: &Conn, owner: &str) -> Result<RequestPolicy> {
    let found = conn.query_opt(
        "SELECT policy FROM direct_policies WHERE owner = ?1",
        (owner,),
        |r| r.get(0),
    )?;
    Ok(found.unwrap_or(RequestPolicy::Everyone))
}

/// Sets the policy of an account.
pub fn set_policy(tx: &mut Tx, owner: &str, policy: RequestPolicy) -> Result<()> {
    match policy {
        RequestPolicy::Everyone => tx.execute("DELETE FROM direct_policies WHERE owner = ?1", (owner,)),
        policy => tx.execute(
            "INSERT OR REPLACE INTO direct_policies (owner, policy) VALUES (?1, ?2)",
            (owner, policy),
        ),
    }
    .map(drop)
}

/// Whether `jid` was let to write to `owner`.
pub fn is_allowed(conn: &Conn, owner: &str, jid: &BareJid) -> Result<bool> {
    let found = conn.query_opt(
        "SELECT 1 FROM direct_allowed WHERE owner = ?1 AND jid = ?2",
        (owner, jid),
        |r| r.get::<i64>(0),
    )?;
    Ok(found.is_some())
}

/// Lets `jid` write to `owner`; of those who were let the newest `max` stay.
pub fn allow(tx: &mut Tx, owner: &str, jid: &BareJid, at: Timestamp, max: usize) -> Result<()> {
    let new = tx.execute(
        "INSERT OR IGNORE INTO direct_allowed (owner, jid, at) VALUES (?1, ?2, ?3)",
        (owner, jid, at),
    )?;
    if new > 0 {
        let count: usize = tx.query_one(
            "SELECT count(*) FROM direct_allowed WHERE owner = ?1",
            (owner,),
            |r| r.get(0),
        )?;
        if count > max {
            tx.execute(
                "DELETE FROM direct_allowed WHERE owner = ?1 AND jid IN \
                 (SELECT jid FROM direct_allowed WHERE owner = ?1 ORDER BY at LIMIT ?2)",
                (owner, count - max),
            )?;
        }
    }
    Ok(())
}

/// Whether `other` is in a waddle that `owner` belongs to by their own will.
pub fn share_waddle(conn: &Conn, owner: &UserId, other: &UserId) -> Result<bool> {
    let found = conn.query_opt(
        "SELECT 1 FROM memberships a JOIN memberships b ON b.waddle = a.waddle AND b.user = ?2 \
         WHERE a.user = ?1 AND NOT EXISTS \
         (SELECT 1 FROM unasked_memberships u WHERE u.user = a.user AND u.waddle = a.waddle) LIMIT 1",
        (owner, other),
        |r| r.get::<i64>(0),
    )?;
    Ok(found.is_some())
}

/// Somebody who asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Request {
    /// Its number.
    pub id: i64,
    /// Who.
    pub jid: BareJid,
    /// The group that the owner is asked into, by its localpart.
    pub room: Option<String>,
    /// Since when.
    pub at: Timestamp,
    /// The text of the first message that waits.
    pub text: Option<String>,
    /// How many messages wait.
    pub messages: usize,
}

/// How much may wait.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Messages of one who asks.
    pub messages: usize,
    /// Requests to one owner.
    pub requests: usize,
}

/// What became of a message that was to wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Held {
    /// It waits, the first of its sender.
    First,
    /// It waits with others.
    More,
    /// The owner said no to this sender: it waits for nobody.
    Refused,
    /// Too much waits already.
    Full,
}

fn request_of(
    tx: &mut Tx,
    owner: &str,
    jid: &BareJid,
    room: &str,
    at: Timestamp,
    max: usize,
) -> Result<std::result::Result<(i64, bool), Held>> {
    let found = tx.query_opt(
        "SELECT id, refused_at FROM direct_requests WHERE owner = ?1 AND jid = ?2 AND room = ?3",
        (owner, jid, room),
        |r| Ok((r.get::<i64>(0)?, r.get::<Option<Timestamp>>(1)?)),
    )?;
    match found {
        Some((_, Some(_))) => return Ok(Err(Held::Refused)),
        Some((id, None)) => return Ok(Ok((id, false))),
        None => {}
    }
    let count: usize = tx.query_one(
        "SELECT count(*) FROM direct_requests WHERE owner = ?1 AND refused_at IS NULL",
        (owner,),
        |r| r.get(0),
    )?;
    if count >= max {
        return Ok(Err(Held::Full));
    }
    let id = tx.query_one(
        "INSERT INTO direct_requests (owner, jid, room, at) VALUES (?1, ?2, ?3, ?4) RETURNING id",
        (owner, jid, room, at),
        |r| r.get(0),
    )?;
    Ok(Ok((id, true)))
}

/// Lets a message wait for consent.
pub fn hold(
    tx: &mut Tx,
    owner: &str,
    jid: &BareJid,
    at: Timestamp,
    (body, stanza): (Option<&str>, &Bytes),
    bounds: Bounds,
) -> Result<Held> {
    let (id, first) = match request_of(tx, owner, jid, "", at, bounds.requests)? {
        Ok(found) => found,
        Err(held) => return Ok(held),
    };
    let count: usize = tx.query_one(
        "SELECT count(*) FROM direct_held WHERE request = ?1",
        (id,),
        |r| r.get(0),
    )?;
    if count >= bounds.messages {
        return Ok(Held::Full);
    }
    tx.execute(
        "INSERT INTO direct_held (request, at, body, stanza) VALUES (?1, ?2, ?3, ?4)",
        (id, at, body, stanza.clone()),
    )?;
    Ok(if first { Held::First } else { Held::More })
}

/// Asks an owner into a group.
pub fn ask_into(
    tx: &mut Tx,
    owner: &str,
    jid: &BareJid,
    room: &str,
    at: Timestamp,
    max: usize,
) -> Result<Held> {
    Ok(match request_of(tx, owner, jid, room, at, max)? {
        Ok((_, true)) => Held::First,
        Ok((_, false)) => Held::More,
        Err(held) => held,
    })
}

fn request(r: &Row<'_>) -> Result<Request> {
    Ok(Request {
        id: r.get(0)?,
        jid: r.get(1)?,
        room: Some(r.get::<String>(2)?).filter(|room| !room.is_empty()),
        at: r.get(3)?,
        text: r.get(4)?,
        messages: r.get(5)?,
    })
}

/// The requests that wait for an owner, the newest first, with a number below `before`.
pub fn requests(conn: &Conn, owner: &str, before: Option<i64>, limit: usize) -> Result<Vec<Request>> {
    conn.query(
        "SELECT q.id, q.jid, q.room, q.at, \
         (SELECT body FROM direct_held h WHERE h.request = q.id ORDER BY h.id LIMIT 1), \
         (SELECT count(*) FROM direct_held h WHERE h.request = q.id) \
         FROM direct_requests q WHERE q.owner = ?1 AND q.id < ?2 AND q.refused_at IS NULL \
         ORDER BY q.id DESC LIMIT ?3",
        (owner, before.unwrap_or(i64::MAX), limit),
        request,
    )
}

/// One of the owner's requests.
pub fn get_request(conn: &Conn, owner: &str, id: i64) -> Result<Request> {
    conn.query_one(
        "SELECT q.id, q.jid, q.room, q.at, \
         (SELECT body FROM direct_held h WHERE h.request = q.id ORDER BY h.id LIMIT 1), \
         (SELECT count(*) FROM direct_held h WHERE h.request = q.id) \
         FROM direct_requests q WHERE q.owner = ?1 AND q.id = ?2 AND q.refused_at IS NULL",
        (owner, id),
        request,
    )
}

/// What waits of a request, in its order: each with its number and when it was sent.
pub fn held(conn: &Conn, id: i64) -> Result<Vec<(i64, Timestamp, Bytes)>> {
    conn.query(
        "SELECT id, at, stanza FROM direct_held WHERE request = ?1 ORDER BY id",
        (id,),
        |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?)),
    )
}

/// One of what waits goes, because the same transaction stores it elsewhere; `false` where it went before.
pub fn release(tx: &mut Tx, held: i64) -> Result<bool> {
    Ok(tx.execute("DELETE FROM direct_held WHERE id = ?1", (held,))? > 0)
}

/// Whoever asks takes back what waits and is picked by `which`, and with the last of it the request; whether there was such.
pub fn take_back(
    tx: &mut Tx,
    owner: &str,
    jid: &BareJid,
    mut which: impl FnMut(&Bytes) -> bool,
) -> Result<bool> {
    let request = tx.query_opt(
        "SELECT id FROM direct_requests WHERE owner = ?1 AND jid = ?2 AND room = '' AND refused_at IS NULL",
        (owner, jid),
        |r| r.get::<i64>(0),
    )?;
    let Some(request) = request else { return Ok(false) };
    let waiting = held(tx, request)?;
    let gone: Vec<i64> = waiting
        .iter()
        .filter(|(_, _, stanza)| which(stanza))
        .map(|(id, ..)| *id)
        .collect();
    for id in &gone {
        release(tx, *id)?;
    }
    if !gone.is_empty() && gone.len() == waiting.len() {
        close(tx, request)?;
    }
    Ok(!gone.is_empty())
}

/// A request is granted: it goes, with what waited.
pub fn close(tx: &mut Tx, id: i64) -> Result<()> {
    tx.execute("DELETE FROM direct_held WHERE request = ?1", (id,))?;
    tx.execute("DELETE FROM direct_requests WHERE id = ?1", (id,))
        .map(drop)
}

/// A request is refused: what waited goes, and who asked cannot ask again for a while.
pub fn refuse(tx: &mut Tx, id: i64, at: Timestamp) -> Result<()> {
    tx.execute("DELETE FROM direct_held WHERE request = ?1", (id,))?;
    tx.execute(
        "UPDATE direct_requests SET refused_at = ?2 WHERE id = ?1",
        (id, at),
    )
    .map(drop)
}

/// Requests from before `before` are forgotten, answered or not.
pub fn forget(tx: &mut Tx, before: Timestamp) -> Result<u64> {
    tx.execute(
        "DELETE FROM direct_held WHERE request IN (SELECT id FROM direct_requests WHERE at < ?1)",
        (before,),
    )?;
    tx.execute("DELETE FROM direct_requests WHERE at < ?1", (before,))
}

/// Everything here of an account that is deleted.
pub fn forget_owner(tx: &mut Tx, owner: &str) -> Result<()> {
    tx.execute(
        "DELETE FROM direct_held WHERE request IN (SELECT id FROM direct_requests WHERE owner = ?1)",
        (owner,),
    )?;
    for sql in [
        "DELETE FROM direct_requests WHERE owner = ?1",
        "DELETE FROM direct_allowed WHERE owner = ?1",
        "DELETE FROM direct_policies WHERE owner = ?1",
    ] {
        tx.execute(sql, (owner,))?;
    }
    Ok(())
}

/// A small private group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Group {
    /// The localpart of its room.
    pub room: String,
    /// Its name.
    pub name: String,
    /// Who made it.
    pub made_by: UserId,
    /// When.
    pub made_at: Timestamp,
}

/// Somebody in a group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Participant {
    /// Their address.
    pub jid: BareJid,
    /// Since when.
    pub at: Timestamp,
}

/// How the localpart of a group's room begins: no slug does, and no room that a client makes may.
pub const GROUP: &str = "dm~";

fn group(r: &Row<'_>) -> Result<Group> {
    Ok(Group {
        room: r.get(0)?,
        name: r.get(1)?,
        made_by: r.get(2)?,
        made_at: r.get(3)?,
    })
}

/// Enters a group.
pub fn insert_group(tx: &mut Tx, g: &Group) -> Result<()> {
    tx.execute(
        "INSERT INTO direct_groups (room, name, made_by, made_at) VALUES (?1, ?2, ?3, ?4)",
        (&g.room, &g.name, &g.made_by, g.made_at),
    )
    .map(drop)
}

/// One group.
pub fn get_group(conn: &Conn, room: &str) -> Result<Option<Group>> {
    conn.query_opt(
        "SELECT room, name, made_by, made_at FROM direct_groups WHERE room = ?1",
        (room,),
        group,
    )
}

/// Renames a group.
pub fn rename_group(tx: &mut Tx, room: &str, name: &str) -> Result<()> {
    tx.execute_one("UPDATE direct_groups SET name = ?2 WHERE room = ?1", (room, name))
}

/// The groups that somebody is in, the newest first.
pub fn groups_of(conn: &Conn, jid: &BareJid, limit: usize) -> Result<Vec<Group>> {
    conn.query(
        "SELECT g.room, g.name, g.made_by, g.made_at FROM direct_people p JOIN direct_groups g ON g.room = p.room \
         WHERE p.jid = ?1 ORDER BY g.made_at DESC, g.room LIMIT ?2",
        (jid, limit),
        group,
    )
}

/// Who is in a group, the oldest first.
pub fn people(conn: &Conn, room: &str) -> Result<Vec<Participant>> {
    conn.query(
        "SELECT jid, at FROM direct_people WHERE room = ?1 ORDER BY at, jid",
        (room,),
        |r| {
            Ok(Participant {
                jid: r.get(0)?,
                at: r.get(1)?,
            })
        },
    )
}

/// Since when somebody is in a group; nothing where they are not.
pub fn since_when(conn: &Conn, room: &str, jid: &BareJid) -> Result<Option<Timestamp>> {
    conn.query_opt(
        "SELECT at FROM direct_people WHERE room = ?1 AND jid = ?2",
        (room, jid),
        |r| r.get(0),
    )
}

/// The accounts of this server, whose addresses are of `domain`, that are in a group.
pub fn accounts_in(conn: &Conn, room: &str, domain: &str) -> Result<Vec<UserId>> {
    let mut users = Vec::new();
    for person in people(conn, room)? {
        if let Some(local) = person.jid.local().filter(|_| person.jid.domain() == domain) {
            users.extend(accounts::user_of(conn, local)?);
        }
    }
    Ok(users)
}

/// Enters a change of a room's list of people, where the room is a group; `in_it` are those who are members of it from
/// then on. [`StorageError::Constraint`] where they are more than `max`.
pub fn follow(tx: &mut Tx, room: &str, changes: &[(String, bool)], max: usize) -> Result<()> {
    if !room.starts_with(GROUP) {
        return Ok(());
    }
    let at = tx.now();
    for (jid, in_it) in changes {
        match in_it {
            true => tx.execute(
                "INSERT OR IGNORE INTO direct_people (room, jid, at) VALUES (?1, ?2, ?3)",
                (room, jid, at),
            )?,
            false => tx.execute(
                "DELETE FROM direct_people WHERE room = ?1 AND jid = ?2",
                (room, jid),
            )?,
        };
    }
    let count: usize = tx.query_one(
        "SELECT count(*) FROM direct_people WHERE room = ?1",
        (room,),
        |r| r.get(0),
    )?;
    if count > max {
        return Err(StorageError::Constraint("the group is full".into()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Storage, StorageConfig};

    #[tokio::test]
    async fn who_is_refused_asks_no_more_and_too_much_does_not_wait() {
        let dir = tempfile::tempdir().unwrap();
        let storage = Storage::open(StorageConfig::new(dir.path())).await.unwrap();
        let db = storage.server();
        db.write(|tx| {
            let bounds = Bounds {
                messages: 2,
                requests: 2,
            };
            let jid = |s: &str| s.parse::<BareJid>().unwrap();
            let say = |tx: &mut Tx, who: &str| {
                hold(
                    tx,
                    "bob",
                    &jid(who),
                    Timestamp(5),
                    (Some("hi"), &Bytes::from_static(b"<message/>")),
                    bounds,
                )
            };
            assert_eq!(say(tx, "a@x")?, Held::First);
            assert_eq!((say(tx, "a@x")?, say(tx, "a@x")?), (Held::More, Held::Full));
            assert_eq!((say(tx, "b@x")?, say(tx, "c@x")?), (Held::First, Held::Full));
            let list = requests(tx, "bob", None, 9)?;
            assert_eq!(
                (list.len(), list[1].messages, list[1].text.as_deref()),
                (2, 2, Some("hi"))
            );
            assert!(get_request(tx, "eve", list[0].id).is_err(), "not hers");
            refuse(tx, list[0].id, Timestamp(6))?;
            assert_eq!(say(tx, "b@x")?, Held::Refused);
            assert_eq!(held(tx, list[1].id)?.len(), 2);
            let mut first = true;
            let only_one = |_: &Bytes| std::mem::take(&mut first);
            assert!(take_back(tx, "bob", &jid("a@x"), only_one)?);
            assert!(!take_back(tx, "bob", &jid("a@x"), |_| false)?);
            assert_eq!(held(tx, list[1].id)?.len(), 1);
            assert!(take_back(tx, "bob", &jid("a@x"), |_| true)?);
            assert_eq!(requests(tx, "bob", None, 9)?.len(), 0);
            assert_eq!(forget(tx, Timestamp(7))?, 1);
            assert_eq!(say(tx, "b@x")?, Held::First, "after a while they may ask again");
            for n in 0..4 {
                allow(tx, "bob", &jid(&format!("{n}@x")), Timestamp(n), 3)?;
            }
            assert!(!is_allowed(tx, "bob", &jid("0@x"))? && is_allowed(tx, "bob", &jid("3@x"))?);
            set_policy(tx, "bob", RequestPolicy::Nobody)?;
            assert_eq!(policies(tx)?, [("bob".to_owned(), RequestPolicy::Nobody)]);
            forget_owner(tx, "bob")?;
            assert_eq!(policy(tx, "bob")?, RequestPolicy::Everyone);
            Ok(())
        })
        .await
        .unwrap();
        storage.close().await;
    }
}
