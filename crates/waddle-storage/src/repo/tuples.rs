//! The tuples of a waddle as text: `object`, `relation`, `subject`.

use crate::{Conn, Result, Tx};

/// Calls `visit` with each tuple.
pub fn each(conn: &Conn, mut visit: impl FnMut(&str, &str, &str)) -> Result<()> {
    conn.each("SELECT object, relation, subject FROM tuples", Vec::new(), |r| {
        let (object, relation, subject): (String, String, String) = (r.get(0)?, r.get(1)?, r.get(2)?);
        visit(&object, &relation, &subject);
        Ok(true)
    })
}

/// Enters a tuple; one that is there stays.
pub fn insert(tx: &mut Tx, object: &str, relation: &str, subject: &str) -> Result<()> {
    tx.execute(
        "INSERT INTO tuples (object, relation, subject) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING",
        (object, relation, subject),
    )
    .map(drop)
}

/// Takes a tuple out, if it is there.
pub fn delete(tx: &mut Tx, object: &str, relation: &str, subject: &str) -> Result<()> {
    tx.execute(
        "DELETE FROM tuples WHERE object = ?1 AND relation = ?2 AND subject = ?3",
        (object, relation, subject),
    )
    .map(drop)
}
