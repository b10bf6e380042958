//! `/files`: what somebody has uploaded, and its deletion.

use axum::{
    Json,
    extract::{Path, Query, State},
    http::StatusCode,
};
use serde::Deserialize;
use serde_json::{Value, json};
use waddle_core::Timestamp;

use crate::{App, auth::Auth, problem::Problem};

/// `?before=…&limit=…`
#[derive(Debug, Default, Deserialize)]
pub struct Before {
    before: Option<Timestamp>,
    limit: Option<usize>,
}

/// One's own files, newest first; the next page begins before the last one's `uploaded_at`.
pub async fn list(
    State(app): State<App>,
    auth: Auth,
    Query(page): Query<Before>,
) -> Result<Json<Value>, Problem> {
    let files = app
        .deps
        .files
        .as_ref()
        .ok_or_else(|| Problem::not_found("service"))?;
    let limit = page.limit.unwrap_or(100).clamp(1, 500);
    let rows = files.list(auth.user(), page.before, limit).await?;
    let totals = files.totals(Some(auth.user())).await?;
    let one = |f: &waddle_files::FileRow| {
        json!({
            "id": f.id, "name": f.name, "size": f.size, "content_type": f.kind, "purpose": f.purpose,
            "uploaded_at": f.at, "expires_at": f.expires_at, "url": files.address(&f.id, &f.name),
        })
    };
    Ok(Json(json!({
        "files": rows.iter().map(one).collect::<Vec<_>>(), "count": totals.files, "bytes": totals.bytes,
    })))
}

/// Deletes one of one's own files.
pub async fn remove(
    State(app): State<App>,
    auth: Auth,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    let files = app
        .deps
        .files
        .as_ref()
        .ok_or_else(|| Problem::not_found("service"))?;
    if files.delete(&id, Some(auth.user())).await? {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(Problem::not_found("file"))
    }
}
