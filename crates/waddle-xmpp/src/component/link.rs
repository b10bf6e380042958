//! The connection of a component: one task that reads and one that writes, its outbox between the rest and them.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    time::{Instant, timeout, timeout_at},
};
use tokio_util::sync::CancellationToken;
use waddle_core::Jid;
use waddle_outbox::Outbox;
use waddle_stanza::{Framing, Outgoing, ScanLimits, Scanner, Stanza, StreamError, stream_close};

use super::{
    ComponentHost, bounce,
    handshake::{Effect, Stream},
};
use crate::{
    connection::PENDING,
    router::{Origin, inbound},
    server::Server,
};

/// How long a component may take nothing of what is sent to it.
const STALL: Duration = Duration::from_secs(60);
/// What a component gets where there was nothing to send for so long: whoever is dead is noticed (RFC 6120 §4.6.1).
const ALIVE: &[u8] = b" ";
/// How long a closing stream may take to send what is left.
const LINGER: Duration = Duration::from_secs(3);
/// Bytes of one read.
const READ: usize = 16 * 1024;

/// Accepts components until the server stops.
pub(crate) async fn listen(server: Arc<Server>, listener: TcpListener) {
    loop {
        let accepted = tokio::select! {
            a = listener.accept() => a,
            () = server.stop.cancelled() => return,
        };
        match accepted {
            Ok((socket, address)) => {
                let Some(place) = server.addresses.enter(address.ip()) else {
                    tracing::debug!(%address, "too many connections");
                    continue;
                };
                let server = server.clone();
                tokio::spawn(async move {
                    serve(&server, socket).await;
                    drop(place);
                });
            }
            Err(e) => {
                tracing::warn!(error = %e, listener = "component_listen", "accept failed");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

/// Writes what the outbox holds until it is closed and empty; the answer is what could not be written. `gone` says that
/// the component takes nothing any more.
async fn write(
    outbox: Arc<Outbox<Outgoing>>,
    mut to: OwnedWriteHalf,
    gone: CancellationToken,
) -> VecDeque<Outgoing> {
    let mut items = VecDeque::new();
    let mut begun = false;
    loop {
        let idle = timeout(STALL, outbox.ready()).await.is_err();
        if idle && !begun {
            // nothing comes before the stream's header
            continue;
        }
        outbox.drain_into(&mut items);
        // Whoever found no room was told so; there is room again.
        outbox.clear_overflow();
        if items.is_empty() && outbox.is_closed() {
            let _ = to.shutdown().await;
            return items;
        }
        let mut bytes = BytesMut::with_capacity(items.iter().map(Outgoing::len).sum());
        for i in &items {
            bytes.extend_from_slice(&i.head);
            bytes.extend_from_slice(&i.tail);
        }
        if items.is_empty() && idle {
            bytes.extend_from_slice(ALIVE);
        }
        begun |= !bytes.is_empty();
        let patience = if outbox.is_closed() { LINGER } else { STALL };
        match timeout(patience, to.write_all(&bytes)).await {
            Ok(Ok(())) => items.clear(),
            _ => {
                outbox.close();
                gone.cancel();
                outbox.drain_into(&mut items);
                return items;
            }
        }
    }
}

/// One connection from its first byte to its last.
async fn serve(server: &Arc<Server>, socket: TcpStream) {
    let _ = socket.set_nodelay(true);
    let (read, to) = socket.into_split();
    let l = &server.limits;
    let outbox = Arc::new(Outbox::new(l.xmpp_outbox_stanzas, l.xmpp_outbox_bytes));
    let gone = CancellationToken::new();
    let writer = tokio::spawn(write(outbox.clone(), to, gone.clone()));
    let mut link = Link {
        server,
        stream: Stream::new(server.components.clone(), server.random_text::<15>()),
        scanner: Scanner::new(Framing::Stream, ScanLimits::before_login(l)),
        origin: Origin::elsewhere(server.domain.clone()),
        outbox: outbox.clone(),
        gone,
        host: None,
    };
    link.read(read).await;
    let host = link.host.take();
    if let Some(host) = &host {
        host.detach();
    }
    outbox.close();
    let lost = writer.await.unwrap_or_default();
    if let Some(host) = host {
        tracing::info!(host = &*host.host, lost = lost.len(), "a component is gone");
        for item in lost {
            bounce(server, &item);
        }
    }
}

struct Link<'a> {
    server: &'a Arc<Server>,
    stream: Stream,
    scanner: Scanner,
    origin: Origin,
    outbox: Arc<Outbox<Outgoing>>,
    gone: CancellationToken,
    host: Option<Arc<ComponentHost>>,
}

impl Link<'_> {
    async fn read(&mut self, mut from: OwnedReadHalf) {
        let server = self.server;
        let login = Instant::now() + Duration::from_secs(server.limits.xmpp_login_seconds);
        let mut buf = BytesMut::new();
        loop {
            buf.reserve(READ);
            let deadline = if self.host.is_some() {
                Instant::now() + Duration::from_secs(86_400)
            } else {
                login
            };
            let n = tokio::select! {
                () = server.stop.cancelled() => {
                    return self.close(Some(StreamError::SystemShutdown), None);
                }
                () = self.gone.cancelled() => return,
                n = timeout_at(deadline, from.read_buf(&mut buf)) => n,
            };
            match n {
                Ok(Ok(0) | Err(_)) => return,
                Ok(Ok(_)) => {}
                Err(_) if self.host.is_some() => continue,
                Err(_) => return self.close(Some(StreamError::ConnectionTimeout), None),
            }
            loop {
                let effects = match self.scanner.next(&mut buf) {
                    Ok(Some(frame)) => self.stream.handle(frame),
                    Ok(None) => break,
                    Err(e) => self.stream.broken(e),
                };
                if !self.perform(effects).await {
                    return;
                }
            }
        }
    }

    /// `false` when the stream is over.
    async fn perform(&mut self, effects: impl IntoIterator<Item = Effect>) -> bool {
        let mut todo: VecDeque<Effect> = effects.into_iter().collect();
        while let Some(effect) = todo.pop_front() {
            match effect {
                Effect::Send(bytes) => self.send(bytes),
                Effect::Attach(host, greeting) => {
                    let free = self.attach(&host, greeting);
                    todo.extend(self.stream.attached(free));
                }
                Effect::Route(stanza, from) => self.route(stanza, from).await,
                Effect::Close(error, text) => {
                    self.close(error, text);
                    return false;
                }
            }
        }
        true
    }

    fn attach(&mut self, host: &str, greeting: Bytes) -> bool {
        let Some(service) = self.server.component_hosts.get(host) else {
            return false;
        };
        if !service.attach(&self.outbox, Outgoing::nonza(greeting)) {
            return false;
        }
        self.host = Some(service.clone());
        if let Ok(jid) = host.parse::<Jid>() {
            self.origin = Origin::elsewhere(jid);
        }
        self.scanner
            .set_limits(ScanLimits::after_login(&self.server.limits));
        tracing::info!(host, "a component is connected");
        true
    }

    async fn route(&self, stanza: Stanza, from: Jid) {
        // Nobody may have more waiting for their commit than this: reading waits.
        self.origin.settled(PENDING).await;
        inbound(self.server, self.origin.with_jid(from), stanza).await;
    }

    fn send(&self, bytes: Bytes) {
        let _ = self.outbox.push(Outgoing::nonza(bytes));
    }

    fn close(&self, error: Option<StreamError>, text: Option<&'static str>) {
        if let Some(e) = error {
            tracing::debug!(error = %e, host = self.stream.host(), "stream error of a component");
            self.send(e.to_bytes(text));
        }
        self.send(stream_close(Framing::Stream));
    }
}
