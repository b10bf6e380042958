//! [XEP-0444](https://xmpp.org/extensions/xep-0444.html) Message Reactions.
//!
//! Reactions without a body are passed, copied and archived.

use super::{Extension, Xep};

/// Message Reactions.
pub struct Reactions;

impl Extension for Reactions {
    fn xep(&self) -> Xep {
        Xep {
            number: 444,
            title: "Message Reactions",
            version: "0.2.1",
            notes: "passed, copied, archived, also without a body",
        }
    }
}
