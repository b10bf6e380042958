//! Who may write to whom (`specs/moderation.md`, "Direct messages"): each account says from whom it takes messages
//! without being asked. Everybody else's wait for its consent, or are refused.

use bytes::Bytes;
use dashmap::DashMap;
use waddle_core::{BareJid, UserId};
use waddle_stanza::{Condition, Element, ErrorType, Stanza, StanzaError, ns, retract::Retract, sid};
use waddle_storage::{
    Db, Result, Tx,
    repo::{
        direct::{self, Bounds, Held, RequestPolicy},
        roster,
    },
};

use super::{Origin, deliver::Post, message::Type, strangers};
use crate::{connection::too_fast, server::Server};

/// The policies of the accounts that have another than the usual one.
#[derive(Debug, Default)]
pub struct Policies(DashMap<Box<str>, RequestPolicy, ahash::RandomState>);

impl Policies {
    /// Reads them.
    pub(crate) async fn load(&self, db: &Db) -> Result<()> {
        for (owner, policy) in db.read(direct::policies).await? {
            self.note(&owner, policy);
        }
        Ok(())
    }

    /// The policy of an account.
    pub fn of(&self, owner: &str) -> RequestPolicy {
        self.0.get(owner).map_or(RequestPolicy::Everyone, |p| *p)
    }

    /// An account has this policy from now on.
    pub(crate) fn note(&self, owner: &str, policy: RequestPolicy) {
        match policy {
            RequestPolicy::Everyone => _ = self.0.remove(owner),
            policy => _ = self.0.insert(owner.into(), policy),
        }
    }
}

/// Whether a message may come in.
#[derive(Debug)]
pub(super) enum Consent {
    /// It may.
    Given,
    /// It may not; its sender is told.
    Refused(StanzaError),
    /// It waits; whether it is the first of its sender.
    Waits(bool),
}

/// Who writes: the sender, or, where a room passes an invitation on, whoever invites.
pub(crate) fn asker(server: &Server, from: &Origin, stanza: &Stanza) -> Option<Origin> {
    if from.user().is_some() || from.jid().domain() != server.config.muc_domain {
        return None;
    }
    let invite = stanza
        .root()
        .child("x", ns::MUC_USER)?
        .child("invite", ns::MUC_USER)?;
    let by = invite.attr("from")?.parse::<waddle_core::Jid>().ok()?;
    // A room that invites for itself does so because somebody made its owner a member.
    if by.domain() == server.config.muc_domain {
        return None;
    }
    Some(Origin::elsewhere(by.bare().into()))
}

/// Whether it is something that somebody reads or that rings, not a state or a receipt that answers something.
fn is_approach(kind: Type, message: Element<'_>) -> bool {
    let talks = |c: Element<'_>| {
        c.is("body", ns::CLIENT)
            || c.is("subject", ns::CLIENT)
            || c.name() == "encrypted"
            || c.is("x", ns::MUC_USER)
            || c.is("x", "jabber:x:conference")
            || c.is("x", "jabber:x:oob")
            || c.is("propose", "urn:xmpp:jingle-message:0")
            || c.in_ns("urn:xmpp:sfs:0")
    };
    match kind {
        Type::Chat | Type::Normal | Type::Headline | Type::Groupchat => message.children().any(talks),
        Type::Error => false,
    }
}

/// Whether it answers something, or comes from a room that the recipient has entered. No account of this server is a room,
/// whatever it calls what it says.
fn is_no_approach(post: &Post) -> bool {
    match post.kind {
        Type::Error => true,
        Type::Groupchat => post.from.user().is_none(),
        Type::Chat | Type::Normal | Type::Headline => false,
    }
}

/// What `user`, whom rosters know as `from`, is to an account.
fn is_welcome(
    tx: &Tx,
    policy: RequestPolicy,
    owner: (&str, &UserId),
    from: (&BareJid, &UserId),
) -> Result<bool> {
    if roster::get(tx, owner.0, from.0)?.from() || direct::is_allowed(tx, owner.0, from.0)? {
        return Ok(true);
    }
    Ok(policy == RequestPolicy::FriendsAndWaddles && direct::share_waddle(tx, owner.1, from.1)?)
}

/// Whether `from` may write to an account, or add it to a group, without asking.
pub(crate) fn may_approach(
    tx: &Tx,
    server: &Server,
    owner: (&str, &UserId),
    from: (&BareJid, &UserId),
) -> Result<bool> {
    match server.policies.of(owner.0) {
        RequestPolicy::Everyone => Ok(true),
        policy => is_welcome(tx, policy, owner, from),
    }
}

/// Decides about a message to an account, inside the transaction that would store it.
pub(super) fn decide(
    tx: &mut Tx,
    server: &Server,
    post: &Post,
    stanza: &Stanza,
    recipient: &UserId,
) -> Result<Consent> {
    if let Some(held) = post.from.accepted() {
        // It waits no more in the transaction that stores it: neither a crash nor a second acceptance loses or doubles it.
        let waited = direct::release(tx, held)?;
        return Ok(if waited {
            Consent::Given
        } else {
            Consent::Waits(false)
        });
    }
    if is_no_approach(post) {
        return Ok(Consent::Given);
    }
    let invites = asker(server, &post.from, stanza);
    let from = invites.as_ref().unwrap_or(&post.from);
    let to = post.to.bare();
    if from.bare() == &to || invites.is_none() && strangers::trusted(server, from) {
        return Ok(Consent::Given);
    }
    let owner = to.local().unwrap_or_default();
    let user = subject(tx, server, from)?;
    let approach = is_approach(post.kind, stanza.root());
    let policy = server.policies.of(owner);
    // Who writes to somebody wants to hear from them.
    if approach
        && let Some(me) = post.from.account_name()
        && server.policies.of(me) != RequestPolicy::Everyone
    {
        let at = tx.now();
        direct::allow(tx, me, &to, at, server.limits.direct_allowed)?;
    }
    if policy == RequestPolicy::Everyone || is_welcome(tx, policy, (owner, recipient), (from.bare(), &user))?
    {
        return Ok(match strangers::pass(tx, server, from, &to)? {
            Ok(()) => Consent::Given,
            Err(wait) => Consent::Refused(too_fast(wait)),
        });
    }
    // A bucket of their own for those who are not even known.
    if let Err(wait) = strangers::pass(tx, server, from, &to)? {
        return Ok(Consent::Refused(too_fast(wait)));
    }
    if policy == RequestPolicy::Nobody {
        return Ok(Consent::Refused(
            StanzaError::new(Condition::Forbidden)
                .of_type(ErrorType::Cancel)
                .text("this person takes messages from their contacts only; ask for a subscription first"),
        ));
    }
    // What waits can be taken back, and nobody need be asked about that.
    if let Some(wish) = Retract::of(stanza.root())
        && direct::take_back(tx, owner, from.bare(), |held| is_named(held, &wish.id))?
    {
        return Ok(Consent::Waits(false));
    }
    if !approach {
        // A state or a receipt says that somebody is there: it is for those who are let.
        return Ok(Consent::Waits(false));
    }
    let bounds = Bounds {
        messages: server.limits.direct_request_messages,
        requests: server.limits.direct_requests,
    };
    let body = stanza.root().child_text("body", ns::CLIENT);
    let bytes = post.stanza.concat();
    let at = tx.now();
    let held = direct::hold(tx, owner, from.bare(), at, (body.as_deref(), &bytes), bounds)?;
    Ok(match held {
        Held::First => Consent::Waits(true),
        // Who was refused is not told: they would know that somebody looked.
        Held::More | Held::Refused => Consent::Waits(false),
        Held::Full => Consent::Refused(
            StanzaError::new(Condition::PolicyViolation)
                .of_type(ErrorType::Wait)
                .text("your messages wait until this person accepts them; no more can wait"),
        ),
    })
}

fn is_named(held: &Bytes, id: &str) -> bool {
    Stanza::parse(held.clone())
        .is_ok_and(|s| s.id().as_deref() == Some(id) || sid::origin(s.root()).as_deref() == Some(id))
}

/// The subject of permissions: accounts of this server are known by their name.
fn subject(tx: &Tx, server: &Server, from: &Origin) -> Result<UserId> {
    if from.user().is_none()
        && server.is_local(from.jid())
        && let Some(user) = from
            .bare()
            .local()
            .map(|l| waddle_storage::repo::accounts::user_of(tx, l))
            .transpose()?
            .flatten()
    {
        return Ok(user);
    }
    Ok(from.subject())
}

/// Whether a message that nobody stores may go its way at once: its sender is known to the recipient, who takes
/// messages from everybody. Otherwise the database is asked.
pub(super) fn is_plain(server: &Server, post: &Post, stanza: &Stanza) -> bool {
    if post.from.accepted().is_some() {
        return false;
    }
    if is_no_approach(post) {
        return true;
    }
    server.policies.of(post.to.local().unwrap_or_default()) == RequestPolicy::Everyone
        && asker(server, &post.from, stanza).is_none()
        && strangers::is_known(server, &post.from, &post.to.bare())
}

/// Somebody whose account does not take messages from everybody wrote to another server: the answer may come in.
pub(super) fn wrote_abroad(server: &Server, from: &Origin, to: &BareJid) {
    let Some(me) = from.account_name() else { return };
    if server.policies.of(me) == RequestPolicy::Everyone || !strangers::first_meeting(server, to, from.bare())
    {
        return;
    }
    let (owner, jid, max) = (me.to_owned(), to.clone(), server.limits.direct_allowed);
    let work = move |tx: &mut Tx| {
        let at = tx.now();
        direct::allow(tx, &owner, &jid, at, max)
    };
    let then = |done: Result<()>| {
        if let Err(error) = done {
            tracing::warn!(%error, "an answer from another server may have to wait for consent");
        }
    };
    if let Err(error) = server.db.write_then(work, then) {
        tracing::warn!(%error, "an answer from another server may have to wait for consent");
    }
}
