//! Local accounts, passwords, tokens, sessions and devices (`specs/identity.md`).
#![allow(
    clippy::allow_attributes,
    clippy::unwrap_used,
    clippy::panic,
    reason = "tests"
)]

mod support;

use std::{net::IpAddr, time::Duration};

use support::{community, on_disk, open, open_with};
use waddle_core::{DeviceId, Secret, UserId, WaddleId};
use waddle_identity::{
    Attempt, CredentialKind, Error, Identity, IdentityEvent, LoginError, MIN_ITERATIONS, ScramHash,
};

fn s(text: &str) -> Secret {
    Secret::new(text)
}

async fn refused(identity: &Identity, name: &str, secret: &str) -> bool {
    matches!(
        identity.verify_plain(name, &s(secret)).await,
        Err(LoginError::NotAuthorized)
    )
}

#[tokio::test]
async fn a_local_account_logs_in_by_name_and_jid() {
    let t = open().await;
    let alice = t
        .identity
        .create_local("Alice", &s("wonderland-1"), true)
        .await
        .unwrap();
    assert_eq!(
        (alice.user.as_str(), alice.localpart.as_str(), alice.admin),
        ("local:alice", "alice", true)
    );
    for name in ["alice", "ALICE", "alice@example.org", "alice@EXAMPLE.org."] {
        let who = t.identity.verify_plain(name, &s("wonderland-1")).await.unwrap();
        assert_eq!(
            (who.user, who.kind),
            (alice.user.clone(), CredentialKind::Password),
            "{name}"
        );
    }
    for (name, secret) in [
        ("alice", "wonderland-2"),
        ("alice", ""),
        ("bob", "wonderland-1"),
        ("alice@other.org", "wonderland-1"),
        ("alice@example.org/phone", "wonderland-1"),
        ("", "wonderland-1"),
        ("alice\0", "wonderland-1"),
        ("alice' OR '1'='1", "x"),
    ] {
        assert!(refused(&t.identity, name, secret).await, "{name}");
    }
    t.storage.close().await;
    assert!(!on_disk(&t.dir, "wonderland-1"), "no password at rest");
}

#[tokio::test]
async fn names_that_are_not_free() {
    let t = open().await;
    t.identity
        .create_local("alice", &s("password"), false)
        .await
        .unwrap();
    let again = t.identity.create_local("ALICE", &s("password"), false).await;
    assert!(matches!(again, Err(Error::NameTaken)));
    for name in [
        "web-example-com",
        "ewvi7nxzyoun6zhxrhs64oiz",
        "device-1",
        "a b",
        "",
        "a@b",
    ] {
        let made = t.identity.create_local(name, &s("password"), false).await;
        assert!(matches!(made, Err(Error::Name(_))), "{name}");
    }
    for password in ["", "\u{7}", &"x".repeat(1025), &format!("wdt_{}", "a".repeat(43))] {
        let made = t.identity.create_local("carol", &s(password), false).await;
        assert!(matches!(made, Err(Error::Password)), "{password:?}");
    }
    // a deleted name is nobody's: tuples and archives of others still mean its former owner
    let waddles = community(&t).await;
    t.identity
        .delete_account(&waddles, &UserId::local("alice"))
        .await
        .unwrap();
    assert!(refused(&t.identity, "alice", "password").await);
    let reborn = t.identity.create_local("alice", &s("password"), false).await;
    assert!(matches!(reborn, Err(Error::NameTaken)));
}

#[tokio::test]
async fn names_resolve() {
    let t = open().await;
    let alice = t
        .identity
        .create_local("alice", &s("password"), false)
        .await
        .unwrap()
        .user;
    for name in ["alice", "alice@example.org", "local:alice", " Alice "] {
        assert_eq!(t.identity.resolve_name(name).await.unwrap(), alice, "{name}");
    }
    let did = "did:plc:ewvi7nxzyoun6zhxrhs64oiz";
    assert_eq!(
        t.identity.resolve_name(did).await.unwrap().as_str(),
        did,
        "before its first login"
    );
    for name in ["bob", "alice@other.org", "alice.test", "local:bob", ""] {
        assert!(
            matches!(t.identity.resolve_name(name).await, Err(Error::NotFound)),
            "{name}"
        );
    }
    let list = t.identity.list(None, 10).await.unwrap();
    assert_eq!((list.len(), t.identity.count().await.unwrap()), (1, 1));
    assert!(t.identity.list(Some("alice"), 10).await.unwrap().is_empty());
}

#[tokio::test]
async fn scram_keys_share_a_salt_and_strangers_look_like_people() {
    let t = open().await;
    let alice = t
        .identity
        .create_local("alice", &s("password"), false)
        .await
        .unwrap();
    let token = t.identity.issue_token(&alice, "phone").await.unwrap();
    for hash in [ScramHash::Sha1, ScramHash::Sha256, ScramHash::Sha512] {
        let real = t.identity.scram_lookup("alice", hash).await.unwrap();
        assert!(real.iterations >= MIN_ITERATIONS && real.salt.len() == 16);
        assert_eq!(real.candidates.len(), 2, "password and token");
        for (secret, kind) in [
            ("password", CredentialKind::Password),
            (token.token.expose(), CredentialKind::Token),
        ] {
            let keys =
                waddle_stanza::sasl::scram_derive(hash, &s(secret), &real.salt, real.iterations).unwrap();
            let which = real
                .candidates
                .iter()
                .position(|(_, k)| k.stored_key == keys.stored_key)
                .unwrap();
            assert_eq!(real.candidates[which].1.server_key, keys.server_key);
            let who = real.logged_in(which).unwrap();
            assert_eq!((who.kind, who.user), (kind, alice.user.clone()));
        }
        let a = t.identity.scram_lookup("nobody", hash).await.unwrap();
        let b = t.identity.scram_lookup("nobody", hash).await.unwrap();
        let c = t.identity.scram_lookup("nobody2", hash).await.unwrap();
        assert_eq!(
            (a.salt.clone(), a.iterations),
            (b.salt, real.iterations),
            "the same each time"
        );
        assert!(a.salt != c.salt && a.salt.len() == real.salt.len() && !a.candidates.is_empty());
        assert!(a.user.is_none() && a.logged_in(0).is_err());
    }
}

#[tokio::test]
async fn tokens_end_for_new_logins_and_are_revoked_for_live_ones() {
    let t = open().await;
    let alice = t
        .identity
        .create_local("alice", &s("password"), false)
        .await
        .unwrap();
    let bob = t
        .identity
        .create_local("bob", &s("password"), false)
        .await
        .unwrap();
    let mut events = t.identity.events();
    let token = t.identity.issue_token(&alice, "phone").await.unwrap();
    assert!(token.token.expose().len() >= 27 + 4, "160 bits at the least");
    assert_eq!(token.jid.as_str(), "alice@example.org");
    let who = t
        .identity
        .verify_plain("alice@example.org", &token.token)
        .await
        .unwrap();
    assert_eq!((who.kind, who.credential), (CredentialKind::Token, token.id));
    assert_eq!(t.identity.verify_token(&token.token).await.unwrap(), who);
    assert!(
        refused(&t.identity, "bob", token.token.expose()).await,
        "of another account"
    );
    assert!(
        t.identity.login_local("alice", &token.token).await.is_err(),
        "a token begins no session"
    );

    let listed = t.identity.tokens(&alice.user).await.unwrap();
    assert_eq!(
        (listed.len(), listed[0].id, listed[0].label.as_str()),
        (1, token.id, "phone")
    );
    assert!(
        t.identity.revoke_token(&bob.user, token.id).await.is_err(),
        "not bob's to revoke"
    );
    assert!(t.identity.lives(who.credential).await.unwrap());

    t.clock.set(token.expires_at);
    assert!(
        refused(&t.identity, "alice", token.token.expose()).await,
        "expired"
    );
    assert!(
        t.identity.lives(who.credential).await.unwrap(),
        "an end is for new logins"
    );
    assert!(events.try_recv().is_err());

    let second = t.identity.issue_token(&alice, "laptop").await.unwrap();
    assert!(
        matches!(events.try_recv(), Ok(IdentityEvent::CredentialRevoked { credential, .. }) if credential == token.id),
        "what ended is dropped, and its connections with it"
    );
    assert!(!t.identity.lives(token.id).await.unwrap());
    let who = t.identity.verify_token(&second.token).await.unwrap();
    t.identity.revoke_token(&alice.user, second.id).await.unwrap();
    assert!(refused(&t.identity, "alice", second.token.expose()).await);
    assert!(!t.identity.lives(who.credential).await.unwrap());
    assert_eq!(
        events.try_recv().unwrap(),
        IdentityEvent::CredentialRevoked {
            user: alice.user,
            credential: second.id
        }
    );
    t.storage.close().await;
    assert!(!on_disk(&t.dir, second.token.expose()) && !on_disk(&t.dir, token.token.expose()));
}

#[tokio::test]
async fn the_oldest_of_too_many_tokens_goes() {
    let t = open_with(|c| c.limits.identity_tokens = 2).await;
    let alice = t
        .identity
        .create_local("alice", &s("password"), false)
        .await
        .unwrap();
    let mut events = t.identity.events();
    let mut made = Vec::new();
    for label in ["1", "2", "3"] {
        made.push(t.identity.issue_token(&alice, label).await.unwrap());
    }
    let left: Vec<_> = t
        .identity
        .tokens(&alice.user)
        .await
        .unwrap()
        .into_iter()
        .map(|t| t.label)
        .collect();
    assert_eq!(left, ["3", "2"]);
    assert!(refused(&t.identity, "alice", made[0].token.expose()).await);
    assert!(
        matches!(events.try_recv(), Ok(IdentityEvent::CredentialRevoked { credential, .. }) if credential == made[0].id)
    );
    assert!(
        !refused(&t.identity, "alice", "password").await,
        "the password stays"
    );
}

#[tokio::test]
async fn a_new_password_ends_the_old_one() {
    let t = open().await;
    let alice = t
        .identity
        .create_local("alice", &s("password"), false)
        .await
        .unwrap();
    let old = t.identity.verify_plain("alice", &s("password")).await.unwrap();
    let token = t.identity.issue_token(&alice, "phone").await.unwrap();
    let here = t.identity.login_local("alice", &s("password")).await.unwrap();
    let there = t.identity.login_local("alice", &s("password")).await.unwrap();
    let mut events = t.identity.events();
    t.identity
        .set_password_in(&alice.user, &s("other"), Some(here.session.id))
        .await
        .unwrap();
    assert!(refused(&t.identity, "alice", "password").await);
    let live = async |s: &waddle_identity::NewSession| {
        let found = t.identity.session_for(&s.access_token).await.unwrap();
        found.is_some()
    };
    assert!(live(&here).await && !live(&there).await);
    let new = t.identity.verify_plain("alice", &s("other")).await.unwrap();
    assert_ne!(new.credential, old.credential);
    assert!(
        refused(&t.identity, "alice", token.token.expose()).await,
        "tokens go with it"
    );
    for ended in [old.credential, token.id] {
        assert!(
            matches!(events.try_recv(), Ok(IdentityEvent::CredentialRevoked { credential, .. }) if credential == ended)
        );
    }
    assert!(
        matches!(events.try_recv(), Ok(IdentityEvent::SessionEnded { session, .. }) if session == there.session.id)
    );
    let nobody = t.identity.set_password(&UserId::local("nobody"), &s("x")).await;
    assert!(matches!(nobody, Err(Error::NotFound)));
}

#[tokio::test]
async fn deletion_takes_everything() {
    let t = open().await;
    let alice = t
        .identity
        .create_local("alice", &s("password"), false)
        .await
        .unwrap();
    let session = t.identity.login_local("alice", &s("password")).await.unwrap();
    let token = t.identity.issue_token(&alice, "phone").await.unwrap();
    let mut events = t.identity.events();
    let waddles = community(&t).await;
    t.identity.delete_account(&waddles, &alice.user).await.unwrap();
    assert!(
        t.identity
            .session_for(&session.access_token)
            .await
            .unwrap()
            .is_none()
    );
    assert!(refused(&t.identity, "alice", token.token.expose()).await);
    assert_eq!(
        events.try_recv().unwrap(),
        IdentityEvent::AccountDeleted {
            user: alice.user.clone()
        }
    );
    assert!(matches!(
        t.identity.delete_account(&waddles, &alice.user).await,
        Err(Error::NotFound)
    ));
}

#[tokio::test]
async fn sessions() {
    let t = open().await;
    t.identity
        .create_local("alice", &s("password"), false)
        .await
        .unwrap();
    t.identity
        .create_local("bob", &s("password"), false)
        .await
        .unwrap();
    assert!(t.identity.login_local("alice", &s("wrong")).await.is_err());
    let a = t
        .identity
        .login_local("alice@example.org", &s("password"))
        .await
        .unwrap();
    let b = t.identity.login_local("bob", &s("password")).await.unwrap();
    let found = t.identity.session_for(&a.access_token).await.unwrap().unwrap();
    assert_eq!(found, a.session);
    for bad in ["", "wds_", "wds_x", &"wds_".repeat(100), "' OR 1"] {
        assert!(t.identity.session_for(&s(bad)).await.unwrap().is_none(), "{bad}");
    }
    let csrf = t.identity.csrf_token(&a.session);
    assert!(t.identity.csrf_fits(&a.session, &csrf));
    assert!(!t.identity.csrf_fits(&b.session, &csrf) && !t.identity.csrf_fits(&a.session, ""));

    let issued = t.identity.issue_xmpp_token(&found, "web").await.unwrap();
    let mut events = t.identity.events();
    assert_eq!(t.identity.sessions(&found.account.user).await.unwrap().len(), 1);
    t.identity.logout(&found).await.unwrap();
    assert!(t.identity.session_for(&a.access_token).await.unwrap().is_none());
    assert!(
        matches!(events.try_recv(), Ok(IdentityEvent::SessionEnded { session, .. }) if session == found.id)
    );
    assert!(matches!(t.identity.logout(&found).await, Err(Error::NotFound)));
    assert!(
        !refused(&t.identity, "alice", issued.token.expose()).await,
        "XMPP tokens are apart"
    );

    t.clock.set(b.session.expires_at);
    assert!(
        t.identity.session_for(&b.access_token).await.unwrap().is_none(),
        "expired"
    );
    t.storage.close().await;
    assert!(
        !on_disk(&t.dir, b.access_token.expose()),
        "no access token at rest"
    );
}

#[tokio::test]
async fn of_too_many_sessions_the_oldest_ends() {
    let t = open_with(|c| c.limits.identity_sessions = 2).await;
    for name in ["alice", "bob"] {
        t.identity
            .create_local(name, &s("password"), false)
            .await
            .unwrap();
    }
    let others = t.identity.login_local("bob", &s("password")).await.unwrap();
    let mut events = t.identity.events();
    let mut made = Vec::new();
    for _ in 0..3 {
        t.clock.advance(Duration::from_secs(1));
        made.push(t.identity.login_local("alice", &s("password")).await.unwrap());
    }
    let first = made[0].session.clone();
    assert_eq!(
        events.try_recv(),
        Ok(IdentityEvent::SessionEnded {
            user: first.account.user.clone(),
            session: first.id
        })
    );
    for (session, lives) in made.iter().zip([false, true, true]) {
        let found = t.identity.session_for(&session.access_token).await.unwrap();
        assert_eq!(found.is_some(), lives);
    }
    assert!(
        t.identity
            .session_for(&others.access_token)
            .await
            .unwrap()
            .is_some()
    );
}

#[tokio::test]
async fn failed_logins_are_throttled_by_address() {
    let t = open_with(|c| {
        c.limits.rate_failed_logins = waddle_core::limits::Rate {
            count: 2,
            seconds: 60,
        }
    })
    .await;
    let (bad, good): (IpAddr, IpAddr) = ("192.0.2.1".parse().unwrap(), "192.0.2.2".parse().unwrap());
    let attempt = Attempt {
        protocol: "xmpp",
        mechanism: "PLAIN",
    };
    for _ in 0..2 {
        t.identity.login_allowed(bad).unwrap();
        t.identity.login_failed(bad, attempt, &LoginError::NotAuthorized);
    }
    assert!(
        matches!(t.identity.login_allowed(bad), Err(LoginError::Throttled(wait)) if wait <= Duration::from_secs(30))
    );
    t.identity.login_allowed(good).unwrap();
    t.identity
        .login_failed(good, attempt, &LoginError::Internal(Error::NotFound));
    t.identity.login_failed(good, attempt, &LoginError::Busy);
    t.identity.login_failed(good, attempt, &LoginError::Denied);
    t.identity.login_allowed(good).unwrap();
    t.clock.advance(Duration::from_secs(60));
    t.identity.login_allowed(bad).unwrap();
}

#[tokio::test]
async fn devices() {
    let t = open().await;
    let (device, waddle) = (DeviceId::new(), WaddleId::new());
    let made = t.identity.create_device_credential(device, waddle).await.unwrap();
    let login = t
        .identity
        .verify_device(&made.username, &made.password)
        .await
        .unwrap();
    assert_eq!(
        (login.device, login.waddle, login.user),
        (device, waddle, UserId::device(device))
    );
    for (name, password) in [
        (made.username.as_str(), "wrong"),
        (made.username.as_str(), ""),
        ("device-0000000000000000", made.password.expose()),
        ("alice", made.password.expose()),
        ("device-#/+", made.password.expose()),
    ] {
        assert!(
            t.identity.verify_device(name, &s(password)).await.is_err(),
            "{name}"
        );
    }
    assert!(
        refused(&t.identity, &made.username, made.password.expose()).await,
        "no person"
    );

    let mut events = t.identity.events();
    let again = t.identity.create_device_credential(device, waddle).await.unwrap();
    assert!(
        t.identity
            .verify_device(&made.username, &made.password)
            .await
            .is_err(),
        "replaced"
    );
    assert_eq!(
        events.try_recv().unwrap(),
        IdentityEvent::DeviceRevoked { device }
    );
    t.identity.revoke_device(device).await.unwrap();
    assert!(
        t.identity
            .verify_device(&again.username, &again.password)
            .await
            .is_err()
    );
    assert!(matches!(
        t.identity.revoke_device(device).await,
        Err(Error::NotFound)
    ));
    t.storage.close().await;
    assert!(!on_disk(&t.dir, again.password.expose()));
}

#[tokio::test]
async fn everything_survives_a_restart() {
    let t = open().await;
    let alice = t
        .identity
        .create_local("alice", &s("password"), false)
        .await
        .unwrap();
    let token = t.identity.issue_token(&alice, "phone").await.unwrap();
    let session = t.identity.login_local("alice", &s("password")).await.unwrap();
    let salt = t
        .identity
        .scram_lookup("nobody", ScramHash::Sha256)
        .await
        .unwrap()
        .salt;
    let csrf = t.identity.csrf_token(&session.session);
    t.storage.close().await;
    let support::Setup {
        identity,
        storage,
        clock,
        dir,
    } = t;
    drop((identity, storage));
    let mut config = waddle_storage::StorageConfig::new(dir.path());
    config.clock = clock.clone();
    let storage = waddle_storage::Storage::open(config).await.unwrap();
    let identity = Identity::open(&storage, clock, support::config(&dir))
        .await
        .unwrap();
    assert!(!refused(&identity, "alice", "password").await);
    assert!(!refused(&identity, "alice", token.token.expose()).await);
    let found = identity
        .session_for(&session.access_token)
        .await
        .unwrap()
        .unwrap();
    assert!(identity.csrf_fits(&found, &csrf));
    assert_eq!(
        identity
            .scram_lookup("nobody", ScramHash::Sha256)
            .await
            .unwrap()
            .salt,
        salt
    );
}
