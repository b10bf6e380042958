//! What presence brings about: last items for who comes online, subscriptions that end with the contact, items that go
//! with their publisher ([XEP-0163 §4.3](https://xmpp.org/extensions/xep-0163.html#notify-last), XEP-0060 §9).

use waddle_core::{BareJid, Jid};
use waddle_stanza::forms::Form;
use waddle_storage::repo::{pubsub as repo, pubsub_items as store};

use crate::{
    access,
    config::SendLast,
    engine::{Outcome, PubSub, Shared},
    error::Result,
    event::{self, Event, Late, News, To},
    ops::Desk,
    service::Service,
    view::{Open, View},
};

/// A last item for one resource, written but not sent.
struct Last {
    node: i64,
    seq: i64,
    event: Event,
}

/// Looks for last items: much reading and writing of XML, which no other write waits for.
struct Search<'a> {
    view: &'a View<'a>,
    shared: &'a Shared,
    found: Vec<Last>,
}

impl Search<'_> {
    /// The last item of a node of `service`, if it is so configured and the resource may have it.
    fn look(&mut self, service: &Service, open: &Open) -> Result<()> {
        let (conn, to) = (self.view.conn, self.view.from);
        // The node may be of another service than the request is for: that of a contact.
        let view = View {
            conn,
            limits: self.view.limits,
            service,
            from: to,
        };
        let allowed = open.config.send_last_published_item == SendLast::OnSubAndPresence
            && open.config.deliver_notifications
            && access::retrieve(&open.config, view.mine(open)?).is_ok();
        if !allowed {
            return Ok(());
        }
        let Some(item) = store::last(conn, open.node.id, open.since(conn.now()))? else {
            return Ok(());
        };
        let from = service.address();
        let (id, name) = (self.shared.id(), &open.node.name);
        let news = News::Item(&item, Late::Yes);
        if let Some(message) = event::write(from.as_str(), &id, name, &open.config, &news) {
            self.found.push(Last {
                node: open.node.id,
                seq: item.seq,
                event: Event {
                    from: from.clone(),
                    to: To::Resource(to.clone()),
                    node: name.clone(),
                    available_only: open.config.presence_based_delivery,
                    message,
                },
            });
        }
        Ok(())
    }
}

fn account(name: &str, domain: &str) -> Option<Service> {
    BareJid::new(Some(name), domain).ok().map(Service::Account)
}

impl PubSub {
    /// Sends last items to a resource. They are looked for on a reader's thread; between two writes they are only handed
    /// over, those that are still the last: what was published meanwhile was told, and nobody hears of it before what
    /// was there before.
    async fn send_last(
        &self,
        service: Service,
        resource: Jid,
        search: impl FnOnce(&mut Search<'_>) -> Result<()> + Send + 'static,
    ) -> Result<()> {
        let shared = self.shared.clone();
        let found = self.read(service.clone(), resource.clone(), move |view| {
            let mut s = Search {
                view,
                shared: &shared,
                found: Vec::new(),
            };
            search(&mut s)?;
            Ok(s.found)
        });
        let found = found.await?;
        // Most have nothing to hear: then no write is waited for.
        if found.is_empty() {
            return Ok(());
        }
        self.write(service, resource, move |desk| {
            let mut outcome = Outcome::default();
            for last in found {
                if store::newest_seq(desk.tx, last.node)? == Some(last.seq) {
                    outcome.events.push(last.event);
                }
            }
            desk.append(outcome);
            Ok(())
        })
        .await
    }

    /// A resource came online, or has new interests: it gets the last items of its own account's nodes and of its
    /// contacts'.
    pub async fn arrived(&self, resource: Jid, interests: Vec<Box<str>>) {
        let own = Service::Account(resource.bare());
        // A node's name at a time, so that nobody waits for long behind somebody with many contacts.
        for name in interests {
            let done = self.send_last(own.clone(), resource.clone(), move |s| {
                let (view, me) = (s.view, s.view.who());
                if let Some(node) = repo::node(view.conn, view.service.key(), &name)? {
                    s.look(view.service, &Open::of(node))?;
                }
                for node in repo::nodes_shown_to(view.conn, &me, &name)? {
                    if let Some(service) = account(&node.service, me.domain()) {
                        s.look(&service, &Open::of(node))?;
                    }
                }
                Ok(())
            });
            report(done.await);
        }
    }

    /// `owner` lets the account of this resource see their presence: it gets the last items of their nodes.
    pub async fn shown(&self, owner: BareJid, resource: Jid, interests: Vec<Box<str>>) {
        let done = self.send_last(Service::Account(owner), resource, move |s| {
            let view = s.view;
            for name in &interests {
                if let Some(node) = repo::node(view.conn, view.service.key(), name)? {
                    s.look(view.service, &Open::of(node))?;
                }
            }
            Ok(())
        });
        report(done.await);
    }

    /// A resource came online: it gets the last items of the nodes of the service on `host` that it subscribed to.
    pub async fn subscriber_arrived(&self, resource: Jid, host: BareJid) {
        let done = self.send_last(Service::Host(host), resource, move |s| {
            let view = s.view;
            for (node, subscription) in repo::subscribed(view.conn, &view.who())? {
                let mine = subscription.jid.is_bare() || subscription.jid == *view.from;
                if node.service.is_empty() && mine {
                    s.look(view.service, &Open::of(node))?;
                }
            }
            Ok(())
        });
        report(done.await);
    }

    /// `viewer` no longer sees the presence of `account`: subscriptions to its nodes that rest on that end.
    pub async fn hidden(&self, owner: BareJid, viewer: BareJid) {
        let service = Service::Account(owner.clone());
        let from = owner.as_jid().clone();
        let done = self.write(service, from, move |desk| {
            let of = owner.local().unwrap_or_default();
            for (node, _) in repo::subscribed(desk.tx, &viewer)? {
                if node.service == of {
                    desk.review(&Open::of(node), Some(&viewer))?;
                }
            }
            Ok(())
        });
        report(done.await);
    }

    /// The last available resource of an account went offline.
    pub async fn left(&self, who: BareJid, host: BareJid) {
        let look = {
            let me = who.clone();
            self.read(Service::Account(who.clone()), who.as_jid().clone(), move |view| {
                Ok(!repo::purged_offline(view.conn, &me)?.is_empty())
            })
        };
        if !look.await.unwrap_or(false) {
            return;
        }
        let own = Service::Account(who.clone());
        let done = self.write(own, who.as_jid().clone(), move |desk| {
            for node in repo::purged_offline(desk.tx, &who)? {
                let service = if node.service.is_empty() {
                    Some(Service::Host(host.clone()))
                } else {
                    account(&node.service, who.domain())
                };
                let Some(service) = service else { continue };
                let mut theirs = Desk::new(desk.tx, desk.shared, &service, who.as_jid());
                theirs.purge_offline(&Open::of(node), &who)?;
                let outcome = theirs.into_outcome();
                desk.append(outcome);
            }
            Ok(())
        });
        report(done.await);
    }

    /// An owner's answer to a request for approval (XEP-0060 §8.6).
    pub async fn decide(
        &self,
        service: Service,
        from: Jid,
        form: Form,
    ) -> std::result::Result<(), waddle_stanza::StanzaError> {
        Ok(self.write(service, from, move |desk| desk.decide(&form)).await?)
    }
}

fn report(done: Result<()>) {
    if let Err(e) = done {
        tracing::warn!(error = %e, "what presence brings about was not done");
    }
}
