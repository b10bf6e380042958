//! Community operations: the one place that changes rows and tuples together and announces the change
//! (`rfcs/0001-communities-and-channels.md`, `adrs/0005-community-operations.md`).
//!
//! ```text
//! operation ─► turn of its waddle ─► writer thread: may the actor? rows + tuples + audit, one transaction
//!           ─► (commit) ─► tuples in memory ─► membership index ─► events
//! ```
//! Begin with [`Community`]: its operations are a file a topic in `ops`, made of `change`, which is the turn and the
//! transaction; `access` is a waddle's permissions in memory, `screen` the word rules, `portable` export and import.
//!
//! Invariants: nobody else writes rows or tuples of a waddle; each change asks the permission engine whether its [`Actor`]
//! may make it, is in the audit log, and is announced after its commit, in the order of the commits. Reading asks nothing:
//! callers ask [`WaddleAccess`] first, and tell those who may not see a waddle no more than `forbidden`.

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
mod portable;
mod reach;
mod registry;
pub mod screen;
mod via;

pub use access::{On, QuestionError, Questions, Rank, WaddleAccess};
pub use community::Community;
pub use error::{Error, Result};
pub use event::{Channels, Event, RemovalKind, Users};
pub use model::{
    Actor, AuditEntry, Ban, BanDetails, Binding, Category, CategoryChange, Channel, ChannelChange,
    ChannelGrant, ChannelKind, CustomRole, Device, FeedMode, FoundAfter, Grantee, Invite, InviteLink,
    JoinRequest, Member, MembersAfter, NewBinding, NewChannel, NewDevice, NewInvite, NewRole, NewWaddle,
    Override, Page, Permission, Role, RoleChange, RoleRow, SettingsChange, Timeout, TopicRule, Visibility,
    Waddle, WaddleChange, WaddleSettings, room_localpart,
};
pub use ops::Written;
pub use ops::{AuditLine, Beside, Need};
pub use ops::{Complaint, Finding, Handling, PurgeRequest, WaddleRule};
pub use portable::{EXPORT_VERSION, Exported, Import, Imported, Strangers};
pub use via::Via;
pub use waddle_permissions::{self as permissions, Decision};
pub use waddle_storage::repo::{
    archive::Seen,
    audit::AuditFilter,
    moderation::Purge,
    report_queue::{QueuedReport, ReportSource, ReportState},
};
