//! [XEP-0402](https://xmpp.org/extensions/xep-0402.html) PEP Native Bookmarks: over PEP; `personal/bookmarks.rs` shows them in private storage.

use std::sync::Arc;

use super::{BoxFuture, Extension, Scope, SessionEvent, Xep};
use crate::{personal::channels, server::Server, session::Session};

/// PEP Native Bookmarks.
pub struct NativeBookmarks;

impl Extension for NativeBookmarks {
    fn xep(&self) -> Xep {
        Xep {
            number: 402,
            title: "PEP Native Bookmarks",
            version: "1.2.0",
            notes: "`#compat`: the same as in private storage; the channels of one's waddles are among them",
        }
    }

    fn features(&self, scope: Scope) -> &'static [&'static str] {
        match scope {
            Scope::Account => &["urn:xmpp:bookmarks:1#compat"],
            Scope::Server => &[],
        }
    }

    fn on_session<'a>(
        &'a self,
        server: &'a Arc<Server>,
        session: &'a Arc<Session>,
        event: SessionEvent,
    ) -> Option<BoxFuture<'a, ()>> {
        // Before the client's first request: what it asks for then is complete.
        (event == SessionEvent::Bound)
            .then(|| Box::pin(channels::refresh(server, &session.bare, &session.user)) as BoxFuture<'a, ()>)
    }
}
