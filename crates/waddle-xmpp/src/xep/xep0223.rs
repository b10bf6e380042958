//! [XEP-0223](https://xmpp.org/extensions/xep-0223.html) Persistent Storage of Private Data via PubSub: over PEP (XEP-0163).

use super::{Extension, Xep};

/// Persistent Storage of Private Data via PubSub.
pub struct PrivateData;

impl Extension for PrivateData {
    fn xep(&self) -> Xep {
        Xep {
            number: 223,
            title: "Persistent Storage of Private Data via PubSub",
            version: "1.1.1",
            notes: "over PEP: durable nodes, publish-options, whitelist without anybody",
        }
    }
}
