//! `/api`: the document as a page on which each operation can be tried. One script of our own, nothing from elsewhere.

use axum::{
    extract::State,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};

use crate::{App, pages};

const MAIN: &str = include_str!("../../assets/api.html");
const SCRIPT: &str = include_str!("../../assets/api.js");
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; \
     base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// `GET /api`.
pub async fn page(State(app): State<App>) -> Response {
    let mut r = pages::page(&app, StatusCode::OK, "API", MAIN);
    r.headers_mut()
        .insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    r
}

/// `GET /api.js`.
pub async fn script() -> Response {
    let headers = [
        (header::CONTENT_TYPE, "text/javascript; charset=utf-8"),
        (header::CACHE_CONTROL, "no-cache"),
    ];
    (headers, SCRIPT).into_response()
}
