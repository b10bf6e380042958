//! Joining without an invite: at once where a waddle is public, by a request where it is restricted.

use std::{sync::Arc, time::Duration};

use waddle_core::{JoinRequestId, UserId, WaddleId};
use waddle_storage::repo::{accounts, join_requests, members};

use super::{bounded, members as member_ops, members::Will, reason as check_reason, text};
use crate::{
    Actor, Community, Error, Event, JoinRequest, On, Page, Permission, Result, Role, Visibility,
    change::Draft,
};

const NONE: Error = Error::NotFound("request to join");

fn close(d: &mut Draft<'_>, request: &JoinRequest, accepted: bool) {
    let (waddle, slug) = (d.waddle(), d.slug());
    d.event(Event::JoinRequestClosed {
        waddle,
        slug,
        request: request.id,
        user: request.user.clone(),
        accepted,
    });
}

impl Community {
    /// Joins a public waddle; who is a member already stays what they are, from now on by their own will.
    ///
    /// # Errors
    /// [`Error::Forbidden`] for a waddle that is not public, or none, and for who is banned; [`Error::Limit`].
    pub async fn join_waddle(&self, user: &UserId, id: WaddleId) -> Result<Role> {
        let user = user.clone();
        let joiner = user.clone();
        let role = self.enter_by_will(id, Actor::User(user.clone()), &joiner, move |d, room| {
            if let Some(member) = members::get(d.tx, &user)? {
                return room.map(|()| member.role);
            }
            if d.access.waddle().visibility != Visibility::Public {
                return Err(Error::Forbidden);
            }
            room?;
            member_ops::enter(d, &user, Role::Member, None)?;
            d.audit("member.join", &user.subject(), "", None)?;
            Ok(Role::Member)
        });
        let role = role.await;
        self.hide(id, Some(&joiner), role)
    }

    /// Asks to join a restricted waddle, with a message of up to 500 characters.
    ///
    /// # Errors
    /// [`Error::Forbidden`] for a waddle that is not restricted, or none, and for who is banned; [`Error::Conflict`]
    /// for who is a member, has asked already or was refused a short while ago; [`Error::Limit`].
    pub async fn request_to_join(&self, user: &UserId, id: WaddleId, message: &str) -> Result<JoinRequest> {
        text("message", "up to 500 characters", message, (0, 500), true)?;
        let (user, message) = (user.clone(), message.to_owned());
        let known = self.waddle_by_id(id).ok_or(Error::Forbidden)?;
        if known.visibility == Visibility::Private {
            return Err(Error::Forbidden);
        }
        self.room_for_one_more(id, &user, Will::Own).await?;
        self.change_openly(id, Actor::User(user.clone()), move |d| {
            if user.as_str().starts_with("device:") || members::is_banned(d.tx, &user)? {
                return Err(Error::Forbidden);
            }
            if members::get(d.tx, &user)?.is_some() {
                return Err(Error::Conflict("you are a member already"));
            }
            match d.access.waddle().visibility {
                Visibility::Restricted => {}
                Visibility::Public => {
                    return Err(Error::Conflict("everybody may join this waddle without asking"));
                }
                Visibility::Private => return Err(Error::Forbidden),
            }
            let wait = Duration::from_secs(d.limits.join_request_wait_seconds);
            join_requests::forget_refused(d.tx, d.now.minus(wait))?;
            match join_requests::of_user(d.tx, &user)? {
                Some(r) if r.refused_at.is_some() => {
                    return Err(Error::Conflict(
                        "your request was refused; you may ask again later",
                    ));
                }
                Some(_) => return Err(Error::Conflict("you have asked already; wait for an answer")),
                None => {}
            }
            bounded(
                "requests to join a waddle",
                join_requests::count_open(d.tx)?,
                d.limits.join_requests_per_waddle,
            )?;
            let request = JoinRequest {
                id: JoinRequestId::new(),
                user,
                message,
                made_at: d.now,
                refused_at: None,
            };
            join_requests::put(d.tx, &request)?;
            let (waddle, slug) = (d.waddle(), d.slug());
            d.event(Event::JoinRequested {
                waddle,
                slug,
                request: Arc::new(request.clone()),
            });
            d.audit(
                "join_request.make",
                &format!("join_request:{}", request.id),
                "",
                None,
            )?;
            Ok(request)
        })
        .await
    }

    /// Takes one's own request back.
    pub async fn withdraw_join_request(&self, user: &UserId, id: WaddleId) -> Result<()> {
        let user = user.clone();
        if self
            .waddle_by_id(id)
            .is_none_or(|w| w.visibility == Visibility::Private)
        {
            return Err(Error::Forbidden);
        }
        self.change_openly(id, Actor::User(user.clone()), move |d| {
            let request = join_requests::of_user(d.tx, &user)?
                .filter(|r| r.refused_at.is_none())
                .ok_or(NONE)?;
            join_requests::delete_of(d.tx, &user)?;
            close(d, &request, false);
            d.audit(
                "join_request.withdraw",
                &format!("join_request:{}", request.id),
                "",
                None,
            )
        })
        .await
    }

    /// Accepts a request: they are a member; or refuses it. Needs `waddle#invite`.
    ///
    /// # Errors
    /// [`Error::Limit`] where they belong to as many waddles as they may, [`Error::Conflict`] where their account is gone.
    pub async fn answer_join_request(
        &self,
        actor: impl Into<Actor>,
        id: WaddleId,
        request: JoinRequestId,
        accept: bool,
        reason: Option<&str>,
    ) -> Result<JoinRequest> {
        check_reason(reason)?;
        let reason = reason.filter(|r| !r.is_empty()).map(str::to_owned);
        let asked = self.join_request(id, request).await?;
        let gone = match &asked {
            Some(r) if accept => self.is_gone(&r.user).await?,
            _ => false,
        };
        let (actor, joiner) = (actor.into(), asked.filter(|_| accept).map(|r| r.user));
        let by = actor.user().cloned();
        let answer = move |d: &mut Draft<'_>, room: Result<()>| {
            d.require(On::Waddle, Permission::Invite.as_str())?;
            let found = join_requests::get(d.tx, request)?
                .filter(|r| r.refused_at.is_none())
                .ok_or(NONE)?;
            if accept {
                room?;
                if gone {
                    return Err(Error::Conflict("their account was deleted; refuse the request"));
                }
                join_requests::delete_of(d.tx, &found.user)?;
                member_ops::enter(d, &found.user, Role::Member, None)?;
            } else {
                join_requests::refuse(d.tx, request, d.now)?;
            }
            close(d, &found, accept);
            let action = if accept {
                "join_request.accept"
            } else {
                "join_request.refuse"
            };
            d.audit(
                action,
                &found.user.subject(),
                &format!("join_request:{request}"),
                reason.as_deref(),
            )?;
            Ok(found)
        };
        let done = match joiner {
            Some(joiner) => self.enter_by_will(id, actor, &joiner, answer).await,
            None => self.change_openly(id, actor, move |d| answer(d, Ok(()))).await,
        };
        self.hide(id, by.as_ref(), done)
    }

    /// Whether somebody had an account here and has none any more.
    async fn is_gone(&self, user: &UserId) -> Result<bool> {
        let (server, user) = (self.storage().server(), user.clone());
        Ok(server.read(move |conn| accounts::is_gone(conn, &user)).await?)
    }

    /// One page of the requests that wait for an answer, the oldest first, behind `after`.
    pub async fn join_requests(
        &self,
        id: WaddleId,
        after: Option<JoinRequestId>,
        limit: usize,
    ) -> Result<Vec<JoinRequest>> {
        let limit = limit.min(Page::MAX);
        let db = self.db(id).await?;
        Ok(db
            .read(move |conn| join_requests::open(conn, after, limit))
            .await?)
    }

    /// One request.
    pub async fn join_request(&self, id: WaddleId, request: JoinRequestId) -> Result<Option<JoinRequest>> {
        let db = self.db(id).await?;
        Ok(db.read(move |conn| join_requests::get(conn, request)).await?)
    }

    /// What somebody asked of a waddle, if they did.
    pub async fn join_request_of(&self, id: WaddleId, user: &UserId) -> Result<Option<JoinRequest>> {
        let (db, user) = (self.db(id).await?, user.clone());
        Ok(db.read(move |conn| join_requests::of_user(conn, &user)).await?)
    }
}
