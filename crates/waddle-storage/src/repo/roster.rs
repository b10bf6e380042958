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

/// Raises the version after a change of an item; the answer is the new version.
pub fn raise_version(tx: &mut Tx, owner: &str) -> Result<i64> {
    tx.execute(
        "INSERT INTO roster_version (owner, version) \
         SELECT ?1, 1 WHERE EXISTS (SELECT 1 FROM accounts WHERE localpart = ?1) \
         ON CONFLICT (owner) DO UPDATE SET version = version + 1",
        (owner,),
    )?;
    version(tx, owner)
}
