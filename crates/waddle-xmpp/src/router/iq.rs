//! Requests and their answers (RFC 6120 §8.2.3, RFC 6121 §8.5.1, §8.5.2.1.3, §8.5.3.2.3).

use std::{collections::VecDeque, sync::Arc};

use waddle_core::Jid;
use waddle_identity::CredentialId;
use waddle_outbox::Outbox;
use waddle_stanza::{Class, Condition, Outgoing, Stanza, StanzaError, XmlWriter, ns};
use waddle_storage::repo::roster;

use super::{Routed, Sent, ask};
use crate::{
    session::{Flag, Session},
    xep::{Answer, IqRequest, IqResult, Target},
};

/// Whether it is a request; what is neither request nor answer ends here.
fn is_request(stanza: &Stanza) -> Result<bool, Routed> {
    let kind = stanza.type_();
    let request = match kind.as_deref() {
        Some("get" | "set") => true,
        Some("result" | "error") => false,
        _ => return Err(Routed::from(Condition::BadRequest)),
    };
    if stanza.id().is_none_or(|id| id.is_empty()) {
        return Err(if request {
            Routed::from(Condition::BadRequest)
        } else {
            Routed::Done
        });
    }
    Ok(request)
}

/// RFC 6120 §8.2.3: a request has exactly one child.
fn has_payload(stanza: &Stanza) -> Result<(), Routed> {
    let mut children = stanza.root().children();
    if children.next().is_none() || children.next().is_some() {
        return Err(Routed::Error(
            StanzaError::new(Condition::BadRequest)
                .text("a request has exactly one child element (RFC 6120 §8.2.3)"),
        ));
    }
    Ok(())
}

/// Answers a request to a host beside the domain with what `work` says; answers and malformed requests end here.
pub fn serve<F>(sent: Sent, work: impl FnOnce(Sent) -> F + Send + 'static) -> Routed
where
    F: Future<Output = IqResult> + Send + 'static,
{
    match is_request(&sent.stanza) {
        Ok(true) => {}
        Ok(false) => return Routed::Done,
        Err(routed) => return routed,
    }
    if let Err(routed) = has_payload(&sent.stanza) {
        return routed;
    }
    Routed::Later(Box::pin(async move {
        let outcome = work(sent.clone()).await;
        reply(&sent, outcome);
    }))
}

pub(super) fn route(sent: Sent, to: Option<Jid>) -> Routed {
    let request = match is_request(&sent.stanza) {
        Ok(request) => request,
        Err(routed) => return routed,
    };
    if let Some(to) = to.as_ref().filter(|t| !t.is_bare() && t.local().is_some()) {
        let asks_when = request && sent.stanza.payload().is_some_and(|p| p.in_ns(ns::LAST));
        if asks_when && to.bare_str() != sent.origin.bare().as_str() {
            let to = to.clone();
            return Routed::Later(Box::pin(async move {
                if let Routed::Error(e) = forward_if_seen(&sent, &to).await {
                    sent.refuse(&e);
                }
            }));
        }
        return forward(&sent, to, request);
    }
    if !request {
        ask::answered(&sent.server, &sent.origin, &sent.stanza);
        return Routed::Done;
    }
    if let Err(routed) = has_payload(&sent.stanza) {
        return routed;
    }
    let target = match to {
        None => Target::Own,
        Some(to) if to.local().is_none() && to.is_bare() => Target::Server,
        Some(to) if to.local().is_none() => return Routed::from(Condition::ServiceUnavailable),
        Some(to) if sent.origin.user().is_some() && to == *sent.origin.bare().as_jid() => Target::Own,
        Some(to) => Target::Other(to.bare()),
    };
    Routed::Later(Box::pin(answer(sent, target)))
}

/// To a resource of an account of this server, if the sender may see its presence (XEP-0012 §5).
async fn forward_if_seen(sent: &Sent, to: &Jid) -> Routed {
    let (owner, me) = (to.bare(), sent.origin.bare().clone());
    let read = sent
        .server
        .db
        .read(move |conn| roster::get(conn, owner.local().unwrap_or_default(), &me));
    if read.await.is_ok_and(|c| c.from()) {
        forward(sent, to, true)
    } else {
        Routed::from(Condition::Forbidden)
    }
}

/// To a resource of an account of this server.
fn forward(sent: &Sent, to: &Jid, request: bool) -> Routed {
    let there = sent.server.sessions.get(to).filter(|s| !s.is(Flag::Ended));
    let Some(there) = there else {
        return if request {
            Routed::from(Condition::ServiceUnavailable)
        } else {
            Routed::Done
        };
    };
    let head = sent
        .stanza
        .head()
        .from(sent.origin.jid().as_str())
        .to(to.as_str());
    match there.send(head.default_lang(sent.lang.as_deref()).build()) {
        Err(_) if request => Routed::from(Condition::ServiceUnavailable),
        _ => Routed::Done,
    }
}

/// The start of a result: it goes to who sent the request, whatever that wrote.
fn result(sent: &Sent) -> XmlWriter {
    let root = sent.stanza.root();
    let mut w = XmlWriter::iq();
    w.attr("type", "result")
        .attr_opt("id", root.attr("id").as_deref())
        .attr_opt("from", root.attr("to").as_deref())
        .attr("to", sent.origin.jid().as_str());
    w
}

async fn answer(sent: Sent, target: Target) {
    let stanza = sent.stanza.clone();
    let Some(payload) = stanza.payload() else { return };
    let session = sent.session();
    let answered = sent.server.registry.answer(IqRequest {
        server: &sent.server,
        origin: &sent.origin,
        session: &session,
        stanza: &stanza,
        payload,
        set: stanza.is_type("set"),
        target,
    });
    let outcome = match answered {
        Some(work) => work.await,
        None => Err(StanzaError::new(Condition::ServiceUnavailable)),
    };
    if sent.origin.session().is_none() {
        let mut items = VecDeque::new();
        session.outbox.drain_into(&mut items);
        for item in items {
            sent.answer(item);
        }
    }
    reply(&sent, outcome);
}

/// A session for the time of one request, for who has none: extensions see one kind of asker, and what they send
/// before the answer goes there too.
pub(super) fn stand_in(sent: &Sent) -> Arc<Session> {
    let l = &sent.server.limits;
    Session::new(
        0,
        sent.origin.jid().clone(),
        sent.origin.subject(),
        CredentialId(0),
        Arc::new(Outbox::new(l.xmpp_outbox_stanzas, l.xmpp_outbox_bytes)),
        None,
    )
}

/// Sends the answer to a request.
fn reply(sent: &Sent, outcome: IqResult) {
    let answer: Outgoing = match outcome {
        Ok(Answer::Empty) => result(sent).outgoing(Class::Iq),
        Ok(Answer::Followed(stanzas)) => {
            sent.answer(result(sent).outgoing(Class::Iq));
            for s in stanzas {
                sent.answer(s);
            }
            return;
        }
        Ok(Answer::Payload(payload)) => {
            let mut w = result(sent);
            w.trusted(&payload.finish());
            w.outgoing(Class::Iq)
        }
        Err(e) => return sent.refuse(&e),
    };
    sent.answer(answer);
}
