//! Contacts that are away: when they were here for the last time, and their last words (RFC 6121 §4.3.2, XEP-0012).

use waddle_core::{BareJid, Timestamp};
use waddle_stanza::{Class, Delay, Outgoing, Stanza, XmlWriter};
use waddle_storage::repo::last_seen::{self, LastSeen};

use crate::{
    server::Server,
    session::{Flag, Session},
};

/// A presence of the server's own making.
pub(super) fn said(kind: Option<&str>, from: &str, to: Option<&str>) -> Outgoing {
    let mut w = XmlWriter::presence();
    w.attr_opt("type", kind).attr("from", from).attr_opt("to", to);
    w.outgoing(Class::Presence)
}

/// Whether the account has an available session.
pub(super) fn is_there(server: &Server, localpart: &str) -> bool {
    server
        .sessions
        .of(localpart)
        .iter()
        .any(|s| s.is(Flag::Available))
}

/// How a session goes away, as it is remembered.
pub(super) fn last_seen(
    server: &Server,
    session: &Session,
    goodbye: &(impl Fn(&str) -> Outgoing + Send),
) -> LastSeen {
    let mut presence = goodbye(session.bare.as_str());
    if presence.len() > server.limits.xmpp_goodbye_bytes {
        presence = super::goodbye(session, session.bare.as_str());
    }
    LastSeen {
        at: server.now(),
        presence: presence.concat(),
    }
}

/// Remembers how the last session of an account went away.
pub(super) async fn remember(server: &Server, session: &Session, seen: LastSeen) {
    let owner = session.localpart().to_owned();
    let work = move |tx: &mut waddle_storage::Tx| last_seen::put(tx, &owner, &seen);
    if let Err(e) = server.db.write(work).await {
        tracing::warn!(error = %e, "when somebody was here for the last time is not known");
    }
}

/// The last goodbye of a contact that is away, with its time (§4.3.2); without one where it was never here.
pub(super) fn away_since(server: &Server, contact: &BareJid, seen: LastSeen, to: &str) -> Outgoing {
    let Ok(stanza) = Stanza::parse(seen.presence) else {
        return said(Some("unavailable"), contact.as_str(), Some(to));
    };
    let mut w = XmlWriter::new();
    if seen.at > Timestamp(0) {
        Delay::by(server.config.domain.as_str(), seen.at).write(&mut w);
    }
    let payload = stanza.rewrite().append(&w.finish()).finish();
    payload.head().to(to).no_id().build()
}
