//! Affiliations: [XEP-0060 §5.7](https://xmpp.org/extensions/xep-0060.html#entity-affiliations) and §8.9.

use waddle_core::BareJid;
use waddle_stanza::XmlWriter;
use waddle_storage::repo::pubsub as repo;

use super::{Desk, owner, pubsub};
use crate::{
    affiliation::Affiliation,
    engine::Answer,
    error::{self, Result},
    view::View,
};

fn write(w: &mut XmlWriter, name: &str, value: &str, affiliation: &str) {
    w.open("affiliation")
        .attr(name, value)
        .attr("affiliation", affiliation)
        .close();
}

impl View<'_> {
    pub fn affiliations(&self, node: Option<&str>) -> Result<XmlWriter> {
        let mut w = pubsub();
        w.open("affiliations").attr_opt("node", node);
        let who = self.who();
        if let Some(name) = node {
            let open = self.open(name)?;
            let mine = self.affiliation(&open.node, &who)?;
            if mine != Affiliation::None {
                write(&mut w, "node", name, mine.name());
            }
        } else if self.service.is_of(&who) {
            let most = self.limits.pubsub_nodes_per_account;
            for n in repo::nodes(self.conn, self.service.key(), "", most)? {
                write(&mut w, "node", &n.name, Affiliation::Owner.name());
            }
        } else {
            for (name, word) in repo::affiliations_of(self.conn, self.service.key(), &who)? {
                write(&mut w, "node", &name, &word);
            }
        }
        Ok(w)
    }

    pub fn owner_affiliations(&self, name: &str) -> Result<XmlWriter> {
        let open = self.owned(name)?;
        let mut w = owner();
        w.open("affiliations").attr("node", name);
        if let Some(account) = self.service.account() {
            write(&mut w, "jid", account.as_str(), Affiliation::Owner.name());
        }
        for (jid, word) in repo::affiliations(self.conn, open.node.id)? {
            write(&mut w, "jid", jid.as_str(), &word);
        }
        Ok(w)
    }
}

impl Desk<'_> {
    pub fn set_affiliations(&mut self, name: &str, list: Vec<(BareJid, Affiliation)>) -> Result<Answer> {
        let open = self.view().owned(name)?;
        for (jid, what) in &list {
            if self.service.is_of(jid) {
                return Err(error::not_acceptable("the account owns its nodes"));
            }
            if self.service.account().is_some() && *what == Affiliation::Owner {
                return Err(error::not_acceptable("an account's nodes have one owner"));
            }
            let word = (*what != Affiliation::None).then(|| what.name());
            repo::affiliate(self.tx, open.node.id, jid, word)?;
        }
        let all = repo::affiliations(self.tx, open.node.id)?;
        if self.service.account().is_none() && !all.iter().any(|(_, a)| a == Affiliation::Owner.name()) {
            return Err(error::not_acceptable("a node has at least one owner"));
        }
        if all.len() > self.shared.limits.pubsub_affiliations_per_node {
            return Err(error::full("the list of affiliations is full"));
        }
        for (jid, _) in &list {
            self.review(&open, Some(jid))?;
        }
        Ok(None)
    }
}
