//! [XEP-0379](https://xmpp.org/extensions/xep-0379.html) Pre-Authenticated Roster Subscription: a request that shows an
//! invitation of its recipient is granted at once, in both directions.

use std::sync::Arc;

use waddle_core::BareJid;
use waddle_stanza::{Stanza, ns};

use super::{Extension, Xep};
use crate::server::Server;

/// Requests that show an invitation.
pub struct PreAuthenticated;

impl Extension for PreAuthenticated {
    fn xep(&self) -> Xep {
        Xep {
            number: 379,
            title: "Pre-Authenticated Roster Subscription",
            version: "0.3.3",
            notes: "the server grants requests that show an invitation it made; others go to the client as they are",
        }
    }
}

/// Whether a request to subscribe shows an invitation of `contact`, which is used up by it. What is malformed, unknown
/// or over is ignored (§4.1).
pub(crate) async fn is_invited(server: &Arc<Server>, request: &Stanza, contact: &BareJid) -> bool {
    if !server.registry.has(379) || !server.is_local(contact.as_jid()) {
        return false;
    }
    let token = request
        .root()
        .child("preauth", ns::PARS)
        .and_then(|p| p.attr("token"));
    let (Some(token), Some(inviter)) = (token, contact.local()) else {
        return false;
    };
    match server.identity.accept_contact(&token, inviter).await {
        Ok(invited) => invited,
        Err(e) => {
            tracing::error!(error = %e, "an invitation could not be read");
            false
        }
    }
}
