//! Sessions: kept, resumed, taken over, ended; wills; what survives a restart (MQTT 5.0 §4.1, §3.1.2.5, §4.3).

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

use std::time::Duration;

use support::*;

/// Session expiry of an hour.
const HOUR: &[u8] = &[0x11, 0, 0, 0x0E, 0x10];

async fn v3_kept(s: &Server, user: &str, id: &str) -> (Raw, bool) {
    let mut c = s.raw().await;
    c.send(&connect(4, user, id, false, &[])).await;
    let p = c.packet().await;
    assert_eq!((p[0], p[3]), (0x20, 0));
    (c, p[2] == 1)
}

#[tokio::test]
async fn a_kept_session_queues_while_its_client_is_away_and_over_a_restart() {
    let mut s = Server::start().await;
    let (mut c, present) = v3_kept(&s, "bob", "c").await;
    assert!(!present);
    c.subscribe("q/#", 1).await;
    c.bye().await;
    let (mut d, _) = s.v5_with("bob", "d", false, HOUR).await;
    d.subscribe_with("q/#", 2, &[0x0B, 42]).await;
    d.break_off().await;
    let mut p = s.v5("alice@test/penguins", "p").await;
    for n in 0..100_u8 {
        p.publish1("q/1", &[n], false).await;
        p.publish("q/0", b"", 0, 0).await;
    }
    p.publish_with("q/props", b"", 2, 900, &[0x26, 0, 1, b'k', 0, 1, b'v'])
        .await;
    p.packet().await;
    p.bye().await;
    for round in 0..2 {
        if round == 1 {
            s = s.restart().await;
        }
        let (mut c, present) = v3_kept(&s, "bob", "c").await;
        assert!(present);
        let (mut d, present) = s.v5_with("bob", "d", false, HOUR).await;
        assert!(present);
        let half = if round == 0 { 0..50 } else { 50..100_u8 };
        for n in half {
            let g = c.take().await;
            assert_eq!(
                (g.payload.as_slice(), g.qos, g.topic.as_str()),
                (&[n][..], 1, "q/1")
            );
            let g = d.take().await;
            assert_eq!(
                (g.payload.as_slice(), g.props.as_slice()),
                (&[n][..], &[0x0B, 42][..])
            );
        }
        if round == 0 {
            // Far more is on its way than was acknowledged; it comes again.
            c.bye().await;
            d.bye().await;
        } else {
            assert_eq!(c.take().await.topic, "q/props");
            assert_eq!(d.take().await.props, [0x26, 0, 1, b'k', 0, 1, b'v', 0x0B, 42]);
            c.ping().await;
            d.ping().await;
            // Live again, in order.
            let mut p = s.v3("alice@test/penguins", "p").await;
            p.publish1("q/live", b"", false).await;
            assert_eq!(c.take().await.topic, "q/live");
        }
    }
}

#[tokio::test]
async fn what_was_in_flight_comes_again_with_its_identifier() {
    let mut s = Server::start().await;
    let (mut c, _) = s.v5_with("bob", "c", false, HOUR).await;
    c.subscribe("f", 2).await;
    let mut p = s.v5("bob", "p").await;
    p.publish1("f", b"1", false).await;
    p.publish2("f", b"2", false).await;
    p.publish2("f", b"3", false).await;
    let (a, b, r) = (c.got().await, c.got().await, c.got().await);
    assert_eq!((a.qos, b.qos, a.dup), (1, 2, false));
    // The third is received, not yet complete.
    c.send(&ack(0x50, r.id)).await;
    assert_eq!(c.packet().await, ack(0x62, r.id));
    c.break_off().await;
    for round in 0..3 {
        if round == 1 {
            s = s.restart().await;
        }
        let (mut c, present) = s.v5_with("bob", "c", false, HOUR).await;
        assert!(present);
        let (a2, b2) = (c.got().await, c.got().await);
        assert_eq!((a2.id, a2.dup, a2.payload.as_slice()), (a.id, true, &b"1"[..]));
        assert_eq!((b2.id, b2.dup, b2.payload.as_slice()), (b.id, true, &b"2"[..]));
        assert_eq!(c.packet().await, ack(0x62, r.id));
        if round < 2 {
            c.break_off().await;
            continue;
        }
        c.send(&ack(0x40, a.id)).await;
        c.send(&ack(0x50, b.id)).await;
        assert_eq!(c.packet().await, ack(0x62, b.id));
        c.send(&ack(0x70, b.id)).await;
        c.send(&ack(0x70, r.id)).await;
        c.ping().await;
        c.bye().await;
    }
    let (mut c, _) = s.v5_with("bob", "c", false, HOUR).await;
    c.ping().await;
    let kept = s.storage.server().read(waddle_storage::repo::mqtt::kept).await;
    assert_eq!(kept.unwrap(), (0, 0));
}

#[tokio::test]
async fn quality_two_arrives_once_over_reconnects_and_restarts() {
    let mut s = Server::start().await;
    let mut sub = s.v5("bob", "sub").await;
    sub.subscribe("x", 2).await;
    let (mut p, _) = v3_kept(&s, "bob", "p").await;
    p.publish("x", b"once", 4, 7).await;
    assert_eq!(p.packet().await, ack(0x50, 7));
    assert_eq!(sub.take().await.payload, b"once");
    p.break_off().await;
    // PUBREC was lost: the client sends it again, before and after a restart.
    for round in 0..2 {
        if round == 1 {
            sub.bye().await;
            s = s.restart().await;
            sub = s.v5("bob", "sub").await;
            sub.subscribe("x", 2).await;
        }
        let (mut p, present) = v3_kept(&s, "bob", "p").await;
        assert!(present);
        p.publish("x", b"once", 4 | 8, 7).await;
        assert_eq!(p.packet().await, ack(0x50, 7));
        sub.ping().await;
        if round == 1 {
            p.send(&ack(0x62, 7)).await;
            assert_eq!(p.packet().await, ack(0x70, 7));
            // The identifier is free: the same one is a new message, after a restart too.
            p.bye().await;
            sub.bye().await;
            s = s.restart().await;
            sub = s.v5("bob", "sub").await;
            sub.subscribe("x", 2).await;
            let (mut p, _) = v3_kept(&s, "bob", "p").await;
            p.publish("x", b"new", 4, 7).await;
            assert_eq!(p.packet().await, ack(0x50, 7));
            assert_eq!(sub.take().await.payload, b"new");
        } else {
            p.break_off().await;
        }
    }
}

#[tokio::test]
async fn retained_messages_survive_and_are_cleared_for_good() {
    let mut s = Server::start().await;
    let mut p = s.v5("bob", "p").await;
    p.publish1("keep", b"1", true).await;
    p.publish1("gone", b"1", true).await;
    p.publish1("gone", b"", true).await;
    p.publish("keep0", b"0", 1, 0).await;
    p.ping().await;
    p.bye().await;
    for _ in 0..2 {
        s = s.restart().await;
        let mut c = s.v3("bob", "c").await;
        c.subscribe("#", 0).await;
        let mut got = [c.got().await.topic, c.got().await.topic];
        got.sort();
        assert_eq!(got, ["keep", "keep0"]);
        c.ping().await;
    }
}

#[tokio::test]
async fn retained_messages_reach_a_kept_session_through_its_queue() {
    let s = Server::start().await;
    let mut p = s.v5("bob", "p").await;
    for n in 0..300_u16 {
        p.publish1(&format!("r/{n:03}"), b"x", true).await;
    }
    let (mut c, _) = s.v5_with("bob", "c", false, HOUR).await;
    c.subscribe("r/#", 1).await;
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..100 {
        let g = c.take().await;
        assert!(g.retain);
        seen.insert(g.topic);
    }
    c.break_off().await;
    let (mut c, _) = s.v5_with("bob", "c", false, HOUR).await;
    while seen.len() < 300 {
        let g = c.take().await;
        assert!(g.retain && g.qos == 1);
        seen.insert(g.topic);
    }
    c.ping().await;
}

#[tokio::test]
async fn a_session_ends_when_it_should() {
    let s = Server::start().await;
    // Clean start ends what was.
    let (mut c, _) = s.v5_with("bob", "c", false, HOUR).await;
    c.subscribe("x", 1).await;
    c.bye().await;
    let (c, present) = s.v5_with("bob", "c", true, HOUR).await;
    assert!(!present);
    c.bye().await;
    let (mut c, present) = s.v5_with("bob", "c", false, HOUR).await;
    assert!(present);
    let mut p = s.v5("bob", "p").await;
    p.publish1("x", b"", false).await;
    c.ping().await;
    // DISCONNECT with expiry 0 ends it; expiry where CONNECT had none is an error.
    c.send(&[0xE0, 7, 0, 5, 0x11, 0, 0, 0, 0]).await;
    c.closed().await;
    let (mut c, present) = s.v5_with("bob", "c", false, &[]).await;
    assert!(!present);
    c.send(&[0xE0, 7, 0, 5, 0x11, 0, 0, 0, 9]).await;
    assert_eq!(c.closed().await[0][2], 0x82);
    // Expiry counts from the end of the connection.
    let (c, _) = s.v5_with("bob", "short", false, &[0x11, 0, 0, 0, 1]).await;
    c.break_off().await;
    until("the session expired", async || {
        let (c, present) = s.v5_with("bob", "probe", true, &[]).await;
        c.bye().await;
        assert!(!present);
        s.broker.figures().await.sessions == 1
    })
    .await;
    let (_c, present) = s.v5_with("bob", "short", false, &[0x11, 0, 0, 0, 1]).await;
    assert!(!present);
    // Too long a life is cut, and said.
    let mut c = s.raw().await;
    c.send(&connect(5, "bob", "long", true, &[0x11, 0xFF, 0xFF, 0xFF, 0xFF]))
        .await;
    let p = c.packet().await;
    assert!(p.windows(5).any(|w| w == [0x11, 0, 9, 0x3A, 0x80]), "{p:?}");
}

#[tokio::test]
async fn too_many_stored_sessions_end_the_longest_absent() {
    let limits = waddle_core::Limits {
        mqtt_sessions_per_user: 3,
        ..Default::default()
    };
    let clock = manual();
    let s = Server::with(limits, clock.clone()).await;
    for id in ["a", "b", "c", "d"] {
        s.v5_with("bob", id, false, HOUR).await.0.bye().await;
        clock.advance(Duration::from_secs(1));
    }
    assert!(!s.v5_with("bob", "a", false, HOUR).await.1, "a went for d");
    let mut held = Vec::new();
    for id in ["a", "c", "d"] {
        let (c, present) = s.v5_with("bob", id, false, HOUR).await;
        assert!(present, "{id}");
        held.push(c);
    }
    let mut c = s.raw().await;
    c.send(&connect(5, "bob", "e", false, HOUR)).await;
    assert_eq!(c.packet().await[3], 0x97);
    // Others have sessions of their own.
    s.v5_with("alice", "e", false, HOUR).await;
}

#[tokio::test]
async fn takeover_is_for_the_same_principal_only() {
    let s = Server::start().await;
    let mut bob = s.v5("bob", "same").await;
    let mut alice = s.v5("alice", "same").await;
    let mut mounted = s.v5("alice@test/penguins", "same").await;
    bob.ping().await;
    let mut again = s.v5("bob", "same").await;
    assert_eq!(bob.closed().await[0][..3], [0xE0, bob_len(&again), 0x8E][..3]);
    again.ping().await;
    alice.ping().await;
    mounted.ping().await;
}

/// The length of the DISCONNECT that tells of a takeover.
fn bob_len(_: &Raw) -> u8 {
    // Reason, property length, reason string.
    2 + 3 + "another connection took the session over".len() as u8
}

#[tokio::test]
async fn a_storm_of_takeovers_leaves_one() {
    let s = Server::start().await;
    let (mut first, _) = s.v5_with("bob", "storm", false, HOUR).await;
    first.subscribe("s", 1).await;
    let mut all = vec![first];
    for _ in 0..10 {
        let mut batch = Vec::new();
        for _ in 0..5 {
            let mut c = s.raw().await;
            c.version = 5;
            c.send(&connect(5, "bob", "storm", false, HOUR)).await;
            batch.push(c);
        }
        all.append(&mut batch);
    }
    let last = loop {
        let mut c = s.raw().await;
        c.version = 5;
        c.send(&connect(5, "bob", "storm", false, HOUR)).await;
        let p = c.packet().await;
        if p[0] == 0x20 && p[3] == 0 {
            assert_eq!(p[2], 1);
            break c;
        }
    };
    let mut survivors = vec![last];
    for mut c in all {
        let mut seen = Vec::new();
        while let Ok(Some(p)) = tokio::time::timeout(Duration::from_millis(300), c.next()).await {
            seen.push(p);
        }
        if tokio::time::timeout(Duration::from_millis(50), c.next())
            .await
            .is_err()
        {
            survivors.push(c);
        }
    }
    assert_eq!(s.broker.connections(None).await.len(), 1);
    let mut p = s.v5("alice@test/penguins", "p").await;
    p.publish1("s", b"one", false).await;
    let mut got = 0;
    for c in &mut survivors {
        if let Ok(Some(p)) = tokio::time::timeout(Duration::from_secs(3), c.next()).await
            && p[0] >> 4 == 3
        {
            got += 1;
        }
    }
    assert_eq!(got, 1);
}

#[tokio::test]
async fn wills() {
    let s = Server::start().await;
    let mut w = s.v5("alice@test/penguins", "watch").await;
    w.subscribe("will/#", 1).await;
    let dying = async |id: &str, topic: &str, props: &[u8], delay: &[u8]| {
        let mut c = s.raw().await;
        c.version = 5;
        c.send(&connect_will(
            5,
            "bob",
            id,
            true,
            props,
            Some((topic, b"bye", 1, delay)),
        ))
        .await;
        assert_eq!(c.packet().await[3], 0);
        c
    };
    // A broken connection publishes; a proper end does not, unless it asks for it.
    dying("a", "will/broken", &[], &[]).await.break_off().await;
    assert_eq!(w.take().await.topic, "will/broken");
    dying("a", "will/never", &[], &[]).await.bye().await;
    let mut c = dying("a", "will/asked", &[], &[]).await;
    c.send(&[0xE0, 1, 4]).await;
    assert_eq!(w.take().await.topic, "will/asked");
    // A protocol error publishes.
    let mut c = dying("a", "will/error", &[], &[]).await;
    c.send(&connect(5, "bob", "a", true, &[])).await;
    assert_eq!(w.take().await.topic, "will/error");
    // Takeover publishes the old will.
    let old = dying("a", "will/old", &[], &[]).await;
    let new = dying("a", "will/new", &[], &[]).await;
    assert_eq!(w.take().await.topic, "will/old");
    drop(old);
    new.bye().await;
    // A delay waits, and no longer than the session.
    let delay = |s: u8| [0x18, 0, 0, 0, s];
    let started = std::time::Instant::now();
    dying("b", "will/late", HOUR, &delay(1)).await.break_off().await;
    assert_eq!(w.take().await.topic, "will/late");
    assert!(started.elapsed() >= Duration::from_millis(900));
    dying("c", "will/no-session", &[], &delay(200))
        .await
        .break_off()
        .await;
    assert_eq!(w.take().await.topic, "will/no-session");
    // Whoever comes back in time has not died; one that starts anew has.
    dying("d", "will/back", HOUR, &delay(200)).await.break_off().await;
    let (c, present) = s.v5_with("bob", "d", false, HOUR).await;
    assert!(present);
    c.bye().await;
    dying("e", "will/anew", HOUR, &delay(200)).await.break_off().await;
    s.v5_with("bob", "e", true, &[]).await;
    assert_eq!(w.take().await.topic, "will/anew");
    // Taken over while a delay would run, and resumed: no will.
    let old = dying("f", "will/resumed", HOUR, &delay(1)).await;
    let (_c, present) = s.v5_with("bob", "f", false, HOUR).await;
    assert!(present);
    drop(old);
    tokio::time::sleep(Duration::from_millis(1200)).await;
    w.ping().await;
}

#[tokio::test]
async fn wills_of_those_who_were_there_when_the_server_went_down() {
    let s = Server::start().await;
    let mut c = s.raw().await;
    c.send(&connect_will(
        5,
        "bob",
        "dying",
        false,
        HOUR,
        Some(("will/x", b"bye", 5, &[0x18, 0, 0, 0, 1])),
    ))
    .await;
    assert_eq!(c.packet().await[3], 0);
    let s = s.restart().await;
    let mut w = s.v5("alice@test/penguins", "watch").await;
    w.subscribe("will/#", 1).await;
    let g = w.take().await;
    assert_eq!((g.topic.as_str(), g.payload.as_slice()), ("will/x", &b"bye"[..]));
}

#[tokio::test]
async fn after_a_crash_all_that_was_acknowledged_is_there() {
    let s = Server::start().await;
    let (mut c, _) = s.v5_with("bob", "c", false, HOUR).await;
    c.subscribe("x/#", 2).await;
    let mut w = s.raw().await;
    let will = Some(("x/will", &b"bye"[..], 1, &[0x18, 0, 0, 0, 1][..]));
    w.send(&connect_will(5, "bob", "w", false, HOUR, will)).await;
    assert_eq!(w.packet().await[3], 0);
    let mut p = s.v5("alice@test/penguins", "p").await;
    for n in 0..50_u8 {
        p.publish1("x/1", &[n], false).await;
    }
    p.publish2("x/2", b"2", true).await;
    // The client has seen all of it and acknowledged nothing.
    let mut ids = Vec::new();
    for _ in 0..51 {
        ids.push(c.got().await.id);
    }
    let s = s.crash().await;
    let (mut c, present) = s.v5_with("bob", "c", false, HOUR).await;
    assert!(present);
    for n in 0..51_u8 {
        let g = c.take().await;
        if n < 50 {
            assert_eq!(g.payload, [n]);
        } else {
            assert_eq!((g.topic.as_str(), g.qos, g.dup, g.id), ("x/2", 2, true, ids[50]));
        }
    }
    let g = c.take().await;
    assert_eq!((g.topic.as_str(), g.payload.as_slice()), ("x/will", &b"bye"[..]));
    let mut r = s.v3("bob", "r").await;
    r.subscribe("#", 0).await;
    assert_eq!(r.got().await.topic, "x/2");
}

#[tokio::test]
async fn shutdown_says_so() {
    let s = Server::start().await;
    let (mut a, mut b) = (s.v5("bob", "a").await, s.v3("bob", "b").await);
    s.broker.shutdown().await;
    assert_eq!(a.closed().await[0][2], 0x8B);
    assert!(b.closed().await.is_empty());
    assert!(tokio::net::TcpStream::connect(s.addr()).await.is_err());
}

#[tokio::test(start_paused = false)]
async fn keep_alive() {
    let s = Server::start().await;
    let mut c = s.raw().await;
    let mut bytes = connect(5, "bob", "k", true, &[]);
    bytes[11] = 1; // one second
    c.send(&bytes).await;
    c.packet().await;
    let started = std::time::Instant::now();
    assert_eq!(c.closed().await[0][2], 0x8D);
    let took = started.elapsed();
    assert!(
        took > Duration::from_millis(1400) && took < Duration::from_secs(8),
        "{took:?}"
    );
    // A server with a longest keep-alive says so.
    let limits = waddle_core::Limits {
        mqtt_keep_alive_seconds: 7,
        ..Default::default()
    };
    let short = Server::with(limits, manual()).await;
    let mut c = short.raw().await;
    c.send(&connect(5, "bob", "k", true, &[])).await;
    assert!(c.packet().await.windows(3).any(|w| w == [0x13, 0, 7]));
    for (hi, lo) in [(0, 0), (0xFF, 0xFF)] {
        let mut c = s.raw().await;
        let mut bytes = connect(4, "bob", "k", true, &[]);
        (bytes[10], bytes[11]) = (hi, lo);
        c.send(&bytes).await;
        c.packet().await;
        c.quiet().await;
        c.ping().await;
    }
}
