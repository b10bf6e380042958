//! Sessions that outlive their connection, with wills and subscriptions.

use bytes::Bytes;
use waddle_core::{Timestamp, UserId, WaddleId};

use super::{optional, queue::orphan, waddle};
use crate::{Conn, Result, StorageError, Tx, params};

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
