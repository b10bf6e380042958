//! `/waddles/{w}/categories`: groups of channels.

use axum::{
    extract::{Path, State},
    http::StatusCode,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};
use waddle_community::{Category, CategoryChange};
use waddle_core::{CategoryId, Timestamp};

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
        .routes(routes!(show, change, remove))
}

/// A category.
#[derive(Debug, Serialize, ToSchema)]
pub struct CategoryView {
    id: CategoryId,
    name: String,
    /// Its place, from 0 on.
    position: u32,
    created_at: Timestamp,
}

fn view(c: &Category) -> CategoryView {
    CategoryView {
        id: c.id,
        name: c.name.clone(),
        position: c.position,
        created_at: c.created_at,
    }
}

/// Categories, in their order.
#[derive(Debug, Serialize, ToSchema)]
pub struct CategoryList {
    categories: Vec<CategoryView>,
}

/// The categories of a waddle.
#[utoipa::path(get, path = "/waddles/{w}/categories", tag = "channels", security(("token" = ["read"])),
    responses((status = 200, description = "In their order.", body = CategoryList)))]
pub async fn list(
    State(app): State<App>,
    auth: Auth,
    Path(w): Path<String>,
) -> Result<Json<CategoryList>, Problem> {
    let (_, access) = visible(&app, auth.user(), &w).await?;
    if !access.waddle_allows("view", auth.user()) {
        return Err(Problem::forbidden());
    }
    let categories = access.categories();
    Ok(Json(CategoryList {
        categories: categories.iter().map(|c| view(c)).collect(),
    }))
}

/// A category to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewCategoryBody {
    /// 1 to 100 characters.
    name: String,
}

/// Make a category; it comes last.
#[utoipa::path(post, path = "/waddles/{w}/categories", tag = "channels", security(("token" = ["manage"])),
    responses((status = 201, description = "Made.", body = CategoryView)))]
pub async fn create(
    State(app): State<App>,
    auth: Auth,
    Path(w): Path<String>,
    Json(new): Json<NewCategoryBody>,
) -> Result<Created<CategoryView>, Problem> {
    let (waddle, _) = visible(&app, auth.user(), &w).await?;
    let made = app
        .deps
        .community
        .create_category(auth.user(), waddle.id, &new.name)
        .await?;
    let place = format!("/api/v1/waddles/{}/categories/{}", waddle.slug, made.id);
    Ok(Created(app.config.at(&place), view(&made)))
}

fn id(text: &str) -> Result<CategoryId, Problem> {
    text.parse().map_err(|_| Problem::not_found("category"))
}

/// One category.
#[utoipa::path(get, path = "/waddles/{w}/categories/{category}", tag = "channels", security(("token" = ["read"])),
    responses((status = 200, description = "It.", body = CategoryView)))]
pub async fn show(
    State(app): State<App>,
    auth: Auth,
    Path((w, category)): Path<(String, String)>,
) -> Result<Json<CategoryView>, Problem> {
    let (_, access) = visible(&app, auth.user(), &w).await?;
    if !access.waddle_allows("view", auth.user()) {
        return Err(Problem::forbidden());
    }
    let id = id(&category)?;
    let found = access.categories().into_iter().find(|c| c.id == id);
    Ok(Json(view(&*found.ok_or_else(|| Problem::not_found("category"))?)))
}

/// Rename or move a category; the others make room.
#[utoipa::path(patch, path = "/waddles/{w}/categories/{category}", tag = "channels", security(("token" = ["manage"])),
    responses((status = 200, description = "As it is now.", body = CategoryView)))]
pub async fn change(
    State(app): State<App>,
    auth: Auth,
    Path((w, category)): Path<(String, String)>,
    Json(change): Json<CategoryChange>,
) -> Result<Json<CategoryView>, Problem> {
    let (waddle, _) = visible(&app, auth.user(), &w).await?;
    let changed = app
        .deps
        .community
        .update_category(auth.user(), waddle.id, id(&category)?, change)
        .await?;
    Ok(Json(view(&changed)))
}

/// Delete a category; its channels stay.
#[utoipa::path(delete, path = "/waddles/{w}/categories/{category}", tag = "channels", security(("token" = ["manage"])),
    responses((status = 204, description = "Gone.")))]
pub async fn remove(
    State(app): State<App>,
    auth: Auth,
    Path((w, category)): Path<(String, String)>,
) -> Result<StatusCode, Problem> {
    let (waddle, _) = visible(&app, auth.user(), &w).await?;
    app.deps
        .community
        .delete_category(auth.user(), waddle.id, id(&category)?)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}
