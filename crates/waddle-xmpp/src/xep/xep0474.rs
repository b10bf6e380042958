//! [XEP-0474](https://xmpp.org/extensions/xep-0474.html) SASL SCRAM Downgrade Protection: the attribute is added in `connection/login.rs`.

use super::{Extension, Xep};

/// What was offered, in SCRAM's signature.
pub struct DowngradeProtection;

impl Extension for DowngradeProtection {
    fn xep(&self) -> Xep {
        Xep {
            number: 474,
            title: "SASL SCRAM Downgrade Protection",
            version: "0.5.0",
            notes: "the attribute `h` over mechanisms and channel bindings, for both SASL profiles",
        }
    }
}
