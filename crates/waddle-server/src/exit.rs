//! How the program ends: one line on standard error and a documented exit code.

use std::{io::Write, process::ExitCode};

use waddle_storage::StorageError;

use crate::{admin::Failure, config::ConfigError, listen::BindError};

/// An unsuccessful end.
#[derive(Debug)]
pub struct Exit {
    code: u8,
    line: String,
}

impl Exit {
    /// The command failed: exit code 1.
    pub fn failed(line: impl Into<String>) -> Self {
        Self {
            code: 1,
            line: line.into(),
        }
    }

    /// Says why and gives the code.
    pub fn report(&self) -> ExitCode {
        // Nothing can be done where standard error is gone.
        drop(writeln!(std::io::stderr(), "waddle-server: {}", self.line));
        ExitCode::from(self.code)
    }
}

impl From<ConfigError> for Exit {
    fn from(e: ConfigError) -> Self {
        Self { code: 3, line: e.0 }
    }
}
impl From<BindError> for Exit {
    fn from(e: BindError) -> Self {
        Self {
            code: 4,
            line: e.to_string(),
        }
    }
}
impl From<Failure> for Exit {
    fn from(e: Failure) -> Self {
        Self::failed(e.0)
    }
}
impl From<anyhow::Error> for Exit {
    fn from(e: anyhow::Error) -> Self {
        let storage = e.downcast_ref::<StorageError>().is_some() || e.root_cause().is::<StorageError>();
        Self {
            code: if storage { 5 } else { 1 },
            line: format!("{e:#}").replace('\n', " "),
        }
    }
}
