//! [XEP-0118](https://xmpp.org/extensions/xep-0118.html) User Tune: over PEP (XEP-0163).

use super::{Extension, Xep};

/// User Tune.
pub struct UserTune;

impl Extension for UserTune {
    fn xep(&self) -> Xep {
        Xep {
            number: 118,
            title: "User Tune",
            version: "1.3.0",
            notes: "over PEP",
        }
    }
}
