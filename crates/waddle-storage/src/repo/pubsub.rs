//! Nodes of publish-subscribe services, their affiliations and subscriptions (XEP-0060, XEP-0163).
//!
//! `service` is the localpart of an account, or empty for the service with a host of its own.

use waddle_core::{BareJid, Jid, Timestamp};

use crate::{Conn, Result, Row, Tx};

/// A node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Its key here.
    pub id: i64,
    /// Whose it is.
    pub service: String,
    /// Its name.
    pub name: String,
    /// Its configuration, as the engine writes it.
    pub config: String,
    /// Who made it.
    pub creator: BareJid,
    /// When.
    pub created_at: Timestamp,
    /// How many items it has.
    pub items: usize,
    /// Bytes of their payloads.
    pub bytes: usize,
}

/// A subscription.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscription {
    /// Who gets the notifications, bare or full.
    pub jid: Jid,
    /// Its identifier.
    pub subid: String,
    /// Whether it waits for an owner.
    pub pending: bool,
    /// Its options, as the engine writes them.
    pub options: String,
}

fn node_of(row: &Row<'_>) -> Result<Node> {
    Ok(Node {
        id: row.get(0)?,
        service: row.get(1)?,
        name: row.get(2)?,
        config: row.get(3)?,
        creator: row.get(4)?,
        created_at: row.get(5)?,
        items: row.get(6)?,
        bytes: row.get(7)?,
    })
}

fn subscription_of(row: &Row<'_>, at: usize) -> Result<Subscription> {
    Ok(Subscription {
        jid: row.get(at)?,
        subid: row.get(at + 1)?,
        pending: row.get(at + 2)?,
        options: row.get(at + 3)?,
    })
}

const NODE: &str = "n.id, n.service, n.name, n.config, n.creator, n.created_at, n.items, n.bytes";
const SUBSCRIPTION: &str = "s.jid, s.subid, s.pending, s.options";

/// A node by name.
pub fn node(conn: &Conn, service: &str, name: &str) -> Result<Option<Node>> {
    let sql = [
        "SELECT ",
        NODE,
        " FROM pubsub_nodes n WHERE n.service = ?1 AND n.name = ?2",
    ]
    .concat();
    conn.query_opt(&sql, (service, name), node_of)
}

/// The nodes of a service behind `after`, by name.
pub fn nodes(conn: &Conn, service: &str, after: &str, limit: usize) -> Result<Vec<Node>> {
    let sql = [
        "SELECT ",
        NODE,
        " FROM pubsub_nodes n WHERE n.service = ?1 AND n.name > ?2 ORDER BY n.name LIMIT ?3",
    ]
    .concat();
    conn.query(&sql, (service, after, limit), node_of)
}

/// How many nodes a service has.
pub fn count_nodes(conn: &Conn, service: &str) -> Result<usize> {
    conn.query_one(
        "SELECT count(*) FROM pubsub_nodes WHERE service = ?1",
        (service,),
        |r| r.get(0),
    )
}

/// How many nodes of a service one person made.
pub fn count_nodes_by(conn: &Conn, service: &str, creator: &BareJid) -> Result<usize> {
    conn.query_one(
        "SELECT count(*) FROM pubsub_nodes WHERE service = ?1 AND creator = ?2",
        (service, creator),
        |r| r.get(0),
    )
}

/// Bytes of all payloads of a service; of one creator's nodes where that is given.
pub fn bytes(conn: &Conn, service: &str, creator: Option<&BareJid>) -> Result<usize> {
    conn.query_one(
        "SELECT coalesce(sum(bytes), 0) FROM pubsub_nodes \
         WHERE service = ?1 AND (?2 IS NULL OR creator = ?2)",
        (service, creator.map(BareJid::as_str)),
        |r| r.get(0),
    )
}

/// The nodes of this name whose services are accounts that show `viewer` their presence.
pub fn nodes_shown_to(conn: &Conn, viewer: &BareJid, name: &str) -> Result<Vec<Node>> {
    let sql = [
        "SELECT ",
        NODE,
        " FROM roster v JOIN pubsub_nodes n ON n.name = ?3 \
          AND n.service = substr(v.jid, 1, instr(v.jid, '@') - 1) \
          JOIN roster o ON o.owner = n.service AND o.jid = ?2 AND o.subscription & 2 != 0 \
          WHERE v.owner = ?1 AND v.subscription & 1 != 0 \
          AND substr(v.jid, instr(v.jid, '@') + 1) = ?4",
    ]
    .concat();
    let owner = viewer.local().unwrap_or_default();
    conn.query(&sql, (owner, viewer, name, viewer.domain()), node_of)
}

/// The accounts that let `contact` see their presence are whose roster says so; the groups it is in there.
pub fn standing(conn: &Conn, account: &str, contact: &BareJid) -> Result<(bool, Vec<String>)> {
    let c = super::roster::get(conn, account, contact)?;
    Ok((c.from(), c.groups))
}

/// Makes a node.
pub fn create(tx: &mut Tx, service: &str, name: &str, config: &str, creator: &BareJid) -> Result<Node> {
    let now = tx.now();
    tx.execute(
        "INSERT INTO pubsub_nodes (service, name, config, creator, created_at) VALUES (?1, ?2, ?3, ?4, ?5)",
        (service, name, config, creator, now),
    )?;
    tx.execute(
        "DELETE FROM pubsub_moved WHERE service = ?1 AND name = ?2",
        (service, name),
    )?;
    node(tx, service, name)?.ok_or(crate::StorageError::NotFound)
}

/// Changes a node's configuration.
pub fn configure(tx: &mut Tx, node: i64, config: &str, purge_offline: bool) -> Result<()> {
    tx.execute(
        "UPDATE pubsub_nodes SET config = ?2, purge_offline = ?3 WHERE id = ?1",
        (node, config, purge_offline),
    )?;
    Ok(())
}

/// Deletes a node with all that belongs to it; where it went is remembered if given.
pub fn delete(tx: &mut Tx, node: &Node, moved: Option<&str>) -> Result<()> {
    tx.execute("DELETE FROM pubsub_nodes WHERE id = ?1", (node.id,))?;
    if let Some(uri) = moved {
        tx.execute(
            "INSERT OR REPLACE INTO pubsub_moved (service, name, uri) VALUES (?1, ?2, ?3)",
            (&node.service, &node.name, uri),
        )?;
    }
    Ok(())
}

/// Deletes everything of an account's own service, with the account.
pub fn forget(tx: &mut Tx, account: &str) -> Result<()> {
    tx.execute("DELETE FROM pubsub_nodes WHERE service = ?1", (account,))?;
    tx.execute("DELETE FROM pubsub_moved WHERE service = ?1", (account,))?;
    Ok(())
}

/// Where a deleted node went.
pub fn moved(conn: &Conn, service: &str, name: &str) -> Result<Option<String>> {
    conn.query_opt(
        "SELECT uri FROM pubsub_moved WHERE service = ?1 AND name = ?2",
        (service, name),
        |r| r.get(0),
    )
}

/// An entity's affiliation, in the protocol's word.
pub fn affiliation(conn: &Conn, node: i64, jid: &BareJid) -> Result<Option<String>> {
    conn.query_opt(
        "SELECT affiliation FROM pubsub_affiliations WHERE node = ?1 AND jid = ?2",
        (node, jid),
        |r| r.get(0),
    )
}

/// All affiliations of a node.
pub fn affiliations(conn: &Conn, node: i64) -> Result<Vec<(BareJid, String)>> {
    conn.query(
        "SELECT jid, affiliation FROM pubsub_affiliations WHERE node = ?1 ORDER BY jid",
        (node,),
        |r| Ok((r.get(0)?, r.get(1)?)),
    )
}

/// An entity's affiliations with the nodes of a service, as (node, affiliation).
pub fn affiliations_of(conn: &Conn, service: &str, jid: &BareJid) -> Result<Vec<(String, String)>> {
    conn.query(
        "SELECT n.name, a.affiliation FROM pubsub_affiliations a JOIN pubsub_nodes n ON n.id = a.node \
         WHERE a.jid = ?2 AND n.service = ?1 ORDER BY n.name",
        (service, jid),
        |r| Ok((r.get(0)?, r.get(1)?)),
    )
}

/// Sets an affiliation; none removes it.
pub fn affiliate(tx: &mut Tx, node: i64, jid: &BareJid, affiliation: Option<&str>) -> Result<()> {
    match affiliation {
        Some(a) => tx.execute(
            "INSERT OR REPLACE INTO pubsub_affiliations (node, jid, affiliation) VALUES (?1, ?2, ?3)",
            (node, jid, a),
        )?,
        None => tx.execute(
            "DELETE FROM pubsub_affiliations WHERE node = ?1 AND jid = ?2",
            (node, jid),
        )?,
    };
    Ok(())
}

/// The subscription of exactly this address.
pub fn subscription(conn: &Conn, node: i64, jid: &Jid) -> Result<Option<Subscription>> {
    let sql = [
        "SELECT ",
        SUBSCRIPTION,
        " FROM pubsub_subscriptions s WHERE s.node = ?1 AND s.jid = ?2",
    ]
    .concat();
    conn.query_opt(&sql, (node, jid), |r| subscription_of(r, 0))
}

/// The subscriptions of a node.
pub fn subscriptions(conn: &Conn, node: i64) -> Result<Vec<Subscription>> {
    let sql = [
        "SELECT ",
        SUBSCRIPTION,
        " FROM pubsub_subscriptions s WHERE s.node = ?1 ORDER BY s.jid",
    ]
    .concat();
    conn.query(&sql, (node,), |r| subscription_of(r, 0))
}

/// The subscriptions of an entity, with or without resource, to one node.
pub fn subscriptions_by(conn: &Conn, node: i64, who: &BareJid) -> Result<Vec<Subscription>> {
    let sql = [
        "SELECT ",
        SUBSCRIPTION,
        " FROM pubsub_subscriptions s WHERE s.node = ?1 AND s.bare = ?2 ORDER BY s.jid",
    ]
    .concat();
    conn.query(&sql, (node, who), |r| subscription_of(r, 0))
}

/// The subscriptions of an entity to all nodes of a service, with the name of the node.
pub fn subscriptions_of(conn: &Conn, service: &str, who: &BareJid) -> Result<Vec<(String, Subscription)>> {
    let sql = [
        "SELECT n.name, ",
        SUBSCRIPTION,
        " FROM pubsub_subscriptions s JOIN pubsub_nodes n ON n.id = s.node \
          WHERE s.bare = ?2 AND n.service = ?1 ORDER BY n.name, s.jid",
    ]
    .concat();
    conn.query(&sql, (service, who), |r| Ok((r.get(0)?, subscription_of(r, 1)?)))
}

/// The nodes of any service that an entity is subscribed to, each with the subscription.
pub fn subscribed(conn: &Conn, who: &BareJid) -> Result<Vec<(Node, Subscription)>> {
    let sql = [
        "SELECT ",
        NODE,
        ", ",
        SUBSCRIPTION,
        " FROM pubsub_subscriptions s JOIN pubsub_nodes n ON n.id = s.node \
          WHERE s.bare = ?1 AND s.pending = 0",
    ]
    .concat();
    conn.query(&sql, (who,), |r| Ok((node_of(r)?, subscription_of(r, 8)?)))
}

/// How many subscriptions a node has, those that wait for approval among them.
pub fn count_subscriptions(conn: &Conn, node: i64) -> Result<usize> {
    conn.query_one(
        "SELECT count(*) FROM pubsub_subscriptions WHERE node = ?1",
        (node,),
        |r| r.get(0),
    )
}

/// Stores a subscription.
pub fn subscribe(tx: &mut Tx, node: i64, s: &Subscription) -> Result<()> {
    tx.execute(
        "INSERT OR REPLACE INTO pubsub_subscriptions (node, jid, bare, subid, pending, options) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        (node, &s.jid, s.jid.bare_str(), &s.subid, s.pending, &s.options),
    )?;
    Ok(())
}

/// Ends a subscription.
pub fn unsubscribe(tx: &mut Tx, node: i64, jid: &Jid) -> Result<()> {
    tx.execute(
        "DELETE FROM pubsub_subscriptions WHERE node = ?1 AND jid = ?2",
        (node, jid),
    )?;
    Ok(())
}

/// The nodes from which the items of this publisher go when they go offline.
pub fn purged_offline(conn: &Conn, publisher: &BareJid) -> Result<Vec<Node>> {
    let sql = [
        "SELECT ",
        NODE,
        " FROM pubsub_nodes n WHERE n.purge_offline = 1 AND EXISTS \
          (SELECT 1 FROM pubsub_items i WHERE i.node = n.id AND (i.publisher = ?1 \
          OR substr(i.publisher, 1, length(?1) + 1) = ?1 || '/'))",
    ]
    .concat();
    conn.query(&sql, (publisher,), node_of)
}
