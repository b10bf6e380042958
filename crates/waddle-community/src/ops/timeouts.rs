//! Timeouts: somebody may read and not write, in every channel, until a moment.

use std::{sync::Arc, time::Duration};

use waddle_core::{Timestamp, UserId, WaddleId};
use waddle_storage::repo::{members, timeouts};

use super::{bounded, members as member_ops, reason as check_reason};
use crate::{
    Actor, Community, Error, Event, MembersAfter, On, Page, Permission, Result, Timeout, change::Draft, facts,
};

/// Ends a timeout; whether there was one.
pub(super) fn lift(d: &mut Draft<'_>, user: &UserId) -> Result<bool> {
    if !timeouts::delete(d.tx, user)? {
        return Ok(false);
    }
    let (waddle, slug, by) = (d.waddle(), d.slug(), d.actor.user().cloned());
    d.ends_changed();
    d.delete(facts::timed_out(waddle, user));
    d.set_timeout(user, None);
    d.event(Event::TimeoutEnded {
        waddle,
        slug,
        user: user.clone(),
        by,
    });
    Ok(true)
}

impl Community {
    /// Silences a member until a moment. Needs `waddle#timeout` and a higher rank than theirs. Another timeout takes
    /// the place of the one before.
    ///
    /// # Errors
    /// [`Error::Invalid`] for an end in the past or too far away.
    pub async fn timeout_member(
        &self,
        actor: impl Into<Actor>,
        id: WaddleId,
        user: &UserId,
        expires_at: Timestamp,
        reason: Option<&str>,
    ) -> Result<Timeout> {
        check_reason(reason)?;
        let longest = Duration::from_secs(self.limits().timeout_seconds);
        if expires_at <= self.now() || expires_at > self.now().plus(longest) {
            return Err(Error::Invalid {
                field: "expires_at",
                why: "in the future, and no later than the longest timeout (28 days where nothing else is set)",
            });
        }
        let (user, reason) = (user.clone(), reason.filter(|r| !r.is_empty()).map(str::to_owned));
        self.change(id, actor.into(), move |d| {
            d.require(On::Waddle, Permission::Timeout.as_str())?;
            if members::get(d.tx, &user)?.is_none() {
                return Err(Error::NotFound("member"));
            }
            member_ops::require_above(d, &user)?;
            if timeouts::get(d.tx, &user)?.is_none() {
                bounded(
                    "timeouts in a waddle",
                    timeouts::count(d.tx)?,
                    d.limits.timeouts_per_waddle,
                )?;
            }
            let timeout = Timeout {
                user: user.clone(),
                expires_at,
                reason,
                by: d.actor.user().cloned(),
                at: d.now,
            };
            timeouts::put(d.tx, &timeout)?;
            d.ends_changed();
            d.write(facts::timed_out(id, &user));
            d.set_timeout(&user, Some(timeout.clone()));
            let slug = d.slug();
            d.event(Event::TimedOut {
                waddle: id,
                slug,
                user: user.clone(),
                until: expires_at,
                reason: timeout.reason.as_deref().map(Arc::from),
                by: timeout.by.clone(),
            });
            d.audit(
                "member.timeout",
                &user.subject(),
                &format!("until {expires_at}"),
                timeout.reason.as_deref(),
            )?;
            Ok(timeout)
        })
        .await
    }

    /// Ends a timeout before its time. Needs `waddle#timeout` and a higher rank than theirs.
    pub async fn end_timeout(&self, actor: impl Into<Actor>, id: WaddleId, user: &UserId) -> Result<()> {
        let user = user.clone();
        self.change(id, actor.into(), move |d| {
            d.require(On::Waddle, Permission::Timeout.as_str())?;
            member_ops::require_above(d, &user)?;
            if !lift(d, &user)? {
                return Err(Error::NotFound("timeout"));
            }
            d.audit("member.timeout.end", &user.subject(), "", None)
        })
        .await
    }

    /// One page of the timeouts, those that end first at the front, behind `after`.
    pub async fn timeouts(
        &self,
        id: WaddleId,
        after: Option<MembersAfter>,
        limit: usize,
    ) -> Result<Vec<Timeout>> {
        let limit = limit.min(Page::MAX);
        let db = self.db(id).await?;
        Ok(db
            .read(move |conn| timeouts::page(conn, after.as_ref(), limit))
            .await?)
    }
}
