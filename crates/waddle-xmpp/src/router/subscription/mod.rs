//! Presence subscriptions and the changes that they make in rosters (RFC 6121 §3, appendix A).
//!
//! [`states`] has the tables, for one side at a time. Where both sides are accounts of this server, one transaction
//! changes both rosters; what is to be sent follows its commit.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use waddle_core::BareJid;
use waddle_stanza::{Class, Condition, ErrorType, Outgoing, StanzaError, XmlWriter};
use waddle_storage::{
    Result, StorageError, Tx,
    repo::{
        departed::{self, Goodbye},
        roster::{self, Contact},
    },
};

use self::states::{Inbound, Kind};
use super::{Origin, Sent, outward, presence, strangers};
use crate::{
    connection::too_fast,
    rate::Wait,
    server::Server,
    session::Flag,
    xep::{rfc6121_roster::push, xep0379},
};

pub mod states;

/// What follows a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum After {
    /// A roster push to the interested sessions of an account.
    Push {
        /// Whose roster.
        owner: BareJid,
        /// The contact as it is now; an item that is not listed was removed.
        item: Contact,
        /// The roster's new version.
        version: i64,
    },
    /// A subscription stanza to an account of this server or to another host.
    Tell {
        /// Which.
        kind: Kind,
        /// From whom.
        from: BareJid,
        /// To whom.
        to: BareJid,
        /// As it was sent; the server makes one where there is none.
        stanza: Option<Bytes>,
    },
    /// The second account now sees the presence of the first one, or no longer does.
    Reveal {
        /// Whose presence.
        owner: BareJid,
        /// Who sees it.
        viewer: BareJid,
        /// Whether it is seen from now on.
        visible: bool,
    },
}

/// A change of one roster or of both, within a write.
struct Change<'a> {
    tx: &'a mut Tx,
    server: &'a Server,
    /// Who asks for it, where that is limited.
    origin: Option<Origin>,
    /// How long they have to wait, if they have to.
    wait: Arc<OnceLock<Wait>>,
    after: Vec<After>,
}

fn name(jid: &BareJid) -> &str {
    jid.local().unwrap_or_default()
}

fn written(kind: Kind, from: &BareJid, to: &BareJid) -> Bytes {
    let mut w = XmlWriter::presence();
    w.attr("type", kind.name())
        .attr("from", from.as_str())
        .attr("to", to.as_str());
    w.finish()
}

impl Change<'_> {
    fn get(&self, owner: &BareJid, contact: &BareJid) -> Result<Contact> {
        roster::get(self.tx, name(owner), contact)
    }

    /// Stores a contact; pushes it if it is or was an item of the roster.
    fn put(&mut self, owner: &BareJid, before: &Contact, now: Contact) -> Result<()> {
        if *before == now {
            return Ok(());
        }
        roster::put(self.tx, name(owner), &now)?;
        let shown = |c: &Contact| {
            (
                c.listed,
                c.subscription,
                c.asked,
                c.approved,
                c.name.clone(),
                c.groups.clone(),
            )
        };
        if (before.listed || now.listed) && shown(before) != shown(&now) {
            self.push(owner, now)?;
        }
        Ok(())
    }

    fn push(&mut self, owner: &BareJid, item: Contact) -> Result<()> {
        let keep = self.server.limits.xmpp_roster_changes;
        let version = roster::raise_version(self.tx, name(owner), &item, keep)?;
        self.after.push(After::Push {
            owner: owner.clone(),
            item,
            version,
        });
        Ok(())
    }

    fn reveal(&mut self, owner: &BareJid, viewer: &BareJid, visible: bool) {
        self.after.push(After::Reveal {
            owner: owner.clone(),
            viewer: viewer.clone(),
            visible,
        });
    }

    /// The account `user` sends `kind` to `contact`.
    fn send(&mut self, kind: Kind, user: &BareJid, contact: &BareJid, stanza: Option<Bytes>) -> Result<()> {
        let before = self.get(user, contact)?;
        let mut own = before.clone();
        let routed = states::outbound(kind, &mut own);
        let (saw, sees) = (before.from(), own.from());
        self.put(user, &before, own)?;
        if saw && !sees {
            // §3.2.2: while the contact is still subscribed, it is told that everybody is gone.
            self.reveal(user, contact, false);
        }
        if routed {
            self.receive(kind, user, contact, stanza)?;
        }
        if sees && !saw {
            self.reveal(user, contact, true);
        }
        Ok(())
    }

    /// `kind` from `from` comes to `to`, an account of this server or somebody else.
    fn receive(&mut self, kind: Kind, from: &BareJid, to: &BareJid, stanza: Option<Bytes>) -> Result<()> {
        if !self.server.is_local(to.as_jid()) {
            self.tell(kind, from, to, stanza);
            return Ok(());
        }
        if !roster::has_account(self.tx, name(to))? {
            // §8.5.1: silence, so that nobody learns that there is no such account.
            return Ok(());
        }
        let before = self.get(to, from)?;
        let mut now = before.clone();
        let request = || stanza.clone().unwrap_or_else(|| written(kind, from, to));
        let outcome = states::inbound(kind, &mut now, request);
        let new = now.request.is_some() && before.request.is_none();
        if new {
            self.may_ask(to)?;
            if roster::requests(self.tx, name(to))? >= self.server.limits.xmpp_subscription_requests {
                return Ok(());
            }
        }
        let (saw, sees) = (before.from(), now.from());
        match outcome {
            Inbound::Ignore => {}
            Inbound::Deliver => self.tell(kind, from, to, stanza),
            Inbound::Reply(reply) => self.receive(reply, to, from, None)?,
        }
        self.put(to, &before, now)?;
        if saw && !sees {
            self.reveal(to, from, false);
        }
        if sees && matches!(outcome, Inbound::Reply(_)) {
            self.reveal(to, from, true);
        }
        Ok(())
    }

    /// Requests of strangers are limited.
    fn may_ask(&mut self, account: &BareJid) -> Result<()> {
        let Some(origin) = &self.origin else { return Ok(()) };
        if let Err(wait) = strangers::pass(self.tx, self.server, origin, account)? {
            let _ = self.wait.set(wait);
            return Err(StorageError::Constraint("strangers".into()));
        }
        Ok(())
    }

    /// `friend` asks and `user` has agreed before, and the other way round (XEP-0379 §3.5, XEP-0401 §5.4).
    fn befriend(&mut self, user: &BareJid, friend: &BareJid, request: Option<Bytes>) -> Result<()> {
        self.send(Kind::Subscribed, user, friend, None)?;
        self.send(Kind::Subscribe, friend, user, request)?;
        self.send(Kind::Subscribed, friend, user, None)?;
        self.send(Kind::Subscribe, user, friend, None)
    }

    fn tell(&mut self, kind: Kind, from: &BareJid, to: &BareJid, stanza: Option<Bytes>) {
        self.after.push(After::Tell {
            kind,
            from: from.clone(),
            to: to.clone(),
            stanza,
        });
    }
}

/// Changes rosters and sends what follows.
async fn write(
    server: &Arc<Server>,
    origin: Option<Origin>,
    work: impl FnOnce(&mut Change<'_>) -> Result<()> + Send + 'static,
) -> std::result::Result<(), StanzaError> {
    let (of, wait) = (server.clone(), Arc::new(OnceLock::new()));
    let waits = wait.clone();
    let done = server.db.write(move |tx| {
        let mut change = Change {
            tx,
            server: &of,
            origin,
            wait: waits,
            after: Vec::new(),
        };
        work(&mut change)?;
        Ok(change.after)
    });
    match done.await {
        Ok(after) => {
            follow(server, after);
            Ok(())
        }
        Err(e) => Err(wait.get().map_or_else(|| refused(&e), |w| too_fast(*w))),
    }
}

/// Makes two accounts of this server contacts that see each other.
pub(crate) async fn befriend(
    server: &Arc<Server>,
    user: BareJid,
    friend: BareJid,
) -> std::result::Result<(), StanzaError> {
    write(server, None, move |c| c.befriend(&user, &friend, None)).await
}

/// The account of `goodbye` was deleted: both subscriptions of the contact end, as if it had said so itself.
pub(super) async fn farewell(
    server: &Arc<Server>,
    gone: BareJid,
    goodbye: Goodbye,
) -> std::result::Result<(), StanzaError> {
    let work = move |c: &mut Change<'_>| {
        if goodbye.seen {
            c.receive(Kind::Unsubscribed, &gone, &goodbye.contact, None)?;
        }
        if goodbye.saw {
            c.receive(Kind::Unsubscribe, &gone, &goodbye.contact, None)?;
        }
        departed::said(c.tx, &goodbye)
    };
    write(server, None, work).await
}

/// A subscription stanza of a client.
pub(super) async fn change(sent: Sent, contact: BareJid, kind: Kind) {
    let user = sent.origin.bare().clone();
    if contact == user {
        return;
    }
    let stamped = sent.stanza.head().from(user.as_str()).to(contact.as_str());
    let bytes = stamped.default_lang(sent.lang.as_deref()).build().concat();
    let max = sent.server.limits.xmpp_roster_items;
    let invited = kind == Kind::Subscribe && xep0379::is_invited(&sent.server, &sent.stanza, &contact).await;
    let done = write(&sent.server, Some(sent.origin.clone()), move |c| {
        if !c.get(&user, &contact)?.listed
            && matches!(kind, Kind::Subscribe | Kind::Subscribed)
            && roster::count(c.tx, name(&user))? >= max
        {
            return Err(StorageError::Constraint("roster".into()));
        }
        if invited {
            return c.befriend(&contact, &user, Some(bytes));
        }
        c.send(kind, &user, &contact, Some(bytes))
    });
    if let Err(e) = done.await {
        sent.refuse(&e);
    }
}

/// A subscription stanza from elsewhere to an account of this server.
pub(super) async fn arrived(sent: Sent, account: BareJid, kind: Kind) {
    let from = sent.origin.bare().clone();
    let stamped = sent.stanza.head().from(from.as_str()).to(account.as_str());
    let bytes = stamped.build().concat();
    let done = write(&sent.server, Some(sent.origin.clone()), move |c| {
        c.receive(kind, &from, &account, Some(bytes))
    });
    if let Err(e) = done.await {
        sent.refuse(&e);
    }
}

/// A roster set that removes an item (§2.5): both subscriptions end.
pub(crate) async fn remove(
    server: &Arc<Server>,
    user: BareJid,
    contact: BareJid,
) -> std::result::Result<(), StanzaError> {
    let work = move |c: &mut Change<'_>| {
        let before = c.get(&user, &contact)?;
        if !before.listed {
            return Err(StorageError::NotFound);
        }
        if before.to() || before.asked {
            c.send(Kind::Unsubscribe, &user, &contact, None)?;
        }
        if before.from() {
            c.send(Kind::Unsubscribed, &user, &contact, None)?;
        }
        // One push says that it is gone; what it went through on the way concerns nobody.
        c.after
            .retain(|a| !matches!(a, After::Push { owner, .. } if *owner == user));
        let mut gone = Contact::unknown(contact.clone());
        gone.request = before.request;
        roster::put(c.tx, name(&user), &gone)?;
        c.push(&user, gone)
    };
    write(server, None, work).await
}

/// A roster set (§2.3, §2.4): name and groups.
pub(crate) async fn set(
    server: &Arc<Server>,
    user: BareJid,
    contact: BareJid,
    label: Option<String>,
    groups: Vec<String>,
) -> std::result::Result<(), StanzaError> {
    let max = server.limits.xmpp_roster_items;
    let work = move |c: &mut Change<'_>| {
        let before = c.get(&user, &contact)?;
        if !before.listed && roster::count(c.tx, name(&user))? >= max {
            return Err(StorageError::Constraint("roster".into()));
        }
        let mut now = before.clone();
        now.listed = true;
        now.name = label;
        now.groups = groups;
        if before == now {
            // Nothing changes, but the client waits for its push (§2.1.6).
            let version = roster::version(c.tx, name(&user))?;
            c.after.push(After::Push {
                owner: user.clone(),
                item: now.clone(),
                version,
            });
        }
        c.put(&user, &before, now)
    };
    write(server, None, work).await
}

fn refused(e: &StorageError) -> StanzaError {
    match e {
        StorageError::NotFound => StanzaError::new(Condition::ItemNotFound).text("no such contact"),
        StorageError::Constraint(_) => StanzaError::new(Condition::PolicyViolation)
            .of_type(ErrorType::Modify)
            .text("the roster is full; remove a contact first"),
        e if e.is_temporary() => StanzaError::new(Condition::ResourceConstraint)
            .of_type(ErrorType::Wait)
            .text("the roster could not be changed; try again in a moment"),
        e => {
            tracing::error!(error = %e, "a roster could not be changed");
            StanzaError::new(Condition::InternalServerError)
        }
    }
}

/// Sends what follows a committed change.
fn follow(server: &Arc<Server>, after: Vec<After>) {
    for a in after {
        match a {
            After::Push { owner, item, version } => {
                server.strangers.forget(item.jid.as_str(), owner.as_str());
                push(server, &owner, &item, version);
            }
            After::Reveal {
                owner,
                viewer,
                visible,
            } => {
                presence::reveal(server, &owner, &viewer, visible);
                server.registry.contact(server, &owner, &viewer, visible);
            }
            After::Tell {
                kind,
                from,
                to,
                stanza,
            } => tell(server, kind, from, &to, stanza),
        }
    }
}

fn tell(server: &Arc<Server>, kind: Kind, from: BareJid, to: &BareJid, stanza: Option<Bytes>) {
    let stanza = stanza.unwrap_or_else(|| written(kind, &from, to));
    let out = Outgoing::whole(stanza, Class::Presence);
    if !server.is_local(to.as_jid()) {
        let origin = Origin::elsewhere(from.into());
        return outward::abroad_now(server, &origin, to.as_jid(), &out);
    }
    for s in server.sessions.of(name(to)) {
        // §3.1.3: requests to available resources; the rest also to those that know the roster.
        if s.is(Flag::Available) || kind != Kind::Subscribe && s.is(Flag::Interested) {
            let _ = s.send(out.clone());
        }
    }
}
