//! What can go wrong, and whose fault it is.

use waddle_core::Timestamp;
use waddle_storage::StorageError;

/// Why the store could not do something.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No such file, or it is gone.
    #[error("there is no such file")]
    NotFound,
    /// The upload token is wrong or too old.
    #[error("the upload address is wrong or has expired; ask for a new one")]
    Forbidden,
    /// The file was uploaded already, or is just being uploaded.
    #[error("this file was uploaded already, or its upload is under way")]
    Conflict,
    /// The declared length is not the slot's.
    #[error("the length must be exactly {0} bytes, as it was announced")]
    Length(u64),
    /// The declared content type is not the slot's.
    #[error("the content type must be {0}, as it was announced")]
    Kind(String),
    /// The bytes ended too early, or were too many.
    #[error("the upload was not {0} bytes long")]
    Cut(u64),
    /// Too many uploads at a time.
    #[error("too many uploads at this time")]
    Busy,
    /// The disk is full.
    #[error("there is no space left for files")]
    Full,
    /// The store failed.
    #[error("the file store failed: {0}")]
    Store(#[from] object_store::Error),
    /// The database failed.
    #[error("the database failed: {0}")]
    Database(StorageError),
    /// The settings cannot be used.
    #[error("{0}")]
    Config(String),
    /// The machine has no random numbers.
    #[error("the system has no random numbers")]
    Random,
}

impl From<StorageError> for Error {
    fn from(e: StorageError) -> Self {
        match e {
            StorageError::Full => Self::Full,
            StorageError::Busy => Self::Busy,
            e => Self::Database(e),
        }
    }
}

impl Error {
    /// An error of the store, a full disk told from the rest.
    pub(crate) fn store(e: object_store::Error) -> Self {
        match e {
            object_store::Error::NotFound { .. } => Self::NotFound,
            e if is_full(&e) => Self::Full,
            e => Self::Store(e),
        }
    }
}

/// Whether the cause is a full disk or an operating system's quota.
fn is_full(e: &(dyn std::error::Error + 'static)) -> bool {
    use std::io::ErrorKind::{QuotaExceeded, StorageFull};
    let mut next = Some(e);
    for _ in 0..16 {
        let Some(e) = next else { return false };
        let io = e.downcast_ref::<std::io::Error>();
        if io.is_some_and(|e| matches!(e.kind(), StorageFull | QuotaExceeded)) {
            return true;
        }
        next = e.source();
    }
    false
}

/// Why there is no slot: what the requester can change or wait for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// The file is larger than any may be.
    TooLarge(u64),
    /// The name cannot be used.
    Name(&'static str),
    /// The content type is no content type.
    Kind,
    /// The time for which the file shall be kept is over.
    Expired,
    /// A quota is used up, and perhaps until when.
    Quota(&'static str, Option<Timestamp>),
    /// The server is full.
    ServerFull,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_found_below_other_errors() {
        let io = |kind| std::io::Error::from(kind);
        let generic = |e: std::io::Error| object_store::Error::Generic {
            store: "x",
            source: Box::new(e),
        };
        let full = generic(io(std::io::ErrorKind::StorageFull));
        assert!(matches!(Error::store(full), Error::Full));
        let quota = generic(io(std::io::ErrorKind::QuotaExceeded));
        assert!(matches!(Error::store(quota), Error::Full));
        let other = generic(io(std::io::ErrorKind::PermissionDenied));
        assert!(matches!(Error::store(other), Error::Store(_)));
    }
}
