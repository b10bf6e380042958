//! Roles of a waddle's own: a name, a colour, a place and permissions; given to members, inherited by every channel.
//!
//! Nobody gives more than they have: whoever is no admin changes and gives the roles below their own highest one, and
//! permissions only that they hold themselves.

use std::{cmp::Reverse, sync::Arc};

use ahash::AHashSet;
use waddle_core::{ChannelId, RoleId, UserId, WaddleId};
use waddle_permissions::{Subject, Tuple};
use waddle_storage::repo::{members, roles};

use super::{bounded, places, text};
use crate::{
    Actor, ChannelGrant, Community, CustomRole, Error, Event, Grantee, NewRole, On, Page, Permission, Result,
    RoleChange, RoleRow, WaddleAccess, change::Draft, facts,
};

const NONE: Error = Error::NotFound("role");

fn name(s: &str) -> Result<()> {
    text(
        "name",
        "1 to 100 characters, no control characters",
        s,
        (1, 100),
        false,
    )
}

fn colour(s: Option<&str>) -> Result<()> {
    let right = |s: &str| {
        s.strip_prefix('#')
            .is_some_and(|digits| digits.len() == 6 && digits.bytes().all(|b| b.is_ascii_hexdigit()))
    };
    if s.is_none_or(right) {
        return Ok(());
    }
    Err(Error::Invalid {
        field: "colour",
        why: "as in #1f8a70",
    })
}

/// Each once, in the order of the schema.
fn tidy(mut permissions: Vec<Permission>) -> Vec<Permission> {
    permissions.sort_unstable();
    permissions.dedup();
    permissions
}

fn find(d: &Draft<'_>, role: RoleId) -> Result<Arc<RoleRow>> {
    d.roles().into_iter().find(|r| r.id == role).ok_or(NONE)
}

/// The actor manages roles, and stands above this one.
fn require_above(d: &Draft<'_>, position: u32) -> Result<()> {
    d.require(On::Waddle, Permission::ManageRoles.as_str())?;
    match d.actor.user() {
        Some(actor) if !d.access.rank_of(actor).is_above_role(position) => Err(Error::Forbidden),
        _ => Ok(()),
    }
}

/// The actor has all of these themselves.
fn require_held<'p>(d: &Draft<'_>, permissions: impl IntoIterator<Item = &'p Permission>) -> Result<()> {
    permissions
        .into_iter()
        .try_for_each(|p| d.require(On::Waddle, p.as_str()))
}

/// The actor has themselves whatever the role gives, in the waddle and in single channels.
fn require_all_of(d: &Draft<'_>, role: RoleId) -> Result<()> {
    let given = d.access.read().store.tuples_of(facts::custom_role(role).as_ref());
    given
        .iter()
        .filter_map(|t| Some((t, needed_to_give(t)?)))
        .try_for_each(|(t, relation)| d.require(On::Other(&t.object.kind, &t.object.id), relation))
}

/// The relation that somebody must have to the object of a role's tuple to give the role; nothing for what only denies.
fn needed_to_give(t: &Tuple) -> Option<&str> {
    match (&*t.object.kind, &*t.relation) {
        (_, "banned" | "muted") => None,
        ("topic", "viewer") => Some("subscribe"),
        ("channel", "writer") => Some("speak"),
        ("waddle" | "topic", "publisher") => Some("publish"),
        ("channel" | "device", "viewer") => Some("view"),
        ("channel", "moderator") => Some("moderate"),
        ("channel", "manager") => Some("manage"),
        ("device" | "feed", "controller") => Some("control"),
        ("device" | "topic", "manager") => Some("configure"),
        (_, same) => Some(same),
    }
}

/// What a role denies its members in single channels.
fn denials(d: &Draft<'_>, role: RoleId) -> Vec<(ChannelId, ChannelGrant)> {
    let given = d.access.read().store.tuples_of(facts::custom_role(role).as_ref());
    let denied = given.iter().filter_map(|t| {
        let (_, grant) = facts::as_override(t).filter(|(_, g)| g.denies())?;
        Some((t.object.id.parse().ok()?, grant))
    });
    denied.collect()
}

/// What the roles of somebody who leaves deny them stays with them, as what they are denied themselves does.
pub(super) fn keep_denials(d: &mut Draft<'_>, user: &UserId) {
    for role in d.access.custom_roles_of(user) {
        for (channel, grant) in denials(d, role.id) {
            d.write(facts::grant(channel, &Grantee::User(user.clone()), grant));
        }
    }
}

/// What a role may do in the whole waddle: the tuples say.
fn permissions_of(access: &WaddleAccess, role: RoleId) -> Vec<Permission> {
    let given = access.read().store.tuples_of(facts::custom_role(role).as_ref());
    let of_waddle = given
        .iter()
        .filter(|t| &*t.object.kind == "waddle" && matches!(t.subject, Subject::Userset(..)));
    tidy(of_waddle.filter_map(|t| t.relation.parse().ok()).collect())
}

fn whole(access: &WaddleAccess, row: &RoleRow) -> CustomRole {
    CustomRole {
        id: row.id,
        name: row.name.clone(),
        colour: row.colour.clone(),
        position: row.position,
        permissions: permissions_of(access, row.id),
        created_at: row.created_at,
    }
}

/// Stores the order of the roles; the first stands highest.
fn arrange(d: &mut Draft<'_>, order: Vec<Arc<RoleRow>>) -> Result<()> {
    let mut arranged = Vec::with_capacity(order.len());
    for (position, r) in (1..).zip(order.into_iter().rev()) {
        if r.position == position {
            arranged.push(r);
            continue;
        }
        let mut moved = RoleRow::clone(&r);
        moved.position = position;
        roles::update(d.tx, &moved)?;
        arranged.push(Arc::new(moved));
    }
    d.set_roles(arranged);
    let (waddle, slug) = (d.waddle(), d.slug());
    d.event(Event::RolesChanged { waddle, slug });
    Ok(())
}

fn unused_name(all: &[Arc<RoleRow>], name: &str, but: Option<RoleId>) -> Result<()> {
    let wanted = name.to_lowercase();
    let taken = |r: &Arc<RoleRow>| Some(r.id) != but && r.name.to_lowercase() == wanted;
    if all.iter().any(taken) {
        return Err(Error::Conflict("the waddle has a role of this name"));
    }
    Ok(())
}

/// Gives a member a role or takes it.
pub(super) fn put_member(d: &mut Draft<'_>, user: &UserId, role: RoleId, given: bool) -> Result<()> {
    let row = find(d, role)?;
    let puts_down = !given && d.actor.user() == Some(user) && denials(d, role).is_empty();
    if !puts_down {
        require_above(d, row.position)?;
    }
    if members::get(d.tx, user)?.is_none() {
        return Err(Error::NotFound("member"));
    }
    let tuple = facts::role_member(role, user);
    if d.access.read().store.contains(&tuple) == given {
        return Ok(());
    }
    if given {
        require_all_of(d, role)?;
        let holds = |t: &Tuple| &*t.object.kind == "role" && t.subject == tuple.subject;
        let have = d.after(d.access.custom_roles_of(user).len(), holds);
        bounded("roles for one member", have, d.limits.roles_per_member)?;
    }
    d.set(tuple, given);
    let (waddle, slug) = (d.waddle(), d.slug());
    d.event(Event::MemberRolesChanged {
        waddle,
        slug,
        user: user.clone(),
    });
    let action = if given { "role.give" } else { "role.take" };
    d.audit(
        action,
        &user.subject(),
        &format!("role:{role} {}", row.name),
        None,
    )
}

/// Gives a member exactly these roles; those that stay are not touched, whoever may give them.
pub(super) fn put_exactly(d: &mut Draft<'_>, user: &UserId, roles: &[RoleId]) -> Result<()> {
    // Asked here too: where nothing differs, no single step asks.
    if d.actor.user() == Some(user) {
        d.require(On::Waddle, "member")?;
    } else {
        d.require(On::Waddle, Permission::ManageRoles.as_str())?;
    }
    if members::get(d.tx, user)?.is_none() {
        return Err(Error::NotFound("member"));
    }
    let wanted: AHashSet<RoleId> = roles.iter().copied().collect();
    let have: AHashSet<RoleId> = d.access.custom_roles_of(user).iter().map(|r| r.id).collect();
    for role in have.difference(&wanted) {
        put_member(d, user, *role, false)?;
    }
    wanted
        .difference(&have)
        .try_for_each(|role| put_member(d, user, *role, true))
}

/// Gives a role one permission or takes it.
pub(super) fn put_permission(d: &mut Draft<'_>, role: RoleId, p: Permission, given: bool) -> Result<()> {
    let row = find(d, role)?;
    require_above(d, row.position)?;
    require_held(d, [&p])?;
    let tuple = facts::role_permission(d.waddle(), role, p);
    if d.access.read().store.contains(&tuple) == given {
        return Ok(());
    }
    d.set(tuple, given);
    let (waddle, slug) = (d.waddle(), d.slug());
    d.event(Event::RolesChanged { waddle, slug });
    let detail = format!(
        "{} {}",
        if given { "gives" } else { "no longer gives" },
        p.as_str()
    );
    d.audit("role.update", &format!("role:{role}"), &detail, None)
}

impl Community {
    /// Makes a role; it stands below all others. Needs `waddle#manage_roles`, and every permission that it gives.
    pub async fn create_role(
        &self,
        actor: impl Into<Actor>,
        id: WaddleId,
        new: NewRole,
    ) -> Result<CustomRole> {
        name(&new.name)?;
        colour(new.colour.as_deref())?;
        let permissions = tidy(new.permissions);
        self.change(id, actor.into(), move |d| {
            d.require(On::Waddle, Permission::ManageRoles.as_str())?;
            require_held(d, &permissions)?;
            let mut all = d.roles();
            bounded("roles in a waddle", all.len(), d.limits.roles_per_waddle)?;
            unused_name(&all, &new.name, None)?;
            let row = Arc::new(RoleRow {
                id: RoleId::new(),
                name: new.name,
                colour: new.colour.map(|c| c.to_lowercase()),
                position: 1,
                created_at: d.now,
            });
            roles::insert(d.tx, &row)?;
            d.write(facts::role_parent(row.id, id));
            for p in &permissions {
                d.write(facts::role_permission(id, row.id, *p));
            }
            d.audit("role.create", &format!("role:{}", row.id), &row.name, None)?;
            let made = CustomRole {
                permissions,
                ..whole(d.access, &row)
            };
            all.push(row);
            arrange(d, all)?;
            Ok(made)
        })
        .await
    }

    /// Changes a role: every channel follows at once. Needs `waddle#manage_roles` and a place above the role's old and
    /// new one; permissions are given and taken by who has them.
    pub async fn update_role(
        &self,
        actor: impl Into<Actor>,
        id: WaddleId,
        role: RoleId,
        change: RoleChange,
    ) -> Result<CustomRole> {
        change.name.as_deref().map_or(Ok(()), name)?;
        change.colour.as_ref().map_or(Ok(()), |c| colour(c.as_deref()))?;
        let wanted = change.permissions.map(tidy);
        self.change(id, actor.into(), move |d| {
            let before = find(d, role)?;
            require_above(d, before.position)?;
            let mut row = RoleRow::clone(&before);
            if let Some(name) = change.name {
                unused_name(&d.roles(), &name, Some(role))?;
                row.name = name;
            }
            if let Some(colour) = change.colour {
                row.colour = colour.map(|c| c.to_lowercase());
            }
            if row != *before {
                roles::update(d.tx, &row)?;
            }
            let have = permissions_of(d.access, role);
            let wanted = wanted.unwrap_or_else(|| have.clone());
            let differ: Vec<Permission> = Permission::ALL
                .iter()
                .copied()
                .filter(|p| have.contains(p) != wanted.contains(p))
                .collect();
            require_held(d, &differ)?;
            for p in &differ {
                d.set(facts::role_permission(id, role, *p), wanted.contains(p));
            }
            let mut all = d.roles();
            all.retain(|r| r.id != role);
            let count = u32::try_from(all.len()).unwrap_or(u32::MAX).saturating_add(1);
            let to = change.position.unwrap_or(row.position).clamp(1, count);
            require_above(d, to)?;
            let from_top = count - to;
            d.audit("role.update", &format!("role:{role}"), &row.name, None)?;
            arrange(d, places::insert(all, Arc::new(row), Some(from_top)))?;
            Ok(CustomRole {
                permissions: wanted,
                ..whole(d.access, &*find(d, role)?)
            })
        })
        .await
    }

    /// Deletes a role; whoever had it has it no more. Needs `waddle#manage_roles` and a place above it.
    pub async fn delete_role(&self, actor: impl Into<Actor>, id: WaddleId, role: RoleId) -> Result<()> {
        self.change(id, actor.into(), move |d| {
            let gone = find(d, role)?;
            require_above(d, gone.position)?;
            let tuples = {
                let state = d.access.read();
                let object = facts::custom_role(role);
                let mut all = state.store.tuples_about(object.as_ref());
                all.extend(state.store.tuples_of(object.as_ref()));
                all
            };
            d.delete_all(tuples);
            roles::delete(d.tx, role)?;
            d.audit("role.delete", &format!("role:{role}"), &gone.name, None)?;
            let mut all = d.roles();
            all.retain(|r| r.id != role);
            arrange(d, all)
        })
        .await
    }

    /// Gives a member a custom role, or takes it from them. Needs `waddle#manage_roles`, a place above the role and,
    /// to give it, all that it gives. Members may put down their own, unless it denies them something.
    pub async fn give_role(
        &self,
        actor: impl Into<Actor>,
        id: WaddleId,
        user: &UserId,
        role: RoleId,
        given: bool,
    ) -> Result<()> {
        let user = user.clone();
        self.change(id, actor.into(), move |d| put_member(d, &user, role, given))
            .await
    }

    /// Gives a member exactly these custom roles, each by the rules of [`give_role`](Self::give_role): all or nothing.
    pub async fn set_roles(
        &self,
        actor: impl Into<Actor>,
        id: WaddleId,
        user: &UserId,
        roles: &[RoleId],
    ) -> Result<()> {
        self.change_member(actor, id, user, None, Some(roles)).await
    }

    /// The custom roles of a waddle, the highest first.
    pub async fn custom_roles(&self, id: WaddleId) -> Result<Vec<CustomRole>> {
        let access = self.access(id).await?;
        let mut rows = access.roles();
        rows.sort_by_key(|r| Reverse(r.position));
        Ok(rows.iter().map(|r| whole(&access, r)).collect())
    }

    /// One custom role.
    pub async fn custom_role(&self, id: WaddleId, role: RoleId) -> Result<Option<CustomRole>> {
        let access = self.access(id).await?;
        Ok(access.role(role).map(|r| whole(&access, &r)))
    }

    /// One page of who has a custom role, by their identifiers, behind `after`.
    pub async fn role_members(
        &self,
        id: WaddleId,
        role: RoleId,
        after: Option<UserId>,
        limit: usize,
    ) -> Result<Vec<UserId>> {
        let limit = limit.min(Page::MAX);
        let db = self.db(id).await?;
        Ok(db
            .read(move |conn| roles::members(conn, role, after.as_ref(), limit))
            .await?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_have_six_digits() {
        for good in [None, Some("#1f8a70"), Some("#FFFFFF")] {
            assert_eq!(colour(good), Ok(()));
        }
        for bad in ["", "1f8a70", "#1f8a7", "#1f8a700", "#1f8a7g", "red"] {
            assert!(colour(Some(bad)).is_err(), "{bad}");
        }
    }
}
