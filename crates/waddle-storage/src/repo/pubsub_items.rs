//! Items of publish-subscribe nodes, in the order of their publication (XEP-0060 §6.5, §7.1).

use bytes::Bytes;
use waddle_core::{BareJid, Jid, Timestamp};

use crate::{Conn, Result, Row, Tx};

/// An item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Its place in the order of publication.
    pub seq: i64,
    /// Its identifier, unique in the node.
    pub id: String,
    /// Who published it.
    pub publisher: Jid,
    /// One self-contained element, or nothing.
    pub payload: Option<Bytes>,
    /// When.
    pub at: Timestamp,
}

const ITEM: &str = "seq, item, publisher, payload, published_at";

fn item_of(row: &Row<'_>) -> Result<Item> {
    Ok(Item {
        seq: row.get(0)?,
        id: row.get(1)?,
        publisher: row.get(2)?,
        payload: row.get(3)?,
        at: row.get(4)?,
    })
}

/// Publishes an item as the newest one; one of the same identifier is overwritten, which is what the answer tells.
pub fn put(tx: &mut Tx, node: i64, id: &str, publisher: &Jid, payload: Option<&Bytes>) -> Result<bool> {
    let replaced = remove(tx, node, id)?;
    let now = tx.now();
    tx.execute(
        "INSERT INTO pubsub_items (node, item, publisher, payload, published_at) VALUES (?1, ?2, ?3, ?4, ?5)",
        (node, id, publisher, payload, now),
    )?;
    Ok(replaced)
}

/// Removes an item; `false`: there was none.
pub fn remove(tx: &mut Tx, node: i64, id: &str) -> Result<bool> {
    let gone = tx.execute(
        "DELETE FROM pubsub_items WHERE node = ?1 AND item = ?2",
        (node, id),
    )?;
    Ok(gone > 0)
}

/// Removes all items of a node.
pub fn purge(tx: &mut Tx, node: i64) -> Result<()> {
    tx.execute("DELETE FROM pubsub_items WHERE node = ?1", (node,))?;
    Ok(())
}

/// One item.
pub fn get(conn: &Conn, node: i64, id: &str, since: Timestamp) -> Result<Option<Item>> {
    let sql = [
        "SELECT ",
        ITEM,
        " FROM pubsub_items WHERE node = ?1 AND item = ?2 AND published_at >= ?3",
    ]
    .concat();
    conn.query_opt(&sql, (node, id, since), item_of)
}

/// The newest item.
pub fn last(conn: &Conn, node: i64, since: Timestamp) -> Result<Option<Item>> {
    Ok(newest(conn, node, since, 1)?.pop())
}

/// The place of the newest item.
pub fn newest_seq(conn: &Conn, node: i64) -> Result<Option<i64>> {
    conn.query_one(
        "SELECT max(seq) FROM pubsub_items WHERE node = ?1",
        (node,),
        |r| r.get(0),
    )
}

/// The newest items, the oldest of them first.
pub fn newest(conn: &Conn, node: i64, since: Timestamp, limit: usize) -> Result<Vec<Item>> {
    before(conn, node, i64::MAX, since, limit)
}

/// The items in front of `seq` that are nearest to it, the oldest of them first.
pub fn before(conn: &Conn, node: i64, seq: i64, since: Timestamp, limit: usize) -> Result<Vec<Item>> {
    let sql = [
        "SELECT ",
        ITEM,
        " FROM pubsub_items WHERE node = ?1 AND seq < ?2 AND published_at >= ?3 ORDER BY seq DESC LIMIT ?4",
    ]
    .concat();
    let mut items = conn.query(&sql, (node, seq, since, limit), item_of)?;
    items.reverse();
    Ok(items)
}

/// The items behind `seq`.
pub fn after(conn: &Conn, node: i64, seq: i64, since: Timestamp, limit: usize) -> Result<Vec<Item>> {
    let sql = [
        "SELECT ",
        ITEM,
        " FROM pubsub_items WHERE node = ?1 AND seq > ?2 AND published_at >= ?3 ORDER BY seq LIMIT ?4",
    ]
    .concat();
    conn.query(&sql, (node, seq, since, limit), item_of)
}

/// The items from an index on.
pub fn from_index(conn: &Conn, node: i64, index: usize, since: Timestamp, limit: usize) -> Result<Vec<Item>> {
    let sql = [
        "SELECT ",
        ITEM,
        " FROM pubsub_items WHERE node = ?1 AND published_at >= ?2 ORDER BY seq LIMIT ?3 OFFSET ?4",
    ]
    .concat();
    conn.query(&sql, (node, since, limit, index), item_of)
}

/// How many items there are in front of `seq`.
pub fn index_of(conn: &Conn, node: i64, seq: i64, since: Timestamp) -> Result<usize> {
    conn.query_one(
        "SELECT count(*) FROM pubsub_items WHERE node = ?1 AND seq < ?2 AND published_at >= ?3",
        (node, seq, since),
        |r| r.get(0),
    )
}

/// Removes the oldest items until `keep` are left; their identifiers.
pub fn trim(tx: &mut Tx, node: i64, keep: usize) -> Result<Vec<String>> {
    let gone = tx.query(
        "SELECT item FROM pubsub_items WHERE node = ?1 ORDER BY seq DESC LIMIT -1 OFFSET ?2",
        (node, keep),
        |r| r.get::<String>(0),
    )?;
    for id in &gone {
        remove(tx, node, id)?;
    }
    Ok(gone)
}

/// Removes what was published before `since`.
pub fn expire(tx: &mut Tx, node: i64, since: Timestamp) -> Result<()> {
    tx.execute(
        "DELETE FROM pubsub_items WHERE node = ?1 AND published_at < ?2",
        (node, since),
    )?;
    Ok(())
}

/// Removes what one person published; the identifiers.
pub fn purge_of(tx: &mut Tx, node: i64, publisher: &BareJid) -> Result<Vec<String>> {
    let gone = tx.query(
        "SELECT item FROM pubsub_items WHERE node = ?1 AND (publisher = ?2 \
         OR substr(publisher, 1, length(?2) + 1) = ?2 || '/') ORDER BY seq",
        (node, publisher),
        |r| r.get::<String>(0),
    )?;
    for id in &gone {
        remove(tx, node, id)?;
    }
    Ok(gone)
}
