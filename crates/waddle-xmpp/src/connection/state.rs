//! Negotiation of a stream as a plain reducer: frames and answers in, effects out. No clock, no I/O, no
//! randomness of its own (RFC 6120 §4, §5, §7, RFC 7395). Logging in is in `login`.

use bytes::Bytes;
use smallvec::smallvec;
use waddle_core::{BareJid, Jid};
use waddle_identity::LoggedIn;
use waddle_stanza::{
    Class, Condition, Frame, Framing, Kind, Outgoing, Stanza, StanzaError, StreamError, StreamHeader,
    XmlWriter, ns,
    sasl::{ChannelBinding, SaslError, SaslRequest, ScramChallenge, ScramServer},
    sm::{self, SmRequest},
};

use super::{
    effects::{Effect, Effects, Input, Keys, Offer, Policy, Register},
    login::Mechanism,
    sasl2::{Sasl2Request, Wish},
};

/// Where a stream is.
#[derive(Debug)]
pub(super) enum Phase {
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
    /// A password or token is checked; the authzid to compare with.
    Checking(Mechanism, Option<String>),
    /// OAUTHBEARER has told why it fails; the client must say that it heard (RFC 7628 §3.2.3).
    Told(SaslError, bool),
    /// What the client wished is done.
    Establishing,
    /// A resource is bound on this request, or a session resumed.
    Binding(Option<Stanza>),
    /// Bound or closed.
    Over,
}

/// The state of a stream from its first byte to its bound session.
#[derive(Debug)]
pub struct Negotiation {
    pub(super) policy: Policy,
    pub(super) secure: bool,
    pub(super) channel: ChannelBinding,
    pub(super) phase: Phase,
    pub(super) attempts: u32,
    pub(super) mechanism: &'static str,
    pub(super) login: Option<Box<LoggedIn>>,
    /// Whom the stream's header says the client is.
    pub(super) from: Option<BareJid>,
    /// The exchange that is under way is one of the newer profile, and wants this.
    pub(super) wish: Option<Box<Wish>>,
    /// The invitation that the client holds.
    invitation: Option<String>,
    pub(super) random: fn() -> String,
}

pub(super) fn send(bytes: Bytes) -> Effect {
    Effect::Send(Outgoing::nonza(bytes))
}

impl Negotiation {
    /// A stream that begins; `secure` if TLS is there already, with what can be bound to it. `random` makes nonces.
    pub fn new(policy: Policy, secure: bool, channel: ChannelBinding, random: fn() -> String) -> Self {
        Self {
            policy,
            secure,
            channel,
            phase: Phase::Header,
            attempts: 0,
            mechanism: "",
            login: None,
            from: None,
            wish: None,
            invitation: None,
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
            Input::Secured(channel) => {
                self.secure = true;
                self.channel = channel;
                self.phase = Phase::Header;
                smallvec![Effect::Restart]
            }
            Input::Keys(keys) => self.keys(keys),
            Input::Verified(result) => self.verified(result),
            Input::Fast(result) => self.fast(result),
            Input::Established => {
                self.phase = Phase::Open;
                smallvec![Effect::Features(self.offer())]
            }
            Input::NotEstablished => {
                self.login = None;
                self.wish = Some(Box::default());
                self.fail(SaslError::TemporaryAuthFailure, false)
            }
            Input::Bound(result) => self.bound(result),
            Input::NotResumed(error) => {
                self.phase = Phase::Open;
                smallvec![Effect::Send(error)]
            }
            Input::Invited(token) => {
                self.invitation = token;
                Effects::new()
            }
        }
    }

    pub(super) fn close(&mut self, error: Option<StreamError>, text: Option<&'static str>) -> Effects {
        self.phase = Phase::Over;
        smallvec![Effect::Close(error, text)]
    }

    fn header(&mut self, header: StreamHeader) -> Effects {
        if !matches!(self.phase, Phase::Header) {
            return self.close(Some(StreamError::BadFormat), None);
        }
        let from = header.from.as_deref().map(str::parse::<Jid>);
        let mut out: Effects = smallvec![Effect::Open {
            to: from.clone().and_then(Result::ok),
            lang: header.lang,
        }];
        let to = header.to.as_deref().map(str::parse::<Jid>);
        let ours = matches!(&to, Some(Ok(j)) if j.as_str() == &*self.policy.domain);
        let problem = if header.namespace != ns::CLIENT {
            Some(StreamError::InvalidNamespace)
        } else if !ours {
            Some(StreamError::HostUnknown)
        } else if from.is_some_and(|f| !self.may_be(f.ok())) {
            Some(StreamError::InvalidFrom)
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

    /// Whether a client may say that it is `from`: an account of this domain, and after login its own (RFC 6120
    /// §4.9.3.9, XEP-0388 §2.1).
    fn may_be(&mut self, from: Option<Jid>) -> bool {
        let Some(from) = from.filter(|f| f.domain() == &*self.policy.domain) else {
            return false;
        };
        let own = |l: &LoggedIn| from.local() == Some(&*l.localpart);
        let may = self.login.as_deref().is_none_or(own);
        self.from = Some(from.bare());
        may
    }

    pub(super) fn offer(&self) -> Offer {
        if self.login.is_some() {
            return Offer {
                bind: true,
                session: true,
                ..Offer::default()
            };
        }
        let login = self.may_log_in();
        let register = self.policy.register;
        Offer {
            starttls: (!self.secure && self.policy.starttls).then_some(!login),
            mechanisms: self.mechanisms(),
            sasl2: self.offers_sasl2(),
            fast: self.fast_mechanisms(),
            bindings: if login { self.channel.names() } else { Vec::new() },
            register: if self.may_register() {
                register
            } else {
                Register::default()
            },
            bind: false,
            session: false,
        }
    }

    pub(super) fn may_log_in(&self) -> bool {
        self.secure || self.policy.login_without_tls || self.policy.framing == Framing::WebSocket
    }

    /// A password is sent as it is: under TLS, or where the operator has allowed to go without.
    fn may_register(&self) -> bool {
        self.secure || self.policy.login_without_tls
    }

    fn element(&mut self, stanza: Stanza) -> Effects {
        let root = stanza.root();
        if let Some(request) = Sasl2Request::read(root) {
            return self.sasl2(request);
        }
        if self.wish.is_some() {
            // XEP-0388 §2.4: nothing else while somebody logs in.
            return self.close(Some(StreamError::NotAuthorized), Some("finish logging in first"));
        }
        if let Some(request) = SaslRequest::read(root) {
            return self.sasl(request);
        }
        if root.is("starttls", ns::TLS) {
            return self.starttls();
        }
        let open = matches!(self.phase, Phase::Open);
        let Some(login) = self.login.clone() else {
            if open && self.may_register() && self.is_for_us(&stanza) && registers(&stanza) {
                return smallvec![Effect::Register(stanza, self.invitation.clone())];
            }
            if SmRequest::read(root).is_some() {
                // XEP-0198 §3: only who is authenticated may enable it.
                return smallvec![send(sm::failed(Condition::UnexpectedRequest, None))];
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

    /// Whether a stanza is for this server: `to` is absent or the domain.
    fn is_for_us(&self, stanza: &Stanza) -> bool {
        let to = stanza.root().attr("to").map(|to| to.parse::<Jid>());
        to.is_none_or(|to| to.is_ok_and(|to| to.as_str() == &*self.policy.domain))
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

/// Whether a client that has not logged in asks for an account (XEP-0077), or shows an invitation (XEP-0445).
fn registers(stanza: &Stanza) -> bool {
    stanza.is_request()
        && stanza
            .payload()
            .is_some_and(|p| p.is("query", ns::REGISTER) || p.is("preauth", ns::PARS))
}

#[cfg(test)]
#[path = "state_tests.rs"]
mod tests;
