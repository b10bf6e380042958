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

/// Takes out the first messages of an account, in order: `max` at the most, and no more than `bytes` unless the
/// first one alone is longer. The second value says whether more wait.
pub fn take(tx: &mut Tx, owner: &str, max: usize, bytes: usize) -> Result<(Vec<Waiting>, bool)> {
    let (mut taken, mut size, mut more, mut last) = (Vec::new(), 0, false, (0_i64, 0_i64));
    tx.each(
        "SELECT id, at, stanza FROM offline WHERE owner = ?1 ORDER BY at, id LIMIT ?2",
        crate::params![owner, max.saturating_add(1)],
        |r| {
            let stanza: Bytes = r.get(2)?;
            size += stanza.len();
            if taken.len() == max || (size > bytes && !taken.is_empty()) {
                more = true;
                return Ok(false);
            }
            last = (r.get(1)?, r.get(0)?);
            taken.push(Waiting { at: r.get(1)?, stanza });
            Ok(true)
        },
    )?;
    if !taken.is_empty() {
        tx.execute(
            "DELETE FROM offline WHERE owner = ?1 AND (at, id) <= (?2, ?3)",
            (owner, last.0, last.1),
        )?;
    }
    Ok((taken, more))
}
