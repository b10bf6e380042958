//! `/waddles/{w}/outgoing-webhooks`: what a waddle tells other programs, and what could not be delivered
//! (`specs/integrations.md`).

use axum::{
    extract::{Path, Query, State},
    http::StatusCode,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};
use waddle_core::{ChannelId, HookId, Timestamp, UserId};
use waddle_hooks::outgoing::{DeadLetter, OutgoingChange, OutgoingInfo};

use super::{
    visible,
    webhooks::{hooks, named},
};
use crate::{
    App,
    auth::Auth,
    problem::Problem,
    rest::{Created, Json, Paging, next},
};

/// These addresses.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(show, change, remove))
        .routes(routes!(rotate))
        .routes(routes!(test))
        .routes(routes!(dead_letters))
        .routes(routes!(redeliver))
}

/// An outgoing webhook, without its secret.
#[derive(Debug, Serialize, ToSchema)]
pub struct OutgoingWebhookView {
    id: HookId,
    name: String,
    /// Where its events go.
    url: String,
    /// Names of events: `message.created`, `message.*`, actions of the audit log such as `member.add`, or `*`.
    events: Vec<String>,
    /// Only of these channels; of all where it is null.
    channels: Option<Vec<ChannelId>>,
    /// Who set it up last: it is told what they may see.
    created_by: Option<UserId>,
    created_at: Timestamp,
    enabled: bool,
    /// Why the server stopped it.
    disabled_why: Option<String>,
    /// Failed attempts at the event that is due.
    attempts: u32,
    next_at: Option<Timestamp>,
    failing_since: Option<Timestamp>,
    last_success_at: Option<Timestamp>,
    last_error: Option<String>,
    last_error_at: Option<Timestamp>,
}

fn outgoing_view(h: OutgoingInfo) -> OutgoingWebhookView {
    OutgoingWebhookView {
        id: h.id,
        name: h.name,
        url: h.url,
        events: h.events,
        channels: h.channels,
        created_by: h.made_by,
        created_at: h.made_at,
        enabled: h.enabled,
        disabled_why: h.disabled_why,
        attempts: h.attempts,
        next_at: h.next_at,
        failing_since: h.failing_since,
        last_success_at: h.last_success_at,
        last_error: h.last_error,
        last_error_at: h.last_error_at,
    }
}

/// Outgoing webhooks.
#[derive(Debug, Serialize, ToSchema)]
pub struct OutgoingWebhookList {
    webhooks: Vec<OutgoingWebhookView>,
}

/// An outgoing webhook that was just made or given a new secret.
#[derive(Debug, Serialize, ToSchema)]
pub struct NewOutgoingWebhookView {
    #[serde(flatten)]
    webhook: OutgoingWebhookView,
    /// What signs its events (Standard Webhooks, `whsec_…`); told this once.
    secret: String,
}

/// An outgoing webhook to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewOutgoingWebhookBody {
    /// Where its events go, by https.
    url: String,
    /// 1 to 80 characters; `Webhook` where it is left out.
    name: Option<String>,
    /// Names of events; `message.created` where they are left out.
    events: Option<Vec<String>>,
    /// Only of these channels; of all where they are left out.
    channels: Option<Vec<ChannelId>>,
    /// Whether it is at work at once; it is where this is left out.
    enabled: Option<bool>,
}

impl From<NewOutgoingWebhookBody> for OutgoingChange {
    fn from(b: NewOutgoingWebhookBody) -> Self {
        Self {
            name: b.name,
            url: Some(b.url),
            events: b.events,
            channels: b.channels,
            enabled: b.enabled,
        }
    }
}

/// What is to be changed of an outgoing webhook; what is left out stays. Whoever changes it is who it is told for from
/// then on.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct OutgoingWebhookBody {
    /// 1 to 80 characters.
    name: Option<String>,
    /// Where its events go, by https.
    url: Option<String>,
    /// Names of events.
    events: Option<Vec<String>>,
    /// Only of these channels; of all where it is empty.
    channels: Option<Vec<ChannelId>>,
    /// Whether it is at work; switching it on forgets its failures.
    enabled: Option<bool>,
}

impl From<OutgoingWebhookBody> for OutgoingChange {
    fn from(b: OutgoingWebhookBody) -> Self {
        Self {
            name: b.name,
            url: b.url,
            events: b.events,
            channels: b.channels,
            enabled: b.enabled,
        }
    }
}

/// The outgoing webhooks, for who has `manage_webhooks`; never their secrets.
#[utoipa::path(get, path = "/waddles/{w}/outgoing-webhooks", tag = "outgoing-webhooks", security(("token" = ["manage"])),
    responses((status = 200, description = "Webhooks.", body = OutgoingWebhookList)))]
pub async fn list(
    State(app): State<App>,
    auth: Auth,
    Path(w): Path<String>,
) -> Result<Json<OutgoingWebhookList>, Problem> {
    let (waddle, _) = visible(&app, auth.user(), &w).await?;
    let all = hooks(&app)?.list_outgoing(auth.user(), waddle.id).await?;
    Ok(Json(OutgoingWebhookList {
        webhooks: all.into_iter().map(outgoing_view).collect(),
    }))
}

/// Make an outgoing webhook: it is told what happens from now on. Its secret is told this once.
#[utoipa::path(post, path = "/waddles/{w}/outgoing-webhooks", tag = "outgoing-webhooks", security(("token" = ["manage"])),
    responses((status = 201, description = "Made.", body = NewOutgoingWebhookView)))]
pub async fn create(
    State(app): State<App>,
    auth: Auth,
    Path(w): Path<String>,
    Json(body): Json<NewOutgoingWebhookBody>,
) -> Result<Created<NewOutgoingWebhookView>, Problem> {
    let (waddle, _) = visible(&app, auth.user(), &w).await?;
    let (hook, secret) = hooks(&app)?
        .create_outgoing(auth.user(), waddle.id, body.into())
        .await?;
    let place = format!("/api/v1/waddles/{}/outgoing-webhooks/{}", waddle.slug, hook.id);
    let made = NewOutgoingWebhookView {
        webhook: outgoing_view(hook),
        secret: secret.expose().to_owned(),
    };
    Ok(Created(app.config.at(&place), made))
}

/// An outgoing webhook.
#[utoipa::path(get, path = "/waddles/{w}/outgoing-webhooks/{id}", tag = "outgoing-webhooks", security(("token" = ["manage"])),
    responses((status = 200, description = "The webhook.", body = OutgoingWebhookView)))]
pub async fn show(
    State(app): State<App>,
    auth: Auth,
    Path((w, id)): Path<(String, String)>,
) -> Result<Json<OutgoingWebhookView>, Problem> {
    let (hooks, waddle, id) = named(&app, &auth, (&w, &id)).await?;
    let hook = hooks.outgoing(auth.user(), waddle, id).await?;
    Ok(Json(outgoing_view(hook)))
}

/// Change an outgoing webhook, or switch it off or on.
#[utoipa::path(patch, path = "/waddles/{w}/outgoing-webhooks/{id}", tag = "outgoing-webhooks", security(("token" = ["manage"])),
    responses((status = 200, description = "Changed.", body = OutgoingWebhookView)))]
pub async fn change(
    State(app): State<App>,
    auth: Auth,
    Path((w, id)): Path<(String, String)>,
    Json(body): Json<OutgoingWebhookBody>,
) -> Result<Json<OutgoingWebhookView>, Problem> {
    let (hooks, waddle, id) = named(&app, &auth, (&w, &id)).await?;
    let hook = hooks
        .update_outgoing(auth.user(), waddle, id, body.into())
        .await?;
    Ok(Json(outgoing_view(hook)))
}

/// Delete an outgoing webhook with what it did not deliver.
#[utoipa::path(delete, path = "/waddles/{w}/outgoing-webhooks/{id}", tag = "outgoing-webhooks", security(("token" = ["manage"])),
    responses((status = 204, description = "Gone.")))]
pub async fn remove(
    State(app): State<App>,
    auth: Auth,
    Path((w, id)): Path<(String, String)>,
) -> Result<StatusCode, Problem> {
    let (hooks, waddle, id) = named(&app, &auth, (&w, &id)).await?;
    hooks.delete_outgoing(auth.user(), waddle, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Give an outgoing webhook a new secret: the old one signs beside it for a day.
#[utoipa::path(post, path = "/waddles/{w}/outgoing-webhooks/{id}/rotate", tag = "outgoing-webhooks", security(("token" = ["manage"])),
    responses((status = 200, description = "The new secret, told this once.", body = NewOutgoingWebhookView)))]
pub async fn rotate(
    State(app): State<App>,
    auth: Auth,
    Path((w, id)): Path<(String, String)>,
) -> Result<Json<NewOutgoingWebhookView>, Problem> {
    let (hooks, waddle, id) = named(&app, &auth, (&w, &id)).await?;
    let (hook, secret) = hooks.rotate_outgoing(auth.user(), waddle, id).await?;
    Ok(Json(NewOutgoingWebhookView {
        webhook: outgoing_view(hook),
        secret: secret.expose().to_owned(),
    }))
}

/// Send an outgoing webhook a `webhook.ping` now; 502 says what went wrong.
#[utoipa::path(post, path = "/waddles/{w}/outgoing-webhooks/{id}/test", tag = "outgoing-webhooks", security(("token" = ["manage"])),
    responses((status = 204, description = "It was taken.")))]
pub async fn test(
    State(app): State<App>,
    auth: Auth,
    Path((w, id)): Path<(String, String)>,
) -> Result<StatusCode, Problem> {
    let (hooks, waddle, id) = named(&app, &auth, (&w, &id)).await?;
    hooks.ping(auth.user(), waddle, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// An event that a receiver did not take.
#[derive(Debug, Serialize, ToSchema)]
pub struct DeadLetterView {
    id: i64,
    /// The event's name.
    #[serde(rename = "type")]
    kind: String,
    /// When it was given up.
    at: Timestamp,
    attempts: u32,
    /// What went wrong last.
    error: String,
}

/// A page of them.
#[derive(Debug, Serialize, ToSchema)]
pub struct DeadLetterList {
    dead_letters: Vec<DeadLetterView>,
    /// The cursor of the next page.
    next: Option<String>,
}

fn letter(l: DeadLetter) -> DeadLetterView {
    DeadLetterView {
        id: l.id,
        kind: l.kind,
        at: l.at,
        attempts: l.attempts,
        error: l.error,
    }
}

/// What an outgoing webhook's receiver did not take, the newest first.
#[utoipa::path(get, path = "/waddles/{w}/outgoing-webhooks/{id}/dead-letters", tag = "outgoing-webhooks",
    security(("token" = ["manage"])),
    responses((status = 200, description = "A page.", body = DeadLetterList)))]
pub async fn dead_letters(
    State(app): State<App>,
    auth: Auth,
    Path((w, id)): Path<(String, String)>,
    Query(paging): Query<Paging>,
) -> Result<Json<DeadLetterList>, Problem> {
    let (hooks, waddle, id) = named(&app, &auth, (&w, &id)).await?;
    let limit = paging.limit()?;
    let before: Option<i64> = paging.after("dead-letters")?;
    let all = hooks.dead_letters(auth.user(), waddle, id, before, limit).await?;
    let last = all.last().filter(|_| all.len() == limit);
    Ok(Json(DeadLetterList {
        next: last.and_then(|l| next("dead-letters", &l.id)),
        dead_letters: all.into_iter().map(letter).collect(),
    }))
}

/// Try to deliver one of them now; 502 says what went wrong, 409 that the webhook is not told this.
///
/// Taken, or with nothing left to tell (410), it is off the list.
#[utoipa::path(post, path = "/waddles/{w}/outgoing-webhooks/{id}/dead-letters/{letter}/redeliver", tag = "outgoing-webhooks",
    security(("token" = ["manage"])),
    params(("letter" = i64, Path, description = "Its number.")),
    responses((status = 204, description = "It was taken.")))]
pub async fn redeliver(
    State(app): State<App>,
    auth: Auth,
    Path((w, id, letter)): Path<(String, String, String)>,
) -> Result<StatusCode, Problem> {
    let (hooks, waddle, id) = named(&app, &auth, (&w, &id)).await?;
    let letter = letter.parse().map_err(|_| Problem::not_found("dead letter"))?;
    hooks.redeliver(auth.user(), waddle, id, letter).await?;
    Ok(StatusCode::NO_CONTENT)
}
