//! [XEP-0446](https://xmpp.org/extensions/xep-0446.html) File metadata element.
//!
//! Passed unchanged within what shares the file.

use super::{Extension, Xep};

/// File metadata element.
pub struct FileMetadata;

impl Extension for FileMetadata {
    fn xep(&self) -> Xep {
        Xep {
            number: 446,
            title: "File metadata element",
            version: "0.2.0",
            notes: "passed within the shared file",
        }
    }
}
