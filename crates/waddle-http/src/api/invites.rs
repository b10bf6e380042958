//! `/waddles/{w}/invites`, and accepting one.

use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
};
use serde::Deserialize;
use serde_json::{Value, json};
use waddle_community::{Invite, NewInvite};
use waddle_core::{Secret, Timestamp};

use super::{read, visible};
use crate::{
    App,
    auth::{Auth, Body},
    problem::Problem,
};

fn json_of(invite: &Invite) -> Value {
    json!({
        "id": invite.id, "role": invite.role, "max_uses": invite.max_uses, "uses": invite.uses,
        "expires_at": invite.expires_at, "made_by": invite.made_by, "made_at": invite.made_at,
    })
}

/// Those that are open, for who may invite; never their codes.
pub async fn list(State(app): State<App>, auth: Auth, Path(w): Path<String>) -> Result<Json<Value>, Problem> {
    let (waddle, access) = visible(&app, auth.user(), &w).await?;
    if !access.waddle_allows("invite", auth.user()) {
        return Err(Problem::forbidden());
    }
    let invites = app.deps.community.invites(waddle.id).await?;
    Ok(Json(
        json!({ "invites": invites.iter().map(json_of).collect::<Vec<_>>() }),
    ))
}

/// An invite to be made; all fields may be left out.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct New {
    role: Option<String>,
    max_uses: Option<u32>,
    expires_at: Option<Timestamp>,
}

/// Makes one: the only time its code is told.
pub async fn create(
    State(app): State<App>,
    auth: Auth,
    Path(w): Path<String>,
    body: Option<Body<New>>,
) -> Result<(StatusCode, Json<Value>), Problem> {
    let (waddle, _) = visible(&app, auth.user(), &w).await?;
    let new = body.map(|b| b.0).unwrap_or_default();
    let mut wanted = NewInvite {
        max_uses: new.max_uses,
        expires_at: new.expires_at,
        ..NewInvite::default()
    };
    if let Some(r) = new.role {
        wanted.role = read("role", &r)?;
    }
    let link = app
        .deps
        .community
        .create_invite(auth.user(), waddle.id, wanted)
        .await?;
    let mut body = json_of(&link.invite);
    body["code"] = link.code.expose().into();
    body["url"] = app.config.at(&format!("/invite/{}", link.code.expose())).into();
    Ok((StatusCode::CREATED, Json(body)))
}

/// Makes one void, by its identifier.
pub async fn revoke(
    State(app): State<App>,
    auth: Auth,
    Path((w, id)): Path<(String, String)>,
) -> Result<StatusCode, Problem> {
    let (waddle, _) = visible(&app, auth.user(), &w).await?;
    let id = id.parse().map_err(|_| Problem::not_found("invite"))?;
    app.deps
        .community
        .revoke_invite(auth.user(), waddle.id, id)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// What one is invited to.
pub async fn show(
    State(app): State<App>,
    _auth: Auth,
    Path(code): Path<String>,
) -> Result<Json<Value>, Problem> {
    let (waddle, invite) = app.deps.community.invite_info(&Secret::new(code)).await?;
    Ok(Json(json!({
        "waddle": { "id": waddle.id, "slug": waddle.slug, "name": waddle.name, "description": waddle.description },
        "role": invite.role, "expires_at": invite.expires_at,
    })))
}

async fn join(app: &App, auth: &Auth, code: &str) -> Result<Json<Value>, Problem> {
    let (waddle, role) = app
        .deps
        .community
        .accept_invite(auth.user(), &Secret::new(code))
        .await?;
    Ok(Json(json!({
        "waddle": { "id": waddle.id, "slug": waddle.slug, "name": waddle.name },
        "role": role,
    })))
}

/// Accepts one by the address of its waddle.
pub async fn accept(
    State(app): State<App>,
    auth: Auth,
    Path((w, code)): Path<(String, String)>,
) -> Result<Json<Value>, Problem> {
    let (waddle, _) = app
        .deps
        .community
        .invite_info(&Secret::new(code.as_str()))
        .await?;
    if waddle.slug.as_str() != w && waddle.id.to_string() != w {
        return Err(Problem::not_found("invite"));
    }
    join(&app, &auth, &code).await
}

/// Accepts one by its code alone.
pub async fn accept_any(
    State(app): State<App>,
    auth: Auth,
    Path(code): Path<String>,
) -> Result<Json<Value>, Problem> {
    join(&app, &auth, &code).await
}
