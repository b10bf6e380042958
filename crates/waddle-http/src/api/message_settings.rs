//! `/waddles/{w}/message-settings`: what a waddle wants of its messages (`specs/messages.md`).

use axum::extract::{Path, State};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};
use waddle_community::{AuditLine, Need};
use waddle_storage::repo::messages;

use super::visible;
use crate::{App, auth::Auth, problem::Problem, rest::Json};

/// These addresses.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(show, set))
}

/// What a waddle wants of its messages.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MessageSettings {
    /// Whether what messages link to is looked at, where the server does so at all.
    link_previews: bool,
}

/// What a waddle wants of its messages.
#[utoipa::path(get, path = "/waddles/{w}/message-settings", tag = "messages", security(("token" = ["read"])),
    responses((status = 200, description = "As it is.", body = MessageSettings)))]
pub async fn show(
    State(app): State<App>,
    auth: Auth,
    Path(w): Path<String>,
) -> Result<Json<MessageSettings>, Problem> {
    let (waddle, access) = visible(&app, auth.user(), &w).await?;
    if !access.is_member(auth.user()) {
        return Err(Problem::forbidden());
    }
    let db = app.deps.community.storage().waddle(waddle.id).await;
    let db = db.map_err(waddle_community::Error::from)?;
    let link_previews = db.read(messages::wants_previews).await;
    let link_previews = link_previews.map_err(waddle_community::Error::from)?;
    Ok(Json(MessageSettings { link_previews }))
}

/// Change what a waddle wants of its messages.
#[utoipa::path(put, path = "/waddles/{w}/message-settings", tag = "messages", security(("token" = ["manage"])),
    responses((status = 200, description = "As it is now.", body = MessageSettings)))]
pub async fn set(
    State(app): State<App>,
    auth: Auth,
    Path(w): Path<String>,
    Json(settings): Json<MessageSettings>,
) -> Result<Json<MessageSettings>, Problem> {
    let (waddle, _) = visible(&app, auth.user(), &w).await?;
    let (id, wanted) = (waddle.id, settings.link_previews);
    let done = app
        .deps
        .community
        .change_beside(auth.user(), id, Need::Waddle("configure"), move |b| {
            let was = messages::wants_previews(b.tx)?;
            messages::set_previews_wanted(b.tx, wanted)?;
            let line = (was != wanted).then(|| AuditLine {
                action: "waddle.update",
                target: format!("waddle:{id}"),
                detail: ["link previews ", if wanted { "on" } else { "off" }].concat(),
            });
            Ok(((), line))
        });
    done.await?;
    Ok(Json(settings))
}
