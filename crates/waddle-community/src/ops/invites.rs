//! Invite links: expiring, counted, revocable; their codes are stored hashed.

use std::sync::Arc;

use ring::{
    digest,
    rand::{SecureRandom, SystemRandom},
};
use waddle_core::{InviteId, Secret, Slug, Timestamp, UserId, WaddleId};
use waddle_storage::{
    StorageError,
    repo::{invites, members},
};

use super::{bounded, members as member_ops};
use crate::{
    Actor, Community, Error, Event, Invite, InviteLink, NewInvite, On, Result, Role, Waddle, change::Draft,
};

/// Characters of the random part: 5 bits each.
const CODE: usize = 26;
const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
const NO_INVITE: Error = Error::NotFound("invite");

pub(super) fn new_code(slug: &Slug) -> Result<String> {
    let mut bytes = [0; CODE];
    SystemRandom::new()
        .fill(&mut bytes)
        .map_err(|_| StorageError::Io("no random numbers".into()))?;
    let random: String = bytes
        .iter()
        .map(|b| ALPHABET[usize::from(b & 31)] as char)
        .collect();
    Ok(format!("{slug}-{random}"))
}

/// The waddle's slug in a code, if the code has the right shape.
fn slug_of(code: &str) -> Option<Slug> {
    let (slug, random) = code.rsplit_once('-')?;
    let shaped = random.len() == CODE && random.bytes().all(|b| ALPHABET.contains(&b));
    shaped.then(|| slug.parse().ok())?
}

pub(super) fn hash(code: &str) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(digest::digest(&digest::SHA256, code.as_bytes()).as_ref());
    out
}

/// Whether its maker may still give what it gives.
pub(super) fn stands(d: &Draft<'_>, i: &Invite) -> bool {
    i.made_by.as_ref().is_none_or(|maker| {
        d.access.waddle_allows("invite", maker) && member_ops::may_give(d.access.role_of(maker), i.role)
    })
}

pub(super) fn is_spent(i: &Invite, now: Timestamp) -> bool {
    i.expires_at.is_some_and(|at| at <= now) || i.max_uses.is_some_and(|max| i.uses >= max)
}

impl Community {
    /// Makes an invite. Needs `waddle#invite` and a role above the one that it gives.
    pub async fn create_invite(
        &self,
        actor: impl Into<Actor>,
        id: WaddleId,
        new: NewInvite,
    ) -> Result<InviteLink> {
        let now = self.now();
        if new.max_uses == Some(0) {
            return Err(Error::Invalid {
                field: "max_uses",
                why: "at least 1",
            });
        }
        if new.expires_at.is_some_and(|at| at <= now) {
            return Err(Error::Invalid {
                field: "expires_at",
                why: "in the future",
            });
        }
        if new.role == Role::Owner {
            return Err(Error::Invalid {
                field: "role",
                why: "an invite makes no owners",
            });
        }
        self.change(id, actor.into(), move |d| {
            d.require(On::Waddle, "invite")?;
            if !member_ops::may_give(d.actor_role(), new.role) {
                return Err(Error::Forbidden);
            }
            invites::delete_spent(d.tx, d.now)?;
            bounded(
                "open invites in a waddle",
                invites::count(d.tx)?,
                d.limits.invites_per_waddle,
            )?;
            let code = new_code(d.access.slug())?;
            let invite = Invite {
                id: InviteId::new(),
                role: new.role,
                max_uses: new.max_uses,
                uses: 0,
                expires_at: new.expires_at,
                made_by: d.actor.user().cloned(),
                made_at: d.now,
                for_user: None,
            };
            invites::insert(d.tx, &invite, &hash(&code))?;
            d.audit(
                "invite.create",
                &format!("invite:{}", invite.id),
                invite.role.as_str(),
                None,
            )?;
            d.event(Event::InvitesChanged { waddle: id });
            Ok(InviteLink {
                invite,
                code: Secret::new(code),
            })
        })
        .await
    }

    /// What a code invites to, for the page that asks before accepting.
    ///
    /// # Errors
    /// [`Error::NotFound`] for a code that is none, whether its waddle exists or not; [`Error::Expired`].
    pub async fn invite_info(&self, code: &Secret) -> Result<(Arc<Waddle>, Invite)> {
        let waddle = self.invited_to(code).ok_or(NO_INVITE)?;
        let hash = hash(code.expose());
        let db = self.db(waddle.id).await?;
        let invite = db
            .read(move |conn| invites::by_hash(conn, &hash))
            .await?
            .ok_or(NO_INVITE)?;
        if is_spent(&invite, self.now()) {
            return Err(Error::Expired("invite"));
        }
        Ok((waddle, invite))
    }

    fn invited_to(&self, code: &Secret) -> Option<Arc<Waddle>> {
        self.waddle_by_slug(&slug_of(code.expose())?)
    }

    /// Accepts an invite; somebody who is a member already stays what they are, and no use is counted.
    ///
    /// # Errors
    /// [`Error::NotFound`] for a code that is none, [`Error::Expired`] also where its maker has no right to give
    /// that role any more, [`Error::Forbidden`] for who is banned, [`Error::Limit`].
    pub async fn accept_invite(&self, user: &UserId, code: &Secret) -> Result<(Arc<Waddle>, Role)> {
        let waddle = self.invited_to(code).ok_or(NO_INVITE)?;
        let (hash, user) = (hash(code.expose()), user.clone());
        let (actor, joiner) = (Actor::User(user.clone()), user.clone());
        let accepted = self.enter_by_will(waddle.id, actor, &joiner, move |d, room| {
            let invite = invites::by_hash(d.tx, &hash)?.ok_or(NO_INVITE)?;
            if members::is_banned(d.tx, &user)? {
                return Err(Error::Forbidden);
            }
            if let Some(member) = members::get(d.tx, &user)? {
                return room.map(|()| member.role);
            }
            if is_spent(&invite, d.now) || !stands(d, &invite) {
                return Err(Error::Expired("invite"));
            }
            room?;
            invites::count_use(d.tx, invite.id)?;
            member_ops::enter(d, &user, invite.role, Some(invite.id))?;
            d.audit(
                "invite.accept",
                &format!("invite:{}", invite.id),
                invite.role.as_str(),
                None,
            )?;
            Ok(invite.role)
        });
        Ok((waddle, accepted.await?))
    }

    /// The invites that are kept, the newest first.
    pub async fn invites(&self, id: WaddleId) -> Result<Vec<Invite>> {
        Ok(self.db(id).await?.read(invites::list).await?)
    }

    /// Makes an invite void. Needs `waddle#invite`; those of others need `waddle#manage_members`.
    pub async fn revoke_invite(&self, actor: impl Into<Actor>, id: WaddleId, invite: InviteId) -> Result<()> {
        self.change(id, actor.into(), move |d| {
            d.require(On::Waddle, "invite")?;
            let found = invites::get(d.tx, invite)?.ok_or(NO_INVITE)?;
            if found.made_by.as_ref() != d.actor.user() {
                d.require(On::Waddle, "manage_members")?;
            }
            invites::delete(d.tx, invite)?;
            if let Some(user) = &found.for_user {
                d.set_invited(user, false);
            }
            d.event(Event::InvitesChanged { waddle: id });
            d.audit("invite.revoke", &format!("invite:{invite}"), "", None)
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_name_their_waddle_and_are_never_alike() {
        let slug: Slug = "my-waddle".parse().unwrap();
        let (a, b) = (new_code(&slug).unwrap(), new_code(&slug).unwrap());
        assert_ne!(a, b);
        assert_eq!(slug_of(&a), Some(slug));
        assert_eq!(a.len(), "my-waddle-".len() + CODE);
        for bad in [
            "",
            "penguins",
            "penguins-short",
            &a[1..a.len() - 1],
            &a.to_uppercase(),
        ] {
            assert_eq!(slug_of(bad), None, "{bad}");
        }
    }
}
