//! A small bucket for what comes from strangers (mission line 13): messages and requests to who does not know the sender,
//! and private messages in rooms. One per sender, and one per recipient.

use dashmap::{DashMap, DashSet};
use waddle_core::{BareJid, Timestamp, limits::Rate};
use waddle_storage::{
    Result, Tx,
    repo::{direct, roster},
};

use super::Origin;
use crate::{
    rate::{Bucket, Wait},
    server::Server,
};

type Map<K, V> = DashMap<K, V, ahash::RandomState>;

/// Who wrote to whom lately; bounded.
#[derive(Debug, Default)]
pub struct Strangers {
    senders: Map<Box<str>, Bucket>,
    recipients: Map<Box<str>, Bucket>,
    /// Hashes of (sender, recipient): the recipient knows the sender.
    known: DashSet<u64, ahash::RandomState>,
    hasher: ahash::RandomState,
}

impl Strangers {
    fn pair(&self, from: &str, to: &str) -> u64 {
        self.hasher.hash_one((from, to))
    }

    /// From now on `to` knows `from`.
    fn meet(&self, from: &str, to: &str, max: usize) {
        let pair = self.pair(from, to);
        if !self.known.contains(&pair) {
            if self.known.len() >= max {
                // Who is known is found out again.
                self.known.clear();
            }
            self.known.insert(pair);
        }
    }

    /// Whether `to` is known to know `from`.
    fn knows(&self, from: &str, to: &str) -> bool {
        self.known.contains(&self.pair(from, to))
    }

    /// Whether `to` knows `from` has to be found out again.
    pub(super) fn forget(&self, from: &str, to: &str) {
        self.known.remove(&self.pair(from, to));
    }
}

fn take(
    map: &Map<Box<str>, Bucket>,
    who: &str,
    rate: Rate,
    max: usize,
    now: Timestamp,
) -> std::result::Result<(), Wait> {
    if map.len() >= max {
        // A full bucket says nothing: it can go. Where none is full, all senders are told to wait.
        map.retain(|_, b| b.take(rate, rate.count, now).is_err());
        if map.len() >= max {
            return Err(Wait(rate.seconds.max(1)));
        }
    }
    map.entry(who.into())
        .or_insert_with(|| Bucket::new(rate, now))
        .take(rate, 1, now)
}

/// Takes a token of a sender, for a private message in a room; of one of another server too.
pub(super) fn private(server: &Server, from: &Origin) -> std::result::Result<(), Wait> {
    if !server.config.rate_limits || trusted(server, from) {
        return Ok(());
    }
    let from = from.bare();
    let (l, s) = (&server.limits, &server.strangers);
    take(
        &s.senders,
        from.as_str(),
        l.xmpp_rate_strangers,
        l.xmpp_strangers,
        server.now(),
    )
}

/// Whether something from `from` to the account `to` may pass: yes between who know each other; strangers need a token
/// of each side.
pub(super) fn pass(
    tx: &Tx,
    server: &Server,
    from: &Origin,
    to: &BareJid,
) -> Result<std::result::Result<(), Wait>> {
    if from.bare() == to || trusted(server, from) {
        return Ok(Ok(()));
    }
    meeting(tx, server, from.bare(), to)
}

/// The same for something that a person does to the account `to` by other means than a stanza.
pub(crate) fn meeting(
    tx: &Tx,
    server: &Server,
    from: &BareJid,
    to: &BareJid,
) -> Result<std::result::Result<(), Wait>> {
    let (l, s) = (&server.limits, &server.strangers);
    if !server.config.rate_limits {
        return Ok(Ok(()));
    }
    // Who writes to somebody wants to hear from them.
    s.meet(to.as_str(), from.as_str(), l.xmpp_strangers);
    if s.known.contains(&s.pair(from.as_str(), to.as_str())) {
        return Ok(Ok(()));
    }
    if knows(tx, to.local().unwrap_or_default(), from)? {
        s.meet(from.as_str(), to.as_str(), l.xmpp_strangers);
        return Ok(Ok(()));
    }
    let (max, now) = (l.xmpp_strangers, server.now());
    let sender = take(&s.senders, from.as_str(), l.xmpp_rate_strangers, max, now);
    Ok(sender.and_then(|()| take(&s.recipients, to.as_str(), l.xmpp_rate_from_strangers, max, now)))
}

/// Whether an account has `other` among its contacts, or let them write.
pub(crate) fn knows(tx: &Tx, owner: &str, other: &BareJid) -> Result<bool> {
    let contact = roster::get(tx, owner, other)?;
    Ok(contact.listed || contact.from() || contact.to() || direct::is_allowed(tx, owner, other)?)
}

/// Whether nothing is to be asked about what `from` sends to the account `to`.
pub(super) fn is_known(server: &Server, from: &Origin, to: &BareJid) -> bool {
    !server.config.rate_limits
        || from.bare() == to
        || trusted(server, from)
        || server.strangers.knows(from.bare().as_str(), to.as_str())
}

/// From now on `to` knows `from`; whether that is news.
pub(super) fn first_meeting(server: &Server, from: &BareJid, to: &BareJid) -> bool {
    let s = &server.strangers;
    let new = !s.knows(from.as_str(), to.as_str());
    s.meet(from.as_str(), to.as_str(), server.limits.xmpp_strangers);
    new
}

/// The server, its rooms and services, and components limit themselves.
pub(super) fn trusted(server: &Server, from: &Origin) -> bool {
    let jid = from.jid();
    from.session().is_none()
        && (server.is_local(jid)
            || jid.domain() == server.config.muc_domain
            || server.services.get(jid.domain()).is_some())
}
