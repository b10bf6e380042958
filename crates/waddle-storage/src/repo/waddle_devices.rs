//! Devices of a waddle and the topics that each may use. Their credentials are identity's.

use serde::Serialize;
pub use waddle_core::TopicRule;
use waddle_core::{DeviceId, Slug, Timestamp, UserId, WaddleId};

use crate::{Conn, Result, Row, Tx};

/// A device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Device {
    /// Its identifier; `user:device:<id>` is its subject.
    pub id: DeviceId,
    /// Its waddle.
    pub waddle: WaddleId,
    /// Its name.
    pub name: Slug,
    /// What it may use.
    pub topics: Vec<TopicRule>,
    /// The credential that identity issued, once it did.
    #[serde(skip)]
    pub credential: Option<String>,
    /// Who made it; nobody for the server's operator.
    pub made_by: Option<UserId>,
    /// When it was made.
    pub made_at: Timestamp,
    /// Since when its credential is void.
    pub revoked_at: Option<Timestamp>,
    /// When it was last connected.
    pub last_use: Option<Timestamp>,
}

const COLUMNS: &str = "id, name, credential, made_by, made_at, revoked_at, last_use";

fn device(waddle: WaddleId) -> impl Fn(&Row<'_>) -> Result<Device> {
    move |row| {
        Ok(Device {
            id: row.get(0)?,
            waddle,
            name: row.get(1)?,
            topics: Vec::new(),
            credential: row.get(2)?,
            made_by: row.get(3)?,
            made_at: row.get(4)?,
            revoked_at: row.get(5)?,
            last_use: row.get(6)?,
        })
    }
}

fn with_topics(conn: &Conn, mut d: Device) -> Result<Device> {
    d.topics = conn.query(
        "SELECT prefix, can_read, can_write FROM device_topics WHERE device = ?1 ORDER BY prefix",
        (d.id,),
        |r| {
            Ok(TopicRule {
                prefix: r.get(0)?,
                read: r.get(1)?,
                write: r.get(2)?,
            })
        },
    )?;
    Ok(d)
}

/// One page of the devices, by their names, behind `after`.
pub fn list(conn: &Conn, waddle: WaddleId, after: Option<&Slug>, limit: usize) -> Result<Vec<Device>> {
    let sql = [
        "SELECT ",
        COLUMNS,
        " FROM devices WHERE name > ?1 ORDER BY name LIMIT ?2",
    ]
    .concat();
    let after = after.map_or("", Slug::as_str);
    let found = conn.query(&sql, (after, limit), device(waddle))?;
    found.into_iter().map(|d| with_topics(conn, d)).collect()
}

/// One device.
pub fn get(conn: &Conn, waddle: WaddleId, id: DeviceId) -> Result<Option<Device>> {
    let sql = ["SELECT ", COLUMNS, " FROM devices WHERE id = ?1"].concat();
    let found = conn.query_opt(&sql, (id,), device(waddle))?;
    found.map(|d| with_topics(conn, d)).transpose()
}

/// The device of this name.
pub fn by_name(conn: &Conn, waddle: WaddleId, name: &Slug) -> Result<Option<Device>> {
    let sql = ["SELECT ", COLUMNS, " FROM devices WHERE name = ?1"].concat();
    let found = conn.query_opt(&sql, (name,), device(waddle))?;
    found.map(|d| with_topics(conn, d)).transpose()
}

/// How many devices there are.
pub fn count(conn: &Conn) -> Result<usize> {
    conn.query_one("SELECT count(*) FROM devices", (), |r| r.get(0))
}

/// Enters a device.
pub fn insert(tx: &mut Tx, d: &Device) -> Result<()> {
    tx.execute(
        "INSERT INTO devices (id, name, credential, made_by, made_at) VALUES (?1, ?2, ?3, ?4, ?5)",
        (
            d.id,
            &d.name,
            d.credential.as_deref(),
            d.made_by.as_ref(),
            d.made_at,
        ),
    )?;
    for t in &d.topics {
        tx.execute(
            "INSERT INTO device_topics (device, prefix, can_read, can_write) VALUES (?1, ?2, ?3, ?4)",
            (d.id, &t.prefix, t.read, t.write),
        )?;
    }
    Ok(())
}

/// Notes the credential that was issued; one of before that was void counts no more.
pub fn set_credential(tx: &mut Tx, id: DeviceId, credential: &str) -> Result<()> {
    tx.execute_one(
        "UPDATE devices SET credential = ?2, revoked_at = NULL WHERE id = ?1",
        (id, credential),
    )
}

/// Notes when it was last connected.
pub fn touch(tx: &mut Tx, id: DeviceId, at: Timestamp) -> Result<()> {
    tx.execute("UPDATE devices SET last_use = ?2 WHERE id = ?1", (id, at))
        .map(drop)
}

/// Makes its credential void.
pub fn revoke(tx: &mut Tx, id: DeviceId, at: Timestamp) -> Result<()> {
    tx.execute_one(
        "UPDATE devices SET revoked_at = ?2 WHERE id = ?1 AND revoked_at IS NULL",
        (id, at),
    )
}

/// Takes a device out.
pub fn delete(tx: &mut Tx, id: DeviceId) -> Result<()> {
    tx.execute_one("DELETE FROM devices WHERE id = ?1", (id,))
}
