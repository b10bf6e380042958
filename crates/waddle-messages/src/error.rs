//! Why messages cannot be read.

use waddle_storage::StorageError;

/// What went wrong, and what to do.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// There is no such message (any more).
    #[error("there is no such message in this channel (any more)")]
    NotFound,
    /// A search that cannot be understood.
    #[error("{0}")]
    Query(&'static str),
    /// The community failed.
    #[error(transparent)]
    Community(#[from] waddle_community::Error),
    /// The database failed.
    #[error(transparent)]
    Storage(StorageError),
}

impl From<StorageError> for Error {
    fn from(e: StorageError) -> Self {
        match e {
            StorageError::NotFound => Self::NotFound,
            e => Self::Storage(e),
        }
    }
}

/// The result of reading messages.
pub type Result<T, E = Error> = std::result::Result<T, E>;
