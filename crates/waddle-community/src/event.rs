//! What changed, for those who hold something that depends on it: rooms, subscriptions, feeds.
//!
//! Every event is sent after its commit and after the change is visible to [`WaddleAccess`](crate::WaddleAccess),
//! those of one waddle in the order of their commits. A receiver that lags must check again everything it holds.

use std::sync::Arc;

use waddle_core::{DeviceId, Slug, UserId, WaddleId};

use crate::{Channel, Device, Role, Waddle};

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
    /// Its name, description or visibility changed; after a change of visibility `TuplesChanged` follows.
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
            | Self::DeviceRevoked { waddle, .. }
            | Self::BindingsChanged { waddle } => *waddle,
        }
    }
}
