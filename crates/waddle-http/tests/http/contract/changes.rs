//! A change is whole, and counts beside others at once.

use crate::support::{Setup, open, rooms::with_rooms};
use serde_json::{Value, json};

use super::{patch, token};

#[tokio::test]
async fn a_change_of_a_member_is_whole() {
    let t = open().await;
    let (alice, bob, carol) = (
        t.person("alice").await,
        t.person("bob").await,
        t.person("carol").await,
    );
    t.post("/waddles")
        .bearer(&alice)
        .json(json!({"slug": "penguins"}))
        .send()
        .await;
    for user in ["bob", "carol"] {
        t.post("/waddles/penguins/members")
            .bearer(&alice)
            .json(json!({"user": user}))
            .send()
            .await;
    }
    let role = async |body: Value| {
        let made = t
            .post("/waddles/penguins/roles")
            .bearer(&alice)
            .json(body)
            .send()
            .await;
        assert_eq!(made.status, 201, "{}", made.text);
        made.json()["id"].as_str().unwrap().to_owned()
    };
    // the last made stands lowest
    let high = role(json!({"name": "High"})).await;
    let keeper = role(json!({"name": "Keeper", "permissions": ["manage_roles"]})).await;
    let low = role(json!({"name": "Low"})).await;
    let at = "/waddles/penguins/members/bob";
    patch(
        &t,
        &alice,
        at,
        json!({"role": "moderator", "roles": ["019c1a2b3c4d7e8f90a1b2c3d4e5f607"]}),
    )
    .await
    .is_problem(404);
    let now = t.get(at).bearer(&alice).send().await.json();
    assert_eq!((&now["role"], &now["roles"]), (&json!("member"), &json!([])));
    let done = patch(&t, &alice, at, json!({"role": "moderator", "roles": [high]})).await;
    assert_eq!(done.status, 200, "{}", done.text);
    assert_eq!(
        (&done.json()["role"], &done.json()["roles"]),
        (&json!("moderator"), &json!([high]))
    );
    // who may give only what is lower leaves the rest as it is
    patch(
        &t,
        &alice,
        "/waddles/penguins/members/carol",
        json!({"roles": [keeper]}),
    )
    .await;
    let done = patch(&t, &carol, at, json!({"roles": [high, low]})).await;
    assert_eq!(done.status, 200, "{}", done.text);
    assert_eq!(done.json()["roles"], json!([high, low]));
    patch(&t, &carol, at, json!({"roles": [low]}))
        .await
        .is_problem(403);
    drop(bob);
}

#[tokio::test]
async fn reactions_at_once_all_count() {
    let (t, ..) = with_rooms().await;
    let bob = t.token("bob").await;
    let at = "/channels/penguins.general/messages";
    let said = t
        .post(at)
        .bearer(&bob)
        .json(json!({"body": "hello"}))
        .send()
        .await;
    let id = said.json()["id"].as_str().unwrap().to_owned();
    let react = |id: &str, emoji: &str| t.ask("PUT", &format!("{at}/{id}/reactions/{emoji}")).bearer(&bob);
    let emoji = ["%F0%9F%90%A7", "%F0%9F%90%9F", "%F0%9F%A7%8A", "%E2%9D%84"];
    let all = futures::future::join_all(emoji.map(|e| react(&id, e).send())).await;
    for done in &all {
        assert_eq!(done.status, 204, "{}", done.text);
    }
    let count = async || {
        let shown = t.get(&format!("{at}/{id}")).bearer(&bob).send().await;
        shown.json()["reactions"].as_array().unwrap().len()
    };
    assert_eq!(count().await, 4);
    // a correction's identifier stands for the message
    let edited = patch(&t, &bob, &format!("{at}/{id}"), json!({"body": "hello!"})).await;
    assert_eq!(edited.status, 200, "{}", edited.text);
    let db = t.storage.waddle(said_in(&t).await).await.unwrap();
    let channel = waddle_storage::repo::archive::ArchiveKey::channel(
        said.json()["channel_id"].as_str().unwrap().parse().unwrap(),
    );
    let last = db
        .read(move |c| waddle_storage::repo::archive::since(c, waddle_core::MessageId(0), 100))
        .await
        .unwrap();
    let correction = last
        .iter()
        .filter(|(key, row)| *key == channel && row.id.to_string() != id)
        .map(|(_, row)| row)
        .find(|row| String::from_utf8_lossy(&row.stanza).contains("hello!"))
        .unwrap();
    let fifth = react(&correction.id.to_string(), "%F0%9F%8C%8A").send().await;
    assert_eq!(fifth.status, 204, "{}", fifth.text);
    assert_eq!(count().await, 5);
}

async fn said_in(t: &Setup) -> waddle_core::WaddleId {
    let found = t.deps.community.waddle_by_slug(&"penguins".parse().unwrap());
    found.unwrap().id
}

#[tokio::test]
async fn an_edit_in_slow_mode_is_an_edit() {
    let (t, ..) = with_rooms().await;
    let (alice, bob) = (t.token("alice").await, t.token("bob").await);
    let slow = patch(
        &t,
        &alice,
        "/waddles/penguins/channels/general",
        json!({"slow_mode_seconds": 60}),
    )
    .await;
    assert_eq!(slow.status, 200, "{}", slow.text);
    let at = "/channels/penguins.general/messages";
    let say = |body: &str| t.post(at).bearer(&bob).json(json!({"body": body}));
    let said = say("hello").send().await;
    assert_eq!(said.status, 201, "{}", said.text);
    let id = said.json()["id"].as_str().unwrap().to_owned();
    let wait = say("more").send().await;
    wait.is_problem(429);
    assert_eq!(wait.header("retry-after"), "60");
    let edited = patch(&t, &bob, &format!("{at}/{id}"), json!({"body": "hello all"})).await;
    assert_eq!(edited.status, 200, "{}", edited.text);
    assert_eq!(edited.json()["body"], "hello all");
    let other = patch(&t, &alice, &format!("{at}/{id}"), json!({"body": "mine"})).await;
    other.is_problem(403);
}

#[tokio::test]
async fn a_picture_of_oneself() {
    let (mut t, rooms, ..) = with_rooms().await;
    let xmpp = waddle_xmpp::XmppServer::start(
        waddle_xmpp::XmppConfig::new("example.org"),
        waddle_xmpp::Deps {
            storage: t.storage.clone(),
            identity: t.identity.clone(),
            community: t.deps.community.clone(),
            rooms,
            clock: t.clock.clone(),
            limits: std::sync::Arc::new(t.config.limits.clone()),
        },
    )
    .await
    .unwrap();
    t.deps.direct = Some(xmpp.direct());
    t.router = waddle_http::router(t.config.clone(), t.deps.clone());
    let (alice, bob) = (t.token("alice").await, t.token("bob").await);
    let at = "/account/avatar";
    t.get(at).bearer(&alice).send().await.is_problem(404);
    let png = b"\x89PNG\r\n\x1a\nabc".to_vec();
    let put = |kind: &str, bytes: Vec<u8>| t.ask("PUT", at).bearer(&alice).raw(kind, bytes);
    let set = put("image/png", png).send().await;
    assert_eq!(set.status, 204, "{}", set.text);
    let tag = |tag: &str| t.get(at).bearer(&alice).header("if-none-match", tag);
    // its bytes are no text: the second time the tag says enough
    let first = t.ask("HEAD", at).bearer(&alice).send().await;
    assert_eq!(
        (first.status.as_u16(), first.header("content-type")),
        (200, "image/png")
    );
    let same = tag(first.header("etag")).send().await;
    assert_eq!((same.status.as_u16(), same.text.as_str()), (304, ""));
    t.get(at).bearer(&bob).send().await.is_problem(404);
    // what it is is told by what is in it
    let script = put("image/png", b"<script>alert(1)</script>".to_vec())
        .send()
        .await;
    assert_eq!(script.is_problem(415)["type"], "urn:waddle:problem:media-type");
    put(
        "image/png",
        [b"\x89PNG\r\n\x1a\n".to_vec(), vec![0; 131_072]].concat(),
    )
    .send()
    .await
    .is_problem(413);
    let other = put("image/png", b"GIF89a".to_vec())
        .header("if-match", "\"x\"")
        .send()
        .await;
    other.is_problem(412);
    let gone = t.ask("DELETE", at).bearer(&alice).send().await;
    assert_eq!(gone.status, 204, "{}", gone.text);
    t.get(at).bearer(&alice).send().await.is_problem(404);
    let reads = token(&t, &alice, "read").await;
    t.ask("PUT", at)
        .bearer(&reads)
        .raw("image/png", b"GIF89a".to_vec())
        .send()
        .await
        .is_problem(403);
}
