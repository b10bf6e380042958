//! What streams tell one person alone: direct messages, requests, groups, markers; and what they tell those who moderate.

use std::time::Duration;

use crate::support::{
    Setup,
    stream::{Reader, WAIT, join, listen, say, world, world_with_xmpp},
};
use futures::StreamExt as _;
use serde_json::{Value, json};
use tokio::{net::TcpListener, time::timeout};
use tokio_tungstenite::tungstenite::{Message, client::IntoClientRequest as _};
use waddle_http::HttpServer;
use waddle_stanza::{Class, XmlWriter};
use waddle_xmpp::XmppServer;

const ROMEO: &str = "romeo@elsewhere.example";

/// Romeo writes to bob from another server.
fn write(t: &Setup, xmpp: &XmppServer, id: &str, more: impl FnOnce(&mut XmlWriter)) {
    t.clock.advance(Duration::from_secs(2));
    let mut w = XmlWriter::message();
    w.attr("from", "romeo@elsewhere.example/orchard")
        .attr("to", "bob@example.org")
        .attr("type", "chat")
        .attr("id", id);
    more(&mut w);
    xmpp.deliver(&w.outgoing(Class::Message));
}

fn says(t: &Setup, xmpp: &XmppServer, words: &str) {
    write(t, xmpp, words, |w| {
        w.leaf("body", words);
    });
}

/// Something over HTTP that must work.
async fn ok(t: &Setup, method: &str, path: &str, who: &str, body: Value) -> Value {
    let ask = t.ask(method, path).bearer(who);
    let ask = if body.is_null() { ask } else { ask.json(body) };
    let answer = ask.send().await;
    assert!(answer.status.is_success(), "{method} {path}: {}", answer.text);
    if answer.text.is_empty() {
        Value::Null
    } else {
        answer.json()
    }
}

async fn begin(t: &Setup, who: &str, query: &str) -> Reader {
    let mut reader = listen(t, who, query).await.unwrap();
    reader.expect("ready").await;
    reader
}

/// The next event, whatever the server itself says meanwhile.
async fn beside_the_server(reader: &mut Reader, kind: &str) -> Value {
    loop {
        let told = reader.next().await.unwrap();
        if told.data["jid"] != "example.org" {
            assert_eq!(told.kind, kind, "{told:?}");
            return told.data;
        }
    }
}

#[tokio::test]
async fn direct_messages_and_requests() {
    let (t, xmpp, alice, bob) = world_with_xmpp(|_| ()).await;
    let mut reader = begin(&t, &bob, "").await;
    let mut about_waddles = begin(&t, &bob, "?waddles=penguins").await;
    let mut alices = begin(&t, &alice, "").await;
    says(&t, &xmpp, "hello");
    let told = reader.expect("direct.message").await;
    assert_eq!(
        (
            &told.data["jid"],
            &told.data["message"]["body"],
            &told.data["message"]["mine"]
        ),
        (&json!(ROMEO), &json!("hello"), &json!(false))
    );
    let first = told.data["message"]["id"].clone();
    let inbox = ok(&t, "GET", "/inbox", &bob, Value::Null).await;
    let found = inbox["conversations"].as_array().unwrap().iter();
    let found = found.filter(|c| c["jid"] == ROMEO).collect::<Vec<_>>();
    assert_eq!(found[0]["last_direct"]["id"], first, "{inbox}");
    // A correction names what it corrects; receipts and states are no messages.
    write(&t, &xmpp, "r", |w| {
        w.open_ns("received", "urn:xmpp:receipts").attr("id", "x").close();
        w.empty("store", "urn:xmpp:hints");
    });
    write(&t, &xmpp, "c", |w| {
        w.leaf("body", "hello, you");
        w.open_ns("replace", "urn:xmpp:message-correct:0")
            .attr("id", "hello")
            .close();
    });
    let told = reader.expect("direct.message").await;
    assert_eq!(
        (&told.data["message"]["body"], &told.data["replaces"]),
        (&json!("hello, you"), &first)
    );
    let cursor = told.cursor;
    write(&t, &xmpp, "t", |w| {
        w.open_ns("retract", "urn:xmpp:message-retract:1")
            .attr("id", "hello")
            .close();
        w.empty("store", "urn:xmpp:hints");
    });
    let gone = reader.expect("direct.deleted").await;
    assert_eq!(
        (&gone.data["jid"], &gone.data["message_id"]),
        (&json!(ROMEO), &first)
    );
    // What was missed is told once, by the archive.
    drop(reader);
    says(&t, &xmpp, "missed");
    // A fence: what is said in the channel comes behind it.
    let fence = say(&t, &alice, "penguins.general", "fence").await;
    let mut again = begin(&t, &bob, &format!("?cursor={cursor}")).await;
    assert_eq!(
        again.until("message.created").await.data["message"]["id"],
        *fence,
        "the waddles first"
    );
    assert_eq!(again.expect("direct.deleted").await.data["message_id"], first);
    let missed = again.expect("direct.message").await;
    assert_eq!(missed.data["message"]["body"], "missed");
    says(&t, &xmpp, "live");
    let live = again.expect("direct.message").await;
    assert_eq!(live.data["message"]["body"], "live", "each once");
    // Who asks waits for an answer, and every stream hears of both.
    ok(
        &t,
        "PUT",
        "/direct/policy",
        &bob,
        json!({"policy": "friends_only"}),
    )
    .await;
    says(&t, &xmpp, "may I?");
    let asked = beside_the_server(&mut again, "direct_request.created").await;
    assert_eq!(
        (&asked["request"]["jid"], &asked["request"]["text"]),
        (&json!(ROMEO), &json!("may I?"))
    );
    let id = &asked["request"]["id"];
    ok(&t, "PUT", &format!("/direct/requests/{id}"), &bob, Value::Null).await;
    let said = beside_the_server(&mut again, "direct.message").await;
    assert_eq!(said["message"]["body"], "may I?");
    let closed = beside_the_server(&mut again, "direct_request.closed").await;
    assert_eq!((&closed["request_id"], &closed["accepted"]), (id, &json!(true)));
    // Nobody else hears of it, nor who follows some waddles alone.
    let fence = say(&t, &alice, "penguins.general", "fence").await;
    for other in [&mut about_waddles, &mut alices] {
        loop {
            let told = other.next().await.unwrap();
            assert!(!told.kind.starts_with("direct"), "{told:?}");
            if told.data["message"]["id"] == *fence {
                break;
            }
        }
    }
}

#[tokio::test]
async fn too_many_direct_messages_are_a_reset() {
    let (t, xmpp, _, bob) = world_with_xmpp(|limits| limits.http_stream_replay = 3).await;
    let mut reader = begin(&t, &bob, "").await;
    says(&t, &xmpp, "0");
    let cursor = reader.expect("direct.message").await.cursor;
    for n in 1..6 {
        says(&t, &xmpp, &n.to_string());
        reader.expect("direct.message").await;
    }
    drop(reader);
    let mut again = begin(&t, &bob, &format!("?cursor={cursor}")).await;
    let reset = again.expect("direct.reset").await;
    says(&t, &xmpp, "now");
    assert_eq!(
        again.expect("direct.message").await.data["message"]["body"],
        "now"
    );
    let mut third = begin(&t, &bob, &format!("?cursor={}", reset.cursor)).await;
    assert_eq!(
        third.expect("direct.message").await.data["message"]["body"],
        "now"
    );
}

#[tokio::test]
async fn small_groups() {
    let (t, alice, bob) = world(|_| ()).await;
    let (mut alices, mut bobs) = (begin(&t, &alice, "").await, begin(&t, &bob, "").await);
    let made = ok(
        &t,
        "POST",
        "/direct",
        &alice,
        json!({"name": "Us", "people": ["bob"]}),
    )
    .await;
    let told = bobs.until("direct_group.updated").await;
    assert_eq!(
        (&told.data["group"], &told.data["jid"]),
        (&made["id"], &made["jid"])
    );
    alices.until("direct_group.updated").await;
    let one = format!("/direct/{}", made["id"].as_str().unwrap());
    ok(&t, "PATCH", &one, &bob, json!({"name": "We"})).await;
    alices.until("direct_group.updated").await;
    ok(&t, "DELETE", &format!("{one}/people/bob"), &bob, Value::Null).await;
    assert_eq!(bobs.until("direct_group.left").await.data["group"], made["id"]);
    alices.until("direct_group.updated").await;
    ok(&t, "PATCH", &one, &alice, json!({"name": "I"})).await;
    alices.until("direct_group.updated").await;
    // Who left hears no more of it.
    let fence = say(&t, &alice, "penguins.general", "fence").await;
    loop {
        let told = bobs.next().await.unwrap();
        assert_ne!(told.kind, "direct_group.updated", "{told:?}");
        if told.data["message"]["id"] == *fence {
            break;
        }
    }
    // Who does not take strangers is asked.
    let carol = t.person("carol").await;
    ok(
        &t,
        "PUT",
        "/direct/policy",
        &carol,
        json!({"policy": "friends_only"}),
    )
    .await;
    let mut carols = begin(&t, &carol, "").await;
    ok(&t, "PUT", &format!("{one}/people/carol"), &alice, Value::Null).await;
    let asked = carols.until("direct_request.created").await;
    assert_eq!(asked.data["request"]["group"], made["id"]);
    let request = format!("/direct/requests/{}", asked.data["request"]["id"]);
    ok(&t, "DELETE", &request, &carol, Value::Null).await;
    assert_eq!(
        carols.until("direct_request.closed").await.data["accepted"],
        false
    );
}

#[tokio::test]
async fn markers_reach_all_streams_of_their_person() {
    let (t, alice, bob) = world(|_| ()).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = HttpServer::start(t.config.clone(), t.deps.clone(), vec![listener], None).unwrap();
    let addr = server.plain_addresses()[0];
    let first = say(&t, &alice, "penguins.general", "1").await;
    let second = say(&t, &alice, "penguins.general", "2").await;
    let mut request = format!("ws://{addr}/api/v1/events/ws")
        .into_client_request()
        .unwrap();
    let bearer = format!("Bearer {bob}").parse().unwrap();
    request.headers_mut().insert("authorization", bearer);
    let tcp = tokio::net::TcpStream::connect(addr).await.unwrap();
    let (mut socket, _) = tokio_tungstenite::client_async(request, tcp).await.unwrap();
    let mut next = async || match timeout(WAIT, socket.next()).await.unwrap() {
        Some(Ok(Message::Text(text))) => serde_json::from_str::<Value>(&text).unwrap(),
        other => panic!("{other:?}"),
    };
    assert_eq!(next().await["type"], "ready");
    let (mut reader, mut others) = (begin(&t, &bob, "").await, begin(&t, &alice, "").await);
    let path = "/channels/penguins.general/read";
    ok(&t, "PUT", path, &bob, json!({ "id": second })).await;
    let told = reader.expect("inbox.read").await;
    assert_eq!(
        (&told.data["jid"], &told.data["message_id"]),
        (&json!("penguins.general@muc.example.org"), &json!(second))
    );
    assert!(told.data["channel_id"].is_string() && told.data["waddle_id"].is_string());
    // Back, or again, is no news.
    ok(&t, "PUT", path, &bob, json!({ "id": first })).await;
    ok(&t, "PUT", path, &bob, json!({ "id": second })).await;
    let third = say(&t, &alice, "penguins.general", "3").await;
    assert_eq!(
        reader.expect("message.created").await.data["message"]["id"],
        *third
    );
    ok(&t, "PUT", path, &bob, json!({ "id": third })).await;
    assert_eq!(reader.expect("inbox.read").await.data["message_id"], *third);
    // Markers and messages come each in their order.
    let told = [next().await, next().await, next().await];
    let marks: Vec<_> = told.iter().filter(|m| m["type"] == "inbox.read").collect();
    assert_eq!(
        marks.iter().map(|m| &m["message_id"]).collect::<Vec<_>>(),
        [&json!(second), &json!(third)]
    );
    // What somebody has read is theirs to know.
    assert_eq!(
        others.expect("message.created").await.data["message"]["id"],
        *third
    );
    let fourth = say(&t, &alice, "penguins.general", "4").await;
    assert_eq!(
        others.expect("message.created").await.data["message"]["id"],
        *fourth
    );
    server.shutdown(Duration::from_secs(5)).await;
}

#[tokio::test]
async fn reports_are_told_to_reviewers_and_timeouts_to_members() {
    let (t, alice, bob) = world(|_| ()).await;
    let (mo, carol) = (t.person("mo").await, t.person("carol").await);
    for who in ["mo", "carol"] {
        join(&t, &alice, "penguins", who).await;
    }
    let as_moderator = json!({"role": "moderator"});
    ok(&t, "PATCH", "/waddles/penguins/members/mo", &alice, as_moderator).await;
    let mut mos = begin(&t, &mo, "").await;
    let mut carols = begin(&t, &carol, "").await;
    let mut bobs = begin(&t, &bob, "").await;
    let said = say(&t, &bob, "penguins.general", "buy").await;
    let cursor = carols.expect("message.created").await.cursor;
    let channel = ok(
        &t,
        "GET",
        "/waddles/penguins/channels/general",
        &carol,
        Value::Null,
    )
    .await;
    let report = json!({"channel_id": channel["id"], "message_id": said, "reason": "spam"});
    let path = "/waddles/penguins/reports";
    let filed = ok(&t, "POST", path, &carol, report.clone()).await;
    ok(&t, "POST", path, &carol, report).await;
    for fresh in [true, false] {
        let told = mos.until("report.filed").await;
        assert_eq!(
            (&told.data["report"], &told.data["fresh"]),
            (&filed["id"], &json!(fresh))
        );
    }
    let one = format!("{path}/{}", filed["id"]);
    for state in ["claimed", "resolved"] {
        ok(&t, "PATCH", &one, &mo, json!({ "state": state })).await;
        let told = mos.until("report.handled").await;
        assert_eq!(
            (&told.data["report"], &told.data["state"]),
            (&filed["id"], &json!(state))
        );
    }
    // A timeout: its person hears why, everybody else until when.
    let until = "2026-01-31T18:00:00Z";
    let timeout = json!({"expires_at": until, "reason": "enough"});
    ok(&t, "PUT", "/waddles/penguins/timeouts/bob", &mo, timeout).await;
    let own = bobs.until("timeout").await;
    assert_eq!(
        (&own.data["until"], &own.data["reason"]),
        (&json!(until), &json!("enough"))
    );
    // Carol has heard nothing of the reports.
    let told = carols.expect("member.timed_out").await;
    assert_eq!(
        (&told.data["user"], &told.data["until"]),
        (&json!("local:bob"), &json!(until))
    );
    assert!(!told.data.to_string().contains("enough"), "{told:?}");
    ok(&t, "DELETE", "/waddles/penguins/timeouts/bob", &mo, Value::Null).await;
    assert!(bobs.until("timeout").await.data["until"].is_null());
    assert!(carols.expect("member.timed_out").await.data["until"].is_null());
    // Both are told once more to who was away.
    let mut again = begin(&t, &carol, &format!("?cursor={cursor}")).await;
    assert_eq!(again.expect("member.timed_out").await.data["until"], until);
    assert!(again.expect("member.timed_out").await.data["until"].is_null());
}
