//! [XEP-0206](https://xmpp.org/extensions/xep-0206.html) XMPP Over BOSH: the code is in `waddle-http`, which answers over HTTP.

use super::{Extension, Xep};

/// XMPP Over BOSH.
pub struct XmppOverBosh;

impl Extension for XmppOverBosh {
    fn xep(&self) -> Xep {
        Xep {
            number: 206,
            title: "XMPP Over BOSH",
            version: "1.4",
            notes: "SASL, restarts, resumption by XEP-0198",
        }
    }
}
