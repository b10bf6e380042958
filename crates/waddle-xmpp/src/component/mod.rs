//! Components: programs that answer for a host of their own over one stream
//! ([XEP-0114](https://xmpp.org/extensions/xep-0114.html), `jabber:component:accept`).
//!
//! Which hosts there are, and their secrets, is configured; a host whose component is away answers for itself.

use std::sync::Arc;

use parking_lot::RwLock;
use waddle_core::{Jid, Secret};
use waddle_outbox::Outbox;
use waddle_stanza::{Condition, ErrorType, Outgoing, StanzaError, ns};

use crate::{
    router::{Origin, Routed, Sent, inbound_now},
    server::Server,
    service::Service,
};

mod handshake;
pub(crate) mod link;

/// A component that may connect.
#[derive(Debug, Clone)]
pub struct Component {
    /// Its host, prepared; neither the domain nor one of its services.
    pub host: String,
    /// What it proves to know.
    pub secret: Secret,
}

/// The host of a component, with or without the component.
pub(crate) struct ComponentHost {
    host: Box<str>,
    outbox: RwLock<Option<Arc<Outbox<Outgoing>>>>,
}

impl ComponentHost {
    pub(crate) fn new(host: &str) -> Arc<Self> {
        Arc::new(Self {
            host: host.into(),
            outbox: RwLock::new(None),
        })
    }

    /// The component is there, and hears `greeting` before anything else; `false` if it was before.
    fn attach(&self, outbox: &Arc<Outbox<Outgoing>>, greeting: Outgoing) -> bool {
        let mut place = self.outbox.write();
        if place.is_some() || outbox.push(greeting).is_err() {
            return false;
        }
        *place = Some(outbox.clone());
        true
    }

    /// The component is gone.
    fn detach(&self) {
        *self.outbox.write() = None;
    }
}

/// The answer while a component is away.
fn away() -> StanzaError {
    StanzaError::new(Condition::ServiceUnavailable)
        .of_type(ErrorType::Wait)
        .text("this service is not connected for the moment")
}

impl Service for ComponentHost {
    fn name(&self) -> &'static str {
        ""
    }

    fn is_listed(&self) -> bool {
        self.outbox.read().is_some()
    }

    fn route(&self, sent: Sent, _: Jid) -> Routed {
        let Some(outbox) = self.outbox.read().clone() else {
            return Routed::Error(away());
        };
        match outbox.push(sent.stanza.head().namespace(ns::COMPONENT).build()) {
            Ok(()) => Routed::Done,
            Err(_) => Routed::Error(
                StanzaError::new(Condition::ResourceConstraint)
                    .text("this service is too slow for the moment"),
            ),
        }
    }
}

/// Sends back what a component did not get.
fn bounce(server: &Arc<Server>, item: &Outgoing) {
    let Ok(stanza) = item.to_stanza() else { return };
    let (Some(to), Some(reply)) = (stanza.to().ok().flatten(), away().reply_to(&stanza, None)) else {
        return;
    };
    if let Ok(reply) = reply.to_stanza() {
        inbound_now(server, Origin::elsewhere(to), reply);
    }
}
