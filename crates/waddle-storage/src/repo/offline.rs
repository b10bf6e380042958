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

/// Adds a message; `false` if `max` wait already.
pub fn put(tx: &mut Tx, owner: &str, at: Timestamp, stanza: &[u8], max: usize) -> Result<bool> {
    if count(tx, owner)? >= max {
        return Ok(false);
    }
    tx.execute(
        "INSERT INTO offline (owner, at, stanza) VALUES (?1, ?2, ?3)",
        (owner, at, stanza),
    )?;
    Ok(true)
}

/// Takes out all messages of an account, in order.
pub fn take(tx: &mut Tx, owner: &str) -> Result<Vec<Waiting>> {
    let waiting = tx.query(
        "SELECT at, stanza FROM offline WHERE owner = ?1 ORDER BY id",
        (owner,),
        |r| {
            Ok(Waiting {
                at: r.get(0)?,
                stanza: r.get(1)?,
            })
        },
    )?;
    if !waiting.is_empty() {
        tx.execute("DELETE FROM offline WHERE owner = ?1", (owner,))?;
    }
    Ok(waiting)
}
