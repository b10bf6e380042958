//! `/waddles/{w}/bans` and `/waddles/{w}/timeouts`: who may not be here, and who may not write for a while.

use std::sync::Arc;

use axum::{
    extract::{Path, Query, State},
    http::StatusCode,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};
use waddle_community::{Ban, BanDetails, MembersAfter, Timeout, WaddleAccess};
use waddle_core::{Timestamp, UserId, WaddleId};

use super::{
    people::{People, PersonView, anybody, shown},
    person, visible,
};
use crate::{
    App,
    auth::Auth,
    problem::Problem,
    rest::{Json, Paging, behind},
};

/// These addresses.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(show, ban, unban))
        .routes(routes!(timeouts))
        .routes(routes!(timeout_of, set_timeout, end_timeout))
}

/// A ban.
#[derive(Debug, Serialize, ToSchema)]
pub struct BanView {
    #[serde(flatten)]
    person: PersonView,
    reason: Option<String>,
    /// Who banned them; null for the server's operator.
    by: Option<UserId>,
    at: Timestamp,
    /// When it ends; null for never.
    expires_at: Option<Timestamp>,
    /// What they were banned by, in lower case, where that is not who they are: it lifts the ban too.
    named: Option<String>,
}

fn view(b: Ban, person: PersonView) -> BanView {
    BanView {
        person,
        reason: b.reason,
        by: b.by,
        at: b.at,
        expires_at: b.expires_at,
        named: b.named,
    }
}

/// The waddle, for who may do this to its people.
async fn allowed(
    app: &App,
    auth: &Auth,
    w: &str,
    relation: &str,
) -> Result<(WaddleId, Arc<WaddleAccess>), Problem> {
    let (waddle, access) = visible(app, auth.user(), w).await?;
    if access.waddle_allows(relation, auth.user()) {
        Ok((waddle.id, access))
    } else {
        Err(Problem::forbidden())
    }
}

/// Who is banned, by any name that they have now, or that they were banned by.
async fn banned(app: &App, waddle: WaddleId, who: &str) -> Result<UserId, Problem> {
    let community = &app.deps.community;
    let now = person(app, who).await;
    if let Ok(user) = &now
        && community.ban_of(waddle, user).await?.is_some()
    {
        return now;
    }
    community.banned_as(waddle, who).await?.map_or(now, Ok)
}

async fn ban_now(app: &App, waddle: WaddleId, user: &UserId) -> Result<Json<BanView>, Problem> {
    let found = app.deps.community.ban_of(waddle, user).await?;
    let found = found.ok_or_else(|| Problem::not_found("ban"))?;
    Ok(Json(view(found, shown(app, user).await?)))
}

/// A page of bans.
#[derive(Debug, Serialize, ToSchema)]
pub struct BanList {
    bans: Vec<BanView>,
    /// The cursor of the next page.
    next: Option<String>,
}

/// The bans of a waddle, the newest first, for who may ban.
#[utoipa::path(get, path = "/waddles/{w}/bans", tag = "moderation", security(("token" = ["moderate"])),
    responses((status = 200, description = "A page.", body = BanList)))]
pub async fn list(
    State(app): State<App>,
    auth: Auth,
    Path(w): Path<String>,
    Query(paging): Query<Paging>,
) -> Result<Json<BanList>, Problem> {
    let (waddle, _) = allowed(&app, &auth, &w, "ban").await?;
    let limit = paging.limit()?;
    let after: Option<MembersAfter> = paging.after("bans")?;
    let found = app.deps.community.bans_page(waddle, after, limit).await?;
    let people = People::of(&app, found.iter().map(|b| &b.user)).await?;
    let next = behind("bans", &found, limit, |b| (b.at, &b.user));
    let shown = found.into_iter().map(|b| {
        let person = people.shown(&app, &b.user);
        view(b, person)
    });
    Ok(Json(BanList {
        bans: shown.collect(),
        next,
    }))
}

/// One person's ban, for who may ban.
#[utoipa::path(get, path = "/waddles/{w}/bans/{who}", tag = "moderation", security(("token" = ["moderate"])),
    responses((status = 200, description = "It.", body = BanView)))]
pub async fn show(
    State(app): State<App>,
    auth: Auth,
    Path((w, who)): Path<(String, String)>,
) -> Result<Json<BanView>, Problem> {
    let (waddle, _) = allowed(&app, &auth, &w, "ban").await?;
    ban_now(&app, waddle, &banned(&app, waddle, &who).await?).await
}

/// Why, and until when.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct BanBody {
    /// Up to 500 characters.
    reason: Option<String>,
    /// Never where it is left out.
    expires_at: Option<Timestamp>,
}

/// Ban somebody, a member or not: it holds in every channel, over MQTT and over HTTP.
#[utoipa::path(put, path = "/waddles/{w}/bans/{who}", tag = "moderation", security(("token" = ["moderate"])),
    request_body = Option<BanBody>,
    responses((status = 200, description = "Banned.", body = BanView)))]
pub async fn ban(
    State(app): State<App>,
    auth: Auth,
    Path((w, who)): Path<(String, String)>,
    body: Option<Json<BanBody>>,
) -> Result<Json<BanView>, Problem> {
    // before the network is asked who it is
    let (waddle, _) = allowed(&app, &auth, &w, "ban").await?;
    let user = anybody(&app, &who).await?;
    let body = body.map(|b| b.0).unwrap_or_default();
    let details = BanDetails {
        reason: body.reason,
        expires_at: body.expires_at,
    };
    app.deps
        .community
        .ban_called(auth.user(), waddle, &user, Some(&who), details)
        .await?;
    ban_now(&app, waddle, &user).await
}

/// Lift a ban.
#[utoipa::path(delete, path = "/waddles/{w}/bans/{who}", tag = "moderation", security(("token" = ["moderate"])),
    responses((status = 204, description = "Lifted.")))]
pub async fn unban(
    State(app): State<App>,
    auth: Auth,
    Path((w, who)): Path<(String, String)>,
) -> Result<StatusCode, Problem> {
    // before it is told by whether there is such a ban
    let (waddle, _) = allowed(&app, &auth, &w, "ban").await?;
    let user = banned(&app, waddle, &who).await?;
    app.deps.community.unban(auth.user(), waddle, &user).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A timeout.
#[derive(Debug, Serialize, ToSchema)]
pub struct TimeoutView {
    #[serde(flatten)]
    person: PersonView,
    /// When it ends.
    expires_at: Timestamp,
    reason: Option<String>,
    /// Who gave it; null for the server's operator.
    by: Option<UserId>,
    at: Timestamp,
}

fn timeout_view(t: &Timeout, person: PersonView) -> TimeoutView {
    TimeoutView {
        person,
        expires_at: t.expires_at,
        reason: t.reason.clone(),
        by: t.by.clone(),
        at: t.at,
    }
}

/// A page of timeouts.
#[derive(Debug, Serialize, ToSchema)]
pub struct TimeoutList {
    timeouts: Vec<TimeoutView>,
    /// The cursor of the next page.
    next: Option<String>,
}

/// The timeouts of a waddle, those that end first at the front, for who may time out.
#[utoipa::path(get, path = "/waddles/{w}/timeouts", tag = "moderation", security(("token" = ["moderate"])),
    responses((status = 200, description = "A page.", body = TimeoutList)))]
pub async fn timeouts(
    State(app): State<App>,
    auth: Auth,
    Path(w): Path<String>,
    Query(paging): Query<Paging>,
) -> Result<Json<TimeoutList>, Problem> {
    let (waddle, _) = allowed(&app, &auth, &w, "timeout").await?;
    let limit = paging.limit()?;
    let after: Option<MembersAfter> = paging.after("timeouts")?;
    let found = app.deps.community.timeouts(waddle, after, limit).await?;
    let people = People::of(&app, found.iter().map(|t| &t.user)).await?;
    let shown = |t: &Timeout| timeout_view(t, people.shown(&app, &t.user));
    Ok(Json(TimeoutList {
        next: behind("timeouts", &found, limit, |t| (t.expires_at, &t.user)),
        timeouts: found.iter().map(shown).collect(),
    }))
}

/// One person's timeout: one's own, or for who may time out.
#[utoipa::path(get, path = "/waddles/{w}/timeouts/{who}", tag = "moderation", security(("token" = ["read"])),
    responses((status = 200, description = "It.", body = TimeoutView)))]
pub async fn timeout_of(
    State(app): State<App>,
    auth: Auth,
    Path((w, who)): Path<(String, String)>,
) -> Result<Json<TimeoutView>, Problem> {
    let (_, access) = visible(&app, auth.user(), &w).await?;
    let user = person(&app, &who).await?;
    if user != *auth.user() && !access.waddle_allows("timeout", auth.user()) {
        return Err(Problem::forbidden());
    }
    let found = access
        .timeout_of(&user)
        .ok_or_else(|| Problem::not_found("timeout"))?;
    Ok(Json(timeout_view(&found, shown(&app, &user).await?)))
}

/// Until when, and why.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TimeoutBody {
    /// At most 28 days from now, where the server sets nothing else.
    expires_at: Timestamp,
    /// Up to 500 characters.
    reason: Option<String>,
}

/// Time a member out: they read and do not write until then.
#[utoipa::path(put, path = "/waddles/{w}/timeouts/{who}", tag = "moderation", security(("token" = ["moderate"])),
    responses((status = 200, description = "Timed out.", body = TimeoutView)))]
pub async fn set_timeout(
    State(app): State<App>,
    auth: Auth,
    Path((w, who)): Path<(String, String)>,
    Json(body): Json<TimeoutBody>,
) -> Result<Json<TimeoutView>, Problem> {
    let (waddle, _) = visible(&app, auth.user(), &w).await?;
    let user = person(&app, &who).await?;
    let made = app
        .deps
        .community
        .timeout_member(
            auth.user(),
            waddle.id,
            &user,
            body.expires_at,
            body.reason.as_deref(),
        )
        .await?;
    Ok(Json(timeout_view(&made, shown(&app, &user).await?)))
}

/// End a timeout before its time.
#[utoipa::path(delete, path = "/waddles/{w}/timeouts/{who}", tag = "moderation", security(("token" = ["moderate"])),
    responses((status = 204, description = "Ended.")))]
pub async fn end_timeout(
    State(app): State<App>,
    auth: Auth,
    Path((w, who)): Path<(String, String)>,
) -> Result<StatusCode, Problem> {
    let (waddle, _) = visible(&app, auth.user(), &w).await?;
    let user = person(&app, &who).await?;
    app.deps
        .community
        .end_timeout(auth.user(), waddle.id, &user)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}
