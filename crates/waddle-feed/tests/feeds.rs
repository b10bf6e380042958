//! From an accepted publish to a message in a channel, over real broker, rooms, community and storage.

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod world;

use std::sync::atomic::Ordering;

use waddle_community::{Actor, Error, FeedMode};
use waddle_core::{Limits, UserId, limits::Rate};
use world::{World, wait_for};

#[tokio::test]
async fn a_reading_appears_in_the_channel() {
    let mut w = World::new(Limits::default()).await;
    assert!(w.wants("home/sensors/x"), "nothing is known yet");
    w.publish("home/sensors/early", "1");
    wait_for(|| !w.wants("home/sensors/x")).await;
    let binding = w.bind("home/sensors/#").await;
    wait_for(|| w.wants("home/sensors/x")).await;
    w.publish("home/other/x", "1");
    w.publish(
        "home/sensors/temperature/kitchen",
        r#"{"value": 21.5, "unit": "\u00b0C"}"#,
    );
    assert_eq!(
        w.said().await,
        ("sensors (feed)".to_owned(), "kitchen: 21.5 °C".to_owned())
    );
    assert!(
        !w.wants("home/other/x") && w.wants("home/sensors/x"),
        "now it is known"
    );
    w.publish_bytes("home/sensors/door", b"\xff\xff");
    assert_eq!(w.body().await, "door: unreadable (not a text)");
    w.publish("home/sensors/door", "<&>\u{fffe}");
    assert_eq!(w.body().await, "door: <&>");
    w.community
        .unbind_feed(Actor::System, w.waddle, binding.id)
        .await
        .unwrap();
    wait_for(|| !w.wants("home/sensors/x")).await;
    assert_eq!(w.feeds.figures().dropped, 0);
    assert!(!w.wants(&"x".repeat(2_000)));
}

#[tokio::test]
async fn the_first_message_of_a_waddle_is_not_lost() {
    let mut w = World::new(Limits::default()).await;
    w.bind("t/#").await;
    for n in 0..5 {
        w.publish(&format!("t/{n}"), "on");
    }
    for n in 0..5 {
        assert_eq!(w.body().await, format!("{n}: on"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn through_the_broker_and_never_twice() {
    let mut w = World::new(Limits::default()).await;
    w.bind("home/#").await;
    let broker = w.broker().await;
    for (qos, payload) in [(0, "1.50"), (1, "ON"), (2, r#"{"state":"open"}"#)] {
        broker
            .publish(w.message("home/door", payload, qos))
            .await
            .unwrap();
    }
    for shown in ["door: 1.50", "door: ON", "door: open"] {
        assert_eq!(w.body().await, shown);
    }
    broker.shutdown().await;
    // Restored and kept, the retained message is no new one; taking it away is none either.
    let broker = w.broker().await;
    assert_eq!(
        broker
            .retained(w.waddle, &"#".parse().unwrap(), None, 9)
            .await
            .unwrap()
            .len(),
        1
    );
    broker.publish(w.message("home/door", "", 1)).await.unwrap();
    broker.publish(w.message("home/door", "closed", 1)).await.unwrap();
    assert_eq!(w.body().await, "door: closed");
    broker.shutdown().await;
}

#[tokio::test]
async fn a_burst_becomes_one_line() {
    let mut w = World::new(Limits {
        feed_rate: Rate { count: 3, seconds: 3 },
        ..Limits::default()
    })
    .await;
    w.bind("t/#").await;
    for n in 0..50 {
        w.publish("t/x", &format!(r#"{{"value": {}.0, "unit": "W"}}"#, 100 + n));
    }
    for n in 0..3 {
        assert_eq!(w.body().await, format!("x: {}.0 W", 100 + n));
    }
    assert_eq!(w.body().await, "x: 47 changes, 103.0–149.0 W");
}

#[tokio::test]
async fn what_waits_is_posted_at_the_end() {
    let mut w = World::new(Limits {
        feed_rate: Rate {
            count: 1,
            seconds: 600,
        },
        ..Limits::default()
    })
    .await;
    w.bind("t").await;
    for payload in ["1", "2", "3"] {
        w.publish("t", payload);
    }
    assert_eq!(w.body().await, "t: 1");
    w.feeds.shutdown().await;
    assert_eq!(w.body().await, "t: 2 changes, 2–3");
    assert!(!w.wants("t"));
    assert_eq!(w.feeds.figures().waddles, 0);
    w.rooms.shutdown().await;
}

#[tokio::test]
async fn only_what_works_can_be_bound() {
    let w = World::new(Limits::default()).await;
    for mode in [FeedMode::Card, FeedMode::Digest] {
        let new = w.new_binding("t/#", mode).await;
        let refused = w.community.bind_feed(Actor::System, w.waddle, new).await;
        let e = refused.unwrap_err();
        assert!(matches!(e, Error::Invalid { field: "mode", .. }), "{e}");
        assert!(e.to_string().contains("message is the one that works"), "{e}");
    }
    let (stranger, new) = (
        UserId::local("tybalt"),
        w.new_binding("t/#", FeedMode::Message).await,
    );
    let refused = w.community.bind_feed(&stranger, w.waddle, new).await;
    assert_eq!(refused.unwrap_err(), Error::Forbidden);
}

#[tokio::test]
async fn readings_that_come_too_fast_are_dropped_not_kept() {
    let w = World::new(Limits {
        feed_queue: 4,
        ..Limits::default()
    })
    .await;
    w.bind("t/#").await;
    // The actor has no chance to run in between: this test has one thread.
    for _ in 0..100 {
        w.publish("t/x", "7");
    }
    assert!(w.feeds.figures().dropped >= 90);
    assert!(w.rooms.figures().active_rooms <= 1);
}

#[tokio::test]
async fn a_fault_costs_what_waits_and_no_more() {
    let mut w = World::new(Limits::default()).await;
    w.bind("t").await;
    w.publish("t", "1");
    assert_eq!(w.body().await, "t: 1");
    w.clock.0.store(true, Ordering::SeqCst);
    w.publish("t", "2");
    wait_for(|| !w.clock.0.load(Ordering::SeqCst)).await;
    w.publish("t", "3");
    // The second was lost or not, by where the fault was.
    let next = w.body().await;
    if next == "t: 2" {
        assert_eq!(w.body().await, "t: 3");
    } else {
        assert_eq!(next, "t: 3");
    }
    assert_eq!(w.feeds.figures().waddles, 1);
}

#[tokio::test]
async fn idle_feeds_rest_and_wake() {
    let mut w = World::new(Limits {
        feed_idle_seconds: 0,
        feed_rate: Rate { count: 9, seconds: 1 },
        ..Limits::default()
    })
    .await;
    w.bind("t").await;
    w.publish("t", "1");
    assert_eq!(w.body().await, "t: 1");
    assert_eq!(w.feeds.figures().waddles, 1);
    wait_for(|| w.feeds.figures().waddles == 0).await;
    assert!(w.wants("t") && !w.wants("u"), "its bindings stay known");
    w.publish("t", "2");
    assert_eq!(w.body().await, "t: 2");
}

#[tokio::test]
async fn channels_and_waddles_that_go() {
    let w = World::new(Limits::default()).await;
    let binding = w.bind("t").await;
    w.publish("u", "1");
    wait_for(|| !w.wants("u")).await;
    assert!(w.wants("t"));
    w.community
        .delete_channel(Actor::System, w.waddle, binding.channel)
        .await
        .unwrap();
    wait_for(|| !w.wants("t")).await;
    w.community.delete_waddle(Actor::System, w.waddle).await.unwrap();
    w.publish("t", "1");
    wait_for(|| w.feeds.figures().waddles == 0).await;
}
