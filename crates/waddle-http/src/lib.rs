//! HTTP: login, API, WebSockets, status, metrics (`specs/http.md`).
//!
//! [`router`] is the whole surface as a `tower` service; [`HttpServer`] puts it behind sockets. What speaks XMPP and MQTT
//! over WebSocket comes in through the doors of [`HttpDeps`]: this crate carries their bytes and knows neither.

mod api;
mod auth;
mod bosh;
mod client;
mod config;
mod invitation;
mod layers;
mod login;
mod metrics;
mod oauth;
mod pages;
mod problem;
mod rate;
mod rest;
mod server;
mod status;
mod uploads;
mod websocket;
mod well_known;

use std::sync::Arc;

use axum::{
    Router,
    extract::DefaultBodyLimit,
    middleware::{from_fn, from_fn_with_state},
    routing::{any, delete, get, post},
};

pub use bosh::{BoshDoor, BoshSocket};
pub use client::Conn;
pub use config::{
    HttpConfig, HttpDeps, MetricsDoor, MqttDoor, Network, ServiceStatus, StatusDoor, WsPeer, XmppDoor,
};
pub use problem::Problem;
pub use server::{HttpServer, TlsConfig};
pub use websocket::{ByteSocket, TextSocket};

use rate::Rates;

/// What handlers share.
#[derive(Clone)]
pub(crate) struct App(Arc<Inner>);

pub(crate) struct Inner {
    config: HttpConfig,
    deps: HttpDeps,
    rates: Rates,
    bosh: bosh::Sessions,
    oauth: oauth::Pending,
    document: rest::Document,
}

impl std::ops::Deref for App {
    type Target = Inner;
    fn deref(&self) -> &Inner {
        &self.0
    }
}

/// Everything that HTTP answers, as one service. Requests should carry a [`Conn`] as an extension.
pub fn router(config: HttpConfig, deps: HttpDeps) -> Router {
    let body = config.limits.http_body_bytes;
    let (api, spoken) = api::routes().split_for_parts();
    let spoken = utoipa::openapi::OpenApi::default().nest("/api/v1", spoken);
    let app = App(Arc::new(Inner {
        rates: Rates::new(config.limits.http_rate),
        bosh: bosh::Sessions::default(),
        oauth: oauth::Pending::default(),
        document: rest::finish(&spoken, config.public_url.as_str()),
        config,
        deps,
    }));
    let auth = Router::new()
        .route("/auth/login", get(login::begin))
        .route("/auth/callback", get(login::callback))
        .route(
            "/auth/session",
            get(login::session).post(login::local).delete(login::logout),
        )
        .route("/auth/logout", post(login::logout))
        .route("/auth/xmpp-token", post(login::xmpp_token))
        .route("/auth/tokens", get(login::tokens))
        .route("/auth/tokens/{id}", delete(login::revoke))
        .route("/auth/tokens/{id}/revoke", post(login::revoke_form));
    // the same handlers at both places
    let known = auth.merge(api);
    let known = Router::new().nest("/api/v1", known.clone()).merge(known);
    let pages = Router::new()
        .route("/", get(pages::home))
        .route("/login", get(pages::login))
        .route("/invite/{code}", get(pages::invite).post(pages::join));
    let known = known
        .merge(pages)
        .merge(oauth::routes())
        .route_layer(from_fn_with_state(app.clone(), auth::authenticate))
        .route_layer(from_fn_with_state(app.clone(), layers::contain));
    let open = Router::new()
        .route("/oauth-client-metadata.json", get(login::client_metadata))
        .route("/oauth/jwks.json", get(login::client_keys))
        .route("/.well-known/host-meta", get(well_known::host_meta))
        .route("/.well-known/host-meta.json", get(well_known::host_meta_json))
        .route("/style.css", get(pages::style))
        .route("/api", get(rest::try_page))
        .route("/api.js", get(rest::try_script))
        .route("/api/v1/openapi.json", get(rest::serve))
        .route("/status", get(status::status))
        .route("/healthz", get(status::health))
        .route("/readyz", get(status::ready))
        .route("/metrics", get(status::metrics))
        .route_layer(from_fn_with_state(app.clone(), layers::contain));
    // no time limit on these: they last as long as the connection
    let sockets = Router::new()
        .route("/xmpp-websocket", any(websocket::xmpp))
        .route("/mqtt", any(websocket::mqtt))
        .route("/http-bind", any(bosh::bind))
        .route("/upload/{id}/{name}", any(uploads::file));
    known
        .merge(open)
        .merge(sockets)
        .fallback(layers::nothing)
        .layer(from_fn(layers::count))
        .layer(from_fn_with_state(app.clone(), client::identify))
        .layer(from_fn_with_state(app.clone(), layers::polish))
        .layer(DefaultBodyLimit::max(body))
        .with_state(app)
}
