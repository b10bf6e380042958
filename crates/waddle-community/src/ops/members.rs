//! Members and the ladder of their roles.

use std::sync::Arc;

use waddle_core::{InviteId, RoleId, UserId, WaddleId};
use waddle_storage::repo::{invites, join_requests, members, messages, waddles};

use super::{bounded, custom_roles, reason as check_reason};
use crate::{
    Actor, BanDetails, Community, Error, Event, Member, MembersAfter, On, Page, RemovalKind, Result, Role,
    Waddle, change::Draft, facts, registry::Open,
};

/// Whether somebody who is `actor`, and may bring in or manage members, may make somebody a `role`: one below their
/// own; owners make owners, and a custom role is enough for members.
pub(super) fn may_give(actor: Option<Role>, role: Role) -> bool {
    actor == Some(Role::Owner) || actor.is_some_and(|a| role < a || role == Role::Member)
}

/// The row and tuple of a new member.
pub(super) fn enter(d: &mut Draft<'_>, user: &UserId, role: Role, invite: Option<InviteId>) -> Result<()> {
    if user.as_str().starts_with("device:") {
        return Err(Error::Invalid {
            field: "user",
            why: "a device is no member",
        });
    }
    if members::is_banned(d.tx, user)? {
        return Err(Error::Forbidden);
    }
    bounded(
        "members in a waddle",
        members::count(d.tx)?,
        d.limits.members_per_waddle,
    )?;
    members::insert(
        d.tx,
        &Member {
            user: user.clone(),
            role,
            joined_at: d.now,
            invite,
        },
    )?;
    let waddle = d.waddle();
    join_requests::delete_of(d.tx, user)?;
    d.write(facts::role(waddle, user, role));
    d.member(user, Some(role));
    d.event(Event::MemberAdded {
        waddle,
        slug: d.slug(),
        user: user.clone(),
        role,
    });
    Ok(())
}

/// Gives a member another role.
pub(super) fn change_role(d: &mut Draft<'_>, member: &Member, role: Role) -> Result<()> {
    let waddle = d.waddle();
    if member.role == Role::Owner && members::owners(d.tx)? < 2 {
        return Err(Error::Conflict(
            "the last owner stays owner; make another one first",
        ));
    }
    members::set_role(d.tx, &member.user, role)?;
    d.delete(facts::role(waddle, &member.user, member.role));
    d.write(facts::role(waddle, &member.user, role));
    d.member(&member.user, Some(role));
    d.event(Event::MemberChanged {
        waddle,
        slug: d.slug(),
        user: member.user.clone(),
        role,
    });
    d.audit("member.role", &member.user.subject(), role.as_str(), None)
}

/// Gives a member another role, if the actor may; `room` is whether they may own one more waddle.
fn put_role(d: &mut Draft<'_>, user: &UserId, role: Role, room: Result<()>) -> Result<()> {
    let own = d.actor.user() == Some(user);
    if !own {
        d.require(On::Waddle, "manage_members")?;
    }
    let member = members::get(d.tx, user)?.ok_or(Error::NotFound("member"))?;
    if member.role == role {
        return Ok(());
    }
    if own {
        if role > member.role {
            return Err(Error::Forbidden);
        }
    } else {
        require_above(d, user)?;
        if !may_give(d.actor_role(), role) {
            return Err(Error::Forbidden);
        }
    }
    room?;
    change_role(d, &member, role)
}

/// The actor must stand above somebody to act on them. Owners are above all but owners.
pub(super) fn require_above(d: &Draft<'_>, user: &UserId) -> Result<()> {
    let Some(actor) = d.actor.user() else {
        return Ok(());
    };
    // A row counts also where its tuple does not: somebody who is banned and a member, which no operation makes.
    let stored = members::get(d.tx, user)?.map(|m| m.role);
    let mut theirs = d.access.rank_of(user);
    theirs.ladder = theirs.ladder.max(stored);
    if d.access.rank_of(actor).is_above(theirs) {
        return Ok(());
    }
    Err(Error::Forbidden)
}

/// Takes somebody off the list, with all that they were given; whether they were on it. The last owner stays.
pub(super) fn take_out(d: &mut Draft<'_>, user: &UserId) -> Result<bool> {
    let member = members::get(d.tx, user)?;
    if member.as_ref().is_some_and(|m| m.role == Role::Owner) && members::owners(d.tx)? < 2 {
        return Err(Error::Conflict(
            "the last owner stays; make another one, or delete the waddle",
        ));
    }
    if members::delete(d.tx, user)? {
        d.member(user, None);
    }
    // Whoever is taken out does not walk in again by an invitation of before.
    if invites::of_person(d.tx, user)?.is_some() {
        invites::delete_of_person(d.tx, user)?;
        d.set_invited(user, false);
        d.event(Event::InvitesChanged { waddle: d.waddle() });
    }
    custom_roles::keep_denials(d, user);
    let given = d.access.read().store.tuples_of(facts::user(user).as_ref());
    d.delete_all(given.into_iter().filter(facts::goes_with_member));
    Ok(member.is_some())
}

/// What a bound on somebody's memberships counts.
pub(crate) const OF_ONE_MEMBER: &str = "waddles for one member";

/// By whose will somebody becomes a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Will {
    /// Their own.
    Own,
    /// Somebody else's.
    Others,
}

impl Community {
    /// Makes somebody a member, or gives a member another role. Needs `waddle#manage_members`, and a role
    /// above the given one (owners make owners of members). Who is banned must be unbanned first. Until the person
    /// joins themselves ([`join_waddle`](Self::join_waddle) or an invite), it gives nobody a right over them: they
    /// cannot be made owner, and it counts for no consent to direct messages.
    pub async fn add_member(
        &self,
        actor: impl Into<Actor>,
        id: WaddleId,
        user: &UserId,
        role: Role,
    ) -> Result<()> {
        let user = user.clone();
        let actor = actor.into();
        let _one = match role {
            Role::Owner => Some(self.owning().lock().await),
            _ => None,
        };
        let own = self.room_to_own(id, &user).await;
        let (by, by_operator, whom) = (actor.user().cloned(), actor == Actor::System, user.clone());
        let add = move |d: &mut Draft<'_>, room: Result<()>| {
            d.require(On::Waddle, "manage_members")?;
            let there = members::get(d.tx, &user)?;
            if there.as_ref().is_some_and(|m| m.role == role) {
                return Ok(());
            }
            if !may_give(d.actor_role(), role) {
                return Err(Error::Forbidden);
            }
            if members::is_banned(d.tx, &user)? {
                return Err(Error::Conflict("they are banned; lift the ban first"));
            }
            match there {
                Some(member) => {
                    require_above(d, &user)?;
                    if role == Role::Owner {
                        own?;
                    }
                    change_role(d, &member, role)
                }
                None => {
                    room?;
                    if role == Role::Owner && d.actor.user().is_some() {
                        return Err(Error::Conflict("only a member can be made owner"));
                    }
                    enter(d, &user, role, None)?;
                    d.audit("member.add", &user.subject(), role.as_str(), None)
                }
            }
        };
        // What is noted of the person's will belongs to this attempt alone: another one waits for its turn.
        let done = self.in_turn(id, move |this, open| async move {
            let unasked = this.expect_unasked(&open, &actor, &whom).await?;
            let done = this.make_with_room(&open, actor, &whom, Will::Others, add).await;
            if (unasked && done.is_err()) || (by_operator && done.is_ok()) {
                this.confirm_membership(id, &whom).await?;
            }
            done
        });
        let done = done.await;
        self.hide(id, by.as_ref(), done)
    }

    /// Gives a member another role. Needs `waddle#manage_members`, a role above both the member's old and new
    /// one (owners make owners); members may lower their own. The last owner stays owner.
    pub async fn set_role(
        &self,
        actor: impl Into<Actor>,
        id: WaddleId,
        user: &UserId,
        role: Role,
    ) -> Result<()> {
        self.change_member(actor, id, user, Some(role), None).await
    }

    /// Gives a member another role by the rules of [`set_role`](Self::set_role), exactly these custom roles by those of
    /// [`set_roles`](Self::set_roles), or both: all or nothing.
    pub async fn change_member(
        &self,
        actor: impl Into<Actor>,
        id: WaddleId,
        user: &UserId,
        role: Option<Role>,
        roles: Option<&[RoleId]>,
    ) -> Result<()> {
        let (user, roles) = (user.clone(), roles.map(<[RoleId]>::to_vec));
        let owns = role == Some(Role::Owner);
        let _one = if owns {
            Some(self.owning().lock().await)
        } else {
            None
        };
        let room = if owns {
            self.room_to_own(id, &user).await
        } else {
            Ok(())
        };
        self.change(id, actor.into(), move |d| {
            if let Some(role) = role {
                put_role(d, &user, role, room)?;
            }
            match roles {
                Some(roles) => custom_roles::put_exactly(d, &user, &roles),
                None => Ok(()),
            }
        })
        .await
    }

    /// Ends a membership: everything that the person was given in this waddle goes, within a second also on
    /// live connections. [`RemovalKind::Left`] is for oneself; the others need `waddle#manage_members` and a
    /// higher rank than theirs. A ban is [`ban_member`](Self::ban_member) without an end. The last owner stays.
    pub async fn remove_member(
        &self,
        actor: impl Into<Actor>,
        id: WaddleId,
        user: &UserId,
        kind: RemovalKind,
        reason: Option<&str>,
    ) -> Result<()> {
        let reason = reason.filter(|r| !r.is_empty()).map(str::to_owned);
        let action = match kind {
            RemovalKind::Removed => "member.remove",
            RemovalKind::Left => "member.leave",
            RemovalKind::Kicked => "member.kick",
            RemovalKind::Banned => {
                let details = BanDetails {
                    reason,
                    expires_at: None,
                };
                return self.ban_member(actor, id, user, details).await;
            }
        };
        check_reason(reason.as_deref())?;
        let user = user.clone();
        self.change(id, actor.into(), move |d| {
            if kind == RemovalKind::Left {
                if d.actor.user().is_some_and(|actor| *actor != user) {
                    return Err(Error::Forbidden);
                }
            } else {
                d.require(On::Waddle, "manage_members")?;
                require_above(d, &user)?;
            }
            if !take_out(d, &user)? {
                return Err(Error::NotFound("member"));
            }
            let by = d.actor.user().cloned();
            d.event(Event::MemberRemoved {
                waddle: id,
                slug: d.slug(),
                user: user.clone(),
                kind,
                reason: reason.as_deref().map(Arc::from),
                by,
            });
            d.audit(action, &user.subject(), "", reason.as_deref())
        })
        .await
    }

    /// Takes somebody out of every waddle, as when their account is deleted. The answer names the waddles of which
    /// they are the only owner: then nothing has happened, and those are deleted, or get another owner, first.
    pub async fn leave_all(&self, user: &UserId) -> Result<Vec<Arc<Waddle>>> {
        let theirs = self.waddles_of(user).await?;
        let mut stay = Vec::new();
        for (waddle, _) in theirs.iter().filter(|(_, role)| *role == Role::Owner) {
            if self.db(waddle.id).await?.read(members::owners).await? < 2 {
                stay.push(waddle.clone());
            }
        }
        if !stay.is_empty() {
            return Ok(stay);
        }
        for (waddle, _) in theirs {
            match self
                .remove_member(Actor::System, waddle.id, user, RemovalKind::Left, None)
                .await
            {
                Ok(()) | Err(Error::NotFound(_)) => {
                    let (db, user) = (self.db(waddle.id).await?, user.clone());
                    db.write(move |tx| messages::forget_reader(tx, user.as_str()))
                        .await?;
                }
                Err(Error::Conflict(_)) => stay.push(waddle),
                Err(e) => return Err(e),
            }
        }
        Ok(stay)
    }

    /// Lets one member, or with `None` all of them, publish to the waddle's MQTT topics, or takes it back.
    /// Needs `waddle#manage_devices`. (Moderators may always.)
    pub async fn grant_publish(
        &self,
        actor: impl Into<Actor>,
        id: WaddleId,
        user: Option<&UserId>,
        given: bool,
    ) -> Result<()> {
        let user = user.cloned();
        self.change(id, actor.into(), move |d| {
            d.require(On::Waddle, "manage_devices")?;
            if let Some(user) = &user
                && given
                && members::get(d.tx, user)?.is_none()
            {
                return Err(Error::NotFound("member"));
            }
            d.set(facts::publisher(id, user.as_ref()), given);
            let whom = user.map_or_else(|| "waddle#member".to_owned(), |u| u.subject());
            let action = if given { "mqtt.grant" } else { "mqtt.ungrant" };
            d.audit(action, &whom, "publish", None)
        })
        .await
    }

    /// One page of the members, by their joining.
    pub async fn members(&self, id: WaddleId, page: Page) -> Result<Vec<Member>> {
        let (offset, limit) = page.bounded();
        let db = self.db(id).await?;
        Ok(db.read(move |conn| members::list(conn, offset, limit)).await?)
    }

    /// One member.
    pub async fn member(&self, id: WaddleId, user: &UserId) -> Result<Option<Member>> {
        let user = user.clone();
        let db = self.db(id).await?;
        Ok(db.read(move |conn| members::get(conn, &user)).await?)
    }

    /// How many members there are.
    pub async fn member_count(&self, id: WaddleId) -> Result<usize> {
        Ok(self.db(id).await?.read(members::count).await?)
    }

    /// One page of the members, or of those of one step of the ladder, by their joining, behind `after`.
    pub async fn members_page(
        &self,
        id: WaddleId,
        role: Option<Role>,
        after: Option<MembersAfter>,
        limit: usize,
    ) -> Result<Vec<Member>> {
        let limit = limit.min(Page::MAX);
        let db = self.db(id).await?;
        Ok(db
            .read(move |conn| members::page(conn, role, after.as_ref(), limit))
            .await?)
    }

    /// Somebody who belongs to as many other waddles as allowed cannot join one more. Memberships that others entered
    /// take no place from what the person wants themselves.
    pub(super) async fn room_for_one_more(&self, id: WaddleId, user: &UserId, will: Will) -> Result<()> {
        let (user, max) = (user.clone(), self.limits().waddles_per_member);
        let server = self.storage().server();
        let have = server.read(move |conn| waddles::belongs_to(conn, &user, id, will == Will::Others));
        bounded(OF_ONE_MEMBER, have.await?, max)
    }

    /// A change in the waddle's turn that may make a member of somebody, or their membership their own will: `work`
    /// hears whether they may belong to one more waddle. That stays true until this counts.
    async fn make_with_room<T: Send + 'static>(
        &self,
        open: &Open,
        actor: Actor,
        user: &UserId,
        will: Will,
        work: impl FnOnce(&mut Draft<'_>, Result<()>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let _one = self.entering().one(user).await;
        let room = self.room_for_one_more(open.access.id(), user, will).await;
        let done = self.make(open, actor, move |d| work(d, room)).await;
        if will == Will::Own && done.is_ok() {
            self.confirm_membership(open.access.id(), user).await?;
        }
        done
    }

    /// A change by which somebody enters a waddle by their own will: `work` hears whether they may belong to one more.
    /// Errors are those of [`change_openly`](Self::change_openly).
    pub(super) async fn enter_by_will<T: Send + 'static>(
        &self,
        id: WaddleId,
        actor: Actor,
        user: &UserId,
        work: impl FnOnce(&mut Draft<'_>, Result<()>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let user = user.clone();
        self.in_turn(id, move |this, open| async move {
            this.make_with_room(&open, actor, &user, Will::Own, work).await
        })
        .await
    }

    /// Before somebody is entered by another person: it counts as unasked until they say yes. Bots of a waddle and what
    /// the server's operator does need none.
    async fn expect_unasked(&self, open: &Open, actor: &Actor, user: &UserId) -> Result<bool> {
        let unneeded = match actor.user() {
            None => true,
            Some(a) => a == user || !open.access.waddle_allows("manage_members", a),
        };
        if unneeded || user.is_bot() {
            return Ok(false);
        }
        let (id, user, member) = (open.access.id(), user.clone(), user.clone());
        let there = open.db.read(move |conn| members::get(conn, &member));
        if there.await?.is_some() {
            return Ok(false);
        }
        let server = self.storage().server();
        server
            .write(move |tx| waddles::set_unasked(tx, id, &user))
            .await?;
        Ok(true)
    }

    /// The person belongs there by their own will.
    async fn confirm_membership(&self, id: WaddleId, user: &UserId) -> Result<()> {
        let user = user.clone();
        let server = self.storage().server();
        Ok(server.write(move |tx| waddles::set_asked(tx, id, &user)).await?)
    }
}
