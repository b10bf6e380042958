//! Files that messages name. A message that goes takes its author's files along: the trigger notes them in
//! the same transaction, and somebody who knows the store deletes them and says so.

use waddle_core::MessageId;

use crate::{Conn, Result, Tx};

/// Notes the files that a message names.
pub fn name_files(tx: &mut Tx, id: MessageId, owner: &str, urls: &[String]) -> Result<()> {
    for url in urls {
        tx.execute(
            "INSERT OR IGNORE INTO message_files (id, url, owner) VALUES (?1, ?2, ?3)",
            (id, url, owner),
        )?;
    }
    Ok(())
}

/// A file to delete, where it is its owner's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileRemoval {
    /// Its number in the list.
    pub n: i64,
    /// Where it is.
    pub url: String,
    /// Who named it: a UserId.
    pub owner: String,
}

/// Files to delete with a number up to `last`, the longest waiting first.
pub fn due_files(conn: &Conn, last: i64, max: usize) -> Result<Vec<FileRemoval>> {
    conn.query(
        "SELECT n, url, owner FROM message_file_removals WHERE n <= ?1 ORDER BY n LIMIT ?2",
        (last, max),
        |r| {
            Ok(FileRemoval {
                n: r.get(0)?,
                url: r.get(1)?,
                owner: r.get(2)?,
            })
        },
    )
}

/// The number of the file that was noted last; 0 for none.
pub fn last_file(conn: &Conn) -> Result<i64> {
    conn.query_one("SELECT coalesce(max(n), 0) FROM message_file_removals", (), |r| {
        r.get(0)
    })
}

/// One is dealt with.
pub fn file_removed(tx: &mut Tx, n: i64) -> Result<()> {
    tx.execute("DELETE FROM message_file_removals WHERE n = ?1", (n,))
        .map(drop)
}

/// One could not be deleted: it waits behind all others.
pub fn file_postponed(tx: &mut Tx, n: i64) -> Result<()> {
    tx.execute(
        "INSERT INTO message_file_removals (url, owner) SELECT url, owner FROM message_file_removals WHERE n = ?1",
        (n,),
    )?;
    file_removed(tx, n)
}
