//! [XEP-0421](https://xmpp.org/extensions/xep-0421.html) Occupant identifiers: given by the rooms of `waddle-muc`.

use super::{Extension, Xep};

/// Occupant ids.
pub struct OccupantIds;

impl Extension for OccupantIds {
    fn xep(&self) -> Xep {
        Xep {
            number: 421,
            title: "Occupant identifiers for semi-anonymous MUCs",
            version: "1.0.0",
            notes: "in every room; forged ones are removed",
        }
    }
}
