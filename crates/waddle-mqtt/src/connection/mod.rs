//! One connection: one task that reads, decides, and drains its outbox into vectored writes (ADR 0008).

mod acks;
mod bucket;
mod inbound;
mod kept;
mod login;
mod outbound;
mod outbuf;
mod publish;
mod subscribe;

use std::{
    cell::RefCell,
    future::poll_fn,
    net::SocketAddr,
    pin::Pin,
    sync::{Arc, atomic::Ordering},
    task::{Context, Poll},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf},
    time::{Instant, Sleep},
};

use self::{bucket::Bucket, outbound::Outbound, outbuf::OutBuf, publish::Inflow};
use crate::{
    codec::{Fault, Reason, Version, connect::Will, control},
    core::Core,
    link::{Close, Link},
    metrics,
    session::{Owner, Session},
};

/// Bytes read at once; one buffer per thread serves all connections.
const CHUNK: usize = 64 * 1024;
/// Bytes that wait for the socket before the outbox is drained further.
const HIGH: usize = 128 * 1024;
/// How long a last DISCONNECT may take.
const FAREWELL: Duration = Duration::from_millis(500);
/// A timer that does not ring.
const NEVER: Duration = Duration::from_secs(86_400 * 365);

thread_local! {
    static SCRATCH: RefCell<Vec<u8>> = RefCell::new(vec![0; CHUNK]);
}

/// Why a connection is over.
#[derive(Debug)]
enum End {
    /// The client broke the protocol, was too slow, or is told to go.
    Fault(Fault),
    /// The client said so; with its will if it asked for it.
    Goodbye { will: bool, expiry: Option<u32> },
    /// Another connection has the session now.
    TakenOver { resumed: bool },
    /// The network ended it.
    Lost,
}

impl From<Fault> for End {
    fn from(f: Fault) -> Self {
        Self::Fault(f)
    }
}
impl From<std::io::Error> for End {
    fn from(_: std::io::Error) -> Self {
        Self::Lost
    }
}

/// A connection after CONNACK.
struct Conn {
    core: Arc<Core>,
    link: Arc<Link>,
    session: Arc<Session>,
    owner: Owner,
    version: Version,
    /// mosquitto's bridges want retain flags as published and never their own messages.
    bridge: bool,
    problems: bool,
    out: OutBuf,
    outbound: Outbound,
    inflow: Inflow,
    will: Option<Will>,
    expiry: u32,
    keep_alive: Option<Duration>,
    last_seen: Instant,
    bucket: Bucket,
    paused: Option<Instant>,
    buf: BytesMut,
}

/// Serves a connection to its end: CONNECT, session, DISCONNECT.
///
/// What is done now and then is boxed while it is done, so that an idle connection's task stays small.
pub async fn serve<Io>(core: Arc<Core>, mut io: Io, peer: SocketAddr, transport: &'static str)
where
    Io: AsyncRead + AsyncWrite + Send + Unpin,
{
    let Some(_place) = core.admit(peer.ip()) else {
        metrics::login("too-many-connections");
        return;
    };
    let mut buf = BytesMut::new();
    let wait = Duration::from_secs(core.limits.mqtt_login_seconds);
    let conn = match tokio::time::timeout(
        wait,
        Box::pin(login::login(&core, &mut io, &mut buf, peer, transport)),
    )
    .await
    {
        Ok(Some(conn)) => conn,
        Ok(None) => return,
        Err(_) => {
            metrics::login("timeout");
            return;
        }
    };
    tracing::debug!(user = %conn.owner.who.user, client = %conn.link.client, %peer, transport, "MQTT connection");
    // Held, not entered: it spans the connection and costs nothing in between.
    let _span = tracing::info_span!(
        parent: None,
        "mqtt.connection.lifecycle",
        user = %conn.owner.who.user,
        client_ip = %peer.ip(),
        transport,
        version = conn.version.name(),
    );
    core.metrics.connection(1, transport, conn.version.name());
    let (link, version) = (conn.link.clone(), conn.version);
    conn.run(io, buf).await;
    core.links.remove(&link.serial);
    core.leaving.fetch_sub(1, Ordering::AcqRel);
    core.metrics.connection(-1, transport, version.name());
}

impl Conn {
    async fn run<Io>(mut self: Box<Self>, io: Io, first: BytesMut)
    where
        Io: AsyncRead + AsyncWrite + Send + Unpin,
    {
        let (mut reader, mut writer) = tokio::io::split(io);
        self.buf = first;
        let end = match self.work(&mut reader, &mut writer).await {
            Ok(never) => match never {},
            Err(end) => end,
        };
        Box::pin(self.finish(end, &mut reader, &mut writer)).await;
    }

    async fn work<R, W>(&mut self, reader: &mut R, writer: &mut W) -> Result<std::convert::Infallible, End>
    where
        R: AsyncRead + Unpin,
        W: AsyncWrite + Unpin,
    {
        let link = self.link.clone();
        let timer = tokio::time::sleep(NEVER);
        tokio::pin!(timer);
        self.arm(timer.as_mut());
        Box::pin(self.process()).await?;
        loop {
            Box::pin(self.pump()).await?;
            let may_read = self.may_read();
            let take = self.out.len() < HIGH && self.outbound.takes();
            let Self { out, buf, .. } = self;
            tokio::select! {
                written = poll_fn(|cx| out.poll_write(cx, writer)), if !out.is_idle() => {
                    let n = written?;
                    self.core.metrics.sent(self.outbound.take_count(), n as u64);
                }
                read = poll_fn(|cx| poll_read(cx, reader, buf)), if may_read => {
                    let n = read?;
                    if n == 0 {
                        return Err(End::Lost);
                    }
                    self.last_seen = Instant::now();
                    self.link.seen.store(self.core.clock.now().0, Ordering::Relaxed);
                    if let Some(pause) = self.bucket.take(n) {
                        self.paused = Some(Instant::now() + pause);
                        self.arm(timer.as_mut());
                    }
                    Box::pin(self.process()).await?;
                }
                () = link.outbox.ready(), if take => {}
                () = link.bell.notified() => {}
                () = timer.as_mut() => self.tick(timer.as_mut())?,
            }
        }
    }

    fn may_read(&self) -> bool {
        self.paused.is_none() && self.out.len() < 4 * HIGH && self.inflow.may_read()
    }

    fn arm(&self, mut timer: Pin<&mut Sleep>) {
        let silent = self.keep_alive.map(|k| self.last_seen + k);
        let at = [silent, self.paused].into_iter().flatten().min();
        timer.as_mut().reset(at.unwrap_or_else(|| Instant::now() + NEVER));
    }

    fn tick(&mut self, timer: Pin<&mut Sleep>) -> Result<(), End> {
        let now = Instant::now();
        if self.paused.is_some_and(|p| p <= now) {
            self.paused = None;
            // Silence that we made is not the client's.
            self.last_seen = now;
        }
        if self.paused.is_none() && self.keep_alive.is_some_and(|k| self.last_seen + k <= now) {
            return Err(Fault::new(Reason::KEEP_ALIVE, "nothing was heard within the keep-alive").into());
        }
        self.arm(timer);
        Ok(())
    }

    async fn finish<R, W>(mut self: Box<Self>, end: End, reader: &mut R, writer: &mut W)
    where
        R: AsyncRead + Unpin,
        W: AsyncWrite + Unpin,
    {
        self.core.leaving.fetch_add(1, Ordering::AcqRel);
        let _ = self.flush().await;
        let will = self.will.take();
        let (will, expiry, taken) = match &end {
            End::Goodbye { will: wanted, expiry } => {
                (will.filter(|_| *wanted), expiry.unwrap_or(self.expiry), None)
            }
            End::TakenOver { resumed } => (will, self.expiry, Some(*resumed)),
            End::Fault(_) | End::Lost => (will, self.expiry, None),
        };
        let told = match &end {
            End::Fault(f) => Some((f.reason, f.text)),
            End::TakenOver { .. } => Some((Reason::TAKEN_OVER, "another connection took the session over")),
            End::Goodbye { .. } | End::Lost => None,
        };
        match &end {
            End::Fault(f) => {
                tracing::debug!(client = %self.link.client, reason = f.reason.0, text = f.text, "MQTT connection ended");
            }
            other => tracing::debug!(client = %self.link.client, ?other, "MQTT connection ended"),
        }
        self.link.outbox.close();
        self.settle().await;
        // The session must not wait for a slow socket: who takes it over waits for this.
        self.core
            .leave_session(&self.session, self.link.serial, expiry, will, taken)
            .await;
        self.core.links.remove(&self.link.serial);
        if let Some((reason, text)) = told
            && self.version == Version::V5
        {
            let text = if self.problems { text } else { "" };
            let last = control::goodbye(reason, text);
            if last.len() <= self.link.max_packet {
                self.out.tail().extend_from_slice(&last);
            }
        }
        let Self { out, buf, .. } = &mut *self;
        let last = async {
            while !out.is_idle() {
                poll_fn(|cx| out.poll_write(cx, writer)).await?;
            }
            writer.shutdown().await?;
            // A socket that is closed with unread bytes takes back what was sent: the reason would be lost.
            while told.is_some() && poll_fn(|cx| poll_read(cx, reader, buf)).await? > 0 {
                buf.clear();
            }
            std::io::Result::Ok(())
        };
        let _ = tokio::time::timeout(FAREWELL, last).await;
    }

    fn check_closing(&self) -> Result<(), End> {
        match self.link.closing() {
            None => Ok(()),
            Some(Close::Fault(f)) => Err(End::Fault(f)),
            Some(Close::TakenOver { resumed }) => Err(End::TakenOver { resumed }),
        }
    }
}

/// Reads into the thread's scratch buffer and appends what came: an idle connection holds no buffer.
fn poll_read<R: AsyncRead + Unpin>(
    cx: &mut Context<'_>,
    reader: &mut R,
    buf: &mut BytesMut,
) -> Poll<std::io::Result<usize>> {
    SCRATCH.with_borrow_mut(|scratch| {
        let mut read = ReadBuf::new(scratch);
        match Pin::new(reader).poll_read(cx, &mut read) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Err(e)) => Poll::Ready(Err(e)),
            Poll::Ready(Ok(())) => {
                buf.extend_from_slice(read.filled());
                Poll::Ready(Ok(read.filled().len()))
            }
        }
    })
}

/// Splits the bytes that make whole packets off a buffer; what is left is the start of the next one.
fn whole(buf: &mut BytesMut) -> Bytes {
    std::mem::take(buf).freeze()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size<F: Future>(_: impl FnOnce(Arc<Core>, tokio::net::TcpStream, SocketAddr) -> F) -> usize {
        size_of::<F>()
    }

    #[test]
    fn an_idle_connection_is_small() {
        let bytes = size(|core, io, peer| serve(core, io, peer, "tcp"));
        assert!(bytes < 1_536, "{bytes}");
    }
}
