//! Slash commands: bots offer them per waddle, people run them by typing `/name …`, over HTTP or as ad-hoc commands
//! (XEP-0050); `/help` lists them (`specs/integrations.md`).

mod command;
mod interaction;
mod registry;
mod run;

pub use command::{CommandChoice, CommandInfo, CommandOption, NewCommand, OptionKind, parse};
pub(crate) use interaction::Interactions;
pub use interaction::{Answer, Interaction};
pub(crate) use registry::Registry;
pub use run::Invocation;
