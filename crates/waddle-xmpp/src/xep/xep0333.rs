//! [XEP-0333](https://xmpp.org/extensions/xep-0333.html) Displayed Markers.
//!
//! Markers are passed, copied and archived; the request alone is not archived.

use super::{Extension, Xep};

/// Displayed Markers.
pub struct Markers;

impl Extension for Markers {
    fn xep(&self) -> Xep {
        Xep {
            number: 333,
            title: "Displayed Markers",
            version: "1.0.0",
            notes: "passed, copied; markers are archived, requests alone are not",
        }
    }
}
