//! Why somebody may not speak, or not be here: until when, why, and how to appeal (`specs/moderation.md`).

use std::fmt::Write as _;

use waddle_core::UserId;

use crate::{
    error::{self, Refusal},
    policy::Policy,
    room::{Kind, Room},
};

/// What somebody who is timed out is told.
pub(crate) fn timed_out(policy: &dyn Policy, user: &UserId) -> Option<String> {
    let timeout = policy.timeout(user)?;
    let mut text = format!("you may read here but not write until {}", timeout.expires_at);
    if let Some(reason) = timeout.reason.as_deref().filter(|r| !r.is_empty()) {
        let _ = write!(text, " ({reason})");
    }
    Some(with_appeal(text, policy.appeal()))
}

/// A text with what the waddle says about appeals.
pub(crate) fn with_appeal(text: String, appeal: Option<String>) -> String {
    match appeal {
        Some(appeal) => [text.as_str(), "\n", appeal.trim()].concat(),
        None => text,
    }
}

/// What somebody hears who is banned from a waddle, whether the channel exists or not.
pub(crate) fn banned(policy: &dyn Policy) -> Refusal {
    error::forbidden(with_appeal(
        "you are banned from this waddle".to_owned(),
        policy.appeal(),
    ))
}

impl Room {
    /// What is asked about people of the waddle, where this is a channel.
    pub(crate) fn policy(&self) -> Option<&dyn Policy> {
        match &self.kind {
            Kind::Channel(c) => Some(&*c.policy),
            _ => None,
        }
    }

    /// What somebody hears who has no voice.
    pub(crate) fn voiceless(&self, user: &UserId) -> Refusal {
        let why = self.policy().and_then(|p| timed_out(p, user));
        why.map_or_else(
            || error::forbidden("you may read here but not speak; ask a moderator for voice"),
            error::forbidden,
        )
    }
}
