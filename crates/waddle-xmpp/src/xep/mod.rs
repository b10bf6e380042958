//! The shape of a protocol extension: one file, one `impl`, one word in [`registry::ALL`].

use std::{future::Future, pin::Pin, sync::Arc};

use waddle_core::{BareJid, Jid};
use waddle_stanza::{Condition, Element, Outgoing, Stanza, StanzaError, XmlWriter};

use crate::{router::Origin, server::Server, service::Service, session::Session};

pub mod registry;
pub mod rfc6121_roster;
pub mod xep0004;
pub mod xep0012;
pub mod xep0030;
pub mod xep0045;
pub mod xep0048;
pub mod xep0049;
pub mod xep0050;
pub mod xep0054;
pub mod xep0059;
pub mod xep0060;
pub mod xep0068;
pub mod xep0077;
pub mod xep0084;
pub mod xep0085;
pub mod xep0092;
pub mod xep0107;
pub mod xep0114;
pub mod xep0115;
pub mod xep0118;
pub mod xep0122;
pub mod xep0124;
pub mod xep0128;
pub mod xep0133;
pub mod xep0153;
pub mod xep0156;
pub mod xep0157;
pub mod xep0160;
pub mod xep0163;
pub mod xep0172;
pub mod xep0184;
pub mod xep0191;
pub mod xep0198;
pub mod xep0199;
pub mod xep0202;
pub mod xep0203;
pub mod xep0206;
pub mod xep0215;
pub mod xep0222;
pub mod xep0223;
pub mod xep0249;
pub mod xep0280;
pub mod xep0292;
pub mod xep0297;
pub mod xep0307;
pub mod xep0308;
pub mod xep0313;
pub mod xep0317;
pub mod xep0319;
pub mod xep0333;
pub mod xep0334;
pub mod xep0352;
pub mod xep0357;
pub mod xep0359;
pub mod xep0363;
pub mod xep0368;
pub mod xep0372;
pub mod xep0377;
pub mod xep0379;
pub mod xep0380;
pub mod xep0384;
pub mod xep0386;
pub mod xep0388;
pub mod xep0393;
pub mod xep0398;
pub mod xep0401;
pub mod xep0402;
pub mod xep0410;
pub mod xep0421;
pub mod xep0424;
pub mod xep0425;
pub mod xep0428;
pub mod xep0430;
pub mod xep0431;
pub mod xep0433;
pub mod xep0440;
pub mod xep0441;
pub mod xep0444;
pub mod xep0445;
pub mod xep0446;
pub mod xep0447;
pub mod xep0455;
pub mod xep0461;
pub mod xep0474;
pub mod xep0478;
pub mod xep0484;
pub mod xep0486;
pub mod xep0490;
pub mod xep0493;
pub mod xep0502;
pub mod xep0503;

/// A future that an extension returns.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// What an extension says about itself; `specs/xeps.md` is made of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Xep {
    /// The number; its file is `xepNNNN.rs`.
    pub number: u16,
    /// The title, as the XSF has it.
    pub title: &'static str,
    /// The version that was read.
    pub version: &'static str,
    /// What of it works here, in a few words.
    pub notes: &'static str,
}

/// What is asked: whose disco, whose IQ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// The server itself (`to='domain'`).
    Server,
    /// An account (`to` is its bare JID, or absent).
    Account,
}

/// Who an IQ request is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// The server.
    Server,
    /// The sender's own account: `to` is absent or the own bare JID.
    Own,
    /// The account of somebody else on this server; whether it exists is not yet known.
    Other(BareJid),
}

impl Target {
    /// Whose disco it is.
    pub fn scope(&self) -> Scope {
        if *self == Self::Server {
            Scope::Server
        } else {
            Scope::Account
        }
    }
}

/// An identity of XEP-0030.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Identity {
    /// The category, e.g. `server`.
    pub category: &'static str,
    /// The type, e.g. `im`.
    pub kind: &'static str,
    /// The name; empty for none.
    pub name: &'static str,
}

/// An IQ request (`get` or `set`) for the server or an account.
pub struct IqRequest<'a> {
    /// The server.
    pub server: &'a Arc<Server>,
    /// Who asks.
    pub origin: &'a Origin,
    /// The session that asks; for who has none (a component, a service), one that is made for this request.
    pub session: &'a Arc<Session>,
    /// The stanza.
    pub stanza: &'a Stanza,
    /// Its one child element.
    pub payload: Element<'a>,
    /// Whether it is of type `set`.
    pub set: bool,
    /// Whom it is for.
    pub target: Target,
}

impl IqRequest<'_> {
    /// The answer's `from`: what `to` was; nothing where there was none.
    pub fn own(&self) -> bool {
        self.target == Target::Own
    }
}

/// A successful answer to an IQ request.
pub enum Answer {
    /// `<iq type='result'/>`.
    Empty,
    /// `<iq type='result'>` with this payload.
    Payload(XmlWriter),
    /// `<iq type='result'/>`, and then these complete stanzas.
    Followed(Vec<Outgoing>),
}

/// How an IQ request ends.
pub type IqResult = Result<Answer, StanzaError>;

/// Where in a message's way an extension is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// May the sender send it at all?
    Reject,
    /// Strip what is forged, note what the payload asks for.
    Rewrite,
    /// Is it kept in the archives, is it kept while the recipient is away?
    Archive,
    /// Who else gets a copy?
    Copy,
    /// The last look before it is delivered.
    Deliver,
}

/// What a phase says.
#[derive(Debug)]
pub enum Verdict {
    /// Go on.
    Continue,
    /// Answer with this error.
    Refuse(StanzaError),
    /// Forget the stanza silently.
    Drop,
}

/// A message on its way to a user of this server.
pub struct MessageEvent<'a> {
    /// The server.
    pub server: &'a Arc<Server>,
    /// The sender.
    pub origin: &'a Origin,
    /// The message as it came.
    pub stanza: &'a Stanza,
    /// The recipient.
    pub to: &'a Jid,
    /// Whether children must be stripped (see [`Extension::strips`]).
    pub strip: bool,
    /// Whether it goes into the archives of both.
    pub archive: bool,
    /// Whether it is kept for an absent recipient.
    pub offline: bool,
    /// Whether other devices of both get carbons.
    pub copy: bool,
}

/// What happened to a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionEvent {
    /// It was bound.
    Bound,
    /// It sent its first available presence.
    Available,
    /// It announced itself anew: each available presence to all, the first one included.
    Presence,
    /// It is no longer available.
    Unavailable,
    /// It ended for good.
    Ended,
}

/// A protocol extension.
pub trait Extension: Send + Sync + 'static {
    /// Number, title, version, notes.
    fn xep(&self) -> Xep;

    /// Features for disco#info; only those that work.
    fn features(&self, _scope: Scope) -> &'static [&'static str] {
        &[]
    }

    /// Identities for disco#info.
    fn identities(&self, _scope: Scope) -> &'static [Identity] {
        &[]
    }

    /// Forms in disco#info (XEP-0128); the same for everybody, for they are part of the capabilities' hash.
    fn forms(&self, _server: &Server, _scope: Scope) -> Vec<waddle_stanza::forms::Form> {
        Vec::new()
    }

    /// Items for disco#items of the server, as (JID, name).
    fn items(&self, _server: &Server) -> Vec<(String, String)> {
        Vec::new()
    }

    /// Writes stream features that a logged-in client gets before it binds.
    fn stream_features(&self, _server: &Server, _out: &mut XmlWriter) {}

    /// The IQ payloads that this extension answers: element name and namespace.
    fn payloads(&self) -> &'static [(&'static str, &'static str)] {
        &[]
    }

    /// Answers one of [`Extension::payloads`].
    fn on_iq<'a>(&'a self, _request: IqRequest<'a>) -> BoxFuture<'a, IqResult> {
        Box::pin(async { Err(Condition::ServiceUnavailable.into()) })
    }

    /// Answers disco#info, or disco#items, of a node that it knows; `None` where it does not. Who may not see the
    /// presence of an account is not let here.
    fn on_node<'a>(
        &'a self,
        _request: &'a IqRequest<'a>,
        _node: &'a str,
        _items: bool,
    ) -> BoxFuture<'a, Option<IqResult>> {
        Box::pin(async { None })
    }

    /// The elements at the stream's top level that it takes from a bound client: name and namespace.
    fn nonzas(&self) -> &'static [(&'static str, &'static str)] {
        &[]
    }

    /// One of [`Extension::nonzas`].
    fn on_nonza(&self, _session: &Session, _element: Element<'_>) {}

    /// The phases in which messages are shown to it.
    fn phases(&self) -> &'static [Phase] {
        &[]
    }

    /// Looks at a message between users.
    fn on_message(&self, _phase: Phase, _event: &mut MessageEvent<'_>) -> Verdict {
        Verdict::Continue
    }

    /// Whether a child of a message from a client is forged and must not be passed on (then `to` is
    /// whom it goes to).
    fn strips(&self, _child: Element<'_>, _to: &Jid) -> bool {
        false
    }

    /// Hosts beside the domain that it answers for, as (host, service); asked once, when the server starts.
    fn services(&self, _server: &Arc<Server>) -> Vec<(String, Arc<dyn Service>)> {
        Vec::new()
    }

    /// `viewer` now sees the presence of `owner`, or no longer does (RFC 6121 §3).
    fn on_contact(&self, _server: &Arc<Server>, _owner: &BareJid, _viewer: &BareJid, _visible: bool) {}

    /// Something happened to a session.
    fn on_session<'a>(
        &'a self,
        _server: &'a Arc<Server>,
        _session: &'a Arc<Session>,
        _event: SessionEvent,
    ) -> Option<BoxFuture<'a, ()>> {
        None
    }
}
