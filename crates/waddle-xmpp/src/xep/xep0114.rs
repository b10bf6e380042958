//! [XEP-0114](https://xmpp.org/extensions/xep-0114.html) Jabber Component Protocol; it is in [`crate::component`].

use std::sync::Arc;

use super::{Extension, Xep};
use crate::{server::Server, service::Service};

/// Hosts of components.
pub struct Components;

impl Extension for Components {
    fn xep(&self) -> Xep {
        Xep {
            number: 114,
            title: "Jabber Component Protocol",
            version: "1.6",
            notes: "accepts configured components; what they did not get comes back",
        }
    }

    fn services(&self, server: &Arc<Server>) -> Vec<(String, Arc<dyn Service>)> {
        let hosts = server.component_hosts.iter();
        hosts
            .map(|(host, service)| (host.to_string(), service.clone() as Arc<dyn Service>))
            .collect()
    }
}
