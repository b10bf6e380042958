//! [XEP-0359](https://xmpp.org/extensions/xep-0359.html) Unique and Stable Stanza IDs: ours on what is archived,
//! forged ones removed.

use waddle_core::Jid;
use waddle_stanza::{Element, ns};

use super::{Extension, MessageEvent, Phase, Scope, Verdict, Xep};

/// Stanza ids.
pub struct StanzaIds;

impl Extension for StanzaIds {
    fn xep(&self) -> Xep {
        Xep {
            number: 359,
            title: "Unique and Stable Stanza IDs",
            version: "0.7.0",
            notes: "the archive's id on each direct and room message; a client's are removed, origin ids stay",
        }
    }

    fn features(&self, _: Scope) -> &'static [&'static str] {
        &[ns::SID]
    }

    fn phases(&self) -> &'static [Phase] {
        &[Phase::Rewrite]
    }

    fn on_message(&self, _: Phase, event: &mut MessageEvent<'_>) -> Verdict {
        event.strip |= event.stanza.root().has("stanza-id", ns::SID);
        Verdict::Continue
    }

    fn strips(&self, child: Element<'_>, _: &Jid) -> bool {
        // §7: nothing that a client sends can be an id that an archive gave; all of them go, however spelled.
        child.is("stanza-id", ns::SID)
    }
}
