//! What changed, for those who hold something that depends on it: rooms, subscriptions, feeds.
//!
//! Every event is sent after its commit and after the change is visible to [`WaddleAccess`](crate::WaddleAccess),
//! those of one waddle in the order of their commits. A receiver that lags must check again everything it holds.

use std::sync::Arc;

use waddle_core::{ChannelId, DeviceId, JoinRequestId, Slug, Timestamp, UserId, WaddleId};
use waddle_storage::repo::report_queue::ReportState;

use crate::{Channel, Device, JoinRequest, Role, Waddle};

/// Whose permissions may have changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Users {
    /// Only theirs.
    Some(Vec<UserId>),
    /// Perhaps everybody's.
    All,
}

impl Users {
    /// Whether `user` may be concerned.
    pub fn concerns(&self, user: &UserId) -> bool {
        match self {
            Self::Some(users) => users.contains(user),
            Self::All => true,
        }
    }
}

/// In which channels permissions may have changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Channels {
    /// Only in these; where there are none, only rights that no room asks for.
    Some(Vec<ChannelId>),
    /// Perhaps in all.
    All,
}

impl Channels {
    /// Whether `channel` may be concerned.
    pub fn concern(&self, channel: ChannelId) -> bool {
        match self {
            Self::Some(channels) => channels.contains(&channel),
            Self::All => true,
        }
    }
}

/// How a member left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RemovalKind {
    /// Taken off the list (room status 321).
    Removed,
    /// By their own will.
    Left,
    /// Kicked (room status 307).
    Kicked,
    /// Banned (room status 301).
    Banned,
}

/// Something changed.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Event {
    /// A waddle was made.
    WaddleCreated(Arc<Waddle>),
    /// Its name, description, pictures, settings or visibility changed; after a change of visibility `TuplesChanged` follows.
    WaddleUpdated(Arc<Waddle>),
    /// A waddle is gone with everything in it.
    WaddleDeleted {
        /// Which.
        waddle: WaddleId,
        /// Its slug.
        slug: Slug,
    },
    /// A channel was made.
    ChannelCreated {
        /// The waddle's slug.
        slug: Slug,
        /// The channel.
        channel: Arc<Channel>,
    },
    /// A channel's name, topic or settings changed; after a change of openness `TuplesChanged` follows.
    ChannelUpdated {
        /// The waddle's slug.
        slug: Slug,
        /// As it is now.
        channel: Arc<Channel>,
    },
    /// A channel is gone.
    ChannelDeleted {
        /// The waddle's slug.
        slug: Slug,
        /// As it was.
        channel: Arc<Channel>,
    },
    /// Somebody joined.
    MemberAdded {
        /// Where.
        waddle: WaddleId,
        /// The waddle's slug.
        slug: Slug,
        /// Who.
        user: UserId,
        /// As what.
        role: Role,
    },
    /// Somebody's role changed.
    MemberChanged {
        /// Where.
        waddle: WaddleId,
        /// The waddle's slug.
        slug: Slug,
        /// Who.
        user: UserId,
        /// From now on.
        role: Role,
    },
    /// Somebody is no member any more, or was banned without being one; `TuplesChanged` follows.
    MemberRemoved {
        /// Where.
        waddle: WaddleId,
        /// The waddle's slug.
        slug: Slug,
        /// Who.
        user: UserId,
        /// How.
        kind: RemovalKind,
        /// Why, if it was said.
        reason: Option<Arc<str>>,
        /// By whom; nobody for the server's operator.
        by: Option<UserId>,
    },
    /// Permissions changed: whoever holds something of these users in this waddle checks it again.
    TuplesChanged {
        /// Where.
        waddle: WaddleId,
        /// The revision from which on it holds.
        revision: u64,
        /// Whose.
        users: Users,
        /// Where in the waddle.
        channels: Channels,
    },
    /// The order of the channels, or the categories, changed.
    OrderChanged {
        /// Where.
        waddle: WaddleId,
        /// The waddle's slug.
        slug: Slug,
    },
    /// The custom roles of a waddle changed: made, renamed, moved, given other permissions, deleted.
    RolesChanged {
        /// Where.
        waddle: WaddleId,
        /// The waddle's slug.
        slug: Slug,
    },
    /// A member has other custom roles.
    MemberRolesChanged {
        /// Where.
        waddle: WaddleId,
        /// The waddle's slug.
        slug: Slug,
        /// Who.
        user: UserId,
    },
    /// What a person or a role is given or denied in one channel changed; `TuplesChanged` follows.
    OverridesChanged {
        /// Where.
        waddle: WaddleId,
        /// The waddle's slug.
        slug: Slug,
        /// Which channel.
        channel: ChannelId,
    },
    /// Somebody may read and not write for a while; `TuplesChanged` follows.
    TimedOut {
        /// Where.
        waddle: WaddleId,
        /// The waddle's slug.
        slug: Slug,
        /// Who.
        user: UserId,
        /// Until when.
        until: Timestamp,
        /// Why, if it was said.
        reason: Option<Arc<str>>,
        /// By whom; nobody for the server's operator.
        by: Option<UserId>,
    },
    /// A timeout is over; `TuplesChanged` follows.
    TimeoutEnded {
        /// Where.
        waddle: WaddleId,
        /// The waddle's slug.
        slug: Slug,
        /// Who.
        user: UserId,
        /// Who ended it; nobody where its time was over.
        by: Option<UserId>,
    },
    /// A ban was lifted, or is over; `TuplesChanged` follows.
    Unbanned {
        /// Where.
        waddle: WaddleId,
        /// The waddle's slug.
        slug: Slug,
        /// Who.
        user: UserId,
        /// Who lifted it; nobody where its time was over.
        by: Option<UserId>,
    },
    /// Somebody asks to join.
    JoinRequested {
        /// Where.
        waddle: WaddleId,
        /// The waddle's slug.
        slug: Slug,
        /// Who, and what they said.
        request: Arc<JoinRequest>,
    },
    /// A request to join was answered, or taken back.
    JoinRequestClosed {
        /// Where.
        waddle: WaddleId,
        /// The waddle's slug.
        slug: Slug,
        /// Which.
        request: JoinRequestId,
        /// Whose.
        user: UserId,
        /// Whether they are a member now.
        accepted: bool,
    },
    /// An invite was made, accepted or revoked.
    InvitesChanged {
        /// Where.
        waddle: WaddleId,
    },
    /// The word and link rules changed.
    RulesChanged {
        /// Where.
        waddle: WaddleId,
    },
    /// Something was reported to the waddle's moderators.
    ReportFiled {
        /// Where.
        waddle: WaddleId,
        /// The waddle's slug.
        slug: Slug,
        /// The report's number.
        report: i64,
        /// Whether it is a new one, not the same again.
        fresh: bool,
    },
    /// A report was claimed, resolved, dismissed or opened again.
    ReportHandled {
        /// Where.
        waddle: WaddleId,
        /// The waddle's slug.
        slug: Slug,
        /// The report's number.
        report: i64,
        /// Where it stands now.
        state: ReportState,
    },
    /// Somebody's messages are to be purged.
    PurgeStarted {
        /// Where.
        waddle: WaddleId,
    },
    /// A device was made.
    DeviceCreated {
        /// The waddle's slug.
        slug: Slug,
        /// The device.
        device: Arc<Device>,
    },
    /// A device's credential is void; its connections end.
    DeviceRevoked {
        /// Where.
        waddle: WaddleId,
        /// Which.
        device: DeviceId,
    },
    /// The feed bindings of a waddle changed.
    BindingsChanged {
        /// Where.
        waddle: WaddleId,
    },
}

impl Event {
    /// The waddle concerned.
    pub fn waddle(&self) -> WaddleId {
        match self {
            Self::WaddleCreated(w) | Self::WaddleUpdated(w) => w.id,
            Self::ChannelCreated { channel, .. }
            | Self::ChannelUpdated { channel, .. }
            | Self::ChannelDeleted { channel, .. } => channel.waddle,
            Self::DeviceCreated { device, .. } => device.waddle,
            Self::WaddleDeleted { waddle, .. }
            | Self::MemberAdded { waddle, .. }
            | Self::MemberChanged { waddle, .. }
            | Self::MemberRemoved { waddle, .. }
            | Self::TuplesChanged { waddle, .. }
            | Self::OrderChanged { waddle, .. }
            | Self::RolesChanged { waddle, .. }
            | Self::MemberRolesChanged { waddle, .. }
            | Self::OverridesChanged { waddle, .. }
            | Self::TimedOut { waddle, .. }
            | Self::TimeoutEnded { waddle, .. }
            | Self::Unbanned { waddle, .. }
            | Self::JoinRequested { waddle, .. }
            | Self::JoinRequestClosed { waddle, .. }
            | Self::InvitesChanged { waddle }
            | Self::RulesChanged { waddle }
            | Self::ReportFiled { waddle, .. }
            | Self::ReportHandled { waddle, .. }
            | Self::PurgeStarted { waddle }
            | Self::DeviceRevoked { waddle, .. }
            | Self::BindingsChanged { waddle } => *waddle,
        }
    }
}
