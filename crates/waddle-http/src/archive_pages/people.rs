//! `/me/web-archive`: whether somebody appears in web-readable archives.

use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};
use waddle_storage::repo::bots;

use crate::{App, auth::Auth, problem::Problem, rest::Json};

/// These addresses.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(show, change))
}

/// Whether one appears in web-readable archives.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WebArchiveWish {
    /// Whether one's name and what one said are left out of the pages that anybody may read.
    hidden: bool,
}

fn failed(e: waddle_storage::StorageError) -> Problem {
    waddle_community::Error::from(e).into()
}

/// Whether one is left out of web-readable archives.
#[utoipa::path(get, path = "/me/web-archive", tag = "account", security(("token" = ["read"])),
    responses((status = 200, description = "The wish.", body = WebArchiveWish)))]
pub async fn show(State(app): State<App>, auth: Auth) -> Result<Json<WebArchiveWish>, Problem> {
    let (server, user) = (app.deps.community.storage().server(), auth.user().to_string());
    let hidden = server
        .read(move |conn| bots::is_hidden(conn, &user))
        .await
        .map_err(failed)?;
    Ok(Json(WebArchiveWish { hidden }))
}

/// Be left out of web-readable archives, or appear there again: at once, for all that was ever said.
#[utoipa::path(put, path = "/me/web-archive", tag = "account", security(("token" = ["account"])),
    responses((status = 200, description = "The wish.", body = WebArchiveWish)))]
pub async fn change(
    State(app): State<App>,
    auth: Auth,
    Json(wish): Json<WebArchiveWish>,
) -> Result<Json<WebArchiveWish>, Problem> {
    let (server, user, hidden) = (
        app.deps.community.storage().server(),
        auth.user().clone(),
        wish.hidden,
    );
    server
        .write(move |tx| bots::set_hidden(tx, &user, hidden))
        .await
        .map_err(failed)?;
    app.archive.people_changed();
    Ok(Json(wish))
}
