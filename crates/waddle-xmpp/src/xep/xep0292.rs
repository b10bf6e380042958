//! [XEP-0292](https://xmpp.org/extensions/xep-0292.html) vCard4 Over XMPP: over PEP; `personal/vcard_map.rs` is the conversion.

use super::{Extension, Xep};

/// vCard4 Over XMPP.
pub struct VCard4;

impl Extension for VCard4 {
    fn xep(&self) -> Xep {
        Xep {
            number: 292,
            title: "vCard4 Over XMPP",
            version: "0.12.0",
            notes: "over PEP, node `urn:xmpp:vcard4`; converted from and to vcard-temp",
        }
    }
}
