//! [XEP-0222](https://xmpp.org/extensions/xep-0222.html) Persistent Storage of Public Data via PubSub: over PEP (XEP-0163).

use super::{Extension, Xep};

/// Persistent Storage of Public Data via PubSub.
pub struct PublicData;

impl Extension for PublicData {
    fn xep(&self) -> Xep {
        Xep {
            number: 222,
            title: "Persistent Storage of Public Data via PubSub",
            version: "1.0",
            notes: "over PEP: durable nodes, publish-options, open access",
        }
    }
}
