//! Account servers that lie, and logins that are not what they seem: each case of ADR 0007.
#![allow(
    clippy::allow_attributes,
    clippy::unwrap_used,
    clippy::panic,
    reason = "tests"
)]

mod support;

use serde_json::{Value, json};
use support::{
    Setup,
    fake::{ALICE, BOB, Fake, Lie, form},
    on_disk, on_loopback, open_with,
};
use waddle_identity::{Callback, Identity, LoginError, NewSession};

const COOKIE: &str = "browser-1";

async fn network() -> (Fake, Setup) {
    let fake = Fake::start().await;
    let setup = open_with(|c| on_loopback(&mut c.atproto, &fake.base, Some(&fake.base))).await;
    (fake, setup)
}

fn back(fake: &Fake) -> Callback {
    Callback {
        code: Some("code-1".into()),
        state: Some(fake.state()),
        iss: Some(fake.base.clone()),
        error: None,
    }
}

async fn login(fake: &Fake, identity: &Identity, who: &str) -> Result<NewSession, LoginError> {
    identity.login_begin(who, COOKIE).await?;
    identity.login_complete(back(fake), COOKIE).await
}

/// Nothing of a failed login is kept: no account, no tokens, no state.
async fn nothing_kept(setup: &Setup) {
    assert_eq!(setup.identity.count().await.unwrap(), 0, "no account");
    let tokens = waddle_storage::repo::oauth::OAuth(&setup.storage.server());
    assert!(tokens.session(ALICE).await.unwrap().is_none() && tokens.session(BOB).await.unwrap().is_none());
}

#[tokio::test]
async fn an_honest_login() {
    let (fake, t) = network().await;
    let url = t.identity.login_begin("@Alice.Test ", COOKIE).await.unwrap();
    assert!(
        url.as_str()
            .starts_with(&format!("{}/authorize?client_id=", fake.base)),
        "{url}"
    );
    let par = fake
        .seen
        .lock()
        .unwrap()
        .iter()
        .find(|s| s.path == "/par")
        .unwrap()
        .clone();
    let par = form(&par.body);
    assert_eq!(
        (par["scope"].as_str(), par["code_challenge_method"].as_str()),
        ("atproto", "S256")
    );
    assert_eq!(par["redirect_uri"], "http://127.0.0.1:3999/auth/callback");
    let new = t.identity.login_complete(back(&fake), COOKIE).await.unwrap();
    let a = &new.session.account;
    assert_eq!(
        (a.user.as_str(), a.handle.as_deref()),
        (ALICE, Some("alice.test"))
    );
    assert_eq!(a.localpart, "a".repeat(24));
    assert!(t.identity.session_for(&new.access_token).await.unwrap().is_some());
    assert_eq!(
        t.identity.resolve_name("alice.test").await.unwrap().as_str(),
        ALICE
    );
    assert_eq!(fake.asked("/revoke"), 0, "the tokens are kept");

    // the second login finds the same account
    let again = login(&fake, &t.identity, ALICE).await.unwrap();
    assert_eq!(again.session.account.user, a.user);
    assert_eq!(t.identity.count().await.unwrap(), 1);

    // with the last session the tokens are given back
    t.identity.logout(&new.session).await.unwrap();
    assert_eq!(fake.asked("/revoke"), 0);
    t.identity.logout(&again.session).await.unwrap();
    assert_eq!(fake.asked("/revoke"), 1);
    let server = t.storage.server();
    assert!(
        waddle_storage::repo::oauth::OAuth(&server)
            .session(ALICE)
            .await
            .unwrap()
            .is_none()
    );
}

#[tokio::test]
async fn atproto_tokens_and_flow_keys_are_encrypted_at_rest() {
    let (fake, t) = network().await;
    t.identity.login_begin("alice.test", COOKIE).await.unwrap();
    login(&fake, &t.identity, "alice.test").await.unwrap();
    let state = fake.state();
    t.storage.close().await;
    for secret in [
        "at-secret-1",
        "rt-secret-1",
        "dpop_key",
        "\"verifier\"",
        COOKIE,
        &state,
    ] {
        assert!(!on_disk(&t.dir, secret), "{secret}");
    }
}

/// atrium-oauth panics (`todo!()`) where the token exchange fails.
#[tokio::test]
async fn a_failed_exchange_is_an_error() {
    let lies = [
        Lie::Answer(400, br#"{"error":"invalid_grant"}"#.to_vec()),
        Lie::Answer(400, b"<html>".to_vec()),
        Lie::Answer(500, Vec::new()),
        Lie::Json(json!({})),
        Lie::Json(json!([])),
        Lie::Close,
        Lie::Redirect("http://127.0.0.1:9/".into()),
        Lie::Answer(200, vec![b'x'; 600 * 1024]),
    ];
    for lie in lies {
        let (fake, t) = network().await;
        fake.lie("/token", lie.clone());
        let r = login(&fake, &t.identity, "alice.test").await;
        assert!(matches!(r, Err(LoginError::Server(_))), "{lie:?}: {r:?}");
        nothing_kept(&t).await;
    }
}

/// A lifetime that overflows makes chrono panic inside atrium-oauth.
#[tokio::test]
async fn an_absurd_lifetime_is_an_error() {
    let (fake, t) = network().await;
    fake.token.lock().unwrap()["expires_in"] = json!(i64::MAX);
    assert!(login(&fake, &t.identity, "alice.test").await.is_err());
    nothing_kept(&t).await;
}

/// atrium-oauth panics on a missing or relative PAR endpoint, calls any URL that metadata names, and hands the browser
/// any `authorization_endpoint`.
#[tokio::test]
async fn hostile_server_metadata() {
    let victim = Fake::start().await;
    let elsewhere = format!("{}/x", victim.base);
    let cases: Vec<(&str, Value)> = vec![
        ("pushed_authorization_request_endpoint", Value::Null),
        ("pushed_authorization_request_endpoint", json!("/par")),
        ("pushed_authorization_request_endpoint", json!(elsewhere)),
        (
            "pushed_authorization_request_endpoint",
            json!("http://169.254.169.254/par"),
        ),
        ("authorization_endpoint", json!("javascript:alert(1)//")),
        ("authorization_endpoint", json!("data:text/html,hello")),
        ("authorization_endpoint", json!("https://phish.example/authorize")),
        ("token_endpoint", json!(elsewhere)),
        ("issuer", json!("https://bsky.social")),
        ("dpop_signing_alg_values_supported", json!(["RS256"])),
        ("dpop_signing_alg_values_supported", json!(vec!["ES256K"; 5_000])),
        ("code_challenge_methods_supported", json!(["plain"])),
        ("authorization_response_iss_parameter_supported", json!(false)),
    ];
    for (field, value) in cases {
        let (fake, t) = network().await;
        let mut m = fake.metadata();
        m[field] = value.clone();
        if field == "pushed_authorization_request_endpoint" && value.is_null() {
            m.as_object_mut()
                .unwrap()
                .remove("require_pushed_authorization_requests");
        }
        fake.lie("/.well-known/oauth-authorization-server", Lie::Json(m));
        let r = t.identity.login_begin("alice.test", COOKIE).await;
        assert!(matches!(r, Err(LoginError::Server(_))), "{field}: {r:?}");
        assert_eq!(fake.asked("/par"), 0, "{field}");
    }
    assert!(
        victim.seen.lock().unwrap().is_empty(),
        "another service was called"
    );
}

#[tokio::test]
async fn hostile_answers_on_the_way() {
    let resource = "/.well-known/oauth-protected-resource";
    let server = "/.well-known/oauth-authorization-server";
    let doc = format!("/{ALICE}");
    let big = Lie::Answer(200, vec![b' '; 600 * 1024]);
    let cases: Vec<(&str, Lie)> = vec![
        (&doc, Lie::Answer(404, Vec::new())),
        (&doc, Lie::Json(json!({"id": ALICE}))),
        (&doc, big.clone()),
        (&doc, Lie::Redirect("http://169.254.169.254/".into())),
        (
            resource,
            Lie::Json(json!({"resource": "x", "authorization_servers": []})),
        ),
        (resource, Lie::Redirect("http://127.0.0.1:9/".into())),
        (resource, Lie::Close),
        (server, Lie::Answer(200, b"not json".to_vec())),
        (server, big),
        ("/par", Lie::Answer(400, b"<html>not json".to_vec())),
        ("/par", Lie::Answer(401, Vec::new())),
        ("/par", Lie::Answer(201, b"{}".to_vec())),
    ];
    for (path, lie) in cases {
        let (fake, t) = network().await;
        fake.lie(path, lie);
        assert!(
            t.identity.login_begin("alice.test", COOKIE).await.is_err(),
            "{path}"
        );
    }
}

/// The document must be of the DID that was asked for, and name the handle.
#[tokio::test]
async fn did_documents_and_handles_agree_in_both_directions() {
    let path = format!("/{ALICE}");
    let (fake, t) = network().await;
    fake.lie(&path, Lie::Json(fake.doc(BOB, Some("alice.test"))));
    let r = t.identity.login_begin("alice.test", COOKIE).await;
    assert!(matches!(r, Err(LoginError::Server(_))), "another document: {r:?}");

    for named in [None, Some("mallory.test")] {
        fake.lie(&path, Lie::Json(fake.doc(ALICE, named)));
        let r = t.identity.login_begin("alice.test", COOKIE).await;
        assert!(matches!(r, Err(LoginError::HandleMismatch)), "{named:?}: {r:?}");
    }

    // by DID one logs in without a handle; one that leads elsewhere is not believed
    fake.lie(&path, Lie::Json(fake.doc(ALICE, Some("bob.test"))));
    let new = login(&fake, &t.identity, ALICE).await.unwrap();
    assert_eq!(new.session.account.handle, None);

    for bad in [
        "nobody.test",
        "alice",
        "",
        "@",
        "https://pds.example",
        "did:key:z6Mk",
        "did:plc:x",
        "al ice.test",
        "127.0.0.1",
    ] {
        assert!(t.identity.login_begin(bad, COOKIE).await.is_err(), "{bad}");
    }
}

#[tokio::test]
async fn a_handle_that_moves_to_another_did() {
    let (fake, t) = network().await;
    login(&fake, &t.identity, "alice.test").await.unwrap();
    fake.lie(
        "/xrpc/com.atproto.identity.resolveHandle",
        Lie::Json(json!({"did": BOB})),
    );
    fake.lie(&format!("/{BOB}"), Lie::Json(fake.doc(BOB, Some("alice.test"))));
    fake.token.lock().unwrap()["sub"] = json!(BOB);
    let new = login(&fake, &t.identity, "alice.test").await.unwrap();
    assert_eq!(
        new.session.account.user.as_str(),
        BOB,
        "another person, another account"
    );
    assert_eq!(t.identity.count().await.unwrap(), 2);
    let old = t
        .identity
        .by_user(&ALICE.parse().unwrap())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(old.handle, None, "the handle is one account's");
    assert_eq!(t.identity.resolve_name("alice.test").await.unwrap().as_str(), BOB);
}

#[tokio::test]
async fn another_account_signs_in() {
    let (fake, t) = network().await;
    fake.token.lock().unwrap()["sub"] = json!(BOB);
    let r = login(&fake, &t.identity, "alice.test").await;
    assert!(matches!(r, Err(LoginError::OtherAccount)), "{r:?}");
    assert_eq!(fake.asked("/revoke"), 1, "its tokens are given back");
    nothing_kept(&t).await;
}

/// A `sub` whose own server is another than the one that answered.
#[tokio::test]
async fn a_server_vouches_only_for_its_own() {
    let (fake, t) = network().await;
    let other = Fake::start().await;
    fake.lie(&format!("/{BOB}"), Lie::Json(other.doc(BOB, Some("bob.test"))));
    fake.token.lock().unwrap()["sub"] = json!(BOB);
    let r = login(&fake, &t.identity, "alice.test").await;
    assert!(matches!(r, Err(LoginError::Server(_))), "{r:?}");
    nothing_kept(&t).await;
}

#[tokio::test]
async fn what_was_granted_is_checked() {
    for (field, value) in [
        ("scope", json!("transition:generic")),
        ("scope", json!("atprotoX")),
        ("scope", Value::Null),
        ("token_type", json!("Bearer")),
    ] {
        let (fake, t) = network().await;
        fake.token.lock().unwrap()[field] = value.clone();
        let r = login(&fake, &t.identity, "alice.test").await;
        assert!(
            matches!(r, Err(LoginError::WrongGrant(_))),
            "{field} {value}: {r:?}"
        );
        assert_eq!(fake.asked("/revoke"), 1);
        nothing_kept(&t).await;
    }
}

#[tokio::test]
async fn the_state_is_taken_once_by_one_browser_in_time() {
    let (fake, t) = network().await;
    // another browser, and no browser at all
    for cookie in ["browser-2", ""] {
        t.identity.login_begin("alice.test", COOKIE).await.unwrap();
        let r = t.identity.login_complete(back(&fake), cookie).await;
        assert!(matches!(r, Err(LoginError::OtherBrowser)), "{r:?}");
        let r = t.identity.login_complete(back(&fake), COOKIE).await;
        assert!(matches!(r, Err(LoginError::StateExpired)), "it was taken: {r:?}");
    }
    // two at once: one gets it
    t.identity.login_begin("alice.test", COOKIE).await.unwrap();
    let (a, b) = tokio::join!(
        t.identity.login_complete(back(&fake), COOKIE),
        t.identity.login_complete(back(&fake), COOKIE)
    );
    assert_eq!([a.is_ok(), b.is_ok()].iter().filter(|ok| **ok).count(), 1);
    assert_eq!(fake.asked("/token"), 1);
    // too late
    t.identity.login_begin("alice.test", COOKIE).await.unwrap();
    t.clock.advance(std::time::Duration::from_secs(600));
    let r = t.identity.login_complete(back(&fake), COOKIE).await;
    assert!(matches!(r, Err(LoginError::StateExpired)), "{r:?}");
    // unknown, missing, absurd
    for state in [
        None,
        Some(String::new()),
        Some("x".repeat(10_000)),
        Some("unknown".into()),
    ] {
        let r = t
            .identity
            .login_complete(Callback { state, ..back(&fake) }, COOKIE)
            .await;
        assert!(matches!(r, Err(LoginError::StateExpired)), "{r:?}");
    }
}

#[tokio::test]
async fn the_callback_is_checked_before_anything_is_exchanged() {
    let (fake, t) = network().await;
    type Change = fn(&mut Callback);
    let cases: [(&str, Change, bool); 5] = [
        ("denied", |c| c.error = Some("access_denied".into()), true),
        ("other error", |c| c.error = Some("server_error".into()), false),
        (
            "wrong issuer",
            |c| c.iss = Some("https://evil.example".into()),
            false,
        ),
        ("no issuer", |c| c.iss = None, false),
        ("no code", |c| c.code = None, false),
    ];
    for (what, change, denied) in cases {
        t.identity.login_begin("alice.test", COOKIE).await.unwrap();
        let mut c = back(&fake);
        change(&mut c);
        let r = t.identity.login_complete(c, COOKIE).await;
        assert_eq!(matches!(r, Err(LoginError::Denied)), denied, "{what}: {r:?}");
        assert!(r.is_err(), "{what}");
    }
    assert_eq!(fake.asked("/token"), 0);
    nothing_kept(&t).await;
}

#[tokio::test]
async fn logins_under_way_are_bounded() {
    let fake = Fake::start().await;
    let t = open_with(|c| {
        on_loopback(&mut c.atproto, &fake.base, Some(&fake.base));
        c.limits.identity_logins = 2;
    })
    .await;
    for _ in 0..2 {
        t.identity.login_begin("alice.test", COOKIE).await.unwrap();
    }
    let r = t.identity.login_begin("alice.test", COOKIE).await;
    assert!(matches!(r, Err(LoginError::Busy)), "{r:?}");
    t.clock.advance(std::time::Duration::from_secs(600));
    t.identity.login_begin("alice.test", COOKIE).await.unwrap();
}

/// Without the exception for loopback nothing here can be reached: not by address, not by a name that leads there.
#[tokio::test]
async fn private_addresses_are_not_asked() {
    let fake = Fake::start().await;
    let port = fake.base.rsplit(':').next().unwrap().to_owned();
    for (plc, hosts) in [
        (fake.base.clone(), vec![]),
        (format!("https://127.0.0.1:{port}"), vec![]),
        (format!("https://localhost:{port}"), vec![]),
        (format!("https://[::ffff:127.0.0.1]:{port}"), vec![]),
        ("https://169.254.169.254".to_owned(), vec![]),
        ("https://10.0.0.1".to_owned(), vec![]),
        // a name of the public Internet that resolves to an address inside
        (
            format!("https://rebind.example:{port}"),
            vec![(
                "rebind.example".to_owned(),
                format!("127.0.0.1:{port}").parse().unwrap(),
            )],
        ),
        (
            format!("https://rebind.example:{port}"),
            vec![("rebind.example".to_owned(), "10.0.0.1:443".parse().unwrap())],
        ),
    ] {
        let t = open_with(|c| {
            c.atproto.plc_url = plc.parse().unwrap();
            c.atproto.hosts = hosts.clone();
        })
        .await;
        let begun = std::time::Instant::now();
        let r = t.identity.login_begin(ALICE, COOKIE).await;
        assert!(matches!(r, Err(LoginError::Server(_))), "{plc}: {r:?}");
        assert!(
            begun.elapsed() < std::time::Duration::from_secs(4),
            "refused, not tried: {plc}"
        );
    }
    assert!(fake.seen.lock().unwrap().is_empty());

    // even where loopback is allowed, no other private network is
    let t = open_with(|c| on_loopback(&mut c.atproto, &fake.base, Some(&fake.base))).await;
    let mut doc = fake.doc(ALICE, Some("alice.test"));
    for pds in [
        "http://169.254.169.254",
        "https://10.0.0.1",
        "http://192.168.0.1:8080",
        "ftp://127.0.0.1",
        "https://[fd00::1]",
    ] {
        doc["service"][0]["serviceEndpoint"] = json!(pds);
        fake.lie(&format!("/{ALICE}"), Lie::Json(doc.clone()));
        let begun = std::time::Instant::now();
        assert!(
            t.identity.login_begin("alice.test", COOKIE).await.is_err(),
            "{pds}"
        );
        assert!(
            begun.elapsed() < std::time::Duration::from_secs(4),
            "refused, not tried: {pds}"
        );
    }
}

#[tokio::test]
async fn a_public_server_is_a_confidential_client() {
    let t = open_with(|c| c.public_url = "https://chat.example.org".parse().unwrap()).await;
    let m = t.identity.client_metadata().unwrap().clone();
    assert_eq!(
        m["client_id"],
        "https://chat.example.org/oauth-client-metadata.json"
    );
    assert_eq!(
        m["redirect_uris"],
        json!(["https://chat.example.org/auth/callback"])
    );
    assert_eq!(m["token_endpoint_auth_method"], "private_key_jwt");
    assert_eq!(
        (m["dpop_bound_access_tokens"].as_bool(), m["scope"].as_str()),
        (Some(true), Some("atproto"))
    );
    let keys = t.identity.client_keys().unwrap()["keys"]
        .as_array()
        .unwrap()
        .clone();
    assert_eq!(keys.len(), 1);
    assert!(
        keys[0]["d"].is_null() && keys[0]["kid"].is_string() && keys[0]["crv"] == "P-256",
        "{keys:?}"
    );
    assert_eq!(m["jwks"]["keys"][0]["kid"], keys[0]["kid"]);

    // the key stays, encrypted
    let again = Identity::open(&t.storage, t.clock.clone(), t.identity.config().clone())
        .await
        .unwrap();
    assert_eq!(again.client_keys(), t.identity.client_keys());
    t.storage.close().await;
    assert!(!on_disk(&t.dir, "\"d\":"));
}

#[tokio::test]
async fn without_a_usable_public_url_only_bluesky_is_off() {
    let t = open_with(|c| c.public_url = "http://chat.example.org".parse().unwrap()).await;
    assert!(t.identity.atproto_off().unwrap().contains("https"));
    assert!(t.identity.login_begin("alice.test", COOKIE).await.is_err());
    t.identity
        .create_local("alice", &waddle_core::Secret::new("password"), false)
        .await
        .unwrap();
    let l = open_with(|c| c.public_url = "http://localhost:3000".parse().unwrap()).await;
    assert!(
        l.identity.atproto_off().is_some(),
        "OAuth's loopback rule: never localhost"
    );
}

/// atrium-oauth's resolvers let everybody wait for the first one who asks for a server's metadata, also when that one is
/// gone; and answer nobody where two ask at the wrong moment.
#[tokio::test]
async fn a_login_that_is_cut_off_holds_up_no_other() {
    let (fake, t) = network().await;
    for path in [
        "/.well-known/oauth-protected-resource",
        "/.well-known/oauth-authorization-server",
        "/par",
    ] {
        fake.lie(path, Lie::Silence);
        let cut = std::time::Duration::from_millis(300);
        let r = tokio::time::timeout(cut, t.identity.login_begin("alice.test", COOKIE)).await;
        assert!(r.is_err(), "the browser gave up");
        fake.honest_again(path);
        // less than a silent server is waited for
        let wait = std::time::Duration::from_secs(8);
        let r = tokio::time::timeout(wait, login(&fake, &t.identity, "alice.test")).await;
        assert!(matches!(r, Ok(Ok(_))), "{path}");
    }
    let many: Vec<_> = (0..20)
        .map(|_| t.identity.login_begin("alice.test", COOKIE))
        .collect();
    let all = tokio::time::timeout(
        std::time::Duration::from_secs(10),
        futures::future::join_all(many),
    )
    .await
    .unwrap();
    assert!(all.iter().all(Result::is_ok), "{all:?}");
}

#[tokio::test]
async fn people_are_named_before_their_first_login() {
    let (fake, t) = network().await;
    assert_eq!(
        t.identity.resolve_anybody("@Bob.Test").await.unwrap().as_str(),
        BOB
    );
    assert!(matches!(
        t.identity.resolve_anybody("nobody.test").await,
        Err(LoginError::UnknownHandle)
    ));
    let asked = fake.seen.lock().unwrap().len();
    for name in [
        "nobody",
        "nobody@example.org",
        "nobody@other.test",
        "https://bob.test",
        "",
    ] {
        assert!(t.identity.resolve_anybody(name).await.is_err(), "{name}");
    }
    assert_eq!(fake.seen.lock().unwrap().len(), asked, "no handle, no question");
    assert_eq!(t.identity.count().await.unwrap(), 0);
}
