//! What requests do, a file per kind, inside one step of the database.

use waddle_core::{BareJid, Jid};
use waddle_stanza::{HeadTemplate, XmlWriter};
use waddle_storage::{
    Tx,
    repo::pubsub::{self as repo, Subscription},
};

use crate::{
    access::{self, Approval},
    affiliation::Affiliation,
    config::Config,
    engine::{Answer, Changed, Outcome, Shared},
    error::Result,
    event::{self, Event, News, Recipient, To},
    ns,
    request::Request,
    service::Service,
    view::{Open, View},
};

mod affiliations;
mod items;
mod nodes;
mod publish;
mod subscriptions;

pub(crate) use publish::Fresh;

/// A request that changes something, at work in a transaction.
pub(crate) struct Desk<'a> {
    pub tx: &'a mut Tx,
    pub shared: &'a Shared,
    pub service: &'a Service,
    pub from: &'a Jid,
    outcome: Outcome,
}

impl<'a> Desk<'a> {
    pub fn new(tx: &'a mut Tx, shared: &'a Shared, service: &'a Service, from: &'a Jid) -> Self {
        Self {
            tx,
            shared,
            service,
            from,
            outcome: Outcome::default(),
        }
    }

    pub fn append(&mut self, outcome: Outcome) {
        self.outcome.events.extend(outcome.events);
        self.outcome.changes.extend(outcome.changes);
    }

    pub fn into_outcome(self) -> Outcome {
        self.outcome
    }

    /// Notes what an account's node now has as its newest item.
    fn changed(&mut self, node: &str, item: Option<Changed>) {
        if let Some(account) = self.service.account() {
            self.outcome
                .changes
                .push((account.clone(), node.to_owned(), item));
        }
    }

    /// The same look that a reading request has.
    pub fn view(&self) -> View<'_> {
        View {
            conn: self.tx,
            limits: &self.shared.limits,
            service: self.service,
            from: self.from,
        }
    }

    /// Does what is asked for.
    pub fn perform(&mut self, request: Request) -> Result<Answer> {
        match request {
            Request::Subscribe { node, jid, options } => self.subscribe(&node, jid, options.as_ref()),
            Request::Unsubscribe { node, jid, subid } => self.unsubscribe(&node, &jid, subid.as_deref()),
            Request::Options {
                node,
                jid,
                subid,
                set: Some(form),
            } => self.set_options(&node, &jid, subid.as_deref(), &form),
            Request::Publish {
                node,
                item,
                options,
                defaults,
            } => self.publish(
                &node,
                item,
                Fresh {
                    options: options.as_ref(),
                    defaults: defaults.as_ref(),
                },
            ),
            Request::Retract { node, ids, notify } => self.retract(&node, &ids, notify),
            Request::Create { node, config } => self.create(node, config.as_ref()),
            Request::Configure {
                node,
                set: Some(form),
            } => self.configure(&node, &form),
            Request::Delete { node, redirect } => self.delete(&node, redirect.as_deref()),
            Request::Purge { node } => self.purge(&node),
            Request::OwnerSubscriptions {
                node,
                set: Some(list),
            } => self.set_subscriptions(&node, list),
            Request::OwnerAffiliations {
                node,
                set: Some(list),
            } => self.set_affiliations(&node, list),
            reading => self.view().answer(reading).map(Some),
        }
    }

    /// Tells everybody who gets notifications of the node.
    fn notify(&mut self, open: &Open, news: &News<'_>) -> Result<()> {
        let to = self.view().recipients(open)?;
        self.notify_these(open, to, news);
        Ok(())
    }

    fn notify_these(&mut self, open: &Open, to: Vec<Recipient>, news: &News<'_>) {
        if !to.is_empty() {
            self.event(open, To::Node(to), news);
        }
    }

    /// Tells somebody something about the node.
    pub fn event(&mut self, open: &Open, to: To, news: &News<'_>) {
        let message = self.written(&open.node.name, &open.config, news);
        self.push(open, to, message);
    }

    fn written(&self, node: &str, config: &Config, news: &News<'_>) -> Option<HeadTemplate> {
        event::write(
            self.service.address().as_str(),
            &self.shared.id(),
            node,
            config,
            news,
        )
    }

    fn push(&mut self, open: &Open, to: To, message: Option<HeadTemplate>) {
        if let Some(message) = message {
            self.outcome.events.push(Event {
                from: self.service.address().clone(),
                to,
                node: open.node.name.clone(),
                available_only: open.config.presence_based_delivery,
                message,
            });
        }
    }

    /// Tells the owners who want to know of a subscription (`notify_sub`).
    fn tell_owners(&mut self, open: &Open, s: &Subscription, state: &'static str) -> Result<()> {
        if open.config.notify_sub {
            for owner in self.view().owners(&open.node)? {
                self.event(
                    open,
                    To::One(owner.as_jid().clone()),
                    &News::Subscription(&s.jid, &s.subid, state),
                );
            }
        }
        Ok(())
    }

    /// Ends subscriptions that the node no longer grants, and grants those that waited for no reason any more; of
    /// everybody or of one person.
    pub fn review(&mut self, open: &Open, whom: Option<&BareJid>) -> Result<()> {
        let all = match whom {
            Some(who) => repo::subscriptions_by(self.tx, open.node.id, who)?,
            None => repo::subscriptions(self.tx, open.node.id)?,
        };
        for mut s in all {
            let mut standing = self.view().standing(open, &s.jid.bare())?;
            match access::subscribe(&open.config, standing) {
                Ok(Approval::Now) if s.pending => {
                    s.pending = false;
                    repo::subscribe(self.tx, open.node.id, &s)?;
                    self.tell_state(open, &s, "subscribed");
                }
                Ok(Approval::Now) => {}
                // Who was let in once stays.
                Ok(Approval::Pending) => {}
                Err(_) => {
                    standing.subscribed = false;
                    let outcast = standing.affiliation == Affiliation::Outcast;
                    if outcast || access::retrieve(&open.config, standing).is_err() {
                        repo::unsubscribe(self.tx, open.node.id, &s.jid)?;
                        self.tell_state(open, &s, "none");
                    }
                }
            }
        }
        Ok(())
    }

    /// Tells a subscriber the state of their subscription (§8.6, §8.8.4).
    fn tell_state(&mut self, open: &Open, s: &Subscription, state: &'static str) {
        self.event(
            open,
            To::One(s.jid.clone()),
            &News::Subscription(&s.jid, &s.subid, state),
        );
    }
}

impl View<'_> {
    /// Answers a request that changes nothing.
    pub fn answer(&self, request: Request) -> Result<XmlWriter> {
        match request {
            Request::Options { node, jid, subid, .. } => self.options(&node, &jid, subid.as_deref()),
            Request::DefaultOptions => Ok(Self::default_options()),
            Request::Subscriptions { node } => self.subscriptions(node.as_deref()),
            Request::Affiliations { node } => self.affiliations(node.as_deref()),
            Request::Items {
                node,
                ids,
                max,
                page,
                subid,
            } => self.items(&node, &ids, max, page.as_ref(), subid.as_deref()),
            Request::Configure { node, .. } => self.configuration(&node),
            Request::DefaultConfig => Ok(self.default_config()),
            Request::OwnerSubscriptions { node, .. } => self.owner_subscriptions(&node),
            Request::OwnerAffiliations { node, .. } => self.owner_affiliations(&node),
            _ => Err(waddle_stanza::Condition::UnexpectedRequest.into()),
        }
    }
}

/// Starts the payload of an answer.
fn pubsub() -> XmlWriter {
    let mut w = XmlWriter::new();
    w.open_ns("pubsub", ns::PUBSUB);
    w
}

/// Starts the payload of an answer to an owner.
fn owner() -> XmlWriter {
    let mut w = XmlWriter::new();
    w.open_ns("pubsub", ns::OWNER);
    w
}
