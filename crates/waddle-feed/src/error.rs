//! Why a feed could not be bound.

use waddle_community::{Error, FeedMode};

/// Why a feed could not be bound.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FeedError {
    /// A mode that feeds do not have.
    #[error("the mode {0} is not supported; feeds have the mode message")]
    Mode(FeedMode),
    /// The community refused it.
    #[error(transparent)]
    Community(#[from] Error),
}
