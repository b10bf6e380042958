//! [XEP-0012](https://xmpp.org/extensions/xep-0012.html) Last Activity of accounts and of the server.

use waddle_stanza::{Condition, Stanza, StanzaError, XmlWriter, ns};
use waddle_storage::repo::{last_seen, roster};

use super::{Answer, BoxFuture, Extension, IqRequest, IqResult, Scope, Target, Xep};
use crate::session::Flag;

/// When somebody was there for the last time.
pub struct LastActivity;

impl Extension for LastActivity {
    fn xep(&self) -> Xep {
        Xep {
            number: 12,
            title: "Last Activity",
            version: "2.0",
            notes: "of accounts with their last words, for who may see the presence; uptime of the server",
        }
    }

    fn features(&self, _: Scope) -> &'static [&'static str] {
        &[ns::LAST]
    }

    fn payloads(&self) -> &'static [(&'static str, &'static str)] {
        &[("query", ns::LAST)]
    }

    fn on_iq<'a>(&'a self, r: IqRequest<'a>) -> BoxFuture<'a, IqResult> {
        Box::pin(async move {
            if r.set {
                return Err(Condition::BadRequest.into());
            }
            let seen = match &r.target {
                Target::Server => return answer(r.server.now().since(r.server.started).as_secs(), None),
                Target::Own => r.session.bare.clone(),
                Target::Other(who) => who.clone(),
            };
            let (name, me) = (
                seen.local().unwrap_or_default().to_owned(),
                r.session.bare.clone(),
            );
            let own = r.own();
            let there = {
                let few = r.server.sessions.of(&name);
                few.iter().any(|s| s.is(Flag::Available))
            };
            let read = r.server.db.read(move |conn| {
                let allowed = own || roster::get(conn, &name, &me)?.from();
                Ok((allowed, last_seen::get(conn, &name)?))
            });
            let (allowed, last) = read.await.map_err(|e| {
                tracing::error!(error = %e, "last activity could not be read");
                StanzaError::new(Condition::InternalServerError)
            })?;
            if !allowed {
                // §4: the same for an account that does not exist.
                return Err(
                    StanzaError::new(Condition::Forbidden).text("you may not see when they were here")
                );
            }
            if there {
                return answer(0, None);
            }
            let Some(last) = last else {
                return Err(StanzaError::new(Condition::ItemNotFound).text("they were not here yet"));
            };
            let status = Stanza::parse(last.presence).ok().and_then(|p| {
                let status = p.root().child_text("status", ns::CLIENT);
                status.map(std::borrow::Cow::into_owned)
            });
            answer(r.server.now().since(last.at).as_secs(), status.as_deref())
        })
    }
}

fn answer(seconds: u64, status: Option<&str>) -> IqResult {
    let mut w = XmlWriter::new();
    w.open_ns("query", ns::LAST)
        .attr_display("seconds", seconds)
        .text(status.unwrap_or_default())
        .close();
    Ok(Answer::Payload(w))
}
