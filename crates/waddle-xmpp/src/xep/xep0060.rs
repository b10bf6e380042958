//! [XEP-0060](https://xmpp.org/extensions/xep-0060.html) Publish-Subscribe: the service `pubsub.<domain>`; the engine is
//! `waddle-pubsub`.

use std::sync::Arc;

use waddle_core::{BareJid, Jid};
use waddle_pubsub::{Service as PubSubService, ns as pubsub};
use waddle_stanza::{
    Condition, Kind, StanzaError, XmlWriter,
    disco::{DiscoInfo, Identity},
    forms::{Form, FormKind},
    ns,
};

use super::{Answer, Extension, IqResult, Xep};
use crate::{
    nodes,
    router::{Routed, Sent, iq},
    server::Server,
    service::Service,
};

/// The publish-subscribe service.
pub struct PubSub;

/// The host of the service.
pub fn host(server: &Server) -> String {
    ["pubsub.", &server.config.domain].concat()
}

/// The address of the service.
pub fn address(server: &Server) -> Option<BareJid> {
    BareJid::new(None, &host(server)).ok()
}

impl Extension for PubSub {
    fn xep(&self) -> Xep {
        Xep {
            number: 60,
            title: "Publish-Subscribe",
            version: "1.30.0",
            notes: "`pubsub.<domain>`, every account makes nodes; all access models, no collections, one subscription an address",
        }
    }

    fn services(&self, server: &Arc<Server>) -> Vec<(String, Arc<dyn Service>)> {
        let Some(at) = address(server) else {
            return Vec::new();
        };
        vec![(at.to_string(), Arc::new(Nodes(at)))]
    }
}

/// What answers on the host.
struct Nodes(BareJid);

impl Service for Nodes {
    fn name(&self) -> &'static str {
        "Publish-Subscribe"
    }

    fn route(&self, sent: Sent, to: Jid) -> Routed {
        let service = PubSubService::Host(self.0.clone());
        if to != *self.0.as_jid() {
            return Routed::from(Condition::ServiceUnavailable);
        }
        match sent.stanza.kind() {
            Kind::Iq => iq::serve(sent, move |sent| answer(sent, service)),
            Kind::Message if sent.stanza.may_bounce() => message(sent, service),
            _ => Routed::Done,
        }
    }
}

/// Owners answer requests for approval by message (§8.6).
fn message(sent: Sent, service: PubSubService) -> Routed {
    let form = Form::within(sent.stanza.root()).filter(|f| f.form_type() == Some(pubsub::AUTHORIZATION));
    let Some(form) = form else {
        return Routed::from(Condition::ServiceUnavailable);
    };
    if form.kind != FormKind::Submit {
        return Routed::Done;
    }
    Routed::Later(Box::pin(async move {
        let from = sent.origin.jid().clone();
        if let Err(e) = sent.server.pubsub.decide(service, from, form).await {
            sent.refuse(&e);
        }
    }))
}

async fn answer(sent: Sent, service: PubSubService) -> IqResult {
    let (server, stanza) = (&sent.server, sent.stanza.clone());
    let from = sent.origin.jid();
    let payload = stanza.payload().ok_or(Condition::BadRequest)?;
    let set = stanza.is_type("set");
    let node = payload.attr("node").filter(|n| !n.is_empty());
    match (payload.name(), payload.ns()) {
        ("pubsub", pubsub::PUBSUB | pubsub::OWNER) => {
            // Remote entities read and subscribe; nodes are made by the people of this server.
            if payload.has("create", pubsub::PUBSUB) && sent.origin.user().is_none() {
                return Err(Condition::Forbidden.into());
            }
            nodes::request(server, service, from, payload, set).await
        }
        ("query", ns::DISCO_INFO | ns::DISCO_ITEMS) if set => Err(Condition::BadRequest.into()),
        ("query", ns::DISCO_INFO | ns::DISCO_ITEMS) if node.is_some() => {
            let items = payload.in_ns(ns::DISCO_ITEMS);
            nodes::node(server, service, from, payload, &node.unwrap_or_default(), items).await
        }
        ("query", ns::DISCO_INFO) => {
            let mut w = XmlWriter::new();
            info(&service).write(&mut w);
            Ok(Answer::Payload(w))
        }
        ("query", ns::DISCO_ITEMS) => {
            let mut w = XmlWriter::new();
            nodes::nodes(server, service, from, payload).await?.write(&mut w);
            Ok(Answer::Payload(w))
        }
        ("ping", ns::PING) if !set => Ok(Answer::Empty),
        _ => Err(StanzaError::new(Condition::ServiceUnavailable)),
    }
}

fn info(service: &PubSubService) -> DiscoInfo {
    let mut features: Vec<String> = [pubsub::PUBSUB, ns::DISCO_INFO, ns::DISCO_ITEMS, ns::RSM, ns::PING]
        .into_iter()
        .map(str::to_owned)
        .collect();
    features.extend(service.features().map(|f| [pubsub::PUBSUB, "#", f].concat()));
    DiscoInfo {
        identities: vec![Identity::new("pubsub", "service", "Publish-Subscribe")],
        features,
        ..DiscoInfo::default()
    }
}
