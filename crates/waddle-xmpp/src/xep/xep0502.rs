//! [XEP-0502](https://xmpp.org/extensions/xep-0502.html) MUC Activity Indicator: counted by the rooms of
//! `waddle-muc`.

use super::{Extension, Xep};

/// How lively a room is.
pub struct RoomActivity;

impl Extension for RoomActivity {
    fn xep(&self) -> Xep {
        Xep {
            number: 502,
            title: "MUC Activity Indicator",
            version: "0.1.0",
            notes: "listed, persistent plain rooms that everybody may enter",
        }
    }
}
