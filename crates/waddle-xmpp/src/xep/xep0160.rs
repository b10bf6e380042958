//! [XEP-0160](https://xmpp.org/extensions/xep-0160.html) Offline Messages; storing and handing over is the router's.

use waddle_stanza::ns;

use super::{Extension, MessageEvent, Phase, Scope, Verdict, Xep};

/// Messages for absent users.
pub struct Offline;

impl Extension for Offline {
    fn xep(&self) -> Xep {
        Xep {
            number: 160,
            title: "Best Practices for Handling Offline Messages",
            version: "1.0.1",
            notes: "chat and normal messages but for chat states, stored before they are acknowledged, handed over once",
        }
    }

    fn features(&self, scope: Scope) -> &'static [&'static str] {
        if scope == Scope::Server {
            &["msgoffline"]
        } else {
            &[]
        }
    }

    fn phases(&self) -> &'static [Phase] {
        &[Phase::Archive]
    }

    fn on_message(&self, _: Phase, event: &mut MessageEvent<'_>) -> Verdict {
        // XEP-0334: the sender may wish that a message is not kept.
        let root = event.stanza.root();
        if root.has("no-store", ns::HINTS) || root.has("no-permanent-store", ns::HINTS) {
            event.offline = false;
        }
        Verdict::Continue
    }
}
