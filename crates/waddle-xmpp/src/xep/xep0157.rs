//! [XEP-0157](https://xmpp.org/extensions/xep-0157.html) Contact Addresses for XMPP Services: whom to write to about
//! this server, as a form in its disco#info (XEP-0128).

use waddle_stanza::forms::{Field, FieldKind, Form, FormKind};

use super::{Extension, Scope, Xep};
use crate::server::Server;

/// The form's type.
const SERVER_INFO: &str = "http://jabber.org/network/serverinfo";

/// Contact addresses.
pub struct Contacts;

/// What somebody can be written to about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Concern {
    /// Misuse by users of this server.
    Abuse,
    /// Its administrators.
    Admin,
    /// Praise and blame.
    Feedback,
    /// Vulnerabilities.
    Security,
    /// Where it is said whether the server works.
    Status,
    /// Help for users.
    Support,
}

impl Concern {
    fn field(self) -> &'static str {
        match self {
            Self::Abuse => "abuse-addresses",
            Self::Admin => "admin-addresses",
            Self::Feedback => "feedback-addresses",
            Self::Security => "security-addresses",
            Self::Status => "status-addresses",
            Self::Support => "support-addresses",
        }
    }
}

impl Extension for Contacts {
    fn xep(&self) -> Xep {
        Xep {
            number: 157,
            title: "Contact Addresses for XMPP Services",
            version: "1.1.1",
            notes: "as configured",
        }
    }

    fn forms(&self, server: &Server, scope: Scope) -> Vec<Form> {
        let contacts = &server.config.contacts;
        if scope != Scope::Server || contacts.iter().all(|(_, all)| all.is_empty()) {
            return Vec::new();
        }
        let mut form = Form::of_type(FormKind::Result, SERVER_INFO);
        for (concern, addresses) in contacts.iter().filter(|(_, all)| !all.is_empty()) {
            let field = Field::new(concern.field(), FieldKind::ListMulti);
            form = form.field(field.values(addresses.iter().cloned()));
        }
        vec![form]
    }
}
