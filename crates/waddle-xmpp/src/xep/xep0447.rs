//! [XEP-0447](https://xmpp.org/extensions/xep-0447.html) Stateless file sharing.
//!
//! Shared files are content: passed, copied and archived, also without a body.

use super::{Extension, Xep};

/// Stateless file sharing.
pub struct FileSharing;

impl Extension for FileSharing {
    fn xep(&self) -> Xep {
        Xep {
            number: 447,
            title: "Stateless file sharing",
            version: "0.3.1",
            notes: "passed, copied, archived, also without a body",
        }
    }
}
