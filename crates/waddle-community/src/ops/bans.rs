//! Bans: one for the whole waddle, which holds in every channel, over MQTT and over HTTP; with a reason and an end.

use std::sync::Arc;

use waddle_core::{UserId, WaddleId};
use waddle_storage::repo::{join_requests, members};

use super::{bounded, members as member_ops, reason as check_reason};
use crate::{
    Actor, Ban, BanDetails, Community, Error, Event, MembersAfter, On, Page, Permission, RemovalKind, Result,
    change::Draft, facts,
};

/// Bytes of a name at the most, as of a host.
const NAME: usize = 253;

/// The row and tuple of a ban; all else that they were given goes.
fn put(d: &mut Draft<'_>, user: &UserId, details: &BanDetails, named: Option<String>) -> Result<()> {
    if !members::is_banned(d.tx, user)? {
        bounded(
            "bans in a waddle",
            members::count_bans(d.tx)?,
            d.limits.bans_per_waddle,
        )?;
    }
    members::put_ban(
        d.tx,
        &Ban {
            user: user.clone(),
            reason: details.reason.clone(),
            by: d.actor.user().cloned(),
            at: d.now,
            expires_at: details.expires_at,
            named,
        },
    )?;
    d.ends_changed();
    if join_requests::delete_of(d.tx, user)? {
        d.event(Event::InvitesChanged { waddle: d.waddle() });
    }
    d.write(facts::banned(d.waddle(), user));
    Ok(())
}

/// A name as it is kept, where it can be one.
fn called(name: &str) -> Option<String> {
    let name = name.trim().trim_start_matches('@').to_lowercase();
    (1..=NAME).contains(&name.len()).then_some(name)
}

/// Lifts a ban; whether there was one.
pub(super) fn lift(d: &mut Draft<'_>, user: &UserId) -> Result<bool> {
    if !members::delete_ban(d.tx, user)? {
        return Ok(false);
    }
    let (waddle, slug, by) = (d.waddle(), d.slug(), d.actor.user().cloned());
    d.ends_changed();
    d.delete(facts::banned(waddle, user));
    d.event(Event::Unbanned {
        waddle,
        slug,
        user: user.clone(),
        by,
    });
    Ok(true)
}

impl Community {
    /// Bans somebody, whether they are a member or not: see [`remove_member`](Self::remove_member). Needs `waddle#ban`
    /// and a higher rank than theirs. Another ban takes the place of the one before.
    ///
    /// # Errors
    /// [`Error::Invalid`] where it would end in the past.
    pub async fn ban_member(
        &self,
        actor: impl Into<Actor>,
        id: WaddleId,
        user: &UserId,
        details: BanDetails,
    ) -> Result<()> {
        self.ban_called(actor, id, user, None, details).await
    }

    /// [`ban_member`](Self::ban_member) of somebody who was called `name`, as a handle of the network; by that name the
    /// ban is found again, whoever it leads to then.
    pub async fn ban_called(
        &self,
        actor: impl Into<Actor>,
        id: WaddleId,
        user: &UserId,
        name: Option<&str>,
        details: BanDetails,
    ) -> Result<()> {
        let named = name.filter(|n| *n != user.as_str()).and_then(called);
        check_reason(details.reason.as_deref())?;
        if details.expires_at.is_some_and(|at| at <= self.now()) {
            return Err(Error::Invalid {
                field: "expires_at",
                why: "in the future",
            });
        }
        let details = BanDetails {
            reason: details.reason.filter(|r| !r.is_empty()),
            ..details
        };
        let user = user.clone();
        self.change(id, actor.into(), move |d| {
            d.require(On::Waddle, Permission::Ban.as_str())?;
            member_ops::require_above(d, &user)?;
            member_ops::take_out(d, &user)?;
            put(d, &user, &details, named)?;
            let (waddle, slug, by) = (d.waddle(), d.slug(), d.actor.user().cloned());
            let reason = details.reason.as_deref();
            d.event(Event::MemberRemoved {
                waddle,
                slug,
                user: user.clone(),
                kind: RemovalKind::Banned,
                reason: reason.map(Arc::from),
                by,
            });
            let until = details
                .expires_at
                .map_or_else(String::new, |at| format!("until {at}"));
            d.audit("member.ban", &user.subject(), &until, reason)
        })
        .await
    }

    /// Lifts a ban. Needs `waddle#ban`.
    pub async fn unban(&self, actor: impl Into<Actor>, id: WaddleId, user: &UserId) -> Result<()> {
        let user = user.clone();
        self.change(id, actor.into(), move |d| {
            d.require(On::Waddle, Permission::Ban.as_str())?;
            if !lift(d, &user)? {
                return Err(Error::NotFound("ban"));
            }
            d.audit("member.unban", &user.subject(), "", None)
        })
        .await
    }

    /// One page of the bans, the newest first.
    pub async fn bans(&self, id: WaddleId, page: Page) -> Result<Vec<Ban>> {
        let (offset, limit) = page.bounded();
        let db = self.db(id).await?;
        Ok(db.read(move |conn| members::bans(conn, offset, limit)).await?)
    }

    /// One page of the bans, the newest first, behind `after`.
    pub async fn bans_page(
        &self,
        id: WaddleId,
        after: Option<MembersAfter>,
        limit: usize,
    ) -> Result<Vec<Ban>> {
        let limit = limit.min(Page::MAX);
        let db = self.db(id).await?;
        Ok(db
            .read(move |conn| members::bans_page(conn, after.as_ref(), limit))
            .await?)
    }

    /// Whose ban is the newest of those that were set with this name.
    pub async fn banned_as(&self, id: WaddleId, name: &str) -> Result<Option<UserId>> {
        let Some(named) = called(name) else {
            return Ok(None);
        };
        let db = self.db(id).await?;
        Ok(db.read(move |conn| members::ban_by_name(conn, &named)).await?)
    }

    /// One person's ban.
    pub async fn ban_of(&self, id: WaddleId, user: &UserId) -> Result<Option<Ban>> {
        let (db, user) = (self.db(id).await?, user.clone());
        Ok(db.read(move |conn| members::ban(conn, &user)).await?)
    }
}
