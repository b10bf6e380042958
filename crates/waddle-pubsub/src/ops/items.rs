//! Retrieving items: [XEP-0060 §6.5](https://xmpp.org/extensions/xep-0060.html#subscriber-retrieve), in pages by
//! XEP-0059. Items come in the order of their publication.

use ahash::AHashSet;
use waddle_core::Timestamp;
use waddle_stanza::{
    XmlWriter,
    rsm::{PageRequest, PageResult, Place},
};
use waddle_storage::repo::{
    pubsub as repo,
    pubsub_items::{self as store, Item},
};

use super::pubsub;
use crate::{
    access,
    config::ItemReply,
    error::{self, Result},
    event,
    view::{Open, View},
};

/// Items of one answer, and where they lie among all of them.
struct Page {
    items: Vec<Item>,
    /// Whether the answer must say where it lies.
    told: bool,
}

/// Bytes of an answer that an item takes.
fn size(i: &Item) -> usize {
    i.payload.as_ref().map_or(0, bytes::Bytes::len) + i.id.len() + 32
}

impl View<'_> {
    pub fn items(
        &self,
        name: &str,
        ids: &[String],
        max: Option<usize>,
        page: Option<&PageRequest>,
        subid: Option<&str>,
    ) -> Result<XmlWriter> {
        let open = self.open(name)?;
        access::retrieve(&open.config, self.mine(&open)?)?;
        if let Some(subid) = subid {
            let theirs = repo::subscriptions_by(self.conn, open.node.id, &self.who())?;
            if !theirs.iter().any(|s| s.subid == subid) {
                return Err(error::invalid_subid());
            }
        }
        if !open.config.persist_items {
            return Err(error::unsupported("persistent-items"));
        }
        let since = open.since(self.conn.now());
        let page = if ids.is_empty() {
            self.page(&open, since, max, page)?
        } else {
            Page {
                items: self.named(&open, since, ids)?,
                told: false,
            }
        };
        self.write_items(&open, since, page)
    }

    fn page(
        &self,
        open: &Open,
        since: Timestamp,
        max: Option<usize>,
        page: Option<&PageRequest>,
    ) -> Result<Page> {
        let node = open.node.id;
        let Some(page) = page else {
            let most = self.limits.pubsub_items_per_node;
            let mut items = store::newest(self.conn, node, since, max.map_or(most, |m| m.min(most)))?;
            let told = self.fit(&mut items, true);
            return Ok(Page { items, told });
        };
        let limit = page.limit(self.limits.pubsub_page).min(max.unwrap_or(usize::MAX));
        let seq = |id: &str| -> Result<i64> {
            Ok(store::get(self.conn, node, id, since)?
                .ok_or_else(error::not_found)?
                .seq)
        };
        let mut backwards = false;
        let mut items = match &page.place {
            Place::First => store::after(self.conn, node, i64::MIN, since, limit)?,
            Place::After(id) => store::after(self.conn, node, seq(id)?, since, limit)?,
            Place::Index(i) => store::from_index(self.conn, node, *i as usize, since, limit)?,
            Place::Last => {
                backwards = true;
                store::newest(self.conn, node, since, limit)?
            }
            Place::Before(id) => {
                backwards = true;
                store::before(self.conn, node, seq(id)?, since, limit)?
            }
        };
        self.fit(&mut items, backwards);
        Ok(Page { items, told: true })
    }

    /// Items by identifier, each once, as many as an answer has room for.
    fn named(&self, open: &Open, since: Timestamp, ids: &[String]) -> Result<Vec<Item>> {
        let mut had = AHashSet::with_capacity(ids.len());
        let mut items = Vec::new();
        let mut bytes = 0;
        for id in ids.iter().filter(|id| had.insert(id.as_str())) {
            if let Some(item) = store::get(self.conn, open.node.id, id, since)? {
                bytes += size(&item);
                if bytes > self.limits.pubsub_answer_bytes && !items.is_empty() {
                    break;
                }
                items.push(item);
            }
        }
        Ok(items)
    }

    /// Leaves out what would make the answer too big: the oldest or the newest; whether anything was.
    fn fit(&self, items: &mut Vec<Item>, oldest: bool) -> bool {
        let mut bytes: usize = items.iter().map(size).sum();
        let before = items.len();
        while bytes > self.limits.pubsub_answer_bytes && items.len() > 1 {
            let gone = if oldest {
                items.remove(0)
            } else {
                items.remove(items.len() - 1)
            };
            bytes -= size(&gone);
        }
        items.len() < before
    }

    fn write_items(&self, open: &Open, since: Timestamp, page: Page) -> Result<XmlWriter> {
        let publisher = open.config.itemreply == Some(ItemReply::Publisher);
        let mut w = pubsub();
        w.open("items").attr("node", &open.node.name);
        for i in &page.items {
            event::item(&mut w, i, publisher, true);
        }
        w.close();
        if page.told {
            let count = store::index_of(self.conn, open.node.id, i64::MAX, since)?;
            let first = match page.items.first() {
                Some(i) => {
                    let index = store::index_of(self.conn, open.node.id, i.seq, since)?;
                    Some((i.id.clone(), u32::try_from(index).ok()))
                }
                None => None,
            };
            PageResult {
                first,
                last: page.items.last().map(|i| i.id.clone()),
                count: u32::try_from(count).ok(),
            }
            .write(&mut w);
        }
        Ok(w)
    }
}
