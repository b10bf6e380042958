//! Ad-hoc commands ([XEP-0050](https://xmpp.org/extensions/xep-0050.html)): what a command is. To add one, write an
//! `impl` of [`Command`] and add one word to [`registry::ALL`]; discovery, stages, sessions and errors follow.
//!
//! A command is a function of the forms that were filled out so far: given none it asks for the first form or is done at
//! once, given one it asks for the second, and so on. "Back" is the same question with one answer fewer, so a command
//! keeps no state of its own.

use std::sync::Arc;

use bytes::Bytes;
use waddle_core::UserId;
use waddle_stanza::{Condition, ErrorType, StanzaError, forms::Form, ns};

use crate::{server::Server, session::Session, xep::BoxFuture};

pub mod admin;
mod direct;
mod hats;
pub mod invite;
mod moderation;
mod progress;
pub mod registry;
pub mod run;
mod sessions;
mod slash;

pub use sessions::CommandSessions;

/// Where a command is offered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// The server (`to='domain'`).
    Server,
    /// The asker's own account (`to` is absent or the own bare JID).
    Account,
    /// The rooms' host and its rooms.
    Rooms,
    /// The host of spaces.
    Spaces,
}

/// Who may see and run a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Administrators of the server: accounts with the admin flag.
    Admins,
    /// Everybody who has an account here.
    Accounts,
}

/// Who asks, and where.
pub struct Asker<'a> {
    /// The server.
    pub server: &'a Arc<Server>,
    /// The session that asks.
    pub session: &'a Arc<Session>,
    /// Where the command was asked for.
    pub place: Place,
    /// The address that was asked, as the answer comes from it.
    pub address: &'a str,
    /// Whether the asker administers the server.
    pub admin: bool,
}

impl Asker<'_> {
    /// The subject of permissions.
    pub fn user(&self) -> &UserId {
        &self.session.user
    }
}

/// How serious a note is (§4.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// Worth knowing.
    Info,
    /// Worth a second look.
    Warn,
    /// It did not work.
    Error,
}

impl Severity {
    fn name(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
        }
    }
}

/// What comes next.
#[derive(Debug)]
pub enum Step {
    /// This form is to be filled out.
    Ask {
        /// The form.
        form: Form,
        /// Whether another form follows it; else the command is carried out with this one.
        more: bool,
    },
    /// The command was carried out, or could not be.
    Done(Done),
}

impl Step {
    /// The last form, or the only one.
    pub fn ask(form: Form) -> Self {
        Self::Ask { form, more: false }
    }
}

/// How a command ended.
#[derive(Debug, Default)]
pub struct Done {
    /// What it found out.
    pub form: Option<Form>,
    /// What to read.
    pub notes: Vec<(Severity, String)>,
    /// Another payload, XML of the writer's.
    pub payload: Option<Bytes>,
}

impl Done {
    /// It worked, and says so.
    pub fn info(text: impl Into<String>) -> Self {
        Self::default().note(Severity::Info, text)
    }

    /// It did not work. For conditions that the specification of the command wants as errors of the stanza, return
    /// those instead.
    pub fn failed(text: impl Into<String>) -> Self {
        Self::default().note(Severity::Error, text)
    }

    /// It found something out.
    pub fn form(form: Form) -> Self {
        Self {
            form: Some(form),
            ..Self::default()
        }
    }

    /// Adds a note.
    pub fn note(mut self, severity: Severity, text: impl Into<String>) -> Self {
        self.notes.push((severity, text.into()));
        self
    }
}

impl From<Done> for Step {
    fn from(d: Done) -> Self {
        Self::Done(d)
    }
}

/// How a step ends; an error leaves the command where it was, so that the asker may try again.
pub type StepResult = Result<Step, StanzaError>;

/// An ad-hoc command.
pub trait Command: Send + Sync + 'static {
    /// Its node, unique.
    fn node(&self) -> &'static str;

    /// What people read in a menu.
    fn name(&self) -> &'static str;

    /// Where it is offered.
    fn places(&self) -> &'static [Place] {
        &[Place::Server]
    }

    /// Who may see and run it.
    fn access(&self) -> Access {
        Access::Admins
    }

    /// Whether this asker may see and run it, beyond [`Command::access`]; asked again at each step.
    fn may<'a>(&'a self, _asker: &'a Asker<'a>) -> BoxFuture<'a, bool> {
        Box::pin(async { true })
    }

    /// What comes next after these answers. Each was checked against the form that was shown: required fields are
    /// there, values are of their type.
    fn step<'a>(&'a self, asker: &'a Asker<'a>, answers: &'a [Form]) -> BoxFuture<'a, StepResult>;
}

/// An error of §4.4 that comes with a condition of its own.
pub(crate) fn bad(app: &'static str) -> StanzaError {
    StanzaError::new(Condition::BadRequest).app(app, ns::COMMANDS)
}

/// The asker may not run it.
pub(crate) fn forbidden() -> StanzaError {
    StanzaError::new(Condition::Forbidden).of_type(ErrorType::Cancel)
}
