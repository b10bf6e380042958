//! What the author of a client relies on, over all addresses: what was made is where it is said to be, asking twice makes
//! one, names are the same everywhere, a page misses nothing, a change is whole.

use crate::support::{Answer, Setup, open, open_with, rooms::with_rooms};
use serde_json::{Value, json};

async fn token(t: &Setup, login: &str, scope: &str) -> String {
    let made = t
        .post("/auth/access-tokens")
        .bearer(login)
        .json(json!({"label": scope, "scopes": [scope]}))
        .send()
        .await;
    assert_eq!(made.status, 201, "{}", made.text);
    made.json()["token"].as_str().unwrap().to_owned()
}

async fn patch(t: &Setup, who: &str, path: &str, body: Value) -> Answer {
    t.ask("PATCH", path).bearer(who).json(body).send().await
}

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
async fn one_name_everywhere() {
    let (t, ..) = with_rooms().await;
    let (alice, bob) = (t.token("alice").await, t.token("bob").await);
    let carol = t.person("carol").await;
    let at = "/channels/penguins.general/messages";
    let said = t
        .post(at)
        .bearer(&bob)
        .json(json!({"body": "squawk"}))
        .send()
        .await;
    assert_eq!(
        said.json()["author"]["display_name"],
        Value::Null,
        "{}",
        said.text
    );
    let id = said.json()["id"].as_str().unwrap().to_owned();

    let named = patch(
        &t,
        &bob,
        "/account",
        json!({"display_name": "  Bob the Penguin "}),
    )
    .await;
    assert_eq!(
        (named.status.as_u16(), &named.json()["display_name"]),
        (200, &json!("Bob the Penguin"))
    );
    let shown = t.get("/account").bearer(&bob).send().await.json();
    assert_eq!(shown["display_name"], "Bob the Penguin");
    let name = |v: &Value| v["author"]["display_name"].clone();
    let get = async |who: &str, path: &str| t.get(path).bearer(who).send().await.json();
    for (path, place) in [
        (format!("{at}/{id}"), ""),
        (at.to_owned(), "/messages/0"),
        (format!("{at}/{id}/context"), "/messages/0"),
        ("/waddles/penguins/search?q=squawk".into(), "/results/0/message"),
        ("/inbox".into(), "/conversations/0/last_message"),
    ] {
        let found = get(&alice, &path).await;
        let message = found.pointer(place).unwrap_or_else(|| panic!("{path}: {found}"));
        assert_eq!(name(message), "Bob the Penguin", "{path}: {found}");
    }
    let context = get(&alice, &format!("{at}/{id}/context")).await;
    assert!(context.get("more").is_none(), "{context}");
    let members = get(&alice, "/waddles/penguins/members").await;
    let names: Vec<&Value> = members["members"]
        .as_array()
        .unwrap()
        .iter()
        .map(|m| &m["display_name"])
        .collect();
    assert_eq!(names, [&Value::Null, &json!("Bob the Penguin")], "{members}");
    // who is no member is not told who is behind the nickname, nor their name
    let stranger = get(&carol, &format!("{at}/{id}")).await;
    assert_eq!(
        (&stranger["body"], &stranger["author"]["user"], name(&stranger)),
        (&json!("squawk"), &Value::Null, Value::Null)
    );
    // from now on it is the nickname over HTTP
    let next = t
        .post(at)
        .bearer(&bob)
        .json(json!({"body": "again"}))
        .send()
        .await;
    assert_eq!(next.json()["author"]["nick"], "Bob the Penguin", "{}", next.text);

    for bad in ["x".repeat(101), "a\nb".into(), "a\u{202e}b".into()] {
        patch(&t, &bob, "/account", json!({"display_name": bad}))
            .await
            .is_problem(422);
    }
    patch(&t, &bob, "/account", json!({"name": "x"}))
        .await
        .is_problem(422);
    let reads = token(&t, &bob, "read").await;
    patch(&t, &reads, "/account", json!({"display_name": "x"}))
        .await
        .is_problem(403);
    let writes = token(&t, &bob, "account").await;
    let none = patch(&t, &writes, "/account", json!({"display_name": ""})).await;
    assert_eq!(
        (none.status.as_u16(), &none.json()["display_name"]),
        (200, &Value::Null)
    );
    assert_eq!(name(&get(&alice, &format!("{at}/{id}")).await), Value::Null);
}

#[tokio::test]
async fn devices_come_page_by_page() {
    let t = open().await;
    let alice = t.person("alice").await;
    t.post("/waddles")
        .bearer(&alice)
        .json(json!({"slug": "penguins"}))
        .send()
        .await;
    let at = "/waddles/penguins/devices";
    for name in ["c", "a", "d", "b"] {
        let made = t
            .post(at)
            .bearer(&alice)
            .json(json!({"name": name, "topics": [name]}))
            .send()
            .await;
        assert_eq!(made.status, 201, "{}", made.text);
        assert!(made.json()["created_at"].is_string() && made.json()["created_by"] == "local:alice");
    }
    let page = async |cursor: &Value| {
        let cursor = cursor
            .as_str()
            .map(|c| format!("&cursor={c}"))
            .unwrap_or_default();
        let page = t
            .get(&format!("{at}?limit=2{cursor}"))
            .bearer(&alice)
            .send()
            .await
            .json();
        let names: Vec<String> = page["devices"]
            .as_array()
            .unwrap()
            .iter()
            .map(|d| d["name"].as_str().unwrap().to_owned())
            .collect();
        (names, page["next"].clone())
    };
    let (names, next) = page(&Value::Null).await;
    assert_eq!(names, ["a", "b"]);
    // what goes in between moves nothing
    t.ask("DELETE", &format!("{at}/a")).bearer(&alice).send().await;
    let (names, next) = page(&next).await;
    assert_eq!(names, ["c", "d"]);
    assert_eq!(page(&next).await, (Vec::new(), Value::Null));
}

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

#[tokio::test]
async fn kicks_and_bans_need_their_scope() {
    let t = open().await;
    let alice = t.person("alice").await;
    for user in ["bob", "carol", "dora"] {
        t.person(user).await;
    }
    t.post("/waddles")
        .bearer(&alice)
        .json(json!({"slug": "penguins"}))
        .send()
        .await;
    for user in ["bob", "carol", "dora"] {
        t.post("/waddles/penguins/members")
            .bearer(&alice)
            .json(json!({"user": user}))
            .send()
            .await;
    }
    let (manage, moderate) = (
        token(&t, &alice, "manage").await,
        token(&t, &alice, "moderate").await,
    );
    let end = async |with: &str, who: &str, how: &str| {
        let path = format!("/waddles/penguins/members/{who}?how={how}");
        t.ask("DELETE", &path).bearer(with).send().await
    };
    for how in ["kicked", "banned"] {
        let refused = end(&manage, "bob", how).await.is_problem(403);
        assert_eq!(refused["type"], "urn:waddle:problem:scope");
    }
    end(&moderate, "bob", "removed").await.is_problem(403);
    assert_eq!(end(&manage, "bob", "removed").await.status, 204);
    assert_eq!(end(&moderate, "carol", "kicked").await.status, 204);
    assert_eq!(end(&moderate, "dora", "banned").await.status, 204);
}

#[tokio::test]
async fn a_token_that_is_none_is_told_so() {
    let t = open().await;
    let wrong = t.get("/api/v1/waddles").bearer("wdp_nonsense").send().await;
    assert_eq!(wrong.is_problem(401)["type"], "urn:waddle:problem:invalid-token");
    assert!(
        wrong
            .header("www-authenticate")
            .contains("error=\"invalid_token\""),
        "{}",
        wrong.header("www-authenticate")
    );
    let nobody = t.get("/api/v1/waddles").send().await;
    assert_eq!(nobody.is_problem(401)["type"], "urn:waddle:problem:unauthorized");
    assert!(!nobody.header("www-authenticate").contains("error"));
    // what is for anybody is for those too whose token has ended
    assert_eq!(
        t.get("/api/v1/discover")
            .bearer("wdp_nonsense")
            .send()
            .await
            .status,
        200
    );
}

#[tokio::test]
async fn the_network_is_asked_for_those_alone_who_may() {
    let t = open().await;
    let (alice, bob) = (t.person("alice").await, t.person("bob").await);
    t.post("/waddles")
        .bearer(&alice)
        .json(json!({"slug": "penguins", "visibility": "public"}))
        .send()
        .await;
    // a handle that no answer comes for
    let add = |who: &str| {
        t.post("/waddles/penguins/members")
            .bearer(who)
            .json(json!({"user": "nobody.invalid"}))
    };
    add(&bob).send().await.is_problem(403);
    let ban = |who: &str| t.ask("PUT", "/waddles/penguins/bans/nobody.invalid").bearer(who);
    let refused = ban(&bob).send().await.is_problem(403);
    assert_eq!(refused["type"], "urn:waddle:problem:forbidden");
    let unknown = ban(&alice).send().await;
    assert!(unknown.status.is_client_error() || unknown.status.is_server_error());
    assert_ne!(unknown.status, 403, "{}", unknown.text);
}

#[tokio::test]
async fn the_document_means_what_it_says() {
    let t = open().await;
    let document = t.get("/api/v1/openapi.json").send().await.json();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            for way in operation["security"].as_array().unwrap() {
                // several in one would all be needed
                for scopes in way.as_object().unwrap().values() {
                    assert!(scopes.as_array().unwrap().len() <= 1, "{method} {path}: {way}");
                }
            }
        }
    }
    let mut seen = 0;
    for (name, schema) in document["components"]["schemas"].as_object().unwrap() {
        let text = schema.to_string();
        for word in ["\"made_at\"", "\"made_by\""] {
            assert!(
                !text.contains(word),
                "{name} has {word}, others created_at, created_by"
            );
        }
        seen += 1;
    }
    assert!(seen > 100);
    let outgoing = &document["components"]["schemas"]["NewOutgoingWebhookBody"]["required"];
    assert_eq!(*outgoing, json!(["url"]));
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
