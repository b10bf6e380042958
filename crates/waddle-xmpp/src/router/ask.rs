//! Requests of the server itself and their answers (RFC 6120 §8.2.3).

use std::{sync::Arc, time::Duration};

use dashmap::DashMap;
use tokio::sync::oneshot;
use waddle_core::Jid;
use waddle_stanza::{Class, Stanza, XmlWriter};

use super::{Origin, inbound_now};
use crate::server::Server;

/// Requests that wait for their answer: id → whom they went to, and who waits.
#[derive(Debug, Default)]
pub struct Questions(DashMap<Box<str>, (Jid, oneshot::Sender<Stanza>), ahash::RandomState>);

/// Removes a question that nobody waits for any more.
struct Asked<'a>(&'a Server, String);

impl Drop for Asked<'_> {
    fn drop(&mut self) {
        self.0.questions.0.remove(&*self.1);
    }
}

/// Asks `to`, in the name of `from` (the domain, or the bare JID of the account that `to` belongs to), with an IQ of type `get`
/// or `set` and this payload. The answer is a `result` or an `error`; `None` if there was none in time, or too many
/// questions are open.
pub async fn ask(
    server: &Arc<Server>,
    from: &Jid,
    to: &Jid,
    set: bool,
    payload: &[u8],
    patience: Duration,
) -> Option<Stanza> {
    if server.questions.0.len() >= server.limits.xmpp_questions {
        return None;
    }
    let id = server.random_text::<12>();
    let (tell, answer) = oneshot::channel();
    server.questions.0.insert(id.as_str().into(), (to.clone(), tell));
    let asked = Asked(server, id);
    let mut w = XmlWriter::iq();
    w.attr("type", if set { "set" } else { "get" })
        .attr("id", &asked.1)
        .attr("from", from.as_str())
        .attr("to", to.as_str());
    w.trusted(payload);
    let stanza = w.outgoing(Class::Iq).to_stanza().ok()?;
    inbound_now(server, Origin::elsewhere(from.clone()), stanza);
    tokio::time::timeout(patience, answer).await.ok()?.ok()
}

/// An answer that came to the server or an account: whoever waits for it hears it, if it is from whom was asked.
pub(super) fn answered(server: &Server, origin: &Origin, stanza: &Stanza) {
    let Some(id) = stanza.id() else { return };
    let asked = |to: &Jid| to == origin.jid() || to.is_bare() && to.as_str() == origin.bare().as_str();
    if let Some((_, (_, tell))) = server.questions.0.remove_if(&*id, |_, (to, _)| asked(to)) {
        let _ = tell.send(stanza.clone());
    }
}
