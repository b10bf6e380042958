//! [XEP-0401](https://xmpp.org/extensions/xep-0401.html) Ad-hoc Account Invitation Generation: the commands are in
//! [`crate::command::invite`], the page that an invitation leads to is the HTTP server's.

use super::{Extension, Xep};

/// Invitations by command.
pub struct Invitations;

impl Extension for Invitations {
    fn xep(&self) -> Xep {
        Xep {
            number: 401,
            title: "Ad-hoc Account Invitation Generation",
            version: "0.6.0",
            notes: "`invite` for everybody, `create-account` for administrators, unless registration is closed; landing page",
        }
    }
}
