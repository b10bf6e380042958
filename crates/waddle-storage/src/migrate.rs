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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conn::{Conn, Mode};

    const FIRST: Migration = Migration {
        file: "server/0001_a.sql",
        sql: "CREATE TABLE a (x INTEGER) STRICT; -- and no more",
    };
    const BROKEN: Migration = Migration {
        file: "server/0003_c.sql",
        sql: "CREATE TABLE c (x INTEGER) STRICT; CREATE TABLE a (x INTEGER) STRICT;",
    };
    const MENDED: Migration = Migration {
        file: "server/0003_c.sql",
        sql: "CREATE TABLE c (x INTEGER) STRICT;",
    };
    const BETWEEN: Migration = Migration {
        file: "server/0002_b.sql",
        sql: "CREATE TABLE b (x INTEGER) STRICT;",
    };

    fn open(dir: &tempfile::TempDir) -> Tx {
        let clock = Arc::new(waddle_core::SystemClock);
        Tx::new(Conn::open(&dir.path().join("a.db"), Mode::Create, "a".into(), clock).unwrap())
    }

    fn tables(tx: &Tx) -> String {
        let sql = "SELECT group_concat(name, ' ') FROM (SELECT name FROM sqlite_schema WHERE length(name) = 1 ORDER BY 1)";
        tx.query_one(sql, (), |r| r.get(0)).unwrap()
    }

    #[test]
    fn an_interrupted_run_goes_on_where_it_stopped() {
        let dir = tempfile::tempdir().unwrap();
        let name: Arc<str> = "a".into();
        let mut tx = open(&dir);
        assert!(matches!(
            migrate(&mut tx, &[FIRST, BROKEN], &name),
            Err(StorageError::Sql(_))
        ));
        assert_eq!(tables(&tx), "a", "the broken step left nothing");
        drop(tx);
        let mut tx = open(&dir);
        for _ in 0..2 {
            migrate(&mut tx, &[FIRST, MENDED], &name).unwrap();
            assert_eq!(tables(&tx), "a c");
        }
        migrate(&mut tx, &[FIRST, BETWEEN, MENDED], &name).unwrap();
        assert_eq!(
            tables(&tx),
            "a b c",
            "a lower number that came later is applied too"
        );
    }

    #[test]
    fn other_versions_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let name: Arc<str> = "a".into();
        let mut tx = open(&dir);
        migrate(&mut tx, &[FIRST, BETWEEN, MENDED], &name).unwrap();
        let newer = migrate(&mut tx, &[FIRST, BETWEEN], &name).unwrap_err();
        let (database, number) = (name.clone(), 3);
        assert_eq!(newer, StorageError::Newer { database, number });
        assert!(newer.to_string().contains("newer version of Waddle"));
        let changed = migrate(&mut tx, &[FIRST, BETWEEN, BROKEN], &name).unwrap_err();
        assert_eq!(
            changed,
            StorageError::OtherMigration {
                database: name,
                number: 3
            }
        );
    }
}
