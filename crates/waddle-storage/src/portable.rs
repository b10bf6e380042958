//! A waddle's database as rows, out of one state of it and into a new one (`specs/lifecycle.md`, "Export").
//!
//! ```text
//! Storage::snapshot ─► a connection of its own, one read transaction ─► Snapshot::tables, Snapshot::rows
//! Storage::load     ─► a file beside its place, the schema that the rows were written with ─► Loader::insert
//!                   ─► foreign keys checked, later migrations applied ─► renamed into its place
//! ```

use std::{ops::Deref, path::PathBuf};

use waddle_core::WaddleId;

use crate::{
    Db, Result, Storage, StorageError, Value,
    conn::{Conn, Mode, Tx},
    disk, migrate, migrations,
    storage::Length,
};

/// Rows that one transaction of a [`Loader`] holds.
const BATCH: usize = 2_000;

/// A table with the columns that can be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// Its name.
    pub name: String,
    /// Its columns, in their order.
    pub columns: Vec<String>,
}

/// One state of a database, however long it is read.
#[derive(Debug)]
pub struct Snapshot {
    conn: Conn,
}

impl Deref for Snapshot {
    type Target = Conn;
    fn deref(&self) -> &Conn {
        &self.conn
    }
}

impl Snapshot {
    /// The plain tables: no index for search, nothing of SQLite's own.
    pub fn tables(&self) -> Result<Vec<Table>> {
        tables(&self.conn)
    }

    /// The numbers of the migrations that made the schema.
    pub fn migrations(&self) -> Result<Vec<u32>> {
        self.conn
            .query("SELECT number FROM schema_migration ORDER BY number", (), |r| {
                r.get(0)
            })
    }

    /// Everybody who has something in the waddle: members, and the users that tuples name. Somebody may come twice.
    pub fn people(&self, mut visit: impl FnMut(&str) -> Result<()>) -> Result<()> {
        let sql = "SELECT user FROM members UNION \
                   SELECT substr(subject, 6) FROM tuples WHERE subject LIKE 'user:%' AND subject <> 'user:*'";
        self.conn.each(sql, Vec::new(), |r| {
            visit(&r.get::<String>(0)?)?;
            Ok(true)
        })
    }

    /// Calls `visit` with the values of each row, in the order of `table.columns`; nothing is held in memory.
    pub fn rows<E: From<StorageError>>(
        &self,
        table: &Table,
        mut visit: impl FnMut(Vec<Value>) -> Result<(), E>,
    ) -> Result<(), E> {
        let sql = format!("SELECT {} FROM {}", names(&table.columns), quoted(&table.name));
        let mut failed = None;
        self.conn.each(&sql, Vec::new(), |row| {
            let values = (0..table.columns.len())
                .map(|i| row.get(i))
                .collect::<Result<_>>()?;
            failed = visit(values).err();
            Ok(failed.is_none())
        })?;
        failed.map_or(Ok(()), Err)
    }
}

/// A database that is being filled, which nobody sees.
#[derive(Debug)]
pub struct Loader {
    tx: Tx,
    tables: Vec<Table>,
    rows: usize,
}

impl Loader {
    /// The table of this name, as the rows that are loaded know it.
    pub fn table(&self, name: &str) -> Option<&Table> {
        self.tables.iter().find(|t| t.name == name)
    }

    /// Enters a row; columns that are left out get their default.
    ///
    /// # Errors
    /// [`StorageError::NotFound`] where there is no such table or column, [`StorageError::Conflict`] for a key that
    /// is taken, [`StorageError::Constraint`].
    pub fn insert(&mut self, table: &str, columns: &[String], values: Vec<Value>) -> Result<()> {
        let known = self.table(table).ok_or(StorageError::NotFound)?;
        if columns.len() != values.len() || !columns.iter().all(|c| known.columns.contains(c)) {
            return Err(StorageError::NotFound);
        }
        let marks: Vec<String> = (1..=columns.len()).map(|i| format!("?{i}")).collect();
        let sql = format!(
            "INSERT INTO {} ({}) VALUES ({})",
            quoted(table),
            names(columns),
            marks.join(", ")
        );
        self.tx.execute(&sql, values)?;
        self.rows += 1;
        if self.rows.is_multiple_of(BATCH) {
            self.tx.commit()?;
            self.tx.begin()?;
        }
        Ok(())
    }
}

impl Storage {
    /// The path of a file that is needed for a moment, in a folder of the data directory for such.
    pub fn scratch(&self, name: &str) -> Result<PathBuf> {
        let dir = self.0.dir.join("scratch");
        disk::private_dir(&dir)?;
        Ok(dir.join(name))
    }

    /// Calls `work` with one state of a waddle's database, on the thread for long work and beside all others.
    pub async fn snapshot<T, E>(
        &self,
        id: WaddleId,
        work: impl FnOnce(&Snapshot) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StorageError> + Send + 'static,
    {
        let db = self.waddle(id).await?;
        self.one_state(db, work).await
    }

    /// The same of the server database.
    pub async fn server_snapshot<T, E>(
        &self,
        work: impl FnOnce(&Snapshot) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StorageError> + Send + 'static,
    {
        self.one_state(self.server(), work).await
    }

    async fn one_state<T, E>(
        &self,
        db: Db,
        work: impl FnOnce(&Snapshot) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StorageError> + Send + 'static,
    {
        let file = db.0;
        self.errand(Length::Long, move || {
            let conn = Conn::open(
                &file.path,
                Mode::Read,
                file.name.clone(),
                file.shared.clock.clone(),
            )?;
            conn.begin_read()?;
            let snapshot = Snapshot { conn };
            let done = work(&snapshot);
            snapshot.conn.end_read();
            Ok(done)
        })
        .await?
    }

    /// Makes the database of a new waddle out of rows that were written with the schema of the migrations `made`;
    /// [`StorageError::Conflict`] where it exists, [`StorageError::Newer`] where this version does not know one of
    /// the migrations. `work` enters the rows, `then` has the schema of this version. The database is complete or not
    /// there at all.
    pub async fn load<S, T, E>(
        &self,
        id: WaddleId,
        made: Vec<u32>,
        work: impl FnOnce(&mut Loader) -> Result<S, E> + Send + 'static,
        then: impl FnOnce(&mut Tx, S) -> Result<T, E> + Send + 'static,
    ) -> Result<(Db, T), E>
    where
        T: Send + 'static,
        E: From<StorageError> + Send + 'static,
    {
        let db = self.handle(id)?;
        let file = db.0.clone();
        let done = self
            .errand(Length::Long, move || {
                if file.path.exists() {
                    return Err(StorageError::Conflict(file.name.clone()));
                }
                if let Some(number) = made
                    .iter()
                    .find(|n| !migrations::WADDLE.iter().any(|m| m.number() == **n))
                {
                    return Err(StorageError::Newer {
                        database: file.name.clone(),
                        number: *number,
                    });
                }
                let new = file.path.with_extension("new");
                disk::remove_database(&new)?;
                disk::private_file(&new)?;
                let filled = (|| {
                    let conn = Conn::open(&new, Mode::Create, file.name.clone(), file.shared.clock.clone())?;
                    // Rows come in any order; all of them are checked below. What is lost with the power is the
                    // whole file, which has no name yet.
                    conn.batch("PRAGMA foreign_keys = OFF; PRAGMA synchronous = OFF;")?;
                    let mut tx = Tx::new(conn);
                    let known: Vec<_> = migrations::WADDLE
                        .iter()
                        .filter(|m| made.contains(&m.number()))
                        .copied()
                        .collect();
                    migrate::migrate(&mut tx, &known, &file.name)?;
                    let mut loader = Loader {
                        tables: tables(&tx)?,
                        tx,
                        rows: 0,
                    };
                    loader.tx.begin()?;
                    let entered = match work(&mut loader) {
                        Ok(entered) => entered,
                        Err(e) => return Ok(Err(e)),
                    };
                    let mut tx = loader.tx;
                    crate::repo::meta::set(&mut tx, "database", &file.name)?;
                    tx.commit()?;
                    let broken = "SELECT \"table\" FROM pragma_foreign_key_check LIMIT 1";
                    if let Some(table) = tx.query_opt(broken, (), |r| r.get::<String>(0))? {
                        return Err(StorageError::Constraint(
                            format!("a row of {table} names one that is not there").into(),
                        ));
                    }
                    migrate::migrate(&mut tx, migrations::WADDLE, &file.name)?;
                    tx.begin()?;
                    let done = match then(&mut tx, entered) {
                        Ok(done) => done,
                        Err(e) => return Ok(Err(e)),
                    };
                    tx.commit()?;
                    tx.checkpoint()?;
                    drop(tx);
                    disk::rename(&new, &file.path)?;
                    Ok(Ok(done))
                })();
                if !matches!(filled, Ok(Ok(_))) {
                    disk::remove_database(&new)?;
                }
                filled
            })
            .await??;
        db.open().await?;
        Ok((db, done))
    }
}

fn tables(conn: &Conn) -> Result<Vec<Table>> {
    let plain = "SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'table' \
                 AND name NOT LIKE 'sqlite_%' AND name <> 'schema_migration' ORDER BY name";
    let found: Vec<String> = conn.query(plain, (), |r| r.get(0))?;
    let mut out = Vec::with_capacity(found.len());
    for name in found {
        let columns = conn.query(
            "SELECT name FROM pragma_table_xinfo(?1) WHERE hidden = 0 ORDER BY cid",
            (&name,),
            |r| r.get(0),
        )?;
        out.push(Table { name, columns });
    }
    Ok(out)
}

fn names(columns: &[String]) -> String {
    columns.iter().map(|c| quoted(c)).collect::<Vec<_>>().join(", ")
}

/// A name of the schema within a statement; names cannot be bound.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
