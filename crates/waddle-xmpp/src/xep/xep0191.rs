//! [XEP-0191](https://xmpp.org/extensions/xep-0191.html) Blocking Command; what a block does is `router/blocks.rs`.

use std::sync::Arc;

use tokio::sync::oneshot;
use waddle_core::Jid;
use waddle_stanza::{Class, Condition, Element, ErrorType, Outgoing, StanzaError, XmlWriter, ns};
use waddle_storage::{
    StorageError,
    repo::{blocking, reports},
};

use super::{Answer, BoxFuture, Extension, IqRequest, IqResult, Scope, SessionEvent, Xep, xep0377};
use crate::{
    router::{blocks, presence},
    server::Server,
    session::{Flag, Session},
};

/// The block list of an account.
pub struct Blocking;

impl Extension for Blocking {
    fn xep(&self) -> Xep {
        Xep {
            number: 191,
            title: "Blocking Command",
            version: "1.3",
            notes: "full, bare and host addresses; `<blocked/>` for what is sent to them; private messages in rooms too",
        }
    }

    fn features(&self, scope: Scope) -> &'static [&'static str] {
        if scope == Scope::Server {
            &[ns::BLOCKING]
        } else {
            &[]
        }
    }

    fn payloads(&self) -> &'static [(&'static str, &'static str)] {
        &[
            ("blocklist", ns::BLOCKING),
            ("block", ns::BLOCKING),
            ("unblock", ns::BLOCKING),
        ]
    }

    fn on_iq<'a>(&'a self, r: IqRequest<'a>) -> BoxFuture<'a, IqResult> {
        Box::pin(async move {
            if !r.own() {
                return Err(Condition::Forbidden.into());
            }
            match (r.payload.name(), r.set) {
                ("blocklist", false) => list(&r).await,
                ("block", true) => change(&r, true).await,
                ("unblock", true) => change(&r, false).await,
                _ => Err(Condition::BadRequest.into()),
            }
        })
    }

    fn on_session<'a>(
        &'a self,
        server: &'a Arc<Server>,
        session: &'a Arc<Session>,
        event: SessionEvent,
    ) -> Option<BoxFuture<'a, ()>> {
        // Presence asks no database: the list is there from the start.
        (event == SessionEvent::Bound).then(|| -> BoxFuture<'a, ()> {
            Box::pin(async move {
                blocks::load(server, session.localpart()).await;
                blocks::guard(server, session.localpart());
            })
        })
    }
}

async fn list(r: &IqRequest<'_>) -> IqResult {
    // From here on it gets pushes (§3.2).
    r.session.set(Flag::BlockList, true);
    let owner = r.session.localpart().to_owned();
    let read = r.server.db.read(move |conn| blocking::list(conn, &owner));
    let jids = read.await.map_err(|e| failed(&e))?;
    let mut w = XmlWriter::new();
    write(&mut w, "blocklist", &jids);
    Ok(Answer::Payload(w))
}

fn write(w: &mut XmlWriter, name: &str, jids: &[Jid]) {
    w.open_ns(name, ns::BLOCKING);
    for jid in jids {
        w.open("item").attr("jid", jid.as_str()).close();
    }
    w.close();
}

fn address(item: Element<'_>) -> Result<Jid, StanzaError> {
    let jid = item
        .attr("jid")
        .ok_or_else(|| StanzaError::new(Condition::BadRequest).text("an item lacks its jid"))?;
    jid.parse().map_err(|_| StanzaError::new(Condition::JidMalformed))
}

/// Blocks or unblocks what the request names; without items, everything is unblocked.
async fn change(r: &IqRequest<'_>, block: bool) -> IqResult {
    let items = || r.payload.children().filter(|c| c.is("item", ns::BLOCKING));
    let jids: Vec<Jid> = items().map(address).collect::<Result<_, _>>()?;
    if block && jids.is_empty() {
        return Err(StanzaError::new(Condition::BadRequest).text("name at least one address"));
    }
    let mut reported = Vec::new();
    if block {
        for (item, jid) in items().zip(&jids) {
            reported.extend(xep0377::of_item(r, item, jid)?);
        }
    }
    let (owner, limits) = (r.session.localpart().to_owned(), r.server.limits.clone());
    let passed_on = reported.clone();
    let named = jids.clone();
    let work = move |tx: &mut waddle_storage::Tx| {
        let before = blocking::list(tx, &owner)?;
        for report in &reported {
            reports::put(tx, report, limits.xmpp_reports)?;
        }
        let changed = if block {
            blocking::add(tx, &owner, &named, limits.xmpp_blocked)?;
            named.into_iter().filter(|j| !before.contains(j)).collect()
        } else {
            blocking::remove(tx, &owner, (!named.is_empty()).then_some(&*named))?
        };
        Ok((changed, blocking::list(tx, &owner)?))
    };
    let (tell, told) = oneshot::channel();
    let then = {
        let (server, owner) = (r.server.clone(), r.session.bare.clone());
        move |done: Result<(Vec<Jid>, Vec<Jid>), StorageError>| {
            if let Ok((_, now)) = &done {
                server.blocks.changed(owner.local().unwrap_or_default(), now);
            }
            let _ = tell.send(done.map(|(changed, _)| changed));
        }
    };
    r.server.db.write_then(work, then).map_err(|e| failed(&e))?;
    let changed = told
        .await
        .map_err(|_| StanzaError::new(Condition::InternalServerError))?
        .map_err(|e| failed(&e))?;
    crate::reports::pass_on(r.server, r.session, passed_on);
    blocks::guard(r.server, r.session.localpart());
    presence::blocked(r.server, &r.session.bare, &changed, block).await;
    Ok(Answer::Followed(pushes(
        r,
        if block { "block" } else { "unblock" },
        &jids,
    )))
}

/// Tells the other clients that asked for the list; what this one is told comes after its result.
fn pushes(r: &IqRequest<'_>, name: &str, jids: &[Jid]) -> Vec<Outgoing> {
    let mut own = Vec::new();
    for s in r.server.sessions.of(r.session.localpart()) {
        if !s.is(Flag::BlockList) {
            continue;
        }
        let mut w = XmlWriter::iq();
        w.attr("type", "set")
            .attr("id", &r.server.random_text::<9>())
            .attr("to", s.jid.as_str());
        write(&mut w, name, jids);
        let push = w.outgoing(Class::Iq);
        if s.id == r.session.id {
            own.push(push);
        } else {
            let _ = s.send(push);
        }
    }
    own
}

fn failed(e: &StorageError) -> StanzaError {
    match e {
        StorageError::Constraint(_) => StanzaError::new(Condition::PolicyViolation)
            .of_type(ErrorType::Modify)
            .text("the block list is full; unblock somebody first, or block a whole host"),
        e if e.is_temporary() => StanzaError::new(Condition::ResourceConstraint)
            .of_type(ErrorType::Wait)
            .text("the block list could not be changed; try again in a moment"),
        e => {
            tracing::error!(error = %e, "a block list failed");
            StanzaError::new(Condition::InternalServerError)
        }
    }
}
