//! [XEP-0380](https://xmpp.org/extensions/xep-0380.html) Explicit Message Encryption.
//!
//! The name of the encryption passes with the message; alone it is nothing to keep.

use super::{Extension, Xep};

/// Explicit Message Encryption.
pub struct ExplicitEncryption;

impl Extension for ExplicitEncryption {
    fn xep(&self) -> Xep {
        Xep {
            number: 380,
            title: "Explicit Message Encryption",
            version: "0.4.0",
            notes: "passed with the message; encrypted messages are archived and copied without a body too",
        }
    }
}
