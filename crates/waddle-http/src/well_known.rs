//! `/.well-known/host-meta` and `host-meta.json`: where WebSocket and BOSH are
//! ([XEP-0156](https://xmpp.org/extensions/xep-0156.html), RFC 6415), by the public URL, whatever stands before it.

use axum::{
    extract::State,
    http::{HeaderName, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};
use waddle_stanza::XmlWriter;

use crate::{App, rest::Json};

/// These addresses.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(host_meta))
        .routes(routes!(host_meta_json))
}

/// Web clients of any origin read it.
const OPEN: (HeaderName, &str) = (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*");

/// Relation and address of each way.
fn links(app: &App) -> Vec<(&'static str, String)> {
    let mut links = vec![("urn:xmpp:alt-connections:websocket", app.config.websocket_url())];
    if app.deps.bosh.is_some() {
        links.push(("urn:xmpp:alt-connections:xbosh", app.config.at("/http-bind")));
    }
    links
}

/// Where WebSocket and BOSH are (XEP-0156), as XML.
#[utoipa::path(get, path = "/.well-known/host-meta", tag = "discovery", security(()),
    responses((status = 200, description = "XRD.", body = String, content_type = "application/xrd+xml")))]
pub async fn host_meta(State(app): State<App>) -> Response {
    let mut w = XmlWriter::with_capacity(256);
    w.open_ns("XRD", "http://docs.oasis-open.org/ns/xri/xrd-1.0");
    for (rel, href) in links(&app) {
        w.open("Link").attr("rel", rel).attr("href", &href).close();
    }
    let body = w.finish();
    ([OPEN, (header::CONTENT_TYPE, "application/xrd+xml")], body).into_response()
}

/// One way to connect.
#[derive(Debug, Serialize, ToSchema)]
pub struct HostLink {
    rel: &'static str,
    href: String,
}

/// The ways to connect.
#[derive(Debug, Serialize, ToSchema)]
pub struct HostMeta {
    links: Vec<HostLink>,
}

/// Where WebSocket and BOSH are (XEP-0156).
#[utoipa::path(get, path = "/.well-known/host-meta.json", tag = "discovery", security(()),
    responses((status = 200, description = "JRD.", body = HostMeta)))]
pub async fn host_meta_json(State(app): State<App>) -> Response {
    let links = links(&app)
        .into_iter()
        .map(|(rel, href)| HostLink { rel, href })
        .collect();
    ([OPEN], Json(HostMeta { links })).into_response()
}
