//! [XEP-0156](https://xmpp.org/extensions/xep-0156.html) Discovering Alternative XMPP Connection Methods: the code is in `waddle-http`, which answers over HTTP.

use super::{Extension, Xep};

/// Discovering Alternative XMPP Connection Methods.
pub struct AlternativeConnections;

impl Extension for AlternativeConnections {
    fn xep(&self) -> Xep {
        Xep {
            number: 156,
            title: "Discovering Alternative XMPP Connection Methods",
            version: "1.4.0",
            notes: "`host-meta` and `host-meta.json`, WebSocket and BOSH",
        }
    }
}
