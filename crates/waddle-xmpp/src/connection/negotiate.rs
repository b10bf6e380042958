//! Doing what the negotiation decided: TLS, looking credentials up, registration. What comes of a login is in `begin`.

use std::{collections::VecDeque, future::poll_fn, net::IpAddr, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::BytesMut;
use ring::rand::{SecureRandom as _, SystemRandom};
use tokio::time::{Instant, timeout_at};
use waddle_core::{Jid, Secret};
use waddle_identity::{Attempt, FastAttempt, FastLogin, LoggedIn, LoginError};
use waddle_stanza::{
    Framing, Outgoing, ScanLimits, StreamHeader, ns,
    sasl::{ChannelBinding, ScramHash},
};

use super::{
    binding,
    effects::{Effect, Effects, FastProof, Input, Keys, LoginFailure, Policy, Register},
    features,
    state::Negotiation,
    stream::{Connection, Mode},
    transport::Transport,
};
use crate::{config::Registration, server::Server, xep::xep0077};

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
        LoginError::Expired => LoginFailure::Expired,
        LoginError::Throttled(wait) => LoginFailure::Throttled(wait.as_secs()),
        e => {
            tracing::error!(error = %e, "login could not be checked");
            LoginFailure::Temporary
        }
    }
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

/// Who a token belongs to that says so itself, unless the address has to wait.
async fn verify_token(server: &Server, address: IpAddr, token: &Secret) -> Result<LoggedIn, LoginFailure> {
    let identity = &server.identity;
    identity.login_allowed(address).map_err(|e| failure(&e))?;
    identity.verify_token(token).await.map_err(|e| failure(&e))
}

/// Who a token of FAST belongs to, unless the address has to wait.
async fn verify_fast(server: &Server, address: IpAddr, p: &FastProof) -> Result<FastLogin, LoginFailure> {
    let identity = &server.identity;
    identity.login_allowed(address).map_err(|e| failure(&e))?;
    let attempt = FastAttempt {
        request: &p.request,
        client: &p.client,
        mechanism: p.mechanism,
        binding: &p.binding,
        count: p.used.count,
        invalidate: p.used.invalidate,
    };
    identity.fast_login(attempt).await.map_err(|e| failure(&e))
}

impl Connection {
    pub(super) fn negotiation(&self, secure: bool, channel: ChannelBinding) -> Negotiation {
        let config = &self.server.config;
        let has = |number| self.server.registry.has(number);
        let open = config.registration != Registration::Closed;
        let policy = Policy {
            domain: config.domain.as_str().into(),
            framing: self.framing,
            starttls: self.framing == Framing::Stream && self.server.starttls.is_some(),
            login_without_tls: config.allow_plaintext,
            register: Register {
                accounts: open && has(77),
                invited: open && has(77) && has(445),
            },
            oauth: config.oauth_discovery.clone().filter(|_| has(493)),
            sasl2: has(388),
            fast: has(484),
            downgrade: has(474),
            attempts: self.server.limits.xmpp_sasl_attempts,
        };
        Negotiation::new(policy, secure, channel, random)
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
            Effect::VerifyToken(token) => {
                return Some(Input::Verified(
                    verify_token(&self.server, self.peer.address, &token).await,
                ));
            }
            Effect::VerifyFast(proof) => {
                return Some(Input::Fast(
                    verify_fast(&self.server, self.peer.address, &proof).await,
                ));
            }
            Effect::Establish(e) => return Box::pin(self.establish(*e)).await,
            Effect::Register(stanza, shown) => {
                let peer = self.peer.address;
                let done = xep0077::stranger(&self.server, peer, &stanza, shown.as_deref()).await;
                if done.made {
                    // Who made an account needs time to log in with it.
                    let login = Duration::from_secs(self.server.limits.xmpp_login_seconds);
                    self.set_timer(Instant::now() + login);
                }
                if let Some(answer) = done.answer {
                    self.out.push(answer);
                }
                return match done.invitation {
                    Some(token) => Some(Input::Invited(Some(token))),
                    None => done.made.then_some(Input::Invited(None)),
                };
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
                    self.server.identity.login_refused(attempt, reason);
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
                return Some(Input::Bound(self.bind(&login, resource.as_deref(), None)));
            }
            Effect::Resume { login, previd, h } => return self.resume(&login, &previd, h).await,
            Effect::Done(jid) => self.start_session(&jid).await,
            Effect::Close(error, text) => self.close(error, text).await,
        }
        None
    }

    /// The TLS handshake, in this task and within the time for logging in.
    async fn handshake(&mut self, direct: bool) -> Option<ChannelBinding> {
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
        match timeout_at(self.timer.deadline(), binding::accept(&acceptor, socket)).await {
            Ok(Ok((tls, channel))) => {
                self.io = Transport::Tls(Box::new(tls));
                Some(channel)
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
        if let Some(channel) = self.handshake(true).await {
            self.mode = Mode::Negotiating(Box::new(self.negotiation(true, channel)));
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
        self.handshake(false).await.map(Input::Secured)
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
}
