//! [XEP-0249](https://xmpp.org/extensions/xep-0249.html) Direct MUC Invitations: messages like any other, passed and
//! kept for who is away.

use super::{Extension, Xep};

/// Invitations that do not go through the room.
pub struct DirectInvitations;

impl Extension for DirectInvitations {
    fn xep(&self) -> Xep {
        Xep {
            number: 249,
            title: "Direct MUC Invitations",
            version: "1.2",
            notes: "passed, kept for who is away",
        }
    }
}
