//! Rules, reports, purges, the audit log and direct messages over HTTP (`specs/moderation.md`).

use std::sync::Arc;

use crate::support::{Setup, open};
use serde_json::{Value, json};
use waddle_community::{Actor, BanDetails};
use waddle_core::UserId;
use waddle_muc::Rooms;
use waddle_xmpp::{Deps, XmppConfig, XmppServer};

struct Stage {
    t: Setup,
    alice: String,
    bob: String,
    mo: String,
}

/// Alice owns `penguins`, Mo moderates, Bob is a member; rooms and direct messages are behind it.
async fn stage() -> Stage {
    let mut t = open().await;
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
    let deps = Deps {
        storage: t.storage.clone(),
        identity: t.identity.clone(),
        community: t.deps.community.clone(),
        rooms: rooms.clone(),
        clock: t.clock.clone(),
        limits,
    };
    let xmpp = XmppServer::start(XmppConfig::new("example.org"), deps)
        .await
        .unwrap();
    rooms.set_postman(Arc::new(xmpp.clone()));
    t.deps.rooms = Some(rooms);
    t.deps.direct = Some(xmpp.direct());
    t.router = waddle_http::router(t.config.clone(), t.deps.clone());
    let alice = t.person("alice").await;
    let bob = t.person("bob").await;
    let mo = t.person("mo").await;
    let s = Stage { t, alice, bob, mo };
    s.ok(
        "POST",
        "/waddles",
        &s.alice,
        json!({"slug": "penguins", "name": "Penguins"}),
    )
    .await;
    for (user, role) in [("bob", "member"), ("mo", "moderator")] {
        let member = json!({"user": user, "role": role});
        s.ok("POST", "/waddles/penguins/members", &s.alice, member).await;
    }
    s
}

impl Stage {
    /// Something that must work; its answer.
    async fn ok(&self, method: &str, path: &str, who: &str, body: Value) -> Value {
        let ask = self.t.ask(method, path).bearer(who);
        let ask = if body.is_null() { ask } else { ask.json(body) };
        let answer = ask.send().await;
        assert!(answer.status.is_success(), "{method} {path}: {}", answer.text);
        if answer.text.is_empty() {
            Value::Null
        } else {
            answer.json()
        }
    }

    async fn get(&self, path: &str, who: &str) -> Value {
        self.ok("GET", path, who, Value::Null).await
    }

    async fn refused(&self, method: &str, path: &str, who: &str, body: Value, status: u16) -> Value {
        let ask = self.t.ask(method, path).bearer(who);
        let ask = if body.is_null() { ask } else { ask.json(body) };
        ask.send().await.is_problem(status)
    }

    async fn say(&self, who: &str, body: &str) -> Value {
        let path = "/channels/penguins.general/messages";
        self.ok("POST", path, who, json!({ "body": body })).await
    }
}

#[tokio::test]
async fn rules_are_made_tried_and_hold() {
    let s = stage().await;
    let rule = json!({"name": "manners", "kind": "words", "words": ["vile"], "message": "Be kind."});
    for who in [&s.bob, &s.mo] {
        s.refused("POST", "/waddles/penguins/rules", who, rule.clone(), 403)
            .await;
        s.refused("GET", "/waddles/penguins/rules", who, Value::Null, 403)
            .await;
    }
    s.refused("POST", "/waddles/nowhere/rules", &s.bob, rule.clone(), 403)
        .await;
    let made = s
        .ok("POST", "/waddles/penguins/rules", &s.alice, rule.clone())
        .await;
    let path = format!("/waddles/penguins/rules/{}", made["id"]);
    assert_eq!(s.get(&path, &s.alice).await["words"], json!(["vile"]));
    let messages = "/channels/penguins.general/messages";
    let told = s
        .refused("POST", messages, &s.bob, json!({"body": "so v1le"}), 422)
        .await;
    assert!(told["detail"].as_str().unwrap().contains("Be kind."), "{told}");
    let channel = s.get("/waddles/penguins/channels/general", &s.bob).await["id"].clone();
    let trial = json!({"text": "V\u{200b}ILE!", "channel": channel, "author": "bob"});
    let said = s.ok("POST", "/waddles/penguins/rules/try", &s.alice, trial).await;
    assert_eq!(
        (&said["passes"], &said["told"]),
        (&json!(false), &json!("Be kind."))
    );
    assert_eq!(said["broken"][0]["found"], "V\u{200b}ILE");
    let instead = json!([{"name": "x", "kind": "links", "deny": ["evil.example"], "then": "replace"}]);
    let trial = json!({"text": "see evil.example", "channel": channel, "rules": instead});
    let said = s.ok("POST", "/waddles/penguins/rules/try", &s.alice, trial).await;
    assert_eq!(
        (&said["passes"], &said["text"]),
        (&json!(true), &json!("see ************"))
    );
    for bad in [
        json!({"name": "x", "kind": "patterns", "patterns": ["("]}),
        json!({"name": "x", "kind": "words", "words": []}),
        json!({"name": "x", "kind": "what"}),
    ] {
        s.refused("POST", "/waddles/penguins/rules", &s.alice, bad, 422)
            .await;
    }
    let off = json!({"name": "manners", "kind": "words", "words": ["vile"], "enabled": false});
    s.ok("PUT", &path, &s.alice, off).await;
    s.say(&s.bob, "vile").await;
    s.ok("DELETE", &path, &s.alice, Value::Null).await;
    s.refused("GET", &path, &s.alice, Value::Null, 404).await;
}

#[tokio::test]
async fn reports_wait_for_moderators_with_their_context() {
    let s = stage().await;
    let mut ids = Vec::new();
    for n in 0..3 {
        ids.push(s.say(&s.bob, &format!("line {n}")).await["id"].clone());
    }
    let channel = s.get("/waddles/penguins/channels/general", &s.bob).await["id"].clone();
    let report = json!({"channel_id": channel, "message_id": ids[1], "reason": "spam", "text": "again"});
    let path = "/waddles/penguins/reports";
    let first = s.ok("POST", path, &s.alice, report.clone()).await;
    let again = s.ok("POST", path, &s.alice, report.clone()).await;
    assert_eq!(first["id"], again["id"], "the same again is the same report");
    let eve = s.t.person("eve").await;
    s.refused("POST", path, &eve, report.clone(), 403).await;
    let missing = json!({"channel_id": channel, "message_id": "0000000000000001", "reason": "spam"});
    s.refused("POST", path, &s.alice, missing, 404).await;
    s.refused("GET", path, &s.bob, Value::Null, 403).await;
    let list = s.get("/waddles/penguins/reports?state=open", &s.mo).await;
    assert_eq!(
        (&list["waiting"], &list["reports"][0]["times"]),
        (&json!(1), &json!(2))
    );
    let one = format!("{path}/{}", first["id"]);
    let shown = s.get(&one, &s.mo).await;
    assert_eq!(
        (&shown["excerpt"], &shown["reported"]),
        (&json!("line 1"), &json!("local:bob"))
    );
    let context: Vec<_> = shown["context"]
        .as_array()
        .unwrap()
        .iter()
        .map(|m| m["body"].clone())
        .collect();
    assert_eq!(context, [json!("line 0"), json!("line 1"), json!("line 2")]);
    s.ok("PATCH", &one, &s.mo, json!({"state": "claimed"})).await;
    s.refused("PATCH", &one, &s.alice, json!({"state": "claimed"}), 409)
        .await;
    let done = json!({"state": "resolved", "action": "retracted", "note": "first time"});
    let closed = s.ok("PATCH", &one, &s.mo, done).await;
    assert_eq!(
        (&closed["state"], &closed["handler"]),
        (&json!("resolved"), &json!("local:mo"))
    );
    // A report on oneself is for somebody else.
    let mine = s.say(&s.mo, "hm").await["id"].clone();
    let about = json!({"channel_id": channel, "message_id": mine, "reason": "abuse"});
    let own = s.ok("POST", path, &s.bob, about).await;
    let own = format!("{path}/{}", own["id"]);
    s.refused("PATCH", &own, &s.mo, json!({"state": "dismissed"}), 409)
        .await;
    s.ok("PATCH", &own, &s.alice, json!({"state": "dismissed"})).await;
}

#[tokio::test]
async fn purges_go_on_by_themselves_and_the_log_says_from_where() {
    let s = stage().await;
    for n in 0..5 {
        s.say(&s.bob, &format!("spam {n}")).await;
    }
    s.say(&s.mo, "order").await;
    let path = "/waddles/penguins/purges";
    s.refused("POST", path, &s.bob, json!({"user": "mo"}), 403).await;
    s.refused("POST", path, &s.mo, json!({"user": "alice"}), 403)
        .await;
    let mut changes = s.t.deps.community.events();
    let ask = s.t.post(path).bearer(&s.mo).from("192.0.2.9");
    let begun = ask.json(json!({"user": "bob", "reason": "spam"})).send().await;
    assert_eq!(begun.status, 201, "{}", begun.text);
    let one = format!("{path}/{}", begun.json()["id"]);
    loop {
        if s.get(&one, &s.mo).await["finished_at"].is_string() {
            break;
        }
        let waited = std::time::Duration::from_millis(100);
        let _ = tokio::time::timeout(waited, changes.recv()).await;
    }
    assert_eq!(s.get(&one, &s.mo).await["removed"], 5);
    let left = s
        .get("/channels/penguins.general/messages", &s.alice)
        .await
        .to_string();
    assert!(left.contains("order") && !left.contains("spam 1"), "{left}");
    s.refused("GET", "/waddles/penguins/audit", &s.mo, Value::Null, 403)
        .await;
    let log = s
        .get("/waddles/penguins/audit?action=messages.purge&whom=bob", &s.alice)
        .await;
    let entry = &log["entries"][0];
    assert_eq!(
        (&entry["actor"], &entry["reason"]),
        (&json!("local:mo"), &json!("spam"))
    );
    assert_eq!(
        (&entry["via"], &entry["address"]),
        (&json!("http"), &json!("192.0.2.9"))
    );
    assert!(entry["token"].as_str().is_some_and(|t| t.len() == 32), "{entry}");
    let all = s.get("/waddles/penguins/audit?limit=2", &s.alice).await;
    let next = all["next"].as_str().unwrap();
    let more = s
        .get(
            &format!("/waddles/penguins/audit?limit=2&cursor={next}"),
            &s.alice,
        )
        .await;
    assert!(more["entries"][0]["id"].as_i64() < all["entries"][1]["id"].as_i64());
    let members = s
        .get("/waddles/penguins/audit?action=member.&actor=alice", &s.alice)
        .await;
    assert_eq!(members["entries"].as_array().unwrap().len(), 2, "{members}");
    // Old lines go.
    s.t.clock.advance(std::time::Duration::from_secs(91 * 86_400));
    let community = &s.t.deps.community;
    let waddle = community.waddle_by_slug(&"penguins".parse().unwrap()).unwrap().id;
    let now = waddle_core::time::Clock::now(&*s.t.clock);
    assert!(community.forget_audit(waddle, now).await.unwrap() > 3);
    let rest = community
        .audit(waddle_community::Actor::System, waddle, None, 9)
        .await
        .unwrap();
    assert!(rest.is_empty(), "{rest:?}");
}

#[tokio::test]
async fn consent_and_groups() {
    let s = stage().await;
    s.ok("PUT", "/direct/policy", &s.bob, json!({"policy": "friends_only"}))
        .await;
    assert_eq!(s.get("/direct/policy", &s.bob).await["policy"], "friends_only");
    let made = s
        .ok(
            "POST",
            "/direct",
            &s.alice,
            json!({"name": "Us", "people": ["bob", "mo"]}),
        )
        .await;
    let people = made["people"].as_array().unwrap();
    assert_eq!(people.len(), 3);
    assert!(
        people
            .iter()
            .any(|p| p["jid"] == "bob@example.org" && p["since"].is_null()),
        "{made}"
    );
    let one = format!("/direct/{}", made["id"].as_str().unwrap());
    s.refused("GET", &one, &s.bob, Value::Null, 404).await;
    let asked = s.get("/direct/requests", &s.bob).await;
    assert_eq!(asked["requests"][0]["group"], made["id"]);
    let request = format!("/direct/requests/{}", asked["requests"][0]["id"]);
    s.refused("PUT", &request, &s.mo, Value::Null, 404).await;
    s.ok("PUT", &request, &s.bob, Value::Null).await;
    assert_eq!(s.get("/direct", &s.bob).await["groups"][0]["name"], "Us");
    s.ok("PATCH", &one, &s.bob, json!({"name": "We"})).await;
    assert_eq!(s.get(&one, &s.alice).await["name"], "We");
    s.refused("DELETE", &format!("{one}/people/mo"), &s.bob, Value::Null, 422)
        .await;
    s.ok("DELETE", &format!("{one}/people/mo"), &s.mo, Value::Null)
        .await;
    assert!(
        s.get("/direct", &s.mo).await["groups"]
            .as_array()
            .unwrap()
            .is_empty()
    );
    let back = s
        .ok("PUT", &format!("{one}/people/mo"), &s.bob, Value::Null)
        .await;
    assert_eq!(back["joined"], true);
    s.refused("POST", "/direct", &s.alice, json!({"people": []}), 422)
        .await;
    s.refused(
        "POST",
        "/direct",
        &s.alice,
        json!({"people": ["nobody-here"]}),
        404,
    )
    .await;
}

/// A handle of the network that nobody here has lifts the ban that was set with it, without the network.
#[tokio::test]
async fn a_ban_is_lifted_by_the_name_that_it_was_set_with() {
    let s = stage().await;
    let community = &s.t.deps.community;
    let waddle = community.waddle_by_slug(&"penguins".parse().unwrap()).unwrap().id;
    let troll: UserId = "did:plc:abcdefghijklmnopqrstuvwx".parse().unwrap();
    let details = BanDetails::default();
    community
        .ban_called(Actor::System, waddle, &troll, Some("troll.example"), details)
        .await
        .unwrap();
    let (there, nowhere) = (
        "/waddles/penguins/bans/troll.example",
        "/waddles/penguins/bans/nobody.example",
    );
    let shown = s.get(there, &s.mo).await;
    assert_eq!(
        (&shown["user"], &shown["named"]),
        (&json!(troll.as_str()), &json!("troll.example"))
    );
    // Who may not ban learns of no name whether it is banned.
    for address in [there, nowhere] {
        s.refused("DELETE", address, &s.bob, Value::Null, 403).await;
    }
    s.refused("DELETE", nowhere, &s.mo, Value::Null, 404).await;
    s.ok("DELETE", there, &s.mo, Value::Null).await;
    assert!(community.ban_of(waddle, &troll).await.unwrap().is_none());
    s.refused("DELETE", there, &s.mo, Value::Null, 404).await;
}
