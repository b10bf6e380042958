//! [XEP-0461](https://xmpp.org/extensions/xep-0461.html) Message Replies.
//!
//! Replies pass with what they point to.

use super::{Extension, Xep};

/// Message Replies.
pub struct Replies;

impl Extension for Replies {
    fn xep(&self) -> Xep {
        Xep {
            number: 461,
            title: "Message Replies",
            version: "0.2.1",
            notes: "passed, copied, archived",
        }
    }
}
