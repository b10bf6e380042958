//! The words of the domain: identifiers, JIDs, DIDs, slugs, topics, time and limits. Everything above speaks in them.
//!
//! Begin with [`UserId`], who somebody is for permissions, and with [`Jid`], where they are; a value that exists is valid,
//! because parsing is the only way to it. [`Limits`] holds every bound of the server, [`Clock`] is where time comes from.
//!
//! Invariants: no socket, database, runtime or clock of its own; a [`Secret`] never prints itself.

pub mod did;
pub mod id;
pub mod jid;
pub mod limits;
pub mod room;
pub mod sample;
mod schema;
pub mod secret;
pub mod slug;
pub mod time;
pub mod topic;
pub mod user;

pub use did::Did;
pub use id::{
    AccessTokenId, BindingId, BotId, CategoryId, ChannelId, DeviceId, HookId, InteractionId, InviteId,
    JoinRequestId, MessageId, RoleId, SessionId, WaddleId,
};
pub use jid::{BareJid, Jid, JidError};
pub use limits::Limits;
pub use room::RoomName;
pub use secret::Secret;
pub use slug::Slug;
pub use time::{Clock, ManualClock, SharedClock, SystemClock, Timestamp};
pub use topic::{TopicFilter, TopicName, TopicRule};
pub use user::UserId;
