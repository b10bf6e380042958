//! Login against real PDSes and real PLC directories, started by `tests/atproto/with-network.sh`, which sets
//! `ATPROTO_NET` and `ATPROTO_NET_TLS`. Run by `make test`; by hand:
//! `tests/atproto/with-network.sh cargo test -p waddle-identity --test network -- --ignored`.
#![allow(
    clippy::allow_attributes,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests"
)]

mod support;

use rustls_pki_types::pem::PemObject as _;
use serde_json::Value;
use support::{
    Setup,
    browser::{Names, callback, sign_in, sign_in_at},
    on_loopback, open_with,
};
use waddle_core::Secret;
use waddle_identity::{LoginError, atproto::stores::Stores};

const COOKIE: &str = "browser-1";

fn net() -> Value {
    net_of("ATPROTO_NET")
}

fn net_of(variable: &str) -> Value {
    let file = std::env::var(variable).expect("run by tests/atproto/with-network.sh");
    serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap()
}

fn account<'a>(net: &'a Value, name: &str) -> (&'a str, &'a str, &'a str) {
    let a = &net["accounts"][name];
    (
        a["handle"].as_str().unwrap(),
        a["did"].as_str().unwrap(),
        a["password"].as_str().unwrap(),
    )
}

async fn setup(net: &Value) -> Setup {
    open_with(|c| on_loopback(&mut c.atproto, net["plc"].as_str().unwrap(), net["pds"].as_str())).await
}

#[tokio::test]
#[ignore = "needs the ATProto network: run by make test"]
async fn login_token_refresh_of_the_handle_and_logout() {
    let net = net();
    let (handle, did, password) = account(&net, "alice");
    let t = setup(&net).await;
    let url = t.identity.login_begin("@Alice.Test", COOKIE).await.unwrap();
    let back = sign_in(&url, handle, password, false).await;
    assert!(
        back.as_str().starts_with("http://127.0.0.1:3999/auth/callback?"),
        "{back}"
    );
    let new = t.identity.login_complete(callback(&back), COOKIE).await.unwrap();
    let a = &new.session.account;
    assert_eq!((a.user.as_str(), a.handle.as_deref()), (did, Some(handle)));
    assert_eq!(a.localpart, did.trim_start_matches("did:plc:"));

    let token = t.identity.issue_xmpp_token(&new.session, "test").await.unwrap();
    let jid = format!("{}@example.org", a.localpart);
    assert_eq!(token.jid.as_str(), jid);
    assert_eq!(
        t.identity.verify_plain(&jid, &token.token).await.unwrap().user,
        a.user
    );

    // replayed: the state is gone
    let r = t.identity.login_complete(callback(&back), COOKIE).await;
    assert!(matches!(r, Err(LoginError::StateExpired)), "{r:?}");

    // by DID the same account
    let url = t.identity.login_begin(did, COOKIE).await.unwrap();
    let back = sign_in(&url, handle, password, false).await;
    let again = t.identity.login_complete(callback(&back), COOKIE).await.unwrap();
    assert_eq!(
        (
            again.session.account.created_at,
            t.identity.count().await.unwrap()
        ),
        (a.created_at, 1)
    );

    t.identity.logout(&again.session).await.unwrap();
    t.identity.logout(&new.session).await.unwrap();
    assert!(t.identity.session_for(&new.access_token).await.unwrap().is_none());
    let server = t.storage.server();
    assert!(
        waddle_storage::repo::oauth::OAuth(&server)
            .session(did)
            .await
            .unwrap()
            .is_none()
    );
}

#[tokio::test]
#[ignore = "needs the ATProto network: run by make test"]
async fn another_account_browser_or_answer() {
    let net = net();
    let (alice, _, alice_pass) = account(&net, "alice");
    let (bob, bob_did, bob_pass) = account(&net, "bob");
    let t = setup(&net).await;

    let url = t.identity.login_begin(alice, COOKIE).await.unwrap();
    let back = sign_in(&url, bob, bob_pass, false).await;
    let r = t.identity.login_complete(callback(&back), COOKIE).await;
    assert!(
        matches!(r, Err(LoginError::OtherAccount)),
        "bob signed in for alice: {r:?}"
    );
    let server = t.storage.server();
    assert!(
        waddle_storage::repo::oauth::OAuth(&server)
            .session(bob_did)
            .await
            .unwrap()
            .is_none()
    );

    let url = t.identity.login_begin(alice, COOKIE).await.unwrap();
    let back = sign_in(&url, alice, alice_pass, false).await;
    let r = t.identity.login_complete(callback(&back), "browser-2").await;
    assert!(matches!(r, Err(LoginError::OtherBrowser)), "{r:?}");

    let url = t.identity.login_begin(alice, COOKIE).await.unwrap();
    let back = sign_in(&url, alice, alice_pass, false).await;
    let mut forged = callback(&back);
    forged.code = Some(format!("cod-{}", "0".repeat(64)));
    let r = t.identity.login_complete(forged, COOKIE).await;
    assert!(matches!(r, Err(LoginError::Server(_))), "a made-up code: {r:?}");

    let url = t.identity.login_begin(alice, COOKIE).await.unwrap();
    let back = sign_in(&url, alice, alice_pass, false).await;
    let mut forged = callback(&back);
    forged.iss = Some("https://evil.example".into());
    assert!(
        t.identity.login_complete(forged, COOKIE).await.is_err(),
        "a mixed-up issuer"
    );

    let url = t.identity.login_begin(alice, COOKIE).await.unwrap();
    let back = sign_in(&url, alice, alice_pass, true).await;
    let r = t.identity.login_complete(callback(&back), COOKIE).await;
    assert!(matches!(r, Err(LoginError::Denied)), "{r:?}");

    assert_eq!(t.identity.count().await.unwrap(), 0);
}

#[tokio::test]
#[ignore = "needs the ATProto network: run by make test"]
async fn unknown_people() {
    let net = net();
    let t = setup(&net).await;
    let r = t.identity.login_begin("nobody.test", COOKIE).await;
    assert!(matches!(r, Err(LoginError::UnknownHandle)), "{r:?}");
    let r = t
        .identity
        .login_begin("did:plc:aaaaaaaaaaaaaaaaaaaaaaaa", COOKIE)
        .await;
    assert!(matches!(r, Err(LoginError::Server(_))), "{r:?}");
}

/// Bluesky and local names share one namespace.
#[tokio::test]
#[ignore = "needs the ATProto network: run by make test"]
async fn local_and_bluesky_names_live_side_by_side() {
    let net = net();
    let (bob, did, password) = account(&net, "bob");
    let t = setup(&net).await;
    t.identity
        .create_local("bob", &Secret::new("password"), false)
        .await
        .unwrap();
    let taken = t
        .identity
        .create_local(
            did.trim_start_matches("did:plc:"),
            &Secret::new("password"),
            false,
        )
        .await;
    assert!(taken.is_err(), "a name that a DID maps to");
    let url = t.identity.login_begin(bob, COOKIE).await.unwrap();
    let back = sign_in(&url, bob, password, false).await;
    let new = t.identity.login_complete(callback(&back), COOKIE).await.unwrap();
    assert_eq!(
        t.identity.resolve_name("bob").await.unwrap().as_str(),
        "local:bob"
    );
    assert_eq!(
        t.identity.resolve_name(bob).await.unwrap(),
        new.session.account.user
    );
    assert_eq!(
        t.identity.resolve_name(did).await.unwrap(),
        new.session.account.user
    );
}

/// atrium-oauth refreshes only tokens that have expired by the clock, and keeps dead ones.
#[tokio::test]
#[ignore = "needs the ATProto network: run by make test"]
async fn kept_tokens_are_refreshed_when_rejected_and_forgotten_when_void() {
    let net = net();
    let (handle, did, password) = account(&net, "alice");
    let t = setup(&net).await;
    let url = t.identity.login_begin(handle, COOKIE).await.unwrap();
    let back = sign_in(&url, handle, password, false).await;
    let user = t
        .identity
        .login_complete(callback(&back), COOKIE)
        .await
        .unwrap()
        .session
        .account
        .user;
    let keys = waddle_identity::keys::Keyring::open(t.dir.path()).unwrap();
    let stores = Stores::new(t.storage.server(), keys, t.clock.clone(), 10, 10);
    let kept = async || stores.tokens(did).await.unwrap().unwrap();
    assert!(t.identity.still_granted(&user).await.unwrap());
    let first = kept().await;

    let mut rejected = first.clone();
    rejected
        .token_set
        .access_token
        .replace_range(rejected.token_set.access_token.len() - 8.., "AAAAAAAA");
    stores.keep(did, &rejected).await.unwrap();
    assert!(t.identity.still_granted(&user).await.unwrap(), "refreshed");
    let second = kept().await;
    assert_ne!(second.token_set.access_token, rejected.token_set.access_token);
    assert_ne!(second.token_set.refresh_token, first.token_set.refresh_token);

    // the first refresh token was used up: showing it again makes the server void the grant
    stores.keep(did, &rejected).await.unwrap();
    let who = t.identity.by_user(&user).await.unwrap().unwrap();
    let token = t.identity.issue_token(&who, "phone").await.unwrap().token;
    assert!(t.identity.verify_token(&token).await.is_ok());
    assert!(!t.identity.still_granted(&user).await.unwrap(), "void");
    assert!(t.identity.verify_token(&token).await.is_err(), "its tokens end");
    assert!(t.identity.sessions(&user).await.unwrap().is_empty());
    assert!(stores.tokens(did).await.unwrap().is_none(), "forgotten");
    assert!(!t.identity.still_granted(&user).await.unwrap());
}

/// As on the Internet: https everywhere, handles by `/.well-known/atproto-did`, and this server as a confidential client
/// whose metadata the PDS fetches and whose signature (`private_key_jwt`) it checks.
#[tokio::test]
#[ignore = "needs the ATProto network: run by make test"]
async fn a_public_server_logs_people_in_over_https() {
    let net = net_of("ATPROTO_NET_TLS");
    let (handle, did, password) = account(&net, "alice");
    let front = format!("127.0.0.1:{}", net["front"]).parse().unwrap();
    let ca = net["ca"].as_str().unwrap();
    let hosts: Vec<_> = ["pds.test", "plc.test", "alice.test"]
        .map(|n| (n.to_owned(), front))
        .to_vec();
    let t = open_with(|c| {
        c.public_url = format!("https://chat.internal:{}", net["front"]).parse().unwrap();
        c.atproto.plc_url = "https://plc.test".parse().unwrap();
        c.atproto.extra_ca = Some(ca.into());
        c.atproto.hosts = hosts.clone();
        c.atproto.allow_http_loopback = true;
    })
    .await;
    let metadata = serde_json::to_vec(t.identity.client_metadata().unwrap()).unwrap();
    std::fs::write(net["client_metadata"].as_str().unwrap(), metadata).unwrap();

    let mut roots = rustls::RootCertStore::empty();
    for cert in rustls_pki_types::CertificateDer::pem_file_iter(ca).unwrap() {
        roots.add(cert.unwrap()).unwrap();
    }
    let names = Names {
        hosts: hosts.clone(),
        roots,
    };
    let url = t.identity.login_begin(handle, COOKIE).await.unwrap();
    assert!(
        url.as_str()
            .starts_with("https://pds.test/oauth/authorize?client_id=https%3A%2F%2Fchat.internal"),
        "{url}"
    );
    let back = sign_in_at(names, &url, handle, password, false).await;
    let new = t.identity.login_complete(callback(&back), COOKIE).await.unwrap();
    assert_eq!(
        (
            new.session.account.user.as_str(),
            new.session.account.handle.as_deref()
        ),
        (did, Some(handle))
    );
    assert!(t.identity.still_granted(&new.session.account.user).await.unwrap());
    t.identity.logout(&new.session).await.unwrap();

    // without the extra root certificate none of it is trusted
    let t = open_with(|c| {
        c.atproto.plc_url = "https://plc.test".parse().unwrap();
        c.atproto.hosts = hosts;
        c.atproto.allow_http_loopback = true;
    })
    .await;
    let r = t.identity.login_begin(did, COOKIE).await;
    assert!(matches!(r, Err(LoginError::Server(_))), "{r:?}");
}
