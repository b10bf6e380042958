//! An OAuth authorization server for chat programs (XEP-0493): authorization code with PKCE (RFC 6749, RFC 7636),
//! metadata (RFC 8414), registration of programs (RFC 7591), revocation (RFC 7009).
//!
//! What a program gets is an XMPP token of the person, with which it logs in by OAUTHBEARER and which the person sees
//! in the list of their tokens. It is no password: the account itself cannot be changed with it.

mod client;
mod consent;
mod pending;
mod token;

use axum::{
    Json, Router,
    extract::State,
    http::{HeaderName, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde_json::json;

use crate::App;

pub use pending::Pending;

/// The one scope there is.
const SCOPE: &str = "xmpp:client:normal";
/// Programs in browsers, of any origin, ask too; no cookie counts here.
const OPEN: [(HeaderName, &str); 3] = [
    (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
    (header::ACCESS_CONTROL_ALLOW_METHODS, "GET, POST"),
    (header::ACCESS_CONTROL_ALLOW_HEADERS, "content-type"),
];

/// All of it.
pub fn routes() -> Router<App> {
    Router::new()
        .route(
            "/.well-known/oauth-authorization-server",
            get(metadata).options(preflight),
        )
        .route("/oauth/register", post(client::register).options(preflight))
        .route("/oauth/authorize", get(consent::authorize))
        .route("/oauth/consent/{id}", get(consent::ask).post(consent::answer))
        .route("/oauth/token", post(token::exchange).options(preflight))
        .route("/oauth/revoke", post(token::revoke).options(preflight))
}

async fn preflight() -> Response {
    (StatusCode::NO_CONTENT, OPEN).into_response()
}

fn issuer(app: &App) -> String {
    app.config.public_url.origin().ascii_serialization()
}

/// `GET /.well-known/oauth-authorization-server` (RFC 8414 §2).
async fn metadata(State(app): State<App>) -> Response {
    let issuer = issuer(&app);
    let at = |path: &str| [&issuer, path].concat();
    let body = json!({
        "issuer": issuer,
        "authorization_endpoint": at("/oauth/authorize"),
        "token_endpoint": at("/oauth/token"),
        "registration_endpoint": at("/oauth/register"),
        "revocation_endpoint": at("/oauth/revoke"),
        "scopes_supported": [SCOPE],
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": ["authorization_code"],
        "token_endpoint_auth_methods_supported": ["none"],
        "revocation_endpoint_auth_methods_supported": ["none"],
        "code_challenge_methods_supported": ["S256"],
        "authorization_response_iss_parameter_supported": true,
    });
    (OPEN, Json(body)).into_response()
}

/// An error as RFC 6749 §5.2 and RFC 7591 §3.2.2 want it.
fn error(code: &'static str, text: &str) -> Response {
    let body = json!({ "error": code, "error_description": text });
    (StatusCode::BAD_REQUEST, OPEN, Json(body)).into_response()
}
