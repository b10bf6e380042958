//! `/auth/access-tokens`: personal access tokens, for a person's programs.

use axum::{
    extract::{Path, State},
    http::StatusCode,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};
use waddle_core::{AccessTokenId, Timestamp};
use waddle_identity::{AccessToken, NewAccessToken};

use crate::{
    App,
    auth::Login,
    problem::Problem,
    rest::{Created, Json, Scope},
};

/// These addresses.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(show, revoke))
}

/// A personal access token, without its text.
#[derive(Debug, Serialize, ToSchema)]
pub struct AccessTokenView {
    id: AccessTokenId,
    label: String,
    scopes: Vec<String>,
    created_at: Timestamp,
    expires_at: Option<Timestamp>,
    /// Give or take some minutes.
    last_used_at: Option<Timestamp>,
}

fn view(token: AccessToken) -> AccessTokenView {
    AccessTokenView {
        id: token.id,
        label: token.label,
        scopes: token.scopes,
        created_at: token.created_at,
        expires_at: token.expires_at,
        last_used_at: token.last_used_at,
    }
}

/// One's personal access tokens.
#[derive(Debug, Serialize, ToSchema)]
pub struct AccessTokenList {
    access_tokens: Vec<AccessTokenView>,
}

/// One's personal access tokens, the newest first.
#[utoipa::path(get, path = "/auth/access-tokens", tag = "auth", security(("session" = [])),
    responses((status = 200, description = "Live ones.", body = AccessTokenList)))]
pub async fn list(State(app): State<App>, login: Login) -> Result<Json<AccessTokenList>, Problem> {
    let found = app.deps.identity.access_tokens(login.user()).await?;
    Ok(Json(AccessTokenList {
        access_tokens: found.into_iter().map(view).collect(),
    }))
}

/// A personal access token to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewAccessTokenBody {
    /// What it is for.
    #[schema(min_length = 1, max_length = 64)]
    label: String,
    /// What it may do; none includes another.
    scopes: Vec<Scope>,
    /// Never where it is left out.
    expires_at: Option<Timestamp>,
}

/// A personal access token that was just made.
#[derive(Debug, Serialize, ToSchema)]
pub struct NewAccessTokenView {
    #[serde(flatten)]
    view: AccessTokenView,
    /// The bearer; the only time that it is told.
    token: String,
}

/// Make a personal access token: the only time that its text is told.
#[utoipa::path(post, path = "/auth/access-tokens", tag = "auth", security(("session" = [])),
    responses((status = 201, description = "Made.", body = NewAccessTokenView)))]
pub async fn create(
    State(app): State<App>,
    login: Login,
    Json(new): Json<NewAccessTokenBody>,
) -> Result<Created<NewAccessTokenView>, Problem> {
    if new.label.trim().is_empty() || new.label.chars().count() > 64 {
        return Err(Problem::invalid("label: expected 1 to 64 characters"));
    }
    if new.scopes.is_empty() {
        return Err(Problem::invalid("scopes: expected at least one"));
    }
    if new.expires_at.is_some_and(|at| at <= app.deps.identity.now()) {
        return Err(Problem::invalid("expires_at: expected a time to come"));
    }
    let mut scopes = new.scopes;
    scopes.sort_unstable();
    scopes.dedup();
    let wanted = NewAccessToken {
        label: new.label,
        scopes: scopes.into_iter().map(Scope::as_str).collect(),
        expires_at: new.expires_at,
    };
    let made = app
        .deps
        .identity
        .create_access_token(login.user(), wanted)
        .await?;
    let Some((token, text)) = made else {
        return Err(Problem::new(
            StatusCode::CONFLICT,
            "limit",
            "there are too many access tokens; revoke one first",
        ));
    };
    let place = app.config.at(&format!("/api/v1/auth/access-tokens/{}", token.id));
    Ok(Created(
        place,
        NewAccessTokenView {
            view: view(token),
            token: text.expose().to_owned(),
        },
    ))
}

/// One of one's personal access tokens.
#[utoipa::path(get, path = "/auth/access-tokens/{id}", tag = "auth", security(("session" = [])),
    responses((status = 200, description = "It.", body = AccessTokenView)))]
pub async fn show(
    State(app): State<App>,
    login: Login,
    Path(id): Path<String>,
) -> Result<Json<AccessTokenView>, Problem> {
    let found = app.deps.identity.access_tokens(login.user()).await?;
    let one = found.into_iter().find(|t| t.id.to_string() == id);
    one.map(|t| Json(view(t)))
        .ok_or_else(|| Problem::not_found("token"))
}

/// Revoke a personal access token: streams that were opened with it end at once.
#[utoipa::path(delete, path = "/auth/access-tokens/{id}", tag = "auth", security(("session" = [])),
    responses((status = 204, description = "Revoked.")))]
pub async fn revoke(
    State(app): State<App>,
    login: Login,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    let id = id.parse().map_err(|_| Problem::not_found("token"))?;
    app.deps.identity.revoke_access_token(login.user(), id).await?;
    Ok(StatusCode::NO_CONTENT)
}
