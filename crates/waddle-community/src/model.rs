//! Waddles, channels, members, invites, devices and bindings as values (`rfcs/0001-communities-and-channels.md`).

use serde::{Deserialize, Serialize};
use waddle_core::{ChannelId, RoomName, Secret, Slug, Timestamp, UserId};

pub use waddle_storage::repo::{
    audit::AuditEntry,
    bindings::{Binding, FeedMode},
    channels::{Channel, ChannelKind},
    invites::Invite,
    members::{Ban, Member, Role},
    waddle_devices::{Device, TopicRule},
    waddles::{Visibility, Waddle},
};

/// Who acts: a user, whose permissions are asked, or the server's operator, who may do everything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Actor {
    /// A user.
    User(UserId),
    /// The admin command line.
    System,
}

impl Actor {
    /// The user, if it is one.
    pub fn user(&self) -> Option<&UserId> {
        match self {
            Self::User(u) => Some(u),
            Self::System => None,
        }
    }
}
impl From<&UserId> for Actor {
    fn from(u: &UserId) -> Self {
        Self::User(u.clone())
    }
}
impl From<UserId> for Actor {
    fn from(u: UserId) -> Self {
        Self::User(u)
    }
}
impl From<&Actor> for Actor {
    fn from(a: &Actor) -> Self {
        a.clone()
    }
}

/// A waddle to be made.
#[derive(Debug, Clone)]
pub struct NewWaddle {
    /// Its slug; it never changes.
    pub slug: Slug,
    /// 2 to 100 characters.
    pub name: String,
    /// Up to 1,000 characters.
    pub description: String,
    /// Who sees it.
    pub visibility: Visibility,
    /// The first owner; the acting user where it is left out. Only the operator makes one for another.
    pub owner: Option<UserId>,
}

impl NewWaddle {
    /// A private waddle of this slug and name.
    pub fn new(slug: Slug, name: impl Into<String>) -> Self {
        Self {
            slug,
            name: name.into(),
            description: String::new(),
            visibility: Visibility::Private,
            owner: None,
        }
    }
}

/// Changes of a waddle; what is left out stays.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WaddleChange {
    /// 2 to 100 characters.
    pub name: Option<String>,
    /// Up to 1,000 characters.
    pub description: Option<String>,
    /// Who sees it.
    pub visibility: Option<Visibility>,
}

/// A channel to be made.
#[derive(Debug, Clone)]
pub struct NewChannel {
    /// Its slug, once in its waddle; it never changes.
    pub slug: Slug,
    /// 1 to 100 characters.
    pub name: String,
    /// Text or announcements.
    pub kind: ChannelKind,
    /// Not open to all members, but to those who are given it (and moderators).
    pub private: bool,
    /// Up to 1,000 characters.
    pub topic: String,
}

impl NewChannel {
    /// An open text channel.
    pub fn text(slug: Slug, name: impl Into<String>) -> Self {
        Self {
            slug,
            name: name.into(),
            kind: ChannelKind::Text,
            private: false,
            topic: String::new(),
        }
    }
}

/// Changes of a channel; what is left out stays.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ChannelChange {
    /// 1 to 100 characters.
    pub name: Option<String>,
    /// Up to 1,000 characters.
    pub topic: Option<String>,
    /// Text or announcements.
    pub kind: Option<ChannelKind>,
    /// Not open to all members.
    pub private: Option<bool>,
    /// Its place in the list.
    pub position: Option<u32>,
}

/// A relation that a person can be given to one channel (`specs/permissions.md`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ChannelGrant {
    /// May read.
    Viewer,
    /// May read and write.
    Writer,
    /// May moderate.
    Moderator,
    /// May do everything with the channel.
    Manager,
    /// May not write.
    Muted,
    /// May not enter.
    Banned,
}

impl ChannelGrant {
    /// The relation's name.
    pub fn relation(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Writer => "writer",
            Self::Moderator => "moderator",
            Self::Manager => "manager",
            Self::Muted => "muted",
            Self::Banned => "banned",
        }
    }
}

/// An invite to be made.
#[derive(Debug, Clone)]
pub struct NewInvite {
    /// What whoever accepts becomes; at most the maker's own role, never owner.
    pub role: Role,
    /// How often it can be accepted; without a bound where it is left out.
    pub max_uses: Option<u32>,
    /// When it ends; never where it is left out.
    pub expires_at: Option<Timestamp>,
}

impl Default for NewInvite {
    /// For members, any number of times, for ever.
    fn default() -> Self {
        Self {
            role: Role::Member,
            max_uses: None,
            expires_at: None,
        }
    }
}

/// An invite that was just made: the only time that its code is known.
#[derive(Debug, Clone)]
pub struct InviteLink {
    /// The invite.
    pub invite: Invite,
    /// `<slug>-<26 characters>`: 130 random bits. Stored hashed.
    pub code: Secret,
}

/// A device to be made.
#[derive(Debug, Clone)]
pub struct NewDevice {
    /// Its name, once in its waddle.
    pub name: Slug,
    /// Topics that it may use; at least one.
    pub topics: Vec<TopicRule>,
}

/// A feed to be bound.
#[derive(Debug, Clone)]
pub struct NewBinding {
    /// The topics, within the waddle.
    pub filter: waddle_core::TopicFilter,
    /// Where their messages appear.
    pub channel: ChannelId,
    /// How.
    pub mode: FeedMode,
    /// What it is called; the filter where it is left out.
    pub name: Option<String>,
}

/// A part of a long list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    /// How many to skip.
    pub offset: usize,
    /// How many at the most; 1,000 is the most there is.
    pub limit: usize,
}

impl Page {
    /// The most that one page holds.
    pub const MAX: usize = 1000;

    pub(crate) fn bounded(self) -> (usize, usize) {
        (self.offset, self.limit.min(Self::MAX))
    }
}

impl Default for Page {
    fn default() -> Self {
        Self {
            offset: 0,
            limit: 100,
        }
    }
}

/// The localpart of a channel's room: `<waddle>.<channel>`.
pub fn room_localpart(waddle: &Waddle, channel: &Channel) -> String {
    RoomName::localpart(&waddle.slug, &channel.slug)
}
