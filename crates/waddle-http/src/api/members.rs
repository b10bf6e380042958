//! `/waddles/{w}/members`, `/waddles/{w}/members/{who}`: `who` is a localpart, JID, DID or handle.

use axum::{
    extract::{Path, Query, State},
    http::StatusCode,
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};
use waddle_community::{Member, MembersAfter, RemovalKind, Role, WaddleAccess};
use waddle_core::{RoleId, Timestamp, UserId};

use super::{
    people::{People, PersonView, anybody, shown},
    person, visible,
};
use crate::{
    App,
    auth::Auth,
    problem::Problem,
    rest::{Created, Json, Paging, Scope, behind},
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
    #[serde(flatten)]
    person: PersonView,
    role: Role,
    /// Their roles of the waddle's own, the highest first.
    roles: Vec<RoleId>,
    /// Until when they may read and not write.
    timed_out_until: Option<Timestamp>,
    joined_at: Timestamp,
}

fn view(access: &WaddleAccess, member: &Member, person: PersonView) -> MemberView {
    MemberView {
        person,
        role: member.role,
        roles: access
            .custom_roles_of(&member.user)
            .iter()
            .map(|r| r.id)
            .collect(),
        timed_out_until: access.timeout_of(&member.user).map(|t| t.expires_at),
        joined_at: member.joined_at,
    }
}

/// One member as they are now.
async fn now(app: &App, access: &WaddleAccess, user: &UserId) -> Result<MemberView, Problem> {
    let found = app.deps.community.member(access.id(), user).await?;
    let found = found.ok_or_else(|| Problem::not_found("member"))?;
    Ok(view(access, &found, shown(app, user).await?))
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
    let people = People::of(&app, found.iter().map(|m| &m.user)).await?;
    let shown = |m: &Member| view(&access, m, people.shown(&app, &m.user));
    Ok(Json(MemberList {
        next: behind("members", &found, limit, |m| (m.joined_at, &m.user)),
        members: found.iter().map(shown).collect(),
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
    // before the network is asked who it is
    if !access.waddle_allows("manage_members", auth.user()) {
        return Err(Problem::forbidden());
    }
    let user = anybody(&app, &new.user).await?;
    app.deps
        .community
        .add_member(auth.user(), waddle.id, &user, new.role.unwrap_or(Role::Member))
        .await?;
    let place = format!("/api/v1/waddles/{}/members/{user}", waddle.slug);
    Ok(Created(app.config.at(&place), now(&app, &access, &user).await?))
}

/// One member, for members.
#[utoipa::path(get, path = "/waddles/{w}/members/{who}", tag = "members", security(("token" = ["read"])),
    responses((status = 200, description = "They.", body = MemberView)))]
pub async fn show(
    State(app): State<App>,
    auth: Auth,
    Path((w, who)): Path<(String, String)>,
) -> Result<Json<MemberView>, Problem> {
    let (_, access) = visible(&app, auth.user(), &w).await?;
    if !access.is_member(auth.user()) {
        return Err(Problem::forbidden());
    }
    let user = person(&app, &who).await?;
    Ok(Json(now(&app, &access, &user).await?))
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

/// Give a member another step of the ladder, other roles of the waddle's own, or both: all of it or nothing.
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
    app.deps
        .community
        .change_member(
            auth.user(),
            waddle.id,
            &user,
            change.role,
            change.roles.as_deref(),
        )
        .await?;
    Ok(Json(now(&app, &access, &user).await?))
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
///
/// A token needs `moderate` to kick and to ban, `manage` for the rest.
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
    auth.require(match kind {
        RemovalKind::Kicked | RemovalKind::Banned => Scope::Moderate,
        RemovalKind::Left | RemovalKind::Removed => Scope::Manage,
    })?;
    app.deps
        .community
        .remove_member(auth.user(), waddle.id, &user, kind, q.reason.as_deref())
        .await?;
    Ok(StatusCode::NO_CONTENT)
}
