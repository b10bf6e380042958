//! `/.well-known/host-meta` and `host-meta.json`: where WebSocket and BOSH are
//! ([XEP-0156](https://xmpp.org/extensions/xep-0156.html), RFC 6415), by the public URL, whatever stands before it.

use axum::{
    Json,
    extract::State,
    http::{HeaderName, header},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};
use waddle_stanza::XmlWriter;

use crate::App;

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

/// `GET /.well-known/host-meta`.
pub async fn host_meta(State(app): State<App>) -> Response {
    let mut w = XmlWriter::with_capacity(256);
    w.open_ns("XRD", "http://docs.oasis-open.org/ns/xri/xrd-1.0");
    for (rel, href) in links(&app) {
        w.open("Link").attr("rel", rel).attr("href", &href).close();
    }
    let body = w.finish();
    ([OPEN, (header::CONTENT_TYPE, "application/xrd+xml")], body).into_response()
}

/// `GET /.well-known/host-meta.json`.
pub async fn host_meta_json(State(app): State<App>) -> Response {
    let link = |(rel, href): (&str, String)| json!({ "rel": rel, "href": href });
    let links: Vec<Value> = links(&app).into_iter().map(link).collect();
    ([OPEN], Json(json!({ "links": links }))).into_response()
}
