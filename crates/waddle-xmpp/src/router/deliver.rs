//! Handing stanzas to the sessions of users (RFC 6121 §8.5.2, §8.5.3, XEP-0280).

use std::sync::Arc;

use bytes::Bytes;
use waddle_core::{BareJid, Jid, MessageId, Timestamp};
use waddle_stanza::{Class, Delay, Outgoing, Stanza, XmlWriter, forward::Carbon, sid};
use waddle_storage::repo::offline;

use super::{Origin, message::Type};
use crate::{
    push,
    server::Server,
    session::{Flag, Session},
    sessions::Few,
};

/// A message, stamped and on its way to a user of this server.
#[derive(Clone)]
pub struct Post {
    /// Its type.
    pub kind: Type,
    /// To whom.
    pub to: Jid,
    /// From whom.
    pub from: Origin,
    /// With `from` and `to`.
    pub stanza: Outgoing,
    /// Whether other devices get carbons.
    pub copy: bool,
    /// The hash of its id, for errors that answer it; 0 for none.
    pub id: u64,
}

impl Post {
    /// Whether it may wait for the recipient: what was for a device that is not there may not, unless it is
    /// chat (RFC 6121 §8.5.3.2.1).
    pub(super) fn may_wait(&self) -> bool {
        match self.kind {
            Type::Chat => true,
            Type::Normal => self.to.is_bare(),
            _ => false,
        }
    }
}

/// The sessions that a message is for.
fn targets(few: &Few, kind: Type, to: &Jid) -> Few {
    if let Some(resource) = to.resource() {
        let exact = few.iter().find(|s| s.jid.resource() == Some(resource));
        if let Some(s) = exact.filter(|s| !s.is(Flag::Ended)) {
            return std::iter::once(s.clone()).collect();
        }
        if kind != Type::Chat {
            return Few::new();
        }
    }
    match kind {
        Type::Error | Type::Groupchat => Few::new(),
        _ => few.iter().filter(|s| s.takes_messages()).cloned().collect(),
    }
}

/// Whether anybody would get a chat or normal message to `to` now.
pub(super) fn somebody_takes(server: &Server, to: &Jid) -> bool {
    let few = server.sessions.of(to.local().unwrap_or_default());
    few.iter().any(|s| s.takes_messages() || s.jid == *to)
}

/// A stanza with our `stanza-id` as its last child (XEP-0359).
pub(super) fn with_stanza_id(stanza: &Outgoing, by: &BareJid, id: MessageId) -> Outgoing {
    // The tail of a stamped message ends with `</message>`; one without content has no tail to speak of.
    let mut w = XmlWriter::with_capacity(stanza.tail.len() + 128);
    match memchr_end(&stanza.tail) {
        Some(end) => {
            w.trusted(&stanza.tail[..end]);
            sid::write(&mut w, by.as_str(), &id.to_string());
            w.trusted(&stanza.tail[end..]);
            Outgoing {
                head: stanza.head.clone(),
                tail: w.finish(),
                class: stanza.class,
            }
        }
        None => stanza.clone(),
    }
}

/// Where the end tag of the outermost element begins.
fn memchr_end(tail: &[u8]) -> Option<usize> {
    tail.iter()
        .rposition(|b| *b == b'<')
        .filter(|at| tail.get(at + 1) == Some(&b'/'))
}

/// A carbon copy for one session (XEP-0280 §6).
pub(super) fn carbon(of: &Outgoing, kind: Type, way: Carbon, to: &Session) -> Outgoing {
    let kind = (kind == Type::Chat).then_some("chat");
    way.wrap(to.bare.as_str(), to.jid.as_str(), kind, of)
}

/// Delivers a message to everybody who gets it; `false` if the recipient has nobody who takes it.
pub(super) fn post(
    server: &Arc<Server>,
    p: &Post,
    recipient: Option<MessageId>,
    own: Option<MessageId>,
) -> bool {
    let few = server.sessions.of(p.to.local().unwrap_or_default());
    let mut got = targets(&few, p.kind, &p.to);
    let to_self = p.from.account_name().is_some_and(|me| Some(me) == p.to.local());
    let carbons = |s: &&Arc<Session>| p.copy && s.is(Flag::Carbons) && !s.is(Flag::Ended);
    let mut found = false;
    if !few.is_empty() {
        let bare = few[0].bare.clone();
        let stamped = match recipient {
            Some(id) => with_stanza_id(&p.stanza, &bare, id),
            None => p.stanza.clone(),
        };
        for s in &got {
            found |= s.send(stamped.clone()).is_ok();
        }
        for s in few.iter().filter(carbons) {
            let has = got.iter().any(|g| g.id == s.id) || p.from.is(s);
            if !has {
                let direction = if to_self { Carbon::Sent } else { Carbon::Received };
                let _ = s.send(carbon(&stamped, p.kind, direction, s));
                got.push(s.clone());
            }
        }
    }
    if !to_self
        && p.copy
        && let Some(me) = p.from.account_name()
    {
        let others = server.sessions.of(me);
        if p.kind != Type::Error
            && let Some(own) = p.from.session()
            && others.iter().any(|s| carbons(&s))
        {
            own.remember_copied(p.id);
        }
        let mut stamped = None;
        for s in others.iter().filter(carbons).filter(|s| !p.from.is(s)) {
            let stamped = stamped.get_or_insert_with(|| match own {
                Some(id) => with_stanza_id(&p.stanza, p.from.bare(), id),
                None => p.stanza.clone(),
            });
            let _ = s.send(carbon(stamped, p.kind, Carbon::Sent, s));
        }
    }
    push::delivered(server, p);
    found
}

/// Keeps a message for a user whose sessions all went away. One that came meanwhile gets it from there, behind what
/// has waited for longer.
pub(crate) fn keep_offline(
    server: &Arc<Server>,
    localpart: &str,
    stanza: &Outgoing,
    sent: Option<Timestamp>,
) {
    let max = server.limits.xmpp_offline_messages;
    let (owner, bytes) = (localpart.to_owned(), stanza.concat());
    let work = move |tx: &mut waddle_storage::Tx| {
        let at = sent.unwrap_or_else(|| tx.now());
        offline::put(tx, &owner, at, &bytes, max)
    };
    let then = {
        let (server, localpart) = (server.clone(), localpart.to_owned());
        move |kept: Result<bool, waddle_storage::StorageError>| match kept {
            Ok(true) => {
                let few = server.sessions.of(&localpart);
                if let Some(session) = few.iter().find(|s| s.takes_messages()).cloned() {
                    let runtime = server.runtime.clone();
                    runtime.spawn(async move { hand_over_offline(&server, &session).await });
                }
            }
            Ok(false) => tracing::debug!("a message was not kept: too many wait"),
            Err(waddle_storage::StorageError::NotFound) => {} // the account is gone
            Err(e) => tracing::error!(error = %e, "a message could not be kept"),
        }
    };
    if let Err(e) = server.db.write_then(work, then) {
        tracing::error!(error = %e, "a message could not be kept");
    }
}

/// Hands over what waited, in order, each with its delay (XEP-0160, XEP-0203): as much as the outbox holds with
/// ease; the connection comes back for more when it has written that. A message that is in the outbox is stored no
/// more; what the client does not get of it is kept again when the session ends.
pub(crate) async fn hand_over_offline(server: &Arc<Server>, session: &Arc<Session>) {
    session.set(Flag::MoreOffline, false);
    session.set(Flag::GotOffline, true);
    let limits = &server.limits;
    let (max, bytes) = (
        (limits.xmpp_outbox_stanzas / 2).max(1),
        limits.xmpp_outbox_bytes / 4,
    );
    let (of, to) = (server.clone(), session.clone());
    let handed = server.db.write(move |tx| {
        // Before the first is written: the connection may be done with all of them before this is.
        to.set(Flag::MoreOffline, true);
        let mut full = false;
        let more = offline::hand_over(tx, to.localpart(), max, bytes, |m| {
            // Waiting messages never overflow an outbox: what does not fit comes when this is written.
            full = to.outbox.len() >= max;
            !full && to.send(delayed(m.stanza, m.at, &of.config.domain)).is_ok()
        })?;
        to.set(Flag::MoreOffline, more || full);
        Ok(())
    });
    if let Err(e) = handed.await {
        session.set(Flag::MoreOffline, false);
        session.set(Flag::GotOffline, false);
        tracing::error!(error = %e, "waiting messages could not be read");
    }
}

/// A stored stanza with its delay.
pub(crate) fn delayed(stanza: Bytes, at: Timestamp, from: &str) -> Outgoing {
    let mut w = XmlWriter::new();
    Delay::by(from, at).write(&mut w);
    let delay = w.finish();
    match Stanza::parse(stanza.clone()) {
        Ok(s) => s.rewrite().append(&delay).finish().head().build(),
        Err(_) => Outgoing::whole(stanza, Class::Message),
    }
}

/// Delivers presence to a user of this server: to each available session, or to the one that is named
/// (RFC 6121 §8.5.2.1.2, §8.5.3.1).
pub(super) fn presence(server: &Server, to: &Jid, stanza: &Outgoing) {
    for s in server.sessions.of(to.local().unwrap_or_default()) {
        if s.jid == *to || to.is_bare() && s.is(Flag::Available) {
            let _ = s.send(stanza.clone());
        }
    }
}
