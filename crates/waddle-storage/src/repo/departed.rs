//! What a deleted account leaves behind: the small part goes in its last transaction, the large one a part at a time.

use waddle_core::UserId;

use super::{
    archive::{self, Afterwards, ArchiveKey},
    files, mqtt,
};
use crate::{Db, Result, Tx};

/// Queued messages that one write removes at the most.
const CHUNK: usize = 1_000;

/// With the account: its roster and waiting messages go, its MQTT sessions have expired, its archive is condemned.
pub(super) fn leave(tx: &mut Tx, user: &UserId, localpart: &str) -> Result<()> {
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
    files::remove_all(tx, user)?;
    super::pubsub::forget(tx, localpart)?;
    super::personal::forget(tx, localpart)?;
    let now = tx.now();
    tx.execute(
        "UPDATE mqtt_session SET expiry = 0, gone_at = coalesce(gone_at, ?2), will = NULL, will_payload = NULL, \
         will_props = NULL WHERE user_id = ?1",
        (user, now),
    )?;
    archive::condemn(tx, &ArchiveKey::user(user), Afterwards::Forget)
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
