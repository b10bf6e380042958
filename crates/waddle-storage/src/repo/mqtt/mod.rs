//! MQTT: sessions, their queues and packet identifiers in the server database, retained messages in the waddles'
//! (`specs/mqtt.md`, *Durability*).

mod queue;
mod retained;
mod sessions;

use bytes::Bytes;
use waddle_core::{Timestamp, UserId, WaddleId};

use crate::{Result, Row};

pub use queue::{
    Delivery, QueueRow, completed, dequeue, enqueue, insert_message, kept, queue, queue_size, received,
    receiving, released, sent,
};
pub use retained::{retain, retained, unretain};
pub use sessions::{
    SessionRow, SubscriptionRow, WillRow, create_session, delete_session, forget_will, leave_session,
    resume_session, sessions, subscribe, subscriptions, unsubscribe,
};

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

fn optional<T: std::fmt::Display>(id: Option<&T>) -> String {
    id.map(ToString::to_string).unwrap_or_default()
}

fn waddle(text: &str) -> Option<WaddleId> {
    text.parse().ok()
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Conn, Storage, StorageConfig, StorageError};

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
