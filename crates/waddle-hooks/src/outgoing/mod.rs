//! Outgoing webhooks: what happens in a waddle, told to a server of its choice (`specs/integrations.md`).
//!
//! A hook keeps no queue: its row holds how far it has come in the archive and in the audit log, and what is behind that
//! is the queue. So nothing is written when a message is sent, nothing is lost by a crash, and what was retracted before
//! it was delivered is never told. Each hook has one task, which delivers one event after the other.

mod event;
mod lines;
mod ops;
mod render;
mod worker;

pub use event::{EVENTS, Filter};
pub(crate) use lines::Lines;
pub use ops::{OutgoingChange, OutgoingInfo};
pub use waddle_storage::repo::hooks::DeadLetter;
