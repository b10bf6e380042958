//! [XEP-0059](https://xmpp.org/extensions/xep-0059.html) Result Set Management.
//!
//! Pages of results: max, before, after, counts.

use waddle_stanza::ns;

use super::{Extension, Scope, Xep};

/// Result Set Management.
pub struct ResultSets;

impl Extension for ResultSets {
    fn xep(&self) -> Xep {
        Xep {
            number: 59,
            title: "Result Set Management",
            version: "1.0",
            notes: "archives: max (capped), before, after, last page, count; unknown ids are `item-not-found`, no index",
        }
    }

    fn features(&self, scope: Scope) -> &'static [&'static str] {
        if scope == Scope::Account { &[ns::RSM] } else { &[] }
    }
}
