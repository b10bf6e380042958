//! [XEP-0202](https://xmpp.org/extensions/xep-0202.html) Entity Time.

use waddle_stanza::{Condition, XmlWriter, ns};

use super::{Answer, BoxFuture, Extension, IqRequest, IqResult, Scope, Target, Xep};

/// The server's time.
pub struct Time;

impl Extension for Time {
    fn xep(&self) -> Xep {
        Xep {
            number: 202,
            title: "Entity Time",
            version: "2.0",
            notes: "the server's, in UTC",
        }
    }

    fn features(&self, scope: Scope) -> &'static [&'static str] {
        if scope == Scope::Server { &[ns::TIME] } else { &[] }
    }

    fn payloads(&self) -> &'static [(&'static str, &'static str)] {
        &[("time", ns::TIME)]
    }

    fn on_iq<'a>(&'a self, r: IqRequest<'a>) -> BoxFuture<'a, IqResult> {
        let answer = if r.target != Target::Server {
            Err(Condition::ServiceUnavailable.into())
        } else if r.set {
            Err(Condition::BadRequest.into())
        } else {
            let mut w = XmlWriter::new();
            w.open_ns("time", ns::TIME)
                .leaf("tzo", "+00:00")
                .leaf("utc", &r.server.now().to_string())
                .close();
            Ok(Answer::Payload(w))
        };
        Box::pin(async { answer })
    }
}
