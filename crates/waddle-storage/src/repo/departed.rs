//! What a deleted account leaves behind: the small part goes in its last transaction, the large one a part at a time.

use waddle_core::{BareJid, UserId};

use super::{
    archive::{self, Afterwards, ArchiveKey},
    files, mqtt, roster,
};
use crate::{Conn, Db, Result, Tx};

/// Queued messages that one write removes at the most.
const CHUNK: usize = 1_000;

/// With the account: its roster and waiting messages go, its bots log in no more, its MQTT sessions have expired, its archive is condemned.
pub(super) fn leave(tx: &mut Tx, user: &UserId, localpart: &str) -> Result<()> {
    tx.execute(
        "INSERT OR REPLACE INTO goodbyes (gone, contact, seen, saw) \
         SELECT owner, jid, (subscription & ?2) <> 0, (subscription & ?3) <> 0 OR asked FROM roster \
         WHERE owner = ?1 AND (subscription <> 0 OR asked)",
        (localpart, roster::FROM, roster::TO),
    )?;
    for sql in [
        "DELETE FROM roster WHERE owner = ?1",
        "DELETE FROM roster_version WHERE owner = ?1",
        "DELETE FROM roster_removed WHERE owner = ?1",
        "DELETE FROM last_seen WHERE owner = ?1",
        "DELETE FROM blocked WHERE owner = ?1",
        "DELETE FROM offline WHERE owner = ?1",
        "DELETE FROM push WHERE owner = ?1",
        "DELETE FROM offered_bookmarks WHERE owner = ?1",
        "DELETE FROM archive_prefs WHERE owner = ?1",
        "DELETE FROM archive_prefs_jids WHERE owner = ?1",
    ] {
        tx.execute(sql, (localpart,))?;
    }
    super::direct::forget_owner(tx, localpart)?;
    files::remove_all(tx, user)?;
    super::pubsub::forget(tx, localpart)?;
    super::personal::forget(tx, localpart)?;
    super::messages::forget_reader(tx, user.as_str())?;
    super::bots::silence_owned(tx, user)?;
    let now = tx.now();
    tx.execute(
        "UPDATE mqtt_session SET expiry = 0, gone_at = coalesce(gone_at, ?2), will = NULL, will_payload = NULL, \
         will_props = NULL WHERE user_id = ?1",
        (user, now),
    )?;
    archive::condemn(tx, &ArchiveKey::user(user), Afterwards::Forget)
}

/// Somebody whose contact is gone and who does not know it yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Goodbye {
    /// Localpart of the account that was.
    pub gone: String,
    /// The contact.
    pub contact: BareJid,
    /// Whether the contact got its presence.
    pub seen: bool,
    /// Whether it got the contact's presence, or had asked for it.
    pub saw: bool,
}

/// Some of the contacts that are to be told, with a server that tells them.
pub fn goodbyes(conn: &Conn, limit: usize) -> Result<Vec<Goodbye>> {
    conn.query(
        "SELECT gone, contact, seen, saw FROM goodbyes LIMIT ?1",
        (limit,),
        |r| {
            Ok(Goodbye {
                gone: r.get(0)?,
                contact: r.get(1)?,
                seen: r.get(2)?,
                saw: r.get(3)?,
            })
        },
    )
}

/// One of them was told.
pub fn said(tx: &mut Tx, goodbye: &Goodbye) -> Result<()> {
    tx.execute(
        "DELETE FROM goodbyes WHERE gone = ?1 AND contact = ?2",
        (&goodbye.gone, &goodbye.contact),
    )
    .map(drop)
}

/// A place in a small private group of somebody whose account is gone: the group, by the localpart of its room, and the
/// address that they had.
pub type Place = (String, BareJid);

/// Some of these places, in their order behind `after`: of one account, or of all whose addresses were of `domain`.
pub fn places(
    conn: &Conn,
    domain: &str,
    user: Option<&UserId>,
    after: Option<&Place>,
    limit: usize,
) -> Result<Vec<Place>> {
    // Everybody who is gone has an address, and all groups of an address stand together.
    let of_all = "SELECT p.room, p.jid FROM retired_localparts r CROSS JOIN direct_people p \
         ON p.jid = r.localpart || '@' || ?1 WHERE (p.room, p.jid) > (?2, ?3) \
         AND NOT EXISTS (SELECT 1 FROM accounts a WHERE a.localpart = r.localpart) ORDER BY p.room, p.jid LIMIT ?4";
    let of_one = "SELECT p.room, p.jid FROM retired_localparts r CROSS JOIN direct_people p \
         ON p.jid = r.localpart || '@' || ?1 WHERE (p.room, p.jid) > (?2, ?3) \
         AND NOT EXISTS (SELECT 1 FROM accounts a WHERE a.localpart = r.localpart) AND r.user_id = ?5 \
         ORDER BY p.room, p.jid LIMIT ?4";
    let (room, jid) = after.map_or(("", ""), |(room, jid)| (room, jid.as_str()));
    let place = |r: &crate::Row<'_>| Ok((r.get(0)?, r.get(1)?));
    match user {
        None => conn.query(of_all, (domain, room, jid, limit), place),
        Some(user) => conn.query(of_one, (domain, room, jid, limit, user), place),
    }
}

/// After the account, and at the start of the server after a crash: removes the expired MQTT sessions with their
/// queues, and the condemned archives.
pub async fn clear(db: &Db) -> Result<()> {
    while end_one_session(db).await? {}
    archive::finish_removals(db, Afterwards::Forget).await
}

/// A part of one expired session; whether there may be more. A session that is kept never has the expiry 0.
async fn end_one_session(db: &Db) -> Result<bool> {
    db.write(|tx| {
        let session = tx.query_opt("SELECT id FROM mqtt_session WHERE expiry = 0 LIMIT 1", (), |r| {
            r.get::<i64>(0)
        })?;
        let Some(session) = session else { return Ok(false) };
        let queued = tx.query(
            "SELECT id FROM mqtt_queue WHERE session = ?1 ORDER BY id LIMIT ?2",
            (session, CHUNK),
            |r| r.get::<i64>(0),
        )?;
        for row in &queued {
            mqtt::dequeue(tx, *row)?;
        }
        if queued.len() < CHUNK {
            mqtt::delete_session(tx, session)?;
        }
        Ok(true)
    })
    .await
}
