//! When accounts were available for the last time (RFC 6121 §4.3, XEP-0012).

use bytes::Bytes;
use waddle_core::Timestamp;

use crate::{Conn, Result, Tx};

/// How an account went away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastSeen {
    /// When its last session became unavailable.
    pub at: Timestamp,
    /// The presence of type `unavailable` that it or the server sent, without `to`.
    pub presence: Bytes,
}

/// Notes that the last session of an account became unavailable; who has no account was never seen.
pub fn put(tx: &mut Tx, owner: &str, seen: &LastSeen) -> Result<()> {
    tx.execute(
        "INSERT OR REPLACE INTO last_seen (owner, at, presence) \
         SELECT ?1, ?2, ?3 WHERE EXISTS (SELECT 1 FROM accounts WHERE localpart = ?1)",
        (owner, seen.at, &seen.presence),
    )?;
    Ok(())
}

/// When an account went away for the last time.
pub fn get(conn: &Conn, owner: &str) -> Result<Option<LastSeen>> {
    conn.query_opt(
        "SELECT at, presence FROM last_seen WHERE owner = ?1",
        (owner,),
        |r| {
            Ok(LastSeen {
                at: r.get(0)?,
                presence: r.get(1)?,
            })
        },
    )
}
