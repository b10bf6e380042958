//! Publish-subscribe between the engine and the sessions: who is there, where notifications go, how requests come
//! ([XEP-0060](https://xmpp.org/extensions/xep-0060.html), [XEP-0163](https://xmpp.org/extensions/xep-0163.html)).

use std::sync::{Arc, Weak};

use waddle_core::{BareJid, Jid};
use waddle_pubsub::{Changed, Host, Request, Resource, Service};
use waddle_stanza::{
    Element, Outgoing, XmlWriter,
    rsm::{PageRequest, PageResult},
};

use crate::{
    personal::{avatar, displayed},
    router::{Origin, blocks, inbound_now},
    server::Server,
    session::Flag,
    xep::{Answer, IqResult},
};

/// The sessions, as the engine sees them.
pub(crate) struct Around(pub Weak<Server>);

impl Host for Around {
    fn deliver(&self, from: &BareJid, to: &Jid, message: Outgoing) {
        let Some(server) = self.0.upgrade() else { return };
        // Who has a session has their list in memory; the account may have none.
        let unread = from.local().filter(|owner| {
            from.as_str() != to.bare_str()
                && server.is_local(from.as_jid())
                && server.blocks.peek(owner).is_none()
        });
        let Some(owner) = unread.map(str::to_owned) else {
            return hand_over(&server, from, to, message);
        };
        let (from, to, runtime) = (from.clone(), to.clone(), server.runtime.clone());
        runtime.spawn(async move {
            if blocks::load(&server, &owner).await {
                hand_over(&server, &from, &to, message);
            }
        });
    }

    fn changed(&self, account: &BareJid, node: &str, item: Option<&Changed>) {
        if node == displayed::NODE
            && let (Some(server), Some(item)) = (self.0.upgrade(), item)
        {
            return displayed::published(&server, account, item);
        }
        if node != avatar::METADATA {
            return;
        }
        let Some(server) = self.0.upgrade() else { return };
        let hash = item.and_then(|i| i.payload.as_ref()).and_then(avatar::hash_of);
        for s in server.sessions.of(account.local().unwrap_or_default()) {
            s.avatar.lock().clone_from(&hash);
        }
    }

    fn resources(&self, account: &BareJid) -> Vec<Resource> {
        let Some(server) = self.0.upgrade() else {
            return Vec::new();
        };
        if !server.is_local(account.as_jid()) {
            return Vec::new();
        }
        let few = server.sessions.of(account.local().unwrap_or_default());
        few.iter()
            .filter(|s| s.is(Flag::Available) && !s.is(Flag::Ended))
            .map(|s| {
                let heard = s.heard.lock();
                Resource {
                    jid: s.jid.clone(),
                    show: heard.show,
                    interests: heard.interests.clone(),
                }
            })
            .collect()
    }
}

/// Delivers a notification, unless one side blocks the other (XEP-0191).
fn hand_over(server: &Arc<Server>, from: &BareJid, to: &Jid, message: Outgoing) {
    if server.blocks.between(server, from.as_jid(), to) {
        return;
    }
    if !to.is_bare()
        && server.is_local(to)
        && let Some(session) = server.sessions.get(to).filter(|s| !s.is(Flag::Ended))
    {
        let _ = session.send(message);
        return;
    }
    if let Ok(stanza) = message.to_stanza() {
        let _in = server.runtime.enter();
        inbound_now(server, Origin::elsewhere(from.as_jid().clone()), stanza);
    }
}

/// Carries out a `<pubsub/>` element.
pub(crate) async fn request(
    server: &Arc<Server>,
    service: Service,
    from: &Jid,
    payload: Element<'_>,
    set: bool,
) -> IqResult {
    let request = Request::read(payload, set).map_err(waddle_stanza::StanzaError::from)?;
    let answer = server.pubsub.request(service, from.clone(), request).await?;
    Ok(answer.map_or(Answer::Empty, Answer::Payload))
}

/// disco#info or disco#items of a node.
pub(crate) async fn node(
    server: &Arc<Server>,
    service: Service,
    from: &Jid,
    query: Element<'_>,
    node: &str,
    items: bool,
) -> IqResult {
    let mut w = XmlWriter::new();
    if items {
        let page = PageRequest::within(query)?;
        let found = server
            .pubsub
            .node_items(service, from.clone(), node.to_owned(), page)
            .await?;
        found.write(&mut w);
    } else {
        let info = server
            .pubsub
            .node_info(service, from.clone(), node.to_owned())
            .await?;
        info.write(&mut w);
    }
    Ok(Answer::Payload(w))
}

/// disco#items of a service: its nodes.
pub(crate) async fn nodes(
    server: &Arc<Server>,
    service: Service,
    from: &Jid,
    query: Element<'_>,
) -> Result<waddle_stanza::disco::DiscoItems, waddle_stanza::StanzaError> {
    let page = PageRequest::within(query)?;
    let asked = page != PageRequest::default();
    let mut found = server.pubsub.nodes(service, from.clone(), page).await?;
    if found.page.is_none() && asked {
        found.page = Some(PageResult::default());
    }
    Ok(found)
}
