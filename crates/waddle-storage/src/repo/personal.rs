//! What an account keeps for itself: private XML (XEP-0049) and its vCard (XEP-0054).

use bytes::Bytes;

use crate::{Conn, Result, StorageError, Tx};

/// A stored element.
pub fn private(conn: &Conn, owner: &str, name: &str, ns: &str) -> Result<Option<Bytes>> {
    conn.query_opt(
        "SELECT payload FROM private_xml WHERE owner = ?1 AND ns = ?3 AND name = ?2",
        (owner, name, ns),
        |r| r.get(0),
    )
}

/// Stores an element in place of the one of that name and namespace; an empty one is removed. Answers
/// [`StorageError::Constraint`] where the account has no room of `most` bytes for it, or there is no such account.
pub fn set_private(
    tx: &mut Tx,
    owner: &str,
    name: &str,
    ns: &str,
    payload: Option<&Bytes>,
    most: usize,
) -> Result<()> {
    tx.execute(
        "DELETE FROM private_xml WHERE owner = ?1 AND ns = ?3 AND name = ?2",
        (owner, name, ns),
    )?;
    let Some(payload) = payload else { return Ok(()) };
    let used: usize = tx.query_one(
        "SELECT coalesce(sum(length(payload)), 0) FROM private_xml WHERE owner = ?1",
        (owner,),
        |r| r.get(0),
    )?;
    if used + payload.len() > most {
        return Err(StorageError::Constraint("private storage".into()));
    }
    tx.execute(
        "INSERT INTO private_xml (owner, name, ns, payload) \
         SELECT ?1, ?2, ?3, ?4 WHERE EXISTS (SELECT 1 FROM accounts WHERE localpart = ?1)",
        (owner, name, ns, payload),
    )?;
    Ok(())
}

/// All stored elements, within what one account may keep.
pub fn privates(conn: &Conn, owner: &str) -> Result<Vec<Bytes>> {
    conn.query(
        "SELECT payload FROM private_xml WHERE owner = ?1 ORDER BY ns, name",
        (owner,),
        |r| r.get(0),
    )
}

/// A vCard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VCard {
    /// The element, without its photo.
    pub vcard: Bytes,
    /// What was published of it as vCard4.
    pub vcard4: Bytes,
}

/// An account's vCard.
pub fn vcard(conn: &Conn, owner: &str) -> Result<Option<VCard>> {
    conn.query_opt(
        "SELECT vcard, vcard4 FROM vcards WHERE owner = ?1",
        (owner,),
        |r| {
            Ok(VCard {
                vcard: r.get(0)?,
                vcard4: r.get(1)?,
            })
        },
    )
}

/// The name that an account logged in with, if it has one.
pub fn display_name(conn: &Conn, owner: &str) -> Result<Option<String>> {
    let name: Option<Option<String>> = conn.query_opt(
        "SELECT display_name FROM accounts WHERE localpart = ?1",
        (owner,),
        |r| r.get(0),
    )?;
    Ok(name.flatten())
}

/// Stores an account's vCard.
pub fn set_vcard(tx: &mut Tx, owner: &str, v: &VCard) -> Result<()> {
    tx.execute(
        "INSERT OR REPLACE INTO vcards (owner, vcard, vcard4) \
         SELECT ?1, ?2, ?3 WHERE EXISTS (SELECT 1 FROM accounts WHERE localpart = ?1)",
        (owner, &v.vcard, &v.vcard4),
    )?;
    Ok(())
}

/// Deletes all of it, with the account.
pub fn forget(tx: &mut Tx, owner: &str) -> Result<()> {
    tx.execute("DELETE FROM private_xml WHERE owner = ?1", (owner,))?;
    tx.execute("DELETE FROM vcards WHERE owner = ?1", (owner,))?;
    Ok(())
}
