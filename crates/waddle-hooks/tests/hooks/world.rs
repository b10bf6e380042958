//! Everything below HTTP over a directory, with one public waddle.

use std::{path::Path, sync::Arc, time::Duration};

use waddle_community::{Channel, Community, NewWaddle, Role, Visibility, Waddle};
use waddle_core::{Clock as _, Limits, ManualClock, SharedClock, Slug, SystemClock, Timestamp, UserId};
use waddle_fetch::{FetchConfig, Guard};
use waddle_hooks::{Hooks, HooksDeps};
use waddle_identity::{Identity, IdentityConfig};
use waddle_muc::{Deps, Inbound, Rooms, Sender};
use waddle_outbox::Outbox;
use waddle_stanza::{Outgoing, Stanza};
use waddle_storage::{Storage, StorageConfig, repo::accounts::Accounts};

/// How long something that must come is waited for.
pub const PATIENCE: Duration = Duration::from_secs(20);

pub fn user(name: &str) -> UserId {
    UserId::local(name)
}

pub struct World {
    pub storage: Storage,
    pub identity: Identity,
    pub community: Community,
    pub rooms: Rooms,
    pub hooks: Hooks,
    pub clock: Option<Arc<ManualClock>>,
}

impl World {
    /// Opens a directory; with a clock that the test moves, or the machine's.
    pub async fn open(dir: &Path, clock: Option<Arc<ManualClock>>, limits: Limits) -> Self {
        let shared: SharedClock = match &clock {
            Some(manual) => manual.clone(),
            None => Arc::new(SystemClock),
        };
        let limits = Arc::new(limits);
        let mut config = StorageConfig::new(dir);
        config.clock = shared.clone();
        let storage = Storage::open(config).await.unwrap();
        let url = "http://127.0.0.1:3000".parse().unwrap();
        let identity = Identity::open(
            &storage,
            shared.clone(),
            IdentityConfig::new("localhost", url, dir),
        )
        .await
        .unwrap();
        let community = Community::open(storage.clone(), shared.clone(), limits.clone(), "localhost")
            .await
            .unwrap();
        let rooms = Rooms::new(Deps {
            storage: storage.clone(),
            community: community.clone(),
            clock: shared.clone(),
            limits: limits.clone(),
            domain: "localhost".into(),
        })
        .await
        .unwrap();
        let hooks = Hooks::start(HooksDeps {
            community: community.clone(),
            identity: identity.clone(),
            rooms: rooms.clone(),
            clock: shared,
            limits,
            fetch: FetchConfig {
                guard: Guard::https(true),
                ..FetchConfig::new()
            },
        })
        .await
        .unwrap();
        rooms.set_slash_commands(hooks.slash());
        Self {
            storage,
            identity,
            community,
            rooms,
            hooks,
            clock,
        }
    }

    /// A fresh one with a clock of its own.
    pub async fn new() -> (tempfile::TempDir, Self) {
        Self::with(Limits::default()).await
    }

    pub async fn with(limits: Limits) -> (tempfile::TempDir, Self) {
        let dir = tempfile::tempdir().unwrap();
        let clock = ManualClock::at("2026-01-31T12:00:00Z".parse::<Timestamp>().unwrap());
        let world = Self::open(dir.path(), Some(clock), limits).await;
        (dir, world)
    }

    pub fn later(&self, by: Duration) {
        let clock = self.clock.as_ref().unwrap();
        clock.set(clock.now().plus(by));
    }

    /// A waddle of Alice's where Bob is an admin and Carol a member, and its channel `general`.
    pub async fn penguins(&self) -> (Arc<Waddle>, Arc<Channel>) {
        let server = self.storage.server();
        for name in ["alice", "bob", "carol", "dora"] {
            Accounts(&server)
                .create_local(user(name), name.into(), false, None)
                .await
                .unwrap();
        }
        let mut new = NewWaddle::new("penguins".parse().unwrap(), "Penguins");
        new.visibility = Visibility::Public;
        let w = self.community.create_waddle(&user("alice"), new).await.unwrap();
        for (name, role) in [("bob", Role::Admin), ("carol", Role::Member)] {
            self.community
                .add_member(&user("alice"), w.id, &user(name), role)
                .await
                .unwrap();
        }
        let slug: Slug = "general".parse().unwrap();
        let c = self
            .community
            .channel_by_slug(w.id, &slug)
            .await
            .unwrap()
            .unwrap();
        (w, c)
    }

    /// Somebody in the room of a channel, after what entering brought.
    pub async fn enter(&self, name: &str, room: &str) -> Person {
        let sender = Sender {
            jid: format!("{name}@localhost/phone").parse().unwrap(),
            user: user(name),
            outbox: Arc::new(Outbox::new(1_000, 1 << 20)),
        };
        let mut person = Person {
            sender,
            rooms: self.rooms.clone(),
            got: std::collections::VecDeque::new(),
        };
        person.send(&format!(
            "<presence xmlns='jabber:client' from='{name}@localhost/phone' to='{room}/{name}'>\
             <x xmlns='http://jabber.org/protocol/muc'/></presence>"
        ));
        // the subject ends what entering brings
        while !person.next().await.contains("<subject") {}
        person
    }
}

pub struct Person {
    pub sender: Sender,
    rooms: Rooms,
    got: std::collections::VecDeque<Outgoing>,
}

impl Person {
    pub fn send(&self, xml: &str) {
        let stanza = Stanza::parse(xml.to_owned().into()).unwrap();
        self.rooms.route(Inbound {
            stanza,
            sender: self.sender.clone(),
        });
    }

    pub fn say(&self, room: &str, body: &str) {
        let from = &self.sender.jid;
        self.send(&format!(
            "<message xmlns='jabber:client' from='{from}' to='{room}' type='groupchat' id='x'><body>{body}</body></message>"
        ));
    }

    pub async fn next(&mut self) -> String {
        if self.got.is_empty() {
            tokio::time::timeout(PATIENCE, self.sender.outbox.ready())
                .await
                .expect("something comes");
            self.sender.outbox.drain_into(&mut self.got);
        }
        let stanza = self.got.pop_front().unwrap().to_stanza().unwrap();
        String::from_utf8(stanza.bytes().to_vec()).unwrap()
    }

    /// The next message; presence is passed over.
    pub async fn message(&mut self) -> String {
        loop {
            let text = self.next().await;
            if text.starts_with("<message") {
                return text;
            }
        }
    }
}
