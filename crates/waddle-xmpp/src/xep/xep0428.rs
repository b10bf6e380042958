//! [XEP-0428](https://xmpp.org/extensions/xep-0428.html) Fallback Indication.
//!
//! Passed unchanged and archived with the message that it is of.

use super::{Extension, Xep};

/// Fallback Indication.
pub struct Fallback;

impl Extension for Fallback {
    fn xep(&self) -> Xep {
        Xep {
            number: 428,
            title: "Fallback Indication",
            version: "0.2.1",
            notes: "passed, copied, archived with the message",
        }
    }
}
