//! [XEP-0425](https://xmpp.org/extensions/xep-0425.html) Moderated Message Retraction.
//!
//! Done by the rooms of `waddle-muc`; nobody else may say that a moderator acted.

use super::{Extension, Xep};

/// Moderated Message Retraction.
pub struct Moderation;

impl Extension for Moderation {
    fn xep(&self) -> Xep {
        Xep {
            number: 425,
            title: "Moderated Message Retraction",
            version: "0.3.0",
            notes: "in rooms that keep messages, for moderators; tombstone and announcement, version 0 too",
        }
    }
}
