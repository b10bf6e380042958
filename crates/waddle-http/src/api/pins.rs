//! `/channels/{c}/pins`: pinned messages (`specs/messages.md`).

use axum::{
    extract::{Path, State},
    http::StatusCode,
};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};
use waddle_core::{Timestamp, UserId};
use waddle_messages::{Act, MessageView};

use super::messages::{act, message, place};
use crate::{App, auth::Auth, problem::Problem, rest::Json};

/// These addresses.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(add, remove))
}

/// A pinned message.
#[derive(Debug, Serialize, ToSchema)]
pub struct PinView {
    message: MessageView,
    /// Told to members of the waddle.
    pinned_by: Option<UserId>,
    pinned_at: Timestamp,
}

/// Pinned messages, the last pinned first.
#[derive(Debug, Serialize, ToSchema)]
pub struct PinList {
    pins: Vec<PinView>,
}

/// The pinned messages of a channel.
#[utoipa::path(get, path = "/channels/{c}/pins", tag = "messages", security(("token" = ["read"])),
    responses((status = 200, description = "All.", body = PinList)))]
pub async fn list(
    State(app): State<App>,
    auth: Auth,
    Path(c): Path<String>,
) -> Result<Json<PinList>, Problem> {
    let at = place(&app, auth.user(), &c).await?;
    let pins = at
        .messages
        .pins(&at.viewer, app.config.limits.message_pins)
        .await?;
    let pins = pins.into_iter().map(|p| PinView {
        message: p.message,
        pinned_by: p.by,
        pinned_at: p.at,
    });
    Ok(Json(PinList { pins: pins.collect() }))
}

/// Pin a message.
#[utoipa::path(put, path = "/channels/{c}/pins/{id}", tag = "messages", security(("token" = ["moderate"])),
    responses((status = 204, description = "Pinned.")))]
pub async fn add(
    State(app): State<App>,
    auth: Auth,
    Path((c, id)): Path<(String, String)>,
) -> Result<StatusCode, Problem> {
    set(&app, &auth, &c, &id, true).await
}

/// Take a pin off.
#[utoipa::path(delete, path = "/channels/{c}/pins/{id}", tag = "messages", security(("token" = ["moderate"])),
    responses((status = 204, description = "Off.")))]
pub async fn remove(
    State(app): State<App>,
    auth: Auth,
    Path((c, id)): Path<(String, String)>,
) -> Result<StatusCode, Problem> {
    set(&app, &auth, &c, &id, false).await
}

async fn set(app: &App, auth: &Auth, c: &str, id: &str, pinned: bool) -> Result<StatusCode, Problem> {
    let at = place(app, auth.user(), c).await?;
    let id = message(id)?;
    act(app, auth.user(), &at, Act::Pin { id, pinned }).await?;
    Ok(StatusCode::NO_CONTENT)
}
