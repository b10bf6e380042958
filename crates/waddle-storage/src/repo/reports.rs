//! What people reported (XEP-0377).

use waddle_core::{Jid, Timestamp, UserId};

use crate::{Conn, Result, Row, Tx};

/// A report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// When it was made, or made again.
    pub at: Timestamp,
    /// Who reported.
    pub reporter: UserId,
    /// Whom.
    pub reported: Jid,
    /// Why: a URI such as `urn:xmpp:reporting:spam`.
    pub reason: String,
    /// What the reporter wrote.
    pub text: Option<String>,
    /// The messages that it is about: who gave the id, and the id.
    pub ids: Vec<(String, String)>,
}

/// A stored report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Its number.
    pub id: i64,
    /// What was reported.
    pub report: Report,
    /// How often the same person reported the same for the same reason.
    pub times: u32,
}

/// Between the two halves of an id, and between ids; XML holds neither.
const HALF: char = '\u{1f}';
const NEXT: char = '\u{1e}';

/// Stores a report. The same person, reporting the same for the same reason, renews the older one; of all reports the
/// newest `max` stay.
pub fn put(tx: &mut Tx, r: &Report, max: usize) -> Result<i64> {
    let mut ids = String::new();
    for (by, id) in &r.ids {
        if !ids.is_empty() {
            ids.push(NEXT);
        }
        ids.push_str(by);
        ids.push(HALF);
        ids.push_str(id);
    }
    tx.execute(
        "INSERT INTO reports (at, reporter, reported, reason, text, ids) VALUES (?1, ?2, ?3, ?4, ?5, ?6) \
         ON CONFLICT (reporter, reported, reason) DO UPDATE SET at = excluded.at, \
         text = coalesce(excluded.text, text), ids = iif(excluded.ids = '', ids, excluded.ids), times = times + 1",
        (r.at, &r.reporter, &r.reported, &r.reason, r.text.as_deref(), ids),
    )?;
    let id = tx.query_one(
        "SELECT id FROM reports WHERE reporter = ?1 AND reported = ?2 AND reason = ?3",
        (&r.reporter, &r.reported, &r.reason),
        |row| row.get(0),
    )?;
    let count: usize = tx.query_one("SELECT count(*) FROM reports", (), |row| row.get(0))?;
    if count > max {
        tx.execute(
            "DELETE FROM reports WHERE id IN (SELECT id FROM reports ORDER BY at, id LIMIT ?1)",
            (count - max,),
        )?;
    }
    Ok(id)
}

fn stored(row: &Row<'_>) -> Result<Stored> {
    let ids: String = row.get(6)?;
    let ids = ids.split(NEXT).filter_map(|i| i.split_once(HALF));
    Ok(Stored {
        id: row.get(0)?,
        report: Report {
            at: row.get(1)?,
            reporter: row.get(2)?,
            reported: row.get(3)?,
            reason: row.get(4)?,
            text: row.get(5)?,
            ids: ids.map(|(by, id)| (by.to_owned(), id.to_owned())).collect(),
        },
        times: row.get(7)?,
    })
}

/// The newest reports first: `limit` of those with a number below `before`, about `reported` where that is given.
pub fn list(conn: &Conn, reported: Option<&Jid>, before: Option<i64>, limit: usize) -> Result<Vec<Stored>> {
    conn.query(
        "SELECT id, at, reporter, reported, reason, text, ids, times FROM reports \
         WHERE (?1 IS NULL OR reported = ?1) AND id < ?2 ORDER BY id DESC LIMIT ?3",
        (reported, before.unwrap_or(i64::MAX), limit),
        stored,
    )
}

/// Removes a report that was dealt with; whether it was there.
pub fn remove(tx: &mut Tx, id: i64) -> Result<bool> {
    Ok(tx.execute("DELETE FROM reports WHERE id = ?1", (id,))? > 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Storage, StorageConfig};

    #[tokio::test]
    async fn the_same_again_renews_and_the_oldest_go() {
        let dir = tempfile::tempdir().unwrap();
        let storage = Storage::open(StorageConfig::new(dir.path())).await.unwrap();
        let report = |n: i64, who: &str| Report {
            at: Timestamp(n),
            reporter: UserId::local("alice"),
            reported: who.parse().unwrap(),
            reason: "urn:xmpp:reporting:spam".into(),
            text: (n == 1).then(|| "first".to_owned()),
            ids: vec![("alice@x".into(), n.to_string()), ("room@x".into(), "b".into())],
        };
        let db = storage.server();
        db.write(move |tx| {
            let first = put(tx, &report(1, "spam@x"), 2)?;
            put(tx, &report(2, "more@x"), 2)?;
            assert_eq!(put(tx, &report(3, "spam@x"), 2)?, first);
            let of = list(tx, Some(&"spam@x".parse().unwrap()), None, 9)?;
            assert_eq!(of.len(), 1);
            assert_eq!((of[0].times, of[0].report.at), (2, Timestamp(3)));
            assert_eq!(of[0].report.text.as_deref(), Some("first"));
            assert_eq!(of[0].report.ids, report(3, "spam@x").ids);
            let third = put(tx, &report(4, "third@x"), 2)?;
            let all = list(tx, None, None, 9)?;
            assert_eq!(all.iter().map(|s| s.id).collect::<Vec<_>>(), [third, first]);
            assert_eq!(list(tx, None, Some(third), 9)?.len(), 1);
            assert!(remove(tx, first)? && !remove(tx, first)?);
            Ok(())
        })
        .await
        .unwrap();
        storage.close().await;
    }
}
