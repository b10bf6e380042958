//! What a channel's room asks of its waddle's permissions (design §3, `specs/permissions.md`).

use std::sync::Arc;

use waddle_community::{Role as WaddleRole, WaddleAccess};
use waddle_core::{ChannelId, UserId};

use crate::standing::{Affiliation, Role, Standing};

/// Decides who may do what in one channel, from memory.
pub trait Policy: Send + std::fmt::Debug {
    /// Goes up with every change; what was decided at an earlier revision is asked again.
    fn revision(&self) -> u64;
    /// What somebody is in the channel.
    fn standing(&self, user: &UserId) -> Standing;
    /// The role of somebody in the waddle.
    fn role(&self, user: &UserId) -> Option<WaddleRole>;
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

    fn role(&self, user: &UserId) -> Option<WaddleRole> {
        self.access.role_of(user)
    }
}
