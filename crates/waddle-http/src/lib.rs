//! HTTP: login, API, event streams, web archive, WebSockets, status, metrics (`specs/http.md`).
//!
//! Begin with [`router`], the whole surface as a `tower` service; [`HttpServer`] puts it behind sockets. `api` is a file a
//! topic, and its head says how to add an address; `rest` is what holds for all of them, `auth` who asks, `events` the
//! streams, `archive_pages` what is read without a login. XMPP and MQTT over WebSocket and BOSH come in through the doors of
//! [`HttpDeps`], which take bytes.
//!
//! Invariants: what the OpenAPI document says of an address is enforced from it; every error is a problem document; whoever
//! may not see a waddle gets 403, whether it exists or not; no page has a script but the one on which the API is tried.

mod api;
mod archive_pages;
mod auth;
mod bosh;
mod client;
mod config;
mod crowd;
mod events;
mod invitation;
mod layers;
mod login;
mod metrics;
mod oauth;
mod pace;
mod pages;
mod problem;
mod rate;
mod rest;
mod server;
mod small_body;
mod status;
mod taken;
mod uploads;
mod websocket;
mod well_known;

use std::sync::Arc;

use axum::{
    Router,
    extract::DefaultBodyLimit,
    middleware::{from_fn, from_fn_with_state},
    routing::{any, get},
};

use tokio_util::sync::CancellationToken;

pub use bosh::{BoshDoor, BoshSocket};
pub use client::Conn;
pub use config::{
    HttpConfig, HttpDeps, MetricsDoor, MqttConnection, MqttConnections, MqttDoor, Network, ServiceStatus,
    StatusDoor, WsPeer, XmppDoor,
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
    bot_rates: Rates,
    bosh: bosh::Sessions,
    /// Bodies of BOSH that are being read.
    bosh_readers: crowd::Crowd<std::net::IpAddr>,
    /// Files that are being read.
    downloads: crowd::Crowd<std::net::IpAddr>,
    /// Bots that hear commands.
    listeners: crowd::Crowd<waddle_core::BotId>,
    /// Long questions about permissions that are being answered.
    questions: Arc<tokio::sync::Semaphore>,
    oauth: oauth::Pending,
    document: rest::Document,
    conditions: rest::Conditions,
    events: events::Hub,
    /// Streams end when the server does.
    stop: CancellationToken,
    archive: archive_pages::Cache,
}

impl std::ops::Deref for App {
    type Target = Inner;
    fn deref(&self) -> &Inner {
        &self.0
    }
}

/// Everything that HTTP answers, as one service. Requests should carry a [`Conn`] as an extension.
pub fn router(config: HttpConfig, deps: HttpDeps) -> Router {
    surface(config, deps, CancellationToken::new())
}

fn surface(config: HttpConfig, deps: HttpDeps, stop: CancellationToken) -> Router {
    let body = config.limits.http_body_bytes;
    let (api, spoken) = login::routes().merge(api::routes()).split_for_parts();
    let (open, beside) = status::routes()
        .merge(well_known::routes())
        .merge(login::client_routes())
        .split_for_parts();
    let (doors, ways_in) = api::webhooks::doors().split_for_parts();
    let mut spoken = utoipa::openapi::OpenApi::default().nest("/api/v1", spoken);
    spoken.merge(beside);
    spoken.merge(ways_in);
    let limited = config.rate_limits;
    let each = |most| if limited { most } else { usize::MAX };
    let app = App(Arc::new(Inner {
        rates: Rates::new(config.limits.http_rate),
        bot_rates: Rates::new(config.limits.bot_rate),
        bosh: bosh::Sessions::default(),
        listeners: crowd::Crowd::new(usize::MAX, config.limits.http_streams),
        bosh_readers: crowd::Crowd::new(
            config.limits.bosh_readers,
            each(config.limits.bosh_readers_per_address),
        ),
        downloads: crowd::Crowd::new(config.limits.downloads, each(config.limits.downloads_per_address)),
        questions: Arc::new(tokio::sync::Semaphore::new(
            config.limits.permission_questions.max(1),
        )),
        oauth: oauth::Pending::new(&config.limits),
        conditions: rest::Conditions::default(),
        events: events::Hub::new(
            deps.community.clone(),
            deps.rooms.clone(),
            deps.direct.clone(),
            &config.domain,
            (config.limits.http_streams, config.limits.http_stream_events),
        ),
        stop,
        archive: archive_pages::Cache::new(config.limits.archive_cache_bytes),
        document: rest::finish(&spoken, config.public_url.as_str()),
        config,
        deps,
    }));
    // the same handlers at both places
    let api = Router::new().nest("/api/v1", api.clone()).merge(api);
    let current = api.clone().with_state(app.clone());
    let known = api
        .route_layer(from_fn_with_state(
            (app.clone(), current.clone()),
            rest::conditional,
        ))
        .route_layer(from_fn_with_state((app.clone(), current), rest::idempotent));
    let pages = Router::new()
        .route("/", get(pages::home))
        .route("/login", get(pages::login))
        .route("/invite/{code}", get(pages::invite).post(pages::join));
    let known = known
        .merge(pages)
        .merge(doors)
        .merge(oauth::routes())
        .route_layer(from_fn_with_state(app.clone(), auth::authenticate))
        .route_layer(from_fn_with_state(app.clone(), layers::contain));
    let open = open
        .merge(archive_pages::routes().route_layer(from_fn_with_state(app.clone(), auth::slow_down)))
        .route("/style.css", get(pages::style))
        .route("/api", get(rest::try_page))
        .route("/api.js", get(rest::try_script))
        .route("/api/v1/openapi.json", get(rest::serve))
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
        .layer(from_fn_with_state(app.clone(), small_body::read))
        .layer(from_fn(layers::count))
        .layer(from_fn_with_state(app.clone(), client::identify))
        .layer(from_fn_with_state(app.clone(), layers::polish))
        .layer(DefaultBodyLimit::max(body))
        .with_state(app)
}
