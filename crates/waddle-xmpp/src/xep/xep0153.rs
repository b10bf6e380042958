//! [XEP-0153](https://xmpp.org/extensions/xep-0153.html) vCard-Based Avatars: the server says the hash in presence, so
//! that clients need not ([XEP-0398](https://xmpp.org/extensions/xep-0398.html) §4).

use std::sync::Arc;

use super::{BoxFuture, Extension, SessionEvent, Xep};
use crate::{personal::avatar, server::Server, session::Session};

/// Hashes of avatars in presence.
pub struct PresenceAvatars;

impl Extension for PresenceAvatars {
    fn xep(&self) -> Xep {
        Xep {
            number: 153,
            title: "vCard-Based Avatars",
            version: "1.1.1",
            notes: "the server puts the hash into presence, directed presence included",
        }
    }

    fn on_session<'a>(
        &'a self,
        server: &'a Arc<Server>,
        session: &'a Arc<Session>,
        event: SessionEvent,
    ) -> Option<BoxFuture<'a, ()>> {
        (event == SessionEvent::Bound)
            .then(|| -> BoxFuture<'a, ()> { Box::pin(avatar::remember(server, session)) })
    }
}
