//! [XEP-0199](https://xmpp.org/extensions/xep-0199.html) XMPP Ping.

use waddle_stanza::{Condition, ns};

use super::{Answer, BoxFuture, Extension, IqRequest, IqResult, Scope, Target, Xep};

/// Ping of the server and of the own account.
pub struct Ping;

impl Extension for Ping {
    fn xep(&self) -> Xep {
        Xep {
            number: 199,
            title: "XMPP Ping",
            version: "2.0.1",
            notes: "answered by the server and the own account; silent sessions are pinged",
        }
    }

    fn features(&self, _: Scope) -> &'static [&'static str] {
        &[ns::PING]
    }

    fn payloads(&self) -> &'static [(&'static str, &'static str)] {
        &[("ping", ns::PING)]
    }

    fn on_iq<'a>(&'a self, r: IqRequest<'a>) -> BoxFuture<'a, IqResult> {
        let answer = match r.target {
            _ if r.set => Err(Condition::BadRequest.into()),
            Target::Other(_) => Err(Condition::ServiceUnavailable.into()),
            Target::Server | Target::Own => Ok(Answer::Empty),
        };
        Box::pin(async { answer })
    }
}
