//! [XEP-0393](https://xmpp.org/extensions/xep-0393.html) Message Styling.
//!
//! Bodies are passed and archived byte for byte, with `<unstyled/>` where it stands.

use super::{Extension, Xep};

/// Message Styling.
pub struct Styling;

impl Extension for Styling {
    fn xep(&self) -> Xep {
        Xep {
            number: 393,
            title: "Message Styling",
            version: "1.1.1",
            notes: "bodies pass byte for byte, `<unstyled/>` too",
        }
    }
}
