//! What a database can answer instead of a result.

use std::sync::Arc;

/// The result of everything in this crate.
pub type Result<T, E = StorageError> = std::result::Result<T, E>;

/// Why a request to a database failed. Cheap to clone: one failed commit answers every job of its batch.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StorageError {
    /// No such row, archive or waddle.
    #[error("not found")]
    NotFound,
    /// A unique key is already taken.
    #[error("already exists: {0}")]
    Conflict(Arc<str>),
    /// A foreign key, check or not-null rule forbids it.
    #[error("refused by a rule of the schema: {0}")]
    Constraint(Arc<str>),
    /// The queue of the database is full, or another program holds its lock; try again later.
    #[error("the database is busy")]
    Busy,
    /// The disk (or a quota) is full; nothing of this request was stored.
    #[error("the disk is full")]
    Full,
    /// The file system or the file is read-only.
    #[error("the database is read-only")]
    ReadOnly,
    /// The disk failed.
    #[error("input or output failed: {0}")]
    Io(Arc<str>),
    /// The file is damaged. A damaged waddle is fenced: it answers this until it is restored.
    #[error("the database {database} is damaged: {detail}")]
    Corrupt {
        /// `server` or the waddle's identifier.
        database: Arc<str>,
        /// What was found.
        detail: Arc<str>,
    },
    /// The file was written by a newer version of Waddle.
    #[error(
        "the database {database} was written by a newer version of Waddle (it has migration {number}); \
         install that version, or restore a backup made before"
    )]
    Newer {
        /// `server` or the waddle's identifier.
        database: Arc<str>,
        /// The number that this version does not know.
        number: u32,
    },
    /// A migration that was applied differs from the one of the same number in this version.
    #[error("the database {database} has another migration {number} than this version of Waddle")]
    OtherMigration {
        /// `server` or the waddle's identifier.
        database: Arc<str>,
        /// Its number.
        number: u32,
    },
    /// Another server uses the data directory.
    #[error("the data directory {0} is in use by another server")]
    Locked(Arc<str>),
    /// A column holds something else than was asked for.
    #[error("column {index} of the answer is no {expected}")]
    Column {
        /// Counted from 0.
        index: usize,
        /// The type asked for.
        expected: &'static str,
    },
    /// The job panicked; its changes were rolled back.
    #[error("the request failed unexpectedly")]
    Panicked,
    /// The storage is closed.
    #[error("the storage is closed")]
    Closed,
    /// Anything else, in SQLite's words.
    #[error("{0}")]
    Sql(Arc<str>),
}

impl StorageError {
    /// Whether the same request may succeed later without anybody repairing anything.
    pub fn is_temporary(&self) -> bool {
        matches!(self, Self::Busy | Self::Full | Self::Io(_))
    }

    pub(crate) fn io(doing: &str, path: &std::path::Path, e: &std::io::Error) -> Self {
        match e.kind() {
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => Self::Full,
            std::io::ErrorKind::ReadOnlyFilesystem => Self::ReadOnly,
            _ => Self::Io(format!("{doing} {}: {e}", path.display()).into()),
        }
    }

    /// Reads SQLite's extended result codes (<https://sqlite.org/rescode.html>).
    pub(crate) fn sql(database: &Arc<str>, e: libsql::Error) -> Self {
        match e {
            libsql::Error::SqliteFailure(code, text) => match (code & 0xff, code) {
                (5 | 6, _) => Self::Busy,
                (8, _) => Self::ReadOnly,
                (10 | 14, _) => Self::Io(text.into()),
                (11 | 26, _) => Self::Corrupt {
                    database: database.clone(),
                    detail: text.into(),
                },
                (13, _) => Self::Full,
                (19, 1555 | 2067 | 2579) => Self::Conflict(text.into()),
                (19, _) => Self::Constraint(text.into()),
                _ => Self::Sql(format!("{text} ({code})").into()),
            },
            libsql::Error::QueryReturnedNoRows => Self::NotFound,
            libsql::Error::ConnectionFailed(text) => Self::Io(text.into()),
            e => Self::Sql(e.to_string().into()),
        }
    }
}
