//! [XEP-0402](https://xmpp.org/extensions/xep-0402.html) PEP Native Bookmarks: over PEP; `personal/bookmarks.rs` shows them in private storage.

use super::{Extension, Scope, Xep};

/// PEP Native Bookmarks.
pub struct NativeBookmarks;

impl Extension for NativeBookmarks {
    fn xep(&self) -> Xep {
        Xep {
            number: 402,
            title: "PEP Native Bookmarks",
            version: "1.2.0",
            notes: "`#compat`: the same as in private storage",
        }
    }

    fn features(&self, scope: Scope) -> &'static [&'static str] {
        match scope {
            Scope::Account => &["urn:xmpp:bookmarks:1#compat"],
            Scope::Server => &[],
        }
    }
}
