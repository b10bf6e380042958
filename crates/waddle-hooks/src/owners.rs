//! What the ban of a person means for their bots: these are not in the waddle either (`specs/integrations.md`, "Bots").

use waddle_community::{Actor, RemovalKind};
use waddle_core::{BotId, UserId, WaddleId};
use waddle_storage::repo::bots;

use crate::{Error, Hooks, Result};

/// Bots that are looked at in one go.
const PAGE: usize = 500;
/// What the bot's removal says.
const WHY: &str = "its owner is banned";

impl Hooks {
    /// Somebody was banned: their own bots go too.
    pub(crate) async fn expel_bots_of(&self, waddle: WaddleId, owner: UserId) {
        let owned = self
            .server_db()
            .read(move |conn| bots::of_owner(conn, &owner))
            .await;
        match owned {
            Ok(owned) => {
                for bot in owned {
                    noted(waddle, bot.id, self.expel(waddle, bot.id).await);
                }
            }
            Err(error) => tracing::warn!(%waddle, %error, "bots of somebody who was banned may stay"),
        }
    }

    /// A bot came in: not where its owner is banned.
    pub(crate) async fn expel_if_owner_is_banned(&self, waddle: WaddleId, bot: BotId) {
        let found = self.server_db().read(move |conn| bots::get(conn, bot)).await;
        let done = match found {
            Ok(Some(row)) => match row.owner {
                Some(owner) => self.expel_where_banned(waddle, bot, &owner).await,
                None => Ok(()),
            },
            Ok(None) => Ok(()),
            Err(e) => Err(e.into()),
        };
        noted(waddle, bot, done);
    }

    /// Looks at all bots of people: at the start, and where changes were missed.
    pub(crate) fn expel_bots_of_banned(&self) {
        let weak = std::sync::Arc::downgrade(&self.0);
        tokio::spawn(async move {
            let mut after = None;
            loop {
                let Some(hooks) = weak.upgrade().map(Hooks) else {
                    return;
                };
                let page = hooks
                    .server_db()
                    .read(move |conn| bots::personal(conn, after, PAGE))
                    .await;
                let page = page.unwrap_or_else(|error| {
                    tracing::warn!(%error, "bots of people who are banned may stay");
                    Vec::new()
                });
                let Some((last, _)) = page.last() else { return };
                after = Some(*last);
                for (bot, owner) in page {
                    for (w, _) in hooks
                        .community()
                        .waddles_of(&UserId::bot(bot))
                        .await
                        .unwrap_or_default()
                    {
                        noted(w.id, bot, hooks.expel_where_banned(w.id, bot, &owner).await);
                    }
                }
            }
        });
    }

    async fn expel_where_banned(&self, waddle: WaddleId, bot: BotId, owner: &UserId) -> Result<()> {
        let access = self.community().access(waddle).await?;
        if access.is_banned(owner) {
            self.expel(waddle, bot).await
        } else {
            Ok(())
        }
    }

    async fn expel(&self, waddle: WaddleId, bot: BotId) -> Result<()> {
        let (kind, user) = (RemovalKind::Kicked, UserId::bot(bot));
        let gone = self
            .community()
            .remove_member(Actor::System, waddle, &user, kind, Some(WHY))
            .await;
        match gone.map_err(Error::from) {
            // no member
            Err(Error::NotFound(_)) => Ok(()),
            done => done,
        }
    }
}

fn noted(waddle: WaddleId, bot: BotId, done: Result<()>) {
    if let Err(error) = done {
        tracing::warn!(%waddle, %bot, %error, "the bot of somebody who is banned stays");
    }
}
