//! Bots: accounts of programs, owned by a waddle or a person (`specs/integrations.md`).

use serde::{Deserialize, Serialize};
use tokio::sync::broadcast::error::RecvError;
use url::Url;
use waddle_community::{Actor, AuditLine, Need, Permission, Role, WaddleAccess};
use waddle_core::{BotId, Secret, Timestamp, UserId, WaddleId};
use waddle_identity::{CredentialId, IdentityEvent, IssuedToken, TokenInfo};
use waddle_storage::repo::bots::{self, BotRow};

use crate::{
    Error, Hooks, Result,
    incoming::{clean, clean_name, web_url},
    sign,
};

/// What a bot may be allowed.
pub const SCOPES: &[(&str, &str)] = &[
    ("read", "read what it may read, over HTTP"),
    (
        "messages:write",
        "say, correct, react, answer commands, over HTTP",
    ),
    ("moderate", "moderate where its role allows it, over HTTP"),
    ("manage", "manage where its role allows it, over HTTP"),
    ("chat", "log in over XMPP and MQTT, as a person does"),
];

/// Who owns a bot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BotOwner {
    /// A waddle: whoever has `manage_bots` there.
    Waddle(WaddleId),
    /// A person.
    Person(UserId),
}

/// A bot to be made, or what is to be changed of one.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BotChange {
    /// 1 to 80 characters.
    pub name: Option<String>,
    /// Up to 500 characters.
    pub description: Option<String>,
    /// Its picture; empty for none.
    pub avatar_url: Option<String>,
    /// Of [`SCOPES`].
    pub scopes: Option<Vec<String>>,
    /// Where slash commands go, by https; empty for none.
    pub callback_url: Option<String>,
}

/// A bot as its managers see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BotInfo {
    /// Its identifier.
    pub id: BotId,
    /// The subject of permissions.
    pub user: UserId,
    /// Its address.
    pub jid: String,
    /// What it is called.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// Its picture.
    pub avatar_url: Option<String>,
    /// What it may do.
    pub scopes: Vec<String>,
    /// The waddle that owns it.
    pub waddle_id: Option<WaddleId>,
    /// The person who owns it.
    pub owner: Option<UserId>,
    /// Where slash commands go.
    pub callback_url: Option<String>,
    /// When it was made.
    pub made_at: Timestamp,
}

/// A bot just made: the only time that its token and the secret of its callback are known.
#[derive(Debug, Clone)]
pub struct NewBot {
    /// The bot.
    pub bot: BotInfo,
    /// Its first token.
    pub token: IssuedToken,
    /// What signs its slash commands, where it has an address for them.
    pub secret: Option<Secret>,
}

/// Whether somebody may act through a bot of a waddle: they have all that it has there, or they would rise by it.
fn commands(access: &WaddleAccess, actor: &Actor, id: BotId) -> bool {
    let (Some(user), bot) = (actor.user(), UserId::bot(id)) else {
        return true;
    };
    let equal = |theirs: bool, own: bool| own || !theirs;
    let ladder = access.role_of(&bot) <= access.role_of(user);
    let permissions = Permission::ALL.iter().all(|p| {
        let has = |who: &UserId| access.waddle_allows(p.as_str(), who);
        equal(has(&bot), has(user))
    });
    let channels = || {
        access.channels().iter().all(|c| {
            let has = |relation: &str, who: &UserId| access.channel_allows(c.id, relation, who);
            ["view", "speak", "moderate", "manage"]
                .iter()
                .all(|r| equal(has(r, &bot), has(r, user)))
        })
    };
    ladder && permissions && channels()
}

fn line(action: &'static str, id: BotId, name: &str) -> AuditLine {
    AuditLine {
        action,
        target: UserId::bot(id).subject(),
        detail: name.to_owned(),
    }
}

/// Where the secret of a bot's callback is kept, for its encryption.
pub(crate) fn place(bot: BotId) -> String {
    format!("bot callback {bot}")
}

pub(crate) fn scopes_of(row: &BotRow) -> Vec<String> {
    serde_json::from_str(&row.scopes).unwrap_or_default()
}

impl Hooks {
    pub(crate) fn bot_info(&self, row: &BotRow) -> BotInfo {
        BotInfo {
            id: row.id,
            user: UserId::bot(row.id),
            jid: [&row.localpart, "@", self.community().domain()].concat(),
            name: row.name.clone(),
            description: row.description.clone(),
            avatar_url: row.avatar_url.clone(),
            scopes: scopes_of(row),
            waddle_id: row.waddle,
            owner: row.owner.clone(),
            callback_url: row.callback.clone(),
            made_at: row.made_at,
        }
    }

    /// Changes a row; a new secret where its callback is new.
    fn apply_bot(&self, change: BotChange, row: &mut BotRow) -> Result<Option<Secret>> {
        if let Some(name) = change.name {
            row.name =
                clean_name(&name).ok_or_else(|| Error::invalid("name", "1 to 80 characters on one line"))?;
        }
        if let Some(text) = change.description {
            row.description = clean(&text, 500);
        }
        if let Some(url) = change.avatar_url {
            row.avatar_url = match url.as_str() {
                "" => None,
                url => {
                    Some(web_url(url).ok_or_else(|| Error::invalid("avatar_url", "an address of the web"))?)
                }
            };
        }
        if let Some(scopes) = change.scopes {
            if let Some(bad) = scopes
                .iter()
                .find(|s| !SCOPES.iter().any(|(known, _)| known == s))
            {
                let all: Vec<&str> = SCOPES.iter().map(|(s, _)| *s).collect();
                let bad: String = bad.chars().take(40).collect();
                return Err(Error::invalid(
                    "scopes",
                    format!("{bad:?} is none of {}", all.join(", ")),
                ));
            }
            row.scopes = serde_json::to_string(&scopes).unwrap_or_default();
        }
        match change.callback_url.as_deref() {
            None => Ok(None),
            Some("") => {
                (row.callback, row.secret) = (None, None);
                Ok(None)
            }
            Some(url) => {
                let parsed = Url::parse(url).ok().filter(|_| url.len() <= 2_048);
                let parsed = parsed.ok_or_else(|| Error::invalid("callback_url", "an https address"))?;
                self.0
                    .fetcher
                    .check(&parsed)
                    .map_err(|e| Error::invalid("callback_url", e.to_string()))?;
                let secret = sign::new_secret()?;
                row.callback = Some(parsed.into());
                row.secret = Some(
                    self.0
                        .deps
                        .identity
                        .seal(&place(row.id), secret.expose().as_bytes())?,
                );
                Ok(Some(secret))
            }
        }
    }

    /// Makes a bot with its account and first token. A waddle's needs `manage_bots`, and becomes a member there.
    pub async fn create_bot(
        &self,
        actor: impl Into<Actor>,
        owner: BotOwner,
        new: BotChange,
    ) -> Result<NewBot> {
        let (actor, id) = (actor.into(), BotId::new());
        if actor.user().is_some_and(UserId::is_bot) {
            return Err(Error::Forbidden);
        }
        let (waddle, person) = match &owner {
            BotOwner::Waddle(w) => (Some(*w), None),
            BotOwner::Person(u) => (None, Some(u.clone())),
        };
        match (&owner, actor.user()) {
            (BotOwner::Waddle(w), Some(user)) => {
                let access = self.community().access(*w).await?;
                if !access.waddle_allows("manage_bots", user) {
                    return Err(Error::Forbidden);
                }
            }
            (BotOwner::Person(p), Some(user)) if p != user => return Err(Error::Forbidden),
            _ => {}
        }
        let max = match waddle {
            Some(_) => self.limits().bots_per_waddle,
            None => self.limits().bots_per_person,
        };
        let mut row = BotRow {
            id,
            localpart: String::new(),
            name: String::new(),
            waddle,
            owner: person,
            description: String::new(),
            avatar_url: None,
            scopes: "[]".into(),
            callback: None,
            secret: None,
            made_by: actor.user().cloned(),
            made_at: self.now(),
        };
        let new = BotChange {
            name: Some(
                new.name
                    .ok_or_else(|| Error::invalid("name", "1 to 80 characters on one line"))?,
            ),
            scopes: Some(
                new.scopes
                    .unwrap_or_else(|| vec!["read".into(), "messages:write".into(), "chat".into()]),
            ),
            ..new
        };
        let secret = self.apply_bot(new, &mut row)?;
        let identity = &self.0.deps.identity;
        let row = identity.create_bot(row, max).await?;
        if let Some(w) = waddle
            && let Err(e) = self.join_bot(&actor, w, &row).await
        {
            // half a bot is none
            if let Err(error) = identity.delete_bot(self.community(), id).await {
                tracing::warn!(bot = %id, %error, "a bot that could not join its waddle stays");
            }
            return Err(e);
        }
        let token = identity.issue_bot_token(id, "first", None).await?;
        Ok(NewBot {
            bot: self.bot_info(&row),
            token,
            secret,
        })
    }

    async fn join_bot(&self, actor: &Actor, waddle: WaddleId, row: &BotRow) -> Result<()> {
        let (id, name) = (row.id, row.name.clone());
        self.community()
            .change_beside(actor, waddle, Need::Waddle("manage_bots"), move |_| {
                Ok(((), Some(line("bot.create", id, &name))))
            })
            .await?;
        self.community()
            .add_member(Actor::System, waddle, &UserId::bot(id), Role::Member)
            .await?;
        Ok(())
    }

    async fn bot_row(&self, id: BotId) -> Result<BotRow> {
        let found = self.server_db().read(move |conn| bots::get(conn, id)).await?;
        found.ok_or(Error::NotFound("bot"))
    }

    /// A bot that the actor may manage; to others there is none.
    async fn managed_bot(&self, actor: &Actor, id: BotId) -> Result<BotRow> {
        let row = self.bot_row(id).await?;
        let Some(user) = actor.user() else { return Ok(row) };
        let may = match (&row.waddle, &row.owner) {
            (Some(w), _) => {
                let access = self.community().access(*w).await?;
                access.waddle_allows("manage_bots", user)
            }
            (None, Some(owner)) => owner == user,
            (None, None) => false,
        };
        if may && !user.is_bot() {
            Ok(row)
        } else {
            Err(Error::NotFound("bot"))
        }
    }

    /// A bot, for whoever manages it, or for itself.
    pub async fn bot(&self, actor: impl Into<Actor>, id: BotId) -> Result<BotInfo> {
        let actor = actor.into();
        let row = if actor.user().and_then(UserId::as_bot) == Some(id) {
            self.bot_row(id).await?
        } else {
            self.managed_bot(&actor, id).await?
        };
        Ok(self.bot_info(&row))
    }

    /// The bots of a waddle (for whoever has `manage_bots`) or of a person.
    pub async fn bots(&self, actor: impl Into<Actor>, owner: BotOwner) -> Result<Vec<BotInfo>> {
        let (actor, server) = (actor.into(), self.server_db());
        let rows = match owner {
            BotOwner::Waddle(w) => {
                if let Some(user) = actor.user() {
                    let access = self.community().access(w).await?;
                    if !access.waddle_allows("manage_bots", user) {
                        return Err(Error::Forbidden);
                    }
                }
                server.read(move |conn| bots::of_waddle(conn, w)).await?
            }
            BotOwner::Person(p) => {
                if actor.user().is_some_and(|u| *u != p) {
                    return Err(Error::Forbidden);
                }
                server.read(move |conn| bots::of_owner(conn, &p)).await?
            }
        };
        Ok(rows.iter().map(|r| self.bot_info(r)).collect())
    }

    /// Changes a bot; a new secret where its callback is new. Where it loses a scope its connections end. Needs all that the
    /// bot itself may do in its waddle, as its tokens do.
    pub async fn update_bot(
        &self,
        actor: impl Into<Actor>,
        id: BotId,
        change: BotChange,
    ) -> Result<(BotInfo, Option<Secret>)> {
        let actor = actor.into();
        let row = self.managed_bot(&actor, id).await?;
        // what cannot be is no change, and stands in no log
        self.apply_bot(change.clone(), &mut row.clone())?;
        self.command_bot(&actor, &row, "bot.update").await?;
        let this = self.clone();
        let changed = self
            .server_db()
            .write(move |tx| {
                // the row of now: another change may have come between
                let Some(mut row) = bots::get(tx, id)? else {
                    return Ok(Err(Error::NotFound("bot")));
                };
                let before = scopes_of(&row);
                let secret = match this.apply_bot(change, &mut row) {
                    Ok(secret) => secret,
                    Err(e) => return Ok(Err(e)),
                };
                bots::update(tx, &row)?;
                Ok(Ok((row, before, secret)))
            })
            .await?;
        let (row, before, secret) = changed?;
        let now = scopes_of(&row);
        if before.iter().any(|s| !now.contains(s)) {
            self.0.deps.identity.end_connections(&UserId::bot(id));
        }
        Ok((self.bot_info(&row), secret))
    }

    /// Decides in the waddle's turn whether a bot's manager may do something, and notes it; `through` where it needs all
    /// that the bot has.
    async fn decide(&self, actor: &Actor, row: &BotRow, action: &'static str, through: bool) -> Result<()> {
        let Some(waddle) = row.waddle else { return Ok(()) };
        let (id, name) = (row.id, row.name.clone());
        let noted = self
            .community()
            .change_beside(actor, waddle, Need::Waddle("manage_bots"), move |b| {
                if through && !commands(b.access, b.actor, id) {
                    return Err(waddle_community::Error::Forbidden);
                }
                Ok(((), Some(line(action, id, &name))))
            })
            .await;
        Ok(noted?)
    }

    async fn note_bot(&self, actor: &Actor, row: &BotRow, action: &'static str) -> Result<()> {
        self.decide(actor, row, action, false).await
    }

    /// The same for who would act through the bot.
    async fn command_bot(&self, actor: &Actor, row: &BotRow, action: &'static str) -> Result<()> {
        self.decide(actor, row, action, true).await
    }

    /// Deletes a bot: its commands, memberships, tokens and connections end.
    pub async fn delete_bot(&self, actor: impl Into<Actor>, id: BotId) -> Result<()> {
        let actor = actor.into();
        let row = self.managed_bot(&actor, id).await?;
        self.note_bot(&actor, &row, "bot.delete").await?;
        self.remove_bot(id).await
    }

    /// The end of a bot, whoever wants it.
    pub(crate) async fn remove_bot(&self, id: BotId) -> Result<()> {
        self.drop_commands_of(id).await;
        self.0.interactions.drop_bot(id);
        self.0.deps.identity.delete_bot(self.community(), id).await?;
        Ok(())
    }

    /// The bots of whoever deletes their account go with them.
    pub(crate) fn listen_to_accounts(&self) {
        let (mut events, weak) = (self.0.deps.identity.events(), std::sync::Arc::downgrade(&self.0));
        tokio::spawn(async move {
            loop {
                let event = events.recv().await;
                let Some(hooks) = weak.upgrade().map(Hooks) else {
                    return;
                };
                match event {
                    Ok(IdentityEvent::AccountDeleted { user }) => hooks.account_gone(user).await,
                    Ok(IdentityEvent::AccountDisabled { user }) => hooks.end_bots_of(&user).await,
                    Ok(_) => {}
                    Err(RecvError::Lagged(_)) => hooks.look_at_bots(),
                    Err(RecvError::Closed) => return,
                }
            }
        });
    }

    async fn account_gone(&self, user: UserId) {
        if let Some(bot) = user.as_bot() {
            self.drop_commands_of(bot).await;
            self.0.interactions.drop_bot(bot);
            return;
        }
        let owned = self
            .server_db()
            .read(move |conn| bots::of_owner(conn, &user))
            .await;
        for bot in owned.unwrap_or_default() {
            if let Err(error) = self.remove_bot(bot.id).await {
                tracing::warn!(bot = %bot.id, %error, "the bot of a deleted account stays");
            }
        }
    }

    /// Makes another token of a bot, until a time or without an end.
    pub async fn create_bot_token(
        &self,
        actor: impl Into<Actor>,
        id: BotId,
        label: &str,
        expires_at: Option<Timestamp>,
    ) -> Result<IssuedToken> {
        let actor = actor.into();
        let row = self.managed_bot(&actor, id).await?;
        self.command_bot(&actor, &row, "bot.token.create").await?;
        Ok(self
            .0
            .deps
            .identity
            .issue_bot_token(id, label, expires_at)
            .await?)
    }

    /// A bot's live tokens, the newest first.
    pub async fn bot_tokens(&self, actor: impl Into<Actor>, id: BotId) -> Result<Vec<TokenInfo>> {
        self.managed_bot(&actor.into(), id).await?;
        Ok(self.0.deps.identity.tokens(&UserId::bot(id)).await?)
    }

    /// Revokes a token of a bot and ends what it logged in.
    pub async fn revoke_bot_token(&self, actor: impl Into<Actor>, id: BotId, token: i64) -> Result<()> {
        let actor = actor.into();
        let row = self.managed_bot(&actor, id).await?;
        self.note_bot(&actor, &row, "bot.token.revoke").await?;
        let token = CredentialId(token);
        Ok(self.0.deps.identity.revoke_token(&UserId::bot(id), token).await?)
    }
}
