//! [XEP-0319](https://xmpp.org/extensions/xep-0319.html) Last User Interaction in Presence: it passes, and is in what later
//! contacts are shown.

use waddle_stanza::ns;

use super::{Extension, Scope, Xep};

/// Idle times in presence.
pub struct Idle;

impl Extension for Idle {
    fn xep(&self) -> Xep {
        Xep {
            number: 319,
            title: "Last User Interaction in Presence",
            version: "1.0.2",
            notes: "passes with presence, and is shown to who comes later",
        }
    }

    fn features(&self, scope: Scope) -> &'static [&'static str] {
        if scope == Scope::Account { &[ns::IDLE] } else { &[] }
    }
}
