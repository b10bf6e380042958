//! Messages between users (RFC 6121 §5, §8.5): hooks, archive, offline storage, delivery.
//!
//! A message is committed, then delivered: `write_then` runs the delivery on the storage thread, in the order
//! of the commits, so the connection goes on reading and a sender's messages keep their order.

use std::{
    hash::{DefaultHasher, Hash as _, Hasher as _},
    sync::Arc,
};

use waddle_core::{Jid, MessageId, Timestamp, UserId};
use waddle_stanza::{Condition, Element, ErrorType, Stanza, StanzaError, XmlWriter, forward::Carbon, ns};
use waddle_storage::{
    StorageError, Tx,
    repo::{accounts, offline},
};

use super::{
    Origin, Routed, Sent,
    consent::{self, Consent},
    deliver::{self, Post},
    keep,
};
use crate::{
    direct::{self, news::What},
    server::Server,
    session::{Flag, Waiting},
    xep::{MessageEvent, Phase, Verdict, xep0280::Carbons},
};

/// The types of RFC 6121 §5.2.2; anything else is `normal`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Type {
    /// One-to-one talk.
    Chat,
    /// An error about another message.
    Error,
    /// Of a room.
    Groupchat,
    /// News that nobody answers.
    Headline,
    /// A single message.
    Normal,
}

impl Type {
    /// The type of a message.
    pub fn of(stanza: &Stanza) -> Self {
        match stanza.type_().as_deref() {
            Some("chat") => Self::Chat,
            Some("error") => Self::Error,
            Some("groupchat") => Self::Groupchat,
            Some("headline") => Self::Headline,
            _ => Self::Normal,
        }
    }
}

/// Routes a message to a user of this server, or to the server.
pub(super) fn route(sent: Sent, to: Option<Jid>) -> Routed {
    // RFC 6121 §8.1.1.1: without `to` it is for the sender's own account.
    let to = to.unwrap_or_else(|| sent.origin.bare().as_jid().clone());
    let kind = Type::of(&sent.stanza);
    let Some(localpart) = to.local() else {
        return match kind {
            Type::Error | Type::Headline => Routed::Done,
            _ => Routed::from(Condition::ServiceUnavailable),
        };
    };
    if kind == Type::Groupchat && to.is_bare() {
        return Routed::from(Condition::ServiceUnavailable);
    }
    let mut event = MessageEvent {
        server: &sent.server,
        origin: &sent.origin,
        stanza: &sent.stanza,
        to: &to,
        strip: false,
        archive: false,
        offline: is_worth_keeping(kind, sent.stanza.root()),
        copy: false,
    };
    for phase in [
        Phase::Reject,
        Phase::Rewrite,
        Phase::Archive,
        Phase::Copy,
        Phase::Deliver,
    ] {
        match sent.server.registry.message(phase, &mut event) {
            Verdict::Continue => {}
            Verdict::Refuse(e) => return Routed::Error(e),
            Verdict::Drop => return Routed::Done,
        }
    }
    let wanted = Wanted {
        strip: event.strip,
        archive: event.archive,
        offline: event.offline,
        copy: event.copy,
    };
    if sent.origin.account_name() == Some(localpart)
        && let Some(user) = sent.origin.user().cloned()
    {
        return accept(sent, to, kind, user, wanted);
    }
    if let Some(s) = sent.server.sessions.of(localpart).first() {
        return accept(sent, to.clone(), kind, s.user.clone(), wanted);
    }
    Routed::Later(Box::pin(async move {
        let localpart = to.local().unwrap_or_default();
        let refuse = match sent.server.identity.by_localpart(localpart).await {
            Ok(Some(account)) => match accept(sent.clone(), to, kind, account.user, wanted) {
                Routed::Error(e) => e,
                _ => return,
            },
            Ok(None) => StanzaError::new(Condition::ServiceUnavailable),
            Err(e) => {
                tracing::error!(error = %e, "an account could not be looked up");
                StanzaError::new(Condition::InternalServerError)
            }
        };
        sent.refuse(&refuse);
    }))
}

/// Whether a message waits for who is away (XEP-0160 §3): one that is more than a chat state.
pub(super) fn is_worth_keeping(kind: Type, message: Element<'_>) -> bool {
    let passing = |c: &Element<'_>| {
        c.in_ns(ns::CHAT_STATES)
            || c.is("thread", ns::CLIENT)
            || c.in_ns(ns::HINTS) && c.name() != "store"
            || c.in_ns(ns::SID)
            || c.in_ns(ns::CARBONS)
    };
    match kind {
        Type::Normal => true,
        Type::Chat => !message.children().all(|c| passing(&c)),
        Type::Error | Type::Groupchat | Type::Headline => false,
    }
}

/// What is remembered of an id.
pub(crate) fn fingerprint(id: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    id.hash(&mut hasher);
    hasher.finish()
}

/// Whether a message to a room's host is for one occupant (XEP-0045 §7.5).
pub(super) fn is_private(stanza: &Stanza) -> bool {
    matches!(Type::of(stanza), Type::Chat | Type::Normal)
        && stanza.to().is_ok_and(|to| to.is_some_and(|to| !to.is_bare()))
}

/// Carbons of a private message to an occupant, for the sender's other devices (XEP-0280 §6.1); the room itself gives
/// the recipient's devices what they get.
pub(super) fn copy_private(sent: &Sent, stanza: &Stanza) {
    let Some(session) = sent.origin.session() else {
        return;
    };
    if !sent.server.registry.has(280) || !Carbons::is_eligible(stanza) {
        return;
    }
    let mut copy = None;
    for s in sent.server.sessions.of(session.localpart()) {
        if s.id == session.id || !s.is(Flag::Carbons) || s.is(Flag::Ended) {
            continue;
        }
        let copy = copy.get_or_insert_with(|| {
            // The mark by which clients know what it is.
            let mut x = XmlWriter::new();
            if !stanza.root().has("x", ns::MUC_USER) {
                x.empty("x", ns::MUC_USER);
            }
            stanza.rewrite().append(&x.finish()).finish().head().build()
        });
        let _ = s.send(deliver::carbon(copy, Type::of(stanza), Carbon::Sent, &s));
    }
}

#[derive(Debug, Clone, Copy)]
struct Wanted {
    strip: bool,
    archive: bool,
    offline: bool,
    copy: bool,
}

/// What the commit decided.
struct Stored {
    recipient: Option<MessageId>,
    own: Option<MessageId>,
    /// Whether it waits for the recipient.
    offline: bool,
    /// It is nothing of this: the recipient does not take it.
    refused: Option<StanzaError>,
    /// It waits for the recipient's consent; whether they are to be told that somebody asks.
    waits: Option<bool>,
}

impl Stored {
    /// Tells those who follow what happens to the two.
    fn tell(&self, server: &Server, from: Option<&UserId>, recipient: &UserId) {
        let (news, own) = (&server.news, from.filter(|user| *user != recipient));
        if let Some(id) = self.recipient {
            news.tell(recipient, What::Said(id));
        }
        if let (Some(user), Some(id)) = (own, self.own) {
            news.tell(user, What::Said(id));
        }
    }
}

/// Commits what is to be kept, then delivers.
fn accept(sent: Sent, to: Jid, kind: Type, recipient: UserId, wanted: Wanted) -> Routed {
    let server = sent.server.clone();
    let payload = if wanted.strip {
        let registry = &server.registry;
        let own = |c: Element<'_>| is_own_id(c, &sent.origin);
        let rewrite = sent.stanza.rewrite();
        rewrite.strip(|c| registry.strips(c, &to) && !own(c)).finish()
    } else {
        sent.stanza.rewrite().finish()
    };
    let head = payload.head().from(sent.origin.jid().as_str()).to(to.as_str());
    let stamped = head.default_lang(sent.lang.as_deref()).build();
    let post = Post {
        kind,
        to,
        from: sent.origin.clone(),
        stanza: stamped,
        copy: wanted.copy,
        id: sent.stanza.id().map_or(0, |id| fingerprint(&id)),
    };
    let keep = wanted.archive || wanted.offline;
    let db = server.db.clone();
    if !keep && sent.origin.is_settled() && consent::is_plain(&server, &post, &sent.stanza) {
        return if deliver::post(&server, &post, None, None) {
            Routed::Done
        } else {
            undelivered(kind, wanted.offline)
        };
    }
    let told = recipient.clone();
    let work = {
        let (server, post, stanza) = (server.clone(), post.clone(), sent.stanza.clone());
        move |tx: &mut Tx| store(tx, &server, &post, &stanza, &recipient, wanted)
    };
    let waiting = Waiting::begin(sent.origin.flow());
    let then = {
        move |result: Result<Stored, StorageError>| {
            match result {
                Ok(Stored {
                    refused: Some(why), ..
                }) => sent.refuse(&why),
                Ok(Stored {
                    waits: Some(first), ..
                }) => {
                    if first {
                        direct::tell_of_request(&server, &post, &sent.stanza, &told);
                    }
                }
                Ok(stored) => {
                    let found = deliver::post(&server, &post, stored.recipient, stored.own);
                    if !found && !stored.offline {
                        finish_undelivered(&sent, &post, wanted, &stored);
                    }
                    stored.tell(&server, post.from.user(), &told);
                }
                // What was accepted waits on.
                Err(_) if sent.origin.accepted().is_some() => {}
                Err(e) => sent.refuse(&failed(&e)),
            }
            drop(waiting);
        }
    };
    match db.write_then(work, then) {
        Ok(()) => Routed::Done,
        Err(e) => Routed::Error(failed(&e)),
    }
}

/// RFC 6121 §8.5: nobody is there to take it and nobody keeps it.
fn undelivered(kind: Type, worth: bool) -> Routed {
    match kind {
        Type::Error | Type::Headline => Routed::Done,
        Type::Groupchat => Routed::from(Condition::ServiceUnavailable),
        Type::Chat | Type::Normal if worth => Routed::from(Condition::ServiceUnavailable),
        Type::Chat | Type::Normal => Routed::Done,
    }
}

/// The recipient's last session went away between commit and delivery: keep it after all.
fn finish_undelivered(sent: &Sent, post: &Post, wanted: Wanted, stored: &Stored) {
    if wanted.offline && post.may_wait() {
        let local = post.to.local().unwrap_or_default();
        match stored.recipient {
            Some(id) => {
                let stanza = deliver::with_stanza_id(&post.stanza, &post.to.bare(), id);
                deliver::keep_offline(&sent.server, local, &stanza, Some(Timestamp(id.0)));
            }
            None => deliver::keep_offline(&sent.server, local, &post.stanza, None),
        }
    } else if let Routed::Error(e) = undelivered(post.kind, wanted.offline) {
        sent.refuse(&e);
    }
}

/// Whether it is the sender's own archive that gave a message this id (XEP-0359 §6): a room's or a service's, never a
/// client's.
fn is_own_id(child: Element<'_>, origin: &Origin) -> bool {
    child.is("stanza-id", ns::SID)
        && origin.session().is_none()
        && child
            .attr("by")
            .is_some_and(|by| by == origin.bare().as_str() || by == origin.jid().domain())
}

fn store(
    tx: &mut Tx,
    server: &Arc<crate::server::Server>,
    post: &Post,
    stanza: &Stanza,
    recipient: &UserId,
    wanted: Wanted,
) -> Result<Stored, StorageError> {
    let mut stored = Stored {
        recipient: None,
        own: None,
        offline: false,
        refused: None,
        waits: None,
    };
    match consent::decide(tx, server, post, stanza, recipient)? {
        Consent::Given => {}
        Consent::Refused(why) => {
            stored.refused = Some(why);
            return Ok(stored);
        }
        Consent::Waits(first) => {
            stored.waits = Some(first);
            return Ok(stored);
        }
    }
    let waits = wanted.offline && post.may_wait() && !deliver::somebody_takes(server, &post.to);
    if !wanted.archive && !waits {
        return Ok(stored);
    }
    // Nothing is stored for who was deleted meanwhile.
    accounts::must_exist(tx, recipient)?;
    if let Some(user) = post.from.user() {
        accounts::must_exist(tx, user)?;
    }
    let at = tx.now();
    let bytes = post.stanza.concat();
    let local = post.to.local().unwrap_or_default();
    if wanted.archive {
        let kept = keep::archive(tx, server, post, stanza, recipient, at, &bytes)?;
        (stored.own, stored.recipient) = (kept.own, kept.recipient);
    }
    if waits {
        let bytes = match stored.recipient {
            Some(id) => deliver::with_stanza_id(&post.stanza, &post.to.bare(), id).concat(),
            None => bytes,
        };
        let at = stored.recipient.map_or(at, |id| Timestamp(id.0));
        if !offline::put(tx, local, at, &bytes, server.limits.xmpp_offline_messages)? {
            // Everything of this message is undone: the sender is told that it did not arrive.
            return Err(StorageError::Constraint("too many messages wait".into()));
        }
        stored.offline = true;
    }
    Ok(stored)
}

fn failed(e: &StorageError) -> StanzaError {
    match e {
        StorageError::Constraint(_) => StanzaError::new(Condition::ServiceUnavailable)
            .text("too many messages wait for this user; try again when they were online"),
        StorageError::NotFound => StanzaError::new(Condition::ServiceUnavailable),
        e if e.is_temporary() => StanzaError::new(Condition::ResourceConstraint)
            .of_type(ErrorType::Wait)
            .text("the message could not be stored; send it again in a moment"),
        e => {
            tracing::error!(error = %e, "a message could not be stored");
            StanzaError::new(Condition::InternalServerError).text("the message could not be stored")
        }
    }
}
