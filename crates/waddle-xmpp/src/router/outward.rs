//! The ways between a sender and an address: into this domain, to a room, to a service (RFC 6120 §10).

use std::sync::Arc;

use waddle_core::Jid;
use waddle_muc::Inbound;
use waddle_stanza::{Condition, ErrorType, Kind, Outgoing, Stanza, StanzaError};

use super::{
    Origin, Routed, Sent,
    blocks::{self, Blocked},
    consent, guests, iq, message, presence, strangers,
};
use crate::{command::run, connection::too_fast, server::Server, session::Waiting};

/// Takes a complete stanza of any kind from somebody who is no session: `from` and `to` are set, and `from` was checked
/// to be `origin`'s. It goes the way of everybody's stanzas; errors and answers go back to `from`. Stanzas of one connection keep their
/// order if each is awaited.
pub async fn inbound(server: &Arc<Server>, origin: Origin, stanza: Stanza) {
    if let Some(work) = begin(server, origin, stanza) {
        work.await;
    }
}

/// Like [`inbound`], for one stanza by itself: what takes time is done aside.
pub fn inbound_now(server: &Arc<Server>, origin: Origin, stanza: Stanza) {
    if let Some(work) = begin(server, origin, stanza) {
        server.runtime.spawn(work);
    }
}

fn begin(server: &Arc<Server>, origin: Origin, stanza: Stanza) -> Option<crate::xep::BoxFuture<'static, ()>> {
    let sent = Sent {
        server: server.clone(),
        origin,
        stanza,
        lang: None,
    };
    let routed = match sent.stanza.to() {
        Ok(Some(to)) => dispatch(sent.clone(), Some(to)),
        Ok(None) => Routed::from(Condition::BadRequest),
        Err(_) => Routed::from(Condition::JidMalformed),
    };
    match routed {
        Routed::Done | Routed::Close(_) => None,
        Routed::Later(work) => Some(work),
        Routed::Error(e) => {
            sent.refuse(&e);
            None
        }
    }
}

/// Whether an administrator forbade this (XEP-0133 §4.11, §4.12). Who is on the black list can still reach the server
/// and the own account.
fn forbidden(sent: &Sent, to: Option<&Jid>) -> Option<Routed> {
    let server = &sent.server;
    let foreign = |jid: &Jid| {
        let domain = jid.domain();
        !server.is_local(jid) && domain != server.config.muc_domain && server.services.get(domain).is_none()
    };
    let talks = |jid: &Jid| server.office.talks_with(jid, foreign(jid));
    let home = to.is_none_or(|to| {
        *to == server.domain || sent.origin.user().is_some() && to.bare_str() == sent.origin.bare().as_str()
    });
    let refused = |c, text: &str| Some(Routed::Error(StanzaError::new(c).text(text)));
    if !(talks(sent.origin.jid()) || home && sent.origin.user().is_some()) {
        return refused(Condition::Forbidden, "this service does not talk to you");
    }
    match to {
        Some(to) if !home && !talks(to) => refused(
            Condition::NotAllowed,
            "this service does not talk to that address",
        ),
        _ => None,
    }
}

/// By block lists, by address, then by kind.
pub(super) fn dispatch(sent: Sent, to: Option<Jid>) -> Routed {
    if sent.server.office.has_lists()
        && let Some(refused) = forbidden(&sent, to.as_ref())
    {
        return refused;
    }
    if let Some(to) = &to {
        match blocks::check(&sent, to) {
            Blocked::No => {}
            Blocked::Yes(routed) => return routed,
            Blocked::Unknown(owner) => {
                let to = to.clone();
                return Routed::Later(Box::pin(dispatch_later(sent, to, owner)));
            }
        }
        if to.domain() == sent.server.config.muc_domain {
            return run::to_rooms(&sent, to).unwrap_or_else(|| to_rooms(&sent));
        }
        if !sent.server.is_local(to) {
            // A client's presence is remembered on its way: who got it hears when it ends.
            return if sent.stanza.kind() == Kind::Presence && sent.origin.session().is_some() {
                presence::route(sent, Some(to.clone()))
            } else {
                away(&sent, to)
            };
        }
    }
    match sent.stanza.kind() {
        Kind::Message => message::route(sent, to),
        Kind::Presence => presence::route(sent, to),
        Kind::Iq => iq::route(sent, to),
        Kind::Other => Routed::Done,
    }
}

/// [`dispatch`], after a block list was read.
async fn dispatch_later(sent: Sent, to: Jid, owner: String) {
    if !blocks::load(&sent.server, &owner).await {
        sent.refuse(&StanzaError::new(Condition::ResourceConstraint).of_type(ErrorType::Wait));
        return;
    }
    match dispatch(sent.clone(), Some(to)) {
        Routed::Later(work) => work.await,
        Routed::Error(e) => sent.refuse(&e),
        Routed::Done | Routed::Close(_) => {}
    }
}

/// To an address of another host.
fn away(sent: &Sent, to: &Jid) -> Routed {
    let Some(service) = sent.server.services.get(to.domain()) else {
        return nowhere();
    };
    if sent.stanza.kind() == Kind::Message && !sent.stanza.is_type("error") {
        consent::wrote_abroad(&sent.server, &sent.origin, &to.bare());
    }
    match complete(sent) {
        Some(sent) => service.route(sent, to.clone()),
        None => Routed::from(Condition::InternalServerError),
    }
}

/// Whether there is any way to an address.
pub(super) fn is_reachable(server: &Server, to: &Jid) -> bool {
    server.is_local(to) || server.services.get(to.domain()).is_some()
}

pub(super) fn nowhere() -> Routed {
    Routed::Error(
        StanzaError::new(Condition::RemoteServerNotFound).text("this server does not talk to other servers"),
    )
}

/// The same with `from` and language in it.
fn complete(sent: &Sent) -> Option<Sent> {
    if sent.origin.session().is_none() {
        return Some(sent.clone());
    }
    let head = sent.stanza.head().from(sent.origin.jid().as_str());
    let stanza = head.default_lang(sent.lang.as_deref()).build().to_stanza();
    Some(Sent {
        stanza: stanza.ok()?,
        ..sent.clone()
    })
}

/// Sends a complete stanza of a session, or of the server in its name, to an address that is not of this domain.
pub(super) fn abroad(server: &Arc<Server>, origin: &Origin, to: &Jid, stanza: &Outgoing) -> Routed {
    let Some(service) = server.services.get(to.domain()) else {
        return nowhere();
    };
    let Ok(stanza) = stanza.to_stanza() else {
        return Routed::from(Condition::InternalServerError);
    };
    let sent = Sent {
        server: server.clone(),
        origin: origin.clone(),
        stanza,
        lang: None,
    };
    service.route(sent, to.clone())
}

/// Like [`abroad`], where nobody waits and no error is wanted.
pub(super) fn abroad_now(server: &Arc<Server>, origin: &Origin, to: &Jid, stanza: &Outgoing) {
    if let Routed::Later(work) = abroad(server, origin, to, stanza) {
        server.runtime.spawn(work);
    }
}

/// Whoever a complete stanza of the server or of a room says it is from.
pub(super) fn sender_of(stanza: &Stanza) -> Option<Origin> {
    Some(Origin::elsewhere(stanza.from().ok()??))
}

/// Sends an answer to whoever is answered.
pub(super) fn back(server: &Arc<Server>, origin: &Origin, answer: Outgoing) {
    if let Some(session) = origin.session() {
        let _ = session.send(answer);
        return;
    }
    if let Ok(stanza) = answer.to_stanza()
        && let Some(from) = sender_of(&stanza)
    {
        inbound_now(server, from, stanza);
    }
}

fn to_rooms(sent: &Sent) -> Routed {
    let Some(stanza) = complete(sent).map(|s| s.stanza) else {
        return Routed::from(Condition::InternalServerError);
    };
    let Some(sender) = guests::sender(&sent.server, &sent.origin) else {
        return Routed::from(Condition::ResourceConstraint);
    };
    let message = stanza.kind() == Kind::Message;
    if message && message::is_private(&stanza) {
        if let Err(wait) = strangers::private(&sent.server, &sent.origin) {
            return Routed::Error(too_fast(wait));
        }
        message::copy_private(sent, &stanza);
    }
    let inbound = Inbound { stanza, sender };
    if message {
        // Stream management acknowledges a message after its commit, not before.
        let waiting = Waiting::begin(sent.origin.flow());
        sent.server.rooms.route_then(inbound, move || drop(waiting));
    } else {
        sent.server.rooms.route(inbound);
    }
    Routed::Done
}
