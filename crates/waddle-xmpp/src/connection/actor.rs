//! The connection actor: mailbox, socket and outbox in one task (ADR 0001).
//!
//! `next()` selects over all three, so a stanza needs no message and no second task. Everything that is large
//! or rare is boxed: an idle session is this actor, its TLS state and an empty outbox.

use std::{convert::Infallible, sync::Arc};

use kameo::{
    Actor,
    actor::{ActorRef, WeakActorRef},
    error::ActorStopReason,
    mailbox::{MailboxReceiver, Signal},
    message::{Context as Ctx, Message},
};
use waddle_stanza::{Outgoing, StreamError, sm::SmError};

use super::{Peer, Start, bound::Buckets, sm::Sm, stream::Connection};
use crate::{address::Place, server::Server, session::Session};

/// What a connection starts with.
pub struct Args {
    pub(super) server: Arc<Server>,
    pub(super) start: Start,
    pub(super) peer: Peer,
    pub(super) place: Option<Place>,
}

/// Ends the stream with an error.
#[derive(Debug, Clone)]
pub struct End(pub StreamError);

/// The session's account is gone: a last answer, then the end.
#[derive(Debug)]
pub struct Farewell(pub Outgoing);

/// Another session wants the resource: a dead connection shall be found out soon.
#[derive(Debug, Clone, Copy)]
pub struct Probe;

/// A new connection of the same account wants to resume this one's session (XEP-0198).
#[derive(Debug, Clone, Copy)]
pub struct TakeOver {
    /// How many stanzas the client has handled.
    pub h: u32,
}

/// A session that changes its connection.
#[derive(Debug)]
pub struct Parked {
    /// The session.
    pub session: Arc<Session>,
    /// Its stream management.
    pub sm: Box<Sm>,
    /// Its rate limits.
    pub(super) buckets: Buckets,
}

/// One connection.
pub struct ConnectionActor {
    c: Box<Connection>,
}

impl Actor for ConnectionActor {
    type Args = Args;
    type Error = Infallible;

    async fn on_start(args: Args, me: ActorRef<Self>) -> Result<Self, Infallible> {
        Ok(Self {
            c: Connection::new(args, me),
        })
    }

    async fn next(
        &mut self,
        _me: WeakActorRef<Self>,
        mailbox: &mut MailboxReceiver<Self>,
    ) -> Result<Option<Signal<Self>>, Infallible> {
        Ok(self.c.run(mailbox).await)
    }

    async fn on_stop(&mut self, _me: WeakActorRef<Self>, reason: ActorStopReason) -> Result<(), Infallible> {
        if matches!(reason, ActorStopReason::Panicked(_)) {
            tracing::error!(parent: &self.c.span, "a connection panicked");
        }
        self.c.finish().await;
        Ok(())
    }
}

impl Message<End> for ConnectionActor {
    type Reply = ();
    async fn handle(&mut self, End(error): End, _: &mut Ctx<Self, ()>) {
        let text =
            (error == StreamError::SystemShutdown).then_some("the server stops; reconnect in a moment");
        self.c.close(Some(error), text).await;
    }
}

impl Message<Farewell> for ConnectionActor {
    type Reply = ();
    async fn handle(&mut self, Farewell(last): Farewell, _: &mut Ctx<Self, ()>) {
        self.c.farewell(last).await;
    }
}

impl Message<Probe> for ConnectionActor {
    type Reply = ();
    async fn handle(&mut self, _: Probe, _: &mut Ctx<Self, ()>) {
        self.c.probe();
    }
}

impl Message<TakeOver> for ConnectionActor {
    type Reply = Result<Option<Box<Parked>>, SmError>;
    async fn handle(&mut self, TakeOver { h }: TakeOver, _: &mut Ctx<Self, Self::Reply>) -> Self::Reply {
        self.c.take_over(h)
    }
}
