//! `/waddles`, `/waddles/{w}`.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use serde_json::{Value, json};
use waddle_community::{NewWaddle, Role, Visibility, Waddle, WaddleChange};
use waddle_core::Slug;

use super::{read, visible};
use crate::{
    App,
    auth::{Auth, Body},
    problem::Problem,
};

fn json_of(app: &App, waddle: &Waddle, role: Option<Role>) -> Value {
    json!({
        "id": waddle.id, "slug": waddle.slug, "name": waddle.name, "description": waddle.description,
        "visibility": waddle.visibility, "created_at": waddle.created_at, "role": role,
        "url": app.config.at(&format!("/api/v1/waddles/{}", waddle.slug)),
    })
}

/// Those that one belongs to.
pub async fn list(State(app): State<App>, auth: Auth) -> Result<Json<Value>, Problem> {
    let mine = app.deps.community.waddles_of(auth.user()).await?;
    let waddles: Vec<Value> = mine
        .iter()
        .map(|(w, role)| json_of(&app, w, Some(*role)))
        .collect();
    Ok(Json(json!({ "waddles": waddles })))
}

/// A waddle to be made; the name is the slug where it is left out.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct New {
    slug: String,
    name: Option<String>,
    #[serde(default)]
    description: String,
    visibility: Option<String>,
}

pub(super) fn slug(text: &str) -> Result<Slug, Problem> {
    text.parse().map_err(|e: waddle_core::slug::SlugError| {
        Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", e.to_string())
    })
}

/// Makes one, with its channels `general` and `announcements`; whoever asks owns it.
pub async fn create(State(app): State<App>, auth: Auth, Body(new): Body<New>) -> Result<Response, Problem> {
    let name = new.name.unwrap_or_else(|| new.slug.clone());
    let mut wanted = NewWaddle::new(slug(&new.slug)?, name);
    wanted.description = new.description;
    if let Some(v) = new.visibility {
        wanted.visibility = read::<Visibility>("visibility", &v)?;
    }
    let made = app.deps.community.create_waddle(auth.user(), wanted).await?;
    let place = app.config.at(&format!("/api/v1/waddles/{}", made.slug));
    let body = json_of(&app, &made, Some(Role::Owner));
    Ok((StatusCode::CREATED, [(header::LOCATION, place)], Json(body)).into_response())
}

/// One, with the channels that one may see.
pub async fn show(State(app): State<App>, auth: Auth, Path(w): Path<String>) -> Result<Json<Value>, Problem> {
    let (waddle, access) = visible(&app, auth.user(), &w).await?;
    let mut body = json_of(&app, &waddle, access.role_of(auth.user()));
    body["channels"] = super::channels::of(&app, &waddle, &access, auth.user());
    Ok(Json(body))
}

/// Changes name, description or visibility.
pub async fn change(
    State(app): State<App>,
    auth: Auth,
    Path(w): Path<String>,
    Body(change): Body<WaddleChange>,
) -> Result<Json<Value>, Problem> {
    let (waddle, access) = visible(&app, auth.user(), &w).await?;
    let changed: Arc<Waddle> = app
        .deps
        .community
        .update_waddle(auth.user(), waddle.id, change)
        .await?;
    Ok(Json(json_of(&app, &changed, access.role_of(auth.user()))))
}

/// Deletes it with everything in it.
pub async fn remove(
    State(app): State<App>,
    auth: Auth,
    Path(w): Path<String>,
) -> Result<StatusCode, Problem> {
    let (waddle, _) = visible(&app, auth.user(), &w).await?;
    app.deps.community.delete_waddle(auth.user(), waddle.id).await?;
    app.deps.identity.revoke_devices_of(waddle.id).await?;
    Ok(StatusCode::NO_CONTENT)
}
