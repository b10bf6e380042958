//! What a connection does between its first byte and its end: TLS, login, bind, resumption, timeouts, closing.

use std::{future::poll_fn, net::IpAddr, sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use tokio::time::{Instant, timeout_at};
use tokio_rustls::server::TlsStream;
use waddle_core::{Jid, Secret};
use waddle_identity::{LoggedIn, LoginError};
use waddle_outbox::Outbox;
use waddle_stanza::{
    Class, Condition, ErrorType, Outgoing, StanzaError, StreamError, StreamHeader, XmlWriter, ns,
    sasl::ScramHash, stream_close,
};

use super::{
    actor::{Bound, Connection, Mode, Parked, Probe, TakeOver},
    bound::Buckets,
    sm,
    state::{Input, Keys, LoginFailure},
    transport::{Socket, Transport},
};
use crate::{
    metrics,
    router::end,
    server::Server,
    session::{Flag, Session},
    sessions::Refused,
    xep::SessionEvent,
};

/// How long a closing stream may take to send what is left.
const LINGER: Duration = Duration::from_secs(3);
/// How long a client that is asked for a sign of life has for it.
const PROBE: Duration = Duration::from_secs(10);
/// How long a client may take nothing of what is sent to it.
const STALL: Duration = Duration::from_secs(60);

fn failure(e: &LoginError) -> LoginFailure {
    match e {
        LoginError::NotAuthorized => LoginFailure::NotAuthorized,
        LoginError::Throttled(wait) => LoginFailure::Throttled(wait.as_secs()),
        e => {
            tracing::error!(error = %e, "login could not be checked");
            LoginFailure::Temporary
        }
    }
}

/// The channel binding of RFC 9266, which needs TLS 1.3.
fn exporter(tls: &TlsStream<Socket>) -> Option<[u8; 32]> {
    let (_, c) = tls.get_ref();
    if c.protocol_version() != Some(rustls::ProtocolVersion::TLSv1_3) {
        return None;
    }
    c.export_keying_material([0; 32], b"EXPORTER-Channel-Binding", Some(&[]))
        .ok()
}

/// The keys of an account, unless the address has to wait.
pub(super) async fn find_keys(
    server: &Server,
    address: IpAddr,
    hash: ScramHash,
    username: &str,
) -> Result<Keys, LoginFailure> {
    let identity = &server.identity;
    identity.login_allowed(address).map_err(|e| failure(&e))?;
    let found = identity
        .scram_lookup(username, hash)
        .await
        .map_err(|e| failure(&e))?;
    let logins = (0..found.candidates.len())
        .map(|i| found.logged_in(i).ok())
        .collect();
    Ok(Keys {
        salt: found.salt,
        iterations: found.iterations,
        candidates: found.candidates.into_iter().map(|(_, k)| k).collect(),
        logins,
    })
}

/// Who a name and a password or token belong to, unless the address has to wait.
pub(super) async fn verify(
    server: &Server,
    address: IpAddr,
    username: &str,
    password: &Secret,
) -> Result<LoggedIn, LoginFailure> {
    let identity = &server.identity;
    identity.login_allowed(address).map_err(|e| failure(&e))?;
    identity
        .verify_plain(username, password)
        .await
        .map_err(|e| failure(&e))
}

impl Connection {
    pub(super) fn set_timer(&mut self, at: Instant) {
        self.timer.as_mut().reset(at);
    }

    /// When a session that stays silent is pinged or given up.
    fn idle_at(&self) -> Instant {
        self.heard + Duration::from_secs(self.server.limits.xmpp_idle_seconds.max(1))
    }

    /// The TLS handshake, in this task and within the time for logging in.
    async fn handshake(&mut self, direct: bool) -> Option<[u8; 32]> {
        let acceptor = if direct {
            &self.server.direct_tls
        } else {
            &self.server.starttls
        };
        let (Some(acceptor), Transport::Plain(socket)) = (
            acceptor.clone(),
            std::mem::replace(&mut self.io, Transport::Closed),
        ) else {
            self.mode = Mode::Over;
            return None;
        };
        match timeout_at(self.timer.deadline(), acceptor.accept(socket)).await {
            Ok(Ok(tls)) => {
                let exporter = exporter(&tls);
                self.io = Transport::Tls(Box::new(tls));
                exporter
            }
            Ok(Err(e)) => {
                tracing::debug!(parent: &self.span, error = %e, "TLS handshake failed");
                self.mode = Mode::Over;
                None
            }
            Err(_) => {
                self.mode = Mode::Over;
                None
            }
        }
    }

    pub(super) async fn direct_tls(&mut self) {
        let exporter = self.handshake(true).await;
        if !matches!(self.mode, Mode::Over) {
            self.mode = Mode::Negotiating(Box::new(self.negotiation(true, exporter)));
        }
    }

    pub(super) async fn starttls(&mut self) -> Option<Input> {
        // What a client (or somebody in between) sent behind <starttls/> was not protected: it is forgotten.
        self.input = BytesMut::new();
        let sent = timeout_at(
            self.timer.deadline(),
            poll_fn(|cx| self.io.poll_write(cx, &mut self.out)),
        );
        if !matches!(sent.await, Ok(Ok(()))) {
            self.mode = Mode::Over;
            return None;
        }
        self.header_sent = false;
        let exporter = self.handshake(false).await;
        (!matches!(self.mode, Mode::Over)).then_some(Input::Secured(exporter))
    }

    pub(super) fn send_header(&mut self, to: Option<&Jid>) {
        let header = StreamHeader {
            to: to.map(|j| j.as_str().to_owned()),
            from: Some(self.server.config.domain.clone()),
            lang: Some("en".to_owned()),
            version: "1.0".to_owned(),
            id: Some(self.server.random_text::<15>()),
            namespace: ns::CLIENT,
        };
        self.out.push(Outgoing::nonza(header.to_bytes(self.framing)));
        self.header_sent = true;
    }

    /// Binds a resource: the name asked for or one of ours (RFC 6120 §7.6, §7.7).
    pub(super) fn bind(&self, login: &LoggedIn, resource: Option<&str>) -> Result<Jid, StanzaError> {
        let server = &self.server;
        let bare = server
            .account(&login.localpart)
            .ok_or_else(|| StanzaError::new(Condition::InternalServerError))?;
        let made = resource.is_none().then(|| server.random_text::<9>());
        let resource = resource.or(made.as_deref()).unwrap_or_default();
        let jid = bare.with_resource(resource).map_err(|_| {
            StanzaError::new(Condition::BadRequest)
                .text("this resource is not allowed (RFC 7622); choose another")
        })?;
        let limits = &server.limits;
        let outbox = Arc::new(Outbox::new(limits.xmpp_outbox_stanzas, limits.xmpp_outbox_bytes));
        let session = Session::new(
            server.sessions.next_id(),
            jid.clone(),
            login.user.clone(),
            login.credential,
            outbox,
            Some(self.me.clone()),
        );
        match server.sessions.add(session, limits.xmpp_sessions_per_account) {
            Ok(replaced) => {
                if let Some(actor) = replaced.and_then(|old| old.control()) {
                    let _ = actor.tell(super::End(StreamError::Conflict)).try_send();
                }
                Ok(jid)
            }
            Err(Refused::Conflict(holder)) => {
                // It may be this client's own lost connection: find that out soon.
                if let Some(actor) = holder.control() {
                    let _ = actor.tell(Probe).try_send();
                }
                Err(StanzaError::new(Condition::Conflict)
                    .text("another connection uses this resource; choose another or try again in a moment"))
            }
            Err(Refused::TooMany) => Err(StanzaError::new(Condition::ResourceConstraint)
                .of_type(ErrorType::Wait)
                .text("this account has too many sessions; end one of them")),
        }
    }

    /// The session of `jid`, just bound by this connection, begins.
    pub(super) async fn start_session(&mut self, jid: &Jid) {
        let Some(session) = self.server.sessions.get(jid) else {
            self.mode = Mode::Over;
            return;
        };
        self.span.record("jid", jid.as_str());
        self.serve(session, None, Buckets::new(&self.server));
        if let Mode::Bound(b) = &self.mode {
            let session = b.session.clone();
            self.server
                .registry
                .session(&self.server, &session, SessionEvent::Bound)
                .await;
        }
    }

    fn serve(&mut self, session: Arc<Session>, sm: Option<Box<sm::Sm>>, buckets: Buckets) {
        self.mode = Mode::Bound(Box::new(Bound { session, sm, buckets }));
        self.set_timer(self.idle_at());
    }

    /// Takes a lost session over (XEP-0198 §5).
    pub(super) async fn resume(&mut self, login: &LoggedIn, previd: &str, h: u32) -> Option<Input> {
        let of = self.server.sessions.of(&login.localpart);
        let session = of
            .iter()
            .find(|s| s.resumption_id().is_some_and(|id| *id == *previd));
        let parked = match session.and_then(|s| s.control()) {
            Some(actor) => actor
                .ask(TakeOver { h })
                .reply_timeout(PROBE)
                .await
                .ok()
                .flatten(),
            None => None,
        };
        let Some(parked) = parked else {
            let handled = self.server.expired.handled(previd);
            let failed = waddle_stanza::sm::failed(Condition::ItemNotFound, handled);
            return Some(Input::NotResumed(Outgoing::nonza(failed)));
        };
        let Parked {
            session,
            mut sm,
            buckets,
        } = *parked;
        session.set_control(Some(self.me.clone()));
        session.set_credential(login.credential);
        self.span.record("jid", session.jid.as_str());
        self.out.push(sm.resumed(previd));
        for item in sm.resend() {
            self.out.push(item);
        }
        self.flush = true;
        self.serve(session.clone(), Some(sm), buckets);
        session.set(Flag::Hibernating, false);
        None
    }

    /// Gives the session to the connection that resumes it.
    pub(super) fn take_over(&mut self, h: u32) -> Option<Box<Parked>> {
        let (Mode::Bound(b) | Mode::Hibernating(b)) = &mut self.mode else {
            return None;
        };
        let sm = b.sm.as_mut()?;
        if sm.resumable().is_none() || sm.acknowledge(h).is_err() {
            return None;
        }
        let (Mode::Bound(b) | Mode::Hibernating(b)) = std::mem::replace(&mut self.mode, Mode::Over) else {
            return None;
        };
        self.io = Transport::Closed;
        self.out.take();
        let Bound { session, sm, buckets } = *b;
        Some(Box::new(Parked {
            session,
            sm: sm?,
            buckets,
        }))
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
                self.mode = Mode::Hibernating(b);
                self.set_timer(Instant::now() + Duration::from_secs(wait));
            }
            Mode::Hibernating(b) => self.end_session(b).await,
            _ => {}
        }
    }

    /// Ends the session for good: everybody is told, what it did not get goes where it can still be got.
    async fn end_session(&mut self, b: Box<Bound>) {
        let Bound { session, sm, .. } = *b;
        let mut left = Vec::new();
        match sm {
            Some(mut sm) => {
                if let Some(id) = session.resumption_id() {
                    self.server.expired.remember(&id, sm.handled());
                }
                self.out.take_unstarted();
                left.extend(sm.take_unacknowledged());
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

    /// [`Connection::close`] with an error as it goes on the wire.
    pub(super) async fn close_with(&mut self, error: Option<Bytes>) {
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
        if let Some(e) = error {
            self.out.push(Outgoing::nonza(e));
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
