//! Whom accounts block (XEP-0191).

use waddle_core::Jid;

use crate::{Conn, Result, StorageError, Tx};

/// The addresses that an account blocks, in order; bounded by what [`add`] lets in.
pub fn list(conn: &Conn, owner: &str) -> Result<Vec<Jid>> {
    conn.query(
        "SELECT jid FROM blocked WHERE owner = ?1 ORDER BY jid",
        (owner,),
        |r| r.get(0),
    )
}

/// Adds addresses; `Constraint` where there would be more than `max`.
pub fn add(tx: &mut Tx, owner: &str, jids: &[Jid], max: usize) -> Result<()> {
    for jid in jids {
        tx.execute(
            "INSERT OR IGNORE INTO blocked (owner, jid) \
             SELECT ?1, ?2 WHERE EXISTS (SELECT 1 FROM accounts WHERE localpart = ?1)",
            (owner, jid),
        )?;
    }
    let count: usize = tx.query_one("SELECT count(*) FROM blocked WHERE owner = ?1", (owner,), |r| {
        r.get(0)
    })?;
    if count > max {
        return Err(StorageError::Constraint("blocked".into()));
    }
    Ok(())
}

/// Removes addresses, or all of them; the answer is those that were there.
pub fn remove(tx: &mut Tx, owner: &str, jids: Option<&[Jid]>) -> Result<Vec<Jid>> {
    let there = list(tx, owner)?;
    let Some(jids) = jids else {
        tx.execute("DELETE FROM blocked WHERE owner = ?1", (owner,))?;
        return Ok(there);
    };
    for jid in jids {
        tx.execute("DELETE FROM blocked WHERE owner = ?1 AND jid = ?2", (owner, jid))?;
    }
    Ok(there.into_iter().filter(|j| jids.contains(j)).collect())
}
