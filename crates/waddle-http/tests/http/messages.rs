//! Messages, pins, search and the inbox through HTTP (`specs/messages.md`).

use std::sync::Arc;

use crate::support::{Answer, Setup, open};
use serde_json::{Value, json};
use waddle_muc::Rooms;

/// A server with rooms.
async fn stage() -> Setup {
    let mut t = open().await;
    let rooms = Rooms::new(waddle_muc::Deps {
        storage: t.storage.clone(),
        community: t.deps.community.clone(),
        clock: t.clock.clone(),
        limits: Arc::new(t.config.limits.clone()),
        domain: "example.org".into(),
    });
    t.deps.rooms = Some(rooms.await.unwrap());
    t.router = waddle_http::router(t.config.clone(), t.deps.clone());
    t
}

/// Alice's waddle `penguins` with Bob in it; the address of its channel `general`.
async fn penguins(t: &Setup, alice: &str, bob: &str) -> String {
    t.post("/waddles")
        .bearer(alice)
        .json(json!({"slug": "penguins", "name": "Penguins"}))
        .send()
        .await;
    let added = t
        .post("/waddles/penguins/members")
        .bearer(alice)
        .json(json!({"user": bob}))
        .send()
        .await;
    assert_eq!(added.status, 201, "{}", added.text);
    "/channels/penguins.general".to_owned()
}

async fn say(t: &Setup, who: &str, at: &str, body: Value) -> Value {
    let said = t
        .post(&format!("{at}/messages"))
        .bearer(who)
        .json(body)
        .send()
        .await;
    assert_eq!(said.status, 201, "{}", said.text);
    said.json()
}

fn ids(list: &Value) -> Vec<String> {
    let all = list.as_array().unwrap();
    all.iter().map(|m| m["id"].as_str().unwrap().to_owned()).collect()
}

async fn get(t: &Setup, who: &str, at: &str) -> Answer {
    t.get(at).bearer(who).send().await
}

#[tokio::test]
async fn saying_changing_and_taking_back() {
    let t = stage().await;
    let (alice, bob, eve) = (
        t.person("alice").await,
        t.person("bob").await,
        t.person("eve").await,
    );
    let at = penguins(&t, &alice, "bob").await;
    let first = say(&t, &alice, &at, json!({"body": "hello"})).await;
    let id = first["id"].as_str().unwrap().to_owned();
    assert_eq!(
        (first["body"].as_str(), first["author"]["nick"].as_str()),
        (Some("hello"), Some("alice"))
    );
    let answer = say(&t, &bob, &at, json!({"body": "hi @alice", "reply_to": id})).await;
    assert_eq!(
        (&answer["reply_to"], &answer["thread_root"]),
        (&json!(id), &json!(id))
    );
    assert_eq!(answer["mentions"][0]["user"], "local:alice");

    // by its identifier too, and the newest page is the last
    let channel = first["channel_id"].as_str().unwrap();
    let list = get(&t, &bob, &format!("/api/v1/channels/{channel}/messages?limit=1"))
        .await
        .json();
    assert_eq!(
        (ids(&list["messages"]), &list["more"]),
        (ids(&json!([answer])), &json!(true))
    );
    let older = get(
        &t,
        &bob,
        &format!("{at}/messages?before={}", answer["id"].as_str().unwrap()),
    )
    .await
    .json();
    assert_eq!(
        (ids(&older["messages"]), &older["more"]),
        (vec![id.clone()], &json!(false))
    );
    for bad in [
        "limit=0",
        "limit=101",
        "before=x",
        "before=0000000000000001&after=0000000000000001",
        "sideways=1",
    ] {
        get(&t, &bob, &format!("{at}/messages?{bad}"))
            .await
            .is_problem(400);
    }

    // another text, of one's own only, and only as one knows it
    let one = format!("{at}/messages/{id}");
    let change = json!({"body": "hello all"});
    t.ask("PATCH", &one)
        .bearer(&bob)
        .json(change.clone())
        .send()
        .await
        .is_problem(403);
    let changed = t.ask("PATCH", &one).bearer(&alice).json(change).send().await;
    assert_eq!(changed.status, 200, "{}", changed.text);
    assert!(changed.json()["edited_at"].is_string() && changed.json()["body"] == "hello all");

    // reactions
    for (who, status) in [(&alice, 204), (&bob, 204), (&eve, 403)] {
        let r = t
            .ask("PUT", &format!("{one}/reactions/%F0%9F%91%8D"))
            .bearer(who)
            .send()
            .await;
        assert_eq!(r.status, status, "{}", r.text);
    }
    let seen = get(&t, &bob, &one).await.json();
    assert_eq!(
        seen["reactions"],
        json!([{"emoji": "👍", "count": 2, "me": true}])
    );
    let who = get(&t, &bob, &format!("{one}/reactions?limit=1")).await.json();
    assert_eq!(who["reactions"], json!([{"emoji": "👍", "user": "local:alice"}]));
    let next = format!("{one}/reactions?limit=1&cursor={}", who["next"].as_str().unwrap());
    assert_eq!(
        get(&t, &bob, &next).await.json()["reactions"][0]["user"],
        "local:bob"
    );
    t.ask("DELETE", &format!("{one}/reactions/%F0%9F%91%8D"))
        .bearer(&bob)
        .send()
        .await;

    // context and thread
    let context = get(&t, &bob, &format!("{one}/context?around=1")).await.json();
    assert_eq!(ids(&context["messages"]).len(), 2);
    let thread = get(&t, &bob, &format!("{one}/thread")).await.json();
    assert_eq!(ids(&thread["messages"]), ids(&json!([answer])));

    // taken back: by a stranger not, by its author, by a moderator
    t.ask("DELETE", &one).bearer(&eve).send().await.is_problem(403);
    t.ask("DELETE", &one).bearer(&bob).send().await.is_problem(403);
    assert_eq!(t.ask("DELETE", &one).bearer(&alice).send().await.status, 204);
    let gone = get(&t, &bob, &one).await.json();
    assert!(gone["deleted"] == true && gone["body"] == "" && gone["reactions"] == json!([]));
    let other = format!("{at}/messages/{}?reason=spam", answer["id"].as_str().unwrap());
    assert_eq!(t.ask("DELETE", &other).bearer(&alice).send().await.status, 204);
    get(&t, &bob, &format!("{at}/messages/0000000000000001"))
        .await
        .is_problem(404);
}

#[tokio::test]
async fn strangers_learn_nothing() {
    let t = stage().await;
    let (alice, eve) = (t.person("alice").await, t.person("eve").await);
    t.person("bob").await;
    let at = penguins(&t, &alice, "bob").await;
    let said = say(&t, &alice, &at, json!({"body": "secret"})).await;
    let id = said["id"].as_str().unwrap();
    let channel = said["channel_id"].as_str().unwrap();
    let mut texts = Vec::new();
    for path in [
        format!("{at}/messages"),
        format!("{at}/messages/{id}"),
        format!("/channels/{channel}/messages"),
        "/channels/penguins.nowhere/messages".to_owned(),
        "/channels/walruses.general/messages".to_owned(),
        "/channels/019c1a2b3c4d7e8f90a1b2c3d4e5f607/messages".to_owned(),
        format!("{at}/pins"),
        "/waddles/penguins/search?q=secret".to_owned(),
        "/waddles/walruses/search?q=secret".to_owned(),
    ] {
        let answer = get(&t, &eve, &path).await;
        answer.is_problem(403);
        texts.push(answer.json()["detail"].clone());
    }
    texts.dedup();
    assert_eq!(texts.len(), 1, "{texts:?}");
    t.get(&format!("{at}/messages")).send().await.is_problem(401);
}

/// By its identifier a channel is the same for a guest, whatever the server has in memory.
#[tokio::test]
async fn a_channel_by_its_identifier() {
    let t = stage().await;
    let (alice, eve) = (t.person("alice").await, t.person("eve").await);
    t.person("bob").await;
    let at = penguins(&t, &alice, "bob").await;
    let said = say(&t, &alice, &at, json!({"body": "hello"})).await;
    let channel = said["channel_id"].as_str().unwrap();
    let path = format!("/channels/{channel}/messages");
    get(&t, &eve, &path).await.is_problem(403);
    let opened = t
        .ask("PATCH", "/waddles/penguins")
        .bearer(&alice)
        .json(json!({"visibility": "public"}));
    assert_eq!(opened.send().await.status, 200);
    for (who, path) in [(&alice, &path), (&eve, &path), (&eve, &format!("{at}/messages"))] {
        let read = get(&t, who, path).await;
        assert_eq!(read.status, 200, "{}", read.text);
        assert_eq!(read.json()["messages"][0]["body"], "hello");
    }
}

#[tokio::test]
async fn search_finds_what_one_may_read() {
    let t = stage().await;
    let (alice, bob) = (t.person("alice").await, t.person("bob").await);
    let at = penguins(&t, &alice, "bob").await;
    let made = t
        .post("/waddles/penguins/channels")
        .bearer(&alice)
        .json(json!({"name": "staff", "private": true}))
        .send()
        .await;
    assert_eq!(made.status, 201, "{}", made.text);
    let one = say(&t, &alice, &at, json!({"body": "The quick brown fox"})).await;
    let two = say(
        &t,
        &bob,
        &at,
        json!({"body": "a fox, quick and grey", "attachments": [{"url": "https://x.example/f.png"}]}),
    )
    .await;
    say(
        &t,
        &alice,
        "/channels/penguins.staff",
        json!({"body": "a secret fox"}),
    )
    .await;
    let (one, two) = (one["id"].as_str().unwrap(), two["id"].as_str().unwrap());
    let find = async |who: &str, q: &str| -> Vec<String> {
        let found = get(&t, who, &format!("/waddles/penguins/search?{q}")).await;
        assert_eq!(found.status, 200, "{}", found.text);
        let all = found.json()["results"].as_array().unwrap().clone();
        all.iter()
            .map(|h| h["message"]["id"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(
        find(&bob, "q=fox").await,
        [two, one],
        "newest first, and not the staff's"
    );
    assert_eq!(find(&alice, "q=fox").await.len(), 3);
    assert_eq!(find(&bob, "q=%22quick+brown%22").await, [one]);
    assert_eq!(find(&bob, "q=bro*").await, [one]);
    assert_eq!(find(&bob, "q=fox+-brown").await, [two]);
    assert_eq!(find(&bob, "q=fox&author=alice").await, [one]);
    assert_eq!(find(&bob, "q=fox&has=file").await, [two]);
    assert_eq!(find(&bob, "q=fox&channel=general").await, [two, one]);
    assert_eq!(
        find(&bob, "q=fox&after=2027-01-01T00:00:00Z").await,
        Vec::<String>::new()
    );
    assert_eq!(
        find(&bob, "q=fox&before=2026-01-01T00:00:00Z").await,
        Vec::<String>::new()
    );
    assert_eq!(
        find(&bob, "q=body:fox+OR+NEAR(x)").await,
        Vec::<String>::new(),
        "only words"
    );
    get(&t, &bob, "/waddles/penguins/search?q=fox&channel=staff")
        .await
        .is_problem(404);
    for bad in ["q=", "q=-fox", "q=%2A"] {
        get(&t, &bob, &format!("/waddles/penguins/search?{bad}"))
            .await
            .is_problem(422);
    }
    let page = get(&t, &bob, "/waddles/penguins/search?q=fox&limit=1&context=1")
        .await
        .json();
    assert_eq!(page["results"][0]["before"][0]["id"], one);
    let next = format!(
        "/waddles/penguins/search?q=fox&limit=1&cursor={}",
        page["next"].as_str().unwrap()
    );
    let last = get(&t, &bob, &next).await.json();
    assert_eq!(
        (&last["results"][0]["message"]["id"], &last["next"]),
        (&json!(one), &Value::Null)
    );
    // A correction is found, what it replaced and what was taken back are not.
    let path = format!("{at}/messages/{one}");
    t.ask("PATCH", &path)
        .bearer(&alice)
        .json(json!({"body": "The slow heron"}))
        .send()
        .await;
    assert_eq!(find(&bob, "q=heron").await, [one]);
    assert_eq!(find(&bob, "q=brown").await, Vec::<String>::new());
    t.ask("DELETE", &path).bearer(&alice).send().await;
    assert_eq!(find(&bob, "q=heron").await, Vec::<String>::new());
}

#[tokio::test]
async fn pins_and_the_inbox() {
    let t = stage().await;
    let (alice, bob) = (t.person("alice").await, t.person("bob").await);
    let at = penguins(&t, &alice, "bob").await;
    let said = say(&t, &alice, &at, json!({"body": "read this, @bob"})).await;
    let id = said["id"].as_str().unwrap();
    let pin = format!("{at}/pins/{id}");
    t.ask("PUT", &pin).bearer(&bob).send().await.is_problem(403);
    assert_eq!(t.ask("PUT", &pin).bearer(&alice).send().await.status, 204);
    let pins = get(&t, &bob, &format!("{at}/pins")).await.json();
    assert_eq!(
        (&pins["pins"][0]["message"]["id"], &pins["pins"][0]["pinned_by"]),
        (&json!(id), &json!("local:alice"))
    );
    assert_eq!(t.ask("DELETE", &pin).bearer(&alice).send().await.status, 204);

    let inbox = get(&t, &bob, "/inbox").await.json();
    let general = |inbox: &Value| -> Value {
        let all = inbox["conversations"].as_array().unwrap();
        all.iter()
            .find(|c| c["jid"] == "penguins.general@muc.example.org")
            .unwrap()
            .clone()
    };
    assert!(inbox["next"].is_null());
    // The same, one after the other.
    let (mut path, mut pages) = ("/inbox?limit=1".to_owned(), Vec::new());
    for _ in 0..9 {
        let page = get(&t, &bob, &path).await.json();
        assert_eq!(page["conversations"].as_array().unwrap().len(), 1);
        pages.push(page["conversations"][0].clone());
        let Some(next) = page["next"].as_str() else { break };
        path = format!("/inbox?limit=1&cursor={next}");
    }
    assert_eq!(inbox["conversations"], Value::Array(pages));
    get(&t, &bob, "/inbox?cursor=x").await.is_problem(400);
    let entry = general(&inbox);
    assert_eq!(
        (&entry["unread"], &entry["mentions"], &entry["last_message"]["id"]),
        (&json!(1), &json!(1), &json!(id))
    );
    let read = format!("{at}/read");
    t.ask("PUT", &read)
        .bearer(&bob)
        .json(json!({"id": "0000000000000001"}))
        .send()
        .await
        .is_problem(404);
    assert_eq!(
        t.ask("PUT", &read)
            .bearer(&bob)
            .json(json!({"id": id}))
            .send()
            .await
            .status,
        204
    );
    assert_eq!(
        get(&t, &bob, &read).await.json(),
        json!({"id": id, "unread": 0, "mentions": 0})
    );
    assert_eq!(general(&get(&t, &bob, "/inbox").await.json())["unread"], 0);

    let settings = "/waddles/penguins/message-settings";
    t.ask("PUT", settings)
        .bearer(&bob)
        .json(json!({"link_previews": false}))
        .send()
        .await
        .is_problem(403);
    let set = t
        .ask("PUT", settings)
        .bearer(&alice)
        .json(json!({"link_previews": false}))
        .send()
        .await;
    assert_eq!(set.status, 200, "{}", set.text);
    assert_eq!(
        get(&t, &bob, settings).await.json(),
        json!({"link_previews": false})
    );
    let log = get(&t, &alice, "/waddles/penguins/audit?action=waddle.update")
        .await
        .json();
    assert_eq!(log["entries"][0]["detail"], "link previews off", "{log}");
}

#[tokio::test]
async fn a_message_is_said_once() {
    let t = stage().await;
    let alice = t.person("alice").await;
    t.person("bob").await;
    let at = penguins(&t, &alice, "bob").await;
    let post = || {
        t.post(&format!("{at}/messages"))
            .bearer(&alice)
            .header("idempotency-key", "k1")
            .json(json!({"body": "once"}))
    };
    let (one, two) = (post().send().await, post().send().await);
    assert_eq!((one.status.as_u16(), two.status.as_u16()), (201, 201));
    assert_eq!(one.json()["id"], two.json()["id"]);
    for (body, status) in [
        (json!({"body": ""}), 422),
        (json!({"body": "x".repeat(10_001)}), 422),
        (json!({"body": "x", "colour": "red"}), 422),
        (json!({"body": "x", "reply_to": "0000000000000001"}), 404),
    ] {
        let r = t
            .post(&format!("{at}/messages"))
            .bearer(&alice)
            .json(body)
            .send()
            .await;
        r.is_problem(status);
    }
}
