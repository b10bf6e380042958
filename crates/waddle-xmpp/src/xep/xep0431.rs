//! [XEP-0431](https://xmpp.org/extensions/xep-0431.html) Full Text Search in MAM: in the archives of accounts and of rooms.
//!
//! The language of the field is `waddle_archive::fulltext`'s; the archive answers (XEP-0313).

use waddle_stanza::mam;

use super::{Extension, Scope, Xep};

/// Full Text Search in MAM.
pub struct FullText;

impl Extension for FullText {
    fn xep(&self) -> Xep {
        Xep {
            number: 431,
            title: "Full Text Search in MAM",
            version: "0.2.0",
            notes: "accounts and rooms; words, phrases, prefixes, exclusion, with all filters of the archive but `ids`",
        }
    }

    fn features(&self, scope: Scope) -> &'static [&'static str] {
        if scope == Scope::Account {
            &[mam::FULLTEXT]
        } else {
            &[]
        }
    }
}
