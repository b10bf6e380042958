//! Purges: all that somebody said, or the last of it, is retracted by a moderator (`specs/moderation.md`, "Purges").
//! Decided here; carried out by the rooms, a part at a time, and taken up again after a restart.

use waddle_core::{ChannelId, MessageId, Timestamp, UserId, WaddleId};
use waddle_storage::repo::moderation::{self, Purge};

use super::{bounded, reason as check_reason};
use crate::{Actor, Community, Error, Event, On, Result, WaddleAccess};

/// What is to go; without bounds everything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PurgeRequest {
    /// Only in this channel.
    pub channel: Option<ChannelId>,
    /// Only the last so many messages.
    pub last: Option<u64>,
    /// Only what was said since then.
    pub since: Option<Timestamp>,
    /// Why; up to 500 characters.
    pub reason: Option<String>,
}

/// Whether somebody may purge what `user` said, in one channel or everywhere.
fn may_purge(access: &WaddleAccess, actor: &Actor, user: &UserId, channel: Option<ChannelId>) -> Result<()> {
    let own = actor.user() == Some(user);
    let (on, relation) = match channel {
        _ if own => (On::Waddle, "view"),
        Some(channel) => (On::Channel(channel), "moderate"),
        None => (On::Waddle, "moderate"),
    };
    if let Some(actor) = actor.user() {
        if !access.allows(on, relation, actor) {
            return Err(Error::Forbidden);
        }
        let above = match channel {
            // Whoever moderates a channel is above its plain members there.
            Some(c) => {
                let theirs = access.rank_in(c, user);
                theirs.is_none() || theirs < access.rank_in(c, actor)
            }
            // Everywhere a custom role counts by its place.
            None => {
                let theirs = access.rank_of(user);
                theirs.ladder.is_none() || access.rank_of(actor).is_above(theirs)
            }
        };
        if !own && !above {
            return Err(Error::Forbidden);
        }
    }
    match channel {
        Some(c) if access.channel(c).is_none() => Err(Error::NotFound("channel")),
        _ => Ok(()),
    }
}

impl Community {
    /// Begins to purge somebody's messages. Needs `waddle#moderate` (for one channel `channel#moderate`), and a higher
    /// role than theirs; one's own messages anybody may purge.
    pub async fn start_purge(
        &self,
        actor: impl Into<Actor>,
        id: WaddleId,
        user: &UserId,
        request: PurgeRequest,
    ) -> Result<Purge> {
        check_reason(request.reason.as_deref())?;
        let (actor, user) = (actor.into(), user.clone());
        let access = self.access(id).await?;
        may_purge(&access, &actor, &user, request.channel)?;
        // Marked first, so that a stop of the server between the two leaves nothing undone; only for those who may.
        let server = self.storage().server();
        server
            .write(move |tx| moderation::set_purging(tx, id, true))
            .await?;
        self.change(id, actor, move |d| {
            may_purge(d.access, d.actor, &user, request.channel)?;
            bounded(
                "purges under way",
                moderation::open_purges(d.tx)?,
                d.limits.purges_per_waddle,
            )?;
            let mut purge = Purge {
                id: 0,
                user: user.clone(),
                by: d.actor.user().cloned(),
                reason: request.reason.clone().filter(|r| !r.is_empty()),
                channel: request.channel,
                since: request.since.unwrap_or(Timestamp(0)),
                // Whatever is said from now on stays.
                below: d.tx.next_message_id()?,
                left: request.last.unwrap_or(i64::MAX as u64),
                removed: 0,
                at: d.now,
                finished_at: None,
            };
            purge.id = moderation::insert_purge(d.tx, &purge)?;
            let what = match (request.last, request.since) {
                (Some(n), _) => format!("the last {n}"),
                (None, Some(since)) => format!("since {since}"),
                (None, None) => "all".to_owned(),
            };
            let what = format!("{what}, purge {}", purge.id);
            d.audit("messages.purge", &user.subject(), &what, purge.reason.as_deref())?;
            d.event(Event::PurgeStarted { waddle: id });
            Ok(purge)
        })
        .await
    }

    /// How far a purge has come. Needs `waddle#moderate`, or to have asked for it.
    pub async fn purge(&self, actor: impl Into<Actor>, id: WaddleId, number: i64) -> Result<Purge> {
        let actor = actor.into();
        let access = self.access(id).await?;
        let found = self
            .db(id)
            .await?
            .read(move |conn| moderation::purge(conn, number))
            .await?;
        match (actor.user(), found) {
            (None, found) => found.ok_or(Error::NotFound("purge")),
            (Some(u), Some(p)) if p.by.as_ref() == Some(u) && access.is_member(u) => Ok(p),
            (Some(u), found) if access.allows(On::Waddle, "moderate", u) => {
                found.ok_or(Error::NotFound("purge"))
            }
            _ => Err(Error::Forbidden),
        }
    }

    /// The oldest purge of a waddle that is not done.
    pub async fn next_purge(&self, id: WaddleId) -> Result<Option<Purge>> {
        Ok(self.db(id).await?.read(moderation::next_purge).await?)
    }

    /// A purge has come down to `below`; with `done` it is over.
    pub async fn advance_purge(&self, id: WaddleId, number: i64, below: MessageId, done: bool) -> Result<()> {
        if !done {
            let db = self.db(id).await?;
            return Ok(db
                .write(move |tx| moderation::advance_purge(tx, number, below, None))
                .await?);
        }
        self.change(id, Actor::System, move |d| {
            let now = d.now;
            moderation::advance_purge(d.tx, number, below, Some(now))?;
            let purge = moderation::purge(d.tx, number)?.ok_or(Error::NotFound("purge"))?;
            let total = format!("{} messages, purge {number}", purge.removed);
            d.audit("messages.purged", &purge.user.subject(), &total, None)
        })
        .await
    }
}
