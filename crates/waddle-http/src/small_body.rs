//! Small bodies are read before anything is decided about their request.
//!
//! An answer that is there before its request was read ends an HTTP/1.1 connection (RFC 9112 §9.3): a client that sends the
//! body behind the head would lose the connection to each refusal and each unknown address, and its next request with it.

use std::time::Duration;

use axum::{
    body::{Body, to_bytes},
    extract::{Request, State},
    http::{StatusCode, Version, header},
    middleware::Next,
    response::{IntoResponse as _, Response},
};

use crate::{App, problem::Problem};

/// How long such a body may take.
const PATIENCE: Duration = Duration::from_secs(15);

/// Reads the body of a request that says that it is small (`http_small_body_bytes`): one a connection, since HTTP/2, with its many streams, needs
/// none of this.
pub async fn read(State(app): State<App>, req: Request, next: Next) -> Response {
    let small = app.config.limits.http_small_body_bytes;
    let length = req
        .headers()
        .get(header::CONTENT_LENGTH)
        .and_then(|v| v.to_str().ok()?.parse::<usize>().ok());
    if req.version() >= Version::HTTP_2 || !length.is_some_and(|n| (1..=small).contains(&n)) {
        return next.run(req).await;
    }
    let (parts, body) = req.into_parts();
    match tokio::time::timeout(PATIENCE, to_bytes(body, small)).await {
        Ok(Ok(bytes)) => next.run(Request::from_parts(parts, Body::from(bytes))).await,
        Ok(Err(_)) => Problem::bad_request("the body ended before its length").into_response(),
        Err(_) => Problem::of_status(StatusCode::REQUEST_TIMEOUT, String::new()).into_response(),
    }
}
