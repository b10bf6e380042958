//! All feeds of the server: the hook in the broker, and which waddles have an actor.
//!
//! A waddle's bindings are read when something is first published in it; until then every topic is wanted, so
//! that its first message is not lost. They are read again after every change that the community announces.

use std::{
    sync::{
        Arc, OnceLock, Weak,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use dashmap::{DashMap, Entry};
use kameo::{
    actor::{ActorRef, Spawn},
    error::SendError,
    mailbox,
};
use tokio::{
    sync::broadcast::{Receiver, error::RecvError},
    task::AbortHandle,
};
use waddle_community::{Community, Event};
use waddle_core::{Limits, SharedClock, WaddleId};
use waddle_mqtt::{PublishSink, Published};
use waddle_muc::Rooms;

use crate::{
    actor::{FeedActor, Input, Start},
    metrics,
    payload::{Reading, read},
    snapshot::Snapshot,
};

/// Bytes of a topic at the most; longer ones appear in no feed. Filters are no longer either.
const TOPIC: usize = 1024;
/// The time that all feeds have to end.
const FAREWELL: Duration = Duration::from_secs(4);

/// What feeds need around them.
#[derive(Clone)]
pub struct FeedDeps {
    /// Bindings.
    pub community: Community,
    /// Where readings appear.
    pub rooms: Rooms,
    /// The time.
    pub clock: SharedClock,
    /// Limits.
    pub limits: Arc<Limits>,
}

/// Figures for the status page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Figures {
    /// Waddles with feeds that are at work.
    pub waddles: usize,
    /// Readings that came faster than they could be taken.
    pub dropped: u64,
}

/// All feeds. Cheap to clone.
#[derive(Clone)]
pub struct Feeds(Shared);

impl std::fmt::Debug for Feeds {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Feeds({} waddles)", self.0.0.active.len())
    }
}

/// A waddle whose feeds are at work.
struct Active {
    actor: ActorRef<FeedActor>,
    waiting: Arc<AtomicUsize>,
    epoch: Arc<AtomicU64>,
}

struct Inner {
    deps: FeedDeps,
    snapshot: Snapshot,
    active: DashMap<WaddleId, Active, ahash::RandomState>,
    dropped: AtomicU64,
    stopped: AtomicBool,
    listener: OnceLock<AbortHandle>,
}

/// The feeds as their own parts see them.
#[derive(Clone)]
pub(crate) struct Shared(Arc<Inner>);

impl Feeds {
    /// Starts to listen for changes of bindings. Give [`Feeds::sink`] to the broker.
    pub fn start(deps: FeedDeps) -> Self {
        let changes = deps.community.events();
        let inner = Arc::new(Inner {
            deps,
            snapshot: Snapshot::default(),
            active: DashMap::default(),
            dropped: AtomicU64::new(0),
            stopped: AtomicBool::new(false),
            listener: OnceLock::new(),
        });
        let listener = tokio::spawn(listen(Arc::downgrade(&inner), changes));
        let _ = inner.listener.set(listener.abort_handle());
        Self(Shared(inner))
    }

    /// The hook for the broker.
    pub fn sink(&self) -> Arc<dyn PublishSink> {
        Arc::new(self.clone())
    }

    /// Figures for the status page.
    pub fn figures(&self) -> Figures {
        let inner = &self.0.0;
        Figures {
            waddles: inner.active.len(),
            dropped: inner.dropped.load(Ordering::Relaxed),
        }
    }

    /// Takes no more readings, posts what waits, and ends within a few seconds. Call it before the rooms end.
    pub async fn shutdown(&self) {
        let inner = &self.0.0;
        inner.stopped.store(true, Ordering::SeqCst);
        if let Some(listener) = inner.listener.get() {
            listener.abort();
        }
        let actors: Vec<_> = inner.active.iter().map(|a| a.actor.clone()).collect();
        let end = async {
            for actor in &actors {
                let _ = actor.stop_gracefully().await;
            }
            for actor in &actors {
                actor.wait_for_shutdown().await;
            }
        };
        if tokio::time::timeout(FAREWELL, end).await.is_err() {
            tracing::warn!("feeds did not end in time");
            actors.iter().for_each(ActorRef::kill);
        }
        inner.active.clear();
    }
}

impl PublishSink for Feeds {
    fn wants(&self, waddle: WaddleId, topic: &str) -> bool {
        let inner = &self.0.0;
        topic.len() <= TOPIC && inner.snapshot.wants(waddle, topic) && !inner.stopped.load(Ordering::Relaxed)
    }

    /// Reads the payload here, in the publisher's own time: what waits is then small, whatever was sent.
    fn published(&self, message: &Published<'_>) {
        let inner = &self.0.0;
        if message.topic.len() > TOPIC || inner.stopped.load(Ordering::Relaxed) {
            return;
        }
        let reading = read(message.payload, inner.deps.limits.feed_payload_bytes);
        if reading == Reading::Empty {
            return;
        }
        let topic = message.topic.into();
        self.0.send(message.waddle, Input::Reading { topic, reading });
    }
}

impl Shared {
    pub(crate) fn deps(&self) -> &FeedDeps {
        &self.0.deps
    }

    pub(crate) fn snapshot(&self) -> &Snapshot {
        &self.0.snapshot
    }

    /// Hands an input to a waddle's actor, which is started where it does not run. Never waits.
    fn send(&self, waddle: WaddleId, input: Input) {
        let Err(input) = self.try_active(waddle, input) else {
            return;
        };
        if let Entry::Vacant(e) = self.0.active.entry(waddle) {
            e.insert(self.spawn(waddle));
        }
        if self.try_active(waddle, input).is_err() {
            self.drop_one();
        }
    }

    fn spawn(&self, waddle: WaddleId) -> Active {
        let start = Start {
            waddle,
            shared: self.clone(),
            waiting: Arc::default(),
            epoch: Arc::default(),
        };
        let (waiting, epoch) = (start.waiting.clone(), start.epoch.clone());
        let places = self.0.deps.limits.feed_queue.max(1);
        Active {
            actor: FeedActor::spawn_with_mailbox(start, mailbox::bounded(places)),
            waiting,
            epoch,
        }
    }

    /// Puts an input into the mailbox of an actor that runs; gives it back where none does.
    fn try_active(&self, waddle: WaddleId, input: Input) -> Result<(), Input> {
        // The guard keeps the actor from retiring between the look and the sending.
        let Some(active) = self.0.active.get(&waddle) else {
            return Err(input);
        };
        active.waiting.fetch_add(1, Ordering::AcqRel);
        match active.actor.tell(input).try_send() {
            Ok(()) => Ok(()),
            Err(SendError::ActorNotRunning(input) | SendError::ActorRestarting(input)) => {
                let id = active.actor.id();
                drop(active);
                self.0.active.remove_if(&waddle, |_, a| a.actor.id() == id);
                Err(input)
            }
            Err(_) => {
                active.waiting.fetch_sub(1, Ordering::AcqRel);
                self.drop_one();
                Ok(())
            }
        }
    }

    fn drop_one(&self) {
        self.0.dropped.fetch_add(1, Ordering::Relaxed);
        metrics::dropped("queue");
    }

    /// Takes a waddle off the list, unless something waits for its actor; then the actor may stop.
    pub(crate) fn retire(&self, start: &Start) -> bool {
        let mine = |a: &Active| Arc::ptr_eq(&a.waiting, &start.waiting);
        self.0
            .active
            .remove_if(&start.waddle, |_, a| {
                mine(a) && a.waiting.load(Ordering::Acquire) == 0
            })
            .is_some()
    }

    /// The bindings of a waddle changed: from now on everything is wanted until they are read again.
    fn changed(&self, waddle: WaddleId) {
        match self.0.active.entry(waddle) {
            Entry::Occupied(e) => {
                e.get().epoch.fetch_add(1, Ordering::SeqCst);
                self.0.snapshot.forget(waddle);
            }
            Entry::Vacant(_) => return self.0.snapshot.forget(waddle),
        }
        self.nudge(waddle);
    }

    /// Any bindings may have changed.
    fn all_changed(&self) {
        let all: Vec<WaddleId> = self
            .0
            .active
            .iter()
            .map(|a| {
                a.epoch.fetch_add(1, Ordering::SeqCst);
                *a.key()
            })
            .collect();
        self.0.snapshot.forget_all();
        for waddle in all {
            self.nudge(waddle);
        }
    }

    /// Has an actor look at its bindings now. With a full mailbox it looks anyway, at whatever is next.
    fn nudge(&self, waddle: WaddleId) {
        if let Some(active) = self.0.active.get(&waddle) {
            active.waiting.fetch_add(1, Ordering::AcqRel);
            if active.actor.tell(Input::Reload).try_send().is_err() {
                active.waiting.fetch_sub(1, Ordering::AcqRel);
            }
        }
    }
}

/// Listens as long as the feeds live.
async fn listen(feeds: Weak<Inner>, mut changes: Receiver<Event>) {
    loop {
        let change = changes.recv().await;
        let Some(feeds) = feeds.upgrade().map(Shared) else {
            return;
        };
        match change {
            Ok(Event::BindingsChanged { waddle } | Event::WaddleDeleted { waddle, .. }) => {
                feeds.changed(waddle);
            }
            Ok(Event::ChannelDeleted { channel, .. }) => feeds.changed(channel.waddle),
            Ok(_) => {}
            Err(RecvError::Lagged(_)) => feeds.all_changed(),
            Err(RecvError::Closed) => return,
        }
    }
}
