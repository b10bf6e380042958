//! What becomes of bots with those who own them (`specs/integrations.md`, "Bots"): a person's ban and timeout are those of
//! their bots too, and where a waddle or an account is gone, its bots go.

use waddle_community::{Actor, RemovalKind, WaddleAccess};
use waddle_core::{BotId, Timestamp, UserId, WaddleId};
use waddle_storage::repo::bots::{self, BotRow, Owned};

use crate::{Error, Hooks, Result};

/// Bots that are looked at in one go.
const PAGE: usize = 500;
/// What the bot's removal says.
const BANNED: &str = "its owner is banned";
/// What the bot's timeout says.
const SILENT: &str = "its owner has a timeout";

impl Hooks {
    async fn bots_of_person(&self, owner: &UserId) -> Vec<BotRow> {
        if owner.is_bot() {
            return Vec::new();
        }
        let of = owner.clone();
        let owned = self.server_db().read(move |conn| bots::of_owner(conn, &of)).await;
        owned.unwrap_or_else(|error| {
            tracing::warn!(%owner, %error, "what happened to somebody may not reach their bots");
            Vec::new()
        })
    }

    /// Somebody was banned: their own bots go too.
    pub(crate) async fn expel_bots_of(&self, waddle: WaddleId, owner: &UserId) {
        for bot in self.bots_of_person(owner).await {
            noted(waddle, bot.id, self.expel(waddle, bot.id).await);
        }
    }

    /// Somebody got a timeout, another one, or it ended: so do their own bots.
    pub(crate) async fn silence_bots_of(&self, waddle: WaddleId, owner: &UserId, until: Option<Timestamp>) {
        for bot in self.bots_of_person(owner).await {
            let done = match self.community().access(waddle).await {
                Ok(access) => self.silence(&access, waddle, bot.id, until).await,
                Err(e) => Err(e.into()),
            };
            noted(waddle, bot.id, done);
        }
    }

    /// The account of somebody was disabled: their bots' connections end, and their tokens rest.
    pub(crate) async fn end_bots_of(&self, owner: &UserId) {
        for bot in self.bots_of_person(owner).await {
            self.0.deps.identity.end_connections(&UserId::bot(bot.id));
        }
    }

    /// A bot came in: not where its owner is banned, and silent where they are.
    pub(crate) async fn follow_owner(&self, waddle: WaddleId, bot: BotId) {
        let found = self.server_db().read(move |conn| bots::get(conn, bot)).await;
        let done = match found.map(|row| row.and_then(|r| r.owner)) {
            Ok(Some(owner)) => self.follow(waddle, bot, &owner).await,
            Ok(None) => Ok(()),
            Err(e) => Err(e.into()),
        };
        noted(waddle, bot, done);
    }

    /// Looks at all bots: at the start, and where changes were missed.
    pub(crate) fn look_at_bots(&self) {
        let weak = std::sync::Arc::downgrade(&self.0);
        tokio::spawn(async move {
            let mut after = None;
            loop {
                let Some(hooks) = weak.upgrade().map(Hooks) else {
                    return;
                };
                let page = hooks
                    .server_db()
                    .read(move |conn| bots::all(conn, after, PAGE))
                    .await;
                let page = page.unwrap_or_else(|error| {
                    tracing::warn!(%error, "bots may go on without those who own them");
                    Vec::new()
                });
                let Some((last, ..)) = page.last() else { return };
                after = Some(*last);
                for owned in page {
                    let bot = owned.0;
                    if let Err(error) = hooks.look_at(owned).await {
                        tracing::warn!(%bot, %error, "a bot may go on without who owns it");
                    }
                }
            }
        });
    }

    async fn look_at(&self, (bot, waddle, owner): Owned) -> Result<()> {
        let identity = &self.0.deps.identity;
        let gone = match (waddle, &owner) {
            (Some(waddle), _) => self.community().waddle_by_id(waddle).is_none(),
            (None, Some(owner)) => match identity.by_user(owner).await? {
                Some(account) if account.disabled => {
                    identity.end_connections(&UserId::bot(bot));
                    false
                }
                found => found.is_none(),
            },
            (None, None) => false,
        };
        if gone {
            return self.remove_bot(bot).await;
        }
        let Some(owner) = owner else { return Ok(()) };
        for (w, _) in self.community().waddles_of(&UserId::bot(bot)).await? {
            noted(w.id, bot, self.follow(w.id, bot, &owner).await);
        }
        Ok(())
    }

    async fn follow(&self, waddle: WaddleId, bot: BotId, owner: &UserId) -> Result<()> {
        let access = self.community().access(waddle).await?;
        if access.is_banned(owner) {
            return self.expel(waddle, bot).await;
        }
        let until = access.timeout_of(owner).map(|t| t.expires_at);
        self.silence(&access, waddle, bot, until).await
    }

    async fn expel(&self, waddle: WaddleId, bot: BotId) -> Result<()> {
        let (kind, user) = (RemovalKind::Kicked, UserId::bot(bot));
        let gone = self
            .community()
            .remove_member(Actor::System, waddle, &user, kind, Some(BANNED))
            .await;
        match gone.map_err(Error::from) {
            // no member
            Err(Error::NotFound(_)) => Ok(()),
            done => done,
        }
    }

    /// Gives a bot its owner's timeout, or takes it back. One of its own that lasts longer stays.
    async fn silence(
        &self,
        access: &WaddleAccess,
        waddle: WaddleId,
        bot: BotId,
        until: Option<Timestamp>,
    ) -> Result<()> {
        let (user, now) = (UserId::bot(bot), self.now());
        let own = access.timeout_of(&user).filter(|t| t.expires_at > now);
        let ours = own.as_ref().is_some_and(|t| t.reason.as_deref() == Some(SILENT));
        let done = match until.filter(|until| *until > now) {
            Some(until) if own.as_ref().is_some_and(|t| t.expires_at == until) => return Ok(()),
            Some(until) if ours || own.as_ref().is_none_or(|t| t.expires_at < until) => {
                let community = self.community();
                let given = community.timeout_member(Actor::System, waddle, &user, until, Some(SILENT));
                given.await.map(drop)
            }
            None if ours => self.community().end_timeout(Actor::System, waddle, &user).await,
            _ => return Ok(()),
        };
        match done.map_err(Error::from) {
            // no member, or over meanwhile
            Err(Error::NotFound(_) | Error::Invalid { .. }) => Ok(()),
            done => done,
        }
    }
}

fn noted(waddle: WaddleId, bot: BotId, done: Result<()>) {
    if let Err(error) = done {
        tracing::warn!(%waddle, %bot, %error, "what happened to somebody does not reach their bot");
    }
}
