//! The channels that were put among the bookmarks of an account (XEP-0402).

use crate::{Conn, Result, Tx};

/// Those of an account, in order; bounded by what [`change`] is given.
pub fn of(conn: &Conn, owner: &str) -> Result<Vec<String>> {
    conn.query(
        "SELECT room FROM offered_bookmarks WHERE owner = ?1 ORDER BY room",
        (owner,),
        |r| r.get(0),
    )
}

/// Adds some and removes others.
pub fn change(tx: &mut Tx, owner: &str, new: &[String], gone: &[String]) -> Result<()> {
    for room in new {
        tx.execute(
            "INSERT OR IGNORE INTO offered_bookmarks (owner, room) \
             SELECT ?1, ?2 WHERE EXISTS (SELECT 1 FROM accounts WHERE localpart = ?1)",
            (owner, room.as_str()),
        )?;
    }
    for room in gone {
        tx.execute(
            "DELETE FROM offered_bookmarks WHERE owner = ?1 AND room = ?2",
            (owner, room.as_str()),
        )?;
    }
    Ok(())
}
