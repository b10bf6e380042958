//! [XEP-0128](https://xmpp.org/extensions/xep-0128.html) Service Discovery Extensions.

use super::{Extension, Xep};

/// Service Discovery Extensions.
pub struct InfoForms;

impl Extension for InfoForms {
    fn xep(&self) -> Xep {
        Xep {
            number: 128,
            title: "Service Discovery Extensions",
            version: "1.0.1",
            notes: "contact addresses, limits of uploads, rooms and nodes",
        }
    }
}
