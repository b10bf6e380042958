//! Community operations: the one place that changes rows and tuples together and announces the change
//! (`rfcs/0001-communities-and-channels.md`, `adrs/0005-community-operations.md`).
//!
//! ```text
//! operation ─► turn of its waddle ─► writer thread: may the actor? rows + tuples + audit, one transaction
//!           ─► (commit) ─► tuples in memory ─► membership index ─► events
//! ```
//! Every change asks the permission engine whether its [`Actor`] may make it. Reading asks nothing: callers
//! ask [`WaddleAccess`] first, and tell those who may not see a waddle no more than `forbidden`.

mod access;
mod change;
mod community;
mod error;
mod event;
mod facts;
mod index;
mod metrics;
mod model;
mod ops;
mod registry;

pub use access::{On, WaddleAccess};
pub use community::Community;
pub use error::{Error, Result};
pub use event::{Event, RemovalKind, Users};
pub use model::{
    Actor, AuditEntry, Ban, Binding, Channel, ChannelChange, ChannelGrant, ChannelKind, Device, FeedMode,
    Invite, InviteLink, Member, NewBinding, NewChannel, NewDevice, NewInvite, NewWaddle, Page, Role,
    TopicRule, Visibility, Waddle, WaddleChange, room_localpart,
};
pub use waddle_permissions::Decision;
