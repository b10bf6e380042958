//! Doing what the negotiation decided: TLS, login, bind, resumption.

use std::{collections::VecDeque, future::poll_fn, net::IpAddr, sync::Arc, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::BytesMut;
use kameo::error::SendError;
use ring::rand::{SecureRandom as _, SystemRandom};
use tokio::time::{Instant, timeout_at};
use tokio_rustls::server::TlsStream;
use waddle_core::{Jid, Secret};
use waddle_identity::{Attempt, LoggedIn, LoginError};
use waddle_outbox::Outbox;
use waddle_stanza::{
    Condition, ErrorType, Framing, Outgoing, ScanLimits, StanzaError, StreamError, StreamHeader, ns,
    sasl::ScramHash, sm::failed,
};

use super::{
    actor::{Parked, Probe, TakeOver},
    bound::Buckets,
    effects::{Effect, Effects, Input, Keys, LoginFailure, Policy},
    features,
    lifecycle::PROBE,
    sm::Sm,
    state::Negotiation,
    stream::{Bound, Connection, Mode},
    transport::{Socket, Transport},
};
use crate::{
    config::Registration,
    server::Server,
    session::{Flag, Session},
    sessions::Refused,
    xep::{SessionEvent, xep0077},
};

fn random() -> String {
    let mut bytes = [0; 18];
    // Failing randomness is no reason to accept a predictable nonce: an empty one is refused by the exchange.
    if SystemRandom::new().fill(&mut bytes).is_err() {
        return String::new();
    }
    STANDARD.encode(bytes)
}

fn failure(e: &LoginError) -> LoginFailure {
    match e {
        LoginError::NotAuthorized => LoginFailure::NotAuthorized,
        LoginError::Disabled => LoginFailure::Disabled,
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
    pub(super) fn negotiation(&self, secure: bool, exporter: Option<[u8; 32]>) -> Negotiation {
        let policy = Policy {
            domain: self.server.config.domain.as_str().into(),
            framing: self.framing,
            starttls: self.framing == Framing::Stream && self.server.starttls.is_some(),
            login_without_tls: self.server.config.allow_plaintext,
            register: self.server.registry.has(77)
                && self.server.config.registration != Registration::Closed,
            attempts: self.server.limits.xmpp_sasl_attempts,
        };
        Negotiation::new(policy, secure, exporter, random)
    }

    pub(super) async fn perform(&mut self, effects: Effects) {
        let mut todo = VecDeque::from_iter(effects);
        while let Some(effect) = todo.pop_front() {
            if let Some(input) = self.do_effect(effect).await
                && let Mode::Negotiating(n) = &mut self.mode
            {
                for e in n.handle(input).into_iter().rev() {
                    todo.push_front(e);
                }
            }
        }
    }

    async fn do_effect(&mut self, effect: Effect) -> Option<Input> {
        match effect {
            Effect::Open { to, lang } => {
                self.lang = lang.map(String::into_boxed_str);
                self.send_header(to.as_ref());
            }
            Effect::Features(offer) => {
                let f = features::write(&self.server, &offer);
                self.out.push(f);
            }
            Effect::Send(item) => self.out.push(item),
            Effect::Restart => self.scanner.restart(),
            Effect::StartTls => return self.starttls().await,
            Effect::FindKeys { hash, username } => {
                return Some(Input::Keys(
                    find_keys(&self.server, self.peer.address, hash, &username).await,
                ));
            }
            Effect::VerifyPlain { username, password } => {
                return Some(Input::Verified(
                    verify(&self.server, self.peer.address, &username, &password).await,
                ));
            }
            Effect::Register(stanza) => {
                let (answer, made) = xep0077::stranger(&self.server, self.peer.address, &stanza).await;
                if made {
                    // Who made an account needs time to log in with it.
                    let login = Duration::from_secs(self.server.limits.xmpp_login_seconds);
                    self.set_timer(Instant::now() + login);
                }
                if let Some(answer) = answer {
                    self.out.push(answer);
                }
            }
            Effect::Failed {
                mechanism,
                reason,
                guess,
            } => {
                let attempt = Attempt {
                    protocol: "xmpp",
                    mechanism,
                };
                if guess {
                    let identity = &self.server.identity;
                    identity.login_failed(self.peer.address, attempt, &LoginError::NotAuthorized);
                } else {
                    tracing::debug!(parent: &self.span, mechanism, reason, "login failed");
                }
            }
            Effect::LoggedIn(login, mechanism) => {
                let attempt = Attempt {
                    protocol: "xmpp",
                    mechanism,
                };
                self.server.identity.login_succeeded(attempt, &login);
                self.scanner
                    .set_limits(ScanLimits::after_login(&self.server.limits));
            }
            Effect::Bind { login, resource } => {
                return Some(Input::Bound(self.bind(&login, resource.as_deref())));
            }
            Effect::Resume { login, previd, h } => return self.resume(&login, &previd, h).await,
            Effect::Done(jid) => self.start_session(&jid).await,
            Effect::Close(error, text) => self.close(error, text).await,
        }
        None
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

    fn serve(&mut self, session: Arc<Session>, sm: Option<Box<Sm>>, buckets: Buckets) {
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
            Some(actor) => match actor.ask(TakeOver { h }).reply_timeout(PROBE).await {
                Ok(parked) => parked,
                Err(SendError::HandlerError(e)) => {
                    self.close_with(Some(e.to_bytes())).await;
                    return None;
                }
                Err(_) => None,
            },
            None => None,
        };
        let Some(parked) = parked else {
            let handled = self.server.expired.handled(previd);
            let failed = failed(Condition::ItemNotFound, handled);
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
        // XEP-0352 §5.2: a resumed stream is active.
        session.outbox.hold(false);
        None
    }
}
