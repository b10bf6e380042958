//! `/waddles/{w}/export`: a whole waddle as one file (`specs/lifecycle.md`).

use axum::{
    body::Body,
    extract::{Path, State},
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use tokio_util::io::ReaderStream;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::visible;
use crate::{App, auth::Auth, problem::Problem};

/// Bytes read at a time.
const PART: usize = 64 * 1024;
/// JSON, a value a line.
const MEDIA_TYPE: &str = "application/jsonl";

/// These addresses.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(export))
}

/// Everything of a waddle as one file, as of this moment: it is used on meanwhile. For its owners.
#[utoipa::path(post, path = "/waddles/{w}/export", tag = "waddles", security(("token" = ["manage"])),
    responses((status = 200, description = "The file: JSON, a value a line.", body = String,
        content_type = "application/jsonl")))]
pub async fn export(
    State(app): State<App>,
    auth: Auth,
    Path(w): Path<String>,
) -> Result<Response, Problem> {
    let (waddle, _) = visible(&app, auth.user(), &w).await?;
    let (done, file) = app.deps.community.export_file(auth.user(), waddle.id).await?;
    let name = format!("attachment; filename=\"{}.waddle.jsonl\"", waddle.slug);
    let body = Body::from_stream(ReaderStream::with_capacity(tokio::fs::File::from_std(file), PART));
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE)),
        (header::CONTENT_LENGTH, HeaderValue::from(done.bytes)),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    let mut answer = (headers, body).into_response();
    if let Ok(name) = HeaderValue::from_str(&name) {
        answer.headers_mut().insert(header::CONTENT_DISPOSITION, name);
    }
    Ok(answer)
}
