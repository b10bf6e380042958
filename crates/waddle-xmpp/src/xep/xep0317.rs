//! [XEP-0317](https://xmpp.org/extensions/xep-0317.html) Hats: shown by the rooms of `waddle-muc`, changed by commands.

use super::{Extension, Xep};

/// What people are in a room besides their role.
pub struct Hats;

impl Extension for Hats {
    fn xep(&self) -> Xep {
        Xep {
            number: 317,
            title: "Hats",
            version: "0.3.1",
            notes: "the roles of a waddle in its channels; in plain rooms made and given by commands",
        }
    }
}
