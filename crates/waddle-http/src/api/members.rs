//! `/waddles/{w}/members`, `/waddles/{w}/members/{who}`: `who` is a localpart, JID, DID or handle.

use axum::{
    extract::{Path, Query, State},
    http::StatusCode,
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};
use waddle_community::{Member, Page, RemovalKind, Role};
use waddle_core::{BareJid, Did, Timestamp, UserId};

use super::{person, visible};
use crate::{
    App,
    auth::Auth,
    problem::Problem,
    rest::{Created, Json, Paging, next},
};

/// These addresses.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list, add))
        .routes(routes!(show, change, remove))
}

/// A member.
#[derive(Debug, Serialize, ToSchema)]
pub struct MemberView {
    user: UserId,
    jid: Option<BareJid>,
    did: Option<Did>,
    handle: Option<String>,
    display_name: Option<String>,
    role: Role,
    joined_at: Timestamp,
}

async fn view(app: &App, member: &Member) -> Result<MemberView, Problem> {
    let account = app.deps.identity.by_user(&member.user).await?;
    Ok(MemberView {
        user: member.user.clone(),
        jid: account
            .as_ref()
            .and_then(|a| app.deps.identity.jid(&a.localpart).ok()),
        did: member.user.as_did(),
        handle: account.as_ref().and_then(|a| a.handle.clone()),
        display_name: account.and_then(|a| a.display_name),
        role: member.role,
        joined_at: member.joined_at,
    })
}

/// A page of members.
#[derive(Debug, Serialize, ToSchema)]
pub struct MemberList {
    members: Vec<MemberView>,
    /// All there are.
    total: u64,
    /// The cursor of the next page.
    next: Option<String>,
}

/// One page of the members, for members.
#[utoipa::path(get, path = "/waddles/{w}/members", tag = "members", security(("token" = ["read"])),
    responses((status = 200, description = "A page.", body = MemberList)))]
pub async fn list(
    State(app): State<App>,
    auth: Auth,
    Path(w): Path<String>,
    Query(paging): Query<Paging>,
) -> Result<Json<MemberList>, Problem> {
    let (waddle, access) = visible(&app, auth.user(), &w).await?;
    if !access.is_member(auth.user()) {
        return Err(Problem::forbidden());
    }
    let limit = paging.limit()?;
    let offset: usize = paging.after("members")?.unwrap_or(0);
    let mut members = Vec::new();
    for m in app
        .deps
        .community
        .members(waddle.id, Page { offset, limit })
        .await?
    {
        members.push(view(&app, &m).await?);
    }
    let total = app.deps.community.member_count(waddle.id).await?;
    let reached = offset + members.len();
    let more = !members.is_empty() && (reached as u64) < total;
    Ok(Json(MemberList {
        next: if more { next("members", &reached) } else { None },
        members,
        total,
    }))
}

/// Who becomes a member, and as what.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewMemberBody {
    /// Localpart, address, DID or handle.
    user: String,
    /// Member where it is left out.
    role: Option<Role>,
}

/// Add somebody; by handle also somebody who was never here.
#[utoipa::path(post, path = "/waddles/{w}/members", tag = "members", security(("token" = ["manage"])),
    responses((status = 201, description = "Added.", body = MemberView)))]
pub async fn add(
    State(app): State<App>,
    auth: Auth,
    Path(w): Path<String>,
    Json(new): Json<NewMemberBody>,
) -> Result<Created<MemberView>, Problem> {
    let (waddle, _) = visible(&app, auth.user(), &w).await?;
    let user = app.deps.identity.resolve_anybody(&new.user).await?;
    app.deps
        .community
        .add_member(auth.user(), waddle.id, &user, new.role.unwrap_or(Role::Member))
        .await?;
    let made = app.deps.community.member(waddle.id, &user).await?;
    let made = view(&app, &made.ok_or_else(|| Problem::not_found("member"))?).await?;
    let place = format!("/api/v1/waddles/{}/members/{user}", waddle.slug);
    Ok(Created(app.config.at(&place), made))
}

/// One member, for members.
#[utoipa::path(get, path = "/waddles/{w}/members/{who}", tag = "members", security(("token" = ["read"])),
    responses((status = 200, description = "They.", body = MemberView)))]
pub async fn show(
    State(app): State<App>,
    auth: Auth,
    Path((w, who)): Path<(String, String)>,
) -> Result<Json<MemberView>, Problem> {
    let (waddle, access) = visible(&app, auth.user(), &w).await?;
    if !access.is_member(auth.user()) {
        return Err(Problem::forbidden());
    }
    let user = person(&app, &who).await?;
    let found = app.deps.community.member(waddle.id, &user).await?;
    Ok(Json(
        view(&app, &found.ok_or_else(|| Problem::not_found("member"))?).await?,
    ))
}

/// A member's new role.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MemberChange {
    role: Role,
}

/// Give a member another role.
#[utoipa::path(patch, path = "/waddles/{w}/members/{who}", tag = "members", security(("token" = ["manage"])),
    responses((status = 200, description = "As they are now.", body = MemberView)))]
pub async fn change(
    State(app): State<App>,
    auth: Auth,
    Path((w, who)): Path<(String, String)>,
    Json(change): Json<MemberChange>,
) -> Result<Json<MemberView>, Problem> {
    let (waddle, _) = visible(&app, auth.user(), &w).await?;
    let user = person(&app, &who).await?;
    app.deps
        .community
        .set_role(auth.user(), waddle.id, &user, change.role)
        .await?;
    let found = app.deps.community.member(waddle.id, &user).await?;
    Ok(Json(
        view(&app, &found.ok_or_else(|| Problem::not_found("member"))?).await?,
    ))
}

/// How a membership ends.
#[derive(Debug, Clone, Copy, Default, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Ending {
    /// Taken off the list.
    #[default]
    Removed,
    /// Kicked.
    Kicked,
    /// Banned.
    Banned,
}

/// How and why.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct How {
    /// Removed where it is left out.
    #[param(inline)]
    how: Option<Ending>,
    /// Why, for the audit log and for whom it concerns.
    reason: Option<String>,
}

/// End a membership: one's own, which is leaving, or another's.
#[utoipa::path(delete, path = "/waddles/{w}/members/{who}", tag = "members",
    security(("token" = ["manage"]), ("token" = ["moderate"])),
    responses((status = 204, description = "Ended.")))]
pub async fn remove(
    State(app): State<App>,
    auth: Auth,
    Path((w, who)): Path<(String, String)>,
    Query(q): Query<How>,
) -> Result<StatusCode, Problem> {
    let (waddle, _) = visible(&app, auth.user(), &w).await?;
    let user = person(&app, &who).await?;
    let kind = match q.how.unwrap_or_default() {
        _ if user == *auth.user() => RemovalKind::Left,
        Ending::Removed => RemovalKind::Removed,
        Ending::Kicked => RemovalKind::Kicked,
        Ending::Banned => RemovalKind::Banned,
    };
    app.deps
        .community
        .remove_member(auth.user(), waddle.id, &user, kind, q.reason.as_deref())
        .await?;
    Ok(StatusCode::NO_CONTENT)
}
