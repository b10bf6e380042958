//! How long archives keep (XEP-0313 §3.2: the oldest go first, there are no gaps).

use waddle_core::MessageId;

use super::ArchiveKey;
use crate::{Conn, Result, Tx};

/// Sets for how many days an archive keeps its messages; 0 for as long as the server does.
pub fn keep(tx: &mut Tx, archive: &ArchiveKey, days: u32) -> Result<()> {
    if days == 0 {
        return tx
            .execute("DELETE FROM archive_retention WHERE archive = ?1", (archive,))
            .map(drop);
    }
    tx.execute(
        "INSERT OR REPLACE INTO archive_retention (archive, days) VALUES (?1, ?2)",
        (archive, days),
    )
    .map(drop)
}

/// For how many days an archive keeps its messages; 0 for as long as the server does.
pub fn kept(conn: &Conn, archive: &ArchiveKey) -> Result<u32> {
    let days = conn.query_opt(
        "SELECT days FROM archive_retention WHERE archive = ?1",
        (archive,),
        |r| r.get(0),
    )?;
    Ok(days.unwrap_or(0))
}

/// The archives that hold something, in order, behind `after`; each costs one look into the index.
pub fn archives(conn: &Conn, after: Option<&ArchiveKey>, most: usize) -> Result<Vec<ArchiveKey>> {
    let mut last = after.map_or_else(String::new, |a| a.as_str().to_owned());
    let mut found = Vec::new();
    while found.len() < most {
        let next = conn.query_opt(
            "SELECT archive FROM archive INDEXED BY archive_page WHERE archive > ?1 ORDER BY archive LIMIT 1",
            (last.as_str(),),
            |r| r.get::<String>(0),
        )?;
        let Some(next) = next else { break };
        found.push(ArchiveKey(next.as_str().into()));
        last = next;
    }
    Ok(found)
}

/// The newest message of those that are too many where `most` may stay.
pub fn newest_beyond(conn: &Conn, archive: &ArchiveKey, most: usize) -> Result<Option<MessageId>> {
    conn.query_opt(
        "SELECT id FROM archive INDEXED BY archive_page WHERE archive = ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2",
        (archive, most),
        |r| r.get(0),
    )
}
