//! `/waddles/{w}/export`: a whole waddle as one file (`specs/lifecycle.md`); `/account/export/xmpp`: what a person has
//! here, as other XMPP servers read it (XEP-0227).

use axum::{
    body::Body,
    extract::{Path, State},
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use tokio_util::io::ReaderStream;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::visible;
use crate::{
    App,
    auth::{Auth, Login},
    problem::Problem,
};

/// Bytes read at a time.
const PART: usize = 64 * 1024;
/// JSON, a value a line.
const MEDIA_TYPE: &str = "application/jsonl";

/// These addresses.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(export))
        .routes(routes!(takeout))
}

/// Everything of a waddle as one file, as of this moment: it is used on meanwhile. For its owners.
#[utoipa::path(post, path = "/waddles/{w}/export", tag = "waddles", security(("token" = ["manage"])),
    responses((status = 200, description = "The file: JSON, a value a line.", body = String,
        content_type = "application/jsonl")))]
pub async fn export(State(app): State<App>, auth: Auth, Path(w): Path<String>) -> Result<Response, Problem> {
    let (waddle, _) = visible(&app, auth.user(), &w).await?;
    let (done, file) = app.deps.community.export_file(auth.user(), waddle.id).await?;
    let name = format!("{}.waddle.jsonl", waddle.slug);
    Ok(download(file, done.bytes, &name, MEDIA_TYPE))
}

/// Everything that one has here for XMPP: contacts, vCard, nodes, archive. Other servers import it.
#[utoipa::path(get, path = "/account/export/xmpp", tag = "account", security(("session" = [])),
    responses((status = 200, description = "The document (XEP-0227).", body = String,
        content_type = "application/xml")))]
pub async fn takeout(State(app): State<App>, login: Login) -> Result<Response, Problem> {
    let user = login.user().clone();
    let jid = app
        .deps
        .identity
        .jid_of(&user)
        .await?
        .ok_or_else(Problem::unauthorized)?;
    let name = format!("{}.xml", jid.local().unwrap_or_default());
    let storage = app.deps.community.storage();
    let at_a_time = app.config.limits.account_exports;
    let (bytes, file) = waddle_xmpp::takeout::of(storage, user, jid, at_a_time).await?;
    Ok(download(file, bytes, &name, "application/xml"))
}

fn download(file: std::fs::File, bytes: u64, name: &str, kind: &'static str) -> Response {
    let body = Body::from_stream(ReaderStream::with_capacity(tokio::fs::File::from_std(file), PART));
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(kind)),
        (header::CONTENT_LENGTH, HeaderValue::from(bytes)),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    let mut answer = (headers, body).into_response();
    // A localpart may have letters that no header has.
    let name: String = name
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
        .collect();
    if let Ok(name) = HeaderValue::from_str(&format!("attachment; filename=\"{name}\"")) {
        answer.headers_mut().insert(header::CONTENT_DISPOSITION, name);
    }
    answer
}
