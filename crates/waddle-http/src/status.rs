//! `/status`, `/healthz`, `/readyz`, `/metrics`.

use axum::{
    Extension, Json,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::json;

use crate::{App, client::Client, pages, problem::Problem};

fn wants_html(headers: &HeaderMap) -> bool {
    headers
        .get(header::ACCEPT)
        .and_then(|v| v.to_str().ok())
        .is_some_and(|a| a.contains("text/html"))
}

/// `GET /status`: JSON, or a page for browsers.
pub async fn status(State(app): State<App>, headers: HeaderMap) -> Response {
    let services = (app.deps.status)().await;
    if wants_html(&headers) {
        pages::status(&app, &services)
    } else {
        Json(json!({ "services": services })).into_response()
    }
}

/// `GET /healthz`: the process lives.
pub async fn health() -> &'static str {
    "ok\n"
}

/// `GET /readyz`: every service works; else 503 with those that do not.
pub async fn ready(State(app): State<App>) -> Response {
    let services = (app.deps.status)().await;
    let down: Vec<&str> = services
        .iter()
        .filter(|s| !s.status)
        .map(|s| s.name.as_str())
        .collect();
    let status = if down.is_empty() {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (status, Json(json!({ "ready": down.is_empty(), "down": down }))).into_response()
}

/// `GET /metrics`, for this machine and private networks: the figures say who is here and how much.
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
