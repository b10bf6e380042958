//! What the standards ask of a broker, message by message (MQTT 3.1.1, MQTT 5.0).

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

use support::*;

#[tokio::test]
async fn every_quality_of_service_to_every_other() {
    let s = Server::start().await;
    for (pub_v5, sub_v5) in [(false, false), (false, true), (true, false), (true, true)] {
        for granted in 0..3_u8 {
            let id = format!("s{pub_v5}{sub_v5}{granted}");
            let mut sub = if sub_v5 {
                s.v5("bob", &id).await
            } else {
                s.v3("bob", &id).await
            };
            assert_eq!(sub.subscribe("a/+", granted).await, granted);
            let mut publisher = if pub_v5 {
                s.v5("alice@test/penguins", "p").await
            } else {
                s.v3("alice@test/penguins", "p").await
            };
            publisher.publish("a/b", b"0", 0, 0).await;
            publisher.publish1("a/b", b"1", false).await;
            publisher.publish2("a/b", b"2", false).await;
            publisher.ping().await;
            let mut seen = Vec::new();
            for _ in 0..3 {
                let g = sub.take().await;
                assert_eq!((g.topic.as_str(), g.retain, g.dup), ("a/b", false, false));
                seen.push((g.payload[0] - b'0', g.qos));
            }
            seen.sort_unstable();
            assert_eq!(seen, [0, 1, 2].map(|q| (q, q.min(granted))));
            sub.ping().await;
        }
    }
}

#[tokio::test]
async fn versions_levels_and_bridges_on_one_port() {
    let s = Server::start().await;
    for level in [3, 4, 0x83, 0x84] {
        let mut c = s.raw().await;
        c.send(&connect(level, "bob", "c", true, &[])).await;
        assert_eq!(c.packet().await, [0x20, 2, 0, 0], "{level}");
        assert_eq!(c.subscribe("x", 0).await, 0);
        c.publish("x", b"own", 0, 0).await;
        if level & 0x80 == 0 {
            assert_eq!(c.got().await.payload, b"own");
        }
        c.ping().await;
    }
    let mut c = s.raw().await;
    c.send(&connect(6, "bob", "c", true, &[])).await;
    assert_eq!(c.closed().await, [vec![0x20, 2, 0, 1]]);
    // A bridge sees retain flags as published.
    let mut bridge = s.raw().await;
    bridge.send(&connect(0x84, "bob", "bridge", true, &[])).await;
    bridge.packet().await;
    bridge.subscribe("r", 0).await;
    let mut p = s.v3("bob", "p").await;
    p.publish("r", b"1", 1, 0).await;
    assert!(bridge.got().await.retain);
}

#[tokio::test]
async fn logins_are_answered_with_the_right_code() {
    let s = Server::start().await;
    let wrong = |level: u8, user: Option<&str>, password: Option<&str>, id: &str, clean: bool| {
        let mut b = Vec::new();
        field(&mut b, b"MQTT");
        let flags = u8::from(clean) << 1
            | if user.is_some() { 0x80 } else { 0 }
            | if password.is_some() { 0x40 } else { 0 };
        b.extend_from_slice(&[level, flags, 0, 60]);
        if level == 5 {
            b.push(0);
        }
        field(&mut b, id.as_bytes());
        for f in [user, password].into_iter().flatten() {
            field(&mut b, f.as_bytes());
        }
        packet(0x10, &b)
    };
    type Row<'a> = (Option<&'a str>, Option<&'a str>, &'a str, bool, u8, u8);
    let rows: &[Row<'_>] = &[
        (Some("bob"), Some("nope"), "c", true, 4, 0x86),
        (Some("bob"), None, "c", true, 4, 0x86),
        (None, None, "c", true, 5, 0x87),
        (Some("bob@test/seals"), Some("bob-pw"), "c", true, 5, 0x87),
        (Some("bob@test/none"), Some("bob-pw"), "c", true, 5, 0x87),
        (Some("bob"), Some("bob-pw"), "", false, 2, 0),
        (Some("bob+#/"), Some("x"), "c", true, 4, 0x86),
    ];
    for (user, password, id, clean, v3, v5) in rows {
        let mut c = s.raw().await;
        c.send(&wrong(4, *user, *password, id, *clean)).await;
        assert_eq!(c.closed().await, [vec![0x20, 2, 0, *v3]], "{user:?}");
        let mut c = s.raw().await;
        c.send(&wrong(5, *user, *password, id, *clean)).await;
        let p = c.packet().await;
        assert_eq!((p[0], p[3]), (0x20, *v5), "{user:?}");
    }
    // A client identifier may hold anything; an empty one is replaced and told.
    for id in ["a+b/#", "ä☃", "$x"] {
        s.v3("bob", id).await.ping().await;
    }
    let mut c = s.raw().await;
    c.send(&connect(5, "bob", "", true, &[])).await;
    let p = c.packet().await;
    assert!(p[3] == 0 && p.windows(7).any(|w| w == b"waddle-"), "{p:?}");
}

#[tokio::test]
async fn retained_messages() {
    let s = Server::start().await;
    let mut p = s.v5("bob", "p").await;
    for t in ["r/a", "r/b", "r/c/d"] {
        p.publish1(t, t.as_bytes(), true).await;
    }
    p.publish1("r/b", b"", false).await; // Empty but not retained: clears nothing.
    let all = |got: Vec<Got>| got.into_iter().map(|g| g.topic).collect::<Vec<_>>();
    for version in [4, 5] {
        let mut c = if version == 5 {
            s.v5("bob", "c").await
        } else {
            s.v3("bob", "c").await
        };
        c.subscribe("r/#", 1).await;
        let mut got = Vec::new();
        for _ in 0..3 {
            let g = c.take().await;
            assert!(g.retain && g.qos == 1 && g.payload == g.topic.as_bytes());
            got.push(g);
        }
        assert_eq!(all(got), ["r/a", "r/b", "r/c/d"]);
        // Again on subscribing again.
        c.subscribe("r/+", 0).await;
        assert_eq!([c.got().await.topic, c.got().await.topic], ["r/a", "r/b"]);
        if version == 5 {
            c.subscribe("r/a", 0x10).await; // New: sent.
            assert!(c.got().await.retain);
            c.subscribe("r/a", 0x10).await; // Not new: not sent.
            c.subscribe("r/b", 0x20).await; // Never.
            c.ping().await;
            // Retain as published.
            c.subscribe("r/x", 0x08).await;
            p.publish1("r/x", b"x", true).await;
            let mut flags = vec![c.take().await.retain];
            c.ping().await;
            flags.sort_unstable();
            assert_eq!(flags, [true]);
            p.publish1("r/x", b"", true).await;
            assert_eq!(c.take().await.payload, b"");
        }
    }
    p.publish1("r/b", b"", true).await;
    let mut c = s.v5("bob", "c").await;
    c.subscribe("r/#", 0).await;
    assert_eq!([c.got().await.topic, c.got().await.topic], ["r/a", "r/c/d"]);
    c.ping().await;
}

#[tokio::test]
async fn overlapping_filters_give_one_copy_with_all_identifiers() {
    let s = Server::start().await;
    let mut c = s.v5("bob", "c").await;
    c.subscribe_with("o/#", 0, &[0x0B, 3]).await;
    c.subscribe_with("o/+", 2, &[0x0B, 5]).await;
    c.subscribe("p", 0).await;
    let mut p = s.v5("bob", "p").await;
    p.publish2("o/x", b"1", false).await;
    let g = c.take().await;
    assert_eq!((g.qos, g.props.as_slice()), (2, &[0x0B, 3, 0x0B, 5][..]));
    p.publish1("o/x/y", b"2", false).await;
    let g = c.take().await;
    assert_eq!((g.qos, g.props.as_slice()), (0, &[0x0B, 3][..]));
    c.ping().await;
}

#[tokio::test]
async fn no_local_and_dollar_topics() {
    let s = Server::start().await;
    let mut c = s.v5("bob", "c").await;
    c.subscribe("n", 4).await;
    c.subscribe("#", 0).await;
    c.unsubscribe("#").await;
    c.publish("n", b"own", 0, 0).await;
    let mut p = s.v5("bob", "p").await;
    p.publish("n", b"other", 0, 0).await;
    assert_eq!(c.got().await.payload, b"other");
    assert_eq!(c.subscribe("$SYS/#", 0).await, 0x87);
    assert_eq!(c.publish1("$SYS/x", b"", false).await, 0x87);
    assert_eq!(c.publish1("$other", b"", false).await, 0x87);
    // An operator sees figures.
    let mut root = s.v5("root", "r").await;
    assert_eq!(root.subscribe("$SYS/#", 0).await, 0);
    assert!(root.got().await.topic.starts_with("$SYS/broker/"));
}

#[tokio::test]
async fn unsubscribing_answers_once_with_a_code_per_filter() {
    let s = Server::start().await;
    let mut c = s.v5("bob", "c").await;
    c.subscribe("a", 0).await;
    let mut b = vec![0, 9, 0];
    for f in ["a", "b", "a/#/b"] {
        field(&mut b, f.as_bytes());
    }
    c.send(&packet(0xA2, &b)).await;
    assert_eq!(c.packet().await, [0xB0, 6, 0, 9, 0, 0, 0x11, 0x8F]);
    let mut c = s.v3("bob", "c3").await;
    assert_eq!(c.unsubscribe("x").await, [0xB0, 2, 0, 1]);
    // Filters that are none.
    for bad in ["a/#/b", "a+", "$share//x", "$share/g"] {
        let mut c = s.v3("bob", "c4").await;
        assert_eq!(c.subscribe(bad, 0).await, 0x80, "{bad}");
    }
    let mut c = s.v5("bob", "c5").await;
    assert_eq!(c.subscribe("a/#/b", 0).await, 0x8F);
    assert_eq!(c.subscribe(&"a/".repeat(1000), 0).await, 0x8F);
    assert_eq!(c.publish1(&"a/".repeat(1000), b"", false).await, 0x90);
}

#[tokio::test]
async fn topic_aliases_in_both_directions() {
    let s = Server::start().await;
    // Two aliases for us, of which the third topic gets none.
    let (mut c, _) = s.v5_with("bob", "c", true, &[0x22, 0, 2]).await;
    c.subscribe("al/#", 0).await;
    let mut p = s.v5("bob", "p").await;
    p.publish_with("al/1", b"1", 0, 0, &[0x23, 0, 1]).await;
    p.publish_with("", b"2", 0, 0, &[0x23, 0, 1]).await;
    p.publish_with("al/2", b"3", 0, 0, &[0x23, 0, 1]).await;
    p.publish_with("", b"4", 0, 0, &[0x23, 0, 1]).await;
    p.publish("al/3", b"5", 0, 0).await;
    let mut got = Vec::new();
    for _ in 0..5 {
        let g = c.got().await;
        got.push((g.topic, g.payload[0] - b'0', g.props));
    }
    let want = [
        ("al/1", 1, vec![0x23, 0, 1]),
        ("", 2, vec![0x23, 0, 1]),
        ("al/2", 3, vec![0x23, 0, 2]),
        ("", 4, vec![0x23, 0, 2]),
        ("al/3", 5, vec![]),
    ];
    assert_eq!(got, want.map(|(t, n, p)| (t.to_owned(), n, p)));
    // Out of range, zero, unknown.
    for (alias, topic, reason) in [(0, "x", 0x94), (65, "x", 0x94), (9, "", 0x82)] {
        let mut p = s.v5("bob", "q").await;
        p.publish_with(topic, b"", 0, 0, &[0x23, 0, alias]).await;
        assert_eq!(p.closed().await[0][2], reason);
    }
}

#[tokio::test]
async fn properties_go_on_and_expiry_counts_down() {
    let clock = manual();
    let s = Server::with(waddle_core::Limits::default(), clock.clone()).await;
    let mut c = s.v5("bob", "c").await;
    c.subscribe("x", 0).await;
    let mut p = s.v5("bob", "p").await;
    // format 1, content type t, response topic re, correlation c, user k=v twice
    let mut props =
        b"\x01\x01\x03\0\x01t\x08\0\x02re\x09\0\x01c\x26\0\x01k\0\x01v\x26\0\x01k\0\x01w".to_vec();
    p.publish_with("x", b"", 0, 0, &props).await;
    let mut got = c.got().await.props;
    got.sort_unstable();
    props.sort_unstable();
    assert_eq!(got, props);
    // A retained message of 10 seconds, seen after 4 and after 10.
    p.publish_with("r", b"x", 3, 7, &[2, 0, 0, 0, 10]).await;
    p.packet().await;
    clock.advance(std::time::Duration::from_secs(4));
    c.subscribe("r", 0).await;
    assert_eq!(c.got().await.props, [2, 0, 0, 0, 6]);
    clock.advance(std::time::Duration::from_secs(6));
    c.subscribe("r", 0).await;
    c.ping().await;
}

#[tokio::test]
async fn receive_maximum_and_packet_size_of_the_client() {
    let s = Server::start().await;
    // Receive maximum 2, packets of at most 100 bytes.
    let (mut c, _) = s
        .v5_with("bob", "c", true, &[0x21, 0, 2, 0x27, 0, 0, 0, 100])
        .await;
    c.subscribe("f", 2).await;
    let mut p = s.v5("bob", "p").await;
    p.publish1("f", &[b'x'; 200], false).await; // Too large: never sent.
    for n in 0..5 {
        p.publish1("f", &[n], false).await;
    }
    let (a, b) = (c.got().await, c.got().await);
    assert_eq!((a.payload[0], b.payload[0]), (0, 1));
    c.ping().await; // Nothing more until an acknowledgement.
    c.send(&ack(0x40, a.id)).await;
    let third = c.got().await;
    assert_eq!(third.payload[0], 2);
    // QoS 0 passes the window.
    p.publish("f", b"now", 0, 0).await;
    assert_eq!(c.got().await.payload, b"now");
    c.send(&ack(0x40, b.id)).await;
    c.send(&ack(0x40, third.id)).await;
    assert_eq!((c.take().await.payload[0], c.take().await.payload[0]), (3, 4));
    // An acknowledgement of what was never sent changes nothing.
    for first in [0x40, 0x50, 0x70] {
        c.send(&ack(first, 999)).await;
    }
    let rel = c.packet().await;
    assert_eq!(rel, [0x62, 3, 3, 0xE7, 0x92]);
    c.ping().await;
}

#[tokio::test]
async fn our_receive_maximum_is_enforced() {
    let limits = waddle_core::Limits {
        mqtt_inflight: 3,
        ..Default::default()
    };
    let s = Server::with(limits, manual()).await;
    let mut p = s.v5("bob", "p").await;
    for id in 1..=3 {
        p.publish("x", b"", 4, id).await;
        assert_eq!(p.packet().await[0], 0x50);
    }
    p.publish("x", b"", 4, 4).await;
    assert_eq!(p.closed().await[0][2], 0x93);
}

#[tokio::test]
async fn shared_subscriptions_share_by_group_and_filter() {
    let s = Server::start().await;
    let (mut a, mut b) = (s.v5("bob", "a").await, s.v3("bob", "b").await);
    for c in [&mut a, &mut b] {
        assert_eq!(c.subscribe("$share/g/w/#", 1).await, 1);
    }
    let mut other = s.v5("bob", "o").await;
    other.subscribe("$share/h/w/#", 0).await;
    let mut p = s.v5("bob", "p").await;
    let burst: Vec<u8> = (0..10)
        .flat_map(|n| p.publish_bytes("w/x", &[n], 2, u16::from(n) + 1, &[]))
        .collect();
    p.send(&burst).await;
    for _ in 0..10 {
        p.packet().await;
    }
    let mut seen = Vec::new();
    for _ in 0..5 {
        seen.push(a.take().await.payload[0]);
        seen.push(b.take().await.payload[0]);
    }
    seen.sort_unstable();
    assert_eq!(seen, (0..10).collect::<Vec<_>>());
    for n in 0..10 {
        assert_eq!(other.got().await.payload, [n]);
    }
    // Who leaves gets nothing; retained messages are not sent to shares; no-local is an error.
    b.bye().await;
    a.ping().await;
    p.publish1("w/r", b"r", true).await;
    assert_eq!(a.take().await.payload, b"r");
    a.subscribe("$share/new/w/r", 0).await;
    a.ping().await;
    let mut b = vec![0, 1, 0];
    field(&mut b, b"$share/g/x");
    b.push(4);
    a.send(&packet(0x82, &b)).await;
    assert_eq!(a.closed().await[0][2], 0x82);
}

#[tokio::test]
async fn filters_and_topics_of_every_script() {
    let s = Server::start().await;
    let mut c = s.v3("bob", "c").await;
    let topics = ["é/☃", "/", "//", "a//b", " ", "日本/語", "a b/c"];
    for t in topics {
        c.subscribe(t, 0).await;
    }
    for t in topics {
        c.publish(t, t.as_bytes(), 0, 0).await;
        let g = c.got().await;
        assert_eq!((g.topic.as_str(), g.payload.as_slice()), (t, t.as_bytes()));
    }
    let long = "x".repeat(65_535);
    c.subscribe(&long, 0).await;
    c.publish(&long, b"1", 0, 0).await;
    assert_eq!(c.got().await.topic, long);
}
