//! From an accepted publish to a message in a channel, over real rooms, community and storage.

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::{collections::VecDeque, sync::Arc, time::Duration};

use bytes::Bytes;
use waddle_community::{Actor, Community, Error, FeedMode, NewBinding, NewWaddle};
use waddle_core::{Jid, Limits, SystemClock, UserId, WaddleId, limits::Rate};
use waddle_feed::{FeedDeps, FeedError, Feeds};
use waddle_mqtt::Published;
use waddle_muc::{Deps, Inbound, Rooms, Sender};
use waddle_outbox::Outbox;
use waddle_stanza::{Outgoing, Stanza, ns};
use waddle_storage::{Storage, StorageConfig};

struct World {
    community: Community,
    rooms: Rooms,
    feeds: Feeds,
    waddle: WaddleId,
    outbox: Arc<Outbox<Outgoing>>,
    got: VecDeque<Outgoing>,
    _dir: tempfile::TempDir,
}

impl World {
    async fn new(limits: Limits) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let limits = Arc::new(limits);
        let storage = Storage::open(StorageConfig::new(dir.path())).await.unwrap();
        let clock = Arc::new(SystemClock);
        let community = Community::open(storage.clone(), clock.clone(), limits.clone(), "localhost")
            .await
            .unwrap();
        let owner = UserId::local("romeo");
        let new = NewWaddle {
            owner: Some(owner.clone()),
            ..NewWaddle::new("penguins".parse().unwrap(), "Penguins")
        };
        let waddle = community.create_waddle(Actor::System, new).await.unwrap().id;
        let rooms = Rooms::new(Deps {
            storage,
            community: community.clone(),
            clock: clock.clone(),
            limits: limits.clone(),
            domain: "localhost".to_owned(),
        })
        .await
        .unwrap();
        let feeds = Feeds::start(FeedDeps {
            community: community.clone(),
            rooms: rooms.clone(),
            clock,
            limits,
        });
        let outbox = Arc::new(Outbox::new(1_000, 1 << 20));
        let jid: Jid = "romeo@localhost/a".parse().unwrap();
        let join = "<presence from='romeo@localhost/a' to='penguins.general@muc.localhost/Romeo'>\
                    <x xmlns='http://jabber.org/protocol/muc'/></presence>";
        rooms.route(Inbound {
            stanza: Stanza::parse(join.into()).unwrap(),
            sender: Sender {
                jid,
                user: owner,
                outbox: outbox.clone(),
            },
        });
        let mut this = Self {
            community,
            rooms,
            feeds,
            waddle,
            outbox,
            got: VecDeque::new(),
            _dir: dir,
        };
        while !this.next().await.root().has("subject", ns::CLIENT) {}
        this
    }

    async fn next(&mut self) -> Stanza {
        if self.got.is_empty() {
            let ready = tokio::time::timeout(Duration::from_secs(10), self.outbox.ready());
            ready.await.unwrap_or_else(|_| panic!("nothing came"));
            self.outbox.drain_into(&mut self.got);
        }
        self.got.pop_front().unwrap().to_stanza().unwrap()
    }

    async fn body(&mut self) -> (String, String) {
        let s = self.next().await;
        let nick = s.from().unwrap().unwrap().resource().unwrap().to_owned();
        let body = s.root().child_text("body", ns::CLIENT).unwrap().into_owned();
        assert!(s.root().has("stanza-id", ns::SID));
        (nick, body)
    }

    fn publish(&self, topic: &str, payload: &'static [u8]) {
        let sink = self.feeds.sink();
        if sink.wants(self.waddle, topic) {
            sink.published(&Published {
                waddle: self.waddle,
                topic,
                payload: &Bytes::from_static(payload),
                qos: 1,
                retain: true,
                publisher: None,
            });
        }
    }

    fn binding(&self, filter: &str, mode: FeedMode) -> NewBinding {
        let access = self.community.access_now(self.waddle).unwrap();
        NewBinding {
            filter: filter.parse().unwrap(),
            channel: access.channel_by_slug(&"general".parse().unwrap()).unwrap().id,
            mode,
            name: None,
        }
    }

    async fn bind(&self, filter: &str) -> waddle_community::Binding {
        let new = self.binding(filter, FeedMode::Message);
        self.feeds.bind(Actor::System, self.waddle, new).await.unwrap()
    }
}

#[tokio::test]
async fn a_reading_appears_in_the_channel() {
    let mut w = World::new(Limits::default()).await;
    w.publish("home/sensors/early", b"1");
    let binding = w.bind("home/sensors/#").await;
    // The change of bindings is heard of soon.
    let sink = w.feeds.sink();
    wait_for(|| sink.wants(w.waddle, "home/sensors/x")).await;
    w.publish("home/other/x", b"1");
    w.publish("home/sensors/temperature/kitchen", br#"{"value": 21.5, "unit": "\u00b0C"}"#);
    assert_eq!(w.body().await, ("sensors".to_owned(), "kitchen: 21.5 °C".to_owned()));
    w.publish("home/sensors/door", b"\xff\xff");
    assert_eq!(w.body().await.1, "door: unreadable");
    w.community
        .unbind_feed(Actor::System, w.waddle, binding.id)
        .await
        .unwrap();
    wait_for(|| !sink.wants(w.waddle, "home/sensors/x")).await;
    assert_eq!(w.feeds.figures().dropped, 0);
}

#[tokio::test]
async fn a_burst_becomes_one_line() {
    let mut w = World::new(Limits {
        feed_rate: Rate { count: 3, seconds: 1 },
        ..Limits::default()
    })
    .await;
    w.bind("t/#").await;
    for _ in 0..50 {
        w.publish("t/x", b"7");
    }
    for _ in 0..3 {
        assert_eq!(w.body().await.1, "x: 7");
    }
    assert_eq!(w.body().await.1, "47 more readings, the last: x: 7");
}

#[tokio::test]
async fn only_what_works_can_be_bound() {
    let w = World::new(Limits::default()).await;
    for mode in [FeedMode::Card, FeedMode::Digest] {
        let refused = w.feeds.bind(Actor::System, w.waddle, w.binding("t/#", mode)).await;
        let e = refused.unwrap_err();
        assert_eq!(e, FeedError::Mode(mode));
        assert!(e.to_string().contains("feeds have the mode message"), "{e}");
    }
    let stranger = UserId::local("tybalt");
    let refused = w
        .feeds
        .bind(&stranger, w.waddle, w.binding("t/#", FeedMode::Message))
        .await;
    assert_eq!(refused.unwrap_err(), FeedError::Community(Error::Forbidden));
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
        w.publish("t/x", b"7");
    }
    assert!(w.feeds.figures().dropped >= 90);
    assert!(w.rooms.figures().active_rooms <= 1);
}

async fn wait_for(condition: impl Fn() -> bool) {
    for _ in 0..1_000 {
        if condition() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("it did not come");
}
