//! [XEP-0004](https://xmpp.org/extensions/xep-0004.html) Data Forms.

use super::{Extension, Xep};

/// Data Forms.
pub struct Forms;

impl Extension for Forms {
    fn xep(&self) -> Xep {
        Xep {
            number: 4,
            title: "Data Forms",
            version: "2.13.2",
            notes: "rooms, registration, commands, archives, nodes; what is filled out is checked",
        }
    }
}
