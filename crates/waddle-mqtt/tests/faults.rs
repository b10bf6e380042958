//! Bad input and hard times: right error, bounded memory, others unharmed.

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

use std::{sync::Arc, time::Duration};

use support::*;
use waddle_core::{Limits, SystemClock};

/// What a client sends after CONNECT, and how a 3.1.1 and a 5.0 connection end: the reason code for 5.0.
type Row = (&'static str, &'static [u8], u8);

const BOTH: &[Row] = &[
    ("second CONNECT", b"\x10\x0C\0\x04MQTT\x04\x02\0\x3C\0\0", 0x82),
    ("CONNACK", b"\x20\x02\0\0", 0x82),
    ("SUBACK", b"\x90\x03\0\x01\0", 0x82),
    ("UNSUBACK", b"\xB0\x02\0\x01", 0x82),
    ("PINGRESP", b"\xD0\0", 0x82),
    ("packet type 0", b"\0\0", 0x82),
    ("packet type 0, before its length is complete", b"\x0A\xC0", 0x82),
    ("PUBLISH with a control character", b"\x30\x04\0\x01\x07\0", 0x81),
    ("PUBLISH with QoS 3", b"\x36\x05\0\x01a\0\x01", 0x81),
    ("PUBLISH with identifier 0", b"\x32\x05\0\x01a\0\0", 0x82),
    ("PUBLISH to +", b"\x30\x04\0\x01+\0", 0x90),
    ("PUBLISH to a/#", b"\x30\x06\0\x03a/#\0", 0x90),
    ("PUBLISH with NUL", b"\x30\x05\0\x02a\0\0", 0x81),
    ("PUBLISH with overlong UTF-8", b"\x30\x05\0\x02\xC0\xAF\0", 0x81),
    ("PUBLISH with a surrogate", b"\x30\x06\0\x03\xED\xA0\x80\0", 0x81),
    ("PUBLISH shorter than its topic", b"\x30\x03\0\x09a", 0x81),
    ("PUBACK with flags", b"\x42\x02\0\x01", 0x81),
    ("PUBREL without flags", b"\x60\x02\0\x01", 0x81),
    ("PUBACK of nothing", b"\x40\0", 0x81),
    ("PUBACK of identifier 0", b"\x40\x02\0\0", 0x82),
    ("SUBSCRIBE without flags", b"\x80\x07\0\x01\0\0\x01a\0", 0x81),
    ("SUBSCRIBE with identifier 0", b"\x82\x07\0\0\0\0\x01a\0", 0x82),
    ("SUBSCRIBE to nothing", b"\x82\x02\0\x01", 0x81),
    ("UNSUBSCRIBE without flags", b"\xA0\x06\0\x01\0\0\x01a", 0x81),
    ("UNSUBSCRIBE from nothing", b"\xA2\x02\0\x01", 0x81),
    ("PINGREQ with flags", b"\xC1\0", 0x81),
    ("PINGREQ with a body", b"\xC0\x01\0", 0x81),
    ("DISCONNECT with flags", b"\xE1\0", 0x81),
    ("a length of five bytes", b"\x30\x80\x80\x80\x80\x01", 0x81),
    ("256 MiB to come", b"\x30\xFF\xFF\xFF\x7F", 0x95),
];

const V5: &[Row] = &[
    ("SUBSCRIBE to an empty filter", b"\x82\x06\0\x01\0\0\0\0", 0x81),
    ("AUTH", b"\xF0\x02\x18\0", 0x82),
    ("neither topic nor alias", b"\x30\x03\0\0\0", 0x82),
    (
        "an identifier of a subscription",
        b"\x30\x06\0\x01a\x02\x0B\x01",
        0x82,
    ),
    ("an unknown property", b"\x30\x06\0\x01a\x02\x7E\x01", 0x81),
    ("a property twice", b"\x30\x08\0\x01a\x04\x01\0\x01\0", 0x82),
    ("a property length that lies", b"\x30\x05\0\x01a\x7F\0", 0x81),
    ("an unknown reason", b"\x40\x03\0\x01\x42", 0x82),
    (
        "subscription identifier 0",
        b"\x82\x09\0\x01\x02\x0B\0\0\x01a\0",
        0x82,
    ),
    ("retain handling 3", b"\x82\x07\0\x01\0\0\x01a\x30", 0x81),
    ("DISCONNECT with an unknown reason", b"\xE0\x01\x42", 0x81),
];

#[tokio::test]
async fn malformed_packets_end_their_connection_and_no_other() {
    let s = Server::start().await;
    let mut other = s.v5("alice@test/penguins", "other").await;
    other.subscribe("alive", 1).await;
    for (name, bytes, reason) in BOTH.iter().chain(V5) {
        let mut c = s.v5("bob", "c").await;
        c.send(bytes).await;
        let seen = c.closed().await;
        assert_eq!(
            (seen.len(), seen[0][0], seen[0][2]),
            (1, 0xE0, *reason),
            "{name}: {seen:?}"
        );
    }
    for (name, bytes, _) in BOTH {
        let mut c = s.v3("bob", "c").await;
        c.send(bytes).await;
        assert!(c.closed().await.is_empty(), "{name}");
    }
    // QoS 3 requested, and 5.0's options, are malformed in 3.1.1.
    for options in [3, 4, 0x10] {
        let mut c = s.v3("bob", "c").await;
        c.send(&[0x82, 6, 0, 1, 0, 1, b'a', options]).await;
        assert!(c.closed().await.is_empty(), "{options}");
    }
    other.publish1("alive", b"", false).await;
    assert_eq!(other.take().await.topic, "alive");
}

#[tokio::test]
async fn acknowledgements_must_fit_their_message() {
    let s = Server::start().await;
    for (qos, first) in [(1, 0x50), (1, 0x70), (2, 0x40), (2, 0x70)] {
        let mut c = s.v5("bob", "c").await;
        c.subscribe("fit", qos).await;
        s.v5("bob", "p").await.publish2("fit", b"", false).await;
        let id = c.got().await.id;
        c.send(&ack(first, id)).await;
        assert_eq!(c.closed().await[0][2], 0x82, "{qos} {first:x}");
    }
    // A client whose packets are too small for any answer.
    let mut c = s.raw().await;
    c.send(&connect(5, "bob", "tiny", true, &[0x27, 0, 0, 0, 2]))
        .await;
    assert!(c.closed().await.is_empty());
}

#[tokio::test]
async fn what_is_no_connect_is_cut_off_at_once() {
    let s = Server::start().await;
    let first: &[&[u8]] = &[
        b"\x30\x04\0\x01a\0",
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01\x02\0\x01",
        b"\xC0\0",
        b"\x10\xFF\xFF\xFF\x7F",
        b"\x10\x80\x80\x80\x80\x01",
        b"\x10\x0C\0\x04MQTX\x04\x02\0\x3C\0\0",
        b"\x11\x0C\0\x04MQTT\x04\x02\0\x3C\0\0",
        b"\x10\x0C\0\x04MQTT\x04\x03\0\x3C\0\0",
        b"\x10\x02\0\x04",
    ];
    for bytes in first {
        let mut c = s.raw().await;
        c.send(bytes).await;
        assert!(c.closed().await.is_empty(), "{bytes:?}");
    }
}

#[tokio::test]
async fn a_slow_connect_is_cut_off() {
    let limits = Limits {
        mqtt_login_seconds: 1,
        ..Default::default()
    };
    let s = Server::with(limits, Arc::new(SystemClock)).await;
    let mut c = s.raw().await;
    c.send(b"\x10\x7F\0\x04MQTT").await;
    let started = std::time::Instant::now();
    assert!(c.closed().await.is_empty());
    assert!(started.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn packets_may_come_in_any_pieces() {
    let s = Server::start().await;
    let mut sub = s.v5("bob", "sub").await;
    sub.subscribe("p", 1).await;
    let mut c = s.raw().await;
    let mut bytes = connect(4, "bob", "pieces", true, &[]);
    bytes.extend(c.publish_bytes("p", &[7; 300], 2, 1, &[]));
    bytes.extend(c.publish_bytes("p", b"2", 2, 2, &[]));
    for b in &bytes {
        c.send(&[*b]).await;
        tokio::task::yield_now().await;
    }
    assert_eq!(c.packet().await, [0x20, 2, 0, 0]);
    assert_eq!((c.packet().await, c.packet().await), (ack(0x40, 1), ack(0x40, 2)));
    assert_eq!(
        (sub.take().await.payload.len(), sub.take().await.payload.len()),
        (300, 1)
    );
}

#[tokio::test]
async fn a_stalled_reader_costs_only_itself() {
    let limits = Limits {
        mqtt_queue_bytes: 1 << 20,
        ..Default::default()
    };
    let s = Server::with(limits, Arc::new(SystemClock)).await;
    let mut stalled = s.v3("bob", "stalled").await;
    stalled.subscribe("flood", 0).await;
    let (mut stalled1, _) = s.v5_with("bob", "stalled1", true, &[0x21, 0, 1]).await;
    stalled1.subscribe("flood", 1).await;
    let mut well = s.v5("bob", "well").await;
    well.subscribe("calm", 1).await;
    let mut p = s.v3("bob", "p").await;
    let payload = vec![b'x'; 32 * 1024];
    let before = memory();
    for n in 0..2_000_u16 {
        p.publish("flood", &payload, 2, n % 200 + 1).await;
        assert_eq!(p.packet().await[0], 0x40);
        if n % 500 == 0 {
            let started = std::time::Instant::now();
            p.publish1("calm", b"", false).await;
            well.take().await;
            assert!(started.elapsed() < ENDED);
        }
    }
    let grown = memory().saturating_sub(before);
    assert!(
        grown < 40 << 20,
        "64 MB were sent to two who do not read; memory grew by {grown}"
    );
    assert!(s.broker.figures().await.messages_dropped > 1_000);
    // It reads what was kept for it, in order, and is served again.
    let mut kept = 0;
    while let Ok(g) = tokio::time::timeout(QUIET, stalled.got()).await {
        assert_eq!(g.payload.len(), payload.len());
        kept += 1;
    }
    assert!(kept >= 20, "{kept}");
    p.publish1("flood", b"again", false).await;
    assert_eq!(stalled.got().await.payload, b"again");
}

fn memory() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: usize = statm.split(' ').nth(1).unwrap().parse().unwrap();
    pages * 4096
}

#[tokio::test]
async fn a_stalled_kept_session_loses_nothing() {
    let limits = Limits {
        mqtt_queue_bytes: 4 << 20,
        mqtt_queue_messages: 500,
        ..Default::default()
    };
    let s = Server::with(limits, Arc::new(SystemClock)).await;
    let (mut c, _) = s
        .v5_with("bob", "c", false, &[0x11, 0, 0, 0x0E, 0x10, 0x21, 0, 2])
        .await;
    c.subscribe("k", 1).await;
    let mut p = s.v5("bob", "p").await;
    for n in 0..400_u16 {
        p.publish1("k", &n.to_be_bytes(), false).await;
    }
    for n in 0..400_u16 {
        assert_eq!(c.take().await.payload, n.to_be_bytes());
    }
    c.ping().await;
    // Over its quota new ones are dropped and counted; those kept stay in order.
    c.break_off().await;
    for n in 0..600_u16 {
        p.publish1("k", &n.to_be_bytes(), false).await;
    }
    let (mut c, present) = s.v5_with("bob", "c", false, &[0x11, 0, 0, 0x0E, 0x10]).await;
    assert!(present);
    for n in 0..500_u16 {
        assert_eq!(c.take().await.payload, n.to_be_bytes());
    }
    c.ping().await;
    p.publish1("k", b"after", false).await;
    assert_eq!(c.take().await.payload, b"after");
}

#[tokio::test]
async fn bounds_on_subscriptions_and_retained_messages() {
    let limits = Limits {
        mqtt_subscriptions: 3,
        mqtt_retained: 2,
        mqtt_topic_levels: 4,
        ..Default::default()
    };
    let s = Server::with(limits, Arc::new(SystemClock)).await;
    let mut c = s.v5("bob", "c").await;
    for f in ["a", "b", "c"] {
        assert_eq!(c.subscribe(f, 0).await, 0);
    }
    assert_eq!(c.subscribe("d", 0).await, 0x97);
    assert_eq!(c.subscribe("c", 1).await, 1, "changing one is not one more");
    c.unsubscribe("a").await;
    assert_eq!(c.subscribe("d", 0).await, 0);
    let mut p = s.v5("bob", "p").await;
    for (t, reason) in [
        ("r/1", 0),
        ("r/2", 0),
        ("r/3", 0x97),
        ("r/1", 0),
        ("1/2/3/4/5", 0x90),
    ] {
        assert_eq!(p.publish1(t, b"x", true).await, reason, "{t}");
    }
    p.publish1("r/1", b"", true).await;
    assert_eq!(p.publish1("r/3", b"x", true).await, 0);
    // Ten thousand user properties.
    let many = b"\x26\0\0\0\0".repeat(10_000);
    let mut b = Vec::new();
    field(&mut b, b"t");
    b.extend_from_slice(&[0xD0, 0x86, 0x03]);
    b.extend_from_slice(&many);
    p.send(&packet(0x30, &b)).await;
    assert_eq!(p.closed().await[0][2], 0x97);
}

#[tokio::test]
async fn twenty_thousand_filters_that_came_and_went() {
    let limits = Limits {
        mqtt_subscriptions: 100_000,
        mqtt_packet_bytes: 4 << 20,
        ..Default::default()
    };
    let s = Server::with(limits, Arc::new(SystemClock)).await;
    let mut c = s.v3("bob", "c").await;
    let batch = |first: u8, from: usize, options: bool| {
        let mut b = vec![0, 1];
        for n in from..from + 1_000 {
            field(&mut b, format!("came/{n}/and/went/#").as_bytes());
            if options {
                b.push(0);
            }
        }
        packet(first, &b)
    };
    let mut round = async || {
        for from in (0..20_000).step_by(1_000) {
            c.send(&batch(0x82, from, true)).await;
            assert_eq!(c.packet().await.len(), 1_000 + 5);
        }
        for from in (0..20_000).step_by(1_000) {
            c.send(&batch(0xA2, from, false)).await;
            assert_eq!(c.packet().await[0], 0xB0);
        }
    };
    round().await;
    let before = memory();
    for _ in 0..3 {
        round().await;
    }
    let grown = memory().saturating_sub(before);
    assert!(grown < 8 << 20, "three rounds more grew memory by {grown}");
    assert_eq!(s.broker.figures().await.subscriptions, 0);
}

#[tokio::test]
async fn thousands_of_retained_messages_reach_one_wildcard() {
    let s = Server::start().await;
    let mut p = s.v3("bob", "p").await;
    const N: usize = 20_000;
    let mut at = 0;
    while at < N {
        let mut burst = Vec::new();
        for n in at..at + 1_000 {
            burst.extend(p.publish_bytes(&format!("d/{n:05}/config"), b"{}", 1, 0, &[]));
        }
        p.send(&burst).await;
        at += 1_000;
    }
    p.ping().await;
    let mut c = s.v3("bob", "c").await;
    c.subscribe("#", 0).await;
    for n in 0..N {
        let g = c.got().await;
        assert_eq!((g.topic, g.retain), (format!("d/{n:05}/config"), true));
    }
    c.ping().await;
}

#[tokio::test]
async fn acknowledgements_never_sent_hold_one_window() {
    let s = Server::start().await;
    let mut c = s.v3("bob", "c").await;
    c.subscribe("w", 1).await;
    let mut p = s.v3("bob", "p").await;
    for n in 0..1_000_u16 {
        p.publish("w", b"x", 2, n + 1).await;
    }
    for _ in 0..1_000 {
        p.packet().await;
    }
    for _ in 0..256 {
        assert_eq!(c.got().await.qos, 1);
    }
    c.ping().await;
}

#[tokio::test]
async fn what_cannot_be_stored_is_not_acknowledged() {
    let s = Server::start().await;
    let hour = &[0x11, 0, 0, 0x0E, 0x10];
    let (mut kept, _) = s.v5_with("bob", "kept", false, hour).await;
    kept.subscribe("kept", 1).await;
    let mut live = s.v5("bob", "live").await;
    live.subscribe("live", 1).await;
    let mut publishers = Vec::new();
    for n in 0..4 {
        publishers.push(s.v5("bob", &format!("p{n}")).await);
    }
    s.storage.close().await;
    for (p, (topic, flags)) in publishers
        .iter_mut()
        .zip([("kept", 2), ("kept", 4), ("live", 3), ("live", 5)])
    {
        p.publish(topic, b"x", flags, 1).await;
        let seen = p.closed().await;
        assert_eq!(
            (seen.len(), seen[0][0], seen[0][2]),
            (1, 0xE0, 0x83),
            "{topic} {flags}"
        );
    }
    // What needs no disk goes on.
    assert_eq!(live.take().await.payload, b"x");
    assert_eq!(live.take().await.payload, b"x");
    let mut p = s.v5("bob", "p").await;
    p.publish1("live", b"y", false).await;
    assert_eq!(live.take().await.payload, b"y");
    kept.ping().await;
}

#[tokio::test]
async fn too_many_connections_of_one_address() {
    let limits = Limits {
        connections: 3,
        ..Default::default()
    };
    let s = Server::with(limits, Arc::new(SystemClock)).await;
    let mut held = Vec::new();
    for n in 0..3 {
        held.push(s.v3("bob", &n.to_string()).await);
    }
    let mut c = s.raw().await;
    assert!(c.closed().await.is_empty());
    held.pop().unwrap().bye().await;
    until("a place is free", async || {
        let mut c = s.raw().await;
        c.send(&connect(4, "bob", "new", true, &[])).await;
        c.next().await.is_some()
    })
    .await;
}
