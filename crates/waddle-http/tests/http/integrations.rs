//! Webhooks, bots and commands over HTTP.

use crate::support::{
    rooms::{with_rooms, with_rooms_and},
    stream,
};
use serde_json::json;

#[tokio::test]
async fn an_incoming_webhook_from_its_making_to_its_end() {
    let (t, _, w, _) = with_rooms().await;
    let (alice, bob) = (t.token("alice").await, t.token("bob").await);
    let place = "/waddles/penguins/channels/general/webhooks";
    t.post(place).bearer(&bob).send().await.is_problem(403);
    let made = t
        .post(place)
        .bearer(&alice)
        .json(json!({"name": "CI"}))
        .send()
        .await;
    assert_eq!(made.status, 201, "{}", made.text);
    let (hook, url) = (made.json(), made.json()["url"].as_str().unwrap().to_owned());
    let path = url.strip_prefix("http://127.0.0.1:3000").unwrap().to_owned();
    assert!(path.starts_with(&format!("/hooks/{w}/")), "{path}");
    let list = t.get(place).bearer(&alice).send().await;
    assert!(
        !list.text.contains("/hooks/") && list.json()["webhooks"][0]["name"] == "CI",
        "{}",
        list.text
    );
    t.get("/waddles/penguins/webhooks")
        .bearer(&bob)
        .send()
        .await
        .is_problem(403);

    let said = t.post(&path).json(json!({"text": "built"})).send().await;
    assert_eq!(said.status, 200, "{}", said.text);
    let id = said.json()["id"].as_str().unwrap().to_owned();
    let shown = t
        .get(&format!("/channels/penguins.general/messages/{id}"))
        .bearer(&alice)
        .send()
        .await;
    assert_eq!(shown.json()["author"]["kind"], "webhook", "{}", shown.text);
    assert_eq!(shown.json()["author"]["nick"], "CI (webhook)");
    let slack = t
        .post(&format!("{path}/slack"))
        .form("payload=%7B%22text%22%3A%22hi%22%7D")
        .send()
        .await;
    assert_eq!((slack.status.as_u16(), slack.text.as_str()), (200, "ok"));
    t.post(&path)
        .raw("application/json", "{")
        .send()
        .await
        .is_problem(422);
    t.post(&path)
        .raw("application/json", vec![b' '; 300_000])
        .send()
        .await
        .is_problem(413);
    t.post(&format!("{path}/nonsense"))
        .json(json!({"text": "x"}))
        .send()
        .await
        .is_problem(404);
    t.post(&path[..path.len() - 1])
        .json(json!({"text": "x"}))
        .send()
        .await
        .is_problem(404);
    t.post(&format!("/hooks/{w}/x/y"))
        .json(json!({"text": "x"}))
        .send()
        .await
        .is_problem(404);
    for _ in 0..30 {
        t.post(&path).json(json!({"text": "again"})).send().await;
    }
    let many = t.post(&path).json(json!({"text": "again"})).send().await;
    many.is_problem(429);
    assert!(many.header("retry-after").parse::<u64>().unwrap() > 0);

    let own = format!("/waddles/penguins/webhooks/{}", hook["id"].as_str().unwrap());
    let shown = t.get(&own).bearer(&alice).send().await.json();
    assert!(shown["last_used_at"].is_string() && shown["last_error"].as_str().unwrap().contains("JSON"));
    t.get(&own).bearer(&bob).send().await.is_problem(404);
    let renamed = t
        .ask("PATCH", &own)
        .bearer(&alice)
        .json(json!({"name": "Builds"}))
        .send()
        .await;
    assert_eq!(renamed.json()["name"], "Builds", "{}", renamed.text);
    let rotated = t.post(&format!("{own}/rotate")).bearer(&alice).send().await;
    assert_ne!(rotated.json()["url"], url.as_str());
    t.post(&path)
        .json(json!({"text": "x"}))
        .send()
        .await
        .is_problem(404);
    let gone = t.ask("DELETE", &own).bearer(&alice).send().await;
    assert_eq!(gone.status, 204);
    t.get(&own).bearer(&alice).send().await.is_problem(404);
}

#[tokio::test]
async fn outgoing_webhooks_are_managed() {
    let (t, ..) = with_rooms().await;
    let (alice, bob) = (t.token("alice").await, t.token("bob").await);
    let place = "/waddles/penguins/outgoing-webhooks";
    let body = json!({"url": "https://hooks.example/in", "events": ["message.*", "member.add"]});
    t.post(place)
        .bearer(&bob)
        .json(body.clone())
        .send()
        .await
        .is_problem(403);
    t.post(place)
        .bearer(&alice)
        .json(json!({"url": "http://10.0.0.1/"}))
        .send()
        .await
        .is_problem(422);
    let made = t.post(place).bearer(&alice).json(body).send().await;
    assert_eq!(made.status, 201, "{}", made.text);
    assert!(made.json()["secret"].as_str().unwrap().starts_with("whsec_"));
    let list = t.get(place).bearer(&alice).send().await;
    assert!(
        !list.text.contains("whsec_") && list.json()["webhooks"][0]["enabled"] == true,
        "{}",
        list.text
    );
    let own = format!("{place}/{}", made.json()["id"].as_str().unwrap());
    let off = t
        .ask("PATCH", &own)
        .bearer(&alice)
        .json(json!({"enabled": false}))
        .send()
        .await;
    assert_eq!(off.json()["enabled"], false, "{}", off.text);
    let dead = t.get(&format!("{own}/dead-letters")).bearer(&alice).send().await;
    assert_eq!(dead.json()["dead_letters"], json!([]), "{}", dead.text);
    t.post(&format!("{own}/dead-letters/7/redeliver"))
        .bearer(&alice)
        .send()
        .await
        .is_problem(404);
    t.get(&own).bearer(&bob).send().await.is_problem(403);
    let rotated = t.post(&format!("{own}/rotate")).bearer(&alice).send().await;
    assert_ne!(rotated.json()["secret"], made.json()["secret"]);
    assert_eq!(t.ask("DELETE", &own).bearer(&alice).send().await.status, 204);
}

#[tokio::test]
async fn a_bot_does_what_its_scopes_say() {
    let (t, ..) = with_rooms().await;
    let (alice, bob) = (t.token("alice").await, t.token("bob").await);
    t.post("/waddles/penguins/bots")
        .bearer(&bob)
        .json(json!({"name": "Echo"}))
        .send()
        .await
        .is_problem(403);
    let made = t
        .post("/waddles/penguins/bots")
        .bearer(&alice)
        .json(json!({"name": "Echo"}))
        .send()
        .await;
    assert_eq!(made.status, 201, "{}", made.text);
    let bot = made.json();
    let (token, id) = (
        bot["token"]["token"].as_str().unwrap().to_owned(),
        bot["id"].as_str().unwrap().to_owned(),
    );
    assert_eq!(bot["jid"], "bot-echo@example.org");
    let me = t.get("/bots/@me").bearer(&token).send().await;
    assert_eq!(me.json()["id"], id.as_str(), "{}", me.text);
    let said = t
        .post("/channels/penguins.general/messages")
        .bearer(&token)
        .json(json!({"body": "beep"}))
        .send()
        .await;
    assert_eq!(said.status, 201, "{}", said.text);
    assert_eq!(said.json()["author"]["kind"], "bot", "{}", said.text);
    // what its scopes and its role do not say
    t.post("/waddles")
        .bearer(&token)
        .json(json!({"slug": "x1", "name": "X1"}))
        .send()
        .await
        .is_problem(403);
    t.get("/auth/tokens").bearer(&token).send().await.is_problem(403);
    t.get("/bots").bearer(&token).send().await.is_problem(403);

    let body = json!({"description": "Says it again", "options": [{"name": "what", "required": true}]});
    t.ask("PUT", "/waddles/penguins/commands/echo")
        .bearer(&bob)
        .json(body.clone())
        .send()
        .await
        .is_problem(400);
    let put = t
        .ask("PUT", "/waddles/penguins/commands/echo")
        .bearer(&token)
        .json(body)
        .send()
        .await;
    assert_eq!(put.status, 200, "{}", put.text);
    let list = t.get("/waddles/penguins/commands").bearer(&bob).send().await;
    let names: Vec<_> = list.json()["commands"]
        .as_array()
        .unwrap()
        .iter()
        .map(|c| c["name"].clone())
        .collect();
    assert_eq!(names, ["help", "echo"]);
    let run = |text: &str| {
        t.post("/waddles/penguins/channels/general/commands/echo")
            .bearer(&bob)
            .json(json!({ "text": text }))
            .send()
    };
    run("").await.is_problem(422);
    run("hi").await.is_problem(502);
    let help = t
        .post("/waddles/penguins/channels/general/commands/help")
        .bearer(&bob)
        .json(json!({}))
        .send()
        .await;
    assert!(
        help.json()["body"].as_str().unwrap().contains("/echo <what>"),
        "{}",
        help.text
    );
    // typed as a message it is not said
    let typed = t
        .post("/channels/penguins.general/messages")
        .bearer(&bob)
        .json(json!({"body": "/echo hi"}))
        .send()
        .await;
    assert!(
        typed.status.is_client_error() && typed.text.contains("command"),
        "{}",
        typed.text
    );

    let second = t
        .post(&format!("/bots/{id}/tokens"))
        .bearer(&alice)
        .json(json!({"label": "b", "expires_at": "2026-02-07T00:00:00Z"}))
        .send()
        .await;
    assert_eq!(second.status, 201, "{}", second.text);
    let second = second.json();
    let tokens = t.get(&format!("/bots/{id}/tokens")).bearer(&alice).send().await;
    assert_eq!(
        tokens.json()["tokens"].as_array().unwrap().len(),
        2,
        "{}",
        tokens.text
    );
    let revoked = t
        .ask("DELETE", &format!("/bots/{id}/tokens/{}", second["id"]))
        .bearer(&alice)
        .send()
        .await;
    assert_eq!(revoked.status, 204, "{}", revoked.text);
    t.get("/bots/@me")
        .bearer(second["token"].as_str().unwrap())
        .send()
        .await
        .is_problem(401);
    t.get(&format!("/bots/{id}"))
        .bearer(&bob)
        .send()
        .await
        .is_problem(404);
    assert_eq!(
        t.ask("DELETE", &format!("/bots/{id}"))
            .bearer(&alice)
            .send()
            .await
            .status,
        204
    );
    t.get("/bots/@me").bearer(&token).send().await.is_problem(401);
    let left = t.get("/waddles/penguins/commands").bearer(&bob).send().await;
    assert_eq!(left.json()["commands"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_bot_that_reads_too_slowly_is_told_what_it_missed() {
    let (t, ..) = with_rooms_and(|limits| {
        (limits.command_stream, limits.command_seconds) = (2, 0);
    })
    .await;
    let (alice, bob) = (t.token("alice").await, t.token("bob").await);
    let made = t
        .post("/waddles/penguins/bots")
        .bearer(&alice)
        .json(json!({"name": "Echo"}))
        .send()
        .await;
    assert_eq!(made.status, 201, "{}", made.text);
    let token = made.json()["token"]["token"].as_str().unwrap().to_owned();
    let put = t
        .ask("PUT", "/waddles/penguins/commands/echo")
        .bearer(&token)
        .json(json!({"description": "Says it again", "options": [{"name": "what"}]}))
        .send()
        .await;
    assert_eq!(put.status, 200, "{}", put.text);
    let mut reader = stream::listen_at(&t, &token, "/api/v1/bots/@me/interactions")
        .await
        .unwrap();
    for text in ["1", "2", "3", "4", "5"] {
        let run = t
            .post("/waddles/penguins/channels/general/commands/echo")
            .bearer(&bob)
            .json(json!({ "text": text }))
            .send()
            .await;
        run.is_problem(502);
    }
    let told = reader.next().await.unwrap();
    assert_eq!((&*told.kind, &told.data), ("reset", &json!({"missed": 3})));
    for text in ["4", "5"] {
        let told = reader.next().await.unwrap();
        assert_eq!((&*told.kind, &told.data["text"]), ("interaction", &json!(text)));
    }
}
