//! [XEP-0124](https://xmpp.org/extensions/xep-0124.html) Bidirectional-streams Over Synchronous HTTP (BOSH): the code is in `waddle-http`, which answers over HTTP.

use super::{Extension, Xep};

/// Bidirectional-streams Over Synchronous HTTP (BOSH).
pub struct Bosh;

impl Extension for Bosh {
    fn xep(&self) -> Xep {
        Xep {
            number: 124,
            title: "Bidirectional-streams Over Synchronous HTTP (BOSH)",
            version: "1.11.2",
            notes: "at `/http-bind`",
        }
    }
}
