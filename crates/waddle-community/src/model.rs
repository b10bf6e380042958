//! Waddles, channels, members, invites, devices and bindings as values (`rfcs/0001-communities-and-channels.md`).

use serde::{Deserialize, Deserializer, Serialize};
use waddle_core::{CategoryId, ChannelId, RoleId, RoomName, Secret, Slug, Timestamp, UserId};

pub use waddle_storage::repo::{
    audit::AuditEntry,
    bindings::{Binding, FeedMode},
    categories::Category,
    channels::{Channel, ChannelKind},
    invites::Invite,
    join_requests::JoinRequest,
    members::{Ban, Member, MembersAfter, Role},
    roles::{Permission, RoleRow},
    timeouts::Timeout,
    waddle_devices::{Device, TopicRule},
    waddles::{FoundAfter, Visibility, Waddle, WaddleSettings},
};

/// A field that is left out stays; one that is `null` is taken away.
#[expect(clippy::option_option, reason = "left out, taken away, given")]
fn given<'de, D: Deserializer<'de>, T: Deserialize<'de>>(d: D) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(d).map(Some)
}

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
#[derive(Debug, Clone, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct WaddleChange {
    /// 2 to 100 characters.
    pub name: Option<String>,
    /// Up to 1,000 characters.
    pub description: Option<String>,
    /// Who sees it.
    pub visibility: Option<Visibility>,
    /// The address of its picture, `http` or `https`, up to 2,048 bytes; `null` takes it away.
    #[serde(deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    pub icon: Option<Option<String>>,
    /// The address of its banner, likewise.
    #[serde(deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    pub banner: Option<Option<String>>,
    /// Its settings.
    pub settings: SettingsChange,
}

/// Changes of a waddle's settings; what is left out stays.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SettingsChange {
    /// Whether the archive of its open channels can be read on the web, where it is public.
    pub public_archive: Option<bool>,
    /// Whether search engines may show that archive.
    pub indexed: Option<bool>,
    /// What whoever asks to join is asked; up to 200 characters.
    pub join_question: Option<String>,
    /// What whoever was banned or timed out is told about appeals; up to 1,000 characters.
    pub appeal: Option<String>,
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
    /// The group that it is in; none where it is left out.
    pub category: Option<CategoryId>,
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
            category: None,
        }
    }
}

/// Changes of a channel; what is left out stays.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
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
    /// The group that it goes to; `null` for none. Without a place it comes last there.
    #[serde(deserialize_with = "given")]
    #[schema(value_type = Option<CategoryId>)]
    pub category: Option<Option<CategoryId>>,
    /// Its place in its group; the others make room.
    pub position: Option<u32>,
    /// Seconds that a person waits between two messages; 0 for none.
    pub slow_mode_seconds: Option<u32>,
    /// Days that its messages are kept; 0 for as long as the server keeps them.
    pub retention_days: Option<u32>,
    /// Seconds after which a message disappears; 0 for never.
    pub expire_seconds: Option<u32>,
    /// Whether its archive can be read on the web, where its waddle is public and it is open.
    pub public_archive: Option<bool>,
}

/// A role of a waddle's own making.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CustomRole {
    /// Its identifier.
    pub id: RoleId,
    /// Its name, 1 to 100 characters.
    pub name: String,
    /// Its colour, `#rrggbb`.
    pub colour: Option<String>,
    /// Its place, from 1 on without gaps; a higher one stands above.
    pub position: u32,
    /// What it may do in the whole waddle.
    pub permissions: Vec<Permission>,
    /// When it was made.
    pub created_at: Timestamp,
}

/// A custom role to be made; it comes to the lowest place.
#[derive(Debug, Clone, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewRole {
    /// 1 to 100 characters, once in its waddle.
    pub name: String,
    /// `#rrggbb`.
    #[serde(default)]
    pub colour: Option<String>,
    /// What it may do in the whole waddle.
    #[serde(default)]
    pub permissions: Vec<Permission>,
}

/// Changes of a custom role; what is left out stays.
#[derive(Debug, Clone, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RoleChange {
    /// 1 to 100 characters.
    pub name: Option<String>,
    /// `#rrggbb`; `null` takes it away.
    #[serde(deserialize_with = "given")]
    #[schema(value_type = Option<String>, pattern = "^#[0-9A-Fa-f]{6}$")]
    pub colour: Option<Option<String>>,
    /// Its place; the others make room.
    pub position: Option<u32>,
    /// All that it may do in the whole waddle.
    pub permissions: Option<Vec<Permission>>,
}

/// Changes of a category; what is left out stays.
#[derive(Debug, Clone, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct CategoryChange {
    /// 1 to 100 characters.
    pub name: Option<String>,
    /// Its place; the others make room.
    pub position: Option<u32>,
}

/// Whom a channel's override is about.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Grantee {
    /// A person.
    User(UserId),
    /// Everybody who has a custom role.
    Role(RoleId),
}

impl From<&UserId> for Grantee {
    fn from(u: &UserId) -> Self {
        Self::User(u.clone())
    }
}
impl From<RoleId> for Grantee {
    fn from(r: RoleId) -> Self {
        Self::Role(r)
    }
}

/// What a person or a role is given or denied in one channel, beside what the waddle says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Override {
    /// Whom it is about.
    #[serde(flatten)]
    pub whom: Grantee,
    /// What they are given, or denied.
    pub relation: ChannelGrant,
}

/// How a ban or a removal is explained, and when it ends.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BanDetails {
    /// Why; up to 500 characters.
    pub reason: Option<String>,
    /// When it ends; never where it is left out.
    pub expires_at: Option<Timestamp>,
}

/// A relation that a person can be given to one channel (`specs/permissions.md`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
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
    /// All, in the order of the schema.
    pub const ALL: [Self; 6] = [
        Self::Viewer,
        Self::Writer,
        Self::Moderator,
        Self::Manager,
        Self::Muted,
        Self::Banned,
    ];

    /// Whether it takes something away.
    pub fn denies(self) -> bool {
        matches!(self, Self::Muted | Self::Banned)
    }

    /// The grant of this relation.
    pub fn of_relation(relation: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|g| g.relation() == relation)
    }

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
