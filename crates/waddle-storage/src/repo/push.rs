//! Where accounts want to be woken (XEP-0357).

use bytes::Bytes;
use waddle_core::Jid;

use crate::{Conn, Result, StorageError, Tx};

/// A push service that an account enabled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PushService {
    /// The service.
    pub service: Jid,
    /// Its node; empty for none.
    pub node: String,
    /// The device that asked for it.
    pub resource: String,
    /// The form of publish-options, a complete element; empty for none.
    pub options: Bytes,
}

/// The services that an account enabled; bounded by what [`enable`] lets in.
pub fn of(conn: &Conn, owner: &str) -> Result<Vec<PushService>> {
    conn.query(
        "SELECT service, node, resource, options FROM push WHERE owner = ?1",
        (owner,),
        |r| {
            Ok(PushService {
                service: r.get(0)?,
                node: r.get(1)?,
                resource: r.get(2)?,
                options: r.get(3)?,
            })
        },
    )
}

/// The accounts that enabled any.
pub fn owners(conn: &Conn) -> Result<Vec<String>> {
    conn.query("SELECT DISTINCT owner FROM push", (), |r| r.get(0))
}

/// Enables a service, or changes it; `Constraint` where there would be more than `max`.
pub fn enable(tx: &mut Tx, owner: &str, s: &PushService, max: usize) -> Result<()> {
    tx.execute(
        "INSERT INTO push (owner, service, node, resource, options) SELECT ?1, ?2, ?3, ?4, ?5 \
         WHERE EXISTS (SELECT 1 FROM accounts WHERE localpart = ?1) \
         ON CONFLICT (owner, service, node) DO UPDATE SET resource = ?4, options = ?5, failures = 0",
        (
            owner,
            &s.service,
            s.node.as_str(),
            s.resource.as_str(),
            &s.options[..],
        ),
    )?;
    let count: usize = tx.query_one("SELECT count(*) FROM push WHERE owner = ?1", (owner,), |r| {
        r.get(0)
    })?;
    if count > max {
        return Err(StorageError::Constraint("push".into()));
    }
    Ok(())
}

/// Disables one node of a service, or all; the answer is whether any service of the account is left.
pub fn disable(tx: &mut Tx, owner: &str, service: &Jid, node: Option<&str>) -> Result<bool> {
    match node {
        Some(node) => tx.execute(
            "DELETE FROM push WHERE owner = ?1 AND service = ?2 AND node = ?3",
            (owner, service, node),
        )?,
        None => tx.execute(
            "DELETE FROM push WHERE owner = ?1 AND service = ?2",
            (owner, service),
        )?,
    };
    tx.query_one("SELECT count(*) > 0 FROM push WHERE owner = ?1", (owner,), |r| {
        r.get(0)
    })
}

/// A publication succeeded.
pub fn reached(tx: &mut Tx, owner: &str, s: &PushService) -> Result<()> {
    tx.execute(
        "UPDATE push SET failures = 0 WHERE owner = ?1 AND service = ?2 AND node = ?3 AND failures > 0",
        (owner, &s.service, s.node.as_str()),
    )
    .map(drop)
}

/// A publication failed; after `max` in a row the service is disabled. The answer is whether any is left.
pub fn failed(tx: &mut Tx, owner: &str, s: &PushService, max: u32) -> Result<bool> {
    let key = (owner, &s.service, s.node.as_str());
    tx.execute(
        "UPDATE push SET failures = failures + 1 WHERE owner = ?1 AND service = ?2 AND node = ?3",
        key,
    )?;
    tx.execute(
        "DELETE FROM push WHERE owner = ?1 AND service = ?2 AND node = ?3 AND failures >= ?4",
        (owner, &s.service, s.node.as_str(), i64::from(max)),
    )?;
    tx.query_one("SELECT count(*) > 0 FROM push WHERE owner = ?1", (owner,), |r| {
        r.get(0)
    })
}
