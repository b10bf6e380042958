//! [XEP-0163](https://xmpp.org/extensions/xep-0163.html) Personal Eventing Protocol: every account is a
//! publish-subscribe service; the engine is `waddle-pubsub`.

use std::sync::{Arc, LazyLock};

use waddle_core::BareJid;
use waddle_pubsub::{Service, ns as pubsub};

use super::{BoxFuture, Extension, Identity, IqRequest, IqResult, Scope, SessionEvent, Target, Xep, xep0060};
use crate::{
    interests, nodes,
    server::Server,
    session::{Flag, Session},
};

/// Personal eventing.
pub struct Personal;

/// What of XEP-0060 works on accounts.
static FEATURES: LazyLock<Vec<&'static str>> = LazyLock::new(|| {
    let mut all: Vec<&'static str> = Vec::new();
    if let Ok(any) = BareJid::new(Some("a"), "b") {
        let service = Service::Account(any);
        all.push(pubsub::PUBSUB);
        // Made once, kept for as long as the server runs.
        all.extend(
            service
                .features()
                .map(|f| &*String::leak([pubsub::PUBSUB, "#", f].concat())),
        );
    }
    all
});

/// The service of whom a request is for.
fn service(r: &IqRequest<'_>) -> Option<Service> {
    match &r.target {
        Target::Own => Some(Service::Account(r.origin.bare().clone())),
        Target::Other(who) => Some(Service::Account(who.clone())),
        Target::Server => None,
    }
}

impl Extension for Personal {
    fn xep(&self) -> Xep {
        Xep {
            number: 163,
            title: "Personal Eventing Protocol",
            version: "1.2.2",
            notes: "all access models, `+notify` by capabilities, durable; every device of the owner is told",
        }
    }

    fn features(&self, scope: Scope) -> &'static [&'static str] {
        match scope {
            Scope::Account => &FEATURES,
            Scope::Server => &[],
        }
    }

    fn identities(&self, scope: Scope) -> &'static [Identity] {
        match scope {
            Scope::Account => &[Identity {
                category: "pubsub",
                kind: "pep",
                name: "",
            }],
            Scope::Server => &[],
        }
    }

    fn payloads(&self) -> &'static [(&'static str, &'static str)] {
        &[("pubsub", pubsub::PUBSUB), ("pubsub", pubsub::OWNER)]
    }

    fn on_iq<'a>(&'a self, r: IqRequest<'a>) -> BoxFuture<'a, IqResult> {
        Box::pin(async move {
            let service = service(&r).ok_or(waddle_stanza::Condition::ServiceUnavailable)?;
            nodes::request(r.server, service, r.origin.jid(), r.payload, r.set).await
        })
    }

    fn on_node<'a>(
        &'a self,
        r: &'a IqRequest<'a>,
        node: &'a str,
        items: bool,
    ) -> BoxFuture<'a, Option<IqResult>> {
        Box::pin(async move {
            let service = service(r)?;
            let answer = nodes::node(r.server, service, r.origin.jid(), r.payload, node, items).await;
            // Others may know a node that is none of these.
            match &answer {
                Err(e) if e.kind == waddle_stanza::Condition::ItemNotFound => None,
                _ => Some(answer),
            }
        })
    }

    fn on_contact(&self, server: &Arc<Server>, owner: &BareJid, viewer: &BareJid, visible: bool) {
        if !visible {
            let (server, owner, viewer) = (server.clone(), owner.clone(), viewer.clone());
            server
                .runtime
                .clone()
                .spawn(async move { server.pubsub.hidden(owner, viewer).await });
            return;
        }
        for s in server.sessions.of(viewer.local().unwrap_or_default()) {
            let wanted: Vec<Box<str>> = s.heard.lock().interests.iter().cloned().collect();
            if s.is(Flag::Available) && !wanted.is_empty() && s.bare == *viewer {
                let (server, owner) = (server.clone(), owner.clone());
                server
                    .runtime
                    .clone()
                    .spawn(async move { server.pubsub.shown(owner, s.jid.clone(), wanted).await });
            }
        }
    }

    fn on_session<'a>(
        &'a self,
        server: &'a Arc<Server>,
        session: &'a Arc<Session>,
        event: SessionEvent,
    ) -> Option<BoxFuture<'a, ()>> {
        match event {
            SessionEvent::Presence => {
                let new = interests::announced(server, session);
                (!new.is_empty()).then(|| -> BoxFuture<'a, ()> {
                    Box::pin(async move { server.pubsub.arrived(session.jid.clone(), new).await })
                })
            }
            SessionEvent::Available => {
                let host = xep0060::address(server)?;
                Some(Box::pin(async move {
                    server.pubsub.subscriber_arrived(session.jid.clone(), host).await;
                }))
            }
            SessionEvent::Unavailable => {
                interests::forget(session);
                let others = server.sessions.of(session.localpart());
                if others.iter().any(|s| s.id != session.id && s.is(Flag::Available)) {
                    return None;
                }
                let host = xep0060::address(server)?;
                Some(Box::pin(async move {
                    server.pubsub.left(session.bare.clone(), host).await;
                }))
            }
            _ => None,
        }
    }
}

/// The nodes of an account that the asker may see, for its disco#items.
pub(crate) async fn items(
    r: &IqRequest<'_>,
) -> Result<waddle_stanza::disco::DiscoItems, waddle_stanza::StanzaError> {
    match service(r) {
        Some(service) if r.server.registry.has(163) => {
            nodes::nodes(r.server, service, r.origin.jid(), r.payload).await
        }
        _ => Ok(waddle_stanza::disco::DiscoItems::default()),
    }
}
