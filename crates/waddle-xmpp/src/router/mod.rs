//! Where a stanza goes (RFC 6120 §10, RFC 6121 §8).

use std::sync::Arc;

use waddle_core::Jid;
use waddle_stanza::{Condition, Kind, Outgoing, Stanza, StanzaError, StreamError, ns};

use crate::{
    connection::{Buckets, Counted, too_fast},
    personal::avatar,
    server::Server,
    session::Session,
    xep::BoxFuture,
};

pub mod ask;
pub mod blocks;
pub(crate) mod consent;
pub mod deliver;
pub(crate) mod end;
pub(crate) mod farewell;
pub mod guests;
pub mod iq;
pub(crate) mod keep;
pub mod message;
mod origin;
mod outward;
pub mod presence;
pub mod strangers;
pub mod subscription;

pub use origin::{Elsewhere, Origin};
pub use outward::{inbound, inbound_now};

/// How a stanza was routed.
pub enum Routed {
    /// It is on its way.
    Done,
    /// The rest of the work; the connection's next stanza waits for it.
    Later(BoxFuture<'static, ()>),
    /// Answer with this error.
    Error(StanzaError),
    /// End the stream.
    Close(StreamError),
}

impl From<Condition> for Routed {
    fn from(c: Condition) -> Self {
        Self::Error(StanzaError::new(c))
    }
}

/// A stanza that is being routed.
#[derive(Clone)]
pub struct Sent {
    /// The server.
    pub server: Arc<Server>,
    /// Who sent it.
    pub origin: Origin,
    /// As it came; what a [`Service`](crate::service::Service) gets is complete, with `from`.
    pub stanza: Stanza,
    /// The language of the stream, where the stanza may lack it.
    pub lang: Option<Box<str>>,
}

impl Sent {
    /// Answers with an error, where one may be sent.
    pub fn refuse(&self, e: &StanzaError) {
        if let Some(reply) = e.reply(&self.stanza, None, Some(self.origin.jid().as_str())) {
            self.answer(reply);
        }
    }

    /// The session that sent it; for who has none one that is made for the time of a request: what is sent to it is
    /// heard by nobody but [`iq`].
    pub fn session(&self) -> Arc<Session> {
        self.origin
            .session()
            .cloned()
            .unwrap_or_else(|| iq::stand_in(self))
    }

    /// Sends a complete stanza to whoever sent this one.
    pub fn answer(&self, answer: Outgoing) {
        outward::back(&self.server, &self.origin, answer);
    }
}

/// Routes one stanza of a bound session.
pub(crate) fn route(
    server: &Arc<Server>,
    session: &Arc<Session>,
    buckets: &mut Buckets,
    stanza: &Stanza,
    lang: Option<&str>,
) -> Routed {
    // RFC 6120 §8.1.2.1: a wrong `from` ends the stream; the right one may be left out.
    if let Some(from) = stanza.root().attr("from")
        && *from != *session.jid.as_str()
        && !from
            .parse::<Jid>()
            .is_ok_and(|j| j == session.jid || j == *session.bare.as_jid())
    {
        return Routed::Close(StreamError::InvalidFrom);
    }
    let Ok(to) = stanza.to() else {
        return Routed::from(Condition::JidMalformed);
    };
    // What presence says of the avatar, rooms get too (XEP-0398 §4).
    let stamped = (stanza.kind() == Kind::Presence && stanza.type_().is_none())
        .then(|| avatar::stamped(session, stanza))
        .flatten();
    let stanza = stamped.as_ref().unwrap_or(stanza);
    let to_room = to
        .as_ref()
        .is_some_and(|t| t.domain() == server.config.muc_domain);
    if server.config.rate_limits
        && let Some(what) = counted(stanza, to.as_ref().filter(|_| to_room))
        && let Err(wait) = buckets.take(server, what)
    {
        return Routed::Error(too_fast(wait));
    }
    let sent = Sent {
        server: server.clone(),
        origin: Origin::from(session),
        stanza: stanza.clone(),
        lang: lang.map(Into::into),
    };
    outward::dispatch(sent, to)
}

/// What a stanza counts as in the rate limits; answers and goodbyes are free.
fn counted<'a>(stanza: &Stanza, room: Option<&'a Jid>) -> Option<Counted<'a>> {
    let kind = stanza.type_();
    match (stanza.kind(), kind.as_deref(), room) {
        (Kind::Message, Some("error"), _) => None,
        (Kind::Message, _, Some(room)) => Some(Counted::RoomMessage(room.bare_str())),
        (Kind::Message, _, None) => Some(Counted::Message),
        (Kind::Iq, Some("get" | "set"), _) => Some(Counted::Iq),
        (Kind::Presence, Some("unavailable" | "error"), _) => None,
        (Kind::Presence, None, Some(_)) if stanza.root().has("x", ns::MUC) => Some(Counted::Join),
        // A client tells its state to every room it is in: that is no update of its own.
        (Kind::Presence, _, Some(room)) => Some(Counted::RoomMessage(room.bare_str())),
        (Kind::Presence, _, None) => Some(Counted::Presence),
        _ => None,
    }
}
