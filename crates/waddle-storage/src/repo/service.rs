//! What administrators set for the whole service: texts for everybody, black and white lists (XEP-0133).

use waddle_core::{Jid, Timestamp};

use crate::{Conn, Result, Tx};

/// The message of the day.
pub const MOTD: &str = "motd";
/// The welcome message.
pub const WELCOME: &str = "welcome";

/// A text for everybody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceText {
    /// The text.
    pub body: String,
    /// Rises when it is to be shown again.
    pub version: i64,
    /// When it was set.
    pub set_at: Timestamp,
}

/// A text.
pub fn text(conn: &Conn, name: &str) -> Result<Option<ServiceText>> {
    conn.query_opt(
        "SELECT body, version, set_at FROM service_texts WHERE name = ?1",
        (name,),
        |r| {
            Ok(ServiceText {
                body: r.get(0)?,
                version: r.get(1)?,
                set_at: r.get(2)?,
            })
        },
    )
}

/// Sets a text. `again`: those who saw an earlier one see this one too.
pub fn set_text(tx: &mut Tx, name: &str, body: &str, again: bool) -> Result<ServiceText> {
    let now = tx.now();
    let old = text(tx, name)?;
    let t = match old {
        Some(old) if !again => ServiceText {
            body: body.to_owned(),
            ..old
        },
        // A version is never used twice, also where there was none in between.
        _ => ServiceText {
            body: body.to_owned(),
            version: now.micros(),
            set_at: now,
        },
    };
    tx.execute(
        "INSERT INTO service_texts (name, body, version, set_at) VALUES (?1, ?2, ?3, ?4) \
         ON CONFLICT (name) DO UPDATE SET body = excluded.body, version = excluded.version, set_at = excluded.set_at",
        (name, &t.body, t.version, t.set_at),
    )?;
    Ok(t)
}

/// Removes a text; `false` if there was none.
pub fn delete_text(tx: &mut Tx, name: &str) -> Result<bool> {
    tx.execute("DELETE FROM service_texts_seen WHERE name = ?1", (name,))?;
    Ok(tx.execute("DELETE FROM service_texts WHERE name = ?1", (name,))? > 0)
}

/// Whether an account, made at `since` or later, was not yet shown this version of a text.
pub fn is_unseen(conn: &Conn, localpart: &str, name: &str, version: i64, since: Timestamp) -> Result<bool> {
    let found = conn.query_opt(
        "SELECT 1 FROM accounts a WHERE a.localpart = ?1 AND a.created_at >= ?4 AND NOT EXISTS \
         (SELECT 1 FROM service_texts_seen s WHERE s.account = a.id AND s.name = ?2 AND s.version >= ?3)",
        (localpart, name, version, since),
        |_| Ok(()),
    )?;
    Ok(found.is_some())
}

/// Notes that an account is shown a version of a text; `false` if it was before.
pub fn see(tx: &mut Tx, localpart: &str, name: &str, version: i64) -> Result<bool> {
    let n = tx.execute(
        "INSERT INTO service_texts_seen (account, name, version) \
         SELECT id, ?2, ?3 FROM accounts WHERE localpart = ?1 \
         ON CONFLICT (account, name) DO UPDATE SET version = excluded.version WHERE version < excluded.version",
        (localpart, name, version),
    )?;
    Ok(n > 0)
}

/// The addresses of a list, sorted.
pub fn list(conn: &Conn, list: &str) -> Result<Vec<Jid>> {
    conn.query(
        "SELECT jid FROM service_lists WHERE list = ?1 ORDER BY jid",
        (list,),
        |r| r.get(0),
    )
}

/// Replaces a list.
pub fn set_list(tx: &mut Tx, list: &str, jids: &[Jid]) -> Result<()> {
    tx.execute("DELETE FROM service_lists WHERE list = ?1", (list,))?;
    for jid in jids {
        tx.execute(
            "INSERT OR IGNORE INTO service_lists (list, jid) VALUES (?1, ?2)",
            (list, jid),
        )?;
    }
    Ok(())
}
