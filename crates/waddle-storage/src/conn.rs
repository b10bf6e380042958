//! A connection and the transaction on it: synchronous calls, made on a storage thread only.
//!
//! libsql's local calls are synchronous inside async functions; each future is ready at its first poll
//! (`adrs/0003-storage-threads-and-durability.md`).

use std::{
    borrow::Cow,
    cell::{Cell, RefCell},
    future::Future,
    ops::Deref,
    path::Path,
    sync::Arc,
    time::Duration,
};

use ahash::AHashMap;
use futures::FutureExt;
use libsql::{Connection, OpenFlags, Statement, params::Params};
use waddle_core::{MessageId, SharedClock, Timestamp};

use crate::{IntoParams, Result, Row, StorageError, Value};

/// Prepared statements kept by one connection; the longest unused one goes.
const STATEMENTS: usize = 128;
/// How long a statement waits for another program's lock on the file.
const BUSY: Duration = Duration::from_secs(2);
/// How long the writer waits for readers to empty the log.
const READERS: Duration = Duration::from_millis(50);

/// How a file is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// The one writer; also makes the file.
    Create,
    /// The one writer of a file that exists.
    Write,
    /// A reader.
    Read,
    /// A look into a file that nobody uses, such as a backup, of which nothing is changed.
    Look,
}

/// What a statement met that concerns more than its own job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The file is damaged.
    Corrupt,
    /// The disk failed: what the connection holds in memory may differ from the disk.
    Io,
}

fn now<T>(f: impl Future<Output = libsql::Result<T>>) -> libsql::Result<T> {
    f.now_or_never().unwrap_or_else(|| {
        Err(libsql::Error::Misuse(
            "a local call did not finish at once".into(),
        ))
    })
}

/// Whether a statement only reads, as far as its first word tells.
fn selects(sql: &str) -> bool {
    sql.get(..6)
        .is_some_and(|word| word.eq_ignore_ascii_case("select"))
}

/// A statement as it is prepared. SQLite plans anew for each value bound to a bare parameter of `LIMIT`, which costs more
/// than most of our queries; with a sign before it, the plan is made once (`sqlite3ExprIsInteger`).
fn planned_once(sql: &str) -> Cow<'_, str> {
    if sql.contains("LIMIT ?") {
        Cow::Owned(sql.replace("LIMIT ?", "LIMIT +?"))
    } else {
        Cow::Borrowed(sql)
    }
}

#[derive(Default)]
struct Cache {
    statements: AHashMap<Box<str>, (u64, Statement)>,
    uses: u64,
}

/// A connection to one database, for reading.
pub struct Conn {
    // Statements go before their connection.
    cache: RefCell<Cache>,
    inner: Connection,
    clock: SharedClock,
    database: Arc<str>,
    fault: Cell<Option<Fault>>,
    last_error: RefCell<Option<StorageError>>,
}

/// A prepared statement in use; it is reset and goes back to the cache, also after an error or a panic.
struct InUse<'a> {
    conn: &'a Conn,
    sql: Option<Box<str>>,
    statement: Option<Statement>,
}

impl Drop for InUse<'_> {
    fn drop(&mut self) {
        if let (Some(sql), Some(statement)) = (self.sql.take(), self.statement.take()) {
            statement.reset();
            self.conn.keep(sql, statement);
        }
    }
}

impl Conn {
    pub(crate) fn open(path: &Path, mode: Mode, database: Arc<str>, clock: SharedClock) -> Result<Self> {
        let flags = match mode {
            Mode::Create => OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE,
            // A reader of a WAL database writes its shared memory, so it is no read-only connection.
            Mode::Write | Mode::Read => OpenFlags::SQLITE_OPEN_READ_WRITE,
            Mode::Look => OpenFlags::SQLITE_OPEN_READ_ONLY,
        };
        let sql = |e| StorageError::sql(&database, e);
        let db = now(libsql::Builder::new_local(path).flags(flags).build()).map_err(sql)?;
        let inner = db.connect().map_err(sql)?;
        inner.busy_timeout(BUSY).map_err(sql)?;
        let conn = Self {
            inner,
            cache: RefCell::default(),
            clock,
            database: database.clone(),
            fault: Cell::new(None),
            last_error: RefCell::new(None),
        };
        if mode == Mode::Look {
            conn.batch("PRAGMA cell_size_check = ON; PRAGMA trusted_schema = OFF;")?;
            return Ok(conn);
        }
        conn.batch(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; \
             PRAGMA temp_store = MEMORY; PRAGMA journal_size_limit = 67108864; PRAGMA cell_size_check = ON; \
             PRAGMA secure_delete = FAST; \
             PRAGMA wal_autocheckpoint = 4000; \
             PRAGMA trusted_schema = OFF;",
        )?;
        // KiB of pages kept by this connection at the most: there is one server database and many waddles.
        conn.batch(if &*conn.database == "server" {
            "PRAGMA cache_size = -16000;"
        } else {
            "PRAGMA cache_size = -1000;"
        })?;
        if mode == Mode::Read {
            conn.batch("PRAGMA query_only = ON;")?;
        }
        Ok(conn)
    }

    /// All rows of a query, mapped. Bound it with `LIMIT`: the answer is held in memory.
    pub fn query<T>(
        &self,
        sql: &str,
        params: impl IntoParams,
        mut map: impl FnMut(&Row<'_>) -> Result<T>,
    ) -> Result<Vec<T>> {
        let mut out = Vec::new();
        self.each(sql, params.into_params(), |row| {
            out.push(map(row)?);
            Ok(true)
        })?;
        Ok(out)
    }

    /// The first row of a query, if there is one.
    pub fn query_opt<T>(
        &self,
        sql: &str,
        params: impl IntoParams,
        map: impl FnOnce(&Row<'_>) -> Result<T>,
    ) -> Result<Option<T>> {
        let (mut map, mut out) = (Some(map), None);
        self.each(sql, params.into_params(), |row| {
            out = map.take().map(|m| m(row)).transpose()?;
            Ok(false)
        })?;
        Ok(out)
    }

    /// The first row of a query; [`StorageError::NotFound`] where there is none.
    pub fn query_one<T>(
        &self,
        sql: &str,
        params: impl IntoParams,
        map: impl FnOnce(&Row<'_>) -> Result<T>,
    ) -> Result<T> {
        self.query_opt(sql, params, map)?.ok_or(StorageError::NotFound)
    }

    /// Calls `visit` with each row until it answers `false`; nothing is held in memory.
    /// A statement that changes something runs to its end all the same: only there are its foreign keys checked.
    pub fn each(
        &self,
        sql: &str,
        params: Vec<Value>,
        mut visit: impl FnMut(&Row<'_>) -> Result<bool>,
    ) -> Result<()> {
        let used = self.take(sql)?;
        let Some(statement) = used.statement.as_ref() else {
            return Ok(());
        };
        let mut rows = now(statement.query(Params::Positional(params))).map_err(|e| self.fail(e))?;
        let mut wanted = true;
        while let Some(row) = now(rows.next()).map_err(|e| self.fail(e))? {
            wanted = wanted && visit(&Row(&row))?;
            if !wanted && selects(sql) {
                break;
            }
        }
        Ok(())
    }

    /// The time now, by the storage's clock.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    fn run(&self, sql: &str, params: Vec<Value>) -> Result<u64> {
        let used = self.take(sql)?;
        let Some(statement) = used.statement.as_ref() else {
            return Ok(0);
        };
        let changed = now(statement.execute(Params::Positional(params))).map_err(|e| self.fail(e))?;
        Ok(changed as u64)
    }

    /// Several statements without parameters.
    pub(crate) fn batch(&self, sql: &str) -> Result<()> {
        now(self.inner.execute_batch(sql))
            .map(drop)
            .map_err(|e| self.fail(e))
    }

    fn take(&self, sql: &str) -> Result<InUse<'_>> {
        let cached = self.cache.borrow_mut().statements.remove_entry(sql);
        let (sql, statement) = match cached {
            Some((sql, (_, statement))) => (sql, statement),
            None => (
                sql.into(),
                now(self.inner.prepare(&planned_once(sql))).map_err(|e| self.fail(e))?,
            ),
        };
        Ok(InUse {
            conn: self,
            sql: Some(sql),
            statement: Some(statement),
        })
    }

    fn keep(&self, sql: Box<str>, statement: Statement) {
        let mut cache = self.cache.borrow_mut();
        cache.uses += 1;
        let uses = cache.uses;
        if cache.statements.len() >= STATEMENTS {
            let oldest = cache.statements.iter().min_by_key(|(_, (used, _))| *used);
            if let Some(oldest) = oldest.map(|(sql, _)| sql.clone()) {
                cache.statements.remove(&oldest);
            }
        }
        cache.statements.insert(sql, (uses, statement));
    }

    fn fail(&self, e: libsql::Error) -> StorageError {
        let e = StorageError::sql(&self.database, e);
        match &e {
            StorageError::Corrupt { .. } => self.fault.set(Some(Fault::Corrupt)),
            StorageError::Io(_) if self.fault.get().is_none() => self.fault.set(Some(Fault::Io)),
            _ => {}
        }
        self.last_error.replace(Some(e.clone()));
        e
    }

    /// What was met since the connection was opened.
    pub(crate) fn fault(&self) -> Option<Fault> {
        self.fault.get()
    }

    /// Starts a transaction for reading: every query until [`Conn::end_read`] sees one state.
    pub(crate) fn begin_read(&self) -> Result<()> {
        self.run("BEGIN", Vec::new()).map(drop)
    }

    pub(crate) fn end_read(&self) {
        if !self.inner.is_autocommit() && self.run("COMMIT", Vec::new()).is_err() {
            let _ = self.run("ROLLBACK", Vec::new());
        }
    }
}

/// The writing side of a connection, within a transaction. Everything of [`Conn`] works on it too, and sees
/// what the transaction has written.
pub struct Tx {
    conn: Conn,
    last_message: i64,
}

impl Deref for Tx {
    type Target = Conn;
    fn deref(&self) -> &Conn {
        &self.conn
    }
}

impl Tx {
    pub(crate) fn new(conn: Conn) -> Self {
        Self {
            conn,
            last_message: 0,
        }
    }

    /// Executes one statement that returns no rows; answers the number of rows changed.
    /// A statement with `RETURNING` goes through [`Conn::query`] and its relatives.
    pub fn execute(&mut self, sql: &str, params: impl IntoParams) -> Result<u64> {
        self.conn.run(sql, params.into_params())
    }

    /// Like [`Tx::execute`], but [`StorageError::NotFound`] where no row was changed.
    pub fn execute_one(&mut self, sql: &str, params: impl IntoParams) -> Result<()> {
        match self.execute(sql, params)? {
            0 => Err(StorageError::NotFound),
            _ => Ok(()),
        }
    }

    /// The next identifier of a message: the time now, raised above every identifier given before in this
    /// database. One that a rolled-back job was given is not given again.
    pub fn next_message_id(&mut self) -> Result<MessageId> {
        if self.last_message == 0 {
            self.last_message =
                self.query_one("SELECT coalesce(max(id), 0) FROM archive", (), |r| r.get(0))?;
        }
        self.last_message = self.now().0.max(self.last_message + 1);
        Ok(MessageId(self.last_message))
    }

    pub(crate) fn begin(&mut self) -> Result<()> {
        self.conn.last_error.take();
        self.conn.run("BEGIN IMMEDIATE", Vec::new()).map(drop)
    }

    pub(crate) fn commit(&mut self) -> Result<()> {
        self.conn.run("COMMIT", Vec::new()).map(drop)
    }

    pub(crate) fn rollback(&mut self) {
        if self.in_transaction() {
            let _ = self.conn.run("ROLLBACK", Vec::new());
        }
    }

    pub(crate) fn savepoint(&mut self) -> Result<()> {
        self.conn.run("SAVEPOINT job", Vec::new()).map(drop)
    }

    pub(crate) fn release(&mut self) -> Result<()> {
        self.conn.run("RELEASE job", Vec::new()).map(drop)
    }

    pub(crate) fn undo(&mut self) -> Result<()> {
        self.conn.run("ROLLBACK TO job", Vec::new())?;
        self.release()
    }

    /// Why the transaction is gone.
    pub(crate) fn lost(&self) -> StorageError {
        let ended = || StorageError::Sql("a job ended the transaction".into());
        self.conn.last_error.take().unwrap_or_else(ended)
    }

    /// Moves the write-ahead log into the file and empties it.
    pub(crate) fn checkpoint(&mut self) -> Result<()> {
        self.conn.batch("PRAGMA wal_checkpoint(TRUNCATE);")
    }

    /// [`Tx::checkpoint`] that waits for readers only a moment; without effect where that is not enough.
    pub(crate) fn checkpoint_soon(&mut self) {
        let _ = self.conn.inner.busy_timeout(READERS);
        let _ = self.checkpoint();
        let _ = self.conn.inner.busy_timeout(BUSY);
    }

    /// SQLite ends a transaction by itself after some errors (full disk, failed write).
    pub(crate) fn in_transaction(&self) -> bool {
        !self.conn.inner.is_autocommit()
    }
}

impl std::fmt::Debug for Conn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Conn({})", self.database)
    }
}
impl std::fmt::Debug for Tx {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Tx({})", self.database)
    }
}
