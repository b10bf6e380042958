//! What every request passes: figures, time limit, panics, problem details for all errors, security headers.

use std::{
    panic::AssertUnwindSafe,
    time::{Duration, Instant},
};

use axum::{
    extract::{MatchedPath, Request, State},
    http::{HeaderName, HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use futures::FutureExt as _;
use opentelemetry::KeyValue;

use crate::{App, metrics::METRICS, problem::Problem};

/// Longest text of a foreign error that is kept as a problem's detail.
const DETAIL: usize = 1_024;

/// Counts requests by route, never by path: paths hold codes and names.
pub async fn count(req: Request, next: Next) -> Response {
    let begun = Instant::now();
    // a stranger may invent methods; a metric's labels are few
    let method = match *req.method() {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PATCH => "PATCH",
        Method::PUT => "PUT",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    };
    let route = req
        .extensions()
        .get::<MatchedPath>()
        .map_or_else(|| "none".to_owned(), |p| p.as_str().to_owned());
    let response = next.run(req).await;
    let labels = [
        KeyValue::new("method", method),
        KeyValue::new("route", route),
        KeyValue::new("status", i64::from(response.status().as_u16())),
    ];
    METRICS.requests.add(1, &labels);
    METRICS
        .seconds
        .record(begun.elapsed().as_secs_f64(), &labels[1..2]);
    response
}

/// Ends a request that takes too long or panics.
pub async fn contain(State(app): State<App>, req: Request, next: Next) -> Response {
    let limit = Duration::from_secs(app.config.limits.http_request_seconds);
    match tokio::time::timeout(limit, AssertUnwindSafe(next.run(req)).catch_unwind()).await {
        Ok(Ok(response)) => response,
        Ok(Err(_)) => {
            tracing::error!(request = %request(), "a request handler panicked");
            Problem::of_status(StatusCode::INTERNAL_SERVER_ERROR, String::new()).into_response()
        }
        Err(_) => Problem::of_status(StatusCode::REQUEST_TIMEOUT, String::new()).into_response(),
    }
}

/// The header that names a request, in the answer and in the log.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// The longest name that a client may give it.
const REQUEST_ID_BYTES: usize = 64;

tokio::task_local! {
    static REQUEST: HeaderValue;
}

/// The name of the request that is being answered, for the log.
pub fn request() -> String {
    REQUEST
        .try_with(|id| id.to_str().unwrap_or_default().to_owned())
        .unwrap_or_default()
}

/// The client's name for its request if it is fit for a log, or a new one.
fn request_id(req: &Request) -> HeaderValue {
    let fit = |v: &&HeaderValue| {
        let b = v.as_bytes();
        let plain = |c: &u8| c.is_ascii_alphanumeric() || b"-_.".contains(c);
        !b.is_empty() && b.len() <= REQUEST_ID_BYTES && b.iter().all(plain)
    };
    let given = req.headers().get(REQUEST_ID).filter(fit).cloned();
    given.unwrap_or_else(|| {
        // ordered by time, as a log is
        let id = waddle_core::SessionId::new().to_string();
        HeaderValue::from_str(&id).unwrap_or(HeaderValue::from_static("unknown"))
    })
}

/// Turns errors that the framework made into problem details, and sets the headers that every answer has.
pub async fn polish(State(app): State<App>, req: Request, next: Next) -> Response {
    let id = request_id(&req);
    let response = REQUEST.scope(id.clone(), next.run(req)).await;
    let status = response.status();
    let kind = response
        .headers()
        .get(header::CONTENT_TYPE)
        .and_then(|v| v.to_str().ok());
    let ours = kind.is_some_and(|k| k.starts_with(crate::problem::MEDIA_TYPE) || k.starts_with("text/html"));
    let is_error = status.is_client_error() || status.is_server_error();
    let mut response = if is_error && !ours && kind != Some("application/json") {
        let (parts, body) = response.into_parts();
        let text = axum::body::to_bytes(body, DETAIL).await.unwrap_or_default();
        let text = String::from_utf8_lossy(&text).into_owned();
        let mut problem = Problem::of_status(status, text).into_response();
        for name in [header::ALLOW, header::RETRY_AFTER, header::SEC_WEBSOCKET_VERSION] {
            if let Some(v) = parts.headers.get(&name) {
                problem.headers_mut().insert(name, v.clone());
            }
        }
        problem
    } else {
        response
    };
    let headers = response.headers_mut();
    headers.insert(REQUEST_ID, id);
    let mut default = |name: HeaderName, value: &'static str| {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    };
    default(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    default(header::REFERRER_POLICY, "no-referrer");
    default(header::CACHE_CONTROL, "no-store");
    default(
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; frame-ancestors 'none'",
    );
    default(header::X_FRAME_OPTIONS, "DENY");
    if app.config.is_https() {
        default(header::STRICT_TRANSPORT_SECURITY, "max-age=31536000");
    }
    response
}

/// Anything that has no route.
pub async fn nothing() -> Problem {
    Problem::of_status(StatusCode::NOT_FOUND, String::new())
}
