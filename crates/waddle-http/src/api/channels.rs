//! `/waddles/{w}/channels`, `/waddles/{w}/channels/{c}`.

use std::sync::Arc;

use axum::{
    extract::{Path, State},
    http::StatusCode,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};
use waddle_community::{
    Channel, ChannelChange, ChannelKind, NewChannel, Waddle, WaddleAccess, room_localpart,
};
use waddle_core::{CategoryId, ChannelId, Slug, Timestamp, UserId, WaddleId};

use super::visible;
use crate::{
    App,
    auth::Auth,
    problem::Problem,
    rest::{Created, Json},
};

/// These addresses.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(show, change, remove))
}

/// A channel.
#[derive(Debug, Serialize, ToSchema)]
pub struct ChannelView {
    id: ChannelId,
    waddle_id: WaddleId,
    slug: Slug,
    name: String,
    /// `<waddle>/<channel>`.
    room_id: String,
    /// The room's address.
    jid: String,
    r#type: ChannelKind,
    topic: String,
    /// Not open to all members.
    private: bool,
    /// The group that it is in; those in none come first.
    category: Option<CategoryId>,
    /// Its place in its group, from 0 on.
    position: u32,
    /// Seconds that a person waits between two messages; 0 for none.
    slow_mode_seconds: u32,
    /// Days that its messages are kept; 0 for as long as the server keeps them.
    retention_days: u32,
    /// Seconds after which a message disappears; 0 for never.
    expire_seconds: u32,
    /// Whether its archive can be read on the web, where its waddle is public and it is open.
    public_archive: bool,
    created_at: Timestamp,
}

/// The address of a room of this server.
pub(crate) fn room_jid(localpart: &str, domain: &str) -> String {
    [localpart, "@muc.", domain].concat()
}

pub(crate) fn view(app: &App, waddle: &Waddle, channel: &Channel) -> ChannelView {
    ChannelView {
        id: channel.id,
        waddle_id: waddle.id,
        slug: channel.slug.clone(),
        name: channel.name.clone(),
        room_id: format!("{}/{}", waddle.slug, channel.slug),
        jid: room_jid(&room_localpart(waddle, channel), &app.config.domain),
        r#type: channel.kind,
        topic: channel.topic.clone(),
        private: channel.private,
        category: channel.category,
        position: channel.position,
        slow_mode_seconds: channel.slow_mode_seconds,
        retention_days: channel.retention_days,
        expire_seconds: channel.expire_seconds,
        public_archive: channel.public_archive,
        created_at: channel.created_at,
    }
}

/// The channels that a user may see.
pub(super) fn of(app: &App, waddle: &Waddle, access: &WaddleAccess, user: &UserId) -> Vec<ChannelView> {
    let seen = access.visible_channels(user);
    seen.iter().map(|c| view(app, waddle, c)).collect()
}

/// Channels, in their order.
#[derive(Debug, Serialize, ToSchema)]
pub struct ChannelList {
    channels: Vec<ChannelView>,
}

/// The channels of a waddle that one may see.
#[utoipa::path(get, path = "/waddles/{w}/channels", tag = "channels", security(("token" = ["read"])),
    responses((status = 200, description = "In their order.", body = ChannelList)))]
pub async fn list(
    State(app): State<App>,
    auth: Auth,
    Path(w): Path<String>,
) -> Result<Json<ChannelList>, Problem> {
    let (waddle, access) = visible(&app, auth.user(), &w).await?;
    let channels = of(&app, &waddle, &access, auth.user());
    Ok(Json(ChannelList { channels }))
}

/// A channel to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewChannelBody {
    /// 1 to 100 characters.
    name: String,
    /// Made from the name where it is left out; it never changes.
    slug: Option<Slug>,
    /// Text where it is left out.
    r#type: Option<ChannelKind>,
    /// Up to 1,000 characters.
    #[serde(default)]
    topic: String,
    /// Not open to all members.
    #[serde(default)]
    private: bool,
    /// The group that it is in; none where it is left out.
    category: Option<CategoryId>,
}

/// Make a channel.
#[utoipa::path(post, path = "/waddles/{w}/channels", tag = "channels", security(("token" = ["manage"])),
    responses((status = 201, description = "Made.", body = ChannelView)))]
pub async fn create(
    State(app): State<App>,
    auth: Auth,
    Path(w): Path<String>,
    Json(new): Json<NewChannelBody>,
) -> Result<Created<ChannelView>, Problem> {
    let (waddle, _) = visible(&app, auth.user(), &w).await?;
    let slug = match new.slug {
        Some(s) => s,
        None => Slug::from_name(&new.name)
            .ok_or_else(|| Problem::invalid("no slug can be made from this name; give one"))?,
    };
    let mut wanted = NewChannel::text(slug, new.name);
    wanted.kind = new.r#type.unwrap_or(wanted.kind);
    wanted.topic = new.topic;
    wanted.private = new.private;
    wanted.category = new.category;
    let made = app
        .deps
        .community
        .create_channel(auth.user(), waddle.id, wanted)
        .await?;
    let place = format!("/api/v1/waddles/{}/channels/{}", waddle.slug, made.slug);
    Ok(Created(app.config.at(&place), view(&app, &waddle, &made)))
}

/// A channel by slug or identifier that the user may see; otherwise 404, for a member.
pub(super) async fn find(
    app: &App,
    user: &UserId,
    w: &str,
    c: &str,
) -> Result<(Arc<Waddle>, Arc<Channel>), Problem> {
    let (waddle, access) = visible(app, user, w).await?;
    let found = access
        .visible_channels(user)
        .into_iter()
        .find(|ch| ch.slug.as_str() == c || ch.id.to_string() == c);
    found
        .map(|ch| (waddle, ch))
        .ok_or_else(|| Problem::not_found("channel"))
}

/// One channel.
#[utoipa::path(get, path = "/waddles/{w}/channels/{c}", tag = "channels", security(("token" = ["read"])),
    responses((status = 200, description = "It.", body = ChannelView)))]
pub async fn show(
    State(app): State<App>,
    auth: Auth,
    Path((w, c)): Path<(String, String)>,
) -> Result<Json<ChannelView>, Problem> {
    let (waddle, channel) = find(&app, auth.user(), &w, &c).await?;
    Ok(Json(view(&app, &waddle, &channel)))
}

/// Change a channel; what is left out stays.
#[utoipa::path(patch, path = "/waddles/{w}/channels/{c}", tag = "channels", security(("token" = ["manage"])),
    responses((status = 200, description = "As it is now.", body = ChannelView)))]
pub async fn change(
    State(app): State<App>,
    auth: Auth,
    Path((w, c)): Path<(String, String)>,
    Json(change): Json<ChannelChange>,
) -> Result<Json<ChannelView>, Problem> {
    let (waddle, channel) = find(&app, auth.user(), &w, &c).await?;
    let changed = app
        .deps
        .community
        .update_channel(auth.user(), waddle.id, channel.id, change)
        .await?;
    Ok(Json(view(&app, &waddle, &changed)))
}

/// Delete a channel with its history.
#[utoipa::path(delete, path = "/waddles/{w}/channels/{c}", tag = "channels", security(("token" = ["manage"])),
    responses((status = 204, description = "Gone.")))]
pub async fn remove(
    State(app): State<App>,
    auth: Auth,
    Path((w, c)): Path<(String, String)>,
) -> Result<StatusCode, Problem> {
    let (waddle, channel) = find(&app, auth.user(), &w, &c).await?;
    app.deps
        .community
        .delete_channel(auth.user(), waddle.id, channel.id)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}
