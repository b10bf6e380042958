//! [XEP-0308](https://xmpp.org/extensions/xep-0308.html) Last Message Correction.
//!
//! Corrections are messages of their own, passed and archived beside what they correct.

use super::{Extension, Xep};

/// Last Message Correction.
pub struct Correction;

impl Extension for Correction {
    fn xep(&self) -> Xep {
        Xep {
            number: 308,
            title: "Last Message Correction",
            version: "1.2.1",
            notes: "passed, copied, archived beside the corrected message",
        }
    }
}
