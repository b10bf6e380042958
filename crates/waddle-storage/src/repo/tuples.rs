//! The tuples of a waddle as text: `object`, `relation`, `subject`; and the log of their last changes.

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

/// A change of a tuple, as the log keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Logged {
    /// The revision that it made.
    pub revision: u64,
    /// Whether the tuple came; otherwise it went.
    pub written: bool,
    /// `type:id`.
    pub object: String,
    /// The relation's name.
    pub relation: String,
    /// `type:id`, `type:*` or `type:id#relation`.
    pub subject: String,
}

/// Enters a change at the end of the log.
pub fn log(
    tx: &mut Tx,
    revision: u64,
    written: bool,
    object: &str,
    relation: &str,
    subject: &str,
) -> Result<()> {
    tx.execute(
        "INSERT INTO tuple_log (revision, written, object, relation, subject) VALUES (?1, ?2, ?3, ?4, ?5)",
        (revision, written, object, relation, subject),
    )
    .map(drop)
}

/// Forgets all but the last `keep` changes.
pub fn trim_log(tx: &mut Tx, keep: usize) -> Result<()> {
    tx.execute(
        "DELETE FROM tuple_log WHERE seq <= (SELECT MAX(seq) FROM tuple_log) - ?1",
        (keep,),
    )
    .map(drop)
}

/// The last changes, oldest first.
pub fn logged(conn: &Conn, limit: usize) -> Result<Vec<Logged>> {
    conn.query(
        "SELECT revision, written, object, relation, subject FROM \
         (SELECT * FROM tuple_log ORDER BY seq DESC LIMIT ?1) ORDER BY seq",
        (limit,),
        |r| {
            Ok(Logged {
                revision: r.get(0)?,
                written: r.get(1)?,
                object: r.get(2)?,
                relation: r.get(3)?,
                subject: r.get(4)?,
            })
        },
    )
}

/// Object, relation and subject.
pub type Parts = (String, String, String);

/// One page of the tuples that have these parts, in their order, behind `after`.
pub fn page(
    conn: &Conn,
    object: Option<&str>,
    relation: Option<&str>,
    subject: Option<&str>,
    after: Option<&Parts>,
    limit: usize,
) -> Result<Vec<Parts>> {
    let (o, r, s) = after.map_or(("", "", ""), |(o, r, s)| (o.as_str(), r.as_str(), s.as_str()));
    conn.query(
        "SELECT object, relation, subject FROM tuples \
         WHERE (object, relation, subject) > (?1, ?2, ?3) AND (?4 IS NULL OR object = ?4) \
         AND (?5 IS NULL OR relation = ?5) AND (?6 IS NULL OR subject = ?6) \
         ORDER BY object, relation, subject LIMIT ?7",
        (o, r, s, object, relation, subject, limit),
        |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
    )
}
