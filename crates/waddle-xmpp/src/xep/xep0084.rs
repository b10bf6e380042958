//! [XEP-0084](https://xmpp.org/extensions/xep-0084.html) User Avatar: over PEP (XEP-0163); `personal/avatar.rs` knows the format.

use super::{Extension, Xep};

/// User Avatar.
pub struct UserAvatars;

impl Extension for UserAvatars {
    fn xep(&self) -> Xep {
        Xep {
            number: 84,
            title: "User Avatar",
            version: "1.1.4",
            notes: "over PEP; the same picture is the photo of the vCard",
        }
    }
}
