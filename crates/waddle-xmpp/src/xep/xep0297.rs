//! [XEP-0297](https://xmpp.org/extensions/xep-0297.html) Stanza Forwarding.
//!
//! What a client forwards passes unchanged; archive results and carbons are forwarded messages.

use super::{Extension, Xep};

/// Stanza Forwarding.
pub struct Forwarding;

impl Extension for Forwarding {
    fn xep(&self) -> Xep {
        Xep {
            number: 297,
            title: "Stanza Forwarding",
            version: "1.0",
            notes: "the server's own in archives and carbons; a client's pass unchanged, forged carbons do not",
        }
    }
}
