//! [XEP-0484](https://xmpp.org/extensions/xep-0484.html) Fast Authentication Streamlining Tokens: tokens are `waddle_identity`'s, the login is `connection/login.rs`.

use super::{Extension, Xep};

/// Login with tokens that rotate.
pub struct Fast;

impl Extension for Fast {
    fn xep(&self) -> Xep {
        Xep {
            number: 484,
            title: "Fast Authentication Streamlining Tokens",
            version: "0.2.0",
            notes: "HT-SHA-256 with `tls-exporter`, `tls-server-end-point` and without; rotation, invalidation, replay counter; no 0-RTT",
        }
    }
}
