//! The loop of one connection: what it reads, what it writes, what it waits for (ADR 0001).

use std::{
    future::poll_fn,
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::BytesMut;
use kameo::{
    actor::ActorRef,
    mailbox::{MailboxReceiver, Signal},
};
use tokio::time::{Instant, Sleep};
use tracing::Span;
use waddle_outbox::Outbox;
use waddle_stanza::{
    Frame, Framing, Outgoing, ScanLimits, Scanner, StreamError, sasl::ChannelBinding, sm::SmError,
};

use super::{
    Peer, Start,
    actor::{Args, ConnectionActor, End},
    bound::Buckets,
    effects::Input,
    sm::Sm,
    state::Negotiation,
    transport::{Transport, WriteQueue},
};
use crate::{
    address::Place,
    metrics,
    router::deliver,
    server::Server,
    session::{Flag, Session},
};

/// What a connection is doing.
pub(super) enum Mode {
    /// Direct TLS: the handshake is to come.
    DirectTls,
    /// Negotiating.
    Negotiating(Box<Negotiation>),
    /// Serving a session.
    Bound(Box<Bound>),
    /// The connection is lost, the session waits.
    Hibernating(Box<Bound>),
    /// What is left is sent.
    Closing,
    /// All is said; the client is heard out, so that unread bytes do not reset what it was told.
    Draining,
    /// Over.
    Over,
}

/// A session and what only its connection knows of it.
pub(super) struct Bound {
    pub session: Arc<Session>,
    pub sm: Option<Box<Sm>>,
    pub buckets: Buckets,
}

/// The state of a connection.
pub(super) struct Connection {
    pub(super) server: Arc<Server>,
    pub(super) id: u64,
    pub(super) peer: Peer,
    pub(super) me: ActorRef<ConnectionActor>,
    pub(super) mode: Mode,
    pub(super) io: Transport,
    pub(super) scanner: Scanner,
    pub(super) framing: Framing,
    pub(super) input: BytesMut,
    pub(super) out: WriteQueue,
    /// The language of the stream: the default of its stanzas.
    pub(super) lang: Option<Box<str>>,
    pub(super) timer: Pin<Box<Sleep>>,
    /// When something was read last.
    pub(super) heard: Instant,
    /// A ping was sent and nothing has come since.
    pub(super) pinged: bool,
    /// Nothing is read before this moment: the byte rate was exceeded.
    pub(super) paused: Option<Instant>,
    /// What waits in `out` when writing began to stall.
    pub(super) stalled: Option<Instant>,
    pub(super) header_sent: bool,
    /// Something may still wait in the transport's own buffers.
    pub(super) flush: bool,
    pub(super) span: Span,
    /// Its place among the connections of its address, and in the metric, while there is a connection.
    pub(super) place: Option<Place>,
    pub(super) open: bool,
}

/// Answers of a stream itself that may wait to be written until nothing more is read.
const ANSWERS: usize = 256;

/// Why the connection's task goes on.
enum Wake {
    /// Something was read.
    Read,
    /// Everything was written.
    Written,
    /// The socket is closed or broken.
    Lost,
    /// The timer.
    Timer,
}

/// What of an outbox a connection waits for.
enum Watch {
    /// Anything to write.
    Ready(Arc<Outbox<Outgoing>>),
    /// Its overflow only: nothing more can be written now.
    Overflow(Arc<Outbox<Outgoing>>),
    /// There is none.
    Nothing,
}

async fn wait(watch: Watch) {
    match watch {
        Watch::Ready(o) => o.ready().await,
        Watch::Overflow(o) => o.overflow().await,
        Watch::Nothing => std::future::pending().await,
    }
}

impl Connection {
    pub(super) fn new(args: Args, me: ActorRef<ConnectionActor>) -> Box<Self> {
        let Args {
            server,
            start,
            peer,
            place,
        } = args;
        let (mode, io) = match start {
            Start::Stream(io) => (None, io),
            Start::DirectTls(socket) => (Some(Mode::DirectTls), Transport::Plain(socket)),
        };
        let framing = match io {
            Transport::WebSocket(_) => Framing::WebSocket,
            _ => Framing::Stream,
        };
        let id = server.next_connection();
        server.connections.insert(id, me.clone());
        metrics::connections(peer.transport, 1);
        let span = tracing::info_span!(
            "xmpp.connection.lifecycle",
            jid = tracing::field::Empty,
            client_ip = %peer.address,
            transport = peer.transport,
        );
        let login = Duration::from_secs(server.limits.xmpp_login_seconds);
        let now = Instant::now();
        let mut c = Box::new(Self {
            scanner: Scanner::new(framing, ScanLimits::before_login(&server.limits)),
            id,
            peer,
            me,
            mode: Mode::Over,
            io,
            framing,
            input: BytesMut::new(),
            out: WriteQueue::default(),
            lang: None,
            timer: Box::pin(tokio::time::sleep_until(now + login)),
            heard: now,
            pinged: false,
            paused: None,
            stalled: None,
            header_sent: false,
            flush: false,
            span,
            place,
            open: true,
            server,
        });
        c.mode = mode.unwrap_or_else(|| {
            Mode::Negotiating(Box::new(c.negotiation(c.peer.secure, ChannelBinding::none())))
        });
        if c.server.stop.is_cancelled() {
            let _ = c.me.tell(End(StreamError::SystemShutdown)).try_send();
        }
        c
    }

    /// Serves the socket until the mailbox has something or all is over.
    pub(super) async fn run(
        &mut self,
        mailbox: &mut MailboxReceiver<ConnectionActor>,
    ) -> Option<Signal<ConnectionActor>> {
        if matches!(self.mode, Mode::DirectTls) {
            Box::pin(self.direct_tls()).await;
        }
        loop {
            self.waiting();
            if self.overflowed() || self.pump().is_err() {
                // The slow reader pays: what it did not get is kept for it, the stream ends.
                tracing::info!(parent: &self.span, "outbox overflow");
                let text = Some("this client reads too slowly");
                self.close(Some(StreamError::ResourceConstraint), text).await;
            }
            if matches!(self.mode, Mode::Over) {
                return None;
            }
            let outbox = self.outbox_to_watch();
            let event = tokio::select! {
                biased;
                signal = mailbox.recv() => return signal,
                event = poll_fn(|cx| self.poll_io(cx)) => Some(event),
                () = wait(outbox) => None,
            };
            match event {
                Some(Wake::Read) => self.read().await,
                Some(Wake::Written) => self.written().await,
                None => {}
                Some(Wake::Lost) => self.lost().await,
                Some(Wake::Timer) => self.tick().await,
            }
        }
    }

    /// All was written: more of what waited for this client can follow.
    async fn written(&mut self) {
        if let Mode::Bound(b) = &self.mode
            && b.session.is(Flag::MoreOffline)
            && !b.session.outbox.is_due()
        {
            let (server, session) = (self.server.clone(), b.session.clone());
            Box::pin(async move { deliver::hand_over_offline(&server, &session).await }).await;
        }
    }

    fn overflowed(&self) -> bool {
        match &self.mode {
            Mode::Bound(b) | Mode::Hibernating(b) => b.session.outbox.overflowed(),
            _ => false,
        }
    }

    fn outbox_to_watch(&self) -> Watch {
        match &self.mode {
            Mode::Bound(b) => {
                let outbox = b.session.outbox.clone();
                if self.out.is_empty() && b.sm.as_ref().is_none_or(|sm| sm.has_room()) {
                    Watch::Ready(outbox)
                } else {
                    Watch::Overflow(outbox)
                }
            }
            Mode::Hibernating(b) => Watch::Ready(b.session.outbox.clone()),
            _ => Watch::Nothing,
        }
    }

    /// Moves what waits in the outbox to the socket's queue, all of it at once.
    fn pump(&mut self) -> Result<(), SmError> {
        let Mode::Bound(b) = &mut self.mode else {
            return Ok(());
        };
        if !self.out.is_empty() || b.sm.as_ref().is_some_and(|sm| !sm.has_room()) {
            return Ok(());
        }
        if !b.session.outbox.is_due() {
            return Ok(());
        }
        b.session.outbox.drain_into(&mut self.out.items);
        if self.out.is_empty() {
            return Ok(());
        }
        let mut counts = [0; 4];
        for item in &self.out.items {
            counts[item.class as usize] += 1;
        }
        metrics::sent(counts);
        if let Some(sm) = &mut b.sm {
            sm.sent(&self.out.items)?;
            if let Some(request) = sm.request() {
                self.out.push(request);
            }
        }
        self.flush = true;
        Ok(())
    }

    fn poll_io(&mut self, cx: &mut Context<'_>) -> Poll<Wake> {
        let mut written = false;
        if !self.out.is_empty() || self.flush {
            match self.io.poll_write(cx, &mut self.out) {
                Poll::Ready(Ok(())) => {
                    self.flush = false;
                    self.stalled = None;
                    self.out.shrink();
                    written = true;
                }
                Poll::Ready(Err(e)) => return Poll::Ready(self.failed(&e)),
                Poll::Pending => {
                    self.stalled.get_or_insert_with(Instant::now);
                }
            }
        }
        if matches!(self.mode, Mode::Closing) && self.out.is_empty() && !self.flush {
            match self.io.poll_close(cx) {
                Poll::Ready(Ok(())) => self.mode = Mode::Draining,
                Poll::Ready(Err(e)) => return Poll::Ready(self.failed(&e)),
                Poll::Pending => {}
            }
        }
        let reads = match self.mode {
            Mode::Negotiating(_) => self.paused.is_none() && self.has_room(0),
            Mode::Bound(_) => self.paused.is_none() && self.has_room(self.server.limits.xmpp_outbox_stanzas),
            Mode::Draining => true,
            _ => false,
        };
        if reads {
            match self.io.poll_read(cx, &mut self.input) {
                Poll::Ready(Ok(0)) => return Poll::Ready(Wake::Lost),
                Poll::Ready(Ok(_)) => return Poll::Ready(Wake::Read),
                Poll::Ready(Err(e)) => return Poll::Ready(self.failed(&e)),
                Poll::Pending => {}
            }
        }
        if written {
            return Poll::Ready(Wake::Written);
        }
        self.timer.as_mut().poll(cx).map(|()| Wake::Timer)
    }

    /// Whether what the client did not take leaves room for answers to what it sends; `more` may wait besides. A client
    /// that asks and does not read is not read either.
    fn has_room(&self, more: usize) -> bool {
        self.out.items.len() <= ANSWERS.saturating_add(more)
    }

    fn failed(&self, e: &io::Error) -> Wake {
        tracing::debug!(parent: &self.span, error = %e, "connection lost");
        Wake::Lost
    }

    /// Looks at what was read.
    async fn read(&mut self) {
        if matches!(self.mode, Mode::Draining) {
            self.input = BytesMut::new();
            return;
        }
        self.heard = Instant::now();
        self.pinged = false;
        if self.server.config.rate_limits
            && let Mode::Bound(b) = &mut self.mode
        {
            let wait = b.buckets.bytes(&self.server, self.input.len());
            if wait > 0 {
                self.paused = Some(self.heard + Duration::from_micros(wait));
                self.set_timer(self.heard + Duration::from_micros(wait));
            }
        }
        loop {
            match self.scanner.next(&mut self.input) {
                Ok(Some(frame)) => self.frame(frame).await,
                Ok(None) => break,
                Err(e) => {
                    self.close(Some(e), None).await;
                    break;
                }
            }
            if !matches!(self.mode, Mode::Negotiating(_) | Mode::Bound(_)) {
                break;
            }
        }
        if self.input.is_empty() {
            self.input = BytesMut::new();
            self.scanner.shrink();
        }
    }

    async fn frame(&mut self, frame: Frame) {
        match &mut self.mode {
            Mode::Negotiating(n) => {
                let effects = n.handle(Input::Frame(frame));
                Box::pin(self.perform(effects)).await;
            }
            Mode::Bound(_) => match frame {
                Frame::Stanza(stanza) => self.stanza(stanza).await,
                Frame::Close => self.close(None, None).await,
                Frame::Open(_) => self.close(Some(StreamError::BadFormat), None).await,
            },
            _ => {}
        }
    }

    /// The bound session, for `bound.rs`.
    pub fn bound(&mut self) -> Option<&mut Bound> {
        match &mut self.mode {
            Mode::Bound(b) => Some(b),
            _ => None,
        }
    }
}
