//! [XEP-0352](https://xmpp.org/extensions/xep-0352.html) Client State Indication: while nobody looks, what does not
//! hurry waits in the session's outbox, in order (`waddle_stanza` says what hurries).

use waddle_stanza::{Element, XmlWriter, ns};

use super::{Extension, Xep};
use crate::{server::Server, session::Session};

/// Whether somebody looks at a client.
pub struct ClientState;

impl Extension for ClientState {
    fn xep(&self) -> Xep {
        Xep {
            number: 352,
            title: "Client State Indication",
            version: "1.0.0",
            notes: "presence, typing and state wait while inactive, the newest of each sender, in order; what rings flushes them",
        }
    }

    fn stream_features(&self, _: &Server, out: &mut XmlWriter) {
        out.empty("csi", ns::CSI);
    }

    fn nonzas(&self) -> &'static [(&'static str, &'static str)] {
        &[("active", ns::CSI), ("inactive", ns::CSI)]
    }

    fn on_nonza(&self, session: &Session, element: Element<'_>) {
        session.outbox.hold(element.name() == "inactive");
    }
}
