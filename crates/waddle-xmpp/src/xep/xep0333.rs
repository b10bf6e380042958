//! [XEP-0333](https://xmpp.org/extensions/xep-0333.html) Displayed Markers.
//!
//! Markers are passed, copied and archived; the request alone is not archived. Whoever sends one has read up to there, on
//! all their devices (`personal::displayed`); in rooms the room says so.

use waddle_stanza::ns;

use super::{Extension, MessageEvent, Phase, Verdict, Xep};
use crate::{personal::displayed, router::message::Type};

/// Displayed Markers.
pub struct Markers;

impl Extension for Markers {
    fn xep(&self) -> Xep {
        Xep {
            number: 333,
            title: "Displayed Markers",
            version: "1.0.0",
            notes: "passed, copied; markers are archived, requests alone are not; they move the state that devices share (0490) and that counts the unread (0430)",
        }
    }

    fn phases(&self) -> &'static [Phase] {
        &[Phase::Copy]
    }

    fn on_message(&self, _: Phase, event: &mut MessageEvent<'_>) -> Verdict {
        let root = event.stanza.root();
        let shown = root
            .children()
            .find(|c| c.is("displayed", ns::MARKERS) || c.is("acknowledged", ns::MARKERS))
            .and_then(|c| c.attr("id"));
        if let (Some(shown), Some(user)) = (shown, event.origin.user())
            && matches!(Type::of(event.stanza), Type::Chat | Type::Normal)
        {
            let (account, user) = (event.origin.bare().clone(), user.clone());
            displayed::shown(event.server, account, user, event.to.bare(), shown.into_owned());
        }
        Verdict::Continue
    }
}
