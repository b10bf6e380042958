//! Live events (`specs/http.md`, "Events"): `/events` over SSE, `/events/ws` over WebSocket.
//!
//! A stream is one person's, over all their waddles or those they choose. It begins with `ready`, which says how things
//! are; then comes what happens. Each event is checked against the permissions of the moment in which it is told: who was
//! removed learns nothing from then on. The cursor of an event resumes behind it: what was missed is read from the
//! databases, by the archive and the audit log. A queue holds a bounded number of events; who reads too slowly loses the
//! stream and can resume.
//!
//! [`hub`] listens once for all streams, [`stream`] decides what one of them is told, [`changes`] of waddles and
//! [`personal`] of direct messages and markers; [`replay`] reads the past, [`cursor`] names a place in it, [`view`] is
//! what goes over the wire.

mod changes;
mod cursor;
mod hub;
mod personal;
mod replay;
mod stream;
mod view;
mod watch;

use std::{collections::HashSet, convert::Infallible, time::Duration};

use axum::{
    extract::{
        Query, State, WebSocketUpgrade,
        ws::{CloseFrame, Message, WebSocket, rejection::WebSocketUpgradeRejection},
    },
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode},
    response::{
        IntoResponse as _, Response,
        sse::{Event as SseEvent, KeepAlive, Sse},
    },
};
use futures::stream::unfold;
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};
use waddle_core::WaddleId;

pub use hub::Hub;
pub use watch::Watch;

use crate::{
    App,
    auth::{Auth, Proof, Via, is_cross_site},
    problem::Problem,
};
use cursor::Cursor;
use stream::{Next, Stream};
use view::StreamEvent;

/// Silence after which a stream says that it lives.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// Heartbeats that a WebSocket's client may leave unanswered.
const UNANSWERED: u32 = 3;
/// A frame that is not written after this long: nobody reads.
const WRITE: Duration = Duration::from_secs(30);
/// Bytes of a message from a client; there is nothing to say.
const INCOMING: usize = 4_096;
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// These addresses.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(sse))
        .routes(routes!(websocket))
}

/// What a stream is about, and from where on.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Wanted {
    /// Slugs or identifiers of one's waddles, with commas between; all of them where it is left out.
    waddles: Option<String>,
    /// The cursor of the last event that one has; `Last-Event-ID` says the same.
    cursor: Option<String>,
}

async fn open(app: &App, auth: Auth, wanted: Wanted, headers: &HeaderMap) -> Result<Stream, Problem> {
    let last = headers.get(LAST_EVENT_ID).and_then(|v| v.to_str().ok());
    let cursor = match wanted.cursor.as_deref().or(last) {
        None => None,
        Some(text) => Some(Cursor::decode(text).ok_or_else(|| {
            Problem::bad_request("cursor: expected the cursor of an event; leave it out to begin now")
        })?),
    };
    let chosen = match wanted.waddles.as_deref() {
        None => None,
        Some(names) => Some(chosen(app, &auth, names).await?),
    };
    Stream::open(app.clone(), auth.0, chosen, cursor).await
}

async fn chosen(app: &App, auth: &Auth, names: &str) -> Result<HashSet<WaddleId>, Problem> {
    let mut all = HashSet::new();
    for name in names.split(',').map(str::trim).take(1_000) {
        let found = app.deps.community.waddle_by_slug_or_id(name);
        let waddle = found.ok_or_else(Problem::forbidden)?;
        let access = app.deps.community.access(waddle.id).await?;
        if !access.is_member(auth.user()) {
            return Err(Problem::forbidden());
        }
        all.insert(waddle.id);
    }
    Ok(all)
}

fn sse_event(event: &StreamEvent) -> SseEvent {
    let data = serde_json::to_string(&event.event).unwrap_or_default();
    SseEvent::default()
        .id(&event.cursor)
        .event(event.event.word())
        .data(data)
}

/// What happens in one's waddles, as server-sent events.
///
/// The `id` of each is its cursor, the `event` its type, the `data` its JSON. A comment every 15 s says that the stream
/// lives. The last event is `problem` where the server ends it.
#[utoipa::path(get, path = "/events", tag = "events", security(("token" = ["read"])), params(Wanted),
    responses((status = 200, description = "A stream that does not end.", body = StreamEvent,
        content_type = "text/event-stream")))]
pub async fn sse(
    State(app): State<App>,
    auth: Auth,
    Query(wanted): Query<Wanted>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let stream = open(&app, auth, wanted, &headers).await?;
    let events = unfold(Some(stream), |stream| async {
        Some(match Stream::advance(stream?).await {
            (stream, Next::Event(event)) => (Ok::<_, Infallible>(sse_event(&event)), Some(stream)),
            (_, Next::End(problem)) => {
                let last = SseEvent::default()
                    .event("problem")
                    .data(problem.json().to_string());
                (Ok(last), None)
            }
        })
    });
    let alive = KeepAlive::new().interval(HEARTBEAT);
    let mut response = Sse::new(events).keep_alive(alive).into_response();
    // proxies must not hold it back
    response
        .headers_mut()
        .insert("x-accel-buffering", HeaderValue::from_static("no"));
    Ok(response)
}

/// What happens in one's waddles, over a WebSocket: each text message is an event with its cursor.
///
/// Pings every 15 s say that the stream lives. Where the server ends it the last message is
/// `{"type": "problem", "problem": …}`, and the close code 1008 (log in again) or 1013 (resume from the cursor).
#[utoipa::path(get, path = "/events/ws", tag = "events", security(("token" = ["read"])), params(Wanted),
    responses((status = 101, description = "A WebSocket.", body = StreamEvent),
        (status = 426, description = "Not a WebSocket.")))]
pub async fn websocket(
    State(app): State<App>,
    auth: Auth,
    Query(wanted): Query<Wanted>,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Problem> {
    // a browser sends the cookie for any site's script
    if matches!(auth.0.proof, Proof::Login(_, Via::Cookie)) && is_cross_site(&headers, &app) {
        return Err(Problem::csrf());
    }
    let upgrade = upgrade.map_err(|_| Problem::of_status(StatusCode::UPGRADE_REQUIRED, String::new()))?;
    let stream = open(&app, auth, wanted, &headers).await?;
    Ok(upgrade
        .max_message_size(INCOMING)
        .max_frame_size(INCOMING)
        .on_upgrade(move |socket| carry(socket, stream)))
}

/// Sends a frame; `false` where nobody reads.
async fn send(socket: &mut WebSocket, message: Message) -> bool {
    matches!(
        tokio::time::timeout(WRITE, socket.send(message)).await,
        Ok(Ok(()))
    )
}

async fn carry(mut socket: WebSocket, stream: Stream) {
    let mut beat = tokio::time::interval(HEARTBEAT);
    beat.reset();
    let mut unanswered = 0;
    let mut next = Box::pin(stream.advance());
    loop {
        let sent = tokio::select! {
            (stream, event) = &mut next => match event {
                Next::Event(event) => {
                    next.set(stream.advance());
                    let text = serde_json::to_string(&*event).unwrap_or_default();
                    send(&mut socket, Message::Text(text.into())).await
                }
                Next::End(problem) => return end(&mut socket, &problem).await,
            },
            incoming = socket.recv() => match incoming {
                Some(Ok(Message::Close(_)) | Err(_)) | None => false,
                Some(Ok(_)) => {
                    unanswered = 0;
                    true
                }
            },
            _ = beat.tick() => {
                unanswered += 1;
                unanswered <= UNANSWERED && send(&mut socket, Message::Ping(bytes::Bytes::new())).await
            }
        };
        if !sent {
            return;
        }
    }
}

async fn end(socket: &mut WebSocket, problem: &Problem) {
    let text = serde_json::json!({ "type": "problem", "problem": problem.json() }).to_string();
    if send(socket, Message::Text(text.into())).await {
        let again = problem.status == StatusCode::SERVICE_UNAVAILABLE;
        let close = CloseFrame {
            code: if again { 1013 } else { 1008 },
            reason: problem.kind.into(),
        };
        let _ = send(socket, Message::Close(Some(close))).await;
    }
}
