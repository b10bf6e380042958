//! Negotiation of a stream as a plain reducer: frames and answers in, effects out. No clock, no I/O, no
//! randomness of its own (RFC 6120 §4–§7, RFC 7395, XEP-0440).

use bytes::Bytes;
use smallvec::smallvec;
use waddle_core::{BareJid, Jid};
use waddle_identity::LoggedIn;
use waddle_stanza::{
    Class, Condition, Frame, Framing, Kind, Outgoing, Stanza, StanzaError, StreamError, StreamHeader,
    XmlWriter, ns,
    sasl::{self, ChannelBinding, Plain, SaslError, SaslRequest, ScramChallenge, ScramHash, ScramServer},
    sm::{self, SmRequest},
};

use super::effects::{Effect, Effects, Input, Keys, LoginFailure, Offer, Policy};

#[derive(Debug)]
enum Phase {
    /// A stream header must come.
    Header,
    /// Features were sent.
    Open,
    /// TLS is being negotiated.
    Handshake,
    /// SCRAM's keys are looked up.
    Finding(Box<ScramServer>),
    /// SCRAM's challenge was sent; the client's proof must come.
    Proof(Box<(ScramChallenge, Keys)>),
    /// An empty challenge was sent; the first message must come.
    First(Mechanism),
    /// A password is checked; the authzid to compare with.
    Checking(Option<String>),
    /// A resource is bound on this request, or a session resumed.
    Binding(Option<Stanza>),
    /// Bound or closed.
    Over,
}

/// A SASL mechanism of this server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mechanism {
    Plain,
    Scram(ScramHash, bool),
}

impl Mechanism {
    /// All, best first.
    fn all() -> impl Iterator<Item = Self> {
        let scram = |plus| ScramHash::ALL.into_iter().map(move |h| Self::Scram(h, plus));
        scram(true).chain(scram(false)).chain([Self::Plain])
    }

    fn name(self) -> &'static str {
        match self {
            Self::Plain => "PLAIN",
            Self::Scram(hash, plus) => hash.mechanism(plus),
        }
    }
}

/// The state of a stream from its first byte to its bound session.
#[derive(Debug)]
pub struct Negotiation {
    policy: Policy,
    secure: bool,
    exporter: Option<[u8; 32]>,
    phase: Phase,
    attempts: u32,
    mechanism: &'static str,
    login: Option<Box<LoggedIn>>,
    random: fn() -> String,
}

fn send(bytes: Bytes) -> Effect {
    Effect::Send(Outgoing::nonza(bytes))
}

impl Negotiation {
    /// A stream that begins; `secure` if TLS is there already, with its channel binding. `random` makes nonces.
    pub fn new(policy: Policy, secure: bool, exporter: Option<[u8; 32]>, random: fn() -> String) -> Self {
        Self {
            policy,
            secure,
            exporter,
            phase: Phase::Header,
            attempts: 0,
            mechanism: "",
            login: None,
            random,
        }
    }

    /// Who logged in.
    pub fn login(&self) -> Option<&LoggedIn> {
        self.login.as_deref()
    }

    /// Takes one input.
    pub fn handle(&mut self, input: Input) -> Effects {
        match input {
            Input::Frame(Frame::Open(header)) => self.header(header),
            Input::Frame(Frame::Close) => self.close(None, None),
            Input::Frame(Frame::Stanza(s)) => self.element(s),
            Input::Secured(exporter) => {
                self.secure = true;
                self.exporter = exporter;
                self.phase = Phase::Header;
                smallvec![Effect::Restart]
            }
            Input::Keys(keys) => self.keys(keys),
            Input::Verified(result) => self.verified(result),
            Input::Bound(result) => self.bound(result),
            Input::NotResumed(error) => {
                self.phase = Phase::Open;
                smallvec![Effect::Send(error)]
            }
        }
    }

    fn close(&mut self, error: Option<StreamError>, text: Option<&'static str>) -> Effects {
        self.phase = Phase::Over;
        smallvec![Effect::Close(error, text)]
    }

    fn header(&mut self, header: StreamHeader) -> Effects {
        if !matches!(self.phase, Phase::Header) {
            return self.close(Some(StreamError::BadFormat), None);
        }
        let from = header.from.as_deref().and_then(|f| f.parse::<Jid>().ok());
        let mut out: Effects = smallvec![Effect::Open {
            to: from.clone(),
            lang: header.lang,
        }];
        let to = header.to.as_deref().map(str::parse::<Jid>);
        let ours = matches!(&to, Some(Ok(j)) if j.as_str() == &*self.policy.domain);
        let problem = if header.namespace != ns::CLIENT {
            Some(StreamError::InvalidNamespace)
        } else if !ours {
            Some(StreamError::HostUnknown)
        } else if let (Some(login), Some(from)) = (&self.login, &from) {
            let same = from.local() == Some(&*login.localpart) && from.domain() == &*self.policy.domain;
            (!same).then_some(StreamError::InvalidFrom)
        } else {
            None
        };
        if let Some(e) = problem {
            self.phase = Phase::Over;
            out.push(Effect::Close(Some(e), None));
            return out;
        }
        self.phase = Phase::Open;
        out.push(Effect::Features(self.offer()));
        out
    }

    fn offer(&self) -> Offer {
        if self.login.is_some() {
            return Offer {
                bind: true,
                ..Offer::default()
            };
        }
        let login = self.may_log_in();
        Offer {
            starttls: (!self.secure && self.policy.starttls).then_some(!login),
            mechanisms: Mechanism::all()
                .filter(|m| self.offers(*m))
                .map(Mechanism::name)
                .collect(),
            channel_binding: login && self.exporter.is_some(),
            register: self.policy.register && self.may_register(),
            bind: false,
        }
    }

    fn may_log_in(&self) -> bool {
        self.secure || self.policy.login_without_tls || self.policy.framing == Framing::WebSocket
    }

    /// A password is sent as it is: under TLS, or where the operator has allowed to go without.
    fn may_register(&self) -> bool {
        self.secure || self.policy.login_without_tls
    }

    fn offers(&self, mechanism: Mechanism) -> bool {
        self.may_log_in()
            && match mechanism {
                Mechanism::Plain => self.secure,
                Mechanism::Scram(_, plus) => !plus || self.exporter.is_some(),
            }
    }

    fn element(&mut self, stanza: Stanza) -> Effects {
        let root = stanza.root();
        let open = matches!(self.phase, Phase::Open);
        if let Some(request) = SaslRequest::read(root) {
            if self.login.is_some() {
                return self.close(Some(StreamError::NotAuthorized), None);
            }
            return match request {
                Ok(SaslRequest::Auth(mechanism, first)) => self.auth(&mechanism, first),
                Ok(SaslRequest::Response(message)) => self.response(&message),
                Ok(SaslRequest::Abort) => self.fail(SaslError::Aborted, false),
                Err(e) => self.fail(e, false),
            };
        }
        if root.is("starttls", ns::TLS) {
            return self.starttls();
        }
        let Some(login) = self.login.clone() else {
            let register = stanza.is_request() && stanza.payload().is_some_and(|p| p.is("query", ns::REGISTER));
            if open && register && self.may_register() {
                return smallvec![Effect::Register(stanza)];
            }
            // RFC 6120 §4.9.3.12: nothing but negotiation before authentication.
            return self.close(Some(StreamError::NotAuthorized), None);
        };
        match SmRequest::read(root) {
            Some(SmRequest::Resume { h, previd }) if open => {
                self.phase = Phase::Binding(None);
                return smallvec![Effect::Resume { login, previd, h }];
            }
            Some(_) => return smallvec![send(sm::failed(Condition::UnexpectedRequest, None))],
            None if root.in_ns(ns::SM) => return smallvec![send(sm::failed(Condition::BadRequest, None))],
            None => {}
        }
        match stanza.kind() {
            Kind::Iq if open => self.bind(stanza, login),
            Kind::Other => self.close(Some(StreamError::UnsupportedStanzaType), None),
            // RFC 6120 §7.1: no stanza before a resource is bound.
            _ => self.close(Some(StreamError::NotAuthorized), None),
        }
    }

    fn starttls(&mut self) -> Effects {
        if self.secure || self.login.is_some() || !self.policy.starttls || !matches!(self.phase, Phase::Open)
        {
            let mut w = XmlWriter::new();
            w.empty("failure", ns::TLS);
            let mut out: Effects = smallvec![send(w.finish())];
            out.extend(self.close(None, None));
            return out;
        }
        self.phase = Phase::Handshake;
        let mut w = XmlWriter::new();
        w.empty("proceed", ns::TLS);
        smallvec![send(w.finish()), Effect::StartTls]
    }

    fn auth(&mut self, asked: &str, first: Option<Vec<u8>>) -> Effects {
        let known = Mechanism::all().find(|m| m.name() == asked);
        self.mechanism = known.map_or("unknown", Mechanism::name);
        if !matches!(self.phase, Phase::Open) {
            return self.fail(SaslError::MalformedRequest, false);
        }
        let Some(mechanism) = known else {
            return self.fail(SaslError::InvalidMechanism, false);
        };
        if !self.offers(mechanism) {
            let e = if self.secure || self.may_log_in() && mechanism != Mechanism::Plain {
                SaslError::InvalidMechanism
            } else {
                SaslError::EncryptionRequired
            };
            return self.fail(e, false);
        }
        if let Some(first) = first {
            return self.first(mechanism, &first);
        }
        self.phase = Phase::First(mechanism);
        smallvec![send(sasl::challenge(&[]))]
    }

    fn first(&mut self, mechanism: Mechanism, message: &[u8]) -> Effects {
        match mechanism {
            Mechanism::Plain => match Plain::parse(message) {
                Ok(plain) => {
                    self.phase = Phase::Checking(plain.authzid);
                    smallvec![Effect::VerifyPlain {
                        username: plain.authcid,
                        password: plain.password,
                    }]
                }
                Err(e) => self.fail(e, false),
            },
            Mechanism::Scram(hash, plus) => {
                let binding = match &self.exporter {
                    Some(data) => ChannelBinding::tls_exporter(data, plus),
                    None => ChannelBinding::none(),
                };
                match ScramServer::start(hash, &binding, message, &(self.random)()) {
                    Ok(scram) => {
                        let username = scram.username().to_owned();
                        self.phase = Phase::Finding(Box::new(scram));
                        smallvec![Effect::FindKeys { hash, username }]
                    }
                    Err(e) => self.fail(e, false),
                }
            }
        }
    }

    fn keys(&mut self, keys: Result<Keys, LoginFailure>) -> Effects {
        let Phase::Finding(scram) = std::mem::replace(&mut self.phase, Phase::Open) else {
            return Effects::new();
        };
        match keys {
            Ok(keys) => {
                let challenge = scram.challenge(&keys.salt, keys.iterations);
                let message = sasl::challenge(challenge.message());
                self.phase = Phase::Proof(Box::new((challenge, keys)));
                smallvec![send(message)]
            }
            Err(e) => self.refuse(e),
        }
    }

    fn response(&mut self, message: &[u8]) -> Effects {
        match std::mem::replace(&mut self.phase, Phase::Open) {
            Phase::First(mechanism) => self.first(mechanism, message),
            Phase::Proof(exchange) => {
                let (scram, keys) = *exchange;
                match scram.finish(message, &keys.candidates) {
                    Ok((which, server_final)) => {
                        let Some(login) = keys.logins.into_iter().nth(which).flatten() else {
                            return self.fail(SaslError::NotAuthorized, true);
                        };
                        self.succeed(login, scram.authzid(), &server_final)
                    }
                    Err(e) => self.fail(e, e == SaslError::NotAuthorized),
                }
            }
            other => {
                self.phase = other;
                self.fail(SaslError::MalformedRequest, false)
            }
        }
    }

    fn verified(&mut self, result: Result<LoggedIn, LoginFailure>) -> Effects {
        let Phase::Checking(authzid) = std::mem::replace(&mut self.phase, Phase::Open) else {
            return Effects::new();
        };
        match result {
            Ok(login) => self.succeed(login, authzid.as_deref(), &[]),
            Err(e) => self.refuse(e),
        }
    }

    /// RFC 6120 §6.3.8: who authenticated may act as nobody else.
    fn succeed(&mut self, login: LoggedIn, authzid: Option<&str>, data: &[u8]) -> Effects {
        let own = |z: &str| {
            z.parse::<BareJid>()
                .is_ok_and(|j| j.local() == Some(&*login.localpart) && j.domain() == &*self.policy.domain)
        };
        if authzid.is_some_and(|z| !own(z)) {
            return self.fail(SaslError::InvalidAuthzid, false);
        }
        if login.disabled {
            return self.fail(SaslError::AccountDisabled, false);
        }
        let login = Box::new(login);
        self.login = Some(login.clone());
        self.phase = Phase::Header;
        let success = if data.is_empty() {
            let mut w = XmlWriter::new();
            w.empty("success", ns::SASL);
            w.finish()
        } else {
            sasl::success(data)
        };
        smallvec![
            send(success),
            Effect::LoggedIn(login, self.mechanism),
            Effect::Restart,
        ]
    }

    fn refuse(&mut self, failure: LoginFailure) -> Effects {
        match failure {
            LoginFailure::NotAuthorized => self.fail(SaslError::NotAuthorized, true),
            LoginFailure::Disabled => self.fail(SaslError::AccountDisabled, false),
            LoginFailure::Throttled(_) => self.fail(SaslError::TemporaryAuthFailure, false),
            LoginFailure::Temporary => self.fail(SaslError::TemporaryAuthFailure, false),
        }
    }

    /// Sends `<failure/>`; too many end the stream.
    fn fail(&mut self, e: SaslError, guess: bool) -> Effects {
        self.phase = Phase::Open;
        self.attempts += 1;
        let mut out: Effects = smallvec![
            Effect::Failed {
                mechanism: self.mechanism,
                reason: e.name(),
                guess,
            },
            send(e.to_bytes(advice(e))),
        ];
        if self.attempts >= self.policy.attempts {
            out.extend(self.close(
                Some(StreamError::PolicyViolation),
                Some("too many failed logins on this stream"),
            ));
        }
        out
    }

    fn bind(&mut self, stanza: Stanza, login: Box<LoggedIn>) -> Effects {
        let root = stanza.root();
        let bind = root.child("bind", ns::BIND);
        let set = root.attr("type").as_deref() == Some("set");
        let Some(bind) = bind.filter(|_| set) else {
            return self.close(Some(StreamError::NotAuthorized), None);
        };
        let resource = bind.child("resource", ns::BIND).map(|r| r.text().into_owned());
        self.phase = Phase::Binding(Some(stanza));
        smallvec![Effect::Bind {
            login,
            resource: resource.filter(|r| !r.is_empty()),
        }]
    }

    fn bound(&mut self, result: Result<Jid, StanzaError>) -> Effects {
        let Phase::Binding(Some(request)) = std::mem::replace(&mut self.phase, Phase::Open) else {
            return Effects::new();
        };
        match result {
            Ok(jid) => {
                self.phase = Phase::Over;
                let mut w = request.result(None);
                w.open_ns("bind", ns::BIND).leaf("jid", jid.as_str()).close();
                smallvec![Effect::Send(w.outgoing(Class::Iq)), Effect::Done(jid)]
            }
            Err(e) => e
                .reply(&request, None, None)
                .map(Effect::Send)
                .into_iter()
                .collect(),
        }
    }
}

/// What a person should do about a failed login.
fn advice(e: SaslError) -> Option<&'static str> {
    match e {
        SaslError::NotAuthorized => {
            Some("user name or password is wrong, or the token has expired; log in again")
        }
        SaslError::TemporaryAuthFailure => {
            Some("logging in is not possible at the moment; try again in a minute")
        }
        SaslError::EncryptionRequired => Some("start TLS first"),
        SaslError::InvalidAuthzid => Some("nobody can act as another user here"),
        SaslError::InvalidMechanism => Some("this mechanism is not offered"),
        _ => None,
    }
}

#[cfg(test)]
#[path = "state_tests.rs"]
mod tests;
