//! The words of the negotiation: what its reducer is told and what it asks for.

use std::sync::Arc;

use smallvec::SmallVec;
use waddle_core::{Jid, Secret};
use waddle_identity::{FastLogin, LoggedIn};
use waddle_stanza::{
    Frame, Framing, Outgoing, Stanza, StanzaError, StreamError,
    sasl::{ChannelBinding, HtBinding, HtRequest, ScramHash, ScramKeys},
};

use super::sasl2::{FastWish, Wish};

/// What a listener offers.
#[derive(Debug, Clone)]
pub struct Policy {
    /// The domain that is served.
    pub domain: Arc<str>,
    /// Stream or WebSocket.
    pub framing: Framing,
    /// Whether STARTTLS can be offered.
    pub starttls: bool,
    /// Whether SASL (SCRAM only) is offered without TLS.
    pub login_without_tls: bool,
    /// Whether accounts can be made before login (XEP-0077), by invitation (XEP-0445).
    pub register: Register,
    /// Where OAuth begins (RFC 8414); without it there is no OAUTHBEARER.
    pub oauth: Option<Arc<str>>,
    /// Whether the newer profile of SASL is offered (XEP-0388).
    pub sasl2: bool,
    /// Whether clients may log in with tokens of FAST (XEP-0484).
    pub fast: bool,
    /// Whether SCRAM tells what was offered (XEP-0474).
    pub downgrade: bool,
    /// SASL attempts until the stream is closed (RFC 6120 §6.4.5).
    pub attempts: u32,
}

/// What of in-band registration is offered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Register {
    /// XEP-0077
    pub accounts: bool,
    /// XEP-0445
    pub invited: bool,
}

/// The keys of an account for one SCRAM hash; made up, but always the same, for an unknown account.
#[derive(Debug, Clone)]
pub struct Keys {
    /// The salt.
    pub salt: Vec<u8>,
    /// The iteration count.
    pub iterations: u32,
    /// The keys of each credential; all share salt and iterations.
    pub candidates: Vec<ScramKeys>,
    /// Who logs in with each; none for an unknown account.
    pub logins: Vec<Option<LoggedIn>>,
}

/// Why a login that the reducer asked for failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoginFailure {
    /// Wrong user or password.
    NotAuthorized,
    /// The secret is right, the account is disabled.
    Disabled,
    /// What was right once has ended.
    Expired,
    /// Too many failures from this address; the seconds to wait.
    Throttled(u64),
    /// A failure of the server's own.
    Temporary,
}

/// What the reducer is told.
#[derive(Debug)]
pub enum Input {
    /// A frame of the client.
    Frame(Frame),
    /// TLS is up, with what can be bound to it.
    Secured(ChannelBinding),
    /// The answer to [`Effect::FindKeys`].
    Keys(Result<Keys, LoginFailure>),
    /// The answer to [`Effect::VerifyPlain`] and [`Effect::VerifyToken`].
    Verified(Result<LoggedIn, LoginFailure>),
    /// The answer to [`Effect::VerifyFast`].
    Fast(Result<FastLogin, LoginFailure>),
    /// The answer to [`Effect::Establish`] where no resource was bound.
    Established,
    /// The answer to [`Effect::Establish`] where what was wished cannot be had.
    NotEstablished,
    /// The answer to [`Effect::Bind`].
    Bound(Result<Jid, StanzaError>),
    /// The answer to [`Effect::Resume`]: what to send if the session could not be resumed.
    NotResumed(Outgoing),
    /// The client holds an invitation: its token; or none any more.
    Invited(Option<String>),
}

/// A login by the newer profile of SASL that succeeded.
#[derive(Debug)]
pub struct Establish {
    /// Who.
    pub login: LoggedIn,
    /// What the mechanism says at its end.
    pub data: Vec<u8>,
    /// What the client wants besides.
    pub wish: Wish,
    /// Whether it should get a new token for this mechanism although it did not ask for one.
    pub rotate: Option<HtBinding>,
}

/// A login with a token of FAST.
#[derive(Debug)]
pub struct FastProof {
    /// What the client sent.
    pub request: HtRequest,
    /// The installation.
    pub client: String,
    /// The mechanism.
    pub mechanism: HtBinding,
    /// The channel binding's data.
    pub binding: Vec<u8>,
    /// How the token is used.
    pub used: FastWish,
}

/// What is to be done, in order.
#[derive(Debug)]
pub enum Effect {
    /// Send a stream header with a fresh id.
    Open {
        /// Whom the client says it is, prepared.
        to: Option<Jid>,
        /// The client's language.
        lang: Option<String>,
    },
    /// Send stream features.
    Features(Offer),
    /// Send this.
    Send(Outgoing),
    /// Forget what was read but not looked at, then do the TLS handshake.
    StartTls,
    /// Expect a new stream header.
    Restart,
    /// Look up keys.
    FindKeys {
        /// Which hash.
        hash: ScramHash,
        /// Localpart or bare JID, as the client wrote it.
        username: String,
    },
    /// Check a password or token.
    VerifyPlain {
        /// Localpart or bare JID, as the client wrote it.
        username: String,
        /// What it says it knows.
        password: Secret,
    },
    /// Check a token that needs no name.
    VerifyToken(Secret),
    /// Check a token of FAST.
    VerifyFast(Box<FastProof>),
    /// Answer a registration request of a client that has not logged in, who may hold an invitation.
    Register(Stanza, Option<String>),
    /// Count a failed login.
    Failed {
        /// The mechanism.
        mechanism: &'static str,
        /// A short word.
        reason: &'static str,
        /// Whether somebody tried a wrong secret: it counts against the address.
        guess: bool,
    },
    /// The client is authenticated: the larger limits hold from here.
    LoggedIn(Box<LoggedIn>, &'static str),
    /// Do what the client wished, and tell it that it is logged in.
    Establish(Box<Establish>),
    /// Bind a resource, a made-up one if none is asked for.
    Bind {
        /// Who.
        login: Box<LoggedIn>,
        /// The resource asked for.
        resource: Option<String>,
    },
    /// Resume a session (XEP-0198).
    Resume {
        /// Who.
        login: Box<LoggedIn>,
        /// The resumption id.
        previd: String,
        /// How many stanzas the client has handled.
        h: u32,
    },
    /// The session is bound: the reducer's work is done.
    Done(Jid),
    /// End the stream, with an error or without.
    Close(Option<StreamError>, Option<&'static str>),
}

/// Which stream features to send.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Offer {
    /// STARTTLS, and whether it is required.
    pub starttls: Option<bool>,
    /// Mechanisms, best first.
    pub mechanisms: Vec<&'static str>,
    /// Whether the newer profile of SASL has them too.
    pub sasl2: bool,
    /// Mechanisms for tokens of FAST.
    pub fast: Vec<&'static str>,
    /// Types of channel binding that work.
    pub bindings: Vec<&'static str>,
    /// In-band registration.
    pub register: Register,
    /// Binding.
    pub bind: bool,
    /// What a client that is logged in may use.
    pub session: bool,
}

/// A few effects.
pub type Effects = SmallVec<[Effect; 4]>;
