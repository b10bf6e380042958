//! `/waddles/{w}/feeds`: which topics appear in which channels; `/waddles/{w}/mqtt/connections`: who is connected.

use axum::{
    extract::{Path, State},
    http::StatusCode,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};
use waddle_community::{Binding, FeedMode, NewBinding, On, WaddleAccess};
use waddle_core::{BindingId, ChannelId, Timestamp, TopicFilter, UserId};

use super::visible;
use crate::{
    App,
    auth::Auth,
    config::{MqttConnection, MqttConnections},
    problem::Problem,
    rest::{Created, Json},
};

/// These addresses.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list, bind))
        .routes(routes!(show, unbind))
        .routes(routes!(connections))
        .routes(routes!(disconnect))
}

/// A feed: topics that appear in a channel.
#[derive(Debug, Serialize, ToSchema)]
pub struct FeedView {
    id: BindingId,
    name: String,
    /// The topics, within the waddle.
    filter: TopicFilter,
    channel_id: ChannelId,
    mode: FeedMode,
    created_by: Option<UserId>,
    created_at: Timestamp,
}

fn view(feed: Binding) -> FeedView {
    FeedView {
        id: feed.id,
        name: feed.name,
        filter: feed.filter,
        channel_id: feed.channel,
        mode: feed.mode,
        created_by: feed.made_by,
        created_at: feed.made_at,
    }
}

/// Feeds.
#[derive(Debug, Serialize, ToSchema)]
pub struct FeedList {
    feeds: Vec<FeedView>,
}

/// Those that somebody may see: the feeds of channels that they see.
async fn seen(app: &App, auth: &Auth, access: &WaddleAccess) -> Result<Vec<Binding>, Problem> {
    if !access.is_member(auth.user()) {
        return Err(Problem::forbidden());
    }
    let mut all = app.deps.community.bindings(access.id()).await?;
    all.retain(|f| access.allows(On::Feed(f.id), "view", auth.user()));
    Ok(all)
}

/// The feeds of a waddle in channels that one sees, the oldest first.
#[utoipa::path(get, path = "/waddles/{w}/feeds", tag = "feeds", security(("token" = ["read"])),
    responses((status = 200, description = "All.", body = FeedList)))]
pub async fn list(
    State(app): State<App>,
    auth: Auth,
    Path(w): Path<String>,
) -> Result<Json<FeedList>, Problem> {
    let (_, access) = visible(&app, auth.user(), &w).await?;
    let all = seen(&app, &auth, &access).await?;
    Ok(Json(FeedList {
        feeds: all.into_iter().map(view).collect(),
    }))
}

/// A feed to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewFeedBody {
    /// The topics, within the waddle.
    filter: TopicFilter,
    /// The channel: slug or identifier.
    channel: String,
    /// Message where it is left out.
    mode: Option<FeedMode>,
    /// The filter where it is left out.
    name: Option<String>,
}

/// Let topics appear in a channel.
#[utoipa::path(post, path = "/waddles/{w}/feeds", tag = "feeds", security(("token" = ["manage"])),
    responses((status = 201, description = "Made.", body = FeedView)))]
pub async fn bind(
    State(app): State<App>,
    auth: Auth,
    Path(w): Path<String>,
    Json(new): Json<NewFeedBody>,
) -> Result<Created<FeedView>, Problem> {
    let (waddle, channel) = super::channels::find(&app, auth.user(), &w, &new.channel).await?;
    let wanted = NewBinding {
        filter: new.filter,
        channel: channel.id,
        mode: new.mode.unwrap_or(FeedMode::Message),
        name: new.name,
    };
    let made = app
        .deps
        .community
        .bind_feed(auth.user(), waddle.id, wanted)
        .await?;
    let place = format!("/api/v1/waddles/{}/feeds/{}", waddle.slug, made.id);
    Ok(Created(app.config.at(&place), view(made)))
}

/// One feed.
#[utoipa::path(get, path = "/waddles/{w}/feeds/{id}", tag = "feeds", security(("token" = ["read"])),
    responses((status = 200, description = "It.", body = FeedView)))]
pub async fn show(
    State(app): State<App>,
    auth: Auth,
    Path((w, id)): Path<(String, String)>,
) -> Result<Json<FeedView>, Problem> {
    let (_, access) = visible(&app, auth.user(), &w).await?;
    let all = seen(&app, &auth, &access).await?;
    let found = all.into_iter().find(|f| f.id.to_string() == id);
    found
        .map(|f| Json(view(f)))
        .ok_or_else(|| Problem::not_found("feed"))
}

/// Let topics appear in a channel no more.
#[utoipa::path(delete, path = "/waddles/{w}/feeds/{id}", tag = "feeds", security(("token" = ["manage"])),
    responses((status = 204, description = "Gone.")))]
pub async fn unbind(
    State(app): State<App>,
    auth: Auth,
    Path((w, id)): Path<(String, String)>,
) -> Result<StatusCode, Problem> {
    let (waddle, _) = visible(&app, auth.user(), &w).await?;
    let id = id.parse().map_err(|_| Problem::not_found("feed"))?;
    app.deps.community.unbind_feed(auth.user(), waddle.id, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Live MQTT connections.
#[derive(Debug, Serialize, ToSchema)]
pub struct MqttConnectionList {
    connections: Vec<MqttConnection>,
}

/// The broker, for who may manage the waddle's devices, with what is connected to it there.
async fn live<'a>(
    app: &'a App,
    auth: &Auth,
    w: &str,
) -> Result<(&'a dyn MqttConnections, Vec<MqttConnection>), Problem> {
    let (waddle, access) = visible(app, auth.user(), w).await?;
    if !access.waddle_allows("manage_devices", auth.user()) {
        return Err(Problem::forbidden());
    }
    let broker = app.deps.mqtt_connections.as_deref();
    let broker = broker.ok_or_else(|| Problem::not_found("service"))?;
    Ok((broker, broker.of(waddle.id).await))
}

/// Who is connected to the waddle's topics by MQTT, for who may manage its devices.
#[utoipa::path(get, path = "/waddles/{w}/mqtt/connections", tag = "devices", security(("token" = ["manage"])),
    responses((status = 200, description = "Live ones.", body = MqttConnectionList)))]
pub async fn connections(
    State(app): State<App>,
    auth: Auth,
    Path(w): Path<String>,
) -> Result<Json<MqttConnectionList>, Problem> {
    let (_, connections) = live(&app, &auth, &w).await?;
    Ok(Json(MqttConnectionList { connections }))
}

/// End a live MQTT connection of the waddle.
#[utoipa::path(delete, path = "/waddles/{w}/mqtt/connections/{id}", tag = "devices", security(("token" = ["manage"])),
    params(("id" = u64, Path, description = "Its `serial`.")),
    responses((status = 204, description = "Ended.")))]
pub async fn disconnect(
    State(app): State<App>,
    auth: Auth,
    Path((w, id)): Path<(String, u64)>,
) -> Result<StatusCode, Problem> {
    let (broker, there) = live(&app, &auth, &w).await?;
    if there.iter().any(|c| c.serial == id) && broker.end(id).await {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(Problem::not_found("connection"))
    }
}
