//! Publishing: [XEP-0060 §7.1](https://xmpp.org/extensions/xep-0060.html#publisher-publish), deleting items (§7.2) and
//! all of them (§8.5).

use waddle_core::BareJid;
use waddle_stanza::forms::Form;
use waddle_storage::repo::{pubsub as repo, pubsub_items as store};

use super::{Desk, pubsub};
use crate::{
    access,
    affiliation::Affiliation,
    config::WhenFull,
    engine::{Answer, Changed},
    error::{self, Result},
    event::{Late, News},
    metrics,
    request::NewItem,
    view::Open,
};

/// How a publication wants its node.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fresh<'a> {
    /// Preconditions; also how it is made.
    pub options: Option<&'a Form>,
    /// How it is made only.
    pub defaults: Option<&'a Form>,
}

impl Desk<'_> {
    pub fn publish(&mut self, name: &str, item: Option<NewItem>, fresh: Fresh<'_>) -> Result<Answer> {
        let open = match self.view().find(name)? {
            Some(open) => {
                access::publish(&open.config, self.view().mine(&open)?)?;
                if let Some(form) = fresh.options {
                    let met = open.config.meets(form, &self.shared.limits);
                    if !met.unwrap_or(false) {
                        return Err(error::precondition_not_met());
                    }
                }
                open
            }
            // Only an account's own nodes come by themselves.
            None if self.service.is_of(&self.from.bare()) => {
                self.make(name, fresh.options.or(fresh.defaults))?
            }
            None => return Err(error::not_found()),
        };
        self.check(&open, item.as_ref())?;
        let mut answer = pubsub();
        answer.open("publish").attr("node", name);
        let Some(item) = item else {
            if open.config.deliver_notifications {
                self.notify(&open, &News::Nothing)?;
            }
            return Ok(Some(answer));
        };
        let id = item.id.clone().unwrap_or_else(|| self.shared.id());
        answer.open("item").attr("id", &id).close();
        let gone = self.keep(&open, &id, &item)?;
        metrics::published();
        let changed = Changed {
            id: id.clone(),
            payload: item.payload.clone(),
        };
        self.changed(name, Some(changed));
        if open.config.deliver_notifications {
            let published = store::Item {
                seq: 0,
                id,
                publisher: self.from.clone(),
                payload: item.payload,
                at: self.tx.now(),
            };
            self.notify(&open, &News::Item(&published, Late::No))?;
            let tell = open.config.publish_node_full == WhenFull::RetractOldest && open.config.notify_retract;
            if tell && !gone.is_empty() {
                self.notify(&open, &News::Retracted(&gone))?;
            }
        }
        Ok(Some(answer))
    }

    /// §7.1.3.4 to §7.1.3.6.
    fn check(&self, open: &Open, item: Option<&NewItem>) -> Result<()> {
        let c = &open.config;
        let Some(item) = item else {
            return if c.persist_items || c.deliver_payloads {
                Err(error::item_required())
            } else {
                Ok(())
            };
        };
        if !c.persist_items && !c.deliver_payloads {
            return Err(error::item_forbidden());
        }
        if item.crowded {
            return Err(error::invalid_payload());
        }
        let Some(payload) = &item.payload else {
            return if c.deliver_payloads {
                Err(error::payload_required())
            } else {
                Ok(())
            };
        };
        if !c.payload_type.is_empty() && c.payload_type != item.payload_ns {
            return Err(error::invalid_payload());
        }
        let most = c.max_payload_size.map_or(usize::MAX, |n| n as usize);
        if payload.len() > most.min(self.shared.limits.pubsub_payload_bytes) {
            return Err(error::payload_too_big());
        }
        Ok(())
    }

    /// Stores an item; the identifiers of those that went to make room.
    fn keep(&mut self, open: &Open, id: &str, item: &NewItem) -> Result<Vec<String>> {
        let c = &open.config;
        let most = c.max_items.within(self.shared.limits.pubsub_items_per_node);
        if !c.persist_items || most == 0 {
            return Ok(Vec::new());
        }
        let node = open.node.id;
        let since = open.since(self.tx.now());
        store::expire(self.tx, node, since)?;
        // What it holds now; what has expired takes no place.
        let live = repo::node(self.tx, self.service.key(), &open.node.name)?.ok_or_else(error::not_found)?;
        let before = store::get(self.tx, node, id, since)?;
        if let Some(old) = &before {
            // Whoever may only publish may not put words into the mouth of others.
            let mine = old.publisher.bare() == self.from.bare();
            let affiliation = self.view().affiliation(&open.node, &self.from.bare())?;
            if !mine && !matches!(affiliation, Affiliation::Owner | Affiliation::Publisher) {
                return Err(error::forbidden());
            }
        } else if c.publish_node_full == WhenFull::Reject && live.items >= most {
            return Err(error::node_full());
        }
        let creator = (self.service.account().is_none()).then_some(&open.node.creator);
        let room = self.shared.limits.pubsub_bytes_per_account;
        let old = before.and_then(|b| b.payload).map_or(0, |p| p.len());
        let new = item.payload.as_ref().map_or(0, bytes::Bytes::len);
        // What makes room for it counts no more.
        let leaving = if most == 1 { live.bytes } else { old };
        let used = repo::bytes(self.tx, self.service.key(), creator)?;
        if used.saturating_sub(leaving) + new > room {
            return Err(error::full("there is no room for more; delete something first"));
        }
        store::put(self.tx, node, id, self.from, item.payload.as_ref())?;
        Ok(store::trim(self.tx, node, most)?)
    }

    pub fn retract(&mut self, name: &str, ids: &[String], notify: bool) -> Result<Answer> {
        let open = self.view().open(name)?;
        let mine = self.view().mine(&open)?;
        if mine.affiliation != Affiliation::Owner {
            access::publish(&open.config, mine)?;
        }
        if !open.config.persist_items {
            return Err(error::unsupported("persistent-items"));
        }
        let since = open.since(self.tx.now());
        for id in ids {
            let item = store::get(self.tx, open.node.id, id, since)?.ok_or_else(error::not_found)?;
            let theirs = item.publisher.bare() != self.from.bare();
            if theirs && mine.affiliation != Affiliation::Owner {
                return Err(error::forbidden());
            }
            store::remove(self.tx, open.node.id, id)?;
        }
        let newest = store::last(self.tx, open.node.id, since)?.map(|i| Changed {
            id: i.id,
            payload: i.payload,
        });
        self.changed(name, newest);
        if (notify || open.config.notify_retract) && open.config.deliver_notifications {
            self.notify(&open, &News::Retracted(ids))?;
        }
        Ok(None)
    }

    pub fn purge(&mut self, name: &str) -> Result<Answer> {
        let open = self.view().owned(name)?;
        if !open.config.persist_items {
            return Err(error::unsupported("persistent-items"));
        }
        store::purge(self.tx, open.node.id)?;
        self.changed(name, None);
        if open.config.notify_retract && open.config.deliver_notifications {
            self.notify(&open, &News::Purged)?;
        }
        Ok(None)
    }

    /// Somebody went offline: their items go from the nodes that want it so (`purge_offline`).
    pub fn purge_offline(&mut self, open: &Open, publisher: &BareJid) -> Result<()> {
        let gone = store::purge_of(self.tx, open.node.id, publisher)?;
        if !gone.is_empty() && open.config.notify_retract && open.config.deliver_notifications {
            self.notify(open, &News::Retracted(&gone))?;
        }
        Ok(())
    }
}
