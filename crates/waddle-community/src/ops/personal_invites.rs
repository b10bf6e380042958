//! Invites for one person, made through a room (XEP-0045 §7.8.2): whoever is invited accepts by entering. Until then
//! they belong to nothing, and nobody but them can accept.

use std::time::Duration;

use waddle_core::{InviteId, UserId, WaddleId};
use waddle_storage::repo::{invites, members};

use super::{
    bounded,
    invites::{hash, is_spent, new_code, stands},
    members as member_ops,
};
use crate::{Actor, Community, Error, Event, Invite, On, Result, Role};

/// Seconds of a day.
const DAY: u64 = 86_400;

impl Community {
    /// Invites one person to become a member by entering. Needs `waddle#invite`. An earlier invite of the same person is
    /// renewed; for a member there is none to make.
    ///
    /// # Errors
    /// [`Error::Conflict`] for who is banned, [`Error::Limit`] of open invites.
    pub async fn invite_person(&self, actor: impl Into<Actor>, id: WaddleId, user: &UserId) -> Result<()> {
        let user = user.clone();
        self.change(id, actor.into(), move |d| {
            d.require(On::Waddle, "invite")?;
            if !member_ops::may_give(d.actor_role(), Role::Member) {
                return Err(Error::Forbidden);
            }
            if members::is_banned(d.tx, &user)? {
                return Err(Error::Conflict("they are banned; lift the ban first"));
            }
            if members::get(d.tx, &user)?.is_some() {
                return Ok(());
            }
            invites::delete_spent(d.tx, d.now)?;
            invites::delete_of_person(d.tx, &user)?;
            bounded(
                "open invites in a waddle",
                invites::count(d.tx)?,
                d.limits.invites_per_waddle,
            )?;
            let invite = Invite {
                id: InviteId::new(),
                role: Role::Member,
                max_uses: Some(1),
                uses: 0,
                expires_at: Some(
                    d.now
                        .plus(Duration::from_secs(d.limits.personal_invite_days * DAY)),
                ),
                made_by: d.actor.user().cloned(),
                made_at: d.now,
                for_user: Some(user.clone()),
            };
            // A code that nobody knows.
            let code = new_code(d.access.slug())?;
            invites::insert(d.tx, &invite, &hash(&code))?;
            let waddle = d.waddle();
            d.audit(
                "invite.person",
                &user.subject(),
                &["invite:", &invite.id.to_string()].concat(),
                None,
            )?;
            d.event(Event::InvitesChanged { waddle });
            d.set_invited(&user, true);
            Ok(())
        })
        .await
    }

    /// Makes a member of somebody who was invited in person and now enters; `false` where no invite of theirs counts
    /// (any more).
    ///
    /// # Errors
    /// [`Error::Forbidden`] for who is banned, [`Error::Limit`] where they belong to as many waddles as they may.
    pub async fn accept_personal_invite(&self, user: &UserId, id: WaddleId) -> Result<bool> {
        if !self.access(id).await?.is_invited(user) {
            return Ok(false);
        }
        let (joiner, user) = (user.clone(), user.clone());
        let accepted = self.enter_by_will(id, Actor::User(user.clone()), &joiner, move |d, room| {
            d.set_invited(&user, false);
            if members::is_banned(d.tx, &user)? {
                return Err(Error::Forbidden);
            }
            if members::get(d.tx, &user)?.is_some() {
                return Ok(false);
            }
            let Some(invite) = invites::of_person(d.tx, &user)? else {
                return Ok(false);
            };
            if is_spent(&invite, d.now) || !stands(d, &invite) {
                return Ok(false);
            }
            room?;
            invites::count_use(d.tx, invite.id)?;
            member_ops::enter(d, &user, invite.role, Some(invite.id))?;
            d.audit(
                "invite.accept",
                &["invite:", &invite.id.to_string()].concat(),
                invite.role.as_str(),
                None,
            )?;
            Ok(true)
        });
        accepted.await
    }
}
