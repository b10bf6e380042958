//! Real storage, community, rooms, feeds and broker; the one client is an outbox in `penguins.general`.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use tokio::sync::broadcast;
use waddle_community::{Actor, Binding, Community, FeedMode, NewBinding, NewWaddle};
use waddle_core::{Clock, Jid, Limits, Slug, SystemClock, Timestamp, TopicFilter, UserId, WaddleId};
use waddle_feed::{FeedDeps, Feeds};
use waddle_mqtt::{
    Broker, BrokerConfig, OperatorsOnly, Publish, PublishSink as _, Published, Reason,
    policy::{Access, Action, Answer, Change, LoggedIn, Login, Policy, Principal, Refusal},
};
use waddle_muc::{Inbound, Rooms, Sender};
use waddle_outbox::Outbox;
use waddle_stanza::{Outgoing, Stanza, ns};
use waddle_storage::{Storage, StorageConfig};

/// A clock that fails once when it is told to.
#[derive(Default)]
pub struct Faulty(pub AtomicBool);

impl Clock for Faulty {
    fn now(&self) -> Timestamp {
        assert!(!self.0.swap(false, Ordering::SeqCst), "as told");
        SystemClock.now()
    }
}

pub struct World {
    pub storage: Storage,
    pub community: Community,
    pub rooms: Rooms,
    pub feeds: Feeds,
    pub clock: Arc<Faulty>,
    pub waddle: WaddleId,
    limits: Arc<Limits>,
    outbox: Arc<Outbox<Outgoing>>,
    got: VecDeque<Outgoing>,
    _dir: tempfile::TempDir,
}

impl World {
    pub async fn new(limits: Limits) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let limits = Arc::new(limits);
        let storage = Storage::open(StorageConfig::new(dir.path())).await.unwrap();
        let community = Community::open(
            storage.clone(),
            Arc::new(SystemClock),
            limits.clone(),
            "localhost",
        )
        .await
        .unwrap();
        let owner = UserId::local("romeo");
        let new = NewWaddle {
            owner: Some(owner.clone()),
            ..NewWaddle::new("penguins".parse().unwrap(), "Penguins")
        };
        let waddle = community.create_waddle(Actor::System, new).await.unwrap().id;
        let rooms = Rooms::new(waddle_muc::Deps {
            storage: storage.clone(),
            community: community.clone(),
            clock: Arc::new(SystemClock),
            limits: limits.clone(),
            domain: "localhost".to_owned(),
        })
        .await
        .unwrap();
        let clock = Arc::new(Faulty::default());
        let feeds = Feeds::start(FeedDeps {
            community: community.clone(),
            rooms: rooms.clone(),
            clock: clock.clone(),
            limits: limits.clone(),
        });
        let mut this = Self {
            storage,
            community,
            rooms,
            feeds,
            clock,
            waddle,
            limits,
            outbox: Arc::new(Outbox::new(1_000, 1 << 20)),
            got: VecDeque::new(),
            _dir: dir,
        };
        let join = "<presence from='romeo@localhost/a' to='penguins.general@muc.localhost/Romeo'>\
                    <x xmlns='http://jabber.org/protocol/muc'/></presence>";
        let jid: Jid = "romeo@localhost/a".parse().unwrap();
        this.rooms.route(Inbound {
            stanza: Stanza::parse(join.into()).unwrap(),
            sender: Sender {
                jid,
                user: owner,
                outbox: this.outbox.clone(),
            },
        });
        while !this.next().await.root().has("subject", ns::CLIENT) {}
        this
    }

    async fn next(&mut self) -> Stanza {
        if self.got.is_empty() {
            let ready = tokio::time::timeout(Duration::from_secs(30), self.outbox.ready());
            ready.await.unwrap_or_else(|_| panic!("nothing came"));
            self.outbox.drain_into(&mut self.got);
        }
        self.got.pop_front().unwrap().to_stanza().unwrap()
    }

    /// Nickname and body of the next message, which is one that the archive has.
    pub async fn said(&mut self) -> (String, String) {
        let s = self.next().await;
        let nick = s.from().unwrap().unwrap().resource().unwrap().to_owned();
        let body = s.root().child_text("body", ns::CLIENT).unwrap().into_owned();
        assert!(s.root().has("stanza-id", ns::SID));
        (nick, body)
    }

    pub async fn body(&mut self) -> String {
        self.said().await.1
    }

    /// Something was published, as the broker would say.
    pub fn publish(&self, topic: &str, payload: &str) {
        self.publish_bytes(topic, payload.as_bytes());
    }

    pub fn publish_bytes(&self, topic: &str, payload: &[u8]) {
        if self.wants(topic) {
            self.feeds.published(&Published {
                waddle: self.waddle,
                topic,
                payload: &Bytes::copy_from_slice(payload),
                qos: 1,
                retain: true,
                publisher: None,
            });
        }
    }

    pub fn wants(&self, topic: &str) -> bool {
        self.feeds.wants(self.waddle, topic)
    }

    pub async fn new_binding(&self, filter: &str, mode: FeedMode) -> NewBinding {
        let general: Slug = "general".parse().unwrap();
        let channel = self
            .community
            .channel_by_slug(self.waddle, &general)
            .await
            .unwrap();
        NewBinding {
            filter: filter.parse().unwrap(),
            channel: channel.unwrap().id,
            mode,
            name: None,
        }
    }

    pub async fn bind(&self, filter: &str) -> Binding {
        let new = self.new_binding(filter, FeedMode::Message).await;
        self.community
            .bind_feed(Actor::System, self.waddle, new)
            .await
            .unwrap()
    }

    pub async fn broker(&self) -> Broker {
        let broker = Broker::start(BrokerConfig {
            listen: Vec::new(),
            limits: (*self.limits).clone(),
            rate_limits: false,
            storage: self.storage.clone(),
            clock: Arc::new(SystemClock),
            policy: Arc::new(Open(self.waddle, broadcast::channel(4).0)),
        })
        .await
        .unwrap();
        broker.add_sink(self.feeds.sink());
        broker
    }

    pub fn message(&self, topic: &str, payload: &'static str, qos: u8) -> Publish {
        Publish {
            waddle: self.waddle,
            topic: topic.parse().unwrap(),
            payload: Bytes::from_static(payload.as_bytes()),
            qos,
            retain: true,
            expiry: None,
            publisher: None,
        }
    }
}

pub async fn wait_for(condition: impl Fn() -> bool) {
    for _ in 0..6_000 {
        if condition() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("it did not come");
}

/// A broker's policy with one waddle, in which everybody may everything.
struct Open(WaddleId, broadcast::Sender<Change>);
struct Everything;

impl Access for Everything {
    fn slug(&self) -> &'static str {
        "penguins"
    }
    fn revision(&self) -> u64 {
        1
    }
    fn may(&self, _: &Principal, _: Action, _: &str) -> bool {
        true
    }
    fn may_filter(&self, _: &Principal, _: &TopicFilter) -> bool {
        true
    }
    fn present(&self, _: &Principal) -> bool {
        true
    }
    fn trusts(&self, _: &UserId, _: &str) -> bool {
        true
    }
}

impl Policy for Open {
    fn login(&self, _: Login) -> Answer<'_, Result<LoggedIn, Refusal>> {
        let refusal = Refusal {
            reason: Reason::NOT_AUTHORIZED,
            text: String::new(),
        };
        Box::pin(async move { Err(refusal) })
    }
    fn waddle_by_slug<'a>(&'a self, _: &'a Slug) -> Answer<'a, Option<WaddleId>> {
        Box::pin(async { Some(self.0) })
    }
    fn waddles_of<'a>(&'a self, _: &'a UserId) -> Answer<'a, Vec<WaddleId>> {
        Box::pin(async { vec![self.0] })
    }
    fn access(&self, waddle: WaddleId) -> Answer<'_, Option<Arc<dyn Access>>> {
        Box::pin(async move { (waddle == self.0).then(|| Arc::new(Everything) as Arc<dyn Access>) })
    }
    fn server_access(&self) -> Arc<dyn Access> {
        Arc::new(OperatorsOnly)
    }
    fn changes(&self) -> broadcast::Receiver<Change> {
        self.1.subscribe()
    }
}
