//! [XEP-0122](https://xmpp.org/extensions/xep-0122.html) Data Forms Validation.

use super::{Extension, Xep};

/// Data Forms Validation.
pub struct Validation;

impl Extension for Validation {
    fn xep(&self) -> Xep {
        Xep {
            number: 122,
            title: "Data Forms Validation",
            version: "1.0.2",
            notes: "types and ranges in forms of commands",
        }
    }
}
