//! `/waddles/{w}/members`, `/waddles/{w}/members/{who}`: `who` is a localpart, JID, DID or handle.

use axum::{
    extract::{Path, Query, State},
    http::StatusCode,
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};
use waddle_community::{Member, MembersAfter, RemovalKind, Role, WaddleAccess};
use waddle_core::{BareJid, Did, RoleId, Timestamp, UserId};

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
    /// Their roles of the waddle's own, the highest first.
    roles: Vec<RoleId>,
    /// Until when they may read and not write.
    timed_out_until: Option<Timestamp>,
    joined_at: Timestamp,
}

async fn view(app: &App, access: &WaddleAccess, member: &Member) -> Result<MemberView, Problem> {
    let account = app.deps.identity.by_user(&member.user).await?;
    Ok(MemberView {
        user: member.user.clone(),
        jid: account
            .as_ref()
            .and_then(|a| app.deps.identity.jid(&a.localpart).ok())
            .or_else(|| member.user.as_remote()),
        did: member.user.as_did(),
        handle: account.as_ref().and_then(|a| a.handle.clone()),
        display_name: account.and_then(|a| a.display_name),
        role: member.role,
        roles: access
            .custom_roles_of(&member.user)
            .iter()
            .map(|r| r.id)
            .collect(),
        timed_out_until: access.timeout_of(&member.user).map(|t| t.expires_at),
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

/// Which members.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct MemberFilter {
    /// Only those of this step of the ladder.
    role: Option<Role>,
}

/// One page of the members, for members.
#[utoipa::path(get, path = "/waddles/{w}/members", tag = "members", security(("token" = ["read"])),
    params(MemberFilter, Paging),
    responses((status = 200, description = "A page.", body = MemberList)))]
pub async fn list(
    State(app): State<App>,
    auth: Auth,
    Path(w): Path<String>,
    Query(filter): Query<MemberFilter>,
    Query(paging): Query<Paging>,
) -> Result<Json<MemberList>, Problem> {
    let (waddle, access) = visible(&app, auth.user(), &w).await?;
    if !access.is_member(auth.user()) {
        return Err(Problem::forbidden());
    }
    let limit = paging.limit()?;
    let after: Option<MembersAfter> = paging.after("members")?;
    let found = app
        .deps
        .community
        .members_page(waddle.id, filter.role, after, limit)
        .await?;
    let last = found.last().filter(|_| found.len() == limit);
    let next = last.and_then(|m| next("members", &(m.joined_at, &m.user)));
    let mut members = Vec::with_capacity(found.len());
    for m in &found {
        members.push(view(&app, &access, m).await?);
    }
    Ok(Json(MemberList {
        next,
        members,
        total: app
            .deps
            .community
            .member_count(waddle.id)
            .await?
            .try_into()
            .unwrap_or(u64::MAX),
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
    let (waddle, access) = visible(&app, auth.user(), &w).await?;
    let user = super::people::anybody(&app, &new.user).await?;
    app.deps
        .community
        .add_member(auth.user(), waddle.id, &user, new.role.unwrap_or(Role::Member))
        .await?;
    let made = app.deps.community.member(waddle.id, &user).await?;
    let made = view(&app, &access, &made.ok_or_else(|| Problem::not_found("member"))?).await?;
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
        view(&app, &access, &found.ok_or_else(|| Problem::not_found("member"))?).await?,
    ))
}

/// What changes; what is left out stays.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct MemberChange {
    /// Their step of the ladder.
    role: Option<Role>,
    /// All their roles of the waddle's own.
    roles: Option<Vec<RoleId>>,
}

/// Give a member another step of the ladder, or other roles of the waddle's own.
#[utoipa::path(patch, path = "/waddles/{w}/members/{who}", tag = "members", security(("token" = ["manage"])),
    responses((status = 200, description = "As they are now.", body = MemberView)))]
pub async fn change(
    State(app): State<App>,
    auth: Auth,
    Path((w, who)): Path<(String, String)>,
    Json(change): Json<MemberChange>,
) -> Result<Json<MemberView>, Problem> {
    let (waddle, access) = visible(&app, auth.user(), &w).await?;
    let user = person(&app, &who).await?;
    let community = &app.deps.community;
    if let Some(role) = change.role {
        community.set_role(auth.user(), waddle.id, &user, role).await?;
    }
    if let Some(roles) = &change.roles {
        community.set_roles(auth.user(), waddle.id, &user, roles).await?;
    }
    let found = app.deps.community.member(waddle.id, &user).await?;
    Ok(Json(
        view(&app, &access, &found.ok_or_else(|| Problem::not_found("member"))?).await?,
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
