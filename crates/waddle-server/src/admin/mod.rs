//! Administration from the command line: the same operations through the running server or on its databases.

pub mod command;
pub mod ops;
pub mod socket;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What an operation answers: a line for people and the same as data.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Reply {
    /// One line, or one line an entry for lists.
    pub text: String,
    /// The same for programs.
    pub json: Value,
}

/// Why an operation failed: one line that says what to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{0}")]
pub struct Failure(pub String);

impl Failure {
    /// A failure from anything that reads as a line.
    pub fn new(e: impl std::fmt::Display) -> Self {
        Self(e.to_string())
    }
}
