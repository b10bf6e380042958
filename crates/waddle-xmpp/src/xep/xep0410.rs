//! [XEP-0410](https://xmpp.org/extensions/xep-0410.html) MUC Self-Ping: answered by the rooms of `waddle-muc`.

use super::{Extension, Xep};

/// Pings of one's own occupant.
pub struct SelfPing;

impl Extension for SelfPing {
    fn xep(&self) -> Xep {
        Xep {
            number: 410,
            title: "MUC Self-Ping (Schrödinger's Chat)",
            version: "1.1.0",
            notes: "answered by the room itself",
        }
    }
}
