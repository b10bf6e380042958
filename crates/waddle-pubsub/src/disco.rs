//! What is to be discovered: nodes, what is known of them, and their items
//! ([XEP-0060 §5.2](https://xmpp.org/extensions/xep-0060.html#entity-nodes) to §5.5).

use waddle_core::Jid;
use waddle_stanza::{
    StanzaError,
    disco::{DiscoInfo, DiscoItem, DiscoItems, Identity},
    forms::{Field, FieldKind},
    rsm::{PageRequest, PageResult, Place},
};
use waddle_storage::repo::{pubsub as repo, pubsub_items as store};

use crate::{
    access,
    affiliation::Affiliation,
    engine::PubSub,
    error::{self, Result},
    ns,
    service::Service,
    view::{Open, View},
};

type Answer<T> = std::result::Result<T, StanzaError>;

impl PubSub {
    /// What is known of a node, for those who may see it.
    pub async fn node_info(&self, service: Service, from: Jid, node: String) -> Answer<DiscoInfo> {
        let info = self.read(service, from, move |view| {
            let open = view.open(&node)?;
            if !access::discover(&open.config, view.mine(&open)?) {
                return Err(error::not_found());
            }
            view.info(&open)
        });
        Ok(info.await?)
    }

    /// The nodes that `from` may see, a page of them.
    pub async fn nodes(&self, service: Service, from: Jid, page: PageRequest) -> Answer<DiscoItems> {
        let items = self.read(service, from, move |view| view.nodes(&page));
        Ok(items.await?)
    }

    /// The names of a node's items, a page of them.
    pub async fn node_items(
        &self,
        service: Service,
        from: Jid,
        node: String,
        page: PageRequest,
    ) -> Answer<DiscoItems> {
        let items = self.read(service, from, move |view| view.names(&node, &page));
        Ok(items.await?)
    }
}

impl View<'_> {
    fn info(&self, open: &Open) -> Result<DiscoInfo> {
        let mut form = open.config.meta_data();
        let mut add = |var: &str, kind, values: Vec<String>| {
            let mut f = Field::new(var, kind);
            f.values = values;
            form.fields.push(f);
        };
        add(
            "pubsub#creator",
            FieldKind::JidSingle,
            vec![open.node.creator.to_string()],
        );
        add(
            "pubsub#creation_date",
            FieldKind::TextSingle,
            vec![open.node.created_at.to_string()],
        );
        let owners = self.owners(&open.node)?.iter().map(ToString::to_string).collect();
        add("pubsub#owner", FieldKind::JidMulti, owners);
        let publishers = repo::affiliations(self.conn, open.node.id)?
            .into_iter()
            .filter(|(_, a)| a == Affiliation::Publisher.name())
            .map(|(j, _)| j.to_string())
            .collect();
        add("pubsub#publisher", FieldKind::JidMulti, publishers);
        let subscribers = repo::count_subscriptions(self.conn, open.node.id)?;
        add(
            "pubsub#num_subscribers",
            FieldKind::TextSingle,
            vec![subscribers.to_string()],
        );
        Ok(DiscoInfo {
            node: Some(open.node.name.clone()),
            identities: vec![Identity::new("pubsub", "leaf", &open.config.title)],
            features: vec![ns::PUBSUB.to_owned(), waddle_stanza::ns::DISCO_INFO.to_owned()],
            forms: vec![form],
        })
    }

    fn nodes(&self, page: &PageRequest) -> Result<DiscoItems> {
        let after = match &page.place {
            Place::First => "",
            Place::After(name) => name,
            _ => return Err(waddle_stanza::Condition::FeatureNotImplemented.into()),
        };
        let limit = page.limit(self.limits.pubsub_page);
        let (mut items, mut at, mut more) = (Vec::new(), after.to_owned(), true);
        // Nodes that are not to be seen take no place on the page; each look is bounded all the same.
        while items.len() < limit && more {
            let found = repo::nodes(self.conn, self.service.key(), &at, limit)?;
            more = found.len() == limit;
            for node in found {
                node.name.clone_into(&mut at);
                let open = Open::of(node);
                if items.len() < limit && access::discover(&open.config, self.mine(&open)?) {
                    items.push(DiscoItem {
                        jid: self.service.address().to_string(),
                        name: Some(open.config.title).filter(|t| !t.is_empty()),
                        node: Some(open.node.name),
                    });
                }
            }
        }
        let name = |i: &DiscoItem| i.node.clone().unwrap_or_default();
        let told = PageResult {
            first: items.first().map(|i| (name(i), None)),
            last: items.last().map(name),
            count: None,
        };
        Ok(DiscoItems {
            node: None,
            page: (items.len() == limit || page.max.is_some()).then_some(told),
            items,
        })
    }

    fn names(&self, node: &str, page: &PageRequest) -> Result<DiscoItems> {
        let open = self.open(node)?;
        access::retrieve(&open.config, self.mine(&open)?)?;
        let since = open.since(self.conn.now());
        let limit = page.limit(self.limits.pubsub_page);
        let behind = match &page.place {
            Place::First => i64::MIN,
            Place::After(id) => {
                store::get(self.conn, open.node.id, id, since)?
                    .ok_or_else(error::not_found)?
                    .seq
            }
            _ => return Err(waddle_stanza::Condition::FeatureNotImplemented.into()),
        };
        let found = store::after(self.conn, open.node.id, behind, since, limit)?;
        let told = PageResult {
            first: found.first().map(|i| (i.id.clone(), None)),
            last: found.last().map(|i| i.id.clone()),
            count: u32::try_from(open.node.items).ok(),
        };
        Ok(DiscoItems {
            node: Some(node.to_owned()),
            page: (found.len() == limit || page.max.is_some()).then_some(told),
            items: found
                .into_iter()
                .map(|i| DiscoItem {
                    jid: self.service.address().to_string(),
                    node: None,
                    name: Some(i.id),
                })
                .collect(),
        })
    }
}
