//! [XEP-0357](https://xmpp.org/extensions/xep-0357.html) Push Notifications: devices enable and disable them;
//! `push` does the waking.

use bytes::Bytes;
use waddle_core::Jid;
use waddle_stanza::{Condition, Element, ErrorType, StanzaError, XmlWriter, forms::Form, ns};
use waddle_storage::{
    StorageError,
    repo::push::{self, PushService},
};

use super::{Answer, BoxFuture, Extension, IqRequest, IqResult, Scope, Xep};
use crate::push::PUSH;

/// The form that goes along with each notification.
const OPTIONS: &str = "http://jabber.org/protocol/pubsub#publish-options";

/// Push notifications.
pub struct PushNotifications;

impl Extension for PushNotifications {
    fn xep(&self) -> Xep {
        Xep {
            number: 357,
            title: "Push Notifications",
            version: "0.4.1",
            notes: "per device, when a message that rings waits for it; count alone unless configured otherwise",
        }
    }

    fn features(&self, scope: Scope) -> &'static [&'static str] {
        match scope {
            Scope::Account => &[PUSH],
            Scope::Server => &[],
        }
    }

    fn payloads(&self) -> &'static [(&'static str, &'static str)] {
        &[("enable", PUSH), ("disable", PUSH)]
    }

    fn on_iq<'a>(&'a self, r: IqRequest<'a>) -> BoxFuture<'a, IqResult> {
        Box::pin(async move {
            if !r.set {
                return Err(Condition::BadRequest.into());
            }
            if !r.own() {
                return Err(Condition::Forbidden.into());
            }
            let jid = r.payload.attr("jid").ok_or_else(|| {
                StanzaError::new(Condition::BadRequest).text("the attribute jid names the push service")
            })?;
            let service: Jid = jid
                .parse()
                .map_err(|_| StanzaError::new(Condition::JidMalformed))?;
            let node = r.payload.attr("node").map(std::borrow::Cow::into_owned);
            if r.payload.name() == "enable" {
                enable(&r, service, node.unwrap_or_default()).await
            } else {
                disable(&r, service, node).await
            }
        })
    }
}

async fn enable(r: &IqRequest<'_>, service: Jid, node: String) -> IqResult {
    if service == *r.session.bare.as_jid() || service == r.session.jid {
        return Err(StanzaError::new(Condition::NotAllowed).text("this is yourself, not a push service"));
    }
    let options = options(r.payload)?;
    if node.len() + options.len() > r.server.limits.xmpp_push_bytes {
        return Err(StanzaError::new(Condition::NotAcceptable).text("node and options are too long"));
    }
    let (owner, max) = (
        r.session.localpart().to_owned(),
        r.server.limits.xmpp_push_services,
    );
    let entry = PushService {
        service,
        node,
        resource: r.session.jid.resource().unwrap_or_default().to_owned(),
        options,
    };
    let written = r.server.db.write(move |tx| push::enable(tx, &owner, &entry, max));
    match written.await {
        Ok(()) => {
            r.server.push.note(r.session.localpart(), true);
            Ok(Answer::Empty)
        }
        Err(StorageError::Constraint(_)) => Err(StanzaError::new(Condition::PolicyViolation)
            .of_type(ErrorType::Modify)
            .text("too many push services; disable one first")),
        Err(e) => Err(failed(&e)),
    }
}

async fn disable(r: &IqRequest<'_>, service: Jid, node: Option<String>) -> IqResult {
    let owner = r.session.localpart().to_owned();
    let written = r
        .server
        .db
        .write(move |tx| push::disable(tx, &owner, &service, node.as_deref()));
    match written.await {
        Ok(any) => {
            r.server.push.note(r.session.localpart(), any);
            Ok(Answer::Empty)
        }
        Err(e) => Err(failed(&e)),
    }
}

/// The form of publish-options as a complete element; empty where there is none.
fn options(enable: Element<'_>) -> Result<Bytes, StanzaError> {
    let Some(x) = enable.child("x", ns::DATA) else {
        return Ok(Bytes::new());
    };
    if Form::read(x).and_then(|f| f.form_type().map(|t| t == OPTIONS)) != Some(true) {
        return Err(StanzaError::new(Condition::BadRequest)
            .text("the form's FORM_TYPE must be that of publish-options (XEP-0060)"));
    }
    let mut w = XmlWriter::new();
    w.copy(x);
    Ok(w.finish())
}

fn failed(e: &StorageError) -> StanzaError {
    tracing::error!(error = %e, "push services could not be changed");
    StanzaError::new(Condition::InternalServerError)
}
