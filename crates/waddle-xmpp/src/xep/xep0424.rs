//! [XEP-0424](https://xmpp.org/extensions/xep-0424.html) Message Retraction.
//!
//! The archives of both sides, what waits, and rooms: a tombstone takes the place of what its author takes back.

use waddle_stanza::ns;

use super::{Extension, Scope, Xep};

/// Message Retraction.
pub struct Retraction;

impl Extension for Retraction {
    fn xep(&self) -> Xep {
        Xep {
            number: 424,
            title: "Message Retraction",
            version: "0.4.2",
            notes: "tombstones in the archives of both and of rooms, for the author alone; the text is gone, waiting messages too; version 0 is understood",
        }
    }

    fn features(&self, scope: Scope) -> &'static [&'static str] {
        match scope {
            Scope::Server => &[ns::RETRACT],
            Scope::Account => &[ns::RETRACT, ns::RETRACT_TOMBSTONE],
        }
    }
}
