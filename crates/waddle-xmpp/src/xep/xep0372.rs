//! [XEP-0372](https://xmpp.org/extensions/xep-0372.html) References.
//!
//! Mentions and previews pass unchanged and are archived, also without a text.

use super::{Extension, Xep};

/// References.
pub struct References;

impl Extension for References {
    fn xep(&self) -> Xep {
        Xep {
            number: 372,
            title: "References",
            version: "0.5.0",
            notes: "passed, copied, archived",
        }
    }
}
