//! `/files`: what somebody has uploaded, and its deletion.

use axum::{
    extract::{Path, Query, State},
    http::StatusCode,
};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};
use waddle_core::Timestamp;
use waddle_files::{FileRow, Files};

use crate::{
    App,
    auth::Auth,
    problem::Problem,
    rest::{Json, Paging, next},
};

/// These addresses.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(remove))
}

/// An uploaded file.
#[derive(Debug, Serialize, ToSchema)]
pub struct FileView {
    id: String,
    name: String,
    /// Bytes.
    size: u64,
    content_type: String,
    /// What it was uploaded for.
    purpose: String,
    uploaded_at: Timestamp,
    expires_at: Option<Timestamp>,
    url: String,
}

fn view(files: &Files, f: &FileRow) -> FileView {
    FileView {
        id: f.id.clone(),
        name: f.name.clone(),
        size: f.size,
        content_type: f.kind.clone(),
        purpose: f.purpose.clone(),
        uploaded_at: f.at,
        expires_at: f.expires_at,
        url: files.address(&f.id, &f.name),
    }
}

/// A page of one's files.
#[derive(Debug, Serialize, ToSchema)]
pub struct FileList {
    files: Vec<FileView>,
    /// How many there are in all.
    count: u64,
    /// Their bytes in all.
    bytes: u64,
    /// The cursor of the next page.
    next: Option<String>,
}

fn files(app: &App) -> Result<&Files, Problem> {
    app.deps
        .files
        .as_ref()
        .ok_or_else(|| Problem::not_found("service"))
}

/// One's own files, newest first.
#[utoipa::path(get, path = "/files", tag = "files", security(("token" = ["read"])),
    responses((status = 200, description = "A page.", body = FileList)))]
pub async fn list(
    State(app): State<App>,
    auth: Auth,
    Query(paging): Query<Paging>,
) -> Result<Json<FileList>, Problem> {
    let files = files(&app)?;
    let limit = paging.limit()?;
    let before: Option<Timestamp> = paging.after("files")?;
    let rows = files.list(auth.user(), before, limit).await?;
    let totals = files.totals(Some(auth.user())).await?;
    let last = rows.last().filter(|_| rows.len() == limit);
    Ok(Json(FileList {
        next: last.and_then(|f| next("files", &f.at)),
        files: rows.iter().map(|f| view(files, f)).collect(),
        count: totals.files,
        bytes: totals.bytes,
    }))
}

/// Delete one of one's own files: it is gone for everybody at once.
#[utoipa::path(delete, path = "/files/{id}", tag = "files", security(("token" = ["account"])),
    responses((status = 204, description = "Gone.")))]
pub async fn remove(
    State(app): State<App>,
    auth: Auth,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    if files(&app)?.delete(&id, Some(auth.user())).await? {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(Problem::not_found("file"))
    }
}
