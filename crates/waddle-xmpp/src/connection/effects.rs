//! The words of the negotiation: what its reducer is told and what it asks for.

use std::sync::Arc;

use smallvec::SmallVec;
use waddle_core::{Jid, Secret};
use waddle_identity::LoggedIn;
use waddle_stanza::{
    Frame, Framing, Outgoing, Stanza, StanzaError, StreamError,
    sasl::{ScramHash, ScramKeys},
};

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
    /// Whether accounts can be made before login (XEP-0077).
    pub register: bool,
    /// SASL attempts until the stream is closed (RFC 6120 §6.4.5).
    pub attempts: u32,
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
    /// TLS is up; the channel binding of RFC 9266, where the version of TLS has one.
    Secured(Option<[u8; 32]>),
    /// The answer to [`Effect::FindKeys`].
    Keys(Result<Keys, LoginFailure>),
    /// The answer to [`Effect::VerifyPlain`].
    Verified(Result<LoggedIn, LoginFailure>),
    /// The answer to [`Effect::Bind`].
    Bound(Result<Jid, StanzaError>),
    /// The answer to [`Effect::Resume`]: what to send if the session could not be resumed.
    NotResumed(Outgoing),
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
    /// Answer a registration request of a client that has not logged in.
    Register(Stanza),
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
    /// Whether tls-exporter works.
    pub channel_binding: bool,
    /// In-band registration.
    pub register: bool,
    /// Binding and what comes with it.
    pub bind: bool,
}

/// A few effects.
pub type Effects = SmallVec<[Effect; 4]>;
