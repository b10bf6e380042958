//! What was made is where it is said to be, and asking twice makes one.

use crate::support::{open, open_with, rooms::with_rooms};
use serde_json::{Value, json};

#[tokio::test]
async fn what_is_made_is_where_its_location_says() {
    let (t, ..) = with_rooms().await;
    let alice = t.token("alice").await;
    let make = async |path: &str, body: Value| {
        let made = t.post(path).bearer(&alice).json(body).send().await;
        assert_eq!(made.status, 201, "{path}: {}", made.text);
        let place = made.header("location").to_owned();
        let path = place
            .strip_prefix("http://127.0.0.1:3000")
            .unwrap_or_else(|| panic!("{place}"));
        let there = t.get(path).bearer(&alice).send().await;
        assert_eq!(there.status, 200, "GET {path}: {}", there.text);
        (made.json(), there.json())
    };
    let w = "/api/v1/waddles/penguins";
    make("/waddles", json!({"slug": "birds"})).await;
    make(&format!("{w}/channels"), json!({"name": "Sensors"})).await;
    make(&format!("{w}/members"), json!({"user": "bob"})).await;
    make(&format!("{w}/roles"), json!({"name": "Crew"})).await;
    make(&format!("{w}/categories"), json!({"name": "Sea"})).await;
    make(
        &format!("{w}/devices"),
        json!({"name": "buoy", "topics": ["sea"]}),
    )
    .await;
    make(
        &format!("{w}/feeds"),
        json!({"filter": "sea/#", "channel": "sensors"}),
    )
    .await;
    make(&format!("{w}/channels/general/webhooks"), json!({"name": "CI"})).await;
    make(
        &format!("{w}/rules"),
        json!({"name": "no", "kind": "words", "words": ["bad"]}),
    )
    .await;
    let (_, invite) = make(&format!("{w}/invites"), json!({"max_uses": 1})).await;
    assert!(
        invite.get("code").is_none() && invite["max_uses"] == 1,
        "{invite}"
    );
    let (bot, _) = make("/bots", json!({"name": "Skua"})).await;
    let (_, shown) = make(
        &format!("/bots/{}/tokens", bot["id"].as_str().unwrap()),
        json!({"label": "second", "expires_at": "2026-03-01T00:00:00Z"}),
    )
    .await;
    assert!(
        shown.get("token").is_none() && shown["label"] == "second",
        "{shown}"
    );
    assert_eq!(shown["expires_at"], "2026-03-01T00:00:00Z");
    let past = t
        .post(&format!("/bots/{}/tokens", bot["id"].as_str().unwrap()))
        .bearer(&alice)
        .json(json!({"expires_at": "2020-01-01T00:00:00Z"}));
    past.send().await.is_problem(422);
    make("/channels/penguins.general/messages", json!({"body": "hello"})).await;
    // nobody else sees it there
    let bob = t.token("bob").await;
    let path = format!("{w}/invites/{}", invite["id"].as_str().unwrap());
    t.get(&path).bearer(&bob).send().await.is_problem(403);
    let gone = t.ask("DELETE", &path).bearer(&alice).send().await;
    assert_eq!(gone.status, 204, "{}", gone.text);
    t.get(&path).bearer(&alice).send().await.is_problem(404);
}

#[tokio::test]
async fn a_long_answer_is_given_again_too() {
    let t = open_with(|http, _| http.limits.http_idempotency_bytes = 100).await;
    let alice = t.person("alice").await;
    let make = || {
        t.post("/api/v1/waddles")
            .bearer(&alice)
            .header("idempotency-key", "k")
            .json(json!({"slug": "penguins", "description": "x".repeat(200)}))
    };
    let first = make().send().await;
    assert_eq!(first.status, 201, "{}", first.text);
    let again = make().send().await;
    assert_eq!(again.status, 201, "{}", again.text);
    assert_eq!(again.header("idempotency-replayed"), "true");
    assert_eq!(again.header("location"), first.header("location"));
    assert_eq!(again.json()["id"], first.json()["id"]);
    // what it made is gone: nothing is made anew
    let gone = t.ask("DELETE", "/waddles/penguins").bearer(&alice).send().await;
    assert_eq!(gone.status, 204);
    let late = make().send().await.is_problem(410);
    assert_eq!(late["type"], "urn:waddle:problem:done");
    let mine = t.get("/api/v1/waddles").bearer(&alice).send().await.json();
    assert_eq!(mine["waddles"], json!([]));
}

#[tokio::test]
async fn only_what_is_not_there_is_made() {
    let t = open().await;
    let alice = t.person("alice").await;
    t.person("bob").await;
    t.post("/waddles")
        .bearer(&alice)
        .json(json!({"slug": "penguins"}))
        .send()
        .await;
    let ban = |reason: &str| {
        t.ask("PUT", "/waddles/penguins/bans/bob")
            .bearer(&alice)
            .header("if-none-match", "*")
            .json(json!({"reason": reason}))
    };
    let first = ban("first").send().await;
    assert_eq!(first.status, 200, "{}", first.text);
    let second = ban("second").send().await;
    assert_eq!(second.is_problem(412)["type"], "urn:waddle:problem:changed");
    let shown = t.get("/waddles/penguins/bans/bob").bearer(&alice).send().await;
    assert_eq!(shown.json()["reason"], "first", "{}", shown.text);
}
