//! [XEP-0384](https://xmpp.org/extensions/xep-0384.html) OMEMO Encryption: over PEP (XEP-0163): what the server does for it is to keep device lists and bundles.

use super::{Extension, Xep};

/// OMEMO Encryption.
pub struct Omemo;

impl Extension for Omemo {
    fn xep(&self) -> Xep {
        Xep {
            number: 384,
            title: "OMEMO Encryption",
            version: "0.9.1",
            notes: "device lists and bundles over PEP, `max_items` to 10,000",
        }
    }
}
