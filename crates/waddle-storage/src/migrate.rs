//! Brings a database to the schema of this version: forward only, each step in a transaction of its own,
//! so that an interrupted run goes on where it stopped.

use std::sync::Arc;

use crate::{Result, StorageError, conn::Tx, migrations::Migration, params};

const TABLE: &str = "CREATE TABLE IF NOT EXISTS schema_migration (\
    number INTEGER PRIMARY KEY, file TEXT NOT NULL, checksum TEXT NOT NULL, applied_at INTEGER NOT NULL) STRICT";

/// Applies what is missing; refuses a database that has steps which `known` does not.
pub(crate) fn migrate(tx: &mut Tx, known: &[Migration], database: &Arc<str>) -> Result<()> {
    let applied = applied(tx)?;
    for (number, checksum) in &applied {
        let same = known.iter().find(|m| m.number() == *number);
        match same.map(|m| m.checksum() == *checksum) {
            Some(true) => {}
            Some(false) => {
                return Err(StorageError::OtherMigration {
                    database: database.clone(),
                    number: *number,
                });
            }
            None => {
                return Err(StorageError::Newer {
                    database: database.clone(),
                    number: *number,
                });
            }
        }
    }
    for step in known {
        if applied.iter().any(|(number, _)| *number == step.number()) {
            continue;
        }
        tx.begin()?;
        let done = apply(tx, step).and_then(|()| tx.commit());
        if let Err(e) = done {
            tx.rollback();
            tracing::error!(database = %database, migration = step.file, error = %e, "migration failed");
            return Err(e);
        }
        tracing::debug!(database = %database, migration = step.file, "applied");
    }
    Ok(())
}

fn applied(tx: &mut Tx) -> Result<Vec<(u32, String)>> {
    let table = "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'schema_migration'";
    if tx.query_opt(table, (), |_| Ok(()))?.is_none() {
        return Ok(Vec::new());
    }
    tx.query(
        "SELECT number, checksum FROM schema_migration ORDER BY number",
        (),
        |r| Ok((r.get(0)?, r.get(1)?)),
    )
}

fn apply(tx: &mut Tx, step: &Migration) -> Result<()> {
    tx.execute(TABLE, ())?;
    tx.batch(step.sql)?;
    let now = tx.now();
    tx.execute(
        "INSERT INTO schema_migration (number, file, checksum, applied_at) VALUES (?1, ?2, ?3, ?4)",
        params![step.number(), step.file, step.checksum(), now],
    )?;
    Ok(())
}
