//! [XEP-0334](https://xmpp.org/extensions/xep-0334.html) Message Processing Hints.
//!
//! What the archives, waiting messages and carbons heed.

use super::{Extension, Xep};

/// Message Processing Hints.
pub struct Hints;

impl Extension for Hints {
    fn xep(&self) -> Xep {
        Xep {
            number: 334,
            title: "Message Processing Hints",
            version: "1.0.0",
            notes: "`store`, `no-store`, `no-permanent-store` for archives and waiting messages, `no-copy` for carbons",
        }
    }
}
