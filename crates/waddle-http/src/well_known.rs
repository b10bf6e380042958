//! `/.well-known/host-meta` and `host-meta.json`: where the WebSocket is
//! ([XEP-0156](https://xmpp.org/extensions/xep-0156.html), RFC 6415).

use axum::{
    Json,
    extract::State,
    http::{HeaderName, header},
    response::{IntoResponse, Response},
};
use serde_json::json;
use waddle_stanza::XmlWriter;

use crate::App;

const RELATION: &str = "urn:xmpp:alt-connections:websocket";
/// Web clients of any origin read it.
const OPEN: (HeaderName, &str) = (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*");

/// `GET /.well-known/host-meta`.
pub async fn host_meta(State(app): State<App>) -> Response {
    let mut w = XmlWriter::with_capacity(256);
    w.open_ns("XRD", "http://docs.oasis-open.org/ns/xri/xrd-1.0")
        .open("Link")
        .attr("rel", RELATION)
        .attr("href", &app.config.websocket_url())
        .close();
    let body = w.finish();
    ([OPEN, (header::CONTENT_TYPE, "application/xrd+xml")], body).into_response()
}

/// `GET /.well-known/host-meta.json`.
pub async fn host_meta_json(State(app): State<App>) -> Response {
    let body = json!({ "links": [{ "rel": RELATION, "href": app.config.websocket_url() }] });
    ([OPEN], Json(body)).into_response()
}
