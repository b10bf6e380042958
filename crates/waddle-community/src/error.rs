//! Why an operation on a community failed: whose fault it is and what to do.

use std::sync::Arc;

use waddle_permissions::WriteError;
use waddle_storage::StorageError;

/// The result of everything in this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why an operation failed; nothing of it happened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There is no such thing. To somebody who may not see the waddle, callers answer [`Error::Forbidden`].
    #[error("there is no such {0}")]
    NotFound(&'static str),
    /// The acting user has no right to do this.
    #[error("you have no right to do this")]
    Forbidden,
    /// It clashes with what is there.
    #[error("{0}")]
    Conflict(&'static str),
    /// An invite that has expired or was used up.
    #[error("this {0} has expired or was used up; ask for a new one")]
    Expired(&'static str),
    /// A bound is reached.
    #[error("at most {max} {what}")]
    Limit {
        /// What is counted.
        what: &'static str,
        /// How many there may be.
        max: usize,
    },
    /// A value that is not allowed.
    #[error("{field}: {why}")]
    Invalid {
        /// The field of the request.
        field: &'static str,
        /// What is allowed.
        why: &'static str,
    },
    /// An export cannot be written or read.
    #[error("{0}")]
    Export(Arc<str>),
    /// People of an export who mean nothing here.
    #[error("nobody here is {}; say who they are, or that they stay where they are or are left out", list(.names, *.more))]
    Strangers {
        /// Their addresses, the first hundred.
        names: Arc<[String]>,
        /// How many more.
        more: usize,
    },
    /// The database failed.
    #[error(transparent)]
    Storage(StorageError),
    /// A tuple that somebody wanted to write is not one of the schema.
    #[error(transparent)]
    Unwritable(WriteError),
    /// The tuples were refused: a fault of this program.
    #[error(transparent)]
    Tuples(WriteError),
}

fn list(names: &[String], more: usize) -> String {
    let names = names.join(", ");
    if more == 0 {
        names
    } else {
        format!("{names} and {more} more")
    }
}

impl From<StorageError> for Error {
    fn from(e: StorageError) -> Self {
        match e {
            StorageError::NotFound => Self::NotFound("waddle"),
            StorageError::Conflict(_) => Self::Conflict("the name is already taken"),
            e => Self::Storage(e),
        }
    }
}

impl From<WriteError> for Error {
    fn from(e: WriteError) -> Self {
        match e {
            WriteError::Full { max } => Self::Limit { what: "tuples", max },
            e => Self::Tuples(e),
        }
    }
}

impl Error {
    /// Whether the same request may succeed later.
    pub fn is_temporary(&self) -> bool {
        matches!(self, Self::Storage(e) if e.is_temporary())
    }
}
