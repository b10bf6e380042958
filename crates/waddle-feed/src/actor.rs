//! The actor around the feeds of one waddle: it reads the bindings, keeps the time and posts what the reducer
//! decided, one line at a time and channel (`adrs/0001-actors-and-outboxes.md`).
//!
//! A fault of it loses what waits and no more: it starts anew in its place, with its mailbox and fresh bindings.

use std::{
    future::Future,
    ops::ControlFlow,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures::{StreamExt as _, stream::FuturesUnordered};
use kameo::{
    Actor,
    actor::{ActorRef, WeakActorRef},
    error::{ActorStopReason, PanicError},
    mailbox::{MailboxReceiver, Signal},
    message::{Context, Message},
};
use tokio::time::{Instant, sleep, timeout};
use tracing::Instrument as _;
use waddle_community::Error;
use waddle_core::{ChannelId, Timestamp, WaddleId, sample::STANZA_SPANS};
use waddle_muc::{Post, PostError};

use crate::{
    feeds::Shared,
    metrics,
    payload::Reading,
    state::{Fate, FeedState},
};

/// After bindings could not be read, the time until they are tried again.
const RETRY: Duration = Duration::from_secs(5);
/// The time that a waddle without feeds keeps its actor.
const EMPTY: Duration = Duration::from_secs(1);
/// The time that what waits has to be posted when the server stops.
const FAREWELL: Duration = Duration::from_secs(2);

/// What comes in.
pub(crate) enum Input {
    /// Something was published.
    Reading { topic: Box<str>, reading: Reading },
    /// The bindings changed.
    Reload,
}

/// What an actor starts with.
#[derive(Clone)]
pub(crate) struct Start {
    pub waddle: WaddleId,
    pub shared: Shared,
    /// Inputs in the mailbox or on the way to it.
    pub waiting: Arc<AtomicUsize>,
    /// Grows with every change of the bindings.
    pub epoch: Arc<AtomicU64>,
}

type Posting = Pin<Box<dyn Future<Output = (ChannelId, Result<(), PostError>)> + Send>>;

/// The feeds of one waddle.
pub(crate) struct FeedActor {
    start: Start,
    state: FeedState,
    /// The epoch of the bindings that the state has.
    loaded: Option<u64>,
    failed: Option<Instant>,
    /// At most one per channel.
    posts: FuturesUnordered<Posting>,
}

impl Actor for FeedActor {
    type Args = Start;
    type Error = std::convert::Infallible;

    async fn on_start(start: Start, _: ActorRef<Self>) -> Result<Self, Self::Error> {
        metrics::active(1);
        Ok(Self {
            state: FeedState::new(start.shared.deps().limits.clone()),
            start,
            loaded: None,
            failed: None,
            posts: FuturesUnordered::new(),
        })
    }

    async fn next(
        &mut self,
        _: WeakActorRef<Self>,
        mailbox: &mut MailboxReceiver<Self>,
    ) -> Result<Option<Signal<Self>>, Self::Error> {
        loop {
            let now = self.now();
            metrics::summarized(self.state.tick(now));
            self.post(now);
            let due = self.state.due(now);
            let wait = due.map_or(EMPTY, |t| t.since(now)).max(Duration::from_millis(1));
            let patience = self.patience();
            tokio::select! {
                biased;
                Some((channel, result)) = self.posts.next() => self.answer(channel, result),
                signal = mailbox.recv() => return Ok(signal),
                () = sleep(wait), if due.is_some() => {}
                () = sleep(patience), if self.state.is_idle() => {
                    if self.start.shared.retire(&self.start) {
                        return Ok(None);
                    }
                }
            }
        }
    }

    async fn on_panic(
        &mut self,
        _: WeakActorRef<Self>,
        e: PanicError,
    ) -> Result<ControlFlow<ActorStopReason>, Self::Error> {
        tracing::error!(waddle = %self.start.waddle, error = %e, "the feeds of a waddle failed and start anew");
        metrics::restarted();
        self.state = FeedState::new(self.start.shared.deps().limits.clone());
        self.posts = FuturesUnordered::new();
        self.loaded = None;
        Ok(ControlFlow::Continue(()))
    }

    async fn on_stop(&mut self, _: WeakActorRef<Self>, _: ActorStopReason) -> Result<(), Self::Error> {
        metrics::summarized(self.state.flush());
        let farewell = async {
            loop {
                self.post(self.now());
                let Some((channel, result)) = self.posts.next().await else {
                    break;
                };
                self.answer(channel, result);
            }
        };
        let _ = timeout(FAREWELL, farewell).await;
        metrics::failed("shutdown", self.state.waiting());
        metrics::active(-1);
        Ok(())
    }
}

impl Message<Input> for FeedActor {
    type Reply = ();

    async fn handle(&mut self, input: Input, _: &mut Context<Self, ()>) {
        self.start.waiting.fetch_sub(1, Ordering::AcqRel);
        self.load().await;
        let Input::Reading { topic, reading } = input else {
            return;
        };
        if self.loaded.is_none() {
            return metrics::dropped("bindings");
        }
        if self.state.reading(&topic, &reading, self.now()) > 0 {
            metrics::reading(matches!(reading, Reading::Unreadable(_)));
        }
    }
}

impl FeedActor {
    fn now(&self) -> Timestamp {
        self.start.shared.deps().clock.now()
    }

    /// The time without anything to do after which the actor goes; all buckets are full by then.
    fn patience(&self) -> Duration {
        if self.state.is_empty() {
            return EMPTY;
        }
        let limits = &self.start.shared.deps().limits;
        Duration::from_secs(limits.feed_idle_seconds.max(u64::from(limits.feed_rate.seconds)))
    }

    /// Reads the bindings, unless they are as they were.
    async fn load(&mut self) {
        let seen = self.start.epoch.load(Ordering::SeqCst);
        if self.loaded == Some(seen) || self.failed.is_some_and(|at| at.elapsed() < RETRY) {
            return;
        }
        let waddle = self.start.waddle;
        match self.start.shared.deps().community.bindings(waddle).await {
            Ok(bindings) => {
                self.state.bind(bindings, self.now());
                self.start
                    .shared
                    .snapshot()
                    .put(waddle, self.state.filters(), &self.start.epoch, seen);
            }
            Err(Error::NotFound(_)) => self.state.bind(Vec::new(), self.now()),
            Err(e) => {
                tracing::warn!(%waddle, error = %e, "the bindings of a waddle cannot be read");
                (self.loaded, self.failed) = (None, Some(Instant::now()));
                return;
            }
        }
        (self.loaded, self.failed) = (Some(seen), None);
    }

    /// Sends on their way the lines that may go now.
    fn post(&mut self, now: Timestamp) {
        let mut lines = Vec::new();
        self.state.start(now, &mut lines);
        for line in lines {
            let rooms = self.start.shared.deps().rooms.clone();
            let post = Post {
                waddle: self.start.waddle,
                channel: line.channel,
                nick: line.nick.to_string(),
                body: line.body,
                poster: None,
            };
            let channel = line.channel;
            let work = async move { (channel, rooms.post(post).await.map(drop)) };
            self.posts.push(if STANZA_SPANS.sample() {
                let span = tracing::info_span!("feed.post", waddle = %self.start.waddle, %channel);
                Box::pin(work.instrument(span))
            } else {
                Box::pin(work)
            });
        }
    }

    fn answer(&mut self, channel: ChannelId, result: Result<(), PostError>) {
        match self.state.posted(channel, result, self.now()) {
            Fate::Posted => metrics::line(),
            Fate::Again => {}
            Fate::Lost(why) => {
                metrics::failed(why, 1);
                tracing::warn!(waddle = %self.start.waddle, %channel, why, "a channel took no reading");
            }
        }
    }
}
