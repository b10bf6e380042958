//! [XEP-0307](https://xmpp.org/extensions/xep-0307.html) Unique Room Names: answered by the room service of
//! `waddle-muc`.

use super::{Extension, Xep};

/// Names of rooms that nobody has.
pub struct UniqueNames;

impl Extension for UniqueNames {
    fn xep(&self) -> Xep {
        Xep {
            number: 307,
            title: "Unique Room Names for Multi-User Chat",
            version: "0.1",
            notes: "a name that no room has had",
        }
    }
}
