//! Listeners: plain and TLS, HTTP/1.1 and HTTP/2, with bounds on connections, heads and time.
//!
//! A TLS handshake happens in the connection's own task, so that no client holds up the accept loop.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use arc_swap::ArcSwap;
use axum::Router;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::{conn::auto, graceful::GracefulShutdown},
    service::TowerToHyperService,
};
use opentelemetry::KeyValue;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    task::JoinSet,
};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;
use waddle_core::Limits;

use crate::{
    HttpConfig, HttpDeps,
    client::{Conn, network},
    crowd::Crowd,
    metrics::METRICS,
    pace::Paced,
    surface,
    taken::{self, Streams},
};

/// TLS settings that can be exchanged while the server runs.
pub type TlsConfig = Arc<ArcSwap<rustls::ServerConfig>>;

/// Longest TLS handshake, longest wait for the first bytes behind it, and for a request's head.
const HEAD: Duration = Duration::from_secs(15);
/// Bytes of a request's head.
const HEAD_BYTES: usize = 64 * 1024;
/// Requests of one HTTP/2 connection at a time.
const STREAMS: u32 = 64;

/// The running server.
#[derive(Debug)]
pub struct HttpServer {
    stop: CancellationToken,
    loops: JoinSet<()>,
    plain: Vec<SocketAddr>,
    tls: Vec<SocketAddr>,
}

struct Shared {
    router: Router,
    limits: Limits,
    places: Arc<Semaphore>,
    /// Those of one network among them.
    crowd: Crowd<IpAddr>,
    stop: CancellationToken,
}

fn refused(reason: &'static str) {
    METRICS.refused.add(1, &[KeyValue::new("reason", reason)]);
}

impl HttpServer {
    /// Serves on listeners that are bound already; `tls` ones need the TLS settings.
    pub fn start(
        config: HttpConfig,
        deps: HttpDeps,
        plain: Vec<TcpListener>,
        tls: Option<(Vec<TcpListener>, TlsConfig)>,
    ) -> std::io::Result<Self> {
        let stop = CancellationToken::new();
        // behind a proxy every connection has the proxy's address
        let each = if config.rate_limits && config.trusted_proxies.is_empty() {
            config.limits.connections_per_address
        } else {
            usize::MAX
        };
        let shared = Arc::new(Shared {
            limits: config.limits.clone(),
            places: Arc::new(Semaphore::new(config.limits.connections)),
            crowd: Crowd::new(usize::MAX, each),
            stop: stop.clone(),
            router: surface(config, deps, stop.clone()),
        });
        let mut server = Self {
            stop,
            loops: JoinSet::new(),
            plain: Vec::new(),
            tls: Vec::new(),
        };
        for l in plain {
            server.plain.push(l.local_addr()?);
            server.loops.spawn(accept(l, None, Arc::clone(&shared)));
        }
        if let Some((listeners, settings)) = tls {
            for l in listeners {
                server.tls.push(l.local_addr()?);
                server
                    .loops
                    .spawn(accept(l, Some(Arc::clone(&settings)), Arc::clone(&shared)));
            }
        }
        Ok(server)
    }

    /// Addresses of the plain listeners.
    pub fn plain_addresses(&self) -> &[SocketAddr] {
        &self.plain
    }

    /// Addresses of the TLS listeners.
    pub fn tls_addresses(&self) -> &[SocketAddr] {
        &self.tls
    }

    /// Stops accepting, lets requests under way end, at most for `grace`. WebSockets are their servers' to end.
    pub async fn shutdown(mut self, grace: Duration) {
        self.stop.cancel();
        let all = async { while self.loops.join_next().await.is_some() {} };
        if tokio::time::timeout(grace, all).await.is_err() {
            tracing::debug!("HTTP requests were cut off at shutdown");
        }
    }
}

async fn accept(listener: TcpListener, tls: Option<TlsConfig>, shared: Arc<Shared>) {
    let graceful = GracefulShutdown::new();
    loop {
        // the place is taken before the connection, so that too many wait in the kernel's queue
        let permit = tokio::select! {
            p = Arc::clone(&shared.places).acquire_owned() => p,
            () = shared.stop.cancelled() => break,
        };
        let Ok(permit) = permit else { break };
        let accepted = tokio::select! {
            a = listener.accept() => a,
            () = shared.stop.cancelled() => break,
        };
        let (socket, peer) = match accepted {
            Ok(a) => a,
            Err(error) => {
                // out of descriptors or so: others must end first
                tracing::warn!(%error, "accepting an HTTP connection");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let Some(place) = shared.crowd.enter(network(peer.ip())) else {
            refused("address");
            continue;
        };
        let (shared, tls, watcher) = (Arc::clone(&shared), tls.clone(), graceful.watcher());
        tokio::spawn(async move {
            let _held = (permit, place);
            let conn = Conn {
                addr: peer.ip(),
                tls: tls.is_some(),
            };
            let label = [KeyValue::new("transport", if conn.tls { "tls" } else { "tcp" })];
            METRICS.connections.add(1, &label);
            match tls {
                None => serve(socket, conn, &shared, watcher).await,
                Some(settings) => {
                    let acceptor = TlsAcceptor::from(settings.load_full());
                    match tokio::time::timeout(HEAD, acceptor.accept(socket)).await {
                        Ok(Ok(stream)) => serve(stream, conn, &shared, watcher).await,
                        Ok(Err(_)) => refused("handshake"),
                        Err(_) => refused("handshake-timeout"),
                    }
                }
            }
            METRICS.connections.add(-1, &label);
        });
    }
    graceful.shutdown().await;
}

/// Lets small answers go out at once.
trait NoDelay {
    fn no_delay(&self);
}
impl NoDelay for TcpStream {
    fn no_delay(&self) {
        let _ = self.set_nodelay(true);
    }
}
impl NoDelay for tokio_rustls::server::TlsStream<TcpStream> {
    fn no_delay(&self) {
        self.get_ref().0.no_delay();
    }
}

async fn serve<S>(socket: S, conn: Conn, shared: &Shared, watcher: hyper_util::server::graceful::Watcher)
where
    S: AsyncRead + AsyncWrite + NoDelay + Unpin + Send + 'static,
{
    socket.no_delay();
    let service = shared
        .router
        .clone()
        .map_request(move |mut req: hyper::Request<hyper::body::Incoming>| {
            req.extensions_mut().insert(conn);
            req
        })
        .map_response(taken::watched);
    let patience = Duration::from_secs(shared.limits.http_write_seconds.max(1));
    let mut builder = auto::Builder::new(Streams { patience });
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .max_buf_size(HEAD_BYTES);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS)
        .max_header_list_size(HEAD_BYTES as u32)
        .keep_alive_interval(Duration::from_secs(30))
        .keep_alive_timeout(HEAD)
        .enable_connect_protocol();
    let io = TokioIo::new(Paced::new(socket, HEAD, patience));
    let connection = builder.serve_connection_with_upgrades(io, TowerToHyperService::new(service));
    if let Err(error) = watcher.watch(connection.into_owned()).await {
        tracing::debug!(%error, addr = %conn.addr, "HTTP connection");
    }
}
