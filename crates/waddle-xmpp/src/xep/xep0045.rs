//! [XEP-0045](https://xmpp.org/extensions/xep-0045.html) Multi-User Chat: the service is `waddle-muc`'s, named here.

use super::{Extension, Xep};
use crate::server::Server;

/// The room service as an item of the server.
pub struct Muc;

impl Extension for Muc {
    fn xep(&self) -> Xep {
        Xep {
            number: 45,
            title: "Multi-User Chat",
            version: "1.35.1",
            notes: "waddles' channels and plain rooms on `muc.<domain>`",
        }
    }

    fn items(&self, server: &Server) -> Vec<(String, String)> {
        vec![(server.config.muc_domain.clone(), "Rooms".to_owned())]
    }
}
