//! Hosts beside the domain (`pubsub.<domain>`, `upload.<domain>`, components): who answers for them.

use std::sync::Arc;

use ahash::AHashMap;
use parking_lot::RwLock;
use waddle_core::Jid;

use crate::router::{Routed, Sent};

/// What answers for a host of its own. An extension names its services in
/// [`Extension::services`](crate::xep::Extension::services); components come and go while the server runs.
pub trait Service: Send + Sync + 'static {
    /// Its name in the server's disco#items; empty for none.
    fn name(&self) -> &str;

    /// Whether it is in the server's disco#items now.
    fn is_listed(&self) -> bool {
        true
    }

    /// Takes a complete stanza to an address of the host: requests and messages, and the answers to its own requests.
    /// Requests are best answered by [`iq::serve`](crate::router::iq::serve), anything else by
    /// [`Sent::answer`]; what it sends by itself goes through [`inbound`](crate::router::inbound).
    fn route(&self, sent: Sent, to: Jid) -> Routed;
}

/// The hosts and who answers for them.
#[derive(Default)]
pub struct Services {
    hosts: RwLock<AHashMap<Box<str>, Arc<dyn Service>>>,
}

impl Services {
    /// Adds a host; `false` if somebody has it.
    pub fn add(&self, host: &str, service: Arc<dyn Service>) -> bool {
        let mut hosts = self.hosts.write();
        if hosts.contains_key(host) {
            return false;
        }
        hosts.insert(host.into(), service);
        true
    }

    /// Removes a host.
    pub fn remove(&self, host: &str) {
        self.hosts.write().remove(host);
    }

    /// Who answers for a host.
    pub fn get(&self, host: &str) -> Option<Arc<dyn Service>> {
        self.hosts.read().get(host).cloned()
    }

    /// All of them as (host, name), sorted.
    pub fn items(&self) -> Vec<(String, String)> {
        let hosts = self.hosts.read();
        let mut items: Vec<_> = hosts
            .iter()
            .filter(|(_, s)| s.is_listed())
            .map(|(h, s)| (h.to_string(), s.name().to_owned()))
            .collect();
        items.sort();
        items
    }
}
