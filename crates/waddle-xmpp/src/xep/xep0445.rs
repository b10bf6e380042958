//! [XEP-0445](https://xmpp.org/extensions/xep-0445.html) Pre-Authenticated In-Band Registration: an invitation is shown
//! before login, then the registration of XEP-0077 follows.

use std::sync::Arc;

use waddle_stanza::{Condition, Element, StanzaError};

use super::{Extension, Xep};
use crate::{config::Registration, server::Server};

/// Registration by invitation.
pub struct Invited;

impl Extension for Invited {
    fn xep(&self) -> Xep {
        Xep {
            number: 445,
            title: "Pre-Authenticated In-Band Registration",
            version: "0.2.0",
            notes: "names that an invitation keeps are given to nobody else; contacts of the inviter where it says so",
        }
    }
}

/// The token of a `<preauth/>`, where it is a live invitation (§4).
pub(crate) async fn preauth(server: &Arc<Server>, preauth: Element<'_>) -> Result<String, StanzaError> {
    let open = server.config.registration != Registration::Closed && server.registry.has(445);
    let token = preauth.attr("token").unwrap_or_default();
    let found = if open {
        server.identity.invitation(&token).await
    } else {
        Ok(None)
    };
    match found {
        Ok(Some(_)) => Ok(token.into_owned()),
        Ok(None) => Err(StanzaError::new(Condition::ItemNotFound)
            .text("this invitation was used or has expired; ask for a new one")),
        Err(e) => {
            tracing::error!(error = %e, "an invitation could not be read");
            Err(StanzaError::new(Condition::InternalServerError).text("try again in a moment"))
        }
    }
}
