//! Rosters and subscriptions (RFC 6121 §2, §3).

use bytes::Bytes;
use waddle_core::BareJid;

use crate::{Conn, Result, Row, Tx};

/// Between the names of groups; XML cannot hold it, so no name has it.
const BETWEEN: char = '\u{1f}';
/// Bit of `subscription`: the owner gets the contact's presence.
pub const TO: u8 = 1;
/// Bit of `subscription`: the contact gets the owner's presence.
pub const FROM: u8 = 2;

/// What an account knows of one contact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contact {
    /// The contact.
    pub jid: BareJid,
    /// The name that the owner gave it.
    pub name: Option<String>,
    /// Groups, in the order given.
    pub groups: Vec<String>,
    /// [`TO`] and [`FROM`].
    pub subscription: u8,
    /// Whether the owner asked to subscribe and waits.
    pub asked: bool,
    /// Whether the owner approved a future request.
    pub approved: bool,
    /// Whether it is an item of the roster.
    pub listed: bool,
    /// The contact's request that waits for the owner.
    pub request: Option<Bytes>,
}

impl Contact {
    /// A contact of whom nothing is known.
    pub fn unknown(jid: BareJid) -> Self {
        Self {
            jid,
            name: None,
            groups: Vec::new(),
            subscription: 0,
            asked: false,
            approved: false,
            listed: false,
            request: None,
        }
    }

    /// Whether the owner gets the contact's presence.
    pub fn to(&self) -> bool {
        self.subscription & TO != 0
    }

    /// Whether the contact gets the owner's presence.
    pub fn from(&self) -> bool {
        self.subscription & FROM != 0
    }

    fn is_empty(&self) -> bool {
        !self.listed && self.subscription == 0 && !self.asked && !self.approved && self.request.is_none()
    }
}

const COLUMNS: &str = "jid, name, groups, subscription, asked, approved, listed, request";

fn contact(row: &Row<'_>) -> Result<Contact> {
    let groups: String = row.get(2)?;
    Ok(Contact {
        jid: row.get(0)?,
        name: row.get(1)?,
        groups: if groups.is_empty() {
            Vec::new()
        } else {
            groups.split(BETWEEN).map(str::to_owned).collect()
        },
        subscription: row.get(3)?,
        asked: row.get(4)?,
        approved: row.get(5)?,
        listed: row.get(6)?,
        request: row.get(7)?,
    })
}

/// The roster's version; 0 before its first change.
pub fn version(conn: &Conn, owner: &str) -> Result<i64> {
    let v = conn.query_opt(
        "SELECT version FROM roster_version WHERE owner = ?1",
        (owner,),
        |r| r.get(0),
    )?;
    Ok(v.unwrap_or(0))
}

/// Everything known of an account's contacts, items of the roster or not; bounded by the roster's limit.
pub fn all(conn: &Conn, owner: &str) -> Result<Vec<Contact>> {
    let sql = ["SELECT ", COLUMNS, " FROM roster WHERE owner = ?1 ORDER BY jid"].concat();
    conn.query(&sql, (owner,), contact)
}

/// What is known of one contact.
pub fn get(conn: &Conn, owner: &str, jid: &BareJid) -> Result<Contact> {
    let sql = ["SELECT ", COLUMNS, " FROM roster WHERE owner = ?1 AND jid = ?2"].concat();
    Ok(conn
        .query_opt(&sql, (owner, jid), contact)?
        .unwrap_or_else(|| Contact::unknown(jid.clone())))
}

/// How many items the roster has.
pub fn count(conn: &Conn, owner: &str) -> Result<usize> {
    conn.query_one(
        "SELECT count(*) FROM roster WHERE owner = ?1 AND listed",
        (owner,),
        |r| r.get(0),
    )
}

/// How many requests wait for the owner.
pub fn requests(conn: &Conn, owner: &str) -> Result<usize> {
    conn.query_one(
        "SELECT count(*) FROM roster WHERE owner = ?1 AND request IS NOT NULL",
        (owner,),
        |r| r.get(0),
    )
}

/// Whether there is an account of this name.
pub fn has_account(conn: &Conn, localpart: &str) -> Result<bool> {
    conn.query_one(
        "SELECT EXISTS (SELECT 1 FROM accounts WHERE localpart = ?1)",
        (localpart,),
        |r| r.get(0),
    )
}

/// Whose presence `owner` gets (`TO`), or who gets the owner's (`FROM`).
pub fn subscribed(conn: &Conn, owner: &str, direction: u8) -> Result<Vec<BareJid>> {
    conn.query(
        "SELECT jid FROM roster WHERE owner = ?1 AND subscription & ?2 != 0",
        (owner, direction),
        |r| r.get(0),
    )
}

/// Stores what is known of a contact; what says nothing any more is deleted, and who has no account has no roster.
pub fn put(tx: &mut Tx, owner: &str, c: &Contact) -> Result<()> {
    if c.is_empty() {
        tx.execute(
            "DELETE FROM roster WHERE owner = ?1 AND jid = ?2",
            (owner, &c.jid),
        )?;
        return Ok(());
    }
    let groups = c.groups.join(BETWEEN.encode_utf8(&mut [0; 4]));
    tx.execute(
        "INSERT INTO roster (owner, jid, name, groups, subscription, asked, approved, listed, request) \
         SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9 WHERE EXISTS (SELECT 1 FROM accounts WHERE localpart = ?1) \
         ON CONFLICT (owner, jid) DO UPDATE SET name = excluded.name, groups = excluded.groups, \
         subscription = excluded.subscription, asked = excluded.asked, approved = excluded.approved, \
         listed = excluded.listed, request = excluded.request",
        (
            owner,
            &c.jid,
            c.name.as_deref(),
            groups,
            c.subscription,
            c.asked,
            c.approved,
            c.listed,
            c.request.as_ref(),
        ),
    )?;
    Ok(())
}

/// Raises the version after a change of `item`, which is removed where it is not listed; the answer is the new
/// version. Of removed items the newest `keep` are remembered.
pub fn raise_version(tx: &mut Tx, owner: &str, item: &Contact, keep: usize) -> Result<i64> {
    tx.execute(
        "INSERT INTO roster_version (owner, version) \
         SELECT ?1, 1 WHERE EXISTS (SELECT 1 FROM accounts WHERE localpart = ?1) \
         ON CONFLICT (owner) DO UPDATE SET version = version + 1",
        (owner,),
    )?;
    let version = version(tx, owner)?;
    tx.execute(
        "UPDATE roster SET version = ?3 WHERE owner = ?1 AND jid = ?2",
        (owner, &item.jid, version),
    )?;
    if item.listed {
        tx.execute(
            "DELETE FROM roster_removed WHERE owner = ?1 AND jid = ?2",
            (owner, &item.jid),
        )?;
        return Ok(version);
    }
    tx.execute(
        "INSERT OR REPLACE INTO roster_removed (owner, jid, version) \
         SELECT ?1, ?2, ?3 WHERE EXISTS (SELECT 1 FROM accounts WHERE localpart = ?1)",
        (owner, &item.jid, version),
    )?;
    let oldest = tx.query_opt(
        "SELECT version FROM roster_removed WHERE owner = ?1 ORDER BY version DESC LIMIT 1 OFFSET ?2",
        (owner, keep),
        |r| r.get::<i64>(0),
    )?;
    if let Some(oldest) = oldest {
        tx.execute(
            "DELETE FROM roster_removed WHERE owner = ?1 AND version <= ?2",
            (owner, oldest),
        )?;
        tx.execute(
            "UPDATE roster_version SET floor = ?2 WHERE owner = ?1",
            (owner, oldest),
        )?;
    }
    Ok(version)
}

/// The items that changed after `since`, in the order of their last change, each with the version of that; items
/// that are not listed were removed. `None` where that is not known, or more than `max`.
pub fn changes(conn: &Conn, owner: &str, since: i64, max: usize) -> Result<Option<Vec<(i64, Contact)>>> {
    let known = conn.query_opt(
        "SELECT version, floor FROM roster_version WHERE owner = ?1",
        (owner,),
        |r| Ok((r.get::<i64>(0)?, r.get::<i64>(1)?)),
    )?;
    let (newest, floor) = known.unwrap_or((0, 0));
    if since < floor || since > newest {
        return Ok(None);
    }
    let sql = [
        "SELECT ",
        COLUMNS,
        ", version FROM roster WHERE owner = ?1 AND listed AND version > ?2 UNION ALL \
         SELECT jid, NULL, '', 0, 0, 0, 0, NULL, version FROM roster_removed WHERE owner = ?1 AND version > ?2 \
         ORDER BY version LIMIT ?3",
    ]
    .concat();
    let changed = conn.query(&sql, (owner, since, max.saturating_add(1)), |r| {
        Ok((r.get::<i64>(8)?, contact(r)?))
    })?;
    Ok((changed.len() <= max).then_some(changed))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Storage, StorageConfig, repo::accounts::Accounts};

    #[tokio::test]
    async fn only_what_changed_and_all_where_that_is_not_known() {
        let dir = tempfile::tempdir().unwrap();
        let storage = Storage::open(StorageConfig::new(dir.path())).await.unwrap();
        let db = storage.server();
        let alice = waddle_core::UserId::local("alice");
        let accounts = Accounts(&db);
        accounts
            .create_local(alice, "alice".into(), false, None)
            .await
            .unwrap();
        db.write(|tx| {
            let change = |tx: &mut Tx, jid: &str, listed| {
                let mut c = Contact::unknown(jid.parse().unwrap());
                c.listed = listed;
                put(tx, "alice", &c)?;
                raise_version(tx, "alice", &c, 2)
            };
            let since = |tx: &mut Tx, v, max| -> Result<Option<Vec<String>>> {
                let found = changes(tx, "alice", v, max)?;
                let show =
                    |(v, c): (i64, Contact)| format!("{v}{}{}", if c.listed { '+' } else { '-' }, c.jid);
                Ok(found.map(|f| f.into_iter().map(show).collect()))
            };
            assert_eq!(since(tx, 0, 9)?, Some(vec![]));
            for (jid, listed) in [("a@x", true), ("b@x", true), ("a@x", true), ("b@x", false)] {
                change(tx, jid, listed)?;
            }
            let both = Some(vec!["3+a@x".to_owned(), "4-b@x".to_owned()]);
            assert_eq!(since(tx, 0, 2)?, both);
            assert_eq!(since(tx, 2, 2)?, both);
            assert_eq!(since(tx, 3, 2)?, Some(vec!["4-b@x".to_owned()]));
            assert_eq!(since(tx, 4, 2)?, Some(vec![]));
            assert_eq!(since(tx, 0, 1)?, None, "too many");
            assert_eq!((since(tx, 5, 9)?, since(tx, -1, 9)?), (None, None), "never given");
            change(tx, "b@x", true)?;
            assert_eq!(since(tx, 4, 9)?, Some(vec!["5+b@x".to_owned()]), "back again");
            for jid in ["c@x", "d@x", "e@x"] {
                change(tx, jid, false)?;
            }
            assert_eq!(since(tx, 5, 9)?, None, "the removal of c is forgotten");
            assert_eq!(since(tx, 6, 9)?.map(|f| f.len()), Some(2));
            Ok(())
        })
        .await
        .unwrap();
        storage.close().await;
    }
}
