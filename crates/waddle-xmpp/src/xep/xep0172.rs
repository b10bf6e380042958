//! [XEP-0172](https://xmpp.org/extensions/xep-0172.html) User Nickname: over PEP (XEP-0163).

use super::{Extension, Xep};

/// User Nickname.
pub struct Nicknames;

impl Extension for Nicknames {
    fn xep(&self) -> Xep {
        Xep {
            number: 172,
            title: "User Nickname",
            version: "1.1",
            notes: "over PEP, and in stanzas, which pass as they are",
        }
    }
}
