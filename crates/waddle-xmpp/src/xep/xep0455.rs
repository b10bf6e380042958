//! [XEP-0455](https://xmpp.org/extensions/xep-0455.html) Service Outage Status: where clients look when this server
//! does not answer, as a form in its disco#info; the page itself is kept elsewhere, by the operator.

use waddle_stanza::forms::{Field, FieldKind, Form, FormKind};

use super::{Extension, Scope, Xep};
use crate::server::Server;

/// Addresses of the status elsewhere.
pub struct OutageStatus;

impl Extension for OutageStatus {
    fn xep(&self) -> Xep {
        Xep {
            number: 455,
            title: "Service Outage Status",
            version: "0.4.0",
            notes: "addresses of the operator's status file, as configured",
        }
    }

    fn forms(&self, server: &Server, scope: Scope) -> Vec<Form> {
        let addresses = &server.config.outage_addresses;
        if scope != Scope::Server || addresses.is_empty() {
            return Vec::new();
        }
        let field = Field::new("external-status-addresses", FieldKind::ListMulti);
        vec![Form::of_type(FormKind::Result, "urn:xmpp:sos:0").field(field.values(addresses.iter().cloned()))]
    }
}
