//! [XEP-0440](https://xmpp.org/extensions/xep-0440.html) SASL Channel-Binding Type Capability: the offer is made by
//! `connection/features.rs` during login.

use super::{Extension, Xep};

/// Which channel bindings work.
pub struct ChannelBindings;

impl Extension for ChannelBindings {
    fn xep(&self) -> Xep {
        Xep {
            number: 440,
            title: "SASL Channel-Binding Type Capability",
            version: "0.4.2",
            notes: "`tls-exporter` with TLS 1.3, `tls-server-end-point`, where TLS ends here",
        }
    }
}
