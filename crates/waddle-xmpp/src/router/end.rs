//! The end of a session: who is told, and where goes what it did not get (RFC 6121 §4.5, XEP-0198 §5).

use std::{collections::VecDeque, sync::Arc};

use waddle_core::{MessageId, Timestamp};
use waddle_stanza::{Class, Condition, Outgoing, StanzaError, ns};

use super::{
    Origin, deliver, inbound_now,
    message::{Type, is_worth_keeping},
    presence,
};
use crate::{
    server::Server,
    session::{Flag, Session},
    xep::SessionEvent,
};

/// Ends a session. `left` is what was taken from its outbox but did not arrive for certain, in order.
pub(crate) async fn session(server: &Arc<Server>, session: &Arc<Session>, left: Vec<Outgoing>) {
    if session.set(Flag::Ended, true) {
        return;
    }
    session.outbox.close();
    session.set_control(None);
    let mut rest = VecDeque::new();
    session.outbox.drain_into(&mut rest);
    // Before anybody can see that the session is gone: who comes then finds it in storage, in its order.
    for stanza in left.into_iter().chain(rest) {
        undelivered(server, session, &stanza);
    }
    server.sessions.remove(session);
    presence::unavailable(server, session, |to| presence::goodbye(session, to)).await;
    server
        .registry
        .session(server, session, SessionEvent::Ended)
        .await;
}

/// A stanza that the session did not get: messages wait or go to another session, requests are answered.
fn undelivered(server: &Arc<Server>, session: &Arc<Session>, out: &Outgoing) {
    if !matches!(out.class, Class::Message | Class::Iq) {
        return;
    }
    let Ok(stanza) = out.to_stanza() else { return };
    let root = stanza.root();
    if out.class == Class::Iq {
        // Whoever asked, here, in a room or elsewhere.
        if let Some(reply) = StanzaError::new(Condition::ServiceUnavailable).reply_to(&stanza, None)
            && let Ok(reply) = reply.to_stanza()
        {
            inbound_now(server, Origin::from(session), reply);
        }
        return;
    }
    let copy = root.children().any(|c| c.in_ns(ns::CARBONS) || c.in_ns(ns::MAM));
    if copy || !is_worth_keeping(Type::of(&stanza), root) {
        return;
    }
    // A session that was there when the message came has got it too: it is only for those that came later.
    let by = session.bare.as_str();
    let at = root
        .children()
        .find(|c| c.is("stanza-id", ns::SID) && c.attr("by").is_some_and(|b| b == by))
        .and_then(|c| c.attr("id")?.parse::<MessageId>().ok())
        .map(|id| Timestamp(id.0));
    let others = server.sessions.of(session.localpart());
    let mut there = others.iter().filter(|s| s.takes_messages()).peekable();
    if there.peek().is_none() {
        deliver::keep_offline(server, session.localpart(), out, at);
        return;
    }
    let to_device = stanza.to().is_ok_and(|to| to.is_some_and(|t| !t.is_bare()));
    for s in there {
        let had = at.is_some_and(|at| s.available_since() <= at) && (!to_device || s.is(Flag::Carbons));
        if !had {
            let _ = s.send(out.clone());
        }
    }
}
