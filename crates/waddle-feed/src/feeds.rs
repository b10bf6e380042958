//! All feeds of the server: the hook in the broker, and which waddles have an actor.
//!
//! A waddle's bindings are read when something is first published in it. Until then every topic is wanted.

use std::sync::{
    Arc, Weak,
    atomic::{AtomicU64, Ordering},
};

use dashmap::DashMap;
use kameo::{
    actor::{ActorRef, Spawn},
    mailbox,
};
use tokio::sync::broadcast::{Receiver, error::RecvError};
use waddle_community::{Actor as By, Binding, Community, Event, FeedMode, NewBinding};
use waddle_core::{Limits, SharedClock, TopicFilter, WaddleId};
use waddle_mqtt::{PublishSink, Published};
use waddle_muc::Rooms;

use crate::{
    FeedError,
    actor::{FeedActor, Publication, Reload, Start},
    metrics::instruments,
};

/// What feeds need around them.
#[derive(Clone)]
pub struct FeedDeps {
    /// Bindings, and who may make them.
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
        write!(f, "Feeds({} waddles)", self.0.0.waddles.len())
    }
}

/// What the feeds of one waddle are known by.
#[derive(Default)]
struct Entry {
    /// None until they are read.
    filters: Option<Vec<TopicFilter>>,
    /// None where there are no bindings.
    actor: Option<ActorRef<FeedActor>>,
}

struct Inner {
    deps: FeedDeps,
    waddles: DashMap<WaddleId, Entry, ahash::RandomState>,
    dropped: AtomicU64,
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
            waddles: DashMap::default(),
            dropped: AtomicU64::new(0),
        });
        tokio::spawn(listen(Arc::downgrade(&inner), changes));
        Self(Shared(inner))
    }

    /// The hook for the broker.
    pub fn sink(&self) -> Arc<dyn PublishSink> {
        Arc::new(self.clone())
    }

    /// Binds topics to a channel; only modes that work are accepted.
    pub async fn bind(
        &self,
        by: impl Into<By>,
        waddle: WaddleId,
        new: NewBinding,
    ) -> Result<Binding, FeedError> {
        check_mode(new.mode)?;
        Ok(self.0.deps().community.bind_feed(by, waddle, new).await?)
    }

    /// Figures for the status page.
    pub fn figures(&self) -> Figures {
        let inner = &self.0.0;
        Figures {
            waddles: inner.waddles.iter().filter(|e| e.actor.is_some()).count(),
            dropped: inner.dropped.load(Ordering::Relaxed),
        }
    }
}

/// Whether feeds have this mode.
fn check_mode(mode: FeedMode) -> Result<(), FeedError> {
    match mode {
        FeedMode::Message => Ok(()),
        FeedMode::Card | FeedMode::Digest => Err(FeedError::Mode(mode)),
    }
}

impl PublishSink for Feeds {
    fn wants(&self, waddle: WaddleId, topic: &str) -> bool {
        let found = self.0.0.waddles.get(&waddle);
        match found.as_ref().and_then(|e| e.filters.as_ref()) {
            Some(filters) => filters.iter().any(|f| f.matches(topic)),
            None => true,
        }
    }

    fn published(&self, message: &Published<'_>) {
        let publication = Publication {
            topic: message.topic.into(),
            payload: message.payload.clone(),
        };
        let Some(actor) = self.0.actor(message.waddle) else {
            return;
        };
        if actor.tell(publication).try_send().is_err() {
            self.0.0.dropped.fetch_add(1, Ordering::Relaxed);
            instruments().dropped.add(1, &[]);
        }
    }
}

impl Shared {
    pub(crate) fn deps(&self) -> &FeedDeps {
        &self.0.deps
    }

    /// The actor of a waddle, started where its bindings are not yet known; none where it has no bindings.
    fn actor(&self, waddle: WaddleId) -> Option<ActorRef<FeedActor>> {
        if let Some(e) = self.0.waddles.get(&waddle)
            && (e.actor.is_some() || e.filters.is_some())
        {
            return e.actor.clone();
        }
        let mut e = self.0.waddles.entry(waddle).or_default();
        if e.actor.is_none() && e.filters.is_none() {
            let start = Start {
                waddle,
                shared: self.clone(),
            };
            let places = self.0.deps.limits.feed_queue.max(1);
            e.actor = Some(FeedActor::spawn_with_mailbox(start, mailbox::bounded(places)));
        }
        e.actor.clone()
    }

    /// The bindings of a waddle are known. Without any its actor stops when its mailbox is empty.
    pub(crate) fn loaded(&self, waddle: WaddleId, bindings: Vec<Binding>) {
        if let Some(mut e) = self.0.waddles.get_mut(&waddle) {
            let filters: Vec<TopicFilter> = bindings
                .into_iter()
                .filter(|b| check_mode(b.mode).is_ok())
                .map(|b| b.filter)
                .collect();
            if filters.is_empty() {
                e.actor = None;
            }
            e.filters = Some(filters);
        }
    }

    /// The bindings of a waddle are to be read anew when something is published.
    pub(crate) fn forget(&self, waddle: WaddleId) {
        self.0.waddles.remove(&waddle);
    }

    /// The bindings of a waddle changed.
    fn changed(&self, waddle: WaddleId) {
        let Some(mut e) = self.0.waddles.get_mut(&waddle) else {
            return;
        };
        e.filters = None;
        match e.actor.clone() {
            // A full mailbox is full of readings, which are worth less than this.
            Some(actor) => _ = tokio::spawn(async move { actor.tell(Reload).send().await.is_ok() }),
            None => {
                drop(e);
                self.forget(waddle);
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
            Ok(Event::BindingsChanged { waddle }) => feeds.changed(waddle),
            Ok(Event::ChannelDeleted { channel, .. }) => feeds.changed(channel.waddle),
            Ok(Event::WaddleDeleted { waddle, .. }) => feeds.forget(waddle),
            Ok(_) => {}
            Err(RecvError::Lagged(_)) => {
                let all: Vec<WaddleId> = feeds.0.waddles.iter().map(|e| *e.key()).collect();
                for waddle in all {
                    feeds.changed(waddle);
                }
            }
            Err(RecvError::Closed) => return,
        }
    }
}
