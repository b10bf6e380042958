//! Why something of webhooks, bots or commands failed: whose fault it is and what to do.

use waddle_storage::StorageError;

/// The result of everything in this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why something failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There is no such thing, or its secret is another. To strangers both are the same.
    #[error("there is no such {0}")]
    NotFound(&'static str),
    /// The asker has no right to it.
    #[error("you have no right to do this")]
    Forbidden,
    /// There is nothing left of it.
    #[error("{0}")]
    Gone(&'static str),
    /// An incoming webhook whose maker has no right to it any more.
    #[error(
        "whoever set this webhook up may not manage webhooks of its channel any more; who may has to change it or give it \
         a new address"
    )]
    Stopped,
    /// It clashes with what is there.
    #[error("{0}")]
    Conflict(&'static str),
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
        why: String,
    },
    /// Too often; the same may work after so many seconds.
    #[error("too many messages; try again in {0} s")]
    TooMany(u64),
    /// The message was refused by the channel's rules, or the channel could not take it.
    #[error("{0}")]
    Refused(String),
    /// The channel cannot take it now.
    #[error("this cannot be taken now; try again later")]
    Busy,
    /// The community refused it.
    #[error(transparent)]
    Community(waddle_community::Error),
    /// The accounts refused it.
    #[error("{0}")]
    Identity(String),
    /// The database failed.
    #[error(transparent)]
    Storage(StorageError),
    /// A fault of this program or of the machine.
    #[error("{0}")]
    Internal(&'static str),
}

impl Error {
    /// A value that is not allowed.
    pub fn invalid(field: &'static str, why: impl Into<String>) -> Self {
        Self::Invalid {
            field,
            why: why.into(),
        }
    }
}

impl From<StorageError> for Error {
    fn from(e: StorageError) -> Self {
        match e {
            StorageError::NotFound => Self::NotFound("webhook, bot or command"),
            e => Self::Storage(e),
        }
    }
}

impl From<waddle_community::Error> for Error {
    fn from(e: waddle_community::Error) -> Self {
        use waddle_community::Error as E;
        match e {
            E::Forbidden => Self::Forbidden,
            E::NotFound(what) => Self::NotFound(what),
            E::Conflict(why) => Self::Conflict(why),
            E::Limit { what, max } => Self::Limit { what, max },
            E::Invalid { field, why } => Self::invalid(field, why),
            E::Storage(e) => e.into(),
            e => Self::Community(e),
        }
    }
}

impl From<waddle_messages::Error> for Error {
    fn from(e: waddle_messages::Error) -> Self {
        use waddle_messages::Error as E;
        match e {
            E::NotFound => Self::NotFound("message"),
            E::Community(e) => e.into(),
            E::Storage(e) => e.into(),
            E::Query(_) => Self::Internal("the archive cannot be read"),
        }
    }
}

impl From<waddle_muc::PostError> for Error {
    fn from(e: waddle_muc::PostError) -> Self {
        use waddle_muc::PostError as E;
        match e {
            // the same may work later
            E::Busy | E::Storage => Self::Busy,
            E::NoChannel => Self::NotFound("channel"),
            e => Self::Refused(e.to_string()),
        }
    }
}

impl From<waddle_identity::Error> for Error {
    fn from(e: waddle_identity::Error) -> Self {
        use waddle_identity::Error as E;
        match e {
            E::NotFound => Self::NotFound("account or token"),
            E::NameTaken => Self::Conflict("the name is already taken"),
            E::Storage(e) => e.into(),
            E::Community(e) => e.into(),
            e => Self::Identity(e.to_string()),
        }
    }
}
