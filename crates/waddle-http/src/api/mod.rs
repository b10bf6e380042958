//! The API over communities, at `/api/v1/…` and, the same handlers, at the short paths (design §8 *HTTP*).
//!
//! Somebody who may not see a waddle gets 403 for everything in it, whether it exists or not.

mod channels;
mod files;
mod invites;
mod members;
mod waddles;

use std::sync::Arc;

use axum::{
    Router,
    routing::{delete, get, post},
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;
use waddle_community::{Page, Waddle, WaddleAccess};
use waddle_core::UserId;

use crate::{App, problem::Problem};

/// The routes, without a prefix.
pub fn routes() -> Router<App> {
    Router::new()
        .route("/waddles", get(waddles::list).post(waddles::create))
        .route(
            "/waddles/{w}",
            get(waddles::show).patch(waddles::change).delete(waddles::remove),
        )
        .route("/waddles/{w}/members", get(members::list).post(members::add))
        .route(
            "/waddles/{w}/members/{who}",
            get(members::show).patch(members::change).delete(members::remove),
        )
        .route(
            "/waddles/{w}/channels",
            get(channels::list).post(channels::create),
        )
        .route(
            "/waddles/{w}/channels/{c}",
            get(channels::show)
                .patch(channels::change)
                .delete(channels::remove),
        )
        .route("/waddles/{w}/invites", get(invites::list).post(invites::create))
        .route("/waddles/{w}/invites/{code}", delete(invites::revoke))
        .route("/waddles/{w}/invites/{code}/accept", post(invites::accept))
        .route("/files", get(files::list))
        .route("/files/{id}", delete(files::remove))
        .route("/invites/{code}", get(invites::show))
        .route("/invites/{code}/accept", post(invites::accept_any))
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

/// The user that a path or body names: localpart, JID, DID or handle.
async fn person(app: &App, name: &str) -> Result<UserId, Problem> {
    app.deps.identity.resolve_name(name).await.map_err(|e| match e {
        waddle_identity::Error::NotFound => {
            Problem::not_found("person; expected a name, address, DID or handle")
        }
        e => e.into(),
    })
}

/// The word that a value of an enum has in JSON.
pub fn word(value: &impl Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(Value::String(s)) => s,
        _ => String::new(),
    }
}

/// The value of an enum that a word stands for.
fn read<T: DeserializeOwned>(field: &str, text: &str) -> Result<T, Problem> {
    serde_json::from_value(Value::String(text.to_owned())).map_err(|e| {
        Problem::new(
            axum::http::StatusCode::UNPROCESSABLE_ENTITY,
            "invalid",
            format!("{field}: {e}"),
        )
    })
}

/// `?offset=…&limit=…`
#[derive(Debug, Default, Deserialize)]
pub struct Paging {
    offset: Option<usize>,
    limit: Option<usize>,
}

impl Paging {
    fn page(&self) -> Page {
        let d = Page::default();
        Page {
            offset: self.offset.unwrap_or(d.offset),
            limit: self.limit.unwrap_or(d.limit).clamp(1, 200),
        }
    }
}
