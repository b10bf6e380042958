//! What other extensions read of an account's nodes: avatars, vCards, bookmarks.

use bytes::Bytes;
use waddle_core::{Jid, Timestamp};
use waddle_stanza::StanzaError;
use waddle_storage::repo::pubsub_items as store;

use crate::{access, engine::PubSub, service::Service};

/// An item as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredItem {
    /// Its identifier.
    pub id: String,
    /// One self-contained element, or nothing.
    pub payload: Option<Bytes>,
    /// When it was published.
    pub at: Timestamp,
}

impl PubSub {
    /// The newest items of a node, the oldest of them first, as far as `from` may retrieve them; nothing where the node
    /// is missing.
    pub async fn stored(
        &self,
        service: Service,
        from: Jid,
        node: String,
        newest: usize,
    ) -> Result<Vec<StoredItem>, StanzaError> {
        let items = self.read(service, from, move |view| {
            let Some(open) = view.find(&node).ok().flatten() else {
                return Ok(Vec::new());
            };
            access::retrieve(&open.config, view.mine(&open)?)?;
            let since = open.since(view.conn.now());
            let most = newest.min(view.limits.pubsub_items_per_node);
            Ok(store::newest(view.conn, open.node.id, since, most)?
                .into_iter()
                .map(|i| StoredItem {
                    id: i.id,
                    payload: i.payload,
                    at: i.at,
                })
                .collect())
        });
        Ok(items.await?)
    }

    /// One item of a node, as far as `from` may retrieve it.
    pub async fn stored_item(
        &self,
        service: Service,
        from: Jid,
        node: String,
        id: String,
    ) -> Result<Option<StoredItem>, StanzaError> {
        let item = self.read(service, from, move |view| {
            let Some(open) = view.find(&node).ok().flatten() else {
                return Ok(None);
            };
            access::retrieve(&open.config, view.mine(&open)?)?;
            let since = open.since(view.conn.now());
            Ok(
                store::get(view.conn, open.node.id, &id, since)?.map(|i| StoredItem {
                    id: i.id,
                    payload: i.payload,
                    at: i.at,
                }),
            )
        });
        Ok(item.await?)
    }
}
