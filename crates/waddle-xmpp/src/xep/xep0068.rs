//! [XEP-0068](https://xmpp.org/extensions/xep-0068.html) Field Standardization for Data Forms.

use super::{Extension, Xep};

/// Field Standardization for Data Forms.
pub struct FieldNames;

impl Extension for FieldNames {
    fn xep(&self) -> Xep {
        Xep {
            number: 68,
            title: "Field Standardization for Data Forms",
            version: "1.3.0",
            notes: "every form names its type, every field is registered for it",
        }
    }
}
