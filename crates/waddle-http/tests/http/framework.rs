//! What all addresses share: problems, pages, idempotency keys, conditions, rates, request ids, access tokens.

use std::time::Duration;

use crate::support::{open, open_with};
use serde_json::json;
use waddle_core::limits::Rate;

#[tokio::test]
async fn whatever_is_wrong_is_a_problem() {
    let t = open().await;
    let alice = t.person("alice").await;
    t.get("/api/v1/nothing").send().await.is_problem(404);
    let method = t.ask("PUT", "/api/v1/waddles").bearer(&alice).send().await;
    method.is_problem(405);
    assert!(method.header("allow").contains("GET") && method.header("allow").contains("POST"));
    let post = || t.post("/api/v1/waddles").bearer(&alice);
    post().raw("text/plain", "x").send().await.is_problem(415);
    post().raw("application/json", "{").send().await.is_problem(400);
    let wrong = post().json(json!({"slug": "Not A Slug"})).send().await;
    assert_eq!(wrong.is_problem(422)["type"], "urn:waddle:problem:invalid");
    post()
        .json(json!({"slug": "a", "visibility": "secret"}))
        .send()
        .await
        .is_problem(422);
    post()
        .json(json!({"slug": "a", "more": 1}))
        .send()
        .await
        .is_problem(422);
    let long = "x".repeat(2_000_000);
    post()
        .json(json!({"slug": "a", "description": long}))
        .send()
        .await
        .is_problem(413);
    t.get("/api/v1/waddles").send().await.is_problem(401);
    t.get("/api/v1/waddles")
        .bearer("wds_nonsense")
        .send()
        .await
        .is_problem(401);
    t.get("/api/v1/files?limit=0")
        .bearer(&alice)
        .send()
        .await
        .is_problem(400);
    t.get("/api/v1/files?limit=x")
        .bearer(&alice)
        .send()
        .await
        .is_problem(400);
    t.get("/api/v1/files?cursor=x")
        .bearer(&alice)
        .send()
        .await
        .is_problem(400);
}

#[tokio::test]
async fn requests_have_names() {
    let t = open().await;
    let named = t
        .get("/status")
        .header("x-request-id", "my-request.1")
        .send()
        .await;
    assert_eq!(named.header("x-request-id"), "my-request.1");
    let (one, two) = (t.get("/nothing").send().await, t.get("/nothing").send().await);
    assert!(!one.header("x-request-id").is_empty());
    assert_ne!(one.header("x-request-id"), two.header("x-request-id"));
    let unfit = t.get("/status").header("x-request-id", "a b{}").send().await;
    assert_ne!(unfit.header("x-request-id"), "a b{}");
}

#[tokio::test]
async fn rates_are_told() {
    let t = open_with(|http, _| {
        http.limits.http_rate = Rate {
            count: 3,
            seconds: 60,
        }
    })
    .await;
    let first = t.get("/api/v1/waddles").send().await;
    assert_eq!(first.header("ratelimit-policy"), "\"requests\";q=3;w=60");
    assert_eq!(first.header("ratelimit"), "\"requests\";r=2;t=20");
    for _ in 0..2 {
        t.get("/api/v1/waddles").send().await;
    }
    let over = t.get("/api/v1/waddles").send().await;
    over.is_problem(429);
    assert!(over.header("ratelimit").contains("r=0"), "{:?}", over.headers);
    assert!(over.header("retry-after").parse::<u64>().unwrap() >= 1);
}

#[tokio::test]
async fn a_key_makes_one_of_two() {
    let t = open().await;
    let (alice, bob) = (t.person("alice").await, t.person("bob").await);
    let make = |who: &str, key: &str, slug: &str| {
        t.post("/api/v1/waddles")
            .bearer(who)
            .header("idempotency-key", key)
            .json(json!({"slug": slug, "name": "Penguins"}))
    };
    let first = make(&alice, "k1", "penguins").send().await;
    assert_eq!(first.status, 201, "{}", first.text);
    assert_eq!(first.header("idempotency-replayed"), "");
    let again = make(&alice, "k1", "penguins").send().await;
    assert_eq!((again.status, &again.text), (first.status, &first.text));
    assert_eq!(again.header("idempotency-replayed"), "true");
    assert_eq!(again.header("location"), first.header("location"));
    assert_eq!(again.header("content-type"), "application/json");
    let other = make(&alice, "k1", "others").send().await.is_problem(422);
    assert!(other["detail"].as_str().unwrap().contains("Idempotency-Key"));
    // another's key is another key; what failed did nothing, and its key is free
    make(&bob, "k1", "penguins").send().await.is_problem(409);
    assert_eq!(make(&bob, "k1", "birds").send().await.status, 201);
    // a secret that is told once is told again to the same request alone, and is not in the database as it is
    let invite = || {
        t.post("/api/v1/waddles/penguins/invites")
            .bearer(&alice)
            .header("idempotency-key", "k2")
    };
    let (one, two) = (invite().send().await, invite().send().await);
    assert_eq!(one.status, 201, "{}", one.text);
    assert_eq!(one.text, two.text);
    let listed = t
        .get("/api/v1/waddles/penguins/invites")
        .bearer(&alice)
        .send()
        .await;
    assert_eq!(listed.json()["invites"].as_array().unwrap().len(), 1);
    let code = one.json()["code"].as_str().unwrap().as_bytes().to_vec();
    let mut found = false;
    for entry in std::fs::read_dir(t.dir.path()).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            let bytes = std::fs::read(path).unwrap();
            found |= bytes.windows(code.len()).any(|w| w == code);
        }
    }
    assert!(!found, "the code is kept as it is");
    for bad in ["", "with space", &"x".repeat(256)] {
        make(&alice, bad, "others").send().await.is_problem(400);
    }
    // for a day
    t.clock.advance(Duration::from_secs(86_401));
    let alice = t.token("alice").await;
    make(&alice, "k1", "penguins").send().await.is_problem(409);
}

#[tokio::test]
async fn two_at_once_with_one_key() {
    let t = open().await;
    let alice = t.person("alice").await;
    let make = || {
        t.post("/api/v1/waddles")
            .bearer(&alice)
            .header("idempotency-key", "k")
            .json(json!({"slug": "penguins"}))
            .send()
    };
    let (a, b, c) = tokio::join!(make(), make(), make());
    let statuses = [a.status.as_u16(), b.status.as_u16(), c.status.as_u16()];
    assert!(statuses.contains(&201), "{statuses:?}");
    for answer in [a, b, c].iter().filter(|a| a.status != 201) {
        let problem = answer.is_problem(409);
        assert_eq!(problem["type"], "urn:waddle:problem:under-way");
        assert_eq!(answer.header("retry-after"), "1");
    }
    assert_eq!(make().await.status, 201);
    let mine = t.get("/api/v1/waddles").bearer(&alice).send().await.json();
    assert_eq!(mine["waddles"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn conditions() {
    let t = open().await;
    let (alice, bob) = (t.person("alice").await, t.person("bob").await);
    t.waddle(&alice, "penguins", &[]).await;
    let shown = t.get("/api/v1/waddles/penguins").bearer(&alice).send().await;
    let tag = shown.header("etag").to_owned();
    assert!(tag.starts_with('"') && tag.len() > 10, "{tag}");
    let same = t
        .get("/waddles/penguins")
        .bearer(&alice)
        .header("if-none-match", format!("\"x\", W/{tag}"))
        .send()
        .await;
    assert_eq!((same.status.as_u16(), same.text.as_str()), (304, ""));
    assert_eq!(same.header("etag"), tag);
    let head = t.ask("HEAD", "/waddles/penguins").bearer(&alice).send().await;
    assert_eq!((head.header("etag"), head.text.as_str()), (tag.as_str(), ""));
    let rename = |tag: &str, name: &str| {
        t.ask("PATCH", "/api/v1/waddles/penguins")
            .bearer(&alice)
            .header("if-match", tag)
            .json(json!({"name": name}))
    };
    // of two changes of what both saw, one is done
    let (one, two) = tokio::join!(rename(&tag, "Birds").send(), rename(&tag, "Fish").send());
    let mut statuses = [one.status.as_u16(), two.status.as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 412]);
    let late = if one.status == 412 { one } else { two };
    assert_eq!(late.is_problem(412)["type"], "urn:waddle:problem:changed");
    let changed = t
        .get("/waddles/penguins")
        .bearer(&alice)
        .header("if-none-match", tag.as_str())
        .send()
        .await;
    assert_eq!(changed.status, 200);
    let now = changed.header("etag").to_owned();
    assert_ne!(now, tag);
    rename(&format!("W/{now}"), "Weak").send().await.is_problem(412);
    assert_eq!(rename("*", "Any").send().await.status, 200);
    // a stranger learns nothing by conditions
    for tag in ["*", "\"x\""] {
        let stranger = t
            .ask("PATCH", "/api/v1/waddles/penguins")
            .bearer(&bob)
            .header("if-match", tag)
            .json(json!({"name": "Mine"}))
            .send()
            .await;
        stranger.is_problem(403);
    }
    let gone = t
        .ask("DELETE", "/api/v1/waddles/penguins")
        .bearer(&alice)
        .header("if-match", "\"x\"")
        .send()
        .await;
    gone.is_problem(412);
}

#[tokio::test]
async fn access_tokens_from_making_to_end() {
    let t = open().await;
    let (alice, bob) = (t.person("alice").await, t.person("bob").await);
    let make = |by: &str, body: serde_json::Value| t.post("/api/v1/auth/access-tokens").bearer(by).json(body);
    for bad in [
        json!({"label": "", "scopes": ["read"]}),
        json!({"label": "x", "scopes": []}),
        json!({"label": "x", "scopes": ["everything"]}),
        json!({"label": "x", "scopes": ["read"], "expires_at": "2020-01-01T00:00:00Z"}),
        json!({"label": "x".repeat(65), "scopes": ["read"]}),
    ] {
        make(&alice, bad).send().await.is_problem(422);
    }
    let made = make(
        &alice,
        json!({"label": "backup", "scopes": ["read", "read"], "expires_at": "2026-02-01T12:00:00Z"}),
    )
    .send()
    .await;
    assert_eq!(made.status, 201, "{}", made.text);
    let made = made.json();
    let (id, token) = (made["id"].as_str().unwrap(), made["token"].as_str().unwrap());
    assert!(token.starts_with("wdp_") && made["scopes"] == json!(["read"]));
    let listed = t.get("/auth/access-tokens").bearer(&alice).send().await;
    assert!(!listed.text.contains(token) && listed.json()["access_tokens"][0]["label"] == "backup");

    assert_eq!(t.get("/api/v1/waddles").bearer(token).send().await.status, 200);
    let refused = t
        .post("/api/v1/waddles")
        .bearer(token)
        .json(json!({"slug": "penguins"}))
        .send()
        .await;
    assert_eq!(refused.is_problem(403)["type"], "urn:waddle:problem:scope");
    // no token makes a token, tells the login's secrets, or opens a page as the person
    for path in [
        "/auth/access-tokens",
        "/auth/session",
        "/auth/tokens",
        "/account/export",
    ] {
        let kind = t.get(path).bearer(token).send().await.is_problem(403)["type"].clone();
        assert_eq!(kind, "urn:waddle:problem:login-only", "{path}");
    }
    make(token, json!({"label": "more", "scopes": ["admin"]}))
        .send()
        .await
        .is_problem(403);
    t.get("/").bearer(token).send().await.is_problem(403);
    // it is no password, and no cookie
    let secret = waddle_core::Secret::new(token);
    assert!(t.identity.verify_plain("alice", &secret).await.is_err());
    t.get("/api/v1/waddles")
        .cookie(&format!("waddle_session={token}"))
        .send()
        .await
        .is_problem(401);
    // somebody else's is not there
    let path = format!("/auth/access-tokens/{id}");
    t.get(&path).bearer(&bob).send().await.is_problem(404);
    t.ask("DELETE", &path).bearer(&bob).send().await.is_problem(404);
    assert_eq!(t.ask("DELETE", &path).bearer(&alice).send().await.status, 204);
    t.get("/api/v1/waddles")
        .bearer(token)
        .send()
        .await
        .is_problem(401);

    let short = make(
        &alice,
        json!({"label": "short", "scopes": ["read"], "expires_at": "2026-02-01T12:00:00Z"}),
    );
    let short = short.send().await.json()["token"].as_str().unwrap().to_owned();
    let lasting = make(&alice, json!({"label": "lasting", "scopes": ["read"]}));
    let lasting = lasting.send().await.json()["token"].as_str().unwrap().to_owned();
    t.clock.advance(Duration::from_secs(2 * 86_400));
    t.get("/api/v1/waddles")
        .bearer(&short)
        .send()
        .await
        .is_problem(401);
    assert_eq!(t.get("/api/v1/waddles").bearer(&lasting).send().await.status, 200);
    let user = "local:alice".parse().unwrap();
    t.identity.set_disabled(&user, true).await.unwrap();
    t.get("/api/v1/waddles")
        .bearer(&lasting)
        .send()
        .await
        .is_problem(401);
}
