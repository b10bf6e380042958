//! [XEP-0398](https://xmpp.org/extensions/xep-0398.html) User Avatar to vCard-Based Avatars Conversion: both ways; `personal/` does it.

use super::{Extension, Scope, Xep};

/// User Avatar to vCard-Based Avatars Conversion.
pub struct AvatarConversion;

impl Extension for AvatarConversion {
    fn xep(&self) -> Xep {
        Xep {
            number: 398,
            title: "User Avatar to vCard-Based Avatars Conversion",
            version: "1.0.0",
            notes: "both ways: one picture",
        }
    }

    fn features(&self, scope: Scope) -> &'static [&'static str] {
        match scope {
            Scope::Account => &["urn:xmpp:pep-vcard-conversion:0"],
            Scope::Server => &[],
        }
    }
}
