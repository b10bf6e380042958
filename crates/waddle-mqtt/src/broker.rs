//! The broker's life and the calls from within: [`Broker`] is the handle, [`BrokerActor`] owns listeners, timers and
//! the watch over permissions (ADR 0008). Messages between clients never pass through its mailbox.

use std::{
    net::SocketAddr,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use bytes::Bytes;
use kameo::{
    Actor,
    actor::{ActorRef, Spawn, WeakActorRef},
    error::{ActorStopReason, Infallible},
    message::{Context, Message},
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::broadcast::error::RecvError,
    task::AbortHandle,
};
use waddle_core::{Timestamp, TopicFilter, TopicName, UserId, WaddleId};

use crate::{
    codec::{Fault, Reason},
    config::BrokerConfig,
    connection,
    core::Core,
    error::{Error, PublishError},
    listener,
    message::{Envelope, Gather, Left},
    metrics::Figures,
    policy::{Action, Change, Principal},
    sink::PublishSink,
    sys,
    ticket::Ticket,
};

/// How often `$SYS` figures change and unused spaces are freed.
const TICK: Duration = Duration::from_secs(10);
/// How long connections have to end at shutdown.
const DRAIN: Duration = Duration::from_secs(5);

/// A running broker. Clones are handles to the same.
#[derive(Clone, Debug)]
pub struct Broker {
    core: Arc<Core>,
    actor: ActorRef<BrokerActor>,
    addresses: Arc<Addresses>,
}

/// Where a broker listens, ports resolved.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Addresses {
    /// Without TLS.
    pub tcp: Vec<SocketAddr>,
    /// With TLS.
    pub tls: Vec<SocketAddr>,
}

/// A message from within the server.
#[derive(Debug, Clone)]
pub struct Publish {
    /// In whose topic space.
    pub waddle: WaddleId,
    /// The topic there.
    pub topic: TopicName,
    /// The payload.
    pub payload: Bytes,
    /// 0, 1 or 2.
    pub qos: u8,
    /// To be kept.
    pub retain: bool,
    /// Seconds until it is worthless.
    pub expiry: Option<u32>,
    /// On whose behalf, with their rights; none for the server, which may everything.
    pub publisher: Option<UserId>,
}

/// A live connection, for managers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectionInfo {
    /// Its number, for [`Broker::disconnect`].
    pub serial: u64,
    /// Who.
    pub user: UserId,
    /// The account's localpart or the device's user name.
    pub name: String,
    /// The client identifier.
    pub client_id: String,
    /// From where.
    pub peer: SocketAddr,
    /// `tcp`, `tls` or `websocket`.
    pub transport: &'static str,
    /// `3.1.1` or `5.0`.
    pub version: &'static str,
    /// Since when.
    pub since: Timestamp,
    /// When it last sent something.
    pub last_seen: Timestamp,
    /// Messages that found no room in its queue.
    pub dropped: u32,
    /// Its filters, as it wrote them.
    pub filters: Vec<String>,
}

/// A retained message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetainedMessage {
    /// The topic in the waddle's space.
    pub topic: Arc<str>,
    /// The payload.
    pub payload: Bytes,
    /// When it came.
    pub received: Timestamp,
    /// Who published it.
    pub publisher: Option<UserId>,
}

impl Broker {
    /// Restores the stored sessions, binds the listeners and starts.
    pub async fn start(config: BrokerConfig) -> Result<Self, Error> {
        let mut bound = Vec::new();
        for l in config.listen {
            bound.push(listener::bind(l).await?);
        }
        let core = Core::new(
            config.limits,
            config.rate_limits,
            config.storage,
            config.clock,
            config.policy,
        );
        let restored = core.restore().await?;
        tracing::info!(sessions = restored, "MQTT sessions restored");
        let addresses = Addresses {
            tcp: bound.iter().filter(|b| !b.is_tls()).map(|b| b.addr).collect(),
            tls: bound.iter().filter(|b| b.is_tls()).map(|b| b.addr).collect(),
        };
        let actor = BrokerActor::spawn((core.clone(), bound));
        actor.wait_for_startup().await;
        Ok(Self {
            core,
            actor,
            addresses: Arc::new(addresses),
        })
    }

    /// Where it listens.
    pub fn addresses(&self) -> &Addresses {
        &self.addresses
    }

    /// The actor that owns it, for a supervisor.
    pub fn actor(&self) -> &ActorRef<BrokerActor> {
        &self.actor
    }

    /// Serves one connection that another listener accepted (WebSocket), to its end.
    pub async fn serve<Io>(&self, io: Io, peer: SocketAddr)
    where
        Io: AsyncRead + AsyncWrite + Send + Unpin,
    {
        connection::serve(self.core.clone(), io, peer, "websocket").await;
    }

    /// Shows every accepted message to `sink` from now on.
    pub fn add_sink(&self, sink: Arc<dyn PublishSink>) {
        self.core.sinks.rcu(|s| {
            let mut all = (**s).clone();
            all.push(sink.clone());
            all
        });
    }

    /// Publishes a message. Resolves when it is stored, where somebody durable must get it or it is retained.
    pub async fn publish(&self, p: Publish) -> Result<(), PublishError> {
        let core = &self.core;
        if p.topic.as_str().starts_with('$') || core.check_topic(p.topic.as_str()).is_err() || p.qos > 2 {
            return Err(PublishError::Topic);
        }
        if p.payload.len() + p.topic.as_str().len() + 64 > core.limits.mqtt_packet_bytes {
            return Err(PublishError::TooLarge);
        }
        let space = core.space(p.waddle).await?.ok_or(PublishError::NoWaddle)?;
        if let Some(user) = &p.publisher {
            let who = Principal {
                user: user.clone(),
                name: String::new(),
                operator: false,
                device: None,
            };
            if !space.access.may(&who, Action::Publish, p.topic.as_str()) {
                return Err(PublishError::Forbidden);
            }
        }
        let mut g = Gather::default();
        g.add_parts("", b"", &p.payload, p.expiry);
        let topic = p.topic.shared();
        let run = g.finish(Envelope {
            waddle: space.waddle,
            view: space.view.clone(),
            topic: topic.clone(),
            qos: p.qos,
            retain: p.retain,
            received: core.clock.now(),
            from: 0,
            publisher: p.publisher,
        });
        let targets = space.targets(&topic);
        let ticket = core
            .route(&space, &targets, run, None, || Ticket::new(None))
            .await
            .map_err(|_| PublishError::Quota)?;
        match ticket {
            Some(t) if !t.wait().await => Err(PublishError::NotStored),
            _ => Ok(()),
        }
    }

    /// The retained messages of a waddle that match a filter, at most `limit`, after a topic.
    pub async fn retained(
        &self,
        waddle: WaddleId,
        filter: &TopicFilter,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<RetainedMessage>, PublishError> {
        let space = self.core.space(waddle).await?.ok_or(PublishError::NoWaddle)?;
        let now = self.core.clock.now();
        let (page, _) = space.retained.read().page(filter, after, limit, usize::MAX);
        Ok(page
            .iter()
            .filter(|r| r.left(0, now) != Left::Expired)
            .map(|r| RetainedMessage {
                topic: r.topic.clone(),
                payload: r.payload_bytes(0),
                received: r.received,
                publisher: r.publisher.clone(),
            })
            .collect())
    }

    /// The figures now.
    pub async fn figures(&self) -> Figures {
        self.actor
            .ask(GetFigures)
            .await
            .unwrap_or_else(|_| self.core.metrics.figures())
    }

    /// The live connections; of one waddle only those that are mounted in it or subscribe there.
    pub async fn connections(&self, waddle: Option<WaddleId>) -> Vec<ConnectionInfo> {
        self.actor.ask(GetConnections(waddle)).await.unwrap_or_default()
    }

    /// Ends a connection on a manager's behalf; whether there was one.
    pub async fn disconnect(&self, serial: u64) -> bool {
        self.actor.ask(Kick(serial)).await.unwrap_or(false)
    }

    /// Applies a change of rights that did not come through the policy's events.
    pub async fn recheck(&self, change: Change) {
        let _ = self.actor.tell(change).await;
    }

    /// Sends everybody away and stops. Stored sessions wait for the next start.
    pub async fn shutdown(&self) {
        self.core
            .kick_all(Fault::new(Reason::SHUTTING_DOWN, "the server is shutting down"));
        let deadline = tokio::time::Instant::now() + DRAIN;
        let gone = || self.core.links.is_empty() && self.core.leaving.load(Ordering::Acquire) == 0;
        while !gone() && tokio::time::Instant::now() < deadline {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let _ = self.actor.stop_gracefully().await;
        self.actor.wait_for_shutdown().await;
    }
}

/// Owns what runs for the broker besides its connections.
#[derive(Debug)]
pub struct BrokerActor {
    core: Arc<Core>,
    tasks: Vec<AbortHandle>,
}

impl Actor for BrokerActor {
    type Args = (Arc<Core>, Vec<listener::Bound>);
    type Error = Infallible;

    async fn on_start((core, bound): Self::Args, me: ActorRef<Self>) -> Result<Self, Infallible> {
        let mut tasks = Vec::new();
        for b in bound {
            tasks.push(tokio::spawn(listener::accept(core.clone(), b)).abort_handle());
        }
        tasks.push(tokio::spawn(timers(core.clone())).abort_handle());
        tasks.push(tokio::spawn(watch(core.clone(), me.downgrade())).abort_handle());
        tasks.push(tokio::spawn(tick(core.clone())).abort_handle());
        Ok(Self { core, tasks })
    }

    async fn on_stop(&mut self, _: WeakActorRef<Self>, _: ActorStopReason) -> Result<(), Infallible> {
        for t in &self.tasks {
            t.abort();
        }
        self.core
            .kick_all(Fault::new(Reason::SHUTTING_DOWN, "the server is shutting down"));
        Ok(())
    }
}

async fn timers(core: Arc<Core>) {
    loop {
        let s = core.timers.next().await;
        core.timer_rang(s).await;
    }
}

/// Takes the policy's changes to the actor; a receiver that lags checks everything.
async fn watch(core: Arc<Core>, actor: WeakActorRef<BrokerActor>) {
    let mut changes = core.policy.changes();
    loop {
        let change = match changes.recv().await {
            Ok(c) => c,
            Err(RecvError::Lagged(_)) => Change::Everything,
            Err(RecvError::Closed) => return,
        };
        let Some(actor) = actor.upgrade() else { return };
        if actor.tell(change).await.is_err() {
            return;
        }
    }
}

async fn tick(core: Arc<Core>) {
    let started = core.clock.now();
    loop {
        sys::publish(&core, started).await;
        core.sweep();
        tokio::time::sleep(TICK).await;
    }
}

struct GetFigures;
struct GetConnections(Option<WaddleId>);
struct Kick(u64);

impl Message<Change> for BrokerActor {
    type Reply = ();
    async fn handle(&mut self, change: Change, _: &mut Context<Self, ()>) {
        self.core.apply(change).await;
    }
}

impl Message<GetFigures> for BrokerActor {
    type Reply = Figures;
    async fn handle(&mut self, _: GetFigures, _: &mut Context<Self, Figures>) -> Figures {
        self.core.metrics.figures()
    }
}

impl kameo::reply::Reply for Figures {
    type Ok = Self;
    type Error = Infallible;
    type Value = Self;
    fn to_result(self) -> Result<Self, Infallible> {
        Ok(self)
    }
    fn into_any_err(self) -> Option<Box<dyn kameo::reply::ReplyError>> {
        None
    }
    fn into_value(self) -> Self {
        self
    }
}

impl Message<Kick> for BrokerActor {
    type Reply = bool;
    async fn handle(&mut self, Kick(serial): Kick, _: &mut Context<Self, bool>) -> bool {
        let why = Fault::new(Reason::ADMINISTRATIVE, "a manager ended this connection");
        self.core.kick(serial, why)
    }
}

impl Message<GetConnections> for BrokerActor {
    type Reply = Vec<ConnectionInfo>;
    async fn handle(
        &mut self,
        GetConnections(waddle): GetConnections,
        _: &mut Context<Self, Vec<ConnectionInfo>>,
    ) -> Vec<ConnectionInfo> {
        let mut out: Vec<ConnectionInfo> = self
            .core
            .links
            .iter()
            .filter_map(|l| {
                let (link, session, _) = l.value();
                let owner = session.owner();
                let subs = session.subs.lock();
                let here = waddle.is_none_or(|w| {
                    owner.mount.waddle() == Some(w)
                        || subs
                            .values()
                            .any(|s| s.placed.iter().any(|p| p.space.waddle == Some(w)))
                });
                here.then(|| ConnectionInfo {
                    serial: link.serial,
                    user: owner.who.user.clone(),
                    name: owner.who.name.clone(),
                    client_id: link.client.to_string(),
                    peer: link.peer,
                    transport: link.transport,
                    version: link.version.name(),
                    since: link.since,
                    last_seen: Timestamp(link.seen.load(Ordering::Relaxed)),
                    dropped: link.dropped.load(Ordering::Relaxed),
                    filters: subs.keys().map(ToString::to_string).collect(),
                })
            })
            .collect();
        out.sort_by_key(|c| c.serial);
        out
    }
}
