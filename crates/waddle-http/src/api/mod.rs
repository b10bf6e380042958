//! The API, at `/api/v1/…` and, the same handlers, at the short paths (`specs/http.md`).
//!
//! # How to add an address
//! One file per topic; [`waddles`] and [`members`] are the examples. What a handler says of itself in `#[utoipa::path]`
//! is the OpenAPI document *and* what is enforced; [`crate::rest`] adds what holds for all.
//! 1. **Route**: a handler with `#[utoipa::path(method, path = "/waddles/{w}/things", tag = "things", …)]`, then
//!    `routes!(list, create)` in the file's `pub fn routes() -> OpenApiRouter<App>` (one `routes!` per path, each method
//!    once), then one `.merge(things::routes())` in [`routes`] below. A route without the attribute fails a test.
//! 2. **Document**: the first line of the doc comment is the summary. Bodies are structs with `ToSchema` whose names are
//!    unique in the API (`ThingView`, `NewThingBody`), taken as [`Json<T>`](crate::rest::Json), never `axum::Json`; of
//!    answers give the good ones alone (`responses((status = 200, description = "…", body = ThingView))`). Errors, path
//!    parameters, `ETag`, `Location`, `Idempotency-Key` and `If-Match` are added. Identifiers, `Slug`, `UserId`,
//!    `Timestamp` and storage's words have schemas already. Requests `deny_unknown_fields`; nothing is `Value`; an enum
//!    in a query is `#[param(inline)]`.
//! 3. **Scope**: `security(("token" = ["read"]))` names what a personal access token needs
//!    ([`Scope`](crate::rest::Scope): `read`, `messages:write`, `moderate`, `manage`, `account`, `admin`); two of them
//!    mean either. `("session" = [])` is for logins alone, `()` for anybody. Then take [`Auth`](crate::auth::Auth) and
//!    ask the engine: `visible`, `channels::find`, the operations of `Community`. A stranger gets 403 for all.
//! 4. **Paging**: `Query(paging): Query<Paging>`, `paging.limit()?`, `paging.after::<Key>("things")?` and
//!    `next("things", &key_of_the_last)`; the answer is `{things: […], next}`. Keys, not offsets.
//! 5. **Idempotency**: a `POST` that documents 201 takes `Idempotency-Key` by itself; answer with
//!    [`Created(place, body)`](crate::rest::Created). Deletion is 204.
//! 6. **ETag**: every `GET` with a JSON answer has one by itself, and `If-Match` of `PUT`, `PATCH` and `DELETE` is held
//!    against what `GET` of the same path answers: give a thing that can be changed a `GET`.

mod access_tokens;
mod account;
mod account_export;
mod audit;
mod avatar;
mod bans;
mod bots;
mod categories;
pub(crate) mod channels;
pub mod commands;
mod devices;
pub(crate) mod direct;
mod discovery;
mod export;
mod feeds;
mod files;
pub(crate) mod inbox;
mod invites;
mod join_requests;
mod members;
mod message_settings;
mod messages;
mod moderation;
mod outgoing_webhooks;
mod overrides;
mod people;
mod permissions;
mod pins;
mod reports;
mod roles;
mod rules;
mod search;
mod server_reports;
mod waddles;
pub mod webhooks;

use std::sync::Arc;

use serde::Serialize;
use serde_json::Value;
use utoipa_axum::router::OpenApiRouter;
use waddle_community::{Waddle, WaddleAccess};
use waddle_core::UserId;

use crate::{App, problem::Problem};

/// The routes, without a prefix.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .merge(waddles::routes())
        .merge(channels::routes())
        .merge(members::routes())
        .merge(invites::routes())
        .merge(bans::routes())
        .merge(moderation::routes())
        .merge(rules::routes())
        .merge(reports::routes())
        .merge(server_reports::routes())
        .merge(audit::routes())
        .merge(direct::routes())
        .merge(categories::routes())
        .merge(discovery::routes())
        .merge(export::routes())
        .merge(join_requests::routes())
        .merge(overrides::routes())
        .merge(roles::routes())
        .merge(permissions::routes())
        .merge(files::routes())
        .merge(messages::routes())
        .merge(message_settings::routes())
        .merge(pins::routes())
        .merge(search::routes())
        .merge(inbox::routes())
        .merge(webhooks::routes())
        .merge(outgoing_webhooks::routes())
        .merge(bots::routes())
        .merge(commands::routes())
        .merge(crate::archive_pages::people_routes())
        .merge(access_tokens::routes())
        .merge(account::routes())
        .merge(avatar::routes())
        .merge(devices::routes())
        .merge(feeds::routes())
        .merge(crate::events::routes())
}

/// A waddle that the user may see; otherwise 403, whether it exists or not.
async fn visible(app: &App, user: &UserId, name: &str) -> Result<(Arc<Waddle>, Arc<WaddleAccess>), Problem> {
    let found = app
        .deps
        .community
        .waddle_by_slug_or_id(name)
        .ok_or_else(Problem::forbidden)?;
    let access = app.deps.community.access(found.id).await?;
    if access.visible_to(user) {
        Ok((found, access))
    } else {
        Err(Problem::forbidden())
    }
}

/// The user that a path or body names: localpart, JID (of another server too), DID or handle.
async fn person(app: &App, name: &str) -> Result<UserId, Problem> {
    match app.deps.identity.resolve_name(name).await {
        Ok(user) => Ok(user),
        Err(waddle_identity::Error::NotFound) => people::elsewhere(app, name)
            .ok_or_else(|| Problem::not_found("person; expected a name, address, DID or handle")),
        Err(e) => Err(e.into()),
    }
}

/// The word that a value of an enum has in JSON.
pub fn word(value: &impl Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(Value::String(s)) => s,
        _ => String::new(),
    }
}
