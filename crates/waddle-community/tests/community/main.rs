//! Community operations on a real storage in a temporary directory.
#![expect(clippy::unwrap_used, reason = "tests")]

mod channels;
mod consent;
mod crash;
mod crowded;
mod devices;
mod ends;
mod invites;
mod joining;
mod members;
mod places;
mod reach;
mod roles;
mod strangers;
mod waddles;

use std::{sync::Arc, time::Duration};

use tokio::sync::broadcast::Receiver;
use waddle_community::{Community, Event, NewWaddle, Role, Waddle};
use waddle_core::{Limits, ManualClock, Slug, Timestamp, UserId};
use waddle_storage::{Storage, StorageConfig};

struct World {
    dir: tempfile::TempDir,
    clock: Arc<ManualClock>,
    limits: Arc<Limits>,
    storage: Storage,
    community: Community,
}

impl World {
    async fn new() -> Self {
        Self::with(Limits::default()).await
    }

    async fn with(limits: Limits) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let clock = ManualClock::at("2026-05-01T12:00:00Z".parse::<Timestamp>().unwrap());
        let limits = Arc::new(limits);
        let (storage, community) = start(&dir, &clock, &limits).await;
        Self {
            dir,
            clock,
            limits,
            storage,
            community,
        }
    }

    /// Stops and starts again on the same directory.
    async fn restart(self) -> Self {
        self.storage.close().await;
        let (storage, community) = start(&self.dir, &self.clock, &self.limits).await;
        Self {
            storage,
            community,
            ..self
        }
    }

    /// The waddle `penguins` of `alice`, with `adam` (admin), `mona` (moderator) and `bob` (member), by their own will.
    async fn penguins(&self) -> Arc<Waddle> {
        let alice = user("alice");
        let w = self
            .community
            .create_waddle(&alice, NewWaddle::new(slug("penguins"), "Penguins"))
            .await
            .unwrap();
        for (name, role) in [
            ("adam", Role::Admin),
            ("mona", Role::Moderator),
            ("bob", Role::Member),
        ] {
            self.community
                .add_member(&alice, w.id, &user(name), role)
                .await
                .unwrap();
            self.community.join_waddle(&user(name), w.id).await.unwrap();
        }
        w
    }
}

async fn start(
    dir: &tempfile::TempDir,
    clock: &Arc<ManualClock>,
    limits: &Arc<Limits>,
) -> (Storage, Community) {
    let storage = Storage::open(StorageConfig {
        dir: dir.path().to_owned(),
        limits: Limits::clone(limits),
        clock: clock.clone(),
    })
    .await
    .unwrap();
    let community = Community::open(storage.clone(), clock.clone(), limits.clone(), "chat.example")
        .await
        .unwrap();
    (storage, community)
}

fn user(name: &str) -> UserId {
    UserId::local(name)
}

fn slug(s: &str) -> Slug {
    s.parse().unwrap()
}

/// The next event, or none in time.
async fn next(events: &mut Receiver<Event>) -> Event {
    tokio::time::timeout(Duration::from_secs(20), events.recv())
        .await
        .unwrap()
        .unwrap()
}
