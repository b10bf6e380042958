//! [XEP-0115](https://xmpp.org/extensions/xep-0115.html) Entity Capabilities: the server's own, as a stream feature.

use waddle_stanza::{XmlWriter, disco::Caps, ns};

use super::{Extension, Scope, Xep, xep0030};
use crate::server::Server;

/// The server's capabilities.
pub struct CapsFeature;

impl Extension for CapsFeature {
    fn xep(&self) -> Xep {
        Xep {
            number: 115,
            title: "Entity Capabilities",
            version: "1.6.0",
            notes: "the server's, SHA-1; clients' are passed on",
        }
    }

    fn features(&self, _: Scope) -> &'static [&'static str] {
        &[ns::CAPS]
    }

    fn stream_features(&self, server: &Server, out: &mut XmlWriter) {
        if let Some(caps) = Caps::of(xep0030::NODE, &xep0030::info(server, Scope::Server)) {
            caps.write(out);
        }
    }
}
