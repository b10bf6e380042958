//! Why a request brought nothing.

use crate::Refused;

/// Why a request brought nothing. The text is for whoever named the address: it tells nothing about the network here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FetchError {
    /// The address is none that may be asked.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// The time was over.
    #[error("no answer in time")]
    Timeout,
    /// No connection: the name is unknown, nobody listens, or TLS failed.
    #[error("no connection: {0}")]
    Connect(String),
    /// The connection broke, or what came is no HTTP.
    #[error("the answer broke off: {0}")]
    Broken(String),
    /// The answer is longer than allowed.
    #[error("the answer is over {0} bytes")]
    TooLarge(usize),
    /// Too many redirects, or one without an address.
    #[error("redirected too often, or to nowhere")]
    Redirects,
    /// The client could not be made: a setting is wrong.
    #[error("requests to other servers: {0}")]
    Config(String),
}

impl FetchError {
    /// Whether the same request may succeed later.
    pub fn is_temporary(&self) -> bool {
        matches!(self, Self::Timeout | Self::Connect(_) | Self::Broken(_))
    }
}
