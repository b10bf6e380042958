//! What single people and custom roles are given or denied in one channel.

use waddle_core::{ChannelId, UserId, WaddleId};
use waddle_permissions::Tuple;
use waddle_storage::repo::members;

use super::{bounded, channels::find};
use crate::{
    Actor, ChannelGrant, Community, Error, Event, Grantee, On, Override, Result, Visibility, change::Draft,
    facts,
};

/// Whoever takes something from somebody stands above them; from a role, above the role.
fn require_may_deny(d: &Draft<'_>, channel: ChannelId, whom: &Grantee) -> Result<()> {
    let above = match (whom, d.actor.user()) {
        (Grantee::User(_), None) => true,
        (Grantee::User(user), Some(actor)) => {
            d.require(On::Channel(channel), "moderate")?;
            let (theirs, own) = (d.access.rank_in(channel, user), d.access.rank_in(channel, actor));
            theirs < own || (theirs == own && d.access.rank_of(actor).is_above(d.access.rank_of(user)))
        }
        (Grantee::Role(role), actor) => {
            d.require(On::Channel(channel), "manage")?;
            let role = d.access.role(*role).ok_or(Error::NotFound("role"))?;
            actor.is_none_or(|a| d.access.rank_of(a).is_above_role(role.position))
        }
    };
    if above { Ok(()) } else { Err(Error::Forbidden) }
}

/// Gives an override or takes it back.
pub(super) fn put(
    d: &mut Draft<'_>,
    channel: ChannelId,
    whom: &Grantee,
    grant: ChannelGrant,
    given: bool,
) -> Result<()> {
    find(d, channel)?;
    if grant.denies() {
        require_may_deny(d, channel, whom)?;
    } else {
        d.require(On::Channel(channel), "manage")?;
    }
    if let Grantee::Role(role) = whom
        && d.access.role(*role).is_none()
    {
        return Err(Error::NotFound("role"));
    }
    if let (Grantee::User(user), true) = (whom, given && !grant.denies())
        && d.access.waddle().visibility != Visibility::Public
        && members::get(d.tx, user)?.is_none()
    {
        // A channel is no way around the invitation.
        return Err(Error::NotFound("member"));
    }
    let tuple = facts::grant(channel, whom, grant);
    if d.access.read().store.contains(&tuple) == given {
        return Ok(());
    }
    if given {
        let here = |t: &Tuple| t.object == facts::channel(channel) && facts::as_override(t).is_some();
        let have = d.after(d.access.overrides(channel).len(), here);
        bounded("overrides in a channel", have, d.limits.overrides_per_channel)?;
    }
    let target = tuple.subject.to_string();
    d.set(tuple, given);
    let (waddle, slug) = (d.waddle(), d.slug());
    d.event(Event::OverridesChanged {
        waddle,
        slug,
        channel,
    });
    let action = if given { "channel.grant" } else { "channel.ungrant" };
    let detail = format!("{} on channel:{channel}", grant.relation());
    d.audit(action, &target, &detail, None)
}

impl Community {
    /// Gives a person a relation to one channel, or takes it back (`given` is false): see
    /// [`set_override`](Self::set_override).
    pub async fn grant_channel(
        &self,
        actor: impl Into<Actor>,
        id: WaddleId,
        channel: ChannelId,
        user: &UserId,
        grant: ChannelGrant,
        given: bool,
    ) -> Result<()> {
        self.set_override(actor, id, channel, Grantee::User(user.clone()), grant, given)
            .await
    }

    /// Gives a person or a custom role a relation to one channel, or takes it back (`given` is false). Muting and
    /// banning a person need `channel#moderate` and a higher rank there than theirs
    /// ([`rank_in`](crate::WaddleAccess::rank_in)), a role `channel#manage` and a place above it; everything else
    /// `channel#manage`. Given something are members, and in a public waddle anybody.
    pub async fn set_override(
        &self,
        actor: impl Into<Actor>,
        id: WaddleId,
        channel: ChannelId,
        whom: Grantee,
        grant: ChannelGrant,
        given: bool,
    ) -> Result<()> {
        self.change(id, actor.into(), move |d| put(d, channel, &whom, grant, given))
            .await
    }

    /// What people and roles are given or denied in one channel.
    pub async fn overrides(&self, id: WaddleId, channel: ChannelId) -> Result<Vec<Override>> {
        Ok(self.access(id).await?.overrides(channel))
    }
}
