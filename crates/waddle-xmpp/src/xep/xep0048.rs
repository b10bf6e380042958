//! [XEP-0048](https://xmpp.org/extensions/xep-0048.html) Bookmarks: of rooms, over private storage: `personal/bookmarks.rs` shows those of XEP-0402 there.

use super::{Extension, Xep};

/// Bookmarks.
pub struct Bookmarks;

impl Extension for Bookmarks {
    fn xep(&self) -> Xep {
        Xep {
            number: 48,
            title: "Bookmarks",
            version: "1.2",
            notes: "over private storage; the same as those of XEP-0402",
        }
    }
}
