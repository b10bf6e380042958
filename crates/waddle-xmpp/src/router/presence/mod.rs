//! Presence: broadcast, probes, directed presence (RFC 6121 §4).

use std::sync::Arc;

use waddle_core::{BareJid, Jid, Timestamp};
use waddle_stanza::{Class, Condition, Outgoing, Stanza, XmlWriter, ns};
use waddle_storage::repo::{
    blocking,
    last_seen::{self, LastSeen},
    roster::{self, FROM},
};

use super::{
    Origin, Routed, Sent,
    blocks::BlockList,
    deliver, outward,
    subscription::{self, states::Kind},
};
use crate::{
    server::Server,
    session::{Flag, Session},
    xep::SessionEvent,
};

mod away;
mod hide;

use away::{away_since, is_there, said};
pub(crate) use hide::blocked;

pub(super) fn route(sent: Sent, to: Option<Jid>) -> Routed {
    let kind = sent.stanza.type_().map(std::borrow::Cow::into_owned);
    let kind = kind.as_deref();
    let subscription = kind.and_then(Kind::of);
    match (sent.origin.session().cloned(), to) {
        (Some(session), None) => match kind {
            None => match priority(&sent.stanza) {
                Some(priority) => Routed::Later(Box::pin(available(sent, session, priority))),
                None => Routed::from(Condition::BadRequest),
            },
            Some("unavailable") => Routed::Later(Box::pin(async move {
                let goodbye = sent.stanza.head().from(session.jid.as_str()).no_to();
                let goodbye = goodbye.default_lang(sent.lang.as_deref()).template();
                unavailable(&sent.server, &session, |to| goodbye.for_to(to)).await;
            })),
            Some("error" | "probe") => Routed::Done,
            Some(_) if subscription.is_some() => Routed::Done,
            Some(_) => Routed::from(Condition::BadRequest),
        },
        (Some(session), Some(to)) => match (kind, subscription) {
            (_, Some(Kind::Subscribe)) if !outward::is_reachable(&sent.server, &to) => outward::nowhere(),
            (_, Some(kind)) if to.local().is_some() || !sent.server.is_local(&to) => {
                Routed::Later(Box::pin(subscription::change(sent, to.bare(), kind)))
            }
            (None | Some("unavailable"), _) => directed(&sent, &session, &to, kind.is_none()),
            (Some("error"), _) => pass(&sent, &to),
            (Some("probe"), _) if sent.server.is_local(&to) => {
                Routed::Later(Box::pin(async move { probe(&sent, &to).await }))
            }
            (Some("probe"), _) => pass(&sent, &to),
            (_, Some(_)) => Routed::Done,
            _ => Routed::from(Condition::BadRequest),
        },
        (None, None) => Routed::from(Condition::BadRequest),
        (None, Some(to)) if to.local().is_none() => Routed::Done,
        (None, Some(to)) => match (kind, subscription) {
            (_, Some(kind)) => Routed::Later(Box::pin(subscription::arrived(sent, to.bare(), kind))),
            (None | Some("unavailable" | "error"), _) => pass(&sent, &to),
            (Some("probe"), _) => Routed::Later(Box::pin(async move { probe(&sent, &to).await })),
            _ => Routed::from(Condition::BadRequest),
        },
    }
}

/// To whom it says, without more ado. An error from where directed presence went ends that (§4.6.3).
fn pass(sent: &Sent, to: &Jid) -> Routed {
    let head = sent
        .stanza
        .head()
        .from(sent.origin.jid().as_str())
        .to(to.as_str());
    let out = head.default_lang(sent.lang.as_deref()).build();
    if !sent.server.is_local(to) {
        return outward::abroad(&sent.server, &sent.origin, to, &out);
    }
    if !sent.stanza.is_type("error") {
        deliver::presence(&sent.server, to, &out);
    } else if let Some(s) = sent.server.sessions.get(to) {
        s.announced.lock().directed.retain(|d| d != sent.origin.jid());
        let _ = s.send(out);
    }
    Routed::Done
}

/// RFC 6121 §4.7.2.3: −128 to 127, 0 if none is given.
fn priority(stanza: &Stanza) -> Option<i8> {
    match stanza.root().child_text("priority", ns::CLIENT) {
        None => Some(0),
        Some(text) => text.trim().parse().ok(),
    }
}

/// What the database knows that a presence needs.
#[derive(Default)]
struct Known {
    from: Vec<BareJid>,
    /// Local contacts that let the user see their presence.
    to: Vec<BareJid>,
    /// Contacts elsewhere that do so.
    abroad: Vec<BareJid>,
    requests: Vec<bytes::Bytes>,
    /// When contacts that are away were here for the last time.
    last: Vec<(BareJid, LastSeen)>,
}

async fn known(server: &Arc<Server>, session: &Session, first: bool) -> Known {
    let me = session.bare.clone();
    let device = session.jid.clone();
    let of = server.clone();
    let read = server.db.read(move |conn| {
        let owner = me.local().unwrap_or_default();
        if !first {
            return Ok(Known {
                from: roster::subscribed(conn, owner, FROM)?,
                ..Known::default()
            });
        }
        let mut known = Known::default();
        for c in roster::all(conn, owner)? {
            if c.from() {
                known.from.push(c.jid.clone());
            }
            if c.to() && c.jid.domain() == me.domain() {
                known.to.push(c.jid);
            } else if c.to() {
                known.abroad.push(c.jid);
            }
            known.requests.extend(c.request);
        }
        // Both sides are in this database: nobody sees what the other side did not allow.
        known
            .to
            .retain(|c| roster::get(conn, c.local().unwrap_or_default(), &me).is_ok_and(|c| c.from()));
        for c in &known.to {
            let name = c.local().unwrap_or_default();
            if !is_there(&of, name)
                && let Some(seen) = last_seen::get(conn, name)?
                // Their list is not in memory while they are away.
                && !BlockList::new(&blocking::list(conn, name)?).matches(&device)
            {
                known.last.push((c.clone(), seen));
            }
        }
        Ok(known)
    });
    read.await.unwrap_or_else(|e| {
        tracing::error!(error = %e, "a roster could not be read");
        Known::default()
    })
}

/// Available presence to everybody (RFC 6121 §4.2, §4.4).
async fn available(sent: Sent, session: Arc<Session>, priority: i8) {
    let Sent {
        server, stanza, lang, ..
    } = sent;
    let template = stanza
        .head()
        .from(session.jid.as_str())
        .default_lang(lang.as_deref())
        .template();
    let first = session.announce(template.clone(), priority, server.now());
    let known = known(&server, &session, first).await;
    broadcast(&server, &session, |to| template.for_to(to), &known.from, true);
    if first {
        for s in server.sessions.of(session.localpart()) {
            if s.id != session.id {
                show(&s, &session, session.bare.as_str());
            }
        }
        for contact in &known.to {
            for s in server.sessions.of(contact.local().unwrap_or_default()) {
                if !server.blocks.between(&server, &session.jid, &s.jid) {
                    show(&s, &session, session.bare.as_str());
                }
            }
        }
        for (contact, seen) in known.last {
            if !server.blocks.between(&server, &session.jid, contact.as_jid()) {
                let _ = session.send(away_since(&server, &contact, seen, session.bare.as_str()));
            }
        }
        // §4.3: contacts of other hosts are asked there.
        for contact in &known.abroad {
            let mut w = XmlWriter::presence();
            w.attr("type", "probe")
                .attr("from", session.jid.as_str())
                .attr("to", contact.as_str());
            let origin = Origin::from(&session);
            outward::abroad_now(&server, &origin, contact.as_jid(), &w.outgoing(Class::Presence));
        }
        for request in known.requests {
            let _ = session.send(Outgoing::whole(request, Class::Presence));
        }
        server
            .registry
            .session(&server, &session, SessionEvent::Available)
            .await;
    }
    server
        .registry
        .session(&server, &session, SessionEvent::Presence)
        .await;
    // Always by way of the writer: a message that was stored just before this session took messages is found, one
    // that comes later sees that it does.
    if priority < 0 {
        // What waits meanwhile is handed over when it takes messages again.
        session.set(Flag::GotOffline, false);
    } else if !session.is(Flag::GotOffline) {
        deliver::hand_over_offline(&server, &session).await;
    }
}

/// Shows the presence of `of` to `viewer`.
fn show(of: &Session, viewer: &Session, to: &str) {
    if let Some(p) = shown(of, to) {
        let _ = viewer.send(p);
    }
}

/// The presence of a session as it announced it, to `to`.
fn shown(of: &Session, to: &str) -> Option<Outgoing> {
    let announced = of.announced.lock();
    let presence = announced.presence.as_ref();
    presence.filter(|_| of.is(Flag::Available)).map(|p| p.for_to(to))
}

/// To every contact with a subscription and to the user's own resources.
fn broadcast(
    server: &Arc<Server>,
    session: &Arc<Session>,
    presence: impl Fn(&str) -> Outgoing,
    to: &[BareJid],
    own: bool,
) {
    for contact in to {
        if server.blocks.between(server, &session.jid, contact.as_jid()) {
            continue;
        }
        if contact.domain() != session.bare.domain() {
            let stanza = presence(contact.as_str());
            outward::abroad_now(server, &Origin::from(session), contact.as_jid(), &stanza);
            continue;
        }
        let few = server.sessions.of(contact.local().unwrap_or_default());
        if few.is_empty() {
            continue;
        }
        let stanza = presence(contact.as_str());
        for s in few.iter().filter(|s| s.is(Flag::Available)) {
            if !server.blocks.between(server, &session.jid, &s.jid) {
                let _ = s.send(stanza.clone());
            }
        }
    }
    let stanza = presence(session.bare.as_str());
    for s in server.sessions.of(session.localpart()) {
        if s.is(Flag::Available) && (own || s.id != session.id) {
            let _ = s.send(stanza.clone());
        }
    }
}

/// A session becomes unavailable: everybody who saw it is told (RFC 6121 §4.5).
pub(crate) async fn unavailable(
    server: &Arc<Server>,
    session: &Arc<Session>,
    goodbye: impl Fn(&str) -> Outgoing + Send,
) {
    let was = session.is(Flag::Available);
    let announced = session.withdraw();
    let from = if was {
        known(server, session, false).await.from
    } else {
        Vec::new()
    };
    let last =
        (was && !is_there(server, session.localpart())).then(|| away::last_seen(server, session, &goodbye));
    if was {
        broadcast(server, session, &goodbye, &from, false);
        server
            .registry
            .session(server, session, SessionEvent::Unavailable)
            .await;
    }
    for to in announced.directed {
        if !from.iter().any(|f| f.as_str() == to.bare_str()) {
            let goodbye = goodbye(to.as_str());
            if server.is_local(&to) {
                deliver::presence(server, &to, &goodbye);
            } else {
                outward::abroad_now(server, &Origin::from(session), &to, &goodbye);
            }
        }
    }
    // Rooms got directed presence too: they are left.
    server.rooms.session_ended(&session.jid);
    if let Some(last) = last {
        away::remember(server, session, last).await;
    }
}

/// The server's own goodbye for a session that said none.
pub(crate) fn goodbye(session: &Session, to: &str) -> Outgoing {
    let mut w = XmlWriter::presence();
    w.attr("type", "unavailable")
        .attr("from", session.jid.as_str())
        .attr("to", to);
    w.outgoing(Class::Presence)
}

/// Presence to one address (RFC 6121 §4.6).
fn directed(sent: &Sent, session: &Session, to: &Jid, available: bool) -> Routed {
    if to.local().is_none() && sent.server.is_local(to) {
        return Routed::Done;
    }
    {
        let mut announced = session.announced.lock();
        announced.directed.retain(|d| d != to);
        if available && to.bare_str() != session.bare.as_str() {
            if announced.directed.len() >= sent.server.limits.xmpp_directed_presence {
                return Routed::from(Condition::ResourceConstraint);
            }
            announced.directed.push(to.clone());
        }
    }
    pass(sent, to)
}

/// A probe to an account of this server (RFC 6121 §4.3): who may see it gets the presence of each resource.
async fn probe(sent: &Sent, to: &Jid) {
    let (owner, me) = (
        to.local().unwrap_or_default().to_owned(),
        sent.origin.bare().clone(),
    );
    let allowed = to.bare_str() == me.as_str()
        || sent
            .server
            .db
            .read(move |conn| roster::get(conn, &owner, &me))
            .await
            .is_ok_and(|c| c.from());
    if !allowed {
        // The same for an account that does not exist.
        sent.answer(said(
            Some("unsubscribed"),
            to.bare_str(),
            Some(sent.origin.bare().as_str()),
        ));
        return;
    }
    let mut found = false;
    for s in sent.server.sessions.of(to.local().unwrap_or_default()) {
        if (to.is_bare() || s.jid == *to)
            && let Some(presence) = shown(&s, sent.origin.bare().as_str())
        {
            found = true;
            sent.answer(presence);
        }
    }
    if found {
        return;
    }
    let name = to.local().unwrap_or_default().to_owned();
    if let Ok(seen) = sent.server.db.read(move |conn| last_seen::get(conn, &name)).await {
        let seen = seen.unwrap_or_else(|| LastSeen {
            at: Timestamp(0),
            presence: said(Some("unavailable"), to.bare_str(), None).concat(),
        });
        sent.answer(away_since(
            &sent.server,
            &to.bare(),
            seen,
            sent.origin.bare().as_str(),
        ));
    }
}

/// All presence of `owner` to `viewer`, after a subscription was granted; or goodbye, after it ended.
pub(super) fn reveal(server: &Arc<Server>, owner: &BareJid, viewer: &BareJid, visible: bool) {
    for s in server.sessions.of(owner.local().unwrap_or_default()) {
        let presence = if visible {
            shown(&s, viewer.as_str())
        } else {
            s.is(Flag::Available).then(|| goodbye(&s, viewer.as_str()))
        };
        let Some(presence) = presence else { continue };
        if server.blocks.between(server, &s.jid, viewer.as_jid()) {
            continue;
        }
        if server.is_local(viewer.as_jid()) {
            deliver::presence(server, viewer.as_jid(), &presence);
        } else {
            outward::abroad_now(server, &Origin::from(&s), viewer.as_jid(), &presence);
        }
    }
}
