//! Streams of events and who reads them.

use std::{sync::Arc, time::Duration};

use axum::{
    body::{Body, BodyDataStream},
    http::{Request, StatusCode},
};
use futures::StreamExt as _;
use serde_json::{Value, json};
use tokio::time::timeout;
use tower::ServiceExt as _;
use waddle_http::{Conn, router};
use waddle_muc::Rooms;
use waddle_xmpp::{Deps, XmppConfig, XmppServer};

use super::{Setup, open_with};

/// Longer than any event takes.
pub const WAIT: Duration = Duration::from_secs(10);

/// A surface with rooms and direct messages, and a waddle `penguins` of alice with bob in it.
pub async fn world(change: impl FnOnce(&mut waddle_core::Limits)) -> (Setup, String, String) {
    let (t, _, alice, bob) = world_with_xmpp(change).await;
    (t, alice, bob)
}

/// The same with the server of the clients.
pub async fn world_with_xmpp(
    change: impl FnOnce(&mut waddle_core::Limits),
) -> (Setup, XmppServer, String, String) {
    let mut t = open_with(|http, _| {
        http.rate_limits = false;
        change(&mut http.limits);
    })
    .await;
    let limits = Arc::new(t.config.limits.clone());
    let rooms = Rooms::new(waddle_muc::Deps {
        storage: t.storage.clone(),
        community: t.deps.community.clone(),
        clock: t.clock.clone(),
        limits: limits.clone(),
        domain: "example.org".into(),
    })
    .await
    .unwrap();
    let xmpp = XmppServer::start(
        XmppConfig::new("example.org"),
        Deps {
            storage: t.storage.clone(),
            identity: t.identity.clone(),
            community: t.deps.community.clone(),
            rooms: rooms.clone(),
            clock: t.clock.clone(),
            limits,
        },
    )
    .await
    .unwrap();
    rooms.set_postman(Arc::new(xmpp.clone()));
    t.deps.rooms = Some(rooms);
    t.deps.direct = Some(xmpp.direct());
    t.router = router(t.config.clone(), t.deps.clone());
    let (alice, bob) = (t.person("alice").await, t.person("bob").await);
    make(&t, &alice, "penguins").await;
    join(&t, &alice, "penguins", "bob").await;
    (t, xmpp, alice, bob)
}

pub async fn make(t: &Setup, by: &str, slug: &str) {
    let made = t
        .post("/waddles")
        .bearer(by)
        .json(json!({"slug": slug, "name": slug}))
        .send()
        .await;
    assert_eq!(made.status, 201, "{}", made.text);
}

pub async fn join(t: &Setup, by: &str, slug: &str, who: &str) {
    let added = t
        .post(&format!("/waddles/{slug}/members"))
        .bearer(by)
        .json(json!({"user": who}))
        .send()
        .await;
    assert_eq!(added.status, 201, "{}", added.text);
}

/// Says something; its identifier.
pub async fn say(t: &Setup, by: &str, channel: &str, body: &str) -> String {
    t.clock.advance(Duration::from_secs(2));
    let said = t
        .post(&format!("/api/v1/channels/{channel}/messages"))
        .bearer(by)
        .json(json!({"body": body}))
        .send()
        .await;
    assert_eq!(said.status, 201, "{}", said.text);
    said.json()["id"].as_str().unwrap().to_owned()
}

/// A reader of a stream.
pub struct Reader {
    body: BodyDataStream,
    text: String,
}

/// An event.
#[derive(Debug)]
pub struct Told {
    pub cursor: String,
    pub kind: String,
    pub data: Value,
}

pub async fn listen(t: &Setup, token: &str, query: &str) -> Result<Reader, StatusCode> {
    listen_at(t, token, &format!("/api/v1/events{query}")).await
}

/// A stream that is elsewhere.
pub async fn listen_at(t: &Setup, token: &str, path: &str) -> Result<Reader, StatusCode> {
    let mut req = Request::builder()
        .uri(path)
        .header("authorization", format!("Bearer {token}"))
        .body(Body::empty())
        .unwrap();
    req.extensions_mut().insert(Conn {
        addr: "127.0.0.1".parse().unwrap(),
        tls: false,
    });
    let answer = t.router.clone().oneshot(req).await.unwrap();
    if answer.status() != StatusCode::OK {
        return Err(answer.status());
    }
    assert_eq!(answer.headers()["content-type"], "text/event-stream");
    Ok(Reader {
        body: answer.into_body().into_data_stream(),
        text: String::new(),
    })
}

impl Reader {
    /// The next event; nothing at the end.
    pub async fn next(&mut self) -> Option<Told> {
        loop {
            if let Some(end) = self.text.find("\n\n") {
                let block: String = self.text.drain(..end + 2).collect();
                let field = |name: &str| {
                    let found = block
                        .lines()
                        .find_map(|l| l.strip_prefix(name)?.strip_prefix(':'));
                    found.map(|v| v.trim_start().to_owned())
                };
                let Some(kind) = field("event") else { continue };
                return Some(Told {
                    cursor: field("id").unwrap_or_default(),
                    kind,
                    data: serde_json::from_str(&field("data").unwrap()).unwrap(),
                });
            }
            let part = timeout(WAIT, self.body.next()).await.unwrap()?;
            self.text.push_str(std::str::from_utf8(&part.unwrap()).unwrap());
        }
    }

    /// The next event, which is of this kind.
    pub async fn expect(&mut self, kind: &str) -> Told {
        let told = self.next().await.unwrap();
        assert_eq!(told.kind, kind, "{told:?}");
        assert_eq!(told.data["type"], kind);
        told
    }

    /// The next event of this kind, whatever comes before.
    pub async fn until(&mut self, kind: &str) -> Told {
        loop {
            let told = self.next().await.unwrap();
            if told.kind == kind {
                return told;
            }
        }
    }
}
