//! The life of a connection after its login: signs of life, loss, hand-over, closing.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::time::Instant;
use waddle_outbox::{Urgency, Weight as _};
use waddle_stanza::{Class, Outgoing, StreamError, XmlWriter, ns, sm::SmError, stream_close};

use super::{
    actor::Parked,
    stream::{Bound, Connection, Mode},
    transport::Transport,
};
use crate::{metrics, push, router::end, session::Flag};

/// How long a closing stream may take to send what is left.
const LINGER: Duration = Duration::from_secs(3);
/// How long a client that is asked for a sign of life has for it.
pub(super) const PROBE: Duration = Duration::from_secs(10);
/// How long a client may take nothing of what is sent to it.
const STALL: Duration = Duration::from_secs(60);

impl Connection {
    pub(super) fn set_timer(&mut self, at: Instant) {
        self.timer.as_mut().reset(at);
    }

    /// When a session that stays silent is pinged or given up.
    pub(super) fn idle_at(&self) -> Instant {
        self.heard + Duration::from_secs(self.server.limits.xmpp_idle_seconds.max(1))
    }

    /// Gives the session to the connection that resumes it.
    pub(super) fn take_over(&mut self, h: u32) -> Result<Option<Box<Parked>>, SmError> {
        let (Mode::Bound(b) | Mode::Hibernating(b)) = &mut self.mode else {
            return Ok(None);
        };
        let Some(sm) = b.sm.as_mut().filter(|sm| sm.resumable().is_some()) else {
            return Ok(None);
        };
        sm.acknowledge(h)?;
        let (Mode::Bound(b) | Mode::Hibernating(b)) = std::mem::replace(&mut self.mode, Mode::Over) else {
            return Ok(None);
        };
        self.io = Transport::Closed;
        self.out.take();
        let Bound { session, sm, buckets } = *b;
        Ok(sm.map(|sm| Box::new(Parked { session, sm, buckets })))
    }

    /// Asks the client for a sign of life.
    pub(super) fn probe(&mut self) {
        let Mode::Bound(b) = &mut self.mode else {
            return;
        };
        let ask = match &mut b.sm {
            Some(sm) => sm.force_request(),
            None => {
                let mut w = XmlWriter::iq();
                w.attr("type", "get").attr("id", "alive");
                w.attr("from", &self.server.config.domain)
                    .attr("to", b.session.jid.as_str());
                w.empty("ping", ns::PING);
                w.outgoing(Class::Iq)
            }
        };
        self.out.push(ask);
        self.flush = true;
        self.pinged = true;
        self.set_timer(Instant::now() + PROBE);
    }

    /// The timer rang.
    pub(super) async fn tick(&mut self) {
        let now = Instant::now();
        if self.paused.is_some_and(|until| until <= now) {
            self.paused = None;
        }
        match &self.mode {
            Mode::Negotiating(_) | Mode::DirectTls => {
                self.close(
                    Some(StreamError::ConnectionTimeout),
                    Some("logging in took too long"),
                )
                .await;
            }
            Mode::Bound(_) => {
                if self.stalled.is_some_and(|since| now >= since + STALL) {
                    return self.lost().await;
                }
                if now >= self.idle_at() || self.pinged && now >= self.heard + PROBE {
                    if self.pinged {
                        tracing::debug!(parent: &self.span, "no sign of life");
                        return self.lost().await;
                    }
                    return self.probe();
                }
                let next = self.idle_at();
                self.set_timer(next);
            }
            Mode::Hibernating(_) => {
                if let Mode::Hibernating(b) = std::mem::replace(&mut self.mode, Mode::Over) {
                    self.end_session(b).await;
                }
            }
            Mode::Closing | Mode::Draining | Mode::Over => self.mode = Mode::Over,
        }
    }

    /// The socket is gone.
    pub(super) async fn lost(&mut self) {
        match std::mem::replace(&mut self.mode, Mode::Over) {
            Mode::Bound(b) => {
                let resumable = b.sm.as_ref().and_then(|sm| sm.resumable());
                let Some(wait) = resumable.filter(|_| !self.server.stop.is_cancelled()) else {
                    self.end_session(b).await;
                    return;
                };
                // What was not written is among the unacknowledged.
                self.out.take();
                self.io = Transport::Closed;
                self.input = BytesMut::new();
                self.paused = None;
                self.flush = false;
                self.gone();
                b.session.set(Flag::Hibernating, true);
                // What hurries wakes the device; the rest is kept to the newest of each sender.
                b.session.outbox.hold(true);
                if let Some((count, last)) = b.sm.as_ref().and_then(|sm| sm.urgent()) {
                    push::waiting(&self.server, &b.session, count, &last);
                }
                self.mode = Mode::Hibernating(b);
                self.set_timer(Instant::now() + Duration::from_secs(wait));
            }
            Mode::Hibernating(b) => self.end_session(b).await,
            _ => {}
        }
    }

    /// A lost session has got something that hurries: its device is woken.
    pub(super) fn waiting(&mut self) {
        let Mode::Hibernating(b) = &self.mode else { return };
        if !b.session.outbox.is_due() {
            return;
        }
        b.session.outbox.defer();
        let rings = |i: &Outgoing| i.class == Class::Message && i.urgency() == Urgency::Now;
        if let Some((count, last)) = b.session.outbox.last(rings) {
            push::waiting(&self.server, &b.session, count as u32, &last);
        }
    }

    /// Ends the session for good: everybody is told, what it did not get goes where it can still be got.
    async fn end_session(&mut self, b: Box<Bound>) {
        let Bound { session, sm, .. } = *b;
        let mut left = self.io.unfetched();
        match sm {
            Some(mut sm) => {
                if let Some(id) = session.resumption_id() {
                    self.server.expired.remember(&id, sm.handled());
                }
                // Neither what is not written nor what is not fetched: it is among the unacknowledged.
                self.out.take_unstarted();
                left = sm.take_unacknowledged().into();
            }
            None => left.extend(self.out.take_unstarted()),
        }
        Box::pin(end::session(&self.server, &session, left)).await;
    }

    /// Ends the stream from this side or because the client closed it.
    pub(super) async fn close(&mut self, error: Option<StreamError>, text: Option<&'static str>) {
        if let Some(e) = &error {
            tracing::debug!(parent: &self.span, error = %e, "stream error");
        }
        self.close_with(error.map(|e| e.to_bytes(text))).await;
    }

    /// The account is gone: a last answer, then the end (XEP-0077 §3.2).
    pub(super) async fn farewell(&mut self, last: Outgoing) {
        let error = StreamError::NotAuthorized.to_bytes(Some("the account was removed"));
        self.end(Some(last), Some(error)).await;
    }

    /// [`Connection::close`] with an error as it goes on the wire.
    pub(super) async fn close_with(&mut self, error: Option<Bytes>) {
        self.end(None, error).await;
    }

    async fn end(&mut self, last: Option<Outgoing>, error: Option<Bytes>) {
        match std::mem::replace(&mut self.mode, Mode::Over) {
            Mode::Bound(b) => self.end_session(b).await,
            Mode::Hibernating(b) => return self.end_session(b).await,
            Mode::Over => return,
            closing @ (Mode::Closing | Mode::Draining) => {
                self.mode = closing;
                return;
            }
            Mode::Negotiating(_) => {}
            Mode::DirectTls => return,
        }
        if !self.header_sent {
            self.send_header(None);
        }
        for item in last.into_iter().chain(error.map(Outgoing::nonza)) {
            self.out.push(item);
        }
        self.out.push(Outgoing::nonza(stream_close(self.framing)));
        self.flush = true;
        self.input = BytesMut::new();
        self.mode = Mode::Closing;
        self.set_timer(Instant::now() + LINGER);
    }

    /// The actor stops.
    pub(super) async fn finish(&mut self) {
        match std::mem::replace(&mut self.mode, Mode::Over) {
            Mode::Bound(b) | Mode::Hibernating(b) => self.end_session(b).await,
            _ => {}
        }
        self.server.connections.remove(&self.id);
        self.server.gone.notify_waiters();
    }
}

impl Connection {
    /// The connection is no more, whatever becomes of its session.
    fn gone(&mut self) {
        self.place = None;
        if std::mem::take(&mut self.open) {
            metrics::connections(self.peer.transport, -1);
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.gone();
    }
}
