//! Event streams: what is told to whom, resuming, and what ends them.

use std::time::Duration;

use crate::support::stream::{WAIT, join, listen, make, say, world};
use axum::http::StatusCode;
use futures::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::{net::TcpListener, time::timeout};
use tokio_tungstenite::tungstenite::{Message, client::IntoClientRequest as _};
use waddle_http::HttpServer;

#[tokio::test]
async fn what_is_said_and_done() {
    let (t, alice, bob) = world(|_| ()).await;
    let mut reader = listen(&t, &bob, "").await.unwrap();
    let ready = reader.expect("ready").await;
    assert_eq!(ready.data["waddles"][0]["slug"], "penguins");
    assert_eq!(ready.data["waddles"][0]["channels"].as_array().unwrap().len(), 2);
    assert_eq!(ready.data["resumed"], false);

    let id = say(&t, &alice, "penguins.general", "hello @bob").await;
    let told = reader.expect("message.created").await;
    assert_eq!(
        (
            told.data["message"]["id"].as_str(),
            told.data["message"]["body"].as_str()
        ),
        (Some(&*id), Some("hello @bob"))
    );
    assert!(!told.cursor.is_empty());

    let at = format!("/api/v1/channels/penguins.general/messages/{id}");
    let edited = t
        .ask("PATCH", &at)
        .bearer(&alice)
        .json(json!({"body": "hello all"}))
        .send()
        .await;
    assert_eq!(edited.status, 200, "{}", edited.text);
    let told = reader.expect("message.updated").await;
    assert_eq!(told.data["message"]["body"], "hello all");
    let reacted = t
        .ask("PUT", &format!("{at}/reactions/%F0%9F%90%A7"))
        .bearer(&bob)
        .send()
        .await;
    assert_eq!(reacted.status, 204, "{}", reacted.text);
    let told = reader.expect("message.reactions").await;
    assert_eq!(told.data["message"]["reactions"][0]["me"], true);
    assert_eq!(told.data["message"]["reactions"][0]["count"], 1);
    assert_eq!(t.ask("DELETE", &at).bearer(&alice).send().await.status, 204);
    let told = reader.expect("message.deleted").await;
    assert_eq!(told.data["message_id"], *id);

    // channels: a private one is not told of until one may see it
    let private = t
        .post("/waddles/penguins/channels")
        .bearer(&alice)
        .json(json!({"name": "Secret", "private": true}))
        .send()
        .await;
    assert_eq!(private.status, 201, "{}", private.text);
    say(&t, &alice, "penguins.secret", "psst").await;
    let open = t
        .post("/waddles/penguins/channels")
        .bearer(&alice)
        .json(json!({"name": "Fish"}))
        .send()
        .await;
    assert_eq!(open.status, 201);
    let told = reader.expect("channel.created").await;
    assert_eq!(told.data["channel"]["slug"], "fish");
    let renamed = t
        .ask("PATCH", "/waddles/penguins/channels/fish")
        .bearer(&alice)
        .json(json!({"topic": "of all kinds"}))
        .send()
        .await;
    assert_eq!(renamed.status, 200);
    assert_eq!(
        reader.until("channel.updated").await.data["channel"]["topic"],
        "of all kinds"
    );
    t.ask("DELETE", "/waddles/penguins/channels/fish")
        .bearer(&alice)
        .send()
        .await;
    reader.until("channel.deleted").await;

    // members
    t.person("carol").await;
    join(&t, &alice, "penguins", "carol").await;
    assert_eq!(reader.until("member.joined").await.data["user"], "local:carol");
    t.ask("PATCH", "/waddles/penguins/members/carol")
        .bearer(&alice)
        .json(json!({"role": "moderator"}))
        .send()
        .await;
    assert_eq!(reader.until("member.updated").await.data["user"], "local:carol");
    t.ask("DELETE", "/waddles/penguins/members/carol?how=kicked")
        .bearer(&alice)
        .send()
        .await;
    let left = reader.until("member.left").await;
    assert_eq!(
        (left.data["user"].as_str(), left.data["how"].as_str()),
        (Some("local:carol"), Some("kicked"))
    );
    t.ask("PATCH", "/waddles/penguins")
        .bearer(&alice)
        .json(json!({"name": "Birds"}))
        .send()
        .await;
    assert_eq!(reader.until("waddle.updated").await.data["name"], "Birds");
}

#[tokio::test]
async fn two_readers_resume() {
    let (t, alice, bob) = world(|_| ()).await;
    make(&t, &alice, "fish").await;
    join(&t, &alice, "fish", "bob").await;
    let (mut one, mut two) = (
        listen(&t, &bob, "").await.unwrap(),
        listen(&t, &alice, "").await.unwrap(),
    );
    one.expect("ready").await;
    two.expect("ready").await;
    let first = say(&t, &alice, "penguins.general", "1").await;
    let (a, b) = (
        one.expect("message.created").await,
        two.expect("message.created").await,
    );
    assert_eq!(a.data["message"]["id"], *first);
    assert_eq!(b.data["message"]["id"], *first);
    drop((one, two));

    // in their absence, over both waddles
    let mut missed = Vec::new();
    for (n, channel) in [
        "penguins.general",
        "fish.general",
        "penguins.announcements",
        "fish.general",
    ]
    .iter()
    .enumerate()
    {
        missed.push(say(&t, &alice, channel, &n.to_string()).await);
    }
    t.person("carol").await;
    join(&t, &alice, "fish", "carol").await;

    for (who, cursor) in [(&bob, &a.cursor), (&alice, &b.cursor)] {
        let mut reader = listen(&t, who, &format!("?cursor={cursor}")).await.unwrap();
        assert_eq!(reader.expect("ready").await.data["resumed"], true);
        let mut last = String::new();
        for id in &missed {
            let told = reader.expect("message.created").await;
            assert_eq!(told.data["message"]["id"], **id);
            last = told.cursor;
        }
        let joined = reader.expect("member.joined").await;
        assert_eq!(joined.data["user"], "local:carol");
        let now = say(&t, &alice, "fish.general", "now").await;
        assert_eq!(reader.expect("message.created").await.data["message"]["id"], *now);
        // from the middle of the replay, by the header's name for it too
        let mut again = listen(&t, who, &format!("?cursor={last}&waddles=fish"))
            .await
            .unwrap();
        again.expect("ready").await;
        let told = again.until("message.created").await;
        assert_eq!(told.data["message"]["body"], "now");
        missed.push(now);
    }
    assert_eq!(
        listen(&t, &bob, "?cursor=nonsense").await.err(),
        Some(StatusCode::BAD_REQUEST)
    );
}

#[tokio::test]
async fn who_was_removed_learns_nothing() {
    let (t, alice, bob) = world(|_| ()).await;
    make(&t, &alice, "fish").await;
    join(&t, &alice, "fish", "bob").await;
    let mut reader = listen(&t, &bob, "").await.unwrap();
    reader.expect("ready").await;
    let seen = say(&t, &alice, "penguins.general", "before").await;
    let cursor = reader.expect("message.created").await.cursor;
    // said while they were a member, told after their removal: not told
    say(&t, &alice, "penguins.general", "unread").await;
    let removed = t
        .ask("DELETE", "/waddles/penguins/members/bob")
        .bearer(&alice)
        .send()
        .await;
    assert_eq!(removed.status, 204, "{}", removed.text);
    say(&t, &alice, "penguins.general", "after").await;
    say(&t, &alice, "fish.general", "fence").await;
    loop {
        let told = reader.next().await.unwrap();
        assert_ne!(told.data["message"]["body"], "after", "{told:?}");
        assert_ne!(told.data["message"]["body"], "unread", "{told:?}");
        if told.data["message"]["body"] == "fence" {
            break;
        }
    }
    // nor by resuming, nor by choosing it
    let mut again = listen(&t, &bob, &format!("?cursor={cursor}")).await.unwrap();
    assert_eq!(
        again.expect("ready").await.data["waddles"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
    assert_eq!(
        again.until("message.created").await.data["message"]["body"],
        "fence"
    );
    assert_eq!(
        listen(&t, &bob, "?waddles=penguins").await.err(),
        Some(StatusCode::FORBIDDEN)
    );
    assert_eq!(
        listen(&t, &bob, "?waddles=nothing").await.err(),
        Some(StatusCode::FORBIDDEN)
    );
    // back again, they are told of it
    join(&t, &alice, "penguins", "bob").await;
    assert_eq!(
        again.until("waddle.joined").await.data["waddle"]["slug"],
        "penguins"
    );
    say(&t, &alice, "penguins.general", "welcome back").await;
    assert_eq!(
        again.until("message.created").await.data["message"]["body"],
        "welcome back"
    );
    assert!(!seen.is_empty());
}

/// Who may answer a request to join hears of it, by whatever role they may.
#[tokio::test]
async fn who_invites_hears_of_requests() {
    let (t, alice, bob) = world(|_| ()).await;
    let carol = t.person("carol").await;
    let restricted = t
        .ask("PATCH", "/waddles/penguins")
        .bearer(&alice)
        .json(json!({"visibility": "restricted"}));
    assert_eq!(restricted.send().await.status, 200);
    let role = t
        .post("/waddles/penguins/roles")
        .bearer(&alice)
        .json(json!({"name": "Greeters", "permissions": ["invite"]}))
        .send()
        .await;
    assert_eq!(role.status, 201, "{}", role.text);
    let role = role.json()["id"].as_str().unwrap().to_owned();
    let given = t
        .ask("PUT", &format!("/waddles/penguins/roles/{role}/members/bob"))
        .bearer(&alice)
        .send()
        .await;
    assert!(given.status.is_success(), "{}", given.text);
    let mut reader = listen(&t, &bob, "").await.unwrap();
    reader.expect("ready").await;
    let asked = t
        .post("/waddles/penguins/join-requests")
        .bearer(&carol)
        .json(json!({"message": "fish"}))
        .send()
        .await;
    assert_eq!(asked.status, 201, "{}", asked.text);
    let told = reader.until("join_request.created").await;
    assert!(told.data["user"].as_str().unwrap().contains("carol"), "{told:?}");
}

#[tokio::test]
async fn what_ends_a_stream() {
    let (t, alice, bob) = world(|_| ()).await;
    let token = t
        .post("/auth/access-tokens")
        .bearer(&bob)
        .json(json!({"label": "events", "scopes": ["read"]}))
        .send()
        .await
        .json();
    let secret = token["token"].as_str().unwrap();
    let mut by_token = listen(&t, secret, "").await.unwrap();
    let mut by_login = listen(&t, &bob, "").await.unwrap();
    by_token.expect("ready").await;
    by_login.expect("ready").await;
    // something waits to be told, and is not told any more
    say(&t, &alice, "penguins.general", "late").await;
    let path = format!("/auth/access-tokens/{}", token["id"].as_str().unwrap());
    assert_eq!(t.ask("DELETE", &path).bearer(&bob).send().await.status, 204);
    let end = timeout(Duration::from_secs(1), by_token.next())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        (end.kind.as_str(), end.data["type"].as_str()),
        ("problem", Some("urn:waddle:problem:revoked"))
    );
    assert!(by_token.next().await.is_none());
    by_login.expect("message.created").await;
    assert_eq!(t.post("/auth/logout").bearer(&bob).send().await.status, 204);
    assert_eq!(by_login.next().await.unwrap().kind, "problem");
    assert!(by_login.next().await.is_none());

    let mut alices = listen(&t, &alice, "").await.unwrap();
    alices.expect("ready").await;
    t.identity
        .set_disabled(&"local:alice".parse().unwrap(), true)
        .await
        .unwrap();
    assert_eq!(alices.next().await.unwrap().kind, "problem");
}

#[tokio::test]
async fn a_slow_reader_loses_the_stream_and_no_event() {
    let (t, alice, bob) = world(|limits| {
        limits.http_stream_events = 4;
        limits.http_streams = 2;
    })
    .await;
    let mut reader = listen(&t, &bob, "").await.unwrap();
    let mut witness = listen(&t, &alice, "").await.unwrap();
    witness.expect("ready").await;
    let mut expected = Vec::new();
    for n in 0..20 {
        expected.push(say(&t, &alice, "penguins.general", &n.to_string()).await);
        // who reads has it: it was handed out to all
        witness.expect("message.created").await;
    }
    reader.expect("ready").await;
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    let mut breaks = 0;
    while seen.len() < expected.len() {
        match reader.next().await {
            Some(told) if told.kind == "message.created" => {
                seen.push(told.data["message"]["id"].as_str().unwrap().to_owned());
                cursor = told.cursor;
            }
            Some(told) if told.kind == "problem" => {
                assert_eq!(told.data["type"], "urn:waddle:problem:slow-reader");
                breaks += 1;
            }
            Some(told) => assert_eq!(told.kind, "ready"),
            None => reader = listen(&t, &bob, &format!("?cursor={cursor}")).await.unwrap(),
        }
    }
    assert_eq!(seen, expected, "each once, in order");
    assert!(breaks >= 1);
    let _second = listen(&t, &bob, "").await.unwrap();
    assert_eq!(
        listen(&t, &bob, "").await.err(),
        Some(StatusCode::TOO_MANY_REQUESTS)
    );
    drop(reader);
    assert!(listen(&t, &bob, "").await.is_ok());
}

#[tokio::test]
async fn too_long_an_absence_is_a_reset() {
    let (t, alice, bob) = world(|limits| limits.http_stream_replay = 3).await;
    let mut reader = listen(&t, &bob, "").await.unwrap();
    reader.expect("ready").await;
    say(&t, &alice, "penguins.general", "0").await;
    let cursor = reader.expect("message.created").await.cursor;
    drop(reader);
    for n in 1..6 {
        say(&t, &alice, "penguins.general", &n.to_string()).await;
    }
    let mut again = listen(&t, &bob, &format!("?cursor={cursor}")).await.unwrap();
    again.expect("ready").await;
    let reset = again.expect("reset").await;
    say(&t, &alice, "penguins.general", "now").await;
    assert_eq!(
        again.expect("message.created").await.data["message"]["body"],
        "now"
    );
    let mut third = listen(&t, &bob, &format!("?cursor={}", reset.cursor))
        .await
        .unwrap();
    third.expect("ready").await;
    assert_eq!(
        third.expect("message.created").await.data["message"]["body"],
        "now"
    );
}

#[tokio::test]
async fn many_waddles_share_what_is_told_of_the_past() {
    let (t, alice, _) = world(|limits| limits.http_stream_replay = 3).await;
    make(&t, &alice, "puffins").await;
    let mut reader = listen(&t, &alice, "").await.unwrap();
    let cursor = reader.expect("ready").await.cursor;
    drop(reader);
    for room in ["penguins.general", "puffins.general"] {
        say(&t, &alice, room, "1").await;
        say(&t, &alice, room, "2").await;
    }
    let mut again = listen(&t, &alice, &format!("?cursor={cursor}")).await.unwrap();
    again.expect("ready").await;
    // two of the one fit, the two of the other do not fit beside them
    let reset = again.expect("reset").await.data["waddle_id"].clone();
    for body in ["1", "2"] {
        let told = again.expect("message.created").await.data;
        assert_eq!(told["message"]["body"], body);
        assert_ne!(told["waddle_id"], reset);
    }
    let nothing = timeout(Duration::from_millis(200), again.next()).await;
    assert!(nothing.is_err(), "{nothing:?}");
}

#[tokio::test]
async fn over_a_websocket() {
    let (t, alice, bob) = world(|_| ()).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = HttpServer::start(t.config.clone(), t.deps.clone(), vec![listener], None).unwrap();
    let addr = server.plain_addresses()[0];
    let request = |headers: &[(&'static str, String)]| {
        let mut req = format!("ws://{addr}/api/v1/events/ws")
            .into_client_request()
            .unwrap();
        for (name, value) in headers {
            req.headers_mut().insert(*name, value.parse().unwrap());
        }
        req
    };
    let bearer = [("authorization", format!("Bearer {bob}"))];
    let connect = async |req| {
        let tcp = tokio::net::TcpStream::connect(addr).await.unwrap();
        tokio_tungstenite::client_async(req, tcp).await
    };
    let (mut socket, _) = connect(request(&bearer)).await.unwrap();
    let mut next = async || match timeout(WAIT, socket.next()).await.unwrap() {
        Some(Ok(Message::Text(text))) => serde_json::from_str::<Value>(&text).unwrap(),
        other => json!({ "type": "end", "how": format!("{other:?}") }),
    };
    assert_eq!(next().await["type"], "ready");
    let id = say(&t, &alice, "penguins.general", "hello").await;
    let told = next().await;
    assert_eq!(
        (told["type"].as_str(), told["message"]["id"].as_str()),
        (Some("message.created"), Some(&*id))
    );
    assert!(told["cursor"].as_str().is_some_and(|c| !c.is_empty()));
    t.post("/auth/logout").bearer(&bob).send().await;
    let end = next().await;
    assert_eq!(
        (end["type"].as_str(), end["problem"]["status"].as_u64()),
        (Some("problem"), Some(401))
    );
    let close = next().await;
    assert!(close["how"].as_str().unwrap().contains("Policy"), "{close}");

    // a page of another site has the cookie, and no stream
    let cookie = [
        ("cookie", format!("waddle_session={alice}")),
        ("origin", "https://evil.example".to_owned()),
    ];
    let refused = connect(request(&cookie)).await;
    assert!(refused.is_err(), "another site's page");
    let own = [
        ("cookie", format!("waddle_session={alice}")),
        ("origin", "http://127.0.0.1:3000".to_owned()),
    ];
    let (mut socket, _) = connect(request(&own)).await.unwrap();
    socket.send(Message::Ping(bytes::Bytes::new())).await.unwrap();
    let plain = t.get("/api/v1/events/ws").bearer(&alice).send().await;
    plain.is_problem(426);
    server.shutdown(Duration::from_secs(5)).await;
    let mut last = None;
    while let Some(Ok(message)) = timeout(WAIT, socket.next()).await.unwrap() {
        last = Some(message);
    }
    assert!(
        last.is_some_and(|m| matches!(m, Message::Close(Some(c)) if u16::from(c.code) == 1013)),
        "streams end with the server"
    );
}
