//! Retained messages, in the database of their waddle.

use super::{MessageRow, message};
use crate::{Conn, Result, Tx, params};

/// Keeps a message as its topic's retained one (waddle database).
pub fn retain(tx: &mut Tx, m: &MessageRow) -> Result<()> {
    tx.execute(
        "INSERT OR REPLACE INTO mqtt_retained (topic, qos, response, props, payload, publisher, received_at, expiry) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        params![
            &m.topic,
            m.qos,
            &m.response,
            &m.props,
            &m.payload,
            m.publisher.as_ref().map(ToString::to_string),
            m.received_at,
            m.expiry
        ],
    )?;
    Ok(())
}

/// Forgets a topic's retained message (waddle database).
pub fn unretain(tx: &mut Tx, topic: &str) -> Result<()> {
    tx.execute("DELETE FROM mqtt_retained WHERE topic = ?1", (topic,))?;
    Ok(())
}

/// Retained messages whose topics come after `after`, in order (waddle database).
pub fn retained(conn: &Conn, after: &str, limit: usize) -> Result<Vec<MessageRow>> {
    conn.query(
        "SELECT topic, qos, response, props, payload, publisher, received_at, expiry FROM mqtt_retained \
         WHERE topic > ?1 ORDER BY topic LIMIT ?2",
        (after, limit),
        |r| message(r, 0),
    )
}
