//! Who owns a waddle: handing it over.

use waddle_core::{UserId, WaddleId};
use waddle_storage::repo::{members, waddles};

use super::{bounded, members as member_ops};
use crate::{Actor, Community, Error, On, Result, Role};

impl Community {
    /// Makes a member owner in the place of the acting one, who stays as admin. Needs `waddle#transfer`. Where the
    /// operator acts, all owners become admins.
    ///
    /// # Errors
    /// [`Error::NotFound`] for who is no member, [`Error::Limit`] where they own as many waddles as they may.
    pub async fn transfer_waddle(&self, actor: impl Into<Actor>, id: WaddleId, to: &UserId) -> Result<()> {
        let to = to.clone();
        let _one = self.owning().lock().await;
        let room = self.room_to_own(id, &to).await;
        self.change(id, actor.into(), move |d| {
            d.require(On::Waddle, "transfer")?;
            let member = members::get(d.tx, &to)?.ok_or(Error::NotFound("member"))?;
            if d.actor.user() == Some(&to) {
                return Err(Error::Conflict("you own this waddle already"));
            }
            if member.role != Role::Owner {
                room?;
                member_ops::change_role(d, &member, Role::Owner)?;
            }
            let before = match d.actor.user() {
                Some(owner) => members::get(d.tx, owner)?.into_iter().collect(),
                None => members::page(d.tx, Some(Role::Owner), None, d.limits.members_per_waddle)?,
            };
            for owner in before.iter().filter(|m| m.user != to) {
                member_ops::change_role(d, owner, Role::Admin)?;
            }
            d.audit("waddle.transfer", &to.subject(), "", None)
        })
        .await
    }

    /// Somebody who owns as many waddles as allowed cannot own one more, and nobody is made owner of one that they have
    /// not joined themselves.
    pub(super) async fn room_to_own(&self, id: WaddleId, user: &UserId) -> Result<()> {
        let (user, max) = (user.clone(), self.limits().waddles_per_user);
        let server = self.storage().server();
        let (have, unasked) = server
            .read(move |conn| {
                Ok((
                    waddles::owned_by(conn, &user)?,
                    waddles::is_unasked(conn, id, &user)?,
                ))
            })
            .await?;
        if unasked {
            return Err(Error::Conflict(
                "they were added and have not joined yet; ask them to join first",
            ));
        }
        bounded("waddles for one owner", have, max)
    }
}
