//! One waddle in memory: its channels, its tuples, and synchronous answers to "may they?".

use std::{fmt, fmt::Write, sync::Arc};

use parking_lot::{RwLock, RwLockReadGuard};
use waddle_core::{BindingId, ChannelId, DeviceId, Slug, UserId, WaddleId};
use waddle_permissions::{Changes, CheckLimits, Decision, ObjectRef, SubjectRef, TupleStore};

use crate::{Channel, Role, Visibility, Waddle, metrics::Counts};

/// What a permission is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum On<'a> {
    /// The waddle itself.
    Waddle,
    /// A channel.
    Channel(ChannelId),
    /// A device.
    Device(DeviceId),
    /// A feed binding.
    Feed(BindingId),
    /// A part of the topic space that has tuples of its own.
    Topic(&'a str),
    /// Any other type and identifier.
    Other(&'a str, &'a str),
}

pub(crate) struct State {
    pub waddle: Arc<Waddle>,
    pub store: TupleStore,
    /// In their order.
    pub channels: Vec<Arc<Channel>>,
    pub members_revision: u64,
    /// Deleted, or its database failed: every answer is no.
    pub gone: bool,
}

/// A waddle's permissions and channels, always as of its last commit. Checks never wait for a database.
///
/// It may be kept as long as it is needed: while it is held, it is kept up to date.
pub struct WaddleAccess {
    id: WaddleId,
    slug: Slug,
    limits: CheckLimits,
    counts: Arc<Counts>,
    state: RwLock<State>,
}

/// An identifier as text without an allocation.
struct Text {
    bytes: [u8; 32],
    len: usize,
}

impl Text {
    fn of(id: impl fmt::Display) -> Self {
        let mut text = Self {
            bytes: [0; 32],
            len: 0,
        };
        // Identifiers have 32 digits; anything longer is cut and matches nothing.
        let _ = write!(text, "{id}");
        text
    }

    fn as_str(&self) -> &str {
        std::str::from_utf8(&self.bytes[..self.len]).unwrap_or_default()
    }
}

impl Write for Text {
    fn write_str(&mut self, s: &str) -> fmt::Result {
        let to = self.len + s.len();
        let room = self.bytes.get_mut(self.len..to).ok_or(fmt::Error)?;
        room.copy_from_slice(s.as_bytes());
        self.len = to;
        Ok(())
    }
}

impl WaddleAccess {
    pub(crate) fn new(state: State, limits: CheckLimits, counts: Arc<Counts>) -> Self {
        Self {
            id: state.waddle.id,
            slug: state.waddle.slug.clone(),
            limits,
            counts,
            state: RwLock::new(state),
        }
    }

    /// The waddle's identifier.
    pub fn id(&self) -> WaddleId {
        self.id
    }

    /// The waddle's slug.
    pub fn slug(&self) -> &Slug {
        &self.slug
    }

    /// The waddle as it is now.
    pub fn waddle(&self) -> Arc<Waddle> {
        self.state.read().waddle.clone()
    }

    /// Goes up with every change of a tuple; what was decided at another revision must be asked again.
    pub fn revision(&self) -> u64 {
        self.state.read().store.revision()
    }

    /// Whether the waddle was deleted, or its database failed and everything is denied.
    pub fn is_gone(&self) -> bool {
        self.state.read().gone
    }

    /// Decides one relation (`specs/permissions.md`). A relation that the schema does not have and a check
    /// that is too complex are denied and logged.
    pub fn check(&self, on: On<'_>, relation: &str, user: &UserId) -> Decision {
        let state = self.state.read();
        self.decide(&state, on, relation, user)
    }

    /// Whether the relation holds.
    pub fn allows(&self, on: On<'_>, relation: &str, user: &UserId) -> bool {
        self.check(on, relation, user).is_allowed()
    }

    /// Whether a relation to a channel holds: `view`, `join`, `speak`, `moderate`, `manage`.
    pub fn channel_allows(&self, channel: ChannelId, relation: &str, user: &UserId) -> bool {
        self.allows(On::Channel(channel), relation, user)
    }

    /// Whether a relation to the waddle holds: `subscribe`, `publish`, `invite`, `manage_members`, ….
    pub fn waddle_allows(&self, relation: &str, user: &UserId) -> bool {
        self.allows(On::Waddle, relation, user)
    }

    /// Whether a part of the topic space has tuples of its own, which then decide instead of the waddle's.
    pub fn has_topic(&self, topic: &str) -> bool {
        let state = self.state.read();
        let object = ObjectRef {
            kind: "topic",
            id: topic,
        };
        state.store.subjects(object, "parent").next().is_some()
    }

    /// What somebody is in the waddle, by the highest role that they have.
    pub fn role_of(&self, user: &UserId) -> Option<Role> {
        let state = self.state.read();
        let has = |role: Role| self.decide(&state, On::Waddle, role.as_str(), user).is_allowed();
        if !has(Role::Member) {
            return None;
        }
        Role::ALL.iter().rev().copied().find(|r| has(*r))
    }

    /// How high somebody stands in one channel: their role in the waddle, or what they were given there.
    pub fn rank_in(&self, channel: ChannelId, user: &UserId) -> Option<Role> {
        let given = if self.channel_allows(channel, "manage", user) {
            Some(Role::Admin)
        } else if self.channel_allows(channel, "moderate", user) {
            Some(Role::Moderator)
        } else {
            None
        };
        self.role_of(user).max(given)
    }

    /// Whether somebody belongs to the waddle.
    pub fn is_member(&self, user: &UserId) -> bool {
        self.allows(On::Waddle, Role::Member.as_str(), user)
    }

    /// Whether somebody is banned from the waddle.
    pub fn is_banned(&self, user: &UserId) -> bool {
        self.allows(On::Waddle, "banned", user)
    }

    /// Whether somebody may learn that the waddle exists.
    pub fn visible_to(&self, user: &UserId) -> bool {
        let state = self.state.read();
        if state.gone {
            return false;
        }
        let banned = || self.decide(&state, On::Waddle, "banned", user).is_allowed();
        self.decide(&state, On::Waddle, "view", user).is_allowed()
            || (state.waddle.visibility != Visibility::Private && !banned())
    }

    /// All channels, in their order.
    pub fn channels(&self) -> Vec<Arc<Channel>> {
        self.state.read().channels.clone()
    }

    /// The channels that somebody may see, in their order.
    pub fn visible_channels(&self, user: &UserId) -> Vec<Arc<Channel>> {
        let state = self.state.read();
        let seen = |c: &&Arc<Channel>| self.decide(&state, On::Channel(c.id), "view", user).is_allowed();
        state.channels.iter().filter(seen).cloned().collect()
    }

    /// One channel.
    pub fn channel(&self, id: ChannelId) -> Option<Arc<Channel>> {
        self.state.read().channels.iter().find(|c| c.id == id).cloned()
    }

    /// The channel of this slug.
    pub fn channel_by_slug(&self, slug: &Slug) -> Option<Arc<Channel>> {
        self.state
            .read()
            .channels
            .iter()
            .find(|c| c.slug == *slug)
            .cloned()
    }

    pub(crate) fn read(&self) -> RwLockReadGuard<'_, State> {
        self.state.read()
    }

    pub(crate) fn replace(&self, state: State) {
        *self.state.write() = state;
    }

    /// Makes a committed change visible.
    pub(crate) fn apply(&self, changes: &Changes, then: impl FnOnce(&mut State)) -> u64 {
        let mut state = self.state.write();
        if let Err(e) = state.store.apply(changes) {
            // It was validated against the same store before its commit.
            tracing::error!(waddle = %self.id, error = %e, "a committed change does not fit; denying all");
            state.gone = true;
        }
        then(&mut state);
        state.store.revision()
    }

    /// Denies everything from now on.
    pub(crate) fn close(&self) {
        let mut state = self.state.write();
        state.gone = true;
        state.channels.clear();
    }

    fn decide(&self, state: &State, on: On<'_>, relation: &str, user: &UserId) -> Decision {
        if state.gone {
            return Decision::Denied;
        }
        let text;
        let (kind, id) = match on {
            On::Waddle => {
                text = Text::of(self.id);
                ("waddle", text.as_str())
            }
            On::Channel(c) => {
                text = Text::of(c);
                ("channel", text.as_str())
            }
            On::Device(d) => {
                text = Text::of(d);
                ("device", text.as_str())
            }
            On::Feed(b) => {
                text = Text::of(b);
                ("feed", text.as_str())
            }
            On::Topic(t) => ("topic", t),
            On::Other(kind, id) => (kind, id),
        };
        let subject = SubjectRef::Object(ObjectRef {
            kind: "user",
            id: user.as_str(),
        });
        let answer = state
            .store
            .check(ObjectRef { kind, id }, relation, subject, self.limits);
        match answer {
            Ok(decision) => {
                self.counts.decided(decision);
                decision
            }
            Err(e) => {
                self.counts.failed();
                tracing::warn!(waddle = %self.id, kind, relation, error = %e, "a check has no answer; denied");
                Decision::Denied
            }
        }
    }
}

impl fmt::Debug for WaddleAccess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WaddleAccess({} {})", self.slug, self.id)
    }
}
