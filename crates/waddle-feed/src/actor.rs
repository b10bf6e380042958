//! The actor of one waddle's feeds: it reads the bindings, and posts the lines that the reducer makes, in order.

use std::ops::ControlFlow;

use bytes::Bytes;
use kameo::{
    Actor,
    actor::{ActorRef, WeakActorRef},
    error::{ActorStopReason, PanicError},
    mailbox::{MailboxReceiver, Signal},
    message::{Context, Message},
};
use waddle_core::WaddleId;
use waddle_muc::Post;

use crate::{
    feeds::Shared,
    metrics::instruments,
    state::{FeedState, Line},
};

/// A message was published.
pub(crate) struct Publication {
    pub topic: Box<str>,
    pub payload: Bytes,
}

/// The bindings changed.
pub(crate) struct Reload;

/// What an actor starts with.
pub(crate) struct Start {
    pub waddle: WaddleId,
    pub shared: Shared,
}

/// The feeds of one waddle.
pub(crate) struct FeedActor {
    start: Start,
    state: FeedState,
}

impl Actor for FeedActor {
    type Args = Start;
    type Error = std::convert::Infallible;

    async fn on_start(start: Start, _: ActorRef<Self>) -> Result<Self, Self::Error> {
        let deps = start.shared.deps();
        let state = FeedState::new(deps.limits.clone(), Vec::new(), deps.clock.now());
        let mut this = Self { start, state };
        this.reload().await;
        Ok(this)
    }

    async fn next(
        &mut self,
        _: WeakActorRef<Self>,
        mailbox: &mut MailboxReceiver<Self>,
    ) -> Result<Option<Signal<Self>>, Self::Error> {
        loop {
            let Some(due) = self.state.due() else {
                return Ok(mailbox.recv().await);
            };
            let wait = due.since(self.start.shared.deps().clock.now());
            tokio::select! {
                biased;
                () = tokio::time::sleep(wait) => {
                    let mut lines = Vec::new();
                    self.state.tick(self.start.shared.deps().clock.now(), &mut lines);
                    self.post(lines).await;
                }
                signal = mailbox.recv() => return Ok(signal),
            }
        }
    }

    /// Nothing here outlives a message but buckets and surplus: the next reading is read as if nothing happened.
    async fn on_panic(
        &mut self,
        _: WeakActorRef<Self>,
        e: PanicError,
    ) -> Result<ControlFlow<ActorStopReason>, Self::Error> {
        tracing::error!(waddle = %self.start.waddle, error = %e, "a feed failed and goes on");
        Ok(ControlFlow::Continue(()))
    }
}

impl Message<Publication> for FeedActor {
    type Reply = ();

    async fn handle(&mut self, p: Publication, _: &mut Context<Self, ()>) {
        let mut lines = Vec::new();
        let now = self.start.shared.deps().clock.now();
        self.state.handle(&p.topic, &p.payload, now, &mut lines);
        self.post(lines).await;
    }
}

impl Message<Reload> for FeedActor {
    type Reply = ();

    async fn handle(&mut self, _: Reload, _: &mut Context<Self, ()>) {
        self.reload().await;
    }
}

impl FeedActor {
    async fn reload(&mut self) {
        let deps = self.start.shared.deps();
        match deps.community.bindings(self.start.waddle).await {
            Ok(bindings) => {
                self.state.rebind(bindings.clone(), deps.clock.now());
                self.start.shared.loaded(self.start.waddle, bindings);
            }
            Err(e) => {
                tracing::warn!(waddle = %self.start.waddle, error = %e, "the feeds of a waddle cannot be read");
                self.start.shared.forget(self.start.waddle);
            }
        }
    }

    async fn post(&self, lines: Vec<Line>) {
        for line in lines {
            let post = Post {
                waddle: self.start.waddle,
                channel: line.channel,
                nick: line.nick.to_string(),
                body: line.body,
            };
            match self.start.shared.deps().rooms.post(post).await {
                Ok(_) => instruments().posted.add(1, &[]),
                Err(e) => {
                    instruments().failed.add(1, &[]);
                    tracing::debug!(waddle = %self.start.waddle, error = %e, "a channel took no reading");
                }
            }
        }
    }
}
