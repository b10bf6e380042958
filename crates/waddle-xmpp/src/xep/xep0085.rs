//! [XEP-0085](https://xmpp.org/extensions/xep-0085.html) Chat State Notifications.
//!
//! Passed and copied to other devices, never kept: what somebody is doing now is of no interest later.

use super::{Extension, Xep};

/// Chat State Notifications.
pub struct ChatStates;

impl Extension for ChatStates {
    fn xep(&self) -> Xep {
        Xep {
            number: 85,
            title: "Chat State Notifications",
            version: "2.1",
            notes: "passed and copied, never archived, never kept for who is away",
        }
    }
}
