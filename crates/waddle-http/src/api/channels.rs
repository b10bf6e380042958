//! `/waddles/{w}/channels`, `/waddles/{w}/channels/{c}`.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use serde_json::{Value, json};
use waddle_community::{
    Channel, ChannelChange, ChannelKind, NewChannel, Waddle, WaddleAccess, room_localpart,
};
use waddle_core::{Slug, UserId};

use super::{read, visible, waddles::slug};
use crate::{
    App,
    auth::{Auth, Body},
    problem::Problem,
};

fn json_of(app: &App, waddle: &Waddle, channel: &Channel) -> Value {
    json!({
        "id": channel.id, "waddle_id": waddle.id, "slug": channel.slug, "name": channel.name,
        "room_id": format!("{}/{}", waddle.slug, channel.slug),
        "jid": format!("{}@muc.{}", room_localpart(waddle, channel), app.config.domain),
        "type": channel.kind, "topic": channel.topic, "private": channel.private, "position": channel.position,
        "created_at": channel.created_at,
    })
}

/// The channels that a user may see.
pub(super) fn of(app: &App, waddle: &Waddle, access: &WaddleAccess, user: &UserId) -> Value {
    access
        .visible_channels(user)
        .iter()
        .map(|c| json_of(app, waddle, c))
        .collect()
}

/// Those that one may see.
pub async fn list(State(app): State<App>, auth: Auth, Path(w): Path<String>) -> Result<Json<Value>, Problem> {
    let (waddle, access) = visible(&app, auth.user(), &w).await?;
    Ok(Json(
        json!({ "channels": of(&app, &waddle, &access, auth.user()) }),
    ))
}

/// A channel to be made; the slug is made from the name where it is left out.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct New {
    name: String,
    slug: Option<String>,
    #[serde(rename = "type")]
    kind: Option<String>,
    #[serde(default)]
    topic: String,
    #[serde(default)]
    private: bool,
}

/// Makes one.
pub async fn create(
    State(app): State<App>,
    auth: Auth,
    Path(w): Path<String>,
    Body(new): Body<New>,
) -> Result<Response, Problem> {
    let (waddle, _) = visible(&app, auth.user(), &w).await?;
    let slug = match &new.slug {
        Some(s) => slug(s)?,
        None => Slug::from_name(&new.name)
            .ok_or_else(|| Problem::bad_request("no slug can be made from this name; give one"))?,
    };
    let mut wanted = NewChannel::text(slug, new.name);
    if let Some(k) = new.kind {
        wanted.kind = read::<ChannelKind>("type", &k)?;
    }
    wanted.topic = new.topic;
    wanted.private = new.private;
    let made = app
        .deps
        .community
        .create_channel(auth.user(), waddle.id, wanted)
        .await?;
    let place = app
        .config
        .at(&format!("/api/v1/waddles/{}/channels/{}", waddle.slug, made.slug));
    let body = json_of(&app, &waddle, &made);
    Ok((StatusCode::CREATED, [(header::LOCATION, place)], Json(body)).into_response())
}

/// A channel by slug or identifier that the user may see; otherwise 404, for a member.
async fn find(app: &App, user: &UserId, w: &str, c: &str) -> Result<(Arc<Waddle>, Arc<Channel>), Problem> {
    let (waddle, access) = visible(app, user, w).await?;
    let found = access
        .visible_channels(user)
        .into_iter()
        .find(|ch| ch.slug.as_str() == c || ch.id.to_string() == c);
    found
        .map(|ch| (waddle, ch))
        .ok_or_else(|| Problem::not_found("channel"))
}

type At = Path<(String, String)>;

/// One.
pub async fn show(State(app): State<App>, auth: Auth, Path((w, c)): At) -> Result<Json<Value>, Problem> {
    let (waddle, channel) = find(&app, auth.user(), &w, &c).await?;
    Ok(Json(json_of(&app, &waddle, &channel)))
}

/// Changes name, topic, type, openness or place.
pub async fn change(
    State(app): State<App>,
    auth: Auth,
    Path((w, c)): At,
    Body(change): Body<ChannelChange>,
) -> Result<Json<Value>, Problem> {
    let (waddle, channel) = find(&app, auth.user(), &w, &c).await?;
    let changed = app
        .deps
        .community
        .update_channel(auth.user(), waddle.id, channel.id, change)
        .await?;
    Ok(Json(json_of(&app, &waddle, &changed)))
}

/// Deletes it with its history.
pub async fn remove(State(app): State<App>, auth: Auth, Path((w, c)): At) -> Result<StatusCode, Problem> {
    let (waddle, channel) = find(&app, auth.user(), &w, &c).await?;
    app.deps
        .community
        .delete_channel(auth.user(), waddle.id, channel.id)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}
