//! What devices log in with: a user name and a salted hash. Their names and topics are in their waddle's database.

use waddle_core::{DeviceId, Timestamp, WaddleId};

use crate::{Db, Result, Row};

/// The table `device_credentials`.
#[derive(Debug)]
pub struct DeviceCredentials<'a>(pub &'a Db);

/// One device's credential.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceRow {
    /// The device.
    pub device: DeviceId,
    /// Its waddle.
    pub waddle: WaddleId,
    /// What it logs in as.
    pub username: String,
    /// Salt of the digest.
    pub salt: Vec<u8>,
    /// SHA-256 of salt and password.
    pub digest: Vec<u8>,
    /// When it was made.
    pub created_at: Timestamp,
}

fn device(row: &Row<'_>) -> Result<DeviceRow> {
    Ok(DeviceRow {
        device: row.get(0)?,
        waddle: row.get(1)?,
        username: row.get(2)?,
        salt: row.get(3)?,
        digest: row.get(4)?,
        created_at: row.get(5)?,
    })
}

impl DeviceCredentials<'_> {
    /// Adds a credential, or replaces the one of the same device.
    pub async fn put(&self, row: DeviceRow) -> Result<()> {
        self.0
            .write(move |tx| {
                tx.execute(
                    "INSERT INTO device_credentials (device, waddle, username, salt, digest, created_at) \
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (device) DO UPDATE SET \
                     username = excluded.username, salt = excluded.salt, digest = excluded.digest, \
                     created_at = excluded.created_at",
                    (
                        row.device,
                        row.waddle,
                        &row.username,
                        &row.salt,
                        &row.digest,
                        row.created_at,
                    ),
                )
                .map(drop)
            })
            .await
    }

    /// By user name.
    pub async fn by_username(&self, username: &str) -> Result<Option<DeviceRow>> {
        let username = username.to_owned();
        self.0
            .read(move |conn| {
                conn.query_opt(
                    "SELECT device, waddle, username, salt, digest, created_at \
                     FROM device_credentials WHERE username = ?1",
                    (&username,),
                    device,
                )
            })
            .await
    }

    /// Deletes a device's credential; `NotFound` where there is none.
    pub async fn revoke(&self, device: DeviceId) -> Result<()> {
        self.0
            .write(move |tx| tx.execute_one("DELETE FROM device_credentials WHERE device = ?1", (device,)))
            .await
    }
}
