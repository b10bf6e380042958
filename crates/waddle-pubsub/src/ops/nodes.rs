//! Nodes: made, configured, deleted ([XEP-0060 §8.1](https://xmpp.org/extensions/xep-0060.html#owner-create) to §8.4).

use waddle_stanza::{
    Condition, XmlWriter,
    forms::{Form, FormKind},
};
use waddle_storage::repo::{pubsub as repo, pubsub_items as store};

use super::{Desk, owner, pubsub};
use crate::{
    affiliation::Affiliation,
    config::Access,
    engine::Answer,
    error::{self, Result},
    event::News,
    ns,
    view::{Open, View},
};

/// Bytes of the address that a deleted node went to.
const REDIRECT: usize = 2_048;

impl View<'_> {
    pub fn configuration(&self, name: &str) -> Result<XmlWriter> {
        let open = self.owned(name)?;
        let mut w = owner();
        w.open("configure").attr("node", name);
        open.config.to_form(FormKind::Form).write(&mut w);
        Ok(w)
    }

    pub fn default_config(&self) -> XmlWriter {
        let mut w = owner();
        w.open("default");
        self.service.defaults().to_form(FormKind::Form).write(&mut w);
        w
    }
}

impl Desk<'_> {
    pub fn create(&mut self, name: Option<String>, config: Option<&Form>) -> Result<Answer> {
        let name = name.unwrap_or_else(|| self.shared.id());
        if self.service.account().is_some_and(|a| *a != self.from.bare()) {
            return Err(error::forbidden());
        }
        if repo::node(self.tx, self.service.key(), &name)?.is_some() {
            return Err(Condition::Conflict.into());
        }
        self.make(&name, config)?;
        let mut w = pubsub();
        w.open("create").attr("node", &name);
        Ok(Some(w))
    }

    /// Makes a node for the sender.
    pub(super) fn make(&mut self, name: &str, form: Option<&Form>) -> Result<Open> {
        let limits = &self.shared.limits;
        let who = self.from.bare();
        let mut config = self.service.defaults();
        if let Some(form) = form {
            config = config.with_form(form, limits)?;
        }
        if name == ns::BOOKMARKS && self.service.account().is_some() {
            config.access_model = Access::Whitelist;
        }
        let key = self.service.key();
        match self.service.account() {
            Some(_) if repo::count_nodes(self.tx, key)? >= limits.pubsub_nodes_per_account => {
                return Err(error::full("there are too many nodes; delete one first"));
            }
            None if repo::count_nodes_by(self.tx, key, &who)? >= limits.pubsub_nodes_per_user => {
                return Err(error::max_nodes());
            }
            _ => {}
        }
        let node = repo::create(self.tx, key, name, &config.to_stored(), &who)?;
        if config.purge_offline {
            repo::configure(self.tx, node.id, &node.config, true)?;
        }
        if self.service.account().is_none() {
            repo::affiliate(self.tx, node.id, &who, Some(Affiliation::Owner.name()))?;
        }
        Ok(Open { node, config })
    }

    pub fn configure(&mut self, name: &str, form: &Form) -> Result<Answer> {
        let before = self.view().owned(name)?;
        let config = before.config.with_form(form, &self.shared.limits)?;
        if config == before.config {
            return Ok(None);
        }
        repo::configure(self.tx, before.node.id, &config.to_stored(), config.purge_offline)?;
        let most = config.max_items.within(self.shared.limits.pubsub_items_per_node);
        if config.persist_items {
            store::trim(self.tx, before.node.id, most)?;
        } else {
            store::purge(self.tx, before.node.id)?;
        }
        let open = Open {
            node: before.node,
            config,
        };
        let narrower = open.config.access_model != before.config.access_model
            || open.config.roster_groups_allowed != before.config.roster_groups_allowed;
        if narrower {
            self.review(&open, None)?;
        }
        if open.config.notify_config && open.config.deliver_notifications {
            self.notify(&open, &News::Configured)?;
        }
        Ok(None)
    }

    pub fn delete(&mut self, name: &str, redirect: Option<&str>) -> Result<Answer> {
        let open = self.view().owned(name)?;
        if redirect.is_some_and(|r| r.len() > REDIRECT) {
            return Err(error::not_acceptable("the address is too long"));
        }
        let to = self.view().recipients(&open)?;
        repo::delete(self.tx, &open.node, redirect)?;
        self.changed(name, None);
        if open.config.notify_delete {
            self.notify_these(&open, to, &News::Deleted(redirect));
        }
        Ok(None)
    }
}
