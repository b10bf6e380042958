//! [XEP-0386](https://xmpp.org/extensions/xep-0386.html) Bind 2: the work is the connection's (`connection/begin.rs`).

use super::{Extension, Xep};

/// Binding together with the login.
pub struct Bind2;

impl Extension for Bind2 {
    fn xep(&self) -> Xep {
        Xep {
            number: 386,
            title: "Bind 2",
            version: "1.1.0",
            notes: "tag and a stable resource per client; carbons, stream management, client state and archive metadata inline",
        }
    }
}
