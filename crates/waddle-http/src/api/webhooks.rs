//! `/waddles/{w}/webhooks`: incoming webhooks, and `/hooks/…`, which they are called at (`specs/integrations.md`).

use axum::{
    body::Bytes,
    extract::{Path, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};
use waddle_core::{ChannelId, HookId, MessageId, Secret, Timestamp, UserId, WaddleId};
use waddle_hooks::{
    Error, Hooks,
    incoming::{Format, Head, IncomingAddress, IncomingChange, IncomingHook},
};

use super::{channels, visible};
use crate::{
    App,
    auth::Auth,
    problem::Problem,
    rest::{Created, Json},
};

/// These addresses.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list_of_channel, create))
        .routes(routes!(list))
        .routes(routes!(show, change, remove))
        .routes(routes!(rotate))
}

/// Where programs post to.
pub fn doors() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(accept))
        .routes(routes!(accept_as))
}

/// What an incoming webhook said.
#[derive(Debug, Serialize, ToSchema)]
pub struct HookMessage {
    /// The message's identifier.
    id: MessageId,
}

/// The service, where it runs.
pub(super) fn hooks(app: &App) -> Result<&Hooks, Problem> {
    app.deps
        .hooks
        .as_ref()
        .ok_or_else(|| Problem::not_found("service"))
}

impl From<Error> for Problem {
    fn from(e: Error) -> Self {
        let text = e.to_string();
        match e {
            Error::NotFound(what) => Self::not_found(what),
            Error::Forbidden => Self::forbidden(),
            Error::Conflict(why) => Self::new(StatusCode::CONFLICT, "conflict", why),
            Error::Gone(_) => Self::new(StatusCode::GONE, "gone", text),
            Error::Stopped => Self::new(StatusCode::FORBIDDEN, "stopped", text),
            Error::Limit { .. } => Self::new(StatusCode::CONFLICT, "limit", text),
            Error::Invalid { .. } => Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", text),
            Error::TooMany(wait) => Self {
                detail: text,
                ..Self::too_many(wait)
            },
            Error::Refused(_) => Self::new(StatusCode::BAD_GATEWAY, "refused", text),
            Error::Busy => Self {
                retry_after: Some(5),
                ..Self::new(StatusCode::SERVICE_UNAVAILABLE, "busy", text)
            },
            Error::Community(e) => e.into(),
            Error::Identity(_) => Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", text),
            Error::Storage(e) => waddle_community::Error::from(e).into(),
            _ => {
                tracing::error!(error = %text, "webhooks, bots or commands");
                Self::of_status(StatusCode::INTERNAL_SERVER_ERROR, String::new())
            }
        }
    }
}

/// What is refused of what somebody says: by a rule of the channel, or too soon.
pub(super) fn refused(e: Error) -> Problem {
    match e {
        Error::Refused(why) => Problem::new(StatusCode::FORBIDDEN, "refused", why),
        e => e.into(),
    }
}

async fn take(
    app: &App,
    (w, id, secret): (String, String, String),
    format: Format,
    headers: &HeaderMap,
    body: &Bytes,
) -> Result<Response, Problem> {
    let nobody = || Problem::not_found("webhook");
    let (Ok(waddle), Ok(id)) = (w.parse::<WaddleId>(), id.parse::<HookId>()) else {
        return Err(nobody());
    };
    if secret.len() > 64 {
        return Err(nobody());
    }
    if body.len() > app.config.limits.hook_body_bytes {
        return Err(Problem::of_status(StatusCode::PAYLOAD_TOO_LARGE, String::new()));
    }
    let text = |name: &str| headers.get(name).and_then(|v| v.to_str().ok());
    let head = Head {
        content_type: text("content-type"),
        github_event: text("x-github-event"),
    };
    let id = hooks(app)?
        .accept(waddle, id, &Secret::new(secret), format, head, body)
        .await
        .map_err(refused)?;
    // Slack's own answer, which its libraries look for
    if format == Format::Slack {
        return Ok(([(header::CONTENT_TYPE, "text/plain")], "ok").into_response());
    }
    Ok(Json(HookMessage { id }).into_response())
}

/// Say something in the channel of an incoming webhook, whose address this is.
#[utoipa::path(post, path = "/hooks/{w}/{id}/{secret}", tag = "webhooks", security(()),
    params(("secret" = String, Path, description = "Of the address, as it was told when it was made.")),
    request_body(content = Object, description = "Ours, or what Slack, Discord or GitHub send: told by its form."),
    responses((status = 200, description = "Said.", body = HookMessage),
        (status = 403, description = "Refused by a rule of the channel, or no such webhook.")))]
pub async fn accept(
    State(app): State<App>,
    Path(at): Path<(String, String, String)>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    take(&app, at, Format::Auto, &headers, &body).await
}

/// Say something in the channel of an incoming webhook, with the form of the body: `slack`, `discord`, `github`.
#[utoipa::path(post, path = "/hooks/{w}/{id}/{secret}/{format}", tag = "webhooks", security(()),
    params(("secret" = String, Path, description = "Of the address, as it was told when it was made."),
        ("format" = String, Path, description = "The form of the body.")),
    request_body(content = Object),
    responses((status = 200, description = "Said.", content((HookMessage = "application/json"), (String = "text/plain"))),
        (status = 403, description = "Refused by a rule of the channel, or no such webhook.")))]
pub async fn accept_as(
    State(app): State<App>,
    Path((w, id, secret, format)): Path<(String, String, String, String)>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    let format = Format::of_suffix(&format).ok_or_else(|| Problem::not_found("webhook"))?;
    take(&app, (w, id, secret), format, &headers, &body).await
}

/// An incoming webhook, without its address.
#[derive(Debug, Serialize, ToSchema)]
pub struct WebhookView {
    id: HookId,
    channel_id: ChannelId,
    name: String,
    avatar_url: Option<String>,
    created_by: Option<UserId>,
    created_at: Timestamp,
    /// When a message of it was last taken.
    last_used_at: Option<Timestamp>,
    /// Why the last one that was not taken was not.
    last_error: Option<String>,
    last_error_at: Option<Timestamp>,
}

fn view(h: IncomingHook) -> WebhookView {
    WebhookView {
        id: h.id,
        channel_id: h.channel,
        name: h.name,
        avatar_url: h.avatar_url,
        created_by: h.made_by,
        created_at: h.made_at,
        last_used_at: h.last_used_at,
        last_error: h.last_error,
        last_error_at: h.last_error_at,
    }
}

/// Incoming webhooks.
#[derive(Debug, Serialize, ToSchema)]
pub struct WebhookList {
    webhooks: Vec<WebhookView>,
}

/// An incoming webhook that was just made or given a new address.
#[derive(Debug, Serialize, ToSchema)]
pub struct NewWebhookView {
    #[serde(flatten)]
    webhook: WebhookView,
    /// Where messages are posted; the only time that it is told. With `/slack`, `/discord` or `/github` behind it, for
    /// programs that send the forms of those.
    url: String,
}

fn made(app: &App, a: IncomingAddress) -> NewWebhookView {
    NewWebhookView {
        url: app.config.at(a.path.expose()),
        webhook: view(a.hook),
    }
}

/// An incoming webhook to be made, or what is to be changed of one.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct WebhookBody {
    /// 1 to 80 characters.
    name: Option<String>,
    /// Its picture; empty for none.
    avatar_url: Option<String>,
    /// Where its messages appear, if it moves.
    channel_id: Option<ChannelId>,
}

impl From<WebhookBody> for IncomingChange {
    fn from(b: WebhookBody) -> Self {
        Self {
            name: b.name,
            avatar_url: b.avatar_url,
            channel: b.channel_id,
        }
    }
}

/// The incoming webhooks of a channel, for who has `webhook` there; never their addresses.
#[utoipa::path(get, path = "/waddles/{w}/channels/{c}/webhooks", tag = "webhooks", security(("token" = ["manage"])),
    responses((status = 200, description = "Its webhooks.", body = WebhookList)))]
pub async fn list_of_channel(
    State(app): State<App>,
    auth: Auth,
    Path((w, c)): Path<(String, String)>,
) -> Result<Json<WebhookList>, Problem> {
    let (waddle, channel) = channels::find(&app, auth.user(), &w, &c).await?;
    let all = hooks(&app)?
        .list_incoming(auth.user(), waddle.id, Some(channel.id))
        .await?;
    Ok(Json(WebhookList {
        webhooks: all.into_iter().map(view).collect(),
    }))
}

/// Make an incoming webhook of a channel: the only time that its address is told.
#[utoipa::path(post, path = "/waddles/{w}/channels/{c}/webhooks", tag = "webhooks", security(("token" = ["manage"])),
    request_body = Option<WebhookBody>,
    responses((status = 201, description = "Made.", body = NewWebhookView)))]
pub async fn create(
    State(app): State<App>,
    auth: Auth,
    Path((w, c)): Path<(String, String)>,
    body: Option<Json<WebhookBody>>,
) -> Result<Created<NewWebhookView>, Problem> {
    let (waddle, channel) = channels::find(&app, auth.user(), &w, &c).await?;
    let new = body.map(|b| b.0).unwrap_or_default();
    let address = hooks(&app)?
        .create_incoming(auth.user(), waddle.id, channel.id, new.into())
        .await?;
    let place = format!("/api/v1/waddles/{}/webhooks/{}", waddle.slug, address.hook.id);
    Ok(Created(app.config.at(&place), made(&app, address)))
}

/// The incoming webhooks of all channels, those that one may manage.
#[utoipa::path(get, path = "/waddles/{w}/webhooks", tag = "webhooks", security(("token" = ["manage"])),
    responses((status = 200, description = "Webhooks.", body = WebhookList)))]
pub async fn list(
    State(app): State<App>,
    auth: Auth,
    Path(w): Path<String>,
) -> Result<Json<WebhookList>, Problem> {
    let (waddle, _) = visible(&app, auth.user(), &w).await?;
    let all = hooks(&app)?.list_incoming(auth.user(), waddle.id, None).await?;
    Ok(Json(WebhookList {
        webhooks: all.into_iter().map(view).collect(),
    }))
}

/// The service, and the webhook of a waddle that a path names, incoming or outgoing.
pub(super) async fn named<'a>(
    app: &'a App,
    auth: &Auth,
    (w, id): (&str, &str),
) -> Result<(&'a Hooks, WaddleId, HookId), Problem> {
    let (waddle, _) = visible(app, auth.user(), w).await?;
    let id = id.parse().map_err(|_| Problem::not_found("webhook"))?;
    Ok((hooks(app)?, waddle.id, id))
}

/// An incoming webhook.
#[utoipa::path(get, path = "/waddles/{w}/webhooks/{id}", tag = "webhooks", security(("token" = ["manage"])),
    responses((status = 200, description = "The webhook.", body = WebhookView)))]
pub async fn show(
    State(app): State<App>,
    auth: Auth,
    Path((w, id)): Path<(String, String)>,
) -> Result<Json<WebhookView>, Problem> {
    let (hooks, waddle, id) = named(&app, &auth, (&w, &id)).await?;
    let hook = hooks.incoming(auth.user(), waddle, id).await?;
    Ok(Json(view(hook)))
}

/// Change an incoming webhook's name, picture or channel.
#[utoipa::path(patch, path = "/waddles/{w}/webhooks/{id}", tag = "webhooks", security(("token" = ["manage"])),
    responses((status = 200, description = "Changed.", body = WebhookView)))]
pub async fn change(
    State(app): State<App>,
    auth: Auth,
    Path((w, id)): Path<(String, String)>,
    Json(body): Json<WebhookBody>,
) -> Result<Json<WebhookView>, Problem> {
    let (hooks, waddle, id) = named(&app, &auth, (&w, &id)).await?;
    let hook = hooks
        .update_incoming(auth.user(), waddle, id, body.into())
        .await?;
    Ok(Json(view(hook)))
}

/// Delete an incoming webhook: its address is void at once.
#[utoipa::path(delete, path = "/waddles/{w}/webhooks/{id}", tag = "webhooks", security(("token" = ["manage"])),
    responses((status = 204, description = "Gone.")))]
pub async fn remove(
    State(app): State<App>,
    auth: Auth,
    Path((w, id)): Path<(String, String)>,
) -> Result<StatusCode, Problem> {
    let (hooks, waddle, id) = named(&app, &auth, (&w, &id)).await?;
    hooks.delete_incoming(auth.user(), waddle, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Give an incoming webhook a new address: the old one is void at once.
#[utoipa::path(post, path = "/waddles/{w}/webhooks/{id}/rotate", tag = "webhooks", security(("token" = ["manage"])),
    responses((status = 200, description = "The new address, told this once.", body = NewWebhookView)))]
pub async fn rotate(
    State(app): State<App>,
    auth: Auth,
    Path((w, id)): Path<(String, String)>,
) -> Result<Json<NewWebhookView>, Problem> {
    let (hooks, waddle, id) = named(&app, &auth, (&w, &id)).await?;
    let address = hooks.rotate_incoming(auth.user(), waddle, id).await?;
    Ok(Json(made(&app, address)))
}
