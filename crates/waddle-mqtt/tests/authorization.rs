//! Who may do what, at every point: CONNECT, SUBSCRIBE, PUBLISH, delivery, retained, queued, and afterwards
//! (`specs/topics.md`, `specs/mqtt.md`).

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

use parking_lot::Mutex;
use support::*;
use waddle_core::{TopicFilter, UserId, WaddleId};
use waddle_mqtt::{
    Publish, PublishError, PublishSink, Published,
    policy::{Action, Change},
};

const HOUR: &[u8] = &[0x11, 0, 0, 0x0E, 0x10];

#[tokio::test]
async fn mounts_show_one_space_to_everybody() {
    let s = Server::start().await;
    // bob has one waddle: his home. alice has two, and no home.
    let mut root = s.v5("alice@test/penguins", "root").await;
    let mut plain = s.v5("alice@test", "plain").await;
    let mut home = s.v3("bob", "home").await;
    let mut seals = s.v5("alice@test/seals", "seals").await;
    for c in [&mut root, &mut home, &mut seals] {
        assert_eq!(c.subscribe("home/#", 0).await, 0);
    }
    assert_eq!(plain.subscribe("waddle/penguins/home/+", 0).await, 0);
    assert_eq!(plain.subscribe("waddle/+/all", 0).await, 0);
    assert_eq!(home.subscribe("waddle/penguins/home/x", 0).await, 0);
    home.publish_with("home/x", b"1", 0, 0, &[]).await;
    assert_eq!(root.got().await.topic, "home/x");
    assert_eq!(plain.got().await.topic, "waddle/penguins/home/x");
    let mut both = [home.got().await.topic, home.got().await.topic];
    both.sort();
    assert_eq!(
        both,
        ["home/x", "waddle/penguins/home/x"],
        "two names, two copies"
    );
    // Response topics are seen from where the receiver stands.
    root.publish_with("home/y", b"", 0, 0, b"\x08\0\x05reply").await;
    assert_eq!(root.got().await.props, b"\x08\0\x05reply");
    assert_eq!(plain.got().await.props, b"\x08\0\x15waddle/penguins/reply");
    home.got().await;
    plain
        .publish_with(
            "waddle/penguins/home/z",
            b"",
            0,
            0,
            b"\x08\0\x18waddle/penguins/answer/1",
        )
        .await;
    assert_eq!(root.got().await.props, b"\x08\0\x08answer/1");
    plain.got().await;
    home.got().await;
    // Each waddle is a space of its own.
    plain.publish("waddle/seals/all", b"s", 0, 0).await;
    assert_eq!(plain.got().await.topic, "waddle/seals/all");
    seals.publish("home/x", b"seal", 0, 0).await;
    assert_eq!(seals.got().await.payload, b"seal");
    for c in [&mut root, &mut plain, &mut home] {
        c.ping().await;
    }
    // Where nothing resolves, both ways are named.
    let mut b = vec![0, 9, 0];
    field(&mut b, b"home/#");
    b.push(0);
    plain.send(&packet(0x82, &b)).await;
    let p = plain.packet().await;
    let text = String::from_utf8_lossy(&p).into_owned();
    assert!(
        p.ends_with(&[0x87]) && text.contains("waddle/<slug>/<topic>") && text.contains("@<domain>/<slug>")
    );
    plain.publish("home/x", b"", 2, 77).await;
    let p = plain.packet().await;
    assert!(
        p[4] == 0x87 && String::from_utf8_lossy(&p).contains("waddle/<slug>/<topic>"),
        "{p:?}"
    );
    let mut old = s.v3("alice", "old").await;
    assert_eq!(old.subscribe("home/#", 0).await, 0x80);
}

#[tokio::test]
async fn strangers_learn_nothing() {
    let s = Server::start().await;
    let mut carol5 = s.v5("carol", "c").await;
    let mut carol3 = s.v3("carol", "d").await;
    for f in [
        "waddle/penguins/#",
        "waddle/nowhere/#",
        "waddle/Bad Slug/x",
        "waddle/#",
        "#",
        "x",
    ] {
        assert_eq!(carol5.subscribe(f, 0).await, 0x87, "{f}");
        assert_eq!(carol3.subscribe(f, 0).await, 0x80, "{f}");
        assert_eq!(
            carol5.publish1(&f.replace('#', "x"), b"", false).await,
            0x87,
            "{f}"
        );
    }
    let mut bob = s.v5("bob", "b").await;
    bob.subscribe("#", 0).await;
    carol3.publish("waddle/penguins/x", b"spy", 1, 0).await;
    assert_eq!(carol3.publish1("waddle/penguins/x", b"spy", true).await, 0);
    carol3.publish2("waddle/penguins/x", b"spy", true).await;
    bob.ping().await;
    assert!(s.broker.figures().await.messages_dropped >= 3);
    // The will's topic is checked at CONNECT.
    for (level, code) in [(4, 5), (5, 0x87)] {
        let mut c = s.raw().await;
        let will = Some(("waddle/penguins/x", &b"spy"[..], 0, &b""[..]));
        c.send(&connect_will(level, "carol", "w", true, &[], will)).await;
        let p = c.closed().await.remove(0);
        assert_eq!(p[3], code);
    }
}

#[tokio::test]
async fn devices_stay_below_their_prefixes() {
    let s = Server::start().await;
    let id = s.policy.device(
        "penguins",
        "kitchen",
        &[("home/sensors", false, true), ("home/cmd", true, false)],
    );
    let mut bob = s.v5("bob", "b").await;
    bob.subscribe("#", 1).await;
    let mut d = s.v5("device-kitchen", "d").await;
    assert_eq!(d.publish1("home/sensors/t", b"21", false).await, 0);
    assert_eq!(bob.take().await.topic, "home/sensors/t");
    for t in [
        "home/sensorsx",
        "home",
        "home/cmd/x",
        "x",
        "$SYS/x",
        "waddle/penguins/home/sensors",
    ] {
        assert_eq!(d.publish1(t, b"", false).await, 0x87, "{t}");
    }
    assert_eq!(d.subscribe("home/cmd/#", 0).await, 0);
    for f in ["#", "+/cmd", "home/#", "home/sensors", "home/cmdx", "$SYS/#"] {
        assert_eq!(d.subscribe(f, 0).await, 0x87, "{f}");
    }
    bob.publish("home/cmd/on", b"1", 0, 0).await;
    assert_eq!(d.got().await.topic, "home/cmd/on");
    bob.got().await;
    bob.ping().await;
    // Its will too, and its end.
    let mut w = s.raw().await;
    w.send(&connect_will(
        5,
        "device-kitchen",
        "w",
        true,
        &[],
        Some(("other", b"", 0, &[])),
    ))
    .await;
    assert_eq!(w.packet().await[3], 0x87);
    s.policy.announce(Change::DeviceRevoked(id));
    assert_eq!(d.closed().await[0][2], 0x87);
}

#[tokio::test]
async fn a_wildcard_sees_only_what_it_may() {
    let s = Server::start().await;
    s.policy.forbid("penguins", "bob", Action::Subscribe, "secret");
    let mut alice = s.v5("alice@test/penguins", "a").await;
    alice.publish1("secret/kept", b"1", true).await;
    alice.publish1("open/kept", b"1", true).await;
    let mut bob = s.v5("bob", "b").await;
    assert_eq!(bob.subscribe("secret", 0).await, 0x87);
    assert_eq!(bob.subscribe("#", 1).await, 1);
    assert_eq!(bob.take().await.topic, "open/kept", "retained reads are checked");
    alice.publish1("secret/live", b"1", false).await;
    alice.publish1("open/live", b"1", false).await;
    assert_eq!(bob.take().await.topic, "open/live", "deliveries are checked");
    bob.ping().await;
    // A right that goes counts for the very next message.
    s.policy.forbid("penguins", "bob", Action::Subscribe, "open");
    alice.publish1("open/late", b"1", false).await;
    bob.ping().await;
    s.policy.forbid("penguins", "alice", Action::Publish, "open");
    assert_eq!(alice.publish1("open/x", b"", false).await, 0x87);
    // What somebody left who may no longer publish there does not stand any more.
    let mut c = s.v5("alice@test/penguins", "c").await;
    c.subscribe("open/#", 0).await;
    c.ping().await;
}

#[tokio::test]
async fn whoever_is_removed_is_out_at_once() {
    let s = Server::start().await;
    s.policy.add("seals", "bob");
    let mut mounted5 = s.v5("bob@test/penguins", "m5").await;
    let mut mounted3 = s.v3("bob@test/penguins", "m3").await;
    let mut plain = s.v5("bob", "plain").await;
    for c in [&mut mounted5, &mut mounted3] {
        c.subscribe("x/#", 1).await;
    }
    plain.subscribe("waddle/penguins/x/#", 1).await;
    plain.subscribe("waddle/+/y", 1).await;
    // Queued for a session that is away, and half done with QoS 2.
    let (mut away, _) = s.v5_with("bob@test/penguins", "away", false, HOUR).await;
    away.subscribe("x/#", 2).await;
    away.break_off().await;
    let (mut half, _) = s.v5_with("bob", "half", false, HOUR).await;
    half.publish("waddle/penguins/x/1", b"h", 4, 5).await;
    assert_eq!(half.packet().await, ack(0x50, 5));
    for c in [&mut mounted5, &mut mounted3, &mut plain] {
        assert_eq!(c.take().await.payload, b"h");
    }
    half.break_off().await;

    let started = std::time::Instant::now();
    s.policy.remove("penguins", "bob");
    assert_eq!(mounted5.closed().await[0][2], 0x87);
    assert!(mounted3.closed().await.is_empty());
    assert!(started.elapsed() < ENDED);
    // A right is left elsewhere: the connection stays, the subscription is gone.
    plain.ping().await;
    let mut alice = s.v5("alice@test/penguins", "a").await;
    alice.publish1("x/2", b"gone", false).await;
    alice.publish1("y", b"gone", false).await;
    plain.ping().await;
    assert_eq!(plain.publish1("waddle/penguins/x/3", b"", false).await, 0x87);
    until("the filter is gone", async || {
        let all = s.broker.connections(None).await;
        let plain = all.iter().find(|c| c.client_id == "plain").unwrap();
        plain.filters == ["waddle/+/y"]
    })
    .await;
    let mut seal = s.v5("alice@test/seals", "seal").await;
    seal.publish1("y", b"still", false).await;
    assert_eq!(plain.take().await.topic, "waddle/seals/y");
    let mut c = s.raw().await;
    c.send(&connect(5, "bob@test/penguins", "away", false, HOUR))
        .await;
    assert_eq!(c.packet().await[3], 0x87);
    // Back again: what was queued before is gone with the session that had no right.
    s.policy.add("penguins", "bob");
    let (mut away, present) = s.v5_with("bob@test/penguins", "away", false, HOUR).await;
    assert!(!present);
    away.ping().await;
    let mut x = s.v5("bob@test/penguins", "x").await;
    x.subscribe("x/#", 2).await;
    // The half done message was delivered when it came; its end delivers nothing more.
    let (mut half, present) = s.v5_with("bob", "half", false, HOUR).await;
    assert!(present);
    half.send(&ack(0x62, 5)).await;
    assert_eq!(half.packet().await, ack(0x70, 5));
    x.ping().await;
    // A filter over all waddles takes in the one that came back.
    until("the wildcard is entered again", async || {
        alice.publish1("y", b"again", false).await;
        matches!(tokio::time::timeout(QUIET, plain.take()).await, Ok(g) if g.topic == "waddle/penguins/y")
    })
    .await;
}

#[tokio::test]
async fn queued_messages_are_checked_when_the_client_is_back() {
    let s = Server::start().await;
    let (mut c, _) = s.v5_with("bob", "c", false, HOUR).await;
    c.subscribe("#", 1).await;
    c.break_off().await;
    let mut alice = s.v5("alice@test/penguins", "a").await;
    alice.publish1("a/1", b"", false).await;
    alice.publish1("b/1", b"", false).await;
    s.policy.forbid("penguins", "bob", Action::Subscribe, "a");
    let (mut c, present) = s.v5_with("bob", "c", false, HOUR).await;
    assert!(present);
    assert_eq!(c.take().await.topic, "b/1");
    c.ping().await;
}

#[tokio::test]
async fn revoked_credentials_and_managers_end_connections() {
    let s = Server::start().await;
    let (mut a, mut b) = (s.v5("bob", "a").await, s.v5("alice", "b").await);
    s.policy.announce(Change::CredentialRevoked {
        user: UserId::local("bob"),
        credential: "other".into(),
    });
    a.ping().await;
    s.policy.announce(Change::CredentialRevoked {
        user: UserId::local("bob"),
        credential: "1".into(),
    });
    assert_eq!(a.closed().await[0][2], 0x87);
    b.subscribe("waddle/seals/x", 0).await;
    let seals = s.policy.waddle("seals").id;
    let live = s.broker.connections(Some(seals)).await;
    assert_eq!(live.len(), 1);
    let c = &live[0];
    assert_eq!(
        (c.name.as_str(), c.client_id.as_str(), c.version),
        ("alice", "b", "5.0")
    );
    assert_eq!(c.filters, ["waddle/seals/x"]);
    assert!(
        s.broker
            .connections(Some(s.policy.waddle("penguins").id))
            .await
            .is_empty()
    );
    assert!(s.broker.disconnect(c.serial).await && !s.broker.disconnect(9_999_999).await);
    assert_eq!(b.closed().await[0][2], 0x98);
    // Lost events: everything is looked at again.
    let mut a = s.v5("bob@test/penguins", "a").await;
    a.ping().await;
    s.policy.announce(Change::Everything);
    a.ping().await;
    s.policy.announce(Change::CredentialsUnknown);
    assert_eq!(a.closed().await[0][2], 0x89);
}

#[derive(Default)]
struct Sink(Mutex<Vec<(WaddleId, String, Vec<u8>, bool, Option<UserId>)>>);

impl PublishSink for Sink {
    fn wants(&self, _: WaddleId, topic: &str) -> bool {
        topic.starts_with("home/")
    }
    fn published(&self, m: &Published<'_>) {
        self.0.lock().push((
            m.waddle,
            m.topic.to_owned(),
            m.payload.to_vec(),
            m.retain,
            m.publisher.cloned(),
        ));
    }
}

#[tokio::test]
async fn sinks_see_what_was_accepted_and_the_server_publishes_itself() {
    let s = Server::start().await;
    let sink = Arc::new(Sink::default());
    s.broker.add_sink(sink.clone());
    let mut bob = s.v5("bob", "b").await;
    bob.subscribe("home/#", 1).await;
    let mut p = s.v5("bob", "p").await;
    p.publish1("home/x", b"1", true).await;
    bob.take().await;
    p.publish1("other", b"1", false).await;
    let mut carol = s.v5("carol", "c").await;
    carol.publish1("waddle/penguins/home/x", b"spy", false).await;
    let w = s.policy.waddle("penguins").id;
    let note = |publisher| Publish {
        waddle: w,
        topic: "home/y".parse().unwrap(),
        payload: "2".into(),
        qos: 1,
        retain: true,
        expiry: None,
        publisher,
    };
    s.broker.publish(note(None)).await.unwrap();
    let g = bob.take().await;
    assert_eq!(
        (g.topic.as_str(), g.payload.as_slice(), g.qos),
        ("home/y", &b"2"[..], 1)
    );
    let forbidden = s.broker.publish(note(Some(UserId::local("carol")))).await;
    assert!(matches!(forbidden, Err(PublishError::Forbidden)));
    let nowhere = s
        .broker
        .publish(Publish {
            waddle: WaddleId::new(),
            ..note(None)
        })
        .await;
    assert!(matches!(nowhere, Err(PublishError::NoWaddle)));
    let seen = sink.0.lock().clone();
    assert_eq!(
        seen,
        [
            (
                w,
                "home/x".to_owned(),
                b"1".to_vec(),
                true,
                Some(UserId::local("bob"))
            ),
            (w, "home/y".to_owned(), b"2".to_vec(), true, None),
        ]
    );
    let all: TopicFilter = "#".parse().unwrap();
    let kept = s.broker.retained(w, &all, None, 10).await.unwrap();
    assert_eq!(
        kept.iter().map(|r| &*r.topic).collect::<Vec<_>>(),
        ["home/x", "home/y"]
    );
}
