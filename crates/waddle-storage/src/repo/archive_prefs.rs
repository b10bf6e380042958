//! What an account wants archived ([XEP-0441](https://xmpp.org/extensions/xep-0441.html)).

use waddle_core::Jid;

use super::roster;
use crate::{Conn, FromColumn, IntoValue, Result, Tx, Value};

/// What happens with whoever is on no list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Otherwise {
    /// Everything is archived.
    #[default]
    Always,
    /// Nothing is archived.
    Never,
    /// What is exchanged with people in the roster.
    Roster,
}
impl IntoValue for Otherwise {
    fn into_value(self) -> Value {
        Value::Integer(self as i64)
    }
}
impl FromColumn for Otherwise {
    const EXPECTED: &'static str = "archiving preference";
    fn from_column(value: Value) -> Option<Self> {
        match value {
            Value::Integer(0) => Some(Self::Always),
            Value::Integer(1) => Some(Self::Never),
            Value::Integer(2) => Some(Self::Roster),
            _ => None,
        }
    }
}

/// The preferences of an account.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Prefs {
    /// For whom no list names.
    pub otherwise: Otherwise,
    /// With these everything is archived.
    pub always: Vec<Jid>,
    /// With these nothing is.
    pub never: Vec<Jid>,
}

/// What an account wants; everything, where it has not said.
pub fn get(conn: &Conn, owner: &str) -> Result<Prefs> {
    let mut prefs = Prefs {
        otherwise: otherwise(conn, owner)?.unwrap_or_default(),
        ..Prefs::default()
    };
    conn.each(
        "SELECT jid, always FROM archive_prefs_jids WHERE owner = ?1 ORDER BY jid",
        crate::params![owner],
        |r| {
            let list = if r.get(1)? {
                &mut prefs.always
            } else {
                &mut prefs.never
            };
            list.push(r.get(0)?);
            Ok(true)
        },
    )?;
    Ok(prefs)
}

/// Replaces what an account wants; who is on both lists is archived never.
pub fn set(tx: &mut Tx, owner: &str, prefs: &Prefs) -> Result<()> {
    tx.execute(
        "INSERT OR REPLACE INTO archive_prefs (owner, otherwise) VALUES (?1, ?2)",
        (owner, prefs.otherwise),
    )?;
    tx.execute("DELETE FROM archive_prefs_jids WHERE owner = ?1", (owner,))?;
    for (list, always) in [(&prefs.always, true), (&prefs.never, false)] {
        for jid in list {
            tx.execute(
                "INSERT OR REPLACE INTO archive_prefs_jids (owner, jid, always) VALUES (?1, ?2, ?3)",
                (owner, jid, always),
            )?;
        }
    }
    Ok(())
}

/// The accounts that have said what they want.
pub fn owners(conn: &Conn) -> Result<Vec<String>> {
    conn.query("SELECT owner FROM archive_prefs", (), |r| r.get(0))
}

/// Whether an account wants archived what it exchanges with `other`, as the message names them (§2.2): an entry with
/// a resource is for that resource, and goes before one without.
pub fn wants(conn: &Conn, owner: &str, other: &Jid) -> Result<bool> {
    let Some(otherwise) = otherwise(conn, owner)? else {
        return Ok(true);
    };
    let bare = other.bare();
    let listed = |jid: &str| {
        conn.query_opt(
            "SELECT always FROM archive_prefs_jids WHERE owner = ?1 AND jid = ?2",
            (owner, jid),
            |r| r.get::<bool>(0),
        )
    };
    if let Some(always) = listed(other.as_str())? {
        return Ok(always);
    }
    if let Some(always) = listed(bare.as_str())? {
        return Ok(always);
    }
    Ok(match otherwise {
        Otherwise::Always => true,
        Otherwise::Never => false,
        Otherwise::Roster => roster::get(conn, owner, &bare)?.listed,
    })
}

fn otherwise(conn: &Conn, owner: &str) -> Result<Option<Otherwise>> {
    conn.query_opt(
        "SELECT otherwise FROM archive_prefs WHERE owner = ?1",
        (owner,),
        |r| r.get(0),
    )
}

#[cfg(test)]
mod tests {
    use waddle_core::BareJid;

    use super::*;
    use crate::{Storage, StorageConfig};

    #[tokio::test]
    async fn lists_go_before_the_default_and_resources_before_bare_addresses() {
        let dir = tempfile::tempdir().unwrap();
        let storage = Storage::open(StorageConfig::new(dir.path())).await.unwrap();
        let db = storage.server();
        let jid = |s: &str| s.parse::<Jid>().unwrap();
        let alice = waddle_core::UserId::local("alice");
        crate::repo::accounts::Accounts(&db)
            .create_local(alice, "alice".into(), false, None)
            .await
            .unwrap();
        db.write(move |tx| {
            assert!(wants(tx, "alice", &jid("x@d"))?, "nothing was said");
            assert!(owners(tx)?.is_empty());
            assert_eq!(get(tx, "alice")?, Prefs::default());
            let mut prefs = Prefs {
                otherwise: Otherwise::Never,
                always: vec![jid("bob@d"), jid("both@d")],
                never: vec![jid("bob@d/phone"), jid("both@d")],
            };
            set(tx, "alice", &prefs)?;
            let is = |tx: &Tx, other: &str| wants(tx, "alice", &jid(other));
            assert!(is(tx, "bob@d")? && is(tx, "bob@d/desk")?);
            assert!(!is(tx, "bob@d/phone")? && !is(tx, "both@d/x")? && !is(tx, "carol@d")?);
            assert!(wants(tx, "bob", &jid("alice@d"))?, "Alice's wishes are hers");
            assert_eq!(owners(tx)?, ["alice"]);
            prefs.always.pop();
            assert_eq!(get(tx, "alice")?, prefs);
            prefs = Prefs {
                otherwise: Otherwise::Roster,
                ..Prefs::default()
            };
            set(tx, "alice", &prefs)?;
            assert_eq!(get(tx, "alice")?, prefs, "the old lists are gone");
            assert!(!is(tx, "carol@d/1")?);
            let carol: BareJid = "carol@d".parse().unwrap();
            let mut contact = roster::Contact::unknown(carol);
            contact.listed = true;
            roster::put(tx, "alice", &contact)?;
            assert!(is(tx, "carol@d/1")?);
            Ok(())
        })
        .await
        .unwrap();
        storage.close().await;
    }
}
