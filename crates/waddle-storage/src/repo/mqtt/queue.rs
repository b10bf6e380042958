//! What waits for sessions, and the packet identifiers of what is under way (MQTT 5.0 §4.3).

use super::{MessageRow, message, optional, waddle};
use crate::{Conn, Result, Tx, params};

/// How a queued message is delivered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// The session's row.
    pub session: i64,
    /// The QoS it goes out with.
    pub qos: u8,
    /// The retain flag it goes out with.
    pub retain: bool,
    /// With `waddle/<slug>/` before the topic.
    pub prefixed: bool,
    /// Subscription identifiers.
    pub identifiers: Vec<u32>,
}

/// A queued message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueRow {
    /// Its number, growing.
    pub id: i64,
    /// How it is delivered.
    pub delivery: Delivery,
    /// The message.
    pub message: MessageRow,
    /// The packet identifier, once it was sent.
    pub packet: Option<u16>,
    /// QoS 2: its receipt was acknowledged.
    pub released: bool,
}

/// Stores a message for queues; [`enqueue`] follows in the same transaction.
pub fn insert_message(tx: &mut Tx, m: &MessageRow) -> Result<i64> {
    tx.query_one(
        "INSERT INTO mqtt_message (waddle, topic, qos, response, props, payload, publisher, received_at, expiry) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) RETURNING id",
        params![
            optional(m.waddle.as_ref()),
            &m.topic,
            m.qos,
            &m.response,
            &m.props,
            &m.payload,
            m.publisher.as_ref().map(ToString::to_string),
            m.received_at,
            m.expiry
        ],
        |r| r.get(0),
    )
}

/// Puts a message into a session's queue; answers the row. [`StorageError::NotFound`](crate::StorageError::NotFound) where the session is over.
pub fn enqueue(tx: &mut Tx, message: i64, d: &Delivery) -> Result<i64> {
    let ids: Vec<u8> = d.identifiers.iter().flat_map(|i| i.to_be_bytes()).collect();
    tx.query_one(
        "INSERT INTO mqtt_queue (session, message, qos, retain, prefixed, identifiers) \
         SELECT ?1, ?2, ?3, ?4, ?5, ?6 WHERE EXISTS (SELECT 1 FROM mqtt_session WHERE id = ?1) RETURNING id",
        params![d.session, message, d.qos, d.retain, d.prefixed, ids],
        |r| r.get(0),
    )
}

/// Queued messages of a session with a row greater than `after`, in order.
pub fn queue(conn: &Conn, session: i64, after: i64, limit: usize) -> Result<Vec<QueueRow>> {
    conn.query(
        "SELECT q.id, q.qos, q.retain, q.prefixed, q.identifiers, q.packet, q.released, m.waddle, m.topic, m.qos, \
         m.response, m.props, m.payload, m.publisher, m.received_at, m.expiry \
         FROM mqtt_queue q JOIN mqtt_message m ON m.id = q.message WHERE q.session = ?1 AND q.id > ?2 \
         ORDER BY q.id LIMIT ?3",
        (session, after, limit),
        |r| {
            let ids: Vec<u8> = r.get(4)?;
            let identifiers = ids
                .as_chunks::<4>()
                .0
                .iter()
                .map(|b| u32::from_be_bytes(*b))
                .collect();
            Ok(QueueRow {
                id: r.get(0)?,
                delivery: Delivery {
                    session,
                    qos: r.get(1)?,
                    retain: r.get(2)?,
                    prefixed: r.get(3)?,
                    identifiers,
                },
                packet: r.get(5)?,
                released: r.get(6)?,
                message: MessageRow {
                    waddle: waddle(&r.get::<String>(7)?),
                    ..message(r, 8)?
                },
            })
        },
    )
}

/// Messages and bytes in a session's queue.
pub fn queue_size(conn: &Conn, session: i64) -> Result<(usize, usize)> {
    conn.query_one(
        "SELECT count(*), coalesce(sum(length(m.payload) + length(m.topic)), 0) \
         FROM mqtt_queue q JOIN mqtt_message m ON m.id = q.message WHERE q.session = ?1",
        (session,),
        |r| Ok((r.get(0)?, r.get(1)?)),
    )
}

/// What is kept for all sessions together: waiting deliveries and the messages that they share.
pub fn kept(conn: &Conn) -> Result<(usize, usize)> {
    let sql = "SELECT (SELECT count(*) FROM mqtt_queue), (SELECT count(*) FROM mqtt_message)";
    conn.query_one(sql, (), |r| Ok((r.get(0)?, r.get(1)?)))
}

/// A queued message was sent under a packet identifier.
pub fn sent(tx: &mut Tx, row: i64, packet: u16) -> Result<()> {
    tx.execute("UPDATE mqtt_queue SET packet = ?2 WHERE id = ?1", (row, packet))?;
    Ok(())
}

/// The client has received a queued QoS 2 message.
pub fn released(tx: &mut Tx, row: i64) -> Result<()> {
    tx.execute("UPDATE mqtt_queue SET released = 1 WHERE id = ?1", (row,))?;
    Ok(())
}

/// A queued message is done with.
pub fn dequeue(tx: &mut Tx, row: i64) -> Result<()> {
    let message = tx.query_opt(
        "DELETE FROM mqtt_queue WHERE id = ?1 RETURNING message",
        (row,),
        |r| r.get::<i64>(0),
    )?;
    message.map_or(Ok(()), |m| orphan(tx, m))
}

pub(super) fn orphan(tx: &mut Tx, message: i64) -> Result<()> {
    tx.execute(
        "DELETE FROM mqtt_message WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM mqtt_queue WHERE message = ?1)",
        (message,),
    )?;
    Ok(())
}

/// A QoS 2 message was received under a packet identifier.
pub fn received(tx: &mut Tx, session: i64, packet: u16) -> Result<()> {
    tx.execute(
        "INSERT INTO mqtt_received (session, packet) SELECT ?1, ?2 \
         WHERE EXISTS (SELECT 1 FROM mqtt_session WHERE id = ?1) ON CONFLICT DO NOTHING",
        (session, packet),
    )?;
    Ok(())
}

/// The packet identifier is free again.
pub fn completed(tx: &mut Tx, session: i64, packet: u16) -> Result<()> {
    tx.execute(
        "DELETE FROM mqtt_received WHERE session = ?1 AND packet = ?2",
        (session, packet),
    )?;
    Ok(())
}

/// The packet identifiers that were received and not released.
pub fn receiving(conn: &Conn, session: i64) -> Result<Vec<u16>> {
    conn.query(
        "SELECT packet FROM mqtt_received WHERE session = ?1 ORDER BY packet LIMIT 65535",
        (session,),
        |r| r.get(0),
    )
}
