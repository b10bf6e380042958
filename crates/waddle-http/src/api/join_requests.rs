//! `/waddles/{w}/join` and `/waddles/{w}/join-requests`: joining without an invite.

use axum::{
    extract::{Path, Query, State},
    http::StatusCode,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};
use waddle_community::{JoinRequest, Role, WaddleAccess};
use waddle_core::{JoinRequestId, Timestamp, UserId};

use super::{
    people::{People, PersonView, shown},
    visible,
};
use crate::{
    App,
    auth::Auth,
    problem::Problem,
    rest::{Created, Json, Paging, behind},
};

/// These addresses.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(join))
        .routes(routes!(list, ask))
        .routes(routes!(own, withdraw))
        .routes(routes!(accept))
        .routes(routes!(refuse))
}

/// What one is now.
#[derive(Debug, Serialize, ToSchema)]
pub struct JoinedView {
    role: Role,
}

/// Join a public waddle.
#[utoipa::path(post, path = "/waddles/{w}/join", tag = "members", security(("token" = ["manage"])),
    responses((status = 200, description = "One belongs to it.", body = JoinedView)))]
pub async fn join(
    State(app): State<App>,
    auth: Auth,
    Path(w): Path<String>,
) -> Result<Json<JoinedView>, Problem> {
    let (waddle, _) = visible(&app, auth.user(), &w).await?;
    let role = app.deps.community.join_waddle(auth.user(), waddle.id).await?;
    Ok(Json(JoinedView { role }))
}

/// A request to join.
#[derive(Debug, Serialize, ToSchema)]
pub struct JoinRequestView {
    id: JoinRequestId,
    #[serde(flatten)]
    person: PersonView,
    message: String,
    created_at: Timestamp,
    /// When it was refused; null while it waits.
    refused_at: Option<Timestamp>,
}

fn view(r: &JoinRequest, person: PersonView) -> JoinRequestView {
    JoinRequestView {
        id: r.id,
        person,
        message: r.message.clone(),
        created_at: r.made_at,
        refused_at: r.refused_at,
    }
}

fn may_answer(access: &WaddleAccess, user: &UserId) -> Result<(), Problem> {
    if access.waddle_allows("invite", user) {
        Ok(())
    } else {
        Err(Problem::forbidden())
    }
}

/// A page of requests.
#[derive(Debug, Serialize, ToSchema)]
pub struct JoinRequestList {
    join_requests: Vec<JoinRequestView>,
    /// The cursor of the next page.
    next: Option<String>,
}

/// The requests that wait for an answer, the oldest first, for who may invite.
#[utoipa::path(get, path = "/waddles/{w}/join-requests", tag = "members", security(("token" = ["manage"])),
    responses((status = 200, description = "A page.", body = JoinRequestList)))]
pub async fn list(
    State(app): State<App>,
    auth: Auth,
    Path(w): Path<String>,
    Query(paging): Query<Paging>,
) -> Result<Json<JoinRequestList>, Problem> {
    let (waddle, access) = visible(&app, auth.user(), &w).await?;
    may_answer(&access, auth.user())?;
    let limit = paging.limit()?;
    let after: Option<JoinRequestId> = paging.after("join-requests")?;
    let found = app.deps.community.join_requests(waddle.id, after, limit).await?;
    let people = People::of(&app, found.iter().map(|r| &r.user)).await?;
    let shown = |r: &JoinRequest| view(r, people.shown(&app, &r.user));
    Ok(Json(JoinRequestList {
        next: behind("join-requests", &found, limit, |r| r.id),
        join_requests: found.iter().map(shown).collect(),
    }))
}

/// What one says.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct NewJoinRequestBody {
    /// Up to 500 characters.
    message: String,
}

/// Ask to join a restricted waddle.
#[utoipa::path(post, path = "/waddles/{w}/join-requests", tag = "members", security(("token" = ["manage"])),
    request_body = Option<NewJoinRequestBody>,
    responses((status = 201, description = "Asked.", body = JoinRequestView)))]
pub async fn ask(
    State(app): State<App>,
    auth: Auth,
    Path(w): Path<String>,
    body: Option<Json<NewJoinRequestBody>>,
) -> Result<Created<JoinRequestView>, Problem> {
    let (waddle, _) = visible(&app, auth.user(), &w).await?;
    let message = body.map(|b| b.0.message).unwrap_or_default();
    let made = app
        .deps
        .community
        .request_to_join(auth.user(), waddle.id, &message)
        .await?;
    let place = format!("/api/v1/waddles/{}/join-requests/mine", waddle.slug);
    let person = shown(&app, &made.user).await?;
    Ok(Created(app.config.at(&place), view(&made, person)))
}

/// What one asked, also where it was refused.
#[utoipa::path(get, path = "/waddles/{w}/join-requests/mine", tag = "members", security(("token" = ["read"])),
    responses((status = 200, description = "It.", body = JoinRequestView)))]
pub async fn own(
    State(app): State<App>,
    auth: Auth,
    Path(w): Path<String>,
) -> Result<Json<JoinRequestView>, Problem> {
    let (waddle, _) = visible(&app, auth.user(), &w).await?;
    let found = app.deps.community.join_request_of(waddle.id, auth.user()).await?;
    let found = found.ok_or_else(|| Problem::not_found("request to join"))?;
    let person = shown(&app, &found.user).await?;
    Ok(Json(view(&found, person)))
}

/// Take one's own request back.
#[utoipa::path(delete, path = "/waddles/{w}/join-requests/mine", tag = "members", security(("token" = ["manage"])),
    responses((status = 204, description = "Taken back.")))]
pub async fn withdraw(
    State(app): State<App>,
    auth: Auth,
    Path(w): Path<String>,
) -> Result<StatusCode, Problem> {
    let (waddle, _) = visible(&app, auth.user(), &w).await?;
    app.deps
        .community
        .withdraw_join_request(auth.user(), waddle.id)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn answer(
    app: &App,
    auth: &Auth,
    w: &str,
    request: &str,
    accept: bool,
    reason: Option<&str>,
) -> Result<StatusCode, Problem> {
    let (waddle, access) = visible(app, auth.user(), w).await?;
    may_answer(&access, auth.user())?;
    let id: JoinRequestId = request
        .parse()
        .map_err(|_| Problem::not_found("request to join"))?;
    app.deps
        .community
        .answer_join_request(auth.user(), waddle.id, id, accept, reason)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Accept a request: they are a member.
#[utoipa::path(post, path = "/waddles/{w}/join-requests/{request}/accept", tag = "members",
    security(("token" = ["manage"])),
    responses((status = 204, description = "They belong to it.")))]
pub async fn accept(
    State(app): State<App>,
    auth: Auth,
    Path((w, request)): Path<(String, String)>,
) -> Result<StatusCode, Problem> {
    answer(&app, &auth, &w, &request, true, None).await
}

/// Why.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RefusalBody {
    /// Up to 500 characters, for the audit log.
    reason: Option<String>,
}

/// Refuse a request; they may ask again after a day.
#[utoipa::path(post, path = "/waddles/{w}/join-requests/{request}/refuse", tag = "members",
    security(("token" = ["manage"])), request_body = Option<RefusalBody>,
    responses((status = 204, description = "Refused.")))]
pub async fn refuse(
    State(app): State<App>,
    auth: Auth,
    Path((w, request)): Path<(String, String)>,
    body: Option<Json<RefusalBody>>,
) -> Result<StatusCode, Problem> {
    let reason = body.and_then(|b| b.0.reason);
    answer(&app, &auth, &w, &request, false, reason.as_deref()).await
}
