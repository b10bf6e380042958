//! What presence brings about: last items for who comes online, subscriptions that end with the contact, items that go
//! with their publisher ([XEP-0163 §4.3](https://xmpp.org/extensions/xep-0163.html#notify-last), XEP-0060 §9).

use waddle_core::{BareJid, Jid};
use waddle_stanza::forms::Form;
use waddle_storage::repo::{pubsub as repo, pubsub_items as store};

use crate::{
    access,
    config::SendLast,
    engine::PubSub,
    error::Result,
    event::{Late, News, To},
    ops::Desk,
    service::Service,
    view::{Open, View},
};

/// Sends the last item of a node to one resource, if it is so configured and they may have it.
fn send_last(desk: &mut Desk<'_>, service: &Service, open: &Open, to: &Jid) -> Result<()> {
    let allowed = {
        let view = View {
            conn: desk.tx,
            limits: &desk.shared.limits,
            service,
            from: to,
        };
        open.config.send_last_published_item == SendLast::OnSubAndPresence
            && open.config.deliver_notifications
            && access::retrieve(&open.config, view.mine(open)?).is_ok()
    };
    if !allowed {
        return Ok(());
    }
    let since = open.since(desk.tx.now());
    if let Some(item) = store::last(desk.tx, open.node.id, since)? {
        // The node may be of another service than the request is for: that of a contact.
        let mut theirs = Desk::new(desk.tx, desk.shared, service, to);
        theirs.event(open, To::Resource(to.clone()), &News::Item(&item, Late::Yes));
        let outcome = theirs.into_outcome();
        desk.append(outcome);
    }
    Ok(())
}

fn account(name: &str, domain: &str) -> Option<Service> {
    BareJid::new(Some(name), domain).ok().map(Service::Account)
}

impl PubSub {
    /// A resource came online, or has new interests: it gets the last items of its own account's nodes and of its
    /// contacts'.
    pub async fn arrived(&self, resource: Jid, interests: Vec<Box<str>>) {
        let own = Service::Account(resource.bare());
        let done = self.write(own.clone(), resource, move |desk| {
            let (to, me) = (desk.from.clone(), desk.from.bare());
            for name in &interests {
                if let Some(node) = repo::node(desk.tx, own.key(), name)? {
                    send_last(desk, &own, &Open::of(node), &to)?;
                }
                for node in repo::nodes_shown_to(desk.tx, &me, name)? {
                    if let Some(service) = account(&node.service, me.domain()) {
                        send_last(desk, &service, &Open::of(node), &to)?;
                    }
                }
            }
            Ok(())
        });
        report(done.await);
    }

    /// `owner` lets the account of this resource see their presence: it gets the last items of their nodes.
    pub async fn shown(&self, owner: BareJid, resource: Jid, interests: Vec<Box<str>>) {
        let service = Service::Account(owner);
        let done = self.write(service.clone(), resource, move |desk| {
            let to = desk.from.clone();
            for name in &interests {
                if let Some(node) = repo::node(desk.tx, service.key(), name)? {
                    send_last(desk, &service, &Open::of(node), &to)?;
                }
            }
            Ok(())
        });
        report(done.await);
    }

    /// A resource came online: it gets the last items of the nodes of the service on `host` that it subscribed to.
    pub async fn subscriber_arrived(&self, resource: Jid, host: BareJid) {
        let me = resource.bare();
        // Most have no subscription at all: that is found out without a write.
        let look = {
            let me = me.clone();
            self.read(Service::Host(host.clone()), resource.clone(), move |view| {
                Ok(!repo::subscribed(view.conn, &me)?.is_empty())
            })
        };
        if !look.await.unwrap_or(false) {
            return;
        }
        let service = Service::Host(host);
        let done = self.write(service.clone(), resource, move |desk| {
            let to = desk.from.clone();
            for (node, s) in repo::subscribed(desk.tx, &me)? {
                let mine = s.jid.is_bare() || s.jid == to;
                if node.service.is_empty() && mine {
                    send_last(desk, &service, &Open::of(node), &to)?;
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
