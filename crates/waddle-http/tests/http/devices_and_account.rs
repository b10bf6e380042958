//! Devices, feeds, live MQTT connections, and one's own account.

use std::sync::Arc;

use crate::support::{Setup, open};
use futures::future::BoxFuture;
use parking_lot::Mutex;
use serde_json::{Value, json};
use waddle_core::{Secret, Timestamp, UserId, WaddleId};
use waddle_http::{MqttConnection, MqttConnections, router};
use waddle_storage::repo::{offline, personal, pubsub, pubsub_items};

/// alice's waddle `penguins` with bob in it; carol is a stranger.
async fn world() -> (Setup, String, String, String) {
    let t = open().await;
    let (alice, bob, carol) = (
        t.person("alice").await,
        t.person("bob").await,
        t.person("carol").await,
    );
    let made = t
        .post("/waddles")
        .bearer(&alice)
        .json(json!({"slug": "penguins"}))
        .send()
        .await;
    assert_eq!(made.status, 201);
    let added = t
        .post("/waddles/penguins/members")
        .bearer(&alice)
        .json(json!({"user": "bob"}))
        .send()
        .await;
    assert_eq!(added.status, 201);
    (t, alice, bob, carol)
}

#[tokio::test]
async fn devices() {
    let (t, alice, bob, carol) = world().await;
    let make = |by: &str, body: Value| t.post("/api/v1/waddles/penguins/devices").bearer(by).json(body);
    let body = json!({"name": "kitchen", "topics": ["home/kitchen", "read:home/time"]});
    for stranger in [&bob, &carol] {
        make(stranger, body.clone()).send().await.is_problem(403);
        t.get("/waddles/penguins/devices")
            .bearer(stranger)
            .send()
            .await
            .is_problem(403);
    }
    for bad in [
        json!({"name": "x", "topics": []}),
        json!({"name": "x", "topics": ["+/x"]}),
        json!({"name": "Not A Slug", "topics": ["a"]}),
        json!({"name": "x"}),
    ] {
        make(&alice, bad).send().await.is_problem(422);
    }
    let made = make(&alice, body.clone()).send().await;
    assert_eq!(made.status, 201, "{}", made.text);
    let device = made.json();
    let (id, password) = (
        device["id"].as_str().unwrap(),
        device["password"].as_str().unwrap(),
    );
    assert!(made.header("location").ends_with(&format!("/devices/{id}")));
    make(&alice, body).send().await.is_problem(409);
    let login = |username: &Value, password: &str| {
        let (username, password) = (username.as_str().unwrap().to_owned(), Secret::new(password));
        let identity = t.identity.clone();
        async move { identity.verify_device(&username, &password).await.is_ok() }
    };
    assert!(login(&device["username"], password).await);
    let listed = t
        .get("/waddles/penguins/devices?limit=1")
        .bearer(&alice)
        .send()
        .await;
    assert!(!listed.text.contains(password));
    let listed = listed.json();
    assert_eq!(listed["devices"][0]["topics"].as_array().unwrap().len(), 2);
    let more = listed["next"].as_str().unwrap().to_owned();
    let rest = t
        .get(&format!("/waddles/penguins/devices?cursor={more}"))
        .bearer(&alice)
        .send()
        .await
        .json();
    assert_eq!(
        (rest["devices"].as_array().unwrap().len(), &rest["next"]),
        (0, &Value::Null)
    );
    // a new credential: the old one is void
    let renewed = t
        .post("/waddles/penguins/devices/kitchen/credential")
        .bearer(&alice)
        .send()
        .await;
    assert_eq!(renewed.status, 201, "{}", renewed.text);
    let renewed = renewed.json();
    assert!(!login(&device["username"], password).await);
    assert!(login(&renewed["username"], renewed["password"].as_str().unwrap()).await);
    let path = format!("/waddles/penguins/devices/{id}");
    t.ask("DELETE", &format!("{path}/credential"))
        .bearer(&carol)
        .send()
        .await
        .is_problem(403);
    let revoked = t
        .ask("DELETE", &format!("{path}/credential?reason=lost"))
        .bearer(&alice)
        .send()
        .await;
    assert_eq!(revoked.status, 204, "{}", revoked.text);
    assert!(!login(&renewed["username"], renewed["password"].as_str().unwrap()).await);
    let shown = t.get(&path).bearer(&alice).send().await.json();
    assert!(!shown["revoked_at"].is_null());
    assert_eq!(t.ask("DELETE", &path).bearer(&alice).send().await.status, 204);
    t.get(&path).bearer(&alice).send().await.is_problem(404);
    t.ask("DELETE", &path).bearer(&alice).send().await.is_problem(404);
}

#[tokio::test]
async fn feeds() {
    let (t, alice, bob, carol) = world().await;
    let bind = |by: &str, body: Value| t.post("/waddles/penguins/feeds").bearer(by).json(body);
    let body = json!({"filter": "home/#", "channel": "general"});
    bind(&bob, body.clone()).send().await.is_problem(403);
    bind(&carol, body.clone()).send().await.is_problem(403);
    bind(&alice, json!({"filter": "home/#/x", "channel": "general"}))
        .send()
        .await
        .is_problem(422);
    bind(&alice, json!({"filter": "home/#", "channel": "nothing"}))
        .send()
        .await
        .is_problem(404);
    let made = bind(&alice, body.clone()).send().await;
    assert_eq!(made.status, 201, "{}", made.text);
    let id = made.json()["id"].as_str().unwrap().to_owned();
    bind(&alice, body).send().await.is_problem(409);
    let seen = t.get("/waddles/penguins/feeds").bearer(&bob).send().await.json();
    assert_eq!(seen["feeds"][0]["filter"], "home/#");
    t.get("/waddles/penguins/feeds")
        .bearer(&carol)
        .send()
        .await
        .is_problem(403);
    // a feed of a channel that one does not see
    t.post("/waddles/penguins/channels")
        .bearer(&alice)
        .json(json!({"name": "Secret", "private": true}))
        .send()
        .await;
    let hidden = bind(&alice, json!({"filter": "lab/#", "channel": "secret"}))
        .send()
        .await
        .json();
    let hidden = format!("/waddles/penguins/feeds/{}", hidden["id"].as_str().unwrap());
    assert_eq!(t.get(&hidden).bearer(&alice).send().await.status, 200);
    t.get(&hidden).bearer(&bob).send().await.is_problem(404);
    let path = format!("/waddles/penguins/feeds/{id}");
    t.ask("DELETE", &path).bearer(&bob).send().await.is_problem(403);
    assert_eq!(t.ask("DELETE", &path).bearer(&alice).send().await.status, 204);
    t.get(&path).bearer(&alice).send().await.is_problem(404);
}

/// A broker of which only the list of connections is there.
struct Broker(Mutex<Vec<(WaddleId, MqttConnection)>>);

impl MqttConnections for Broker {
    fn of(&self, waddle: WaddleId) -> BoxFuture<'_, Vec<MqttConnection>> {
        let all = self.0.lock();
        let there = all
            .iter()
            .filter(|(w, _)| *w == waddle)
            .map(|(_, c)| c.clone())
            .collect();
        Box::pin(async move { there })
    }
    fn end(&self, serial: u64) -> BoxFuture<'_, bool> {
        let mut all = self.0.lock();
        let before = all.len();
        all.retain(|(_, c)| c.serial != serial);
        let ended = all.len() < before;
        Box::pin(async move { ended })
    }
}

#[tokio::test]
async fn live_mqtt_connections() {
    let (mut t, alice, bob, _) = world().await;
    t.get("/waddles/penguins/mqtt/connections")
        .bearer(&alice)
        .send()
        .await
        .is_problem(404);
    let shown = t.get("/waddles/penguins").bearer(&alice).send().await.json();
    let waddle: WaddleId = shown["id"].as_str().unwrap().parse().unwrap();
    let connection = |serial| MqttConnection {
        serial,
        user: UserId::local("bob"),
        name: "bob".into(),
        client_id: "mosquitto".into(),
        address: "192.0.2.1".into(),
        transport: "tcp",
        version: "5.0",
        since: "2026-01-31T12:00:00Z".parse().unwrap(),
        last_seen: "2026-01-31T12:00:00Z".parse().unwrap(),
        dropped: 0,
        filters: vec!["home/#".into()],
    };
    let broker = Broker(Mutex::new(vec![
        (waddle, connection(7)),
        (WaddleId::new(), connection(8)),
    ]));
    t.deps.mqtt_connections = Some(Arc::new(broker));
    t.router = router(t.config.clone(), t.deps.clone());
    let seen = t
        .get("/waddles/penguins/mqtt/connections")
        .bearer(&alice)
        .send()
        .await
        .json();
    assert_eq!(seen["connections"].as_array().unwrap().len(), 1);
    assert_eq!(seen["connections"][0]["filters"][0], "home/#");
    t.get("/waddles/penguins/mqtt/connections")
        .bearer(&bob)
        .send()
        .await
        .is_problem(403);
    let end = |by: &str, serial: &str| {
        t.ask("DELETE", &format!("/waddles/penguins/mqtt/connections/{serial}"))
            .bearer(by)
    };
    end(&bob, "7").send().await.is_problem(403);
    end(&alice, "8").send().await.is_problem(404);
    end(&alice, "x").send().await.is_problem(400);
    assert_eq!(end(&alice, "7").send().await.status, 204);
    end(&alice, "7").send().await.is_problem(404);
}

#[tokio::test]
async fn one_s_own_account() {
    let (t, alice, bob, _) = world().await;
    let shown = t.get("/api/v1/account").bearer(&bob).send().await.json();
    assert_eq!(
        (shown["localpart"].as_str(), shown["admin"].as_bool()),
        (Some("bob"), Some(false))
    );

    let password = |current: &str, new: &str| {
        t.ask("PUT", "/account/password")
            .bearer(&bob)
            .json(json!({"current": current, "new": new}))
    };
    let wrong = password("guess", "tr0ub4dor and 3").send().await;
    assert_eq!(wrong.is_problem(403)["type"], "urn:waddle:problem:password");
    assert_eq!(
        password("correct horse", "tr0ub4dor and 3").send().await.status,
        204
    );
    assert!(
        t.identity
            .login_local("bob", &Secret::new("correct horse"))
            .await
            .is_err()
    );
    let second = t
        .identity
        .login_local("bob", &Secret::new("tr0ub4dor and 3"))
        .await
        .unwrap();
    let second = second.access_token.expose().to_owned();

    let logins = t.get("/account/sessions").bearer(&second).send().await.json();
    let other = logins["sessions"]
        .as_array()
        .unwrap()
        .iter()
        .find(|s| s["current"] == false)
        .map(|s| s["id"].as_str().unwrap().to_owned());
    if let Some(other) = other {
        let path = format!("/account/sessions/{other}");
        t.ask("DELETE", &path).bearer(&alice).send().await.is_problem(404);
        assert_eq!(t.ask("DELETE", &path).bearer(&second).send().await.status, 204);
        t.get("/account").bearer(&bob).send().await.is_problem(401);
    }

    let server = t.storage.server();
    let kept = server.write(|tx| {
        personal::set_private(
            tx,
            "bob",
            "notes",
            "urn:n",
            Some(&"<notes xmlns='urn:n'/>".into()),
            1_000,
        )?;
        let owner = "bob@example.org".parse().unwrap();
        let node = pubsub::create(tx, "bob", "urn:x", "{}", &owner)?;
        pubsub_items::put(
            tx,
            node.id,
            "1",
            &"bob@example.org".parse().unwrap(),
            Some(&"<a/>".into()),
        )?;
        for i in 0..120 {
            offline::put(
                tx,
                "bob",
                Timestamp(i / 7),
                format!("<message id='{i}'/>").as_bytes(),
                1_000,
            )?;
        }
        Ok(())
    });
    kept.await.unwrap();
    let file = t.get("/account/export").bearer(&second).send().await;
    assert_eq!(file.header("content-type"), "application/jsonl");
    assert!(file.header("content-disposition").contains("bob.account.jsonl"));
    let lines: Vec<Value> = file
        .text
        .lines()
        .map(|l| serde_json::from_str(l).unwrap())
        .collect();
    let of = |kind: &str| lines.iter().filter(|l| l["type"] == kind).count();
    assert_eq!((of("account"), of("waddle")), (1, 1));
    assert!(of("session") >= 1 && !file.text.contains(&second));
    assert_eq!(
        (of("private"), of("node"), of("item"), of("direct_policy")),
        (1, 1, 1, 1)
    );
    let waiting = lines.iter().filter(|l| l["type"] == "waiting");
    let waiting: Vec<_> = waiting
        .map(|l| l["stanza"].as_str().unwrap().to_owned())
        .collect();
    let all: Vec<_> = (0..120).map(|i| format!("<message id='{i}'/>")).collect();
    assert_eq!(waiting, all, "page by page, each once");

    let remove = |by: &str, body: Value| t.ask("DELETE", "/account").bearer(by).json(body);
    remove(&second, json!({"confirm": "alice"}))
        .send()
        .await
        .is_problem(422);
    remove(&second, json!({"confirm": "bob"}))
        .send()
        .await
        .is_problem(403);
    let only = remove(&alice, json!({"confirm": "alice", "password": "correct horse"}))
        .send()
        .await
        .is_problem(409);
    assert_eq!(only["type"], "urn:waddle:problem:conflict");
    assert!(only["detail"].as_str().unwrap().contains("penguins"), "{only}");
    t.get("/account").bearer(&alice).send().await.json();
    let gone = remove(&second, json!({"confirm": "bob", "password": "tr0ub4dor and 3"}))
        .send()
        .await;
    assert_eq!(gone.status, 204, "{}", gone.text);
    t.get("/account").bearer(&second).send().await.is_problem(401);
    t.get("/waddles/penguins/members/bob")
        .bearer(&alice)
        .send()
        .await
        .is_problem(404);
}
