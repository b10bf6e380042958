//! `/bots` (one's own), `/waddles/{w}/bots`, `/bots/{bot}` and its tokens (`specs/integrations.md`).

use axum::{
    extract::{Path, State},
    http::StatusCode,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};
use waddle_core::{BotId, Timestamp, UserId, WaddleId};
use waddle_hooks::{BotChange, BotInfo, BotOwner, NewBot};

use super::{visible, webhooks::hooks};
use crate::{
    App,
    auth::Auth,
    problem::Problem,
    rest::{Created, Json},
};

/// These addresses.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list_own, create_own))
        .routes(routes!(list, create))
        .routes(routes!(show, change, remove))
        .routes(routes!(tokens, create_token))
        .routes(routes!(show_token, revoke_token))
}

/// A bot.
#[derive(Debug, Serialize, ToSchema)]
pub struct BotView {
    id: BotId,
    /// The subject of permissions: it is made a member and given roles like a person.
    user: UserId,
    /// Its address.
    jid: String,
    name: String,
    description: String,
    avatar_url: Option<String>,
    /// What its tokens may do: `read`, `messages:write`, `moderate`, `manage` over HTTP, `chat` over XMPP and MQTT.
    scopes: Vec<String>,
    /// The waddle that owns it.
    waddle_id: Option<WaddleId>,
    /// The person who owns it.
    owner: Option<UserId>,
    /// Where slash commands go; without it they are in its stream alone.
    callback_url: Option<String>,
    created_at: Timestamp,
}

fn view(b: BotInfo) -> BotView {
    BotView {
        id: b.id,
        user: b.user,
        jid: b.jid,
        name: b.name,
        description: b.description,
        avatar_url: b.avatar_url,
        scopes: b.scopes,
        waddle_id: b.waddle_id,
        owner: b.owner,
        callback_url: b.callback_url,
        created_at: b.made_at,
    }
}

/// Bots.
#[derive(Debug, Serialize, ToSchema)]
pub struct BotList {
    bots: Vec<BotView>,
}

/// A token of a bot, just made.
#[derive(Debug, Serialize, ToSchema)]
pub struct NewBotTokenView {
    id: i64,
    /// Logs in over HTTP as a bearer, over XMPP and MQTT as the password; told this once.
    token: String,
    expires_at: Timestamp,
}

fn new_token(t: waddle_identity::IssuedToken) -> NewBotTokenView {
    NewBotTokenView {
        id: t.id.0,
        token: t.token.expose().to_owned(),
        expires_at: t.expires_at,
    }
}

/// A bot that was just made.
#[derive(Debug, Serialize, ToSchema)]
pub struct NewBotView {
    #[serde(flatten)]
    bot: BotView,
    /// Its first token.
    token: NewBotTokenView,
    /// What signs its slash commands, where it has an address for them; told this once.
    callback_secret: Option<String>,
}

fn made(n: NewBot) -> NewBotView {
    NewBotView {
        bot: view(n.bot),
        token: new_token(n.token),
        callback_secret: n.secret.map(|s| s.expose().to_owned()),
    }
}

/// A bot that was changed.
#[derive(Debug, Serialize, ToSchema)]
pub struct ChangedBotView {
    #[serde(flatten)]
    bot: BotView,
    /// What signs its slash commands, where their address was given; told this once.
    callback_secret: Option<String>,
}

/// A bot to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewBotBody {
    /// 1 to 80 characters.
    name: String,
    /// Up to 500 characters.
    description: Option<String>,
    avatar_url: Option<String>,
    /// `read`, `messages:write`, `moderate`, `manage`, `chat`; where they are left out `read`, `messages:write`, `chat`.
    scopes: Option<Vec<String>>,
    /// Where slash commands go, by https.
    callback_url: Option<String>,
}

impl From<NewBotBody> for BotChange {
    fn from(b: NewBotBody) -> Self {
        Self {
            name: Some(b.name),
            description: b.description,
            avatar_url: b.avatar_url,
            scopes: b.scopes,
            callback_url: b.callback_url,
        }
    }
}

/// What is to be changed of a bot; what is left out stays, and an empty address takes it off.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct BotChangeBody {
    name: Option<String>,
    description: Option<String>,
    avatar_url: Option<String>,
    scopes: Option<Vec<String>>,
    callback_url: Option<String>,
}

/// One's own bots.
#[utoipa::path(get, path = "/bots", tag = "bots", security(("token" = ["manage"])),
    responses((status = 200, description = "Bots.", body = BotList)))]
pub async fn list_own(State(app): State<App>, auth: Auth) -> Result<Json<BotList>, Problem> {
    let owner = BotOwner::Person(auth.user().clone());
    let all = hooks(&app)?.bots(auth.user(), owner).await?;
    Ok(Json(BotList {
        bots: all.into_iter().map(view).collect(),
    }))
}

/// Make a bot of one's own: its first token is told this once. Who manages a waddle adds it as a member.
#[utoipa::path(post, path = "/bots", tag = "bots", security(("token" = ["manage"])),
    responses((status = 201, description = "Made.", body = NewBotView)))]
pub async fn create_own(
    State(app): State<App>,
    auth: Auth,
    Json(body): Json<NewBotBody>,
) -> Result<Created<NewBotView>, Problem> {
    let owner = BotOwner::Person(auth.user().clone());
    let new = hooks(&app)?.create_bot(auth.user(), owner, body.into()).await?;
    let place = format!("/api/v1/bots/{}", new.bot.id);
    Ok(Created(app.config.at(&place), made(new)))
}

/// The bots that a waddle owns, for who has `manage_bots`.
#[utoipa::path(get, path = "/waddles/{w}/bots", tag = "bots", security(("token" = ["manage"])),
    responses((status = 200, description = "Bots.", body = BotList)))]
pub async fn list(
    State(app): State<App>,
    auth: Auth,
    Path(w): Path<String>,
) -> Result<Json<BotList>, Problem> {
    let (waddle, _) = visible(&app, auth.user(), &w).await?;
    let all = hooks(&app)?
        .bots(auth.user(), BotOwner::Waddle(waddle.id))
        .await?;
    Ok(Json(BotList {
        bots: all.into_iter().map(view).collect(),
    }))
}

/// Make a bot of a waddle, which it becomes a member of: its first token is told this once.
#[utoipa::path(post, path = "/waddles/{w}/bots", tag = "bots", security(("token" = ["manage"])),
    responses((status = 201, description = "Made.", body = NewBotView)))]
pub async fn create(
    State(app): State<App>,
    auth: Auth,
    Path(w): Path<String>,
    Json(body): Json<NewBotBody>,
) -> Result<Created<NewBotView>, Problem> {
    let (waddle, _) = visible(&app, auth.user(), &w).await?;
    let new = hooks(&app)?
        .create_bot(auth.user(), BotOwner::Waddle(waddle.id), body.into())
        .await?;
    let place = format!("/api/v1/bots/{}", new.bot.id);
    Ok(Created(app.config.at(&place), made(new)))
}

/// The bot that a path names; `@me` is the asker.
pub(super) fn id_of(auth: &Auth, text: &str) -> Result<BotId, Problem> {
    let found = if text == "@me" {
        auth.user().as_bot()
    } else {
        text.parse().ok()
    };
    found.ok_or_else(|| Problem::not_found("bot"))
}

/// A bot, for who manages it, or itself (`@me`).
#[utoipa::path(get, path = "/bots/{bot}", tag = "bots", security(("token" = ["read"])),
    params(("bot" = String, Path, description = "Its identifier, or `@me`.")),
    responses((status = 200, description = "The bot.", body = BotView)))]
pub async fn show(
    State(app): State<App>,
    auth: Auth,
    Path(bot): Path<String>,
) -> Result<Json<BotView>, Problem> {
    let found = hooks(&app)?.bot(auth.user(), id_of(&auth, &bot)?).await?;
    Ok(Json(view(found)))
}

/// Change a bot. Without the scope `chat` its connections end at once.
#[utoipa::path(patch, path = "/bots/{bot}", tag = "bots", security(("token" = ["manage"])),
    params(("bot" = String, Path, description = "Its identifier.")),
    responses((status = 200, description = "Changed.", body = ChangedBotView)))]
pub async fn change(
    State(app): State<App>,
    auth: Auth,
    Path(bot): Path<String>,
    Json(b): Json<BotChangeBody>,
) -> Result<Json<ChangedBotView>, Problem> {
    let change = BotChange {
        name: b.name,
        description: b.description,
        avatar_url: b.avatar_url,
        scopes: b.scopes,
        callback_url: b.callback_url,
    };
    let (bot, secret) = hooks(&app)?
        .update_bot(auth.user(), id_of(&auth, &bot)?, change)
        .await?;
    Ok(Json(ChangedBotView {
        bot: view(bot),
        callback_secret: secret.map(|s| s.expose().to_owned()),
    }))
}

/// Delete a bot: its memberships, commands, tokens and connections end at once.
#[utoipa::path(delete, path = "/bots/{bot}", tag = "bots", security(("token" = ["manage"])),
    params(("bot" = String, Path, description = "Its identifier.")),
    responses((status = 204, description = "Gone.")))]
pub async fn remove(
    State(app): State<App>,
    auth: Auth,
    Path(bot): Path<String>,
) -> Result<StatusCode, Problem> {
    hooks(&app)?.delete_bot(auth.user(), id_of(&auth, &bot)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A token of a bot, without its text.
#[derive(Debug, Serialize, ToSchema)]
pub struct BotTokenView {
    id: i64,
    label: String,
    created_at: Timestamp,
    expires_at: Option<Timestamp>,
    last_used_at: Option<Timestamp>,
}

fn token_view(t: waddle_identity::TokenInfo) -> BotTokenView {
    BotTokenView {
        id: t.id.0,
        label: t.label,
        created_at: t.created_at,
        expires_at: t.expires_at,
        last_used_at: t.last_used_at,
    }
}

/// Tokens of a bot.
#[derive(Debug, Serialize, ToSchema)]
pub struct BotTokenList {
    tokens: Vec<BotTokenView>,
}

/// The tokens of a bot, without their texts.
#[utoipa::path(get, path = "/bots/{bot}/tokens", tag = "bots", security(("token" = ["manage"])),
    params(("bot" = String, Path, description = "Its identifier.")),
    responses((status = 200, description = "Tokens.", body = BotTokenList)))]
pub async fn tokens(
    State(app): State<App>,
    auth: Auth,
    Path(bot): Path<String>,
) -> Result<Json<BotTokenList>, Problem> {
    let all = hooks(&app)?.bot_tokens(auth.user(), id_of(&auth, &bot)?).await?;
    Ok(Json(BotTokenList {
        tokens: all.into_iter().map(token_view).collect(),
    }))
}

/// One token of a bot, without its text.
#[utoipa::path(get, path = "/bots/{bot}/tokens/{token}", tag = "bots", security(("token" = ["manage"])),
    params(("bot" = String, Path, description = "Its identifier."), ("token" = i64, Path, description = "Its number.")),
    responses((status = 200, description = "It.", body = BotTokenView)))]
pub async fn show_token(
    State(app): State<App>,
    auth: Auth,
    Path((bot, token)): Path<(String, String)>,
) -> Result<Json<BotTokenView>, Problem> {
    let all = hooks(&app)?.bot_tokens(auth.user(), id_of(&auth, &bot)?).await?;
    let found = all.into_iter().find(|t| t.id.to_string() == token);
    found
        .map(|t| Json(token_view(t)))
        .ok_or_else(|| Problem::not_found("token"))
}

/// A token of a bot to be made.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct NewBotTokenBody {
    /// What it is for.
    label: String,
    /// When it ends; never where it is left out.
    expires_at: Option<Timestamp>,
}

/// Make another token of a bot: it is told this once.
#[utoipa::path(post, path = "/bots/{bot}/tokens", tag = "bots", security(("token" = ["manage"])),
    params(("bot" = String, Path, description = "Its identifier.")), request_body = Option<NewBotTokenBody>,
    responses((status = 201, description = "Made.", body = NewBotTokenView)))]
pub async fn create_token(
    State(app): State<App>,
    auth: Auth,
    Path(bot): Path<String>,
    body: Option<Json<NewBotTokenBody>>,
) -> Result<Created<NewBotTokenView>, Problem> {
    let bot = id_of(&auth, &bot)?;
    let body = body.map(|b| b.0).unwrap_or_default();
    if body.expires_at.is_some_and(|at| at <= app.deps.identity.now()) {
        return Err(Problem::invalid("expires_at: expected a time to come"));
    }
    let token = hooks(&app)?
        .create_bot_token(auth.user(), bot, &body.label, body.expires_at)
        .await?;
    let place = format!("/api/v1/bots/{bot}/tokens/{}", token.id);
    Ok(Created(app.config.at(&place), new_token(token)))
}

/// Revoke a token of a bot: what it logged in ends.
#[utoipa::path(delete, path = "/bots/{bot}/tokens/{token}", tag = "bots", security(("token" = ["manage"])),
    params(("bot" = String, Path, description = "Its identifier."), ("token" = i64, Path, description = "Its number.")),
    responses((status = 204, description = "Void.")))]
pub async fn revoke_token(
    State(app): State<App>,
    auth: Auth,
    Path((bot, token)): Path<(String, String)>,
) -> Result<StatusCode, Problem> {
    let token = token.parse().map_err(|_| Problem::not_found("token"))?;
    hooks(&app)?
        .revoke_bot_token(auth.user(), id_of(&auth, &bot)?, token)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}
