//! One waddle in memory: its channels, its tuples, and synchronous answers to "may they?".

mod questions;

use std::{fmt, fmt::Write, sync::Arc};

use ahash::{AHashMap, AHashSet};
use parking_lot::{RwLock, RwLockReadGuard};
use tokio::sync::Semaphore;
use waddle_core::{BindingId, ChannelId, DeviceId, RoleId, Slug, Timestamp, UserId, WaddleId};
use waddle_permissions::{Changes, CheckLimits, Decision, LookupLimits, ObjectRef, SubjectRef, TupleStore};

use crate::{
    Category, Channel, Grantee, Override, Role, RoleRow, Timeout, Visibility, Waddle, facts, metrics::Counts,
    screen::Screen,
};

pub(crate) use questions::remember;
pub use questions::{QuestionError, Questions};

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

/// How high somebody stands in a waddle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rank {
    /// Their step of the ladder.
    pub ladder: Option<Role>,
    /// The place of their highest custom role; 0 without one.
    pub top: u32,
}

impl Rank {
    /// Whether this one may act on that one: a higher step of the ladder, and among plain members a higher role.
    pub fn is_above(self, other: Self) -> bool {
        self.ladder > other.ladder
            || (self.ladder == other.ladder && self.ladder == Some(Role::Member) && self.top > other.top)
    }

    /// Whether this one may change and give a custom role of that place: admins all, others those below their own.
    pub fn is_above_role(self, position: u32) -> bool {
        self.ladder >= Some(Role::Admin) || (self.ladder.is_some() && self.top > position)
    }
}

/// The custom roles of somebody, in no order.
fn roles_of<'a>(state: &'a State, user: &UserId) -> impl Iterator<Item = &'a Arc<RoleRow>> {
    let subject = ObjectRef {
        kind: "user",
        id: user.as_str(),
    };
    let given = if state.roles.is_empty() || state.gone {
        Vec::new()
    } else {
        state.store.tuples_of(subject)
    };
    given
        .into_iter()
        .filter(|t| &*t.object.kind == "role" && &*t.relation == "member")
        .filter_map(|t| {
            let id: RoleId = t.object.id.parse().ok()?;
            state.roles.iter().find(|r| r.id == id)
        })
}

pub(crate) struct State {
    pub waddle: Arc<Waddle>,
    /// Questions that take long look at it after they let go of the state.
    pub store: Arc<TupleStore>,
    /// In their order.
    pub channels: Vec<Arc<Channel>>,
    /// In their order.
    pub categories: Vec<Arc<Category>>,
    /// The roles of the waddle's own, the highest first.
    pub roles: Vec<Arc<RoleRow>>,
    pub members_revision: u64,
    /// When the next ban or timeout is over.
    pub next_end: Option<Timestamp>,
    /// The word and link rules, if there are any.
    pub screen: Option<Arc<Screen>>,
    /// Who is timed out, as far as they are told why and until when.
    pub timeouts: AHashMap<UserId, Arc<Timeout>>,
    /// Who may become a member by entering; the invite itself says whether it still counts.
    pub invited: AHashSet<UserId>,
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
    lookup_steps: u32,
    counts: Arc<Counts>,
    state: RwLock<State>,
    long: Arc<Semaphore>,
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
    pub(crate) fn new(state: State, limits: LookupLimits, counts: Arc<Counts>) -> Self {
        Self {
            id: state.waddle.id,
            slug: state.waddle.slug.clone(),
            limits: limits.check,
            lookup_steps: limits.steps,
            counts,
            state: RwLock::new(state),
            long: Arc::new(Semaphore::new(1)),
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
        self.ladder(&self.state.read(), user)
    }

    fn ladder(&self, state: &State, user: &UserId) -> Option<Role> {
        let has = |role: Role| self.decide(state, On::Waddle, role.as_str(), user).is_allowed();
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

    /// Where somebody stands: by the ladder, and among plain members by their highest custom role.
    pub fn rank_of(&self, user: &UserId) -> Rank {
        let state = self.state.read();
        Rank {
            ladder: self.ladder(&state, user),
            top: roles_of(&state, user).map(|r| r.position).max().unwrap_or(0),
        }
    }

    /// The custom roles of somebody, the highest first.
    pub fn custom_roles_of(&self, user: &UserId) -> Vec<Arc<RoleRow>> {
        let state = self.state.read();
        let mut found: Vec<_> = roles_of(&state, user).cloned().collect();
        found.sort_by_key(|r| std::cmp::Reverse(r.position));
        found
    }

    /// All categories, in their order.
    pub fn categories(&self) -> Vec<Arc<Category>> {
        self.state.read().categories.clone()
    }

    /// The roles of the waddle's own, the highest first, without what they may do.
    pub fn roles(&self) -> Vec<Arc<RoleRow>> {
        self.state.read().roles.clone()
    }

    /// A role of the waddle's own.
    pub fn role(&self, id: RoleId) -> Option<Arc<RoleRow>> {
        self.state.read().roles.iter().find(|r| r.id == id).cloned()
    }

    /// Whether somebody belongs to the waddle.
    pub fn is_member(&self, user: &UserId) -> bool {
        self.allows(On::Waddle, Role::Member.as_str(), user)
    }

    /// Whether somebody is banned from the waddle.
    pub fn is_banned(&self, user: &UserId) -> bool {
        self.allows(On::Waddle, "banned", user)
    }

    /// The word and link rules, if there are any.
    pub fn screen(&self) -> Option<Arc<Screen>> {
        self.state.read().screen.clone()
    }

    /// Why and until when somebody is timed out.
    pub fn timeout_of(&self, user: &UserId) -> Option<Arc<Timeout>> {
        self.state.read().timeouts.get(user).cloned()
    }

    /// Whether somebody was invited in person and has not come yet.
    pub fn is_invited(&self, user: &UserId) -> bool {
        let state = self.state.read();
        !state.gone && !state.invited.is_empty() && state.invited.contains(user)
    }

    /// How somebody may appeal, where the waddle says so.
    pub fn appeal(&self) -> Option<String> {
        let state = self.state.read();
        let appeal = &state.waddle.settings.appeal;
        (!appeal.trim().is_empty()).then(|| appeal.clone())
    }

    /// Whether somebody has one of these roles: the waddle's (and above it), `bot`, `webhook`, or the identifier of a
    /// role of the waddle's own.
    pub fn has_one_of(&self, user: &UserId, roles: &[String]) -> bool {
        roles.iter().any(|role| match role.as_str() {
            "bot" | "webhook" => user.as_str().split(':').next() == Some(role),
            word => match word.parse::<Role>() {
                Ok(ladder) => self.role_of(user) >= Some(ladder),
                Err(_) => self.allows(On::Other("role", word), "member", user),
            },
        })
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

    /// What people and roles are given or denied in one channel; roles first.
    pub fn overrides(&self, channel: ChannelId) -> Vec<Override> {
        let state = self.state.read();
        if state.gone {
            return Vec::new();
        }
        let about = state.store.tuples_about(facts::channel(channel).as_ref());
        let found = about.iter().filter_map(facts::as_override);
        let mut found: Vec<_> = found
            .map(|(whom, relation)| Override { whom, relation })
            .collect();
        found.sort_by_cached_key(|o| match &o.whom {
            Grantee::Role(r) => (0, r.to_string(), o.relation.relation()),
            Grantee::User(u) => (1, u.to_string(), o.relation.relation()),
        });
        found
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

    /// When the next ban or timeout is over.
    pub(crate) fn next_end(&self) -> Option<Timestamp> {
        self.state.read().next_end
    }

    pub(crate) fn replace(&self, state: State) {
        *self.state.write() = state;
    }

    /// Makes a committed change visible.
    pub(crate) fn apply(&self, changes: &Changes, then: impl FnOnce(&mut State)) -> u64 {
        // A store that a question looks at stays as it is: its copy takes the change, while checks go on.
        let copy = (!changes.is_empty()).then(|| self.copied()).flatten();
        let mut state = self.state.write();
        if let Some(copy) = copy {
            state.store = Arc::new(copy);
        }
        if !changes.is_empty()
            && let Err(e) = Arc::make_mut(&mut state.store).apply(changes)
        {
            // It was validated against the same store before its commit.
            tracing::error!(waddle = %self.id, error = %e, "a committed change does not fit; denying all");
            state.gone = true;
        }
        then(&mut state);
        state.store.revision()
    }

    /// The store once more, where somebody else holds it; only who has the waddle's turn changes it meanwhile.
    fn copied(&self) -> Option<TupleStore> {
        let held = self.state.read().store.clone();
        // the state's and this one
        (Arc::strong_count(&held) > 2).then(|| TupleStore::clone(&held))
    }

    /// Denies everything from now on.
    pub(crate) fn close(&self) {
        let mut state = self.state.write();
        state.gone = true;
        state.next_end = None;
        state.roles.clear();
        state.categories.clear();
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
