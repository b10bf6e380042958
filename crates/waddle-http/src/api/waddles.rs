//! `/waddles`, `/waddles/{w}`.

use axum::{
    extract::{Path, State},
    http::StatusCode,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};
use waddle_community::{NewWaddle, Permission, Role, Visibility, Waddle, WaddleChange, WaddleSettings};
use waddle_core::{Slug, Timestamp, WaddleId};

use super::{channels::ChannelView, visible};
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
        .routes(routes!(show, change, remove))
        .routes(routes!(transfer))
}

/// A waddle.
#[derive(Debug, Serialize, ToSchema)]
pub struct WaddleView {
    id: WaddleId,
    slug: Slug,
    name: String,
    description: String,
    visibility: Visibility,
    /// The address of its picture.
    icon: Option<String>,
    /// The address of its banner.
    banner: Option<String>,
    settings: WaddleSettings,
    created_at: Timestamp,
    /// What one is in it; null for who does not belong to it.
    role: Option<Role>,
    url: String,
    /// Those that one may see; only where one waddle is asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    channels: Option<Vec<ChannelView>>,
    /// How many belong to it; only where one waddle is asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    members: Option<u64>,
    /// What one may do in all of it; only where one waddle is asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    permissions: Option<Vec<Permission>>,
}

fn view(app: &App, waddle: &Waddle, role: Option<Role>) -> WaddleView {
    WaddleView {
        id: waddle.id,
        slug: waddle.slug.clone(),
        name: waddle.name.clone(),
        description: waddle.description.clone(),
        visibility: waddle.visibility,
        icon: waddle.icon.clone(),
        banner: waddle.banner.clone(),
        settings: waddle.settings.clone(),
        created_at: waddle.created_at,
        role,
        url: place(app, waddle),
        channels: None,
        members: None,
        permissions: None,
    }
}

fn place(app: &App, waddle: &Waddle) -> String {
    app.config.at(&format!("/api/v1/waddles/{}", waddle.slug))
}

/// Waddles.
#[derive(Debug, Serialize, ToSchema)]
pub struct WaddleList {
    waddles: Vec<WaddleView>,
}

/// The waddles that one belongs to.
#[utoipa::path(get, path = "/waddles", tag = "waddles", security(("token" = ["read"])),
    responses((status = 200, description = "One's own.", body = WaddleList)))]
pub async fn list(State(app): State<App>, auth: Auth) -> Result<Json<WaddleList>, Problem> {
    let mine = app.deps.community.waddles_of(auth.user()).await?;
    let waddles = mine.iter().map(|(w, role)| view(&app, w, Some(*role))).collect();
    Ok(Json(WaddleList { waddles }))
}

/// A waddle to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewWaddleBody {
    /// It never changes.
    slug: Slug,
    /// 2 to 100 characters; the slug where it is left out.
    name: Option<String>,
    /// Up to 1,000 characters.
    #[serde(default)]
    description: String,
    /// Private where it is left out.
    visibility: Option<Visibility>,
}

/// Make a waddle, with its channels `general` and `announcements`; whoever asks owns it.
#[utoipa::path(post, path = "/waddles", tag = "waddles", security(("token" = ["manage"])),
    responses((status = 201, description = "Made.", body = WaddleView)))]
pub async fn create(
    State(app): State<App>,
    auth: Auth,
    Json(new): Json<NewWaddleBody>,
) -> Result<Created<WaddleView>, Problem> {
    let name = new.name.unwrap_or_else(|| new.slug.to_string());
    let mut wanted = NewWaddle::new(new.slug, name);
    wanted.description = new.description;
    wanted.visibility = new.visibility.unwrap_or(wanted.visibility);
    let made = app.deps.community.create_waddle(auth.user(), wanted).await?;
    Ok(Created(place(&app, &made), view(&app, &made, Some(Role::Owner))))
}

/// One waddle, with the channels that one may see.
#[utoipa::path(get, path = "/waddles/{w}", tag = "waddles", security(("token" = ["read"])),
    responses((status = 200, description = "It.", body = WaddleView)))]
pub async fn show(
    State(app): State<App>,
    auth: Auth,
    Path(w): Path<String>,
) -> Result<Json<WaddleView>, Problem> {
    let (waddle, access) = visible(&app, auth.user(), &w).await?;
    let mut view = view(&app, &waddle, access.role_of(auth.user()));
    view.channels = Some(super::channels::of(&app, &waddle, &access, auth.user()));
    view.members = Some(app.deps.community.listed_members(waddle.id).await?);
    let held = Permission::ALL
        .iter()
        .filter(|p| access.waddle_allows(p.as_str(), auth.user()));
    view.permissions = Some(held.copied().collect());
    Ok(Json(view))
}

/// Change a waddle; what is left out stays.
#[utoipa::path(patch, path = "/waddles/{w}", tag = "waddles", security(("token" = ["manage"])),
    responses((status = 200, description = "As it is now.", body = WaddleView)))]
pub async fn change(
    State(app): State<App>,
    auth: Auth,
    Path(w): Path<String>,
    Json(change): Json<WaddleChange>,
) -> Result<Json<WaddleView>, Problem> {
    let (waddle, access) = visible(&app, auth.user(), &w).await?;
    let changed = app
        .deps
        .community
        .update_waddle(auth.user(), waddle.id, change)
        .await?;
    Ok(Json(view(&app, &changed, access.role_of(auth.user()))))
}

/// Delete a waddle with everything in it.
#[utoipa::path(delete, path = "/waddles/{w}", tag = "waddles", security(("token" = ["manage"])),
    responses((status = 204, description = "Gone.")))]
pub async fn remove(
    State(app): State<App>,
    auth: Auth,
    Path(w): Path<String>,
) -> Result<StatusCode, Problem> {
    let (waddle, _) = visible(&app, auth.user(), &w).await?;
    app.deps.community.delete_waddle(auth.user(), waddle.id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// To whom.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TransferBody {
    /// A member: localpart, address, DID or handle.
    to: String,
}

/// Hand a waddle over: they own it, and one stays as admin.
#[utoipa::path(post, path = "/waddles/{w}/transfer", tag = "waddles", security(("token" = ["manage"])),
    responses((status = 200, description = "Handed over.", body = WaddleView)))]
pub async fn transfer(
    State(app): State<App>,
    auth: Auth,
    Path(w): Path<String>,
    Json(body): Json<TransferBody>,
) -> Result<Json<WaddleView>, Problem> {
    let (waddle, access) = visible(&app, auth.user(), &w).await?;
    let to = super::person(&app, &body.to).await?;
    app.deps
        .community
        .transfer_waddle(auth.user(), waddle.id, &to)
        .await?;
    Ok(Json(view(&app, &waddle, access.role_of(auth.user()))))
}
