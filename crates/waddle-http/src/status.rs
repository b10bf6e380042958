//! `/status`, `/healthz`, `/readyz`, `/metrics`.

use axum::{
    Extension,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{App, ServiceStatus, client::Client, pages, problem::Problem, rest::Json};

/// These addresses.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(status))
        .routes(routes!(health))
        .routes(routes!(ready))
        .routes(routes!(metrics))
}

fn wants_html(headers: &HeaderMap) -> bool {
    headers
        .get(header::ACCEPT)
        .and_then(|v| v.to_str().ok())
        .is_some_and(|a| a.contains("text/html"))
}

/// The services and how they are.
#[derive(Debug, Serialize, ToSchema)]
pub struct StatusView {
    services: Vec<ServiceStatus>,
}

/// The services and how they are; a page for browsers.
#[utoipa::path(get, path = "/status", tag = "operations", security(()),
    responses((status = 200, description = "JSON, or a page where `Accept` has text/html.", body = StatusView)))]
pub async fn status(State(app): State<App>, headers: HeaderMap) -> Response {
    let services = (app.deps.status)().await;
    if wants_html(&headers) {
        pages::status(&app, &services)
    } else {
        Json(StatusView { services }).into_response()
    }
}

/// Whether the process lives.
#[utoipa::path(get, path = "/healthz", tag = "operations", security(()),
    responses((status = 200, description = "It does.", body = String, content_type = "text/plain")))]
pub async fn health() -> &'static str {
    "ok\n"
}

/// Whether every service works, and those that do not.
#[derive(Debug, Serialize, ToSchema)]
pub struct Readiness {
    ready: bool,
    down: Vec<String>,
}

/// Whether every service works.
#[utoipa::path(get, path = "/readyz", tag = "operations", security(()),
    responses((status = 200, description = "Every one does.", body = Readiness),
        (status = 503, description = "Some do not.", body = Readiness)))]
pub async fn ready(State(app): State<App>) -> Response {
    let services = (app.deps.status)().await;
    let down: Vec<String> = services
        .into_iter()
        .filter(|s| !s.status)
        .map(|s| s.name)
        .collect();
    let status = if down.is_empty() {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    let ready = down.is_empty();
    (status, Json(Readiness { ready, down })).into_response()
}

/// Figures in Prometheus' text form, for this machine and private networks: they say who is here and how much.
#[utoipa::path(get, path = "/metrics", tag = "operations", security(()),
    responses((status = 200, description = "Figures.", body = String, content_type = "text/plain"),
        (status = 403, description = "For this machine and private networks only."),
        (status = 404, description = "Off.")))]
pub async fn metrics(
    State(app): State<App>,
    Extension(client): Extension<Client>,
) -> Result<Response, Problem> {
    let door = app
        .deps
        .metrics
        .clone()
        .ok_or_else(|| Problem::not_found("service"))?;
    if waddle_identity::atproto::guard::is_public(client.addr) {
        return Err(Problem::new(
            StatusCode::FORBIDDEN,
            "forbidden",
            "metrics are for this machine and private networks",
        ));
    }
    let headers = [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")];
    Ok((headers, door()).into_response())
}
