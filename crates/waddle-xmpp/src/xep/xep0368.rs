//! [XEP-0368](https://xmpp.org/extensions/xep-0368.html) SRV records for XMPP over TLS: the listener is `listener.rs`.

use super::{Extension, Xep};

/// Direct TLS.
pub struct DirectTls;

impl Extension for DirectTls {
    fn xep(&self) -> Xep {
        Xep {
            number: 368,
            title: "SRV records for XMPP over TLS",
            version: "1.1.0",
            notes: "direct TLS with ALPN `xmpp-client`",
        }
    }
}
