//! [XEP-0054](https://xmpp.org/extensions/xep-0054.html) vcard-temp.

use waddle_pubsub::Service;
use waddle_stanza::Condition;

use super::{Answer, BoxFuture, Extension, IqRequest, IqResult, Scope, Target, Xep};
use crate::personal::{vcard, vcard_map::TEMP};

/// vCards.
pub struct VCards;

impl Extension for VCards {
    fn xep(&self) -> Xep {
        Xep {
            number: 54,
            title: "vcard-temp",
            version: "1.3.0",
            notes: "kept as it is sent, shown as vCard4 too; without one the name from the login",
        }
    }

    fn features(&self, _: Scope) -> &'static [&'static str] {
        &[TEMP]
    }

    fn payloads(&self) -> &'static [(&'static str, &'static str)] {
        &[("vCard", TEMP)]
    }

    fn on_iq<'a>(&'a self, r: IqRequest<'a>) -> BoxFuture<'a, IqResult> {
        Box::pin(async move {
            match &r.target {
                Target::Own if r.set => vcard::set(r.server, r.session, r.payload).await,
                Target::Own => {
                    let service = Service::Account(r.session.bare.clone());
                    vcard::get(r.server, &service, r.origin.jid(), true).await
                }
                Target::Other(_) if r.set => Err(Condition::Forbidden.into()),
                Target::Other(who) => {
                    let service = Service::Account(who.clone());
                    vcard::get(r.server, &service, r.origin.jid(), false).await
                }
                Target::Server if r.set => Err(Condition::Forbidden.into()),
                Target::Server => {
                    let mut w = waddle_stanza::XmlWriter::new();
                    w.open_ns("vCard", TEMP).leaf("FN", "Waddle");
                    Ok(Answer::Payload(w))
                }
            }
        })
    }
}
