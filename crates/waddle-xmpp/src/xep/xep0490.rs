//! [XEP-0490](https://xmpp.org/extensions/xep-0490.html) Message Displayed Synchronization: over PEP (XEP-0163).
//!
//! What a device publishes moves the state that counts the unread, and what moves that state otherwise is published, so
//! that the other devices hear of it (`personal::displayed`).

use super::{Extension, Xep};

/// Message Displayed Synchronization.
pub struct DisplayedSync;

impl Extension for DisplayedSync {
    fn xep(&self) -> Xep {
        Xep {
            number: 490,
            title: "Message Displayed Synchronization",
            version: "1.0.1",
            notes: "over PEP; one state with displayed markers, the inbox and HTTP",
        }
    }
}
