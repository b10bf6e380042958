//! Presence subscriptions and the changes that they make in both rosters (RFC 6121 §3, appendix A).
//!
//! Both sides are accounts of this server, so one transaction changes both rosters; what is to be sent
//! follows its commit.

use std::sync::Arc;

use bytes::Bytes;
use waddle_core::BareJid;
use waddle_stanza::{Class, Condition, ErrorType, Outgoing, StanzaError, XmlWriter};
use waddle_storage::{
    Result, StorageError, Tx,
    repo::roster::{self, Contact, FROM, TO},
};

use super::{Sent, presence};
use crate::{server::Server, session::Flag, xep::rfc6121_roster::push};

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
    /// A subscription stanza to an account: its type, from whom, to whom, and the stanza where there is one.
    Tell {
        /// `subscribe`, `subscribed`, `unsubscribe` or `unsubscribed`.
        kind: &'static str,
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

/// A change of both rosters, within a write.
struct Change<'a> {
    tx: &'a mut Tx,
    after: Vec<After>,
}

fn name(jid: &BareJid) -> &str {
    jid.local().unwrap_or_default()
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
            let version = roster::raise_version(self.tx, name(owner))?;
            self.after.push(After::Push {
                owner: owner.clone(),
                item: now,
                version,
            });
        }
        Ok(())
    }

    fn tell(&mut self, kind: &'static str, from: &BareJid, to: &BareJid, stanza: Option<Bytes>) {
        self.after.push(After::Tell {
            kind,
            from: from.clone(),
            to: to.clone(),
            stanza,
        });
    }

    fn reveal(&mut self, owner: &BareJid, viewer: &BareJid, visible: bool) {
        self.after.push(After::Reveal {
            owner: owner.clone(),
            viewer: viewer.clone(),
            visible,
        });
    }

    /// §3.1: `user` asks to see `contact`.
    fn subscribe(&mut self, user: &BareJid, contact: &BareJid, exists: bool, stanza: Bytes) -> Result<()> {
        let before = self.get(user, contact)?;
        let mut own = before.clone();
        own.listed = true;
        let theirs = self.get(contact, user)?;
        if !exists {
            // §3.1.3 rule 1: as if the contact had said no.
            self.put(user, &before, own)?;
            self.tell("unsubscribed", contact, user, None);
            return Ok(());
        }
        if theirs.from() || theirs.approved {
            own.subscription |= TO;
            own.asked = false;
            self.put(user, &before, own)?;
            let mut now = theirs.clone();
            now.subscription |= FROM;
            now.approved = false;
            now.request = None;
            now.listed = true;
            self.put(contact, &theirs, now)?;
            self.tell("subscribed", contact, user, None);
            self.reveal(contact, user, true);
            return Ok(());
        }
        own.asked = !own.to();
        self.put(user, &before, own)?;
        let mut now = theirs.clone();
        now.request = Some(stanza.clone());
        self.put(contact, &theirs, now)?;
        self.tell("subscribe", user, contact, Some(stanza));
        Ok(())
    }

    /// §3.1.5, §3.4: `user` lets `contact` see them, now or when they ask.
    fn subscribed(&mut self, user: &BareJid, contact: &BareJid, stanza: Option<Bytes>) -> Result<()> {
        let before = self.get(user, contact)?;
        let mut own = before.clone();
        if before.from() {
            return Ok(());
        }
        own.listed = true;
        if before.request.is_none() {
            own.approved = true;
            return self.put(user, &before, own);
        }
        own.request = None;
        own.approved = false;
        own.subscription |= FROM;
        self.put(user, &before, own)?;
        let theirs = self.get(contact, user)?;
        if theirs.asked {
            let mut now = theirs.clone();
            now.asked = false;
            now.subscription |= TO;
            self.tell("subscribed", user, contact, stanza);
            self.put(contact, &theirs, now)?;
        }
        self.reveal(user, contact, true);
        Ok(())
    }

    /// §3.3: `user` no longer wants to see `contact`.
    fn unsubscribe(&mut self, user: &BareJid, contact: &BareJid, stanza: Option<Bytes>) -> Result<()> {
        let before = self.get(user, contact)?;
        let mut own = before.clone();
        let had = before.to() || before.asked;
        own.subscription &= !TO;
        own.asked = false;
        self.put(user, &before, own)?;
        let theirs = self.get(contact, user)?;
        let mut now = theirs.clone();
        now.subscription &= !FROM;
        now.request = None;
        if had || now != theirs {
            self.tell("unsubscribe", user, contact, stanza);
        }
        self.put(contact, &theirs, now)?;
        if before.to() {
            self.reveal(contact, user, false);
        }
        Ok(())
    }

    /// §3.2: `user` no longer lets `contact` see them, or refuses to.
    fn unsubscribed(&mut self, user: &BareJid, contact: &BareJid, stanza: Option<Bytes>) -> Result<()> {
        let before = self.get(user, contact)?;
        let mut own = before.clone();
        let had = before.from() || before.request.is_some();
        own.subscription &= !FROM;
        own.request = None;
        own.approved = false;
        self.put(user, &before, own)?;
        if !had {
            return Ok(());
        }
        if before.from() {
            self.reveal(user, contact, false);
        }
        let theirs = self.get(contact, user)?;
        let mut now = theirs.clone();
        now.subscription &= !TO;
        now.asked = false;
        self.tell("unsubscribed", user, contact, stanza);
        self.put(contact, &theirs, now)
    }
}

/// A subscription stanza of a client.
pub(super) async fn change(sent: Sent, contact: BareJid, kind: String) {
    let Sent {
        server,
        session,
        stanza,
        lang,
    } = &sent;
    let user = session.bare.clone();
    if contact == user {
        return;
    }
    let stamped = stanza.head().from(user.as_str()).to(contact.as_str());
    let bytes = stamped.default_lang(lang.as_deref()).build().concat();
    let exists = kind != "subscribe" || server.account_exists(contact.local().unwrap_or_default()).await;
    let max = server.limits.xmpp_roster_items;
    let done = server
        .db
        .write(move |tx| {
            let known = roster::get(tx, name(&user), &contact)?;
            if !known.listed && roster::count(tx, name(&user))? >= max {
                return Err(StorageError::Constraint("roster".into()));
            }
            let mut c = Change {
                tx,
                after: Vec::new(),
            };
            match kind.as_str() {
                "subscribe" => c.subscribe(&user, &contact, exists, bytes)?,
                "subscribed" => c.subscribed(&user, &contact, Some(bytes))?,
                "unsubscribe" => c.unsubscribe(&user, &contact, Some(bytes))?,
                _ => c.unsubscribed(&user, &contact, Some(bytes))?,
            }
            Ok(c.after)
        })
        .await;
    match done {
        Ok(after) => follow(server, after),
        Err(e) => sent.refuse(&refused(&e)),
    }
}

/// A roster set that removes an item (§2.5): both subscriptions end.
pub(crate) async fn remove(server: &Arc<Server>, user: BareJid, contact: BareJid) -> Result<(), StanzaError> {
    let done = server
        .db
        .write(move |tx| {
            let before = roster::get(tx, name(&user), &contact)?;
            if !before.listed {
                return Err(StorageError::NotFound);
            }
            let mut c = Change {
                tx,
                after: Vec::new(),
            };
            c.unsubscribe(&user, &contact, None)?;
            c.unsubscribed(&user, &contact, None)?;
            // One push says that it is gone; what it went through on the way concerns nobody.
            c.after
                .retain(|a| !matches!(a, After::Push { owner, .. } if *owner == user));
            let before = c.get(&user, &contact)?;
            let mut gone = Contact::unknown(contact.clone());
            gone.request.clone_from(&before.request);
            c.put(
                &user,
                &Contact {
                    listed: true,
                    ..before
                },
                gone,
            )?;
            Ok(c.after)
        })
        .await;
    match done {
        Ok(after) => {
            follow(server, after);
            Ok(())
        }
        Err(e) => Err(refused(&e)),
    }
}

/// A roster set (§2.3, §2.4): name and groups.
pub(crate) async fn set(
    server: &Arc<Server>,
    user: BareJid,
    contact: BareJid,
    label: Option<String>,
    groups: Vec<String>,
) -> Result<(), StanzaError> {
    let max = server.limits.xmpp_roster_items;
    let done = server
        .db
        .write(move |tx| {
            let before = roster::get(tx, name(&user), &contact)?;
            if !before.listed && roster::count(tx, name(&user))? >= max {
                return Err(StorageError::Constraint("roster".into()));
            }
            let mut now = before.clone();
            now.listed = true;
            now.name = label;
            now.groups = groups;
            let mut c = Change {
                tx,
                after: Vec::new(),
            };
            if before == now {
                // Nothing changes, but the client waits for its push (§2.1.6).
                let version = roster::version(c.tx, name(&user))?;
                c.after.push(After::Push {
                    owner: user.clone(),
                    item: now.clone(),
                    version,
                });
            }
            c.put(&user, &before, now)?;
            Ok(c.after)
        })
        .await;
    match done {
        Ok(after) => {
            follow(server, after);
            Ok(())
        }
        Err(e) => Err(refused(&e)),
    }
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
            After::Push { owner, item, version } => push(server, &owner, &item, version),
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
            } => {
                let stanza = stanza.unwrap_or_else(|| {
                    let mut w = XmlWriter::presence();
                    w.attr("type", kind)
                        .attr("from", from.as_str())
                        .attr("to", to.as_str());
                    w.finish()
                });
                let out = Outgoing::whole(stanza, Class::Presence);
                for s in server.sessions.of(to.local().unwrap_or_default()) {
                    // §3.1.3: requests to available resources; the rest also to those that know the roster.
                    if s.is(Flag::Available) || kind != "subscribe" && s.is(Flag::Interested) {
                        let _ = s.send(out.clone());
                    }
                }
            }
        }
    }
}
