//! Subscriptions: [XEP-0060 §6.1](https://xmpp.org/extensions/xep-0060.html#subscriber-subscribe) to §6.4, and what
//! owners do with them (§8.6, §8.8).

use waddle_core::{BareJid, Jid};
use waddle_stanza::{
    XmlWriter,
    forms::{Field, FieldKind, Form, FormKind},
};
use waddle_storage::repo::{
    pubsub::{self as repo, Subscription},
    pubsub_items as store,
};

use super::{Desk, owner, pubsub};
use crate::{
    access::{self, Approval},
    affiliation::Affiliation,
    config::SendLast,
    engine::Answer,
    error::{self, Result},
    event::{self, Late, News, To},
    ns,
    options::Options,
    view::{Open, View},
};

/// Subscriptions of one person to one node: a device has one each.
const EACH: usize = 16;

fn state(s: &Subscription) -> &'static str {
    if s.pending { "pending" } else { "subscribed" }
}

fn write(w: &mut XmlWriter, node: Option<&str>, s: &Subscription, state: &str) {
    w.open("subscription")
        .attr_opt("node", node)
        .attr("jid", s.jid.as_str());
    w.attr("subscription", state).attr("subid", &s.subid).close();
}

impl View<'_> {
    /// The subscription of an address, for itself or an owner (§6.2.3, §6.3.4).
    fn subscription(&self, open: &Open, jid: &Jid, subid: Option<&str>) -> Result<Subscription> {
        let who = self.who();
        if jid.bare() != who && self.affiliation(&open.node, &who)? != Affiliation::Owner {
            return Err(error::forbidden());
        }
        let found = repo::subscription(self.conn, open.node.id, jid)?;
        let found = found.ok_or_else(error::not_subscribed)?;
        if subid.is_some_and(|s| s != found.subid) {
            return Err(error::invalid_subid());
        }
        Ok(found)
    }

    pub fn options(&self, name: &str, jid: &Jid, subid: Option<&str>) -> Result<XmlWriter> {
        let open = self.open(name)?;
        let s = self.subscription(&open, jid, subid)?;
        let mut w = pubsub();
        w.open("options").attr("node", name).attr("jid", jid.as_str());
        w.attr("subid", &s.subid);
        Options::from_stored(&s.options)
            .to_form(FormKind::Form)
            .write(&mut w);
        Ok(w)
    }

    pub fn default_options() -> XmlWriter {
        let mut w = pubsub();
        w.open("default");
        Options::default().to_form(FormKind::Form).write(&mut w);
        w
    }

    pub fn subscriptions(&self, node: Option<&str>) -> Result<XmlWriter> {
        let mut w = pubsub();
        w.open("subscriptions").attr_opt("node", node);
        if let Some(name) = node {
            let open = self.open(name)?;
            for s in repo::subscriptions_by(self.conn, open.node.id, &self.who())? {
                write(&mut w, Some(name), &s, state(&s));
            }
        } else {
            for (name, s) in repo::subscriptions_of(self.conn, self.service.key(), &self.who())? {
                write(&mut w, Some(&name), &s, state(&s));
            }
        }
        Ok(w)
    }

    pub fn owner_subscriptions(&self, name: &str) -> Result<XmlWriter> {
        let open = self.owned(name)?;
        let mut w = owner();
        w.open("subscriptions").attr("node", name);
        for s in repo::subscriptions(self.conn, open.node.id)? {
            write(&mut w, None, &s, state(&s));
        }
        Ok(w)
    }
}

impl Desk<'_> {
    pub fn subscribe(&mut self, name: &str, jid: Jid, form: Option<&Form>) -> Result<Answer> {
        let open = self.view().open(name)?;
        if jid.bare() != self.from.bare() {
            return Err(error::invalid_jid());
        }
        let approval = access::subscribe(&open.config, self.view().mine(&open)?)?;
        let mut w = pubsub();
        if let Some(s) = repo::subscription(self.tx, open.node.id, &jid)? {
            if s.pending {
                return Err(error::pending());
            }
            write(&mut w, Some(name), &s, state(&s));
            return Ok(Some(w));
        }
        let options = match form {
            Some(form) => Options::default().with_form(form)?,
            None => Options::default(),
        };
        let s = self.add(&open, jid, approval == Approval::Pending, &options)?;
        write(&mut w, Some(name), &s, state(&s));
        if s.pending {
            self.ask_owners(&open, &s)?;
            return Ok(Some(w));
        }
        self.tell_owners(&open, &s, "subscribed")?;
        self.send_last(&open, &s.jid)?;
        Ok(Some(w))
    }

    fn add(&mut self, open: &Open, jid: Jid, pending: bool, options: &Options) -> Result<Subscription> {
        let most = self.shared.limits.pubsub_subscriptions_per_node;
        if repo::count_subscriptions(self.tx, open.node.id)? >= most {
            return Err(error::too_many_subscriptions());
        }
        if repo::subscriptions_by(self.tx, open.node.id, &jid.bare())?.len() >= EACH {
            return Err(error::too_many_subscriptions());
        }
        let s = Subscription {
            jid,
            subid: self.shared.id(),
            pending,
            options: options.to_stored(),
        };
        repo::subscribe(self.tx, open.node.id, &s)?;
        Ok(s)
    }

    /// §6.1.7: the last item to a new subscriber.
    fn send_last(&mut self, open: &Open, to: &Jid) -> Result<()> {
        if open.config.send_last_published_item == SendLast::Never || !open.config.deliver_notifications {
            return Ok(());
        }
        let since = open.since(self.tx.now());
        if let Some(item) = store::last(self.tx, open.node.id, since)? {
            self.event(open, To::One(to.clone()), &News::Item(&item, Late::Yes));
        }
        Ok(())
    }

    /// §8.6: asks the owners whether somebody may subscribe.
    fn ask_owners(&mut self, open: &Open, s: &Subscription) -> Result<()> {
        let form = Form::of_type(FormKind::Form, ns::AUTHORIZATION)
            .title("Subscription request")
            .field(Field::new("pubsub#subid", FieldKind::Hidden).value(&s.subid))
            .field(
                Field::new("pubsub#node", FieldKind::TextSingle)
                    .label("Node")
                    .value(&open.node.name),
            )
            .field(
                Field::new("pubsub#subscriber_jid", FieldKind::JidSingle)
                    .label("Subscriber")
                    .value(s.jid.as_str()),
            )
            .field(
                Field::new("pubsub#allow", FieldKind::Boolean)
                    .label("Allow the subscription")
                    .flag(false),
            );
        let body = [s.jid.as_str(), " asks to subscribe to the node ", &open.node.name].concat();
        let message = event::approval(self.service.address().as_str(), &self.shared.id(), &body, &form);
        for owner in self.view().owners(&open.node)? {
            self.push(open, To::One(owner.as_jid().clone()), message.clone());
        }
        Ok(())
    }

    /// An owner's answer to such a request.
    pub fn decide(&mut self, form: &Form) -> Result<()> {
        let value = |var| {
            form.value(var)
                .ok_or_else(|| error::bad_request("the form is not complete"))
        };
        let open = self.view().owned(value("pubsub#node")?)?;
        let jid: Jid = value("pubsub#subscriber_jid")?
            .parse()
            .map_err(|_| error::invalid_jid())?;
        let allow = form
            .flag("pubsub#allow")
            .ok_or_else(|| error::bad_request("pubsub#allow is yes or no"))?;
        let found = repo::subscription(self.tx, open.node.id, &jid)?;
        let mut s = found.filter(|s| s.pending).ok_or_else(error::not_subscribed)?;
        if form.value("pubsub#subid").is_some_and(|id| id != s.subid) {
            return Err(error::invalid_subid());
        }
        if !allow {
            repo::unsubscribe(self.tx, open.node.id, &jid)?;
            self.tell_state(&open, &s, "none");
            return Ok(());
        }
        s.pending = false;
        repo::subscribe(self.tx, open.node.id, &s)?;
        self.tell_state(&open, &s, "subscribed");
        self.send_last(&open, &jid)
    }

    pub fn unsubscribe(&mut self, name: &str, jid: &Jid, subid: Option<&str>) -> Result<Answer> {
        let open = self.view().open(name)?;
        let s = self.view().subscription(&open, jid, subid)?;
        repo::unsubscribe(self.tx, open.node.id, jid)?;
        self.tell_owners(&open, &s, "none")?;
        let mut w = pubsub();
        write(&mut w, Some(name), &s, "none");
        Ok(Some(w))
    }

    pub fn set_options(&mut self, name: &str, jid: &Jid, subid: Option<&str>, form: &Form) -> Result<Answer> {
        let open = self.view().open(name)?;
        let mut s = self.view().subscription(&open, jid, subid)?;
        s.options = Options::from_stored(&s.options).with_form(form)?.to_stored();
        repo::subscribe(self.tx, open.node.id, &s)?;
        Ok(None)
    }

    /// §8.8: an owner sets subscriptions.
    pub fn set_subscriptions(
        &mut self,
        name: &str,
        list: Vec<(Jid, Option<String>, String)>,
    ) -> Result<Answer> {
        let open = self.view().owned(name)?;
        for (jid, subid, word) in list {
            let found = repo::subscription(self.tx, open.node.id, &jid)?;
            if let (Some(s), Some(subid)) = (&found, &subid)
                && s.subid != *subid
            {
                return Err(error::invalid_subid());
            }
            match (word.as_str(), found) {
                ("none", Some(s)) => {
                    repo::unsubscribe(self.tx, open.node.id, &jid)?;
                    self.tell_state(&open, &s, "none");
                }
                ("none", None) => {}
                ("subscribed", Some(mut s)) if s.pending => {
                    s.pending = false;
                    repo::subscribe(self.tx, open.node.id, &s)?;
                    self.tell_state(&open, &s, "subscribed");
                    self.send_last(&open, &jid)?;
                }
                ("subscribed", Some(_)) => {}
                ("subscribed", None) => {
                    let who: BareJid = jid.bare();
                    if self.view().affiliation(&open.node, &who)? == Affiliation::Outcast {
                        return Err(error::not_acceptable("an outcast cannot be subscribed"));
                    }
                    let s = self.add(&open, jid, false, &Options::default())?;
                    self.tell_state(&open, &s, "subscribed");
                }
                ("pending", Some(s)) if s.pending => {}
                _ => return Err(error::not_acceptable("a subscription cannot get that state")),
            }
        }
        Ok(None)
    }
}
