//! [XEP-0478](https://xmpp.org/extensions/xep-0478.html) Stream Limits Advertisement.

use waddle_stanza::{XmlWriter, ns};

use super::{Extension, Xep};
use crate::server::Server;

/// How long a stanza may be, and a silence; before login, `connection/features.rs` says it.
pub struct StreamLimits;

impl Extension for StreamLimits {
    fn xep(&self) -> Xep {
        Xep {
            number: 478,
            title: "Stream Limits Advertisement",
            version: "0.2.0",
            notes: "bytes of a stanza and seconds of silence, before and after login",
        }
    }

    fn stream_features(&self, server: &Server, out: &mut XmlWriter) {
        let l = &server.limits;
        out.open_ns("limits", ns::STREAM_LIMITS);
        out.leaf("max-bytes", &l.xmpp_stanza_bytes.to_string());
        out.leaf("idle-seconds", &l.xmpp_idle_seconds.to_string());
        out.close();
    }
}
