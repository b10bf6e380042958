//! MQTT: sessions, their queues and packet identifiers in the server database, retained messages in the waddles'
//! (`specs/mqtt.md`, *Durability*).

use bytes::Bytes;
use waddle_core::{Timestamp, UserId, WaddleId};

use crate::{Conn, Db, Result, Row, StorageError, Tx, params};

/// [`Db::write_then`] that waits for a place in the queue; the commit itself is not waited for.
pub async fn write_later<T, F, C>(db: &Db, work: F, on_commit: C) -> Result<()>
where
    T: Send + 'static,
    F: FnOnce(&mut Tx) -> Result<T> + Send + 'static,
    C: FnOnce(Result<T>) + Send + 'static,
{
    db.write_soon(work, on_commit).await
}

/// A message: topic within its space, properties encoded as MQTT 5 forwards them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageRow {
    /// The space's waddle; none for the server's own space.
    pub waddle: Option<WaddleId>,
    /// The topic.
    pub topic: String,
    /// As published.
    pub qos: u8,
    /// The response topic; empty for none.
    pub response: String,
    /// Encoded properties.
    pub props: Bytes,
    /// The payload.
    pub payload: Bytes,
    /// Who published it; none for the server.
    pub publisher: Option<UserId>,
    /// When it came.
    pub received_at: Timestamp,
    /// Seconds from then on.
    pub expiry: Option<u32>,
}

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

/// A stored will: parameters as JSON, payload, properties.
pub type WillRow = (String, Bytes, Bytes);

/// A session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionRow {
    /// Its row; ignored when it is written.
    pub id: i64,
    /// Whose.
    pub user: UserId,
    /// The mounted waddle.
    pub waddle: Option<WaddleId>,
    /// The client identifier.
    pub client_id: String,
    /// The principal as JSON.
    pub principal: String,
    /// The home waddle of a plain login.
    pub home: Option<WaddleId>,
    /// Seconds that it outlives its connection.
    pub expiry: u32,
    /// When its client went; none while it is there.
    pub gone_at: Option<Timestamp>,
    /// Its will.
    pub will: Option<WillRow>,
}

/// A subscription.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubscriptionRow {
    /// The filter as the client wrote it.
    pub filter: String,
    /// The highest QoS.
    pub qos: u8,
    /// Not what the session publishes itself.
    pub no_local: bool,
    /// With the retain flag as published.
    pub as_published: bool,
    /// The subscription identifier.
    pub identifier: Option<u32>,
}

fn optional<T: std::fmt::Display>(id: Option<&T>) -> String {
    id.map(ToString::to_string).unwrap_or_default()
}

fn waddle(text: &str) -> Option<WaddleId> {
    text.parse().ok()
}

/// Writes a session anew; answers its row. What was stored under the same key is gone with everything of it.
pub fn create_session(tx: &mut Tx, s: &SessionRow) -> Result<i64> {
    let (user, mounted) = (s.user.to_string(), optional(s.waddle.as_ref()));
    let old = tx.query_opt(
        "SELECT id FROM mqtt_session WHERE user_id = ?1 AND waddle = ?2 AND client_id = ?3",
        (&user, &mounted, &s.client_id),
        |r| r.get::<i64>(0),
    )?;
    if let Some(old) = old {
        delete_session(tx, old)?;
    }
    let (will, payload, props) = split(s.will.as_ref());
    tx.query_one(
        "INSERT INTO mqtt_session (user_id, waddle, client_id, principal, home, expiry, gone_at, will, \
         will_payload, will_props) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) RETURNING id",
        params![
            user,
            mounted,
            &s.client_id,
            &s.principal,
            optional(s.home.as_ref()),
            s.expiry,
            s.gone_at,
            will,
            payload,
            props
        ],
        |r| r.get(0),
    )
}

fn split(will: Option<&WillRow>) -> (Option<String>, Option<Bytes>, Option<Bytes>) {
    match will.cloned() {
        Some((w, payload, props)) => (Some(w), Some(payload), Some(props)),
        None => (None, None, None),
    }
}

/// A client came back to its session.
pub fn resume_session(tx: &mut Tx, s: &SessionRow) -> Result<()> {
    let (will, payload, props) = split(s.will.as_ref());
    tx.execute_one(
        "UPDATE mqtt_session SET principal = ?2, home = ?3, expiry = ?4, gone_at = ?5, will = ?6, \
         will_payload = ?7, will_props = ?8 WHERE id = ?1",
        params![
            s.id,
            &s.principal,
            optional(s.home.as_ref()),
            s.expiry,
            s.gone_at,
            will,
            payload,
            props
        ],
    )
}

/// A client went away; its will stays only where `keep_will` says that it is still to be published.
pub fn leave_session(tx: &mut Tx, session: i64, expiry: u32, at: Timestamp, keep_will: bool) -> Result<()> {
    tx.execute(
        "UPDATE mqtt_session SET expiry = ?2, gone_at = ?3 WHERE id = ?1",
        (session, expiry, at),
    )?;
    if !keep_will {
        forget_will(tx, session)?;
    }
    Ok(())
}

/// The session's will was published or is no longer wanted.
pub fn forget_will(tx: &mut Tx, session: i64) -> Result<()> {
    tx.execute(
        "UPDATE mqtt_session SET will = NULL, will_payload = NULL, will_props = NULL WHERE id = ?1",
        (session,),
    )?;
    Ok(())
}

/// Ends a session and everything of it.
pub fn delete_session(tx: &mut Tx, session: i64) -> Result<()> {
    loop {
        let rows = tx.query(
            "SELECT id, message FROM mqtt_queue WHERE session = ?1 ORDER BY id LIMIT 1024",
            (session,),
            |r| Ok((r.get::<i64>(0)?, r.get::<i64>(1)?)),
        )?;
        if rows.is_empty() {
            break;
        }
        for (id, message) in rows {
            tx.execute("DELETE FROM mqtt_queue WHERE id = ?1", (id,))?;
            orphan(tx, message)?;
        }
    }
    tx.execute("DELETE FROM mqtt_session WHERE id = ?1", (session,))?;
    Ok(())
}

/// Sessions with a row greater than `after`, at most `limit`.
pub fn sessions(conn: &Conn, after: i64, limit: usize) -> Result<Vec<SessionRow>> {
    conn.query(
        "SELECT id, user_id, waddle, client_id, principal, home, expiry, gone_at, will, will_payload, will_props \
         FROM mqtt_session WHERE id > ?1 ORDER BY id LIMIT ?2",
        (after, limit),
        |r| {
            let will = r.get::<Option<String>>(8)?.map(|w| {
                let blob = |i| r.get::<Option<Bytes>>(i).map(Option::unwrap_or_default);
                Ok::<_, StorageError>((w, blob(9)?, blob(10)?))
            });
            Ok(SessionRow {
                id: r.get(0)?,
                user: r.get(1)?,
                waddle: waddle(&r.get::<String>(2)?),
                client_id: r.get(3)?,
                principal: r.get(4)?,
                home: waddle(&r.get::<String>(5)?),
                expiry: r.get(6)?,
                gone_at: r.get(7)?,
                will: will.transpose()?,
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

/// Enters or changes a subscription.
pub fn subscribe(tx: &mut Tx, session: i64, s: &SubscriptionRow) -> Result<()> {
    tx.execute(
        "INSERT INTO mqtt_subscription (session, filter, qos, no_local, as_published, identifier) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (session, filter) DO UPDATE SET qos = excluded.qos, \
         no_local = excluded.no_local, as_published = excluded.as_published, identifier = excluded.identifier",
        params![session, &s.filter, s.qos, s.no_local, s.as_published, s.identifier],
    )?;
    Ok(())
}

/// Removes a subscription.
pub fn unsubscribe(tx: &mut Tx, session: i64, filter: &str) -> Result<()> {
    tx.execute(
        "DELETE FROM mqtt_subscription WHERE session = ?1 AND filter = ?2",
        (session, filter),
    )?;
    Ok(())
}

/// The subscriptions of a session, at most `limit`.
pub fn subscriptions(conn: &Conn, session: i64, limit: usize) -> Result<Vec<SubscriptionRow>> {
    conn.query(
        "SELECT filter, qos, no_local, as_published, identifier FROM mqtt_subscription WHERE session = ?1 \
         ORDER BY filter LIMIT ?2",
        (session, limit),
        |r| {
            Ok(SubscriptionRow {
                filter: r.get(0)?,
                qos: r.get(1)?,
                no_local: r.get(2)?,
                as_published: r.get(3)?,
                identifier: r.get(4)?,
            })
        },
    )
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

/// Puts a message into a session's queue; answers the row. [`StorageError::NotFound`] where the session is over.
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

/// topic, qos, response, props, payload, publisher, received_at, expiry from column `i` on.
fn message(r: &Row<'_>, i: usize) -> Result<MessageRow> {
    Ok(MessageRow {
        waddle: None,
        topic: r.get(i)?,
        qos: r.get(i + 1)?,
        response: r.get(i + 2)?,
        props: r.get(i + 3)?,
        payload: r.get(i + 4)?,
        publisher: r.get::<Option<String>>(i + 5)?.and_then(|u| u.parse().ok()),
        received_at: r.get(i + 6)?,
        expiry: r.get(i + 7)?,
    })
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

fn orphan(tx: &mut Tx, message: i64) -> Result<()> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Storage, StorageConfig};

    fn session(client: &str) -> SessionRow {
        SessionRow {
            id: 0,
            user: UserId::local("alice"),
            waddle: None,
            client_id: client.into(),
            principal: "{}".into(),
            home: Some(WaddleId::new()),
            expiry: u32::MAX,
            gone_at: None,
            will: Some(("{}".into(), Bytes::from_static(b"bye"), Bytes::new())),
        }
    }

    fn note(topic: &str) -> MessageRow {
        MessageRow {
            waddle: Some(WaddleId::new()),
            topic: topic.into(),
            qos: 1,
            response: "re".into(),
            props: Bytes::from_static(b"\x01\x01"),
            payload: Bytes::from_static(b"\xFF"),
            publisher: Some(UserId::local("bob")),
            received_at: Timestamp(5),
            expiry: Some(9),
        }
    }

    #[tokio::test]
    async fn sessions_queues_and_retained_messages() {
        let dir = tempfile::tempdir().unwrap();
        let storage = Storage::open(StorageConfig::new(dir.path())).await.unwrap();
        let db = storage.server();
        let (a, b, first) = db
            .write(|tx| {
                let (a, b) = (
                    create_session(tx, &session("a"))?,
                    create_session(tx, &session("b"))?,
                );
                let d = |session| Delivery {
                    session,
                    qos: 1,
                    retain: false,
                    prefixed: true,
                    identifiers: vec![7, 300],
                };
                let m = insert_message(tx, &note("t"))?;
                let first = enqueue(tx, m, &d(a))?;
                enqueue(tx, m, &d(b))?;
                assert_eq!(enqueue(tx, m, &d(999)), Err(StorageError::NotFound));
                received(tx, a, 3)?;
                let wide = SubscriptionRow {
                    filter: "x/#".into(),
                    qos: 2,
                    no_local: true,
                    as_published: false,
                    identifier: Some(4),
                };
                subscribe(tx, a, &wide)?;
                subscribe(tx, a, &SubscriptionRow { qos: 1, ..wide })?;
                Ok((a, b, first))
            })
            .await
            .unwrap();
        let rows = db.read(move |c| queue(c, a, 0, 10)).await.unwrap();
        assert_eq!(
            (rows.len(), rows[0].delivery.identifiers.as_slice()),
            (1, &[7, 300][..])
        );
        assert_eq!(rows[0].message.payload.as_ref(), b"\xFF");
        assert_eq!(db.read(move |c| queue_size(c, a)).await.unwrap(), (1, 2));
        assert_eq!(db.read(move |c| receiving(c, a)).await.unwrap(), [3]);
        let subs = db.read(move |c| subscriptions(c, a, 10)).await.unwrap();
        assert_eq!((subs.len(), subs[0].qos, subs[0].identifier), (1, 1, Some(4)));
        let all = db.read(|c| sessions(c, 0, 10)).await.unwrap();
        assert_eq!(all.len(), 2);
        assert_eq!(all[0].will.as_ref().unwrap().1.as_ref(), b"bye");
        let messages = |c: &Conn| c.query_one("SELECT count(*) FROM mqtt_message", (), |r| r.get::<i64>(0));
        db.write(move |tx| {
            sent(tx, first, 9)?;
            released(tx, first)?;
            let q = queue(tx, a, 0, 10)?;
            assert_eq!((q[0].packet, q[0].released), (Some(9), true));
            dequeue(tx, first)?;
            dequeue(tx, first)?;
            assert_eq!(messages(tx)?, 1, "the other session still has it");
            leave_session(tx, b, 5, Timestamp(8), false)?;
            delete_session(tx, b)?;
            assert_eq!(messages(tx)?, 0);
            let again = create_session(tx, &session("a"))?;
            assert!(again > a && queue(tx, a, 0, 10)?.is_empty() && receiving(tx, again)?.is_empty());
            Ok(())
        })
        .await
        .unwrap();
        let w = storage.create_waddle(WaddleId::new()).await.unwrap();
        w.write(|tx| {
            for t in ["b", "a", "a"] {
                retain(tx, &note(t))?;
            }
            unretain(tx, "b")
        })
        .await
        .unwrap();
        let kept = w.read(|c| retained(c, "", 10)).await.unwrap();
        assert_eq!(
            (kept.len(), kept[0].expiry, kept[0].response.as_str()),
            (1, Some(9), "re")
        );
        storage.close().await;
    }
}
