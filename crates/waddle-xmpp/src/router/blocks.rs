//! Who is blocked by whom ([XEP-0191](https://xmpp.org/extensions/xep-0191.html)): the lists in memory, and what they
//! do to a stanza.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use ahash::AHashSet;
use dashmap::DashMap;
use waddle_core::Jid;
use waddle_stanza::{Class, Condition, ErrorType, Kind, Outgoing, StanzaError, ns};
use waddle_storage::repo::blocking;

use super::{Routed, Sent};
use crate::server::Server;

/// How often a list is read anew that changes meanwhile.
const TRIES: usize = 3;

/// The addresses that one account blocks.
#[derive(Debug, Default)]
pub struct BlockList {
    jids: AHashSet<Box<str>>,
    /// Whether there are entries of the form `domain/resource`, which are rare.
    host_resources: bool,
}

impl BlockList {
    /// A list of these.
    pub fn new(jids: &[Jid]) -> Self {
        Self {
            jids: jids.iter().map(|j| j.as_str().into()).collect(),
            host_resources: jids.iter().any(|j| j.local().is_none() && !j.is_bare()),
        }
    }

    /// Whether an address is blocked (§5): itself, its bare JID, its host with its resource, or its host.
    pub fn matches(&self, jid: &Jid) -> bool {
        if self.jids.is_empty() {
            return false;
        }
        let has = |s: &str| self.jids.contains(s);
        has(jid.as_str())
            || has(jid.bare_str())
            || has(jid.domain())
            || self.host_resources
                && jid
                    .resource()
                    .is_some_and(|r| has(&[jid.domain(), "/", r].concat()))
    }
}

/// The lists that were needed lately; bounded, and right for as long as they are here.
#[derive(Debug, Default)]
pub struct Blocks {
    lists: DashMap<Box<str>, Arc<BlockList>, ahash::RandomState>,
    /// Counts changes: what was read before one is not remembered after it.
    changes: AtomicU64,
}

impl Blocks {
    /// The list of an account, if it is here.
    pub fn peek(&self, owner: &str) -> Option<Arc<BlockList>> {
        self.lists.get(owner).map(|l| l.value().clone())
    }

    /// A list changed; called in the order of the commits.
    pub(crate) fn changed(&self, owner: &str, jids: &[Jid]) {
        self.changes.fetch_add(1, Ordering::AcqRel);
        self.lists.insert(owner.into(), Arc::new(BlockList::new(jids)));
    }

    /// Whether `a` or `b`, each an account of this server or not, blocks the other; what is not here is not asked for.
    pub(crate) fn between(&self, server: &Server, a: &Jid, b: &Jid) -> bool {
        let blocks = |owner: &Jid, other: &Jid| {
            server.is_local(owner)
                && owner
                    .local()
                    .and_then(|l| self.peek(l))
                    .is_some_and(|list| list.matches(other))
        };
        a.bare_str() != b.bare_str() && (blocks(a, b) || blocks(b, a))
    }
}

/// Reads the list of an account, so that it is here; `false` if that failed.
pub(crate) async fn load(server: &Arc<Server>, owner: &str) -> bool {
    let blocks = &server.blocks;
    for _ in 0..TRIES {
        if blocks.lists.contains_key(owner) {
            return true;
        }
        let before = blocks.changes.load(Ordering::Acquire);
        let of = owner.to_owned();
        let jids = match server.db.read(move |conn| blocking::list(conn, &of)).await {
            Ok(jids) => jids,
            Err(e) => {
                tracing::error!(error = %e, "a block list could not be read");
                return false;
            }
        };
        if blocks.lists.len() >= server.limits.xmpp_block_lists {
            blocks.lists.retain(|owner, _| server.sessions.has(owner));
        }
        let entry = blocks.lists.entry(owner.into());
        if blocks.changes.load(Ordering::Acquire) == before {
            entry.or_insert_with(|| Arc::new(BlockList::new(&jids)));
            return true;
        }
    }
    false
}

/// Whose list it is: an account of this server.
fn account<'a>(server: &Server, jid: &'a Jid) -> Option<&'a str> {
    jid.local().filter(|_| server.is_local(jid))
}

/// What block lists do to a stanza; nothing, mostly.
pub(super) enum Blocked {
    /// It goes on.
    No,
    /// It ends here.
    Yes(Routed),
    /// A list has to be read first: of this account.
    Unknown(String),
}

pub(super) fn check(sent: &Sent, to: &Jid) -> Blocked {
    let server = &sent.server;
    let from = sent.origin.jid();
    // Nobody is kept from their own devices and server.
    if to.bare_str() == from.bare_str() || *to == server.domain || *from == server.domain {
        return Blocked::No;
    }
    if let Some(me) = sent.origin.account_name() {
        match server.blocks.peek(me) {
            None => return Blocked::Unknown(me.to_owned()),
            Some(list) if list.matches(to) && !is_goodbye(sent) => return Blocked::Yes(outgoing(sent)),
            Some(_) => {}
        }
    }
    if let Some(them) = account(server, to) {
        match server.blocks.peek(them) {
            None => return Blocked::Unknown(them.to_owned()),
            Some(list) if list.matches(from) => return Blocked::Yes(incoming(sent)),
            Some(_) => {}
        }
    }
    Blocked::No
}

/// Who blocks a room can still leave it.
fn is_goodbye(sent: &Sent) -> bool {
    sent.stanza.kind() == Kind::Presence && sent.stanza.is_type("unavailable")
}

/// §3.3: from who blocks.
fn outgoing(sent: &Sent) -> Routed {
    if !sent.stanza.may_bounce() {
        return Routed::Done;
    }
    Routed::Error(
        StanzaError::new(Condition::NotAcceptable)
            .of_type(ErrorType::Cancel)
            .app("blocked", ns::BLOCKING_ERRORS)
            .text("you have blocked this address; unblock it first"),
    )
}

/// §3.3: to who blocks. It looks as if nobody were there.
fn incoming(sent: &Sent) -> Routed {
    match sent.stanza.kind() {
        Kind::Message | Kind::Iq if sent.stanza.may_bounce() => Routed::from(Condition::ServiceUnavailable),
        _ => Routed::Done,
    }
}

/// Private messages of rooms do not come this way, but straight into the outboxes of occupants: there those of blocked
/// occupants are dropped.
pub(crate) fn guard(server: &Server, owner: &str) {
    let list = server.blocks.peek(owner).filter(|l| !l.jids.is_empty());
    for s in server.sessions.of(owner) {
        let gate = list.clone().map(|list| -> waddle_outbox::Gate<Outgoing> {
            let rooms = server.config.muc_domain.clone();
            Box::new(move |item| !is_private_of(item, &rooms, &list))
        });
        s.outbox.set_gate(gate);
    }
}

/// What the start tag of a stanza says, read without parsing the stanza.
#[derive(Debug, Default, PartialEq, Eq)]
struct Head<'a> {
    from: &'a [u8],
    type_: &'a [u8],
}

impl<'a> Head<'a> {
    /// Nothing where it is not plain.
    fn of(item: &'a Outgoing) -> Option<Self> {
        let bytes = if item.head.is_empty() {
            &item.tail
        } else {
            &item.head
        };
        Self::read(bytes)
    }

    fn read(bytes: &'a [u8]) -> Option<Self> {
        let mut head = Self::default();
        let name = bytes.iter().position(|b| *b == b'>' || b.is_ascii_whitespace())?;
        let mut rest = bytes.get(name..)?.trim_ascii_start();
        while !matches!(rest.first()?, b'>' | b'/') {
            let equals = rest.iter().position(|b| *b == b'=')?;
            let (name, value) = rest.split_at_checked(equals)?;
            let value = value.get(1..)?.trim_ascii_start();
            let (quote, value) = value.split_first().filter(|(q, _)| matches!(q, b'"' | b'\''))?;
            let (value, after) = value.split_at_checked(value.iter().position(|b| b == quote)?)?;
            match name.trim_ascii_end() {
                b"from" => head.from = value,
                b"type" => head.type_ = value,
                _ => {}
            }
            rest = after.get(1..)?.trim_ascii_start();
        }
        Some(head)
    }

    /// Whether an occupant of a room of this domain may have sent it, to one person.
    fn may_be_private_of(&self, rooms: &str) -> bool {
        let domain = self.from.iter().position(|b| matches!(b, b'@' | b'&'));
        let domain = domain.and_then(|at| self.from.get(at..));
        self.type_ != b"groupchat"
            && domain.is_some_and(|d| {
                d.starts_with(b"&") || d.get(1..).is_some_and(|d| d.starts_with(rooms.as_bytes()))
            })
    }
}

/// Whether it is a private message of an occupant who is blocked.
fn is_private_of(item: &Outgoing, rooms: &str, list: &BlockList) -> bool {
    if item.class != Class::Message || Head::of(item).is_some_and(|h| !h.may_be_private_of(rooms)) {
        return false;
    }
    let Ok(stanza) = item.to_stanza() else {
        return false;
    };
    let from = stanza.from().ok().flatten();
    !stanza.is_type("groupchat")
        && from.is_some_and(|from| from.domain() == rooms && !from.is_bare() && list.matches(&from))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn most_heads_are_let_through_unparsed() {
        for (head, private) in [
            ("<message to='a@x/1' from='r@muc.x/n' type='chat'>", Some(true)),
            ("<message from=\"r@muc.x/n\"/>", Some(true)),
            ("<message from='&#114;@muc.x/n'/>", Some(true)),
            ("<message id=' type=\"groupchat\"' from='r@muc.x/n'/>", Some(true)),
            ("<message from='r@muc.x/n' type='groupchat'>", Some(false)),
            (
                "<message type='chat' from='b@x/muc.x'><body from='r@muc.x/n'/>",
                Some(false),
            ),
            ("<message from='muc.x'/>", Some(false)),
            ("<message/>", Some(false)),
            ("<message from='r@muc.x/n", None),
        ] {
            let read = Head::read(head.as_bytes());
            assert_eq!(read.map(|h| h.may_be_private_of("muc.x")), private, "{head}");
        }
    }

    #[test]
    fn four_forms() {
        let list =
            |jids: &[&str]| BlockList::new(&jids.iter().map(|j| j.parse().unwrap()).collect::<Vec<_>>());
        let cases: [(&str, &[&str], &[&str]); 4] = [
            ("a@x/1", &["a@x/1"], &["a@x/2", "a@x", "x", "x/1"]),
            ("a@x", &["a@x/1", "a@x"], &["b@x/1", "x"]),
            ("x/1", &["x/1", "a@x/1"], &["a@x/2", "a@x", "x"]),
            ("x", &["x", "x/1", "a@x", "a@x/1"], &["y", "a@y", "z.x"]),
        ];
        for (blocked, yes, no) in cases {
            let list = list(&[blocked]);
            for j in yes {
                assert!(list.matches(&j.parse().unwrap()), "{blocked} {j}");
            }
            for j in no {
                assert!(!list.matches(&j.parse().unwrap()), "{blocked} {j}");
            }
        }
        assert!(!list(&[]).matches(&"a@x".parse().unwrap()));
    }
}
