//! [XEP-0490](https://xmpp.org/extensions/xep-0490.html) Message Displayed Synchronization: over PEP (XEP-0163).

use super::{Extension, Xep};

/// Message Displayed Synchronization.
pub struct DisplayedSync;

impl Extension for DisplayedSync {
    fn xep(&self) -> Xep {
        Xep {
            number: 490,
            title: "Message Displayed Synchronization",
            version: "1.0.1",
            notes: "over PEP",
        }
    }
}
