//! `/waddles/{w}/purges`: all that somebody said, or the last of it, is retracted (`specs/moderation.md`, "Purges").

use axum::extract::{Path, State};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};
use waddle_community::{Purge, PurgeRequest};
use waddle_core::{ChannelId, Timestamp, UserId};

use super::{person, visible};
use crate::{
    App,
    auth::Auth,
    problem::Problem,
    rest::{Created, Json},
};

/// These addresses.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(start)).routes(routes!(show))
}

/// A purge.
#[derive(Debug, Serialize, ToSchema)]
pub struct PurgeView {
    id: i64,
    /// Whose messages.
    user: UserId,
    /// Who wants it; null for the server's operator.
    by: Option<UserId>,
    reason: Option<String>,
    /// Only in this channel.
    channel_id: Option<ChannelId>,
    /// How many messages went.
    removed: u64,
    at: Timestamp,
    /// When it was done; null while it is under way.
    finished_at: Option<Timestamp>,
}

impl From<Purge> for PurgeView {
    fn from(p: Purge) -> Self {
        Self {
            id: p.id,
            user: p.user,
            by: p.by,
            reason: p.reason,
            channel_id: p.channel,
            removed: p.removed,
            at: p.at,
            finished_at: p.finished_at,
        }
    }
}

/// What is to go; without bounds everything.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewPurgeBody {
    /// Whose: localpart, address, DID or handle.
    user: String,
    /// Only in this channel.
    #[serde(default)]
    channel_id: Option<ChannelId>,
    /// Only the last so many messages.
    #[serde(default)]
    last: Option<u64>,
    /// Only what was said since then.
    #[serde(default)]
    since: Option<Timestamp>,
    /// Up to 500 characters.
    #[serde(default)]
    reason: Option<String>,
}

/// Retract what somebody said, for moderators above them; goes on by itself.
#[utoipa::path(post, path = "/waddles/{w}/purges", tag = "moderation", security(("token" = ["moderate"])),
    responses((status = 201, description = "Begun.", body = PurgeView)))]
pub async fn start(
    State(app): State<App>,
    auth: Auth,
    Path(w): Path<String>,
    Json(new): Json<NewPurgeBody>,
) -> Result<Created<PurgeView>, Problem> {
    let (waddle, _) = visible(&app, auth.user(), &w).await?;
    let user = person(&app, &new.user).await?;
    let request = PurgeRequest {
        channel: new.channel_id,
        last: new.last,
        since: new.since,
        reason: new.reason,
    };
    let community = &app.deps.community;
    let begun = community
        .start_purge(auth.user(), waddle.id, &user, request)
        .await?;
    let place = format!("/api/v1/waddles/{}/purges/{}", waddle.slug, begun.id);
    Ok(Created(app.config.at(&place), begun.into()))
}

/// How far a purge has come, for moderators.
#[utoipa::path(get, path = "/waddles/{w}/purges/{id}", tag = "moderation", security(("token" = ["moderate"])),
    responses((status = 200, description = "It.", body = PurgeView)))]
pub async fn show(
    State(app): State<App>,
    auth: Auth,
    Path((w, id)): Path<(String, i64)>,
) -> Result<Json<PurgeView>, Problem> {
    let (waddle, _) = visible(&app, auth.user(), &w).await?;
    let purge = app.deps.community.purge(auth.user(), waddle.id, id).await?;
    Ok(Json(purge.into()))
}
