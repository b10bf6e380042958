//! `/waddles/{w}/invites`, and accepting one.

use axum::{
    extract::{Path, State},
    http::StatusCode,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};
use waddle_community::{Invite, NewInvite, Role};
use waddle_core::{InviteId, Secret, Slug, Timestamp, UserId, WaddleId};

use super::visible;
use crate::{
    App,
    auth::Auth,
    problem::Problem,
    rest::{Created, Json},
};

/// These addresses.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(one, revoke))
        .routes(routes!(accept))
        .routes(routes!(show))
        .routes(routes!(accept_any))
}

/// An invite, without its code.
#[derive(Debug, Serialize, ToSchema)]
pub struct InviteView {
    id: InviteId,
    /// Whom alone it is for; nobody in particular where it is null.
    for_user: Option<UserId>,
    /// What whoever accepts becomes.
    role: Role,
    max_uses: Option<u32>,
    uses: u32,
    expires_at: Option<Timestamp>,
    created_by: Option<UserId>,
    created_at: Timestamp,
}

fn view(invite: &Invite) -> InviteView {
    InviteView {
        id: invite.id,
        for_user: invite.for_user.clone(),
        role: invite.role,
        max_uses: invite.max_uses,
        uses: invite.uses,
        expires_at: invite.expires_at,
        created_by: invite.made_by.clone(),
        created_at: invite.made_at,
    }
}

/// Invites that are open.
#[derive(Debug, Serialize, ToSchema)]
pub struct InviteList {
    invites: Vec<InviteView>,
}

/// The open invites, for who may invite; never their codes.
#[utoipa::path(get, path = "/waddles/{w}/invites", tag = "invites", security(("token" = ["manage"])),
    responses((status = 200, description = "Open ones.", body = InviteList)))]
pub async fn list(
    State(app): State<App>,
    auth: Auth,
    Path(w): Path<String>,
) -> Result<Json<InviteList>, Problem> {
    let invites = open(&app, &auth, &w).await?;
    Ok(Json(InviteList {
        invites: invites.iter().map(view).collect(),
    }))
}

/// The open invites, for who may invite.
async fn open(app: &App, auth: &Auth, w: &str) -> Result<Vec<Invite>, Problem> {
    let (waddle, access) = visible(app, auth.user(), w).await?;
    if !access.waddle_allows("invite", auth.user()) {
        return Err(Problem::forbidden());
    }
    Ok(app.deps.community.invites(waddle.id).await?)
}

/// One open invite, for who may invite; never its code.
#[utoipa::path(get, path = "/waddles/{w}/invites/{code}", tag = "invites", security(("token" = ["manage"])),
    params(("code" = String, Path, description = "The invite's identifier.")),
    responses((status = 200, description = "It.", body = InviteView)))]
pub async fn one(
    State(app): State<App>,
    auth: Auth,
    Path((w, id)): Path<(String, String)>,
) -> Result<Json<InviteView>, Problem> {
    let invites = open(&app, &auth, &w).await?;
    let found = invites.iter().find(|i| i.id.to_string() == id);
    Ok(Json(view(found.ok_or_else(|| Problem::not_found("invite"))?)))
}

/// An invite to be made; all fields may be left out.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct NewInviteBody {
    /// What whoever accepts becomes; member where it is left out.
    role: Option<Role>,
    /// How often it can be accepted; without a bound where it is left out.
    max_uses: Option<u32>,
    /// Never where it is left out.
    expires_at: Option<Timestamp>,
}

/// An invite that was just made.
#[derive(Debug, Serialize, ToSchema)]
pub struct NewInviteView {
    #[serde(flatten)]
    invite: InviteView,
    /// The only time that it is told.
    code: String,
    /// The page on which it is accepted.
    url: String,
}

/// Make an invite: the only time that its code is told.
#[utoipa::path(post, path = "/waddles/{w}/invites", tag = "invites", security(("token" = ["manage"])),
    request_body = Option<NewInviteBody>,
    responses((status = 201, description = "Made.", body = NewInviteView)))]
pub async fn create(
    State(app): State<App>,
    auth: Auth,
    Path(w): Path<String>,
    body: Option<Json<NewInviteBody>>,
) -> Result<Created<NewInviteView>, Problem> {
    let (waddle, _) = visible(&app, auth.user(), &w).await?;
    let new = body.map(|b| b.0).unwrap_or_default();
    let mut wanted = NewInvite {
        max_uses: new.max_uses,
        expires_at: new.expires_at,
        ..NewInvite::default()
    };
    wanted.role = new.role.unwrap_or(wanted.role);
    let link = app
        .deps
        .community
        .create_invite(auth.user(), waddle.id, wanted)
        .await?;
    let place = format!("/api/v1/waddles/{}/invites/{}", waddle.slug, link.invite.id);
    let made = NewInviteView {
        invite: view(&link.invite),
        url: app.config.at(&format!("/invite/{}", link.code.expose())),
        code: link.code.expose().to_owned(),
    };
    Ok(Created(app.config.at(&place), made))
}

/// Make an invite void.
#[utoipa::path(delete, path = "/waddles/{w}/invites/{code}", tag = "invites", security(("token" = ["manage"])),
    params(("code" = String, Path, description = "The invite's identifier.")),
    responses((status = 204, description = "Void.")))]
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

/// A waddle as somebody sees it who is invited.
#[derive(Debug, Serialize, ToSchema)]
pub struct InvitingWaddle {
    id: WaddleId,
    slug: Slug,
    name: String,
    description: String,
}

/// What one is invited to.
#[derive(Debug, Serialize, ToSchema)]
pub struct Invitation {
    waddle: InvitingWaddle,
    /// What one becomes.
    role: Role,
    expires_at: Option<Timestamp>,
}

/// What one is invited to, by the code.
#[utoipa::path(get, path = "/invites/{code}", tag = "invites", security(("token" = ["read"])),
    responses((status = 200, description = "It.", body = Invitation)))]
pub async fn show(
    State(app): State<App>,
    _auth: Auth,
    Path(code): Path<String>,
) -> Result<Json<Invitation>, Problem> {
    let (waddle, invite) = app.deps.community.invite_info(&Secret::new(code)).await?;
    Ok(Json(Invitation {
        waddle: InvitingWaddle {
            id: waddle.id,
            slug: waddle.slug.clone(),
            name: waddle.name.clone(),
            description: waddle.description.clone(),
        },
        role: invite.role,
        expires_at: invite.expires_at,
    }))
}

/// What one belongs to now, and as what.
#[derive(Debug, Serialize, ToSchema)]
pub struct Joined {
    waddle: InvitingWaddle,
    role: Role,
}

async fn join(app: &App, auth: &Auth, code: &str) -> Result<Json<Joined>, Problem> {
    let (waddle, role) = app
        .deps
        .community
        .accept_invite(auth.user(), &Secret::new(code))
        .await?;
    Ok(Json(Joined {
        waddle: InvitingWaddle {
            id: waddle.id,
            slug: waddle.slug.clone(),
            name: waddle.name.clone(),
            description: waddle.description.clone(),
        },
        role,
    }))
}

/// Accept an invite, by the address of its waddle.
#[utoipa::path(post, path = "/waddles/{w}/invites/{code}/accept", tag = "invites", security(("token" = ["manage"])),
    responses((status = 200, description = "One belongs to it.", body = Joined)))]
pub async fn accept(
    State(app): State<App>,
    auth: Auth,
    Path((w, code)): Path<(String, String)>,
) -> Result<Json<Joined>, Problem> {
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

/// Accept an invite, by its code alone.
#[utoipa::path(post, path = "/invites/{code}/accept", tag = "invites", security(("token" = ["manage"])),
    responses((status = 200, description = "One belongs to it.", body = Joined)))]
pub async fn accept_any(
    State(app): State<App>,
    auth: Auth,
    Path(code): Path<String>,
) -> Result<Json<Joined>, Problem> {
    join(&app, &auth, &code).await
}
