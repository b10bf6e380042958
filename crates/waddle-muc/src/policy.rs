//! What a channel's room asks of its waddle's permissions (`specs/permissions.md`).

use std::sync::Arc;

use waddle_community::{Role as WaddleRole, RoleRow, Timeout, WaddleAccess, screen::Screen};
use waddle_core::{ChannelId, UserId};

use crate::standing::{Affiliation, Role, Standing};

/// Decides who may do what in one channel, from memory.
pub trait Policy: Send + std::fmt::Debug {
    /// Goes up with every change; what was decided at an earlier revision is asked again.
    fn revision(&self) -> u64;
    /// What somebody is in the channel.
    fn standing(&self, user: &UserId) -> Standing;
    /// Whether somebody may be in the channel.
    fn may_join(&self, user: &UserId) -> bool {
        self.standing(user).join
    }
    /// The role of somebody in the waddle.
    fn role(&self, user: &UserId) -> Option<WaddleRole>;
    /// Until when and why somebody is timed out.
    fn timeout(&self, _user: &UserId) -> Option<Arc<Timeout>> {
        None
    }
    /// Whether somebody is banned from the waddle.
    fn is_banned(&self, _user: &UserId) -> bool {
        false
    }
    /// How somebody may appeal.
    fn appeal(&self) -> Option<String> {
        None
    }
    /// The word and link rules of the waddle.
    fn screen(&self) -> Option<Arc<Screen>> {
        None
    }
    /// Whether somebody has one of the roles that a rule spares.
    fn has_one_of(&self, _user: &UserId, _roles: &[String]) -> bool {
        false
    }
    /// Whether somebody need not wait in slow mode.
    fn bypasses_slow_mode(&self, _user: &UserId) -> bool {
        false
    }
    /// Whether somebody has a relation to the channel: `pin`, `mention_everyone`, ….
    fn allows(&self, _relation: &str, _user: &UserId) -> bool {
        false
    }
    /// The roles of the waddle's own that somebody has, the highest first.
    fn custom_roles(&self, _user: &UserId) -> Vec<Arc<RoleRow>> {
        Vec::new()
    }
    /// All roles of the waddle's own, the highest first.
    fn all_custom_roles(&self) -> Vec<Arc<RoleRow>> {
        Vec::new()
    }
    /// Whether somebody may change members or bans of the waddle.
    fn manages_people(&self, _user: &UserId) -> bool {
        false
    }
    /// Whether somebody was invited in person, and becomes a member by entering.
    fn is_invited(&self, _user: &UserId) -> bool {
        false
    }
    /// Whether somebody belongs to the waddle: they may be told what does not exist.
    fn belongs(&self, user: &UserId) -> bool {
        self.role(user).is_some()
    }
}

/// The permissions of a waddle, for one channel, or for an address that is none.
#[derive(Debug)]
pub struct ChannelPolicy {
    access: Arc<WaddleAccess>,
    channel: Option<ChannelId>,
}

impl ChannelPolicy {
    /// The policy of a channel.
    pub fn new(access: Arc<WaddleAccess>, channel: ChannelId) -> Self {
        Self {
            access,
            channel: Some(channel),
        }
    }

    /// The policy of an address below a waddle that is no channel.
    pub fn nothing(access: Arc<WaddleAccess>) -> Self {
        Self {
            access,
            channel: None,
        }
    }
}

impl Policy for ChannelPolicy {
    fn revision(&self) -> u64 {
        self.access.revision()
    }

    fn standing(&self, user: &UserId) -> Standing {
        let Some(channel) = self.channel else {
            return Standing::STRANGER;
        };
        let may = |relation| self.access.channel_allows(channel, relation, user);
        let role = self.access.role_of(user);
        let join = may("join");
        let moderate = join && may("moderate");
        let affiliation = match role {
            _ if self.access.is_banned(user) => Affiliation::Outcast,
            Some(WaddleRole::Owner) => Affiliation::Owner,
            Some(WaddleRole::Admin | WaddleRole::Moderator) => Affiliation::Admin,
            // What a custom role or the channel gives is shown too: clients offer admins what they may do.
            Some(WaddleRole::Member) if moderate => Affiliation::Admin,
            Some(WaddleRole::Member) if join => Affiliation::Member,
            _ => Affiliation::None,
        };
        let role = match join {
            false => Role::None,
            true if moderate => Role::Moderator,
            true if may("speak") => Role::Participant,
            true => Role::Visitor,
        };
        Standing {
            join,
            affiliation,
            role,
        }
    }

    fn may_join(&self, user: &UserId) -> bool {
        self.channel
            .is_some_and(|c| self.access.channel_allows(c, "join", user))
    }

    fn role(&self, user: &UserId) -> Option<WaddleRole> {
        self.access.role_of(user)
    }

    fn custom_roles(&self, user: &UserId) -> Vec<Arc<RoleRow>> {
        self.access.custom_roles_of(user)
    }

    fn all_custom_roles(&self) -> Vec<Arc<RoleRow>> {
        self.access.roles()
    }

    fn manages_people(&self, user: &UserId) -> bool {
        self.access.waddle_allows("manage_members", user) || self.access.waddle_allows("ban", user)
    }

    fn allows(&self, relation: &str, user: &UserId) -> bool {
        let channel = self.channel;
        channel.is_some_and(|c| self.access.channel_allows(c, relation, user))
    }

    fn timeout(&self, user: &UserId) -> Option<Arc<Timeout>> {
        self.access.timeout_of(user)
    }

    fn is_banned(&self, user: &UserId) -> bool {
        self.access.is_banned(user)
    }

    fn is_invited(&self, user: &UserId) -> bool {
        self.access.is_invited(user)
    }

    fn appeal(&self) -> Option<String> {
        self.access.appeal()
    }

    fn screen(&self) -> Option<Arc<Screen>> {
        self.access.screen()
    }

    fn has_one_of(&self, user: &UserId, roles: &[String]) -> bool {
        self.access.has_one_of(user, roles)
    }

    fn bypasses_slow_mode(&self, user: &UserId) -> bool {
        self.channel
            .is_some_and(|c| self.access.channel_allows(c, "bypass_slow_mode", user))
    }
}
