//! The server as a whole: what every connection shares, its start and its end.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use ahash::AHashMap;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use dashmap::DashMap;
use kameo::actor::ActorRef;
use ring::rand::{SecureRandom as _, SystemRandom};
use tokio::sync::Notify;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use waddle_community::Community;
use waddle_core::{BareJid, Jid, Limits, SharedClock, Timestamp};
use waddle_identity::{Identity, IdentityEvent};
use waddle_muc::Rooms;
use waddle_pubsub::PubSub;
use waddle_stanza::{Outgoing, StreamError};
use waddle_storage::{Db, Storage};

use crate::{
    address::Addresses,
    command::CommandSessions,
    component::{self, Component, ComponentHost},
    config::XmppConfig,
    connection::{
        self, ConnectionActor, End, Peer, ReadWrite, Start, TextFrames, Transport, transport::Socket,
    },
    error::Error,
    listener,
    office::Office,
    personal::channels,
    push::Push,
    resume::Expired,
    router,
    service::Services,
    sessions::Sessions,
    xep::{registry::Registry, xep0503},
};

/// What the server is built on.
#[derive(Clone)]
pub struct Deps {
    /// Databases.
    pub storage: Storage,
    /// Accounts and credentials.
    pub identity: Identity,
    /// Waddles, channels and members.
    pub community: Community,
    /// The room service.
    pub rooms: Rooms,
    /// The time.
    pub clock: SharedClock,
    /// Bounds.
    pub limits: Arc<Limits>,
}

/// What all connections share.
pub struct Server {
    /// Settings.
    pub config: XmppConfig,
    /// Bounds.
    pub limits: Arc<Limits>,
    /// The time.
    pub clock: SharedClock,
    /// The server database.
    pub db: Db,
    /// Accounts and credentials.
    pub identity: Identity,
    /// Waddles.
    pub community: Community,
    /// Rooms.
    pub rooms: Rooms,
    /// Nodes of the accounts and of the service.
    pub pubsub: PubSub,
    /// What capabilities of clients stand for.
    pub(crate) caps: crate::interests::KnownCaps,
    /// Bound resources.
    pub sessions: Sessions,
    /// Extensions.
    pub registry: Registry,
    /// Hosts beside the domain.
    pub services: Services,
    /// Services outside XMPP (XEP-0215).
    pub external: crate::xep::xep0215::External,
    /// Who wants to be woken.
    pub push: Push,
    /// The components that may connect.
    pub(crate) components: Arc<[Component]>,
    /// Their hosts.
    pub(crate) component_hosts: AHashMap<Box<str>, Arc<ComponentHost>>,
    /// What administrators have set for everybody.
    pub office: Office,
    /// Ad-hoc commands under way.
    pub commands: CommandSessions,
    /// Sessions that ended and could not be resumed, with what was handled of them.
    pub(crate) expired: Expired,
    /// When it started.
    pub(crate) started: Timestamp,
    /// Who has preferences about the archive.
    pub(crate) choosers: router::keep::Choosers,
    /// Who blocks whom.
    pub(crate) blocks: router::blocks::Blocks,
    /// From whom accounts take messages.
    pub(crate) policies: router::consent::Policies,
    /// Who wrote to whom.
    pub(crate) strangers: router::strangers::Strangers,
    /// What happens to people beside the channels.
    pub(crate) news: crate::direct::news::Teller,
    /// Occupants of rooms that are no sessions.
    pub(crate) guests: router::guests::Guests,
    /// Requests of the server itself that wait for their answer.
    pub(crate) questions: router::ask::Questions,
    pub(crate) addresses: Arc<Addresses>,
    pub(crate) stop: CancellationToken,
    pub(crate) starttls: Option<TlsAcceptor>,
    pub(crate) direct_tls: Option<TlsAcceptor>,
    pub(crate) connections: DashMap<u64, ActorRef<ConnectionActor>, ahash::RandomState>,
    pub(crate) gone: Notify,
    /// Work that begins on a storage thread goes on there.
    pub(crate) runtime: tokio::runtime::Handle,
    next_connection: AtomicU64,
    random: SystemRandom,
    /// The domain as an address.
    pub domain: Jid,
}

impl Server {
    /// Random text of `N` bytes, for stream ids, nonces and resumption ids.
    pub(crate) fn random_text<const N: usize>(&self) -> String {
        let mut bytes = [0; N];
        // A machine without randomness cannot speak TLS either; the id is then merely not unpredictable.
        if self.random.fill(&mut bytes).is_err() {
            let n = self.next_connection.fetch_add(1, Ordering::Relaxed);
            bytes[..8.min(N)].copy_from_slice(&n.to_be_bytes()[..8.min(N)]);
        }
        URL_SAFE_NO_PAD.encode(bytes)
    }

    pub(crate) fn next_connection(&self) -> u64 {
        self.next_connection.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// The time now.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Whether `jid` is an account's address on this server.
    pub fn is_local(&self, jid: &Jid) -> bool {
        jid.domain() == self.config.domain
    }

    /// The bare JID of an account of this server.
    pub fn account(&self, localpart: &str) -> Option<BareJid> {
        BareJid::new(Some(localpart), &self.config.domain).ok()
    }
}

/// The addresses that a server listens on, port 0 resolved.
#[derive(Debug, Clone, Default)]
pub struct Listening {
    /// STARTTLS.
    pub starttls: Vec<SocketAddr>,
    /// Direct TLS.
    pub tls: Vec<SocketAddr>,
    /// Components.
    pub component: Vec<SocketAddr>,
}

/// A running XMPP server; clones are handles to the same.
#[derive(Clone)]
pub struct XmppServer {
    inner: Arc<Server>,
    listening: Arc<Listening>,
}

impl XmppServer {
    /// Binds the listeners and starts to serve.
    pub async fn start(config: XmppConfig, deps: Deps) -> Result<Self, Error> {
        let domain = Jid::new(None, &config.domain, None)?;
        let acceptor = |alpn: &[&[u8]]| {
            config.tls.as_ref().map(|base| {
                let mut c = rustls::ServerConfig::clone(base);
                c.cert_resolver = Arc::new(connection::binding::Witness(c.cert_resolver));
                // One is enough to come back with; each costs every login some CPU and bytes.
                c.send_tls13_tickets = 1;
                c.alpn_protocols = alpn.iter().map(|p| p.to_vec()).collect();
                TlsAcceptor::from(Arc::new(c))
            })
        };
        if config.tls.is_none() && !config.listen_tls.is_empty() {
            return Err(Error::NoTls);
        }
        let each = if config.rate_limits {
            deps.limits.connections_per_address
        } else {
            usize::MAX
        };
        let (starttls, direct_tls) = (acceptor(&[]), acceptor(&[b"xmpp-client"]));
        let inner = Arc::new(Server {
            registry: Registry::without(&config.disabled),
            services: Services::default(),
            external: crate::xep::xep0215::External::default(),
            push: Push::default(),
            component_hosts: config
                .components
                .iter()
                .map(|c| (c.host.as_str().into(), ComponentHost::new(&c.host)))
                .collect(),
            components: config.components.clone().into(),
            addresses: Addresses::new(deps.limits.connections, each),
            pubsub: PubSub::new(deps.storage.server(), deps.limits.clone()),
            caps: crate::interests::KnownCaps::default(),
            news: crate::direct::news::Teller::new(deps.limits.message_news),
            limits: deps.limits,
            started: deps.clock.now(),
            clock: deps.clock,
            db: deps.storage.server(),
            identity: deps.identity,
            community: deps.community,
            rooms: deps.rooms,
            sessions: Sessions::default(),
            commands: CommandSessions::default(),
            office: Office::load(&deps.storage.server()).await?,
            expired: Expired::default(),
            blocks: router::blocks::Blocks::default(),
            choosers: router::keep::Choosers::default(),
            policies: router::consent::Policies::default(),
            strangers: router::strangers::Strangers::default(),
            guests: router::guests::Guests::default(),
            questions: router::ask::Questions::default(),
            stop: CancellationToken::new(),
            starttls,
            direct_tls,
            connections: DashMap::default(),
            gone: Notify::new(),
            runtime: tokio::runtime::Handle::current(),
            next_connection: AtomicU64::new(0),
            random: SystemRandom::new(),
            domain,
            config,
        });
        inner
            .pubsub
            .set_host(crate::nodes::Around(Arc::downgrade(&inner)));
        let weak = Arc::downgrade(&inner);
        inner.rooms.set_reading(Arc::new(move |user, room, id| {
            if let Some(server) = weak.upgrade() {
                crate::personal::displayed::read(&server, user, room, id);
            }
        }));
        inner.choosers.load(&inner.db).await?;
        inner.policies.load(&inner.db).await?;
        if inner.registry.has(357) {
            inner.push.load(&inner.db).await?;
        }
        for (host, service) in inner.registry.services(&inner) {
            inner.services.add(&host, service);
        }
        let mut listening = Listening::default();
        let mut bound = Vec::new();
        for (kind, addresses) in [
            (listener::Kind::StartTls, &inner.config.listen),
            (listener::Kind::DirectTls, &inner.config.listen_tls),
            (listener::Kind::Component, &inner.config.component_listen),
        ] {
            for address in addresses {
                let (l, local) = listener::bind(kind, *address).await?;
                match kind {
                    listener::Kind::StartTls => listening.starttls.push(local),
                    listener::Kind::DirectTls => listening.tls.push(local),
                    listener::Kind::Component => listening.component.push(local),
                }
                bound.push((l, kind));
            }
        }
        for (l, kind) in bound {
            match kind {
                listener::Kind::Component => tokio::spawn(component::link::listen(inner.clone(), l)),
                _ => tokio::spawn(listener::run(inner.clone(), l, kind)),
            };
        }
        tokio::spawn(watch_identity(inner.clone()));
        if inner.registry.has(402) {
            tokio::spawn(channels::watch(inner.clone()));
        }
        tokio::spawn(crate::reports::watch(inner.clone()));
        if inner.registry.has(503) {
            tokio::spawn(xep0503::watch(inner.clone()));
        }
        crate::retention::start(&inner, deps.storage);
        Ok(Self {
            inner,
            listening: Arc::new(listening),
        })
    }

    /// Where it listens.
    pub fn listening(&self) -> &Listening {
        &self.listening
    }

    /// Serves one WebSocket (RFC 7395). `io` gives and takes whole text messages, its pings hidden; `secure`
    /// says whether TLS protects it up to the client. Returns at once; the connection lives in its own task.
    /// `false` when the client's address has too many connections.
    pub fn serve_websocket(&self, io: impl TextFrames + 'static, peer: Peer) -> bool {
        self.serve(Transport::WebSocket(Box::new(io)), peer)
    }

    /// Serves one byte stream as if it had been accepted by a STARTTLS listener.
    pub fn serve_stream(&self, io: impl ReadWrite + 'static, peer: Peer) -> bool {
        self.serve(Transport::Plain(Socket::Other(Box::new(io))), peer)
    }

    fn serve(&self, transport: Transport, peer: Peer) -> bool {
        let Some(place) = self.inner.addresses.enter(peer.address) else {
            return false;
        };
        connection::spawn(&self.inner, Start::Stream(transport), peer, Some(place));
        true
    }

    /// Bound sessions now, lost ones that can still be resumed included.
    pub fn sessions(&self) -> usize {
        self.inner.sessions.count()
    }

    /// Connection actors now: open connections, and lost ones whose session waits.
    pub fn connections(&self) -> usize {
        self.inner.connections.len()
    }

    /// What the extensions and the HTTP API may use of it.
    pub fn server(&self) -> &Arc<Server> {
        &self.inner
    }

    /// Routes a complete stanza of the server itself or of a room like anybody's. `from` is whatever the stanza says;
    /// errors go back there.
    pub fn deliver(&self, stanza: &Outgoing) {
        if let Ok(stanza) = stanza.to_stanza() {
            let from = stanza.from().ok().flatten();
            let origin = router::Origin::elsewhere(from.unwrap_or_else(|| self.inner.domain.clone()));
            router::inbound_now(&self.inner, origin, stanza);
        }
    }

    /// Tells every client `<system-shutdown/>` and waits until they are gone, `grace` at the longest.
    pub async fn shutdown(&self, grace: Duration) {
        self.inner.stop.cancel();
        let deadline = tokio::time::Instant::now() + grace;
        let all: Vec<_> = self.inner.connections.iter().map(|c| c.value().clone()).collect();
        for c in all {
            let _ = c.tell(End(StreamError::SystemShutdown)).try_send();
        }
        loop {
            let gone = self.inner.gone.notified();
            if self.inner.connections.is_empty() {
                return;
            }
            if tokio::time::timeout_at(deadline, gone).await.is_err() {
                tracing::warn!(
                    left = self.inner.connections.len(),
                    "connections left at shutdown"
                );
                return;
            }
        }
    }
}

impl XmppServer {
    /// Direct messages: policies, requests, small groups.
    pub fn direct(&self) -> crate::direct::Direct {
        crate::direct::Direct(self.inner.clone())
    }
}

impl waddle_muc::Postman for XmppServer {
    fn deliver(&self, _: &Jid, stanza: Outgoing) {
        Self::deliver(self, &stanza);
    }

    fn via(&self, session: &Jid) -> Option<waddle_community::Via> {
        self.inner.sessions.get(session).map(|s| s.via())
    }
}

impl std::fmt::Debug for XmppServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "XmppServer({})", self.inner.config.domain)
    }
}
impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Server({})", self.config.domain)
    }
}

fn end_where(server: &Server, which: impl Fn(&crate::session::Session) -> bool) {
    for s in server.sessions.all() {
        if which(&s) {
            s.end(StreamError::NotAuthorized);
        }
    }
}

/// Ends sessions whose credential was revoked or whose account is gone.
async fn watch_identity(server: Arc<Server>) {
    use tokio::sync::broadcast::error::RecvError;
    let mut events = server.identity.events();
    router::farewell::say(&server).await;
    crate::direct::departed::leave(&server, None).await;
    loop {
        let event = tokio::select! {
            e = events.recv() => e,
            () = server.stop.cancelled() => return,
        };
        match event {
            Ok(IdentityEvent::CredentialRevoked { user, credential }) => {
                end_where(&server, |s| s.user == user && s.credential() == credential);
            }
            Ok(IdentityEvent::AccountDeleted { user }) => {
                end_where(&server, |s| s.user == user);
                let server = server.clone();
                server.runtime.clone().spawn(async move {
                    router::farewell::say(&server).await;
                    crate::direct::departed::leave(&server, Some(user)).await;
                });
            }
            Ok(IdentityEvent::AccountDisabled { user }) => end_where(&server, |s| s.user == user),
            Ok(_) => {}
            Err(RecvError::Lagged(missed)) => {
                // What was missed may have been a revocation: everybody logs in again.
                tracing::warn!(missed, "identity events were missed; all sessions end");
                end_where(&server, |_| true);
            }
            Err(RecvError::Closed) => return,
        }
    }
}
