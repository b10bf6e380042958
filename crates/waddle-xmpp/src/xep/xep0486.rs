//! [XEP-0486](https://xmpp.org/extensions/xep-0486.html) MUC Avatars: kept by the rooms of `waddle-muc`.

use super::{Extension, Xep};

/// A room's picture.
pub struct RoomAvatars;

impl Extension for RoomAvatars {
    fn xep(&self) -> Xep {
        Xep {
            number: 486,
            title: "MUC Avatars",
            version: "0.1.0",
            notes: "plain rooms: their owners publish it",
        }
    }
}
