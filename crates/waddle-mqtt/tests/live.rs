//! The broker over real accounts, devices and permissions (`specs/topics.md`, `specs/permissions.md`).

#![allow(
    clippy::allow_attributes,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::type_complexity,
    clippy::items_after_statements,
    reason = "tests"
)]

mod support;

use std::sync::Arc;

use support::{ENDED, Raw, ack, connect, field, packet, until};
use waddle_community::{Actor, Community, NewDevice, NewWaddle, RemovalKind, Role, TopicRule};
use waddle_core::{Limits, Secret, SystemClock, UserId, WaddleId};
use waddle_identity::{Identity, IdentityConfig, MIN_ITERATIONS};
use waddle_mqtt::{Broker, BrokerConfig, Listen, LivePolicy, rules::TopicPolicy};
use waddle_storage::{Storage, StorageConfig};

struct Waddle {
    broker: Broker,
    community: Community,
    identity: Identity,
    alice: UserId,
    bob: UserId,
    penguins: WaddleId,
    _dir: tempfile::TempDir,
}

async fn start(rules: TopicPolicy) -> Waddle {
    let dir = tempfile::tempdir().unwrap();
    let storage = Storage::open(StorageConfig::new(dir.path())).await.unwrap();
    let clock = Arc::new(SystemClock);
    let mut config = IdentityConfig::new(
        "example.org",
        url::Url::parse("http://127.0.0.1:3999").unwrap(),
        dir.path(),
    );
    config.atproto.plc_url = url::Url::parse("http://127.0.0.1:9").unwrap();
    config.scram_iterations = MIN_ITERATIONS;
    let identity = Identity::open(&storage, clock.clone(), config).await.unwrap();
    let mut users = Vec::new();
    for name in ["alice", "bob", "carol"] {
        let account = identity
            .create_local(name, &Secret::new(format!("{name}-pw")), name == "carol")
            .await
            .unwrap();
        users.push(account.user);
    }
    let limits = Arc::new(Limits::default());
    let community = Community::open(storage.clone(), clock.clone(), limits, "example.org")
        .await
        .unwrap();
    let new = NewWaddle::new("penguins".parse().unwrap(), "Penguins");
    let penguins = community.create_waddle(&users[0], new).await.unwrap().id;
    community
        .add_member(&users[0], penguins, &users[1], Role::Member)
        .await
        .unwrap();
    let policy = LivePolicy::new(identity.clone(), community.clone(), rules);
    let broker = Broker::start(BrokerConfig {
        listen: vec![Listen {
            addr: "127.0.0.1:0".parse().unwrap(),
            tls: None,
            allow_plaintext: false,
        }],
        limits: Limits::default(),
        rate_limits: true,
        storage,
        clock,
        policy,
    })
    .await
    .unwrap();
    Waddle {
        broker,
        community,
        identity,
        alice: users.remove(0),
        bob: users.remove(0),
        penguins,
        _dir: dir,
    }
}

impl Waddle {
    async fn login(&self, level: u8, user: &str, id: &str, password: &str) -> (Raw, Vec<u8>) {
        let mut c = Raw::new(self.broker.addresses().tcp[0]).await;
        c.version = level;
        let mut b = Vec::new();
        field(&mut b, b"MQTT");
        b.extend_from_slice(&[level, 0xC2, 0, 60]);
        if level == 5 {
            b.push(0);
        }
        field(&mut b, id.as_bytes());
        field(&mut b, user.as_bytes());
        field(&mut b, password.as_bytes());
        c.send(&packet(0x10, &b)).await;
        let p = c.packet().await;
        (c, p)
    }

    async fn ok(&self, level: u8, user: &str, id: &str, password: &str) -> Raw {
        let (c, p) = self.login(level, user, id, password).await;
        assert_eq!((p[0], p[3]), (0x20, 0), "{user}: {p:?}");
        c
    }

    async fn device(&self, name: &str, topics: &[&str]) -> (waddle_core::DeviceId, String, String) {
        let topics: Vec<TopicRule> = topics.iter().map(|t| t.parse().unwrap()).collect();
        let new = NewDevice {
            name: name.parse().unwrap(),
            topics,
        };
        let device = self
            .community
            .create_device(&self.alice, self.penguins, new)
            .await
            .unwrap();
        let c = self
            .identity
            .create_device_credential(device.id, self.penguins)
            .await
            .unwrap();
        (device.id, c.username, c.password.expose().to_owned())
    }
}

#[tokio::test]
async fn a_sensor_its_members_and_a_stranger() {
    let w = start(TopicPolicy::default()).await;
    let (device, user, password) = w.device("kitchen", &["home/sensors"]).await;
    // The device's own announcement of a new credential is over before it connects.
    let mut d = w.ok(4, &user, "kitchen", &password).await;
    let mut root = w.ok(5, "bob@example.org/penguins", "b1", "bob-pw").await;
    let mut plain = w.ok(5, "bob@example.org", "b2", "bob-pw").await;
    let mut short = w.ok(4, "bob", "b3", "bob-pw").await;
    root.subscribe("home/sensors/#", 1).await;
    plain.subscribe("waddle/penguins/home/sensors/#", 1).await;
    short.subscribe("home/#", 0).await;
    assert_eq!(
        d.publish1("home/sensors/temperature/kitchen", b"21.5", true)
            .await,
        0
    );
    assert_eq!(root.take().await.topic, "home/sensors/temperature/kitchen");
    assert_eq!(
        plain.take().await.topic,
        "waddle/penguins/home/sensors/temperature/kitchen"
    );
    assert_eq!(short.take().await.payload, b"21.5");
    // Who manages it sees that it is used.
    let last_use = async || {
        w.community
            .device(w.penguins, device)
            .await
            .unwrap()
            .unwrap()
            .last_use
    };
    until("its last use is shown", async || last_use().await.is_some()).await;
    // Outside its prefix nothing arrives.
    d.publish1("home/other", b"x", false).await;
    short.ping().await;
    // A member without the right to publish is told; the owner has it.
    assert_eq!(root.publish1("home/x", b"", false).await, 0x87);
    let mut alice = w.ok(5, "alice@example.org", "a", "alice-pw").await;
    assert_eq!(alice.publish1("home/x", b"", false).await, 0);
    assert_eq!(short.take().await.topic, "home/x");
    // Strangers and wrong passwords.
    for (level, user, password, code) in [
        (5, "carol@example.org/penguins", "carol-pw", 0x87),
        (4, "carol@example.org/penguins", "carol-pw", 5),
        (5, "bob@example.org", "wrong", 0x86),
        (4, "bob@other.org", "bob-pw", 4),
        (5, user.as_str(), "wrong", 0x86),
        (4, "nobody", "wrong", 4),
    ] {
        assert_eq!(w.login(level, user, "x", password).await.1[3], code, "{user}");
    }
    let mut carol = w.ok(5, "carol@example.org", "c", "carol-pw").await;
    assert_eq!(carol.subscribe("waddle/penguins/#", 0).await, 0x87);
    assert_eq!(carol.subscribe("home/#", 0).await, 0x87);
    assert_eq!(
        carol.subscribe("$SYS/broker/uptime", 0).await,
        0,
        "she is the operator"
    );
    carol.got().await;
    // Removed, Bob is out within a second; so is the device that is revoked.
    let started = std::time::Instant::now();
    w.community
        .remove_member(&w.alice, w.penguins, &w.bob, RemovalKind::Removed, None)
        .await
        .unwrap();
    assert_eq!(root.closed().await[0][2], 0x87);
    assert_eq!(plain.closed().await[0][2], 0x87, "it was his only waddle");
    assert!(short.closed().await.is_empty());
    w.community
        .revoke_device(&w.alice, w.penguins, device, None)
        .await
        .unwrap();
    assert!(d.closed().await.is_empty());
    assert!(started.elapsed() < ENDED);
    // What the revoked device left does not stand any more.
    alice.subscribe("#", 0).await;
    alice.ping().await;
}

#[tokio::test]
async fn tokens_log_in_and_their_revocation_ends_the_connection() {
    let w = start(TopicPolicy::default()).await;
    let account = w.identity.by_localpart("bob").await.unwrap().unwrap();
    let token = w.identity.issue_token(&account, "phone").await.unwrap();
    let mut by_token = w.ok(5, "bob@example.org", "t", token.token.expose()).await;
    let mut by_password = w.ok(5, "bob@example.org", "p", "bob-pw").await;
    w.identity.revoke_token(&w.bob, token.id).await.unwrap();
    assert_eq!(by_token.closed().await[0][2], 0x87);
    by_password.ping().await;
    let (_, p) = w.login(5, "bob", "t", token.token.expose()).await;
    assert_eq!(p[3], 0x86);
    // With the account everything of it goes.
    let mut kept = Raw::new(w.broker.addresses().tcp[0]).await;
    kept.version = 5;
    kept.send(&connect(5, "bob", "kept", false, &[0x11, 0, 0, 1, 0]))
        .await;
    kept.packet().await;
    w.identity.delete_account(&w.community, &w.bob).await.unwrap();
    assert_eq!(by_password.closed().await[0][2], 0x87);
    assert_eq!(kept.closed().await[0][2], 0x87);
    until("its sessions are over", async || {
        w.broker.figures().await.sessions == 0
    })
    .await;
}

#[tokio::test]
async fn guessing_is_slowed_down() {
    let w = start(TopicPolicy::default()).await;
    let mut codes = Vec::new();
    for n in 0..25 {
        let user = if n % 2 == 0 {
            "device-0123456789abcdef"
        } else {
            "nobody"
        };
        codes.push(w.login(5, user, "x", "guess").await.1[3]);
    }
    assert!(
        codes.starts_with(&[0x86; 10]) && codes.ends_with(&[0x97; 3]),
        "{codes:x?}"
    );
    let (_, p) = w.login(4, "alice", "x", "alice-pw").await;
    assert_eq!(p[3], 3);
}

#[tokio::test]
async fn a_deleted_waddle_takes_its_connections_along() {
    let w = start(TopicPolicy::default()).await;
    let mut c = w.ok(5, "alice@example.org/penguins", "a", "alice-pw").await;
    c.subscribe("#", 0).await;
    w.community.delete_waddle(&w.alice, w.penguins).await.unwrap();
    assert_eq!(c.closed().await[0][2], 0x87);
    let (_, p) = w.login(5, "alice@example.org/penguins", "a", "alice-pw").await;
    assert_eq!(p[3], 0x87);
}

/// The operator's policy narrows a waddle and alone decides outside: ejabberd's example.
#[tokio::test]
async fn the_topic_policy_of_the_operator() {
    let rules: TopicPolicy = serde_json::from_value(serde_json::json!({
        "groups": {"authors": ["carol"]},
        "access_publish": [
            {"filter": "test/1/#", "rules": [{"allow": "authors"}]},
            {"filter": "waddle/penguins/locked/#", "rules": [{"deny": "all"}]},
            {"filter": "waddle/#", "rules": [{"allow": "all"}]},
            {"filter": "#", "rules": [{"deny": "all"}]}],
        "access_subscribe": [
            {"filter": "test/1/#", "rules": [{"allow": "dave"}]},
            {"filter": "waddle/#", "rules": [{"allow": "all"}]},
            {"filter": "#", "rules": [{"deny": "all"}]}],
    }))
    .unwrap();
    let w = start(rules).await;
    w.identity
        .create_local("dave", &Secret::new("dave-pw"), false)
        .await
        .unwrap();
    let mut author = w.ok(5, "carol", "c", "carol-pw").await;
    let mut reader = w.ok(5, "dave", "d", "dave-pw").await;
    assert_eq!(reader.subscribe("test/1/#", 2).await, 2);
    assert_eq!(author.subscribe("test/1/#", 0).await, 0x87);
    assert_eq!(author.publish1("test/1/x", b"1", false).await, 0);
    assert_eq!(reader.take().await.payload, b"1");
    assert_eq!(reader.publish1("test/1/x", b"", false).await, 0x87);
    assert_eq!(author.publish1("test/2", b"", false).await, 0x87);
    assert_eq!(
        author.publish1("waddle/penguins/x", b"", false).await,
        0x87,
        "no member"
    );
    let mut alice = w.ok(5, "alice@example.org", "a", "alice-pw").await;
    assert_eq!(alice.publish1("open", b"", false).await, 0);
    assert_eq!(alice.publish1("locked/x", b"", false).await, 0x87);
    assert_eq!(alice.publish1("waddle/penguins/locked", b"", false).await, 0x87);
    let _ = (ack(0, 0), Actor::System);
}
