//! [XEP-0433](https://xmpp.org/extensions/xep-0433.html) Extended Channel Search: answered by the room service of
//! `waddle-muc`.

use super::{Extension, Xep};

/// Rooms found by words.
pub struct ChannelSearch;

impl Extension for ChannelSearch {
    fn xep(&self) -> Xep {
        Xep {
            number: 433,
            title: "Extended Channel Search",
            version: "0.1.0",
            notes: "public rooms and the channels that the asker may join, by name, description and address",
        }
    }
}
