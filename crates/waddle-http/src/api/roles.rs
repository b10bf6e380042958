//! `/waddles/{w}/roles`: roles of a waddle's own, their permissions and who has them.

use axum::{
    extract::{Path, Query, State},
    http::StatusCode,
};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};
use waddle_community::{CustomRole, NewRole, Permission, RoleChange, WaddleAccess};
use waddle_core::{RoleId, Timestamp, UserId, WaddleId};

use super::{
    people::{People, PersonView},
    person, visible,
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
        .routes(routes!(list, create))
        .routes(routes!(show, change, remove))
        .routes(routes!(members))
        .routes(routes!(give, take))
}

/// A role of a waddle's own.
#[derive(Debug, Serialize, ToSchema)]
pub struct RoleView {
    id: RoleId,
    name: String,
    /// `#rrggbb`.
    colour: Option<String>,
    /// Its place, from 1 on; a higher one stands above.
    position: u32,
    /// What it may do in the whole waddle.
    permissions: Vec<Permission>,
    created_at: Timestamp,
}

fn view(role: CustomRole) -> RoleView {
    RoleView {
        id: role.id,
        name: role.name,
        colour: role.colour,
        position: role.position,
        permissions: role.permissions,
        created_at: role.created_at,
    }
}

/// Roles, the highest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct RoleList {
    roles: Vec<RoleView>,
}

fn for_members(access: &WaddleAccess, user: &UserId) -> Result<(), Problem> {
    if access.is_member(user) {
        Ok(())
    } else {
        Err(Problem::forbidden())
    }
}

fn id(text: &str) -> Result<RoleId, Problem> {
    text.parse().map_err(|_| Problem::not_found("role"))
}

async fn find(app: &App, waddle: WaddleId, role: &str) -> Result<CustomRole, Problem> {
    let found = app.deps.community.custom_role(waddle, id(role)?).await?;
    found.ok_or_else(|| Problem::not_found("role"))
}

/// The roles of a waddle's own, for members.
#[utoipa::path(get, path = "/waddles/{w}/roles", tag = "roles", security(("token" = ["read"])),
    responses((status = 200, description = "The highest first.", body = RoleList)))]
pub async fn list(
    State(app): State<App>,
    auth: Auth,
    Path(w): Path<String>,
) -> Result<Json<RoleList>, Problem> {
    let (waddle, access) = visible(&app, auth.user(), &w).await?;
    for_members(&access, auth.user())?;
    let roles = app.deps.community.custom_roles(waddle.id).await?;
    Ok(Json(RoleList {
        roles: roles.into_iter().map(view).collect(),
    }))
}

/// Make a role; it stands below all others. One gives only permissions that one has.
#[utoipa::path(post, path = "/waddles/{w}/roles", tag = "roles", security(("token" = ["manage"])),
    responses((status = 201, description = "Made.", body = RoleView)))]
pub async fn create(
    State(app): State<App>,
    auth: Auth,
    Path(w): Path<String>,
    Json(new): Json<NewRole>,
) -> Result<Created<RoleView>, Problem> {
    let (waddle, _) = visible(&app, auth.user(), &w).await?;
    let made = app
        .deps
        .community
        .create_role(auth.user(), waddle.id, new)
        .await?;
    let place = format!("/api/v1/waddles/{}/roles/{}", waddle.slug, made.id);
    Ok(Created(app.config.at(&place), view(made)))
}

/// One role, for members.
#[utoipa::path(get, path = "/waddles/{w}/roles/{role}", tag = "roles", security(("token" = ["read"])),
    responses((status = 200, description = "It.", body = RoleView)))]
pub async fn show(
    State(app): State<App>,
    auth: Auth,
    Path((w, role)): Path<(String, String)>,
) -> Result<Json<RoleView>, Problem> {
    let (waddle, access) = visible(&app, auth.user(), &w).await?;
    for_members(&access, auth.user())?;
    Ok(Json(view(find(&app, waddle.id, &role).await?)))
}

/// Change a role; every channel follows at once.
#[utoipa::path(patch, path = "/waddles/{w}/roles/{role}", tag = "roles", security(("token" = ["manage"])),
    responses((status = 200, description = "As it is now.", body = RoleView)))]
pub async fn change(
    State(app): State<App>,
    auth: Auth,
    Path((w, role)): Path<(String, String)>,
    Json(change): Json<RoleChange>,
) -> Result<Json<RoleView>, Problem> {
    let (waddle, _) = visible(&app, auth.user(), &w).await?;
    let changed = app
        .deps
        .community
        .update_role(auth.user(), waddle.id, id(&role)?, change)
        .await?;
    Ok(Json(view(changed)))
}

/// Delete a role; whoever had it has it no more.
#[utoipa::path(delete, path = "/waddles/{w}/roles/{role}", tag = "roles", security(("token" = ["manage"])),
    responses((status = 204, description = "Gone.")))]
pub async fn remove(
    State(app): State<App>,
    auth: Auth,
    Path((w, role)): Path<(String, String)>,
) -> Result<StatusCode, Problem> {
    let (waddle, _) = visible(&app, auth.user(), &w).await?;
    app.deps
        .community
        .delete_role(auth.user(), waddle.id, id(&role)?)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A page of people.
#[derive(Debug, Serialize, ToSchema)]
pub struct RoleMemberList {
    members: Vec<PersonView>,
    /// The cursor of the next page.
    next: Option<String>,
}

/// Who has a role, for members.
#[utoipa::path(get, path = "/waddles/{w}/roles/{role}/members", tag = "roles", security(("token" = ["read"])),
    responses((status = 200, description = "A page.", body = RoleMemberList)))]
pub async fn members(
    State(app): State<App>,
    auth: Auth,
    Path((w, role)): Path<(String, String)>,
    Query(paging): Query<Paging>,
) -> Result<Json<RoleMemberList>, Problem> {
    let (waddle, access) = visible(&app, auth.user(), &w).await?;
    for_members(&access, auth.user())?;
    let role = find(&app, waddle.id, &role).await?;
    let limit = paging.limit()?;
    let after: Option<UserId> = paging.after("role-members")?;
    let found = app
        .deps
        .community
        .role_members(waddle.id, role.id, after, limit)
        .await?;
    let people = People::of(&app, &found).await?;
    Ok(Json(RoleMemberList {
        next: behind("role-members", &found, limit, |user| user),
        members: found.iter().map(|user| people.shown(&app, user)).collect(),
    }))
}

async fn set(
    app: &App,
    auth: &Auth,
    w: &str,
    role: &str,
    who: &str,
    given: bool,
) -> Result<StatusCode, Problem> {
    let (waddle, _) = visible(app, auth.user(), w).await?;
    let user = person(app, who).await?;
    app.deps
        .community
        .give_role(auth.user(), waddle.id, &user, id(role)?, given)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Give a member a role: one below one's own highest, with nothing that one has not oneself.
#[utoipa::path(put, path = "/waddles/{w}/roles/{role}/members/{who}", tag = "roles", security(("token" = ["manage"])),
    responses((status = 204, description = "Given.")))]
pub async fn give(
    State(app): State<App>,
    auth: Auth,
    Path((w, role, who)): Path<(String, String, String)>,
) -> Result<StatusCode, Problem> {
    set(&app, &auth, &w, &role, &who, true).await
}

/// Take a role from a member; one's own everybody may put down.
#[utoipa::path(delete, path = "/waddles/{w}/roles/{role}/members/{who}", tag = "roles", security(("token" = ["manage"])),
    responses((status = 204, description = "Taken.")))]
pub async fn take(
    State(app): State<App>,
    auth: Auth,
    Path((w, role, who)): Path<(String, String, String)>,
) -> Result<StatusCode, Problem> {
    set(&app, &auth, &w, &role, &who, false).await
}
