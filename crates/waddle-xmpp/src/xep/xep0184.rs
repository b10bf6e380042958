//! [XEP-0184](https://xmpp.org/extensions/xep-0184.html) Message Delivery Receipts.
//!
//! Passed, copied and archived; the request alone is not archived, the server never answers one for a client.

use super::{Extension, Xep};

/// Message Delivery Receipts.
pub struct Receipts;

impl Extension for Receipts {
    fn xep(&self) -> Xep {
        Xep {
            number: 184,
            title: "Message Delivery Receipts",
            version: "1.4.0",
            notes: "passed, copied; receipts are archived, requests alone are not",
        }
    }
}
