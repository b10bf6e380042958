//! Messages that wait for an account without an available session (XEP-0160).

use bytes::Bytes;
use waddle_core::Timestamp;

use crate::{Conn, Result, Tx};

/// A message that waited.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// When the server took it.
    pub at: Timestamp,
    /// The message.
    pub stanza: Bytes,
}

/// How many messages wait for an account.
pub fn count(conn: &Conn, owner: &str) -> Result<usize> {
    conn.query_one("SELECT count(*) FROM offline WHERE owner = ?1", (owner,), |r| {
        r.get(0)
    })
}

/// Adds a message; `false` if `max` wait already, [`StorageError::NotFound`](crate::StorageError::NotFound) where the account is gone.
pub fn put(tx: &mut Tx, owner: &str, at: Timestamp, stanza: &[u8], max: usize) -> Result<bool> {
    if count(tx, owner)? >= max {
        return Ok(false);
    }
    tx.execute_one(
        "INSERT INTO offline (owner, at, stanza) \
         SELECT ?1, ?2, ?3 WHERE EXISTS (SELECT 1 FROM accounts WHERE localpart = ?1)",
        (owner, at, stanza),
    )?;
    Ok(true)
}

/// Takes back a message that waits: its author has retracted it.
pub fn take_back(tx: &mut Tx, owner: &str, at: Timestamp) -> Result<()> {
    tx.execute("DELETE FROM offline WHERE owner = ?1 AND at = ?2", (owner, at))
        .map(drop)
}

/// Hands over the first messages of an account, in order: `max` at the most, and no more than `bytes` unless the
/// first one alone is longer. What `give` took is deleted, the first that it refuses and all after it stay. The
/// answer is whether more wait.
///
/// All in one transaction: what is deleted was given to somebody, and nobody else gets it. Where the commit fails,
/// the messages wait on, and may be given again.
pub fn hand_over(
    tx: &mut Tx,
    owner: &str,
    max: usize,
    bytes: usize,
    mut give: impl FnMut(Waiting) -> bool,
) -> Result<bool> {
    let (mut given, mut size, mut more, mut last) = (0, 0, false, None);
    tx.each(
        "SELECT id, at, stanza FROM offline WHERE owner = ?1 ORDER BY at, id LIMIT ?2",
        crate::params![owner, max.saturating_add(1)],
        |r| {
            let waiting = Waiting {
                at: r.get(1)?,
                stanza: r.get(2)?,
            };
            size += waiting.stanza.len();
            more = given == max || (size > bytes && given > 0);
            let place = (waiting.at, r.get::<i64>(0)?);
            if more || !give(waiting) {
                return Ok(false);
            }
            given += 1;
            last = Some(place);
            Ok(true)
        },
    )?;
    if let Some((at, id)) = last {
        tx.execute(
            "DELETE FROM offline WHERE owner = ?1 AND (at, id) <= (?2, ?3)",
            (owner, at, id),
        )?;
    }
    Ok(more)
}

/// What waits for an account, in order, behind `after`: each with its time and number, which the next page names. They
/// go on waiting.
pub fn page(
    conn: &Conn,
    owner: &str,
    after: Option<(Timestamp, i64)>,
    limit: usize,
) -> Result<Vec<(Timestamp, i64, Bytes)>> {
    let (at, id) = after.unwrap_or((Timestamp(i64::MIN), 0));
    conn.query(
        "SELECT at, id, stanza FROM offline WHERE owner = ?1 AND (at, id) > (?2, ?3) ORDER BY at, id LIMIT ?4",
        (owner, at, id, limit),
        |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?)),
    )
}

/// Deletes the messages that `which` picks; they are found elsewhere.
pub fn forget(tx: &mut Tx, owner: &str, mut which: impl FnMut(&Bytes) -> bool) -> Result<()> {
    let mut gone = Vec::new();
    tx.each(
        "SELECT id, stanza FROM offline WHERE owner = ?1",
        crate::params![owner],
        |r| {
            if which(&r.get(1)?) {
                gone.push(r.get::<i64>(0)?);
            }
            Ok(true)
        },
    )?;
    for id in gone {
        tx.execute("DELETE FROM offline WHERE id = ?1", (id,))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Storage, StorageConfig, StorageError, repo::accounts::Accounts};

    #[tokio::test]
    async fn what_is_not_taken_waits_on_and_nothing_is_given_twice() {
        let dir = tempfile::tempdir().unwrap();
        let storage = Storage::open(StorageConfig::new(dir.path())).await.unwrap();
        let db = storage.server();
        let nobody = db.write(|tx| put(tx, "alice", Timestamp(1), b"x", 9)).await;
        assert_eq!(nobody, Err(StorageError::NotFound), "the account does not exist");
        let alice = waddle_core::UserId::local("alice");
        Accounts(&db)
            .create_local(alice, "alice".into(), false, None)
            .await
            .unwrap();
        db.write(|tx| {
            for (at, text) in [(5, "c"), (3, "a"), (5, "d"), (4, "b")] {
                assert!(put(tx, "alice", Timestamp(at), text.as_bytes(), 4)?);
            }
            assert!(!put(tx, "alice", Timestamp(6), b"one too many", 4)?);
            let mut got = Vec::new();
            let mut run = |tx: &mut Tx, max, bytes, most: usize| {
                let mut here = 0;
                let more = hand_over(tx, "alice", max, bytes, |w| {
                    here += 1;
                    if here <= most {
                        got.push(w.stanza[0]);
                    }
                    here <= most
                })?;
                Ok::<_, StorageError>((more, got.clone(), count(tx, "alice")?))
            };
            assert_eq!(run(tx, 9, 99, 0)?, (false, vec![], 4), "the session was over");
            assert_eq!(run(tx, 2, 99, 1)?, (false, b"a".to_vec(), 3));
            assert_eq!(run(tx, 1, 99, 9)?, (true, b"ab".to_vec(), 2));
            assert_eq!(run(tx, 9, 0, 9)?, (true, b"abc".to_vec(), 1));
            assert_eq!(run(tx, 9, 0, 9)?, (false, b"abcd".to_vec(), 0));
            Ok(())
        })
        .await
        .unwrap();
        storage.close().await;
    }
}
