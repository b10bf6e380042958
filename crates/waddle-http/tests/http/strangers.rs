//! What strangers may not do to everybody else: hold places, guess without end, keep readers waiting; and what a stream
//! says when the server missed something.

use std::{sync::Arc, task::Poll, time::Duration};

use crate::support::{Setup, open_with, rooms::with_rooms};
use axum::{
    body::Body,
    http::{Request, StatusCode},
    response::Response,
};
use futures::{StreamExt as _, future::BoxFuture, poll, stream};
use serde_json::json;
use tokio::{
    io::AsyncReadExt as _,
    net::{TcpListener, TcpStream},
};
use tower::ServiceExt as _;
use waddle_core::{UserId, limits::Rate};
use waddle_http::{Conn, HttpServer};

#[tokio::test]
async fn whoever_says_nothing_is_left() {
    let t = open_with(|_, _| ()).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = HttpServer::start(t.config.clone(), t.deps.clone(), vec![listener], None).unwrap();
    let mut silent = TcpStream::connect(server.plain_addresses()[0]).await.unwrap();
    tokio::time::pause();
    // ends when the clock, which nobody else waits for, has gone on
    let ended = tokio::time::timeout(Duration::from_secs(60), silent.read(&mut [0; 16])).await;
    assert!(matches!(ended, Ok(Ok(0) | Err(_))), "{ended:?}");
    tokio::time::resume();
    server.shutdown(Duration::from_secs(1)).await;
}

#[tokio::test]
async fn whoever_guesses_has_no_other_address_in_the_same_network() {
    let t = open_with(|http, _| {
        http.limits.http_rate = Rate {
            count: 2,
            seconds: 60,
        }
    })
    .await;
    for n in 1..=2 {
        let guess = t
            .get("/upload/x/y.png")
            .from(&format!("2001:db8:7:7::{n}"))
            .send()
            .await;
        guess.is_problem(404);
    }
    let third = t.get("/upload/x/y.png").from("2001:db8:7:7:1::3").send().await;
    third.is_problem(429);
    let other = t.get("/upload/x/y.png").from("2001:db8:7:8::3").send().await;
    other.is_problem(404);
}

/// A request whose body never comes.
fn slow_post(t: &Setup, addr: &str) -> BoxFuture<'static, Response> {
    let body = Body::from_stream(stream::pending::<Result<bytes::Bytes, std::io::Error>>());
    let mut req = Request::post("/http-bind").body(body).unwrap();
    req.extensions_mut().insert(Conn {
        addr: addr.parse().unwrap(),
        tls: false,
    });
    let router = t.router.clone();
    Box::pin(async move { router.oneshot(req).await.unwrap() })
}

#[tokio::test]
async fn slow_bodies_of_one_network_keep_nobody_else_waiting() {
    let mut t = open_with(|http, _| http.limits.bosh_readers_per_address = 2).await;
    t.deps.bosh = Some(Arc::new(|_, _| false));
    t.router = waddle_http::router(t.config.clone(), t.deps.clone());
    let mut slow: Vec<_> = (0..2).map(|_| slow_post(&t, "192.0.2.1")).collect();
    for one in &mut slow {
        assert!(poll!(one).is_pending());
    }
    match poll!(slow_post(&t, "192.0.2.1")) {
        Poll::Ready(refused) => assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE),
        Poll::Pending => panic!("one more is read"),
    }
    assert!(poll!(slow_post(&t, "192.0.2.2")).is_pending(), "another network");
    slow.pop();
    assert!(
        poll!(slow_post(&t, "192.0.2.1")).is_pending(),
        "a place is free again"
    );
}

#[tokio::test]
async fn a_stream_that_missed_something_may_resume_with_the_same_login() {
    let t = open_with(|_, _| ()).await;
    let alice = t.person("alice").await;
    t.person("bob").await;
    let mut req = Request::get("/events")
        .header("host", "127.0.0.1:3000")
        .header("authorization", format!("Bearer {alice}"))
        .body(Body::empty())
        .unwrap();
    req.extensions_mut().insert(Conn {
        addr: "127.0.0.1".parse().unwrap(),
        tls: false,
    });
    let answer = t.router.clone().oneshot(req).await.unwrap();
    assert_eq!(answer.status(), 200);
    let mut body = answer.into_body().into_data_stream();
    let first = body.next().await.unwrap().unwrap();
    assert!(String::from_utf8_lossy(&first).contains("event: ready"));
    // more than a stream that is not read can be told of
    let bob = UserId::local("bob");
    for _ in 0..1_100 {
        t.identity.set_disabled(&bob, true).await.unwrap();
    }
    let last = body.next().await.unwrap().unwrap();
    let last = String::from_utf8_lossy(&last).into_owned();
    assert!(
        last.contains("event: problem") && last.contains("urn:waddle:problem:missed") && last.contains("503"),
        "{last}"
    );
    assert!(body.next().await.is_none());
    assert_eq!(t.get("/account").bearer(&alice).send().await.status, 200);
}

#[tokio::test]
async fn a_bot_listens_so_often_and_no_more() {
    let (t, ..) = with_rooms().await;
    let alice = t.token("alice").await;
    let made = t
        .post("/bots")
        .bearer(&alice)
        .json(json!({"name": "Skua"}))
        .send()
        .await;
    assert_eq!(made.status, 201, "{}", made.text);
    let token = made.json()["token"]["token"].as_str().unwrap().to_owned();
    let listen = async || {
        let req = Request::get("/bots/@me/interactions")
            .header("host", "127.0.0.1:3000")
            .header("authorization", format!("Bearer {token}"))
            .body(Body::empty())
            .unwrap();
        t.router.clone().oneshot(req).await.unwrap()
    };
    let mut streams = Vec::new();
    for _ in 0..t.config.limits.http_streams {
        streams.push(listen().await);
    }
    assert!(streams.iter().all(|s| s.status() == StatusCode::OK));
    assert_eq!(listen().await.status(), StatusCode::TOO_MANY_REQUESTS);
    streams.pop();
    assert_eq!(listen().await.status(), StatusCode::OK, "one has ended");
}
