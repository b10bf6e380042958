//! XMPP over BOSH at `/http-bind` ([XEP-0124](https://xmpp.org/extensions/xep-0124.html),
//! [XEP-0206](https://xmpp.org/extensions/xep-0206.html)).
//!
//! To the XMPP server a session is a WebSocket: whole stanzas in and out ([`BoshSocket`]). `machine` decides what
//! happens with requests and answers and touches nothing, `body` reads and writes the wrapper, `session` carries out
//! and keeps the time, this file is what HTTP sees.

mod body;
mod machine;
mod session;

use std::{sync::Arc, time::Duration};

use axum::{
    Extension,
    extract::{Request, State},
    http::{HeaderName, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use bytes::Bytes;

use crate::{
    App,
    client::{Client, network},
    config::WsPeer,
    problem::Problem,
};

use body::{Condition, Wrapper};
pub use session::BoshSocket;
pub(crate) use session::Sessions;

const METHODS: &str = "OPTIONS, POST";
/// How long a request's body may take.
const BODY: Duration = Duration::from_secs(30);

/// Any method on `/http-bind`.
pub async fn bind(State(app): State<App>, Extension(client): Extension<Client>, req: Request) -> Response {
    let mut response = match *req.method() {
        Method::POST => post(app, client, req)
            .await
            .unwrap_or_else(Problem::into_response),
        Method::OPTIONS => (
            StatusCode::NO_CONTENT,
            [
                (header::ACCESS_CONTROL_ALLOW_METHODS, METHODS),
                (header::ACCESS_CONTROL_ALLOW_HEADERS, "Content-Type"),
                (header::ACCESS_CONTROL_MAX_AGE, "7200"),
                (header::ALLOW, METHODS),
            ],
        )
            .into_response(),
        _ => {
            let mut r = Problem::of_status(StatusCode::METHOD_NOT_ALLOWED, String::new()).into_response();
            r.headers_mut()
                .insert(header::ALLOW, HeaderValue::from_static(METHODS));
            r
        }
    };
    let open: (HeaderName, HeaderValue) =
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    response.headers_mut().insert(open.0, open.1);
    response
}

fn xml(body: Bytes) -> Response {
    ([(header::CONTENT_TYPE, "text/xml; charset=utf-8")], body).into_response()
}

async fn post(app: App, client: Client, req: Request) -> Result<Response, Problem> {
    let door = app
        .deps
        .bosh
        .clone()
        .ok_or_else(|| Problem::not_found("service"))?;
    let most = app.config.limits.bosh_body_bytes;
    let Some(place) = app.bosh_readers.enter(network(client.addr)) else {
        return Err(Problem {
            retry_after: Some(5),
            ..Problem::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "busy",
                "too many requests are read now; try again",
            )
        });
    };
    let read = tokio::time::timeout(BODY, axum::body::to_bytes(req.into_body(), most));
    let bytes = match read.await {
        Ok(Ok(bytes)) => bytes,
        Ok(Err(_)) => return Err(Problem::of_status(StatusCode::PAYLOAD_TOO_LARGE, String::new())),
        Err(_) => return Err(Problem::of_status(StatusCode::REQUEST_TIMEOUT, String::new())),
    };
    let Some(wrapper) = Wrapper::read(bytes) else {
        return Ok(xml(body::terminate(Some(Condition::BadRequest), &[])));
    };
    drop(place);
    let peer = WsPeer {
        addr: client.addr,
        secure: client.secure,
    };
    let session = match &wrapper.sid {
        Some(sid) => app.bosh.get(sid),
        None => match app.bosh.create(&app.config, &wrapper) {
            Ok((session, socket)) => {
                if !door(socket, peer) {
                    session.forget();
                    return Ok(xml(body::terminate(Some(Condition::PolicyViolation), &[])));
                }
                session.start();
                Some(session)
            }
            Err(condition) => return Ok(xml(body::terminate(Some(condition), &[]))),
        },
    };
    let Some(session) = session else {
        return Ok(xml(body::terminate(Some(Condition::ItemNotFound), &[])));
    };
    Ok(xml(session.request(wrapper).await))
}

/// Takes over a session's stanzas, which come and go as in a WebSocket; `false`: too many connections.
pub type BoshDoor = Arc<dyn Fn(BoshSocket, WsPeer) -> bool + Send + Sync>;
