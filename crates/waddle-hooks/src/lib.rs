//! Webhooks in and out, bots and slash commands (`specs/integrations.md`).
//!
//! ```text
//! in:   POST /hooks/… ─► payload (ours, Slack's, Discord's, GitHub's) ─► Rooms::post ─► archive, occupants
//! out:  archive, audit log ─► a task per hook, behind its cursor ─► signed POST ─► cursor, or later, or dead letter
//! bots: accounts with tokens; `/name …` in a channel ─► the bot's stream or address ─► answer to all, or a whisper
//! ```
//! [`Hooks`] is the handle; what it may reach of other servers is `waddle_fetch`'s to say.

mod bots;
mod error;
mod hooks;
pub mod incoming;
mod metrics;
pub mod outgoing;
mod owners;
mod places;
mod rate;
pub mod sign;
pub mod slash;

pub use bots::{BotChange, BotInfo, BotOwner, NewBot, SCOPES};
pub use error::{Error, Result};
pub use hooks::{Hooks, HooksDeps, Notify};
