//! [XEP-0203](https://xmpp.org/extensions/xep-0203.html) Delayed Delivery: a delay in our name is ours alone to write.

use waddle_core::Jid;
use waddle_stanza::{Element, ns};

use super::{Extension, MessageEvent, Phase, Verdict, Xep};

/// Delays of messages that waited.
pub struct Delay;

impl Extension for Delay {
    fn xep(&self) -> Xep {
        Xep {
            number: 203,
            title: "Delayed Delivery",
            version: "2.0",
            notes: "on messages that waited and in archives; a client's in the name of others is removed",
        }
    }

    fn phases(&self) -> &'static [Phase] {
        &[Phase::Rewrite]
    }

    fn on_message(&self, _: Phase, event: &mut MessageEvent<'_>) -> Verdict {
        event.strip |= event.stanza.root().has("delay", ns::DELAY);
        Verdict::Continue
    }

    fn strips(&self, child: Element<'_>, to: &Jid) -> bool {
        // What a client says of itself is its own business; it does not speak for the server or the recipient.
        child.is("delay", ns::DELAY)
            && child.attr("from").is_some_and(|f| {
                f.parse::<Jid>().is_ok_and(|f| {
                    f.domain() == to.domain() && (f.local().is_none() || f.local() == to.local())
                })
            })
    }
}
