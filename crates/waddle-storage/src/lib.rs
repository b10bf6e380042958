//! libSQL: the server database, one database per waddle, migrations, repositories, durable group commits
//! (`adrs/0003-storage-threads-and-durability.md`). All SQL of the product is in this crate.
//!
//! ```text
//! async code ── Db::write ──► bounded queue ──► writer thread: BEGIN, job, job, …, COMMIT (one fsync) ──► results
//!            └─ Db::read ───► bounded queue ──► reader thread: one snapshot ──► result
//! ```
//!
//! # How to add a repository
//! 1. Write the tables in `migrations/server/NNNN_topic.sql` or `migrations/waddle/NNNN_topic.sql` (top level of
//!    the workspace; `STRICT` tables, an index for each query, no `DEFERRABLE` keys: their failure would fail the
//!    whole batch) and name the file in `migrations.rs`, in the order of the numbers. A file that was released
//!    never changes.
//! 2. Add `src/repo/topic.rs` and its `pub mod` line in `src/repo/mod.rs`. Write **synchronous** functions over
//!    `&Conn` (reads) and `&mut Tx` (writes); `Tx` derefs to `Conn`, so reads work within writes. Callers compose
//!    them in one closure, which is one transaction:
//!    ```ignore
//!    pub fn by_name(conn: &Conn, name: &str) -> Result<Option<Thing>> {
//!        conn.query_opt("SELECT id, name FROM thing WHERE name = ?1", (name,), |row| {
//!            Ok(Thing { id: row.get(0)?, name: row.get(1)? })
//!        })
//!    }
//!    pub fn insert(tx: &mut Tx, thing: &Thing) -> Result<()> {
//!        tx.execute("INSERT INTO thing (id, name) VALUES (?1, ?2)", (thing.id, &thing.name))?;
//!        Ok(())
//!    }
//!    // elsewhere
//!    let thing = db.read(move |conn| things::by_name(conn, &name)).await?;
//!    db.write(move |tx| things::insert(tx, &thing)).await?;
//!    ```
//!    [`repo::meta`] is a complete small example, with a struct over [`Db`] for callers that need no composition.
//! 3. Bind every value (`?1`, tuples, arrays or [`params!`]); bound every query with `LIMIT`. Types of
//!    `waddle_core` bind and read directly; others implement [`IntoValue`] and [`FromColumn`].
//! 4. Errors: a taken unique key is [`StorageError::Conflict`], a missing row of `query_one` and `execute_one`
//!    [`StorageError::NotFound`]. [`Db::transact`] takes closures with an error type of your own.

mod backup;
mod commit;
mod conn;
mod db;
mod disk;
mod error;
mod file;
mod job;
mod lane;
mod metrics;
mod migrate;
#[cfg(test)]
mod migrate_history;
pub mod migrations;
pub mod offline;
pub mod portable;
pub mod repo;
mod shared;
mod storage;
mod value;

pub use backup::Backup;
pub use conn::{Conn, Tx};
pub use db::Db;
pub use error::{Result, StorageError};
pub use storage::{Storage, StorageConfig};
pub use value::{FromColumn, IntoParams, IntoValue, Row, Value};
