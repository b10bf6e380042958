//! [XEP-0107](https://xmpp.org/extensions/xep-0107.html) User Mood: over PEP (XEP-0163).

use super::{Extension, Xep};

/// User Mood.
pub struct UserMood;

impl Extension for UserMood {
    fn xep(&self) -> Xep {
        Xep {
            number: 107,
            title: "User Mood",
            version: "1.2.2",
            notes: "over PEP",
        }
    }
}
