//! What a database is: key and value. Also the example that shows how a repository looks.

use crate::{Conn, Db, Result, Tx};

/// The table `meta` of one database.
#[derive(Debug)]
pub struct Meta<'a>(pub &'a Db);

impl Meta<'_> {
    /// The value of `key`.
    pub async fn get(&self, key: &'static str) -> Result<Option<String>> {
        self.0.read(move |conn| get(conn, key)).await
    }

    /// Sets `key`; resolves when the change is on the disk.
    pub async fn set(&self, key: &'static str, value: String) -> Result<()> {
        self.0.write(move |tx| set(tx, key, &value)).await
    }
}

/// The value of `key`, within a larger read or write.
pub fn get(conn: &Conn, key: &str) -> Result<Option<String>> {
    conn.query_opt("SELECT value FROM meta WHERE key = ?1", (key,), |row| row.get(0))
}

/// Sets `key`, within a larger write.
pub fn set(tx: &mut Tx, key: &str, value: &str) -> Result<()> {
    tx.execute(
        "INSERT INTO meta (key, value) VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
        (key, value),
    )?;
    Ok(())
}
