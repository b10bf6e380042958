//! [XEP-0388](https://xmpp.org/extensions/xep-0388.html) Extensible SASL Profile: the work is the negotiation's (`connection/login.rs`).

use super::{Extension, Xep};

/// Login without a stream restart.
pub struct Sasl2;

impl Extension for Sasl2 {
    fn xep(&self) -> Xep {
        Xep {
            number: 388,
            title: "Extensible SASL Profile",
            version: "1.0.4",
            notes: "under TLS, with Bind 2, FAST and resumption inline; no tasks",
        }
    }
}
