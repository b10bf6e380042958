//! [XEP-0092](https://xmpp.org/extensions/xep-0092.html) Software Version.

use waddle_stanza::{Condition, XmlWriter, ns};

use super::{Answer, BoxFuture, Extension, IqRequest, IqResult, Scope, Target, Xep};

/// Name and version of the server.
pub struct Version;

impl Extension for Version {
    fn xep(&self) -> Xep {
        Xep {
            number: 92,
            title: "Software Version",
            version: "1.1",
            notes: "name and version, no operating system",
        }
    }

    fn features(&self, scope: Scope) -> &'static [&'static str] {
        if scope == Scope::Server {
            &[ns::VERSION]
        } else {
            &[]
        }
    }

    fn payloads(&self) -> &'static [(&'static str, &'static str)] {
        &[("query", ns::VERSION)]
    }

    fn on_iq<'a>(&'a self, r: IqRequest<'a>) -> BoxFuture<'a, IqResult> {
        let answer = if r.target != Target::Server {
            Err(Condition::ServiceUnavailable.into())
        } else if r.set {
            Err(Condition::BadRequest.into())
        } else {
            let mut w = XmlWriter::new();
            w.open_ns("query", ns::VERSION)
                .leaf("name", "Waddle")
                .leaf("version", env!("CARGO_PKG_VERSION"))
                .close();
            Ok(Answer::Payload(w))
        };
        Box::pin(async { answer })
    }
}
