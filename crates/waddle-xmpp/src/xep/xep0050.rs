//! [XEP-0050](https://xmpp.org/extensions/xep-0050.html) Ad-Hoc Commands; the commands are in [`crate::command`].

use std::{borrow::Cow, sync::Arc};

use waddle_stanza::{Condition, ns};

use super::{BoxFuture, Extension, IqRequest, IqResult, Scope, SessionEvent, Target, Xep};
use crate::{
    command::{Place, run},
    server::Server,
    session::Session,
};

/// Ad-hoc commands of the server and of accounts.
pub struct Commands;

fn place(target: &Target) -> Option<Place> {
    match target {
        Target::Server => Some(Place::Server),
        Target::Own => Some(Place::Account),
        Target::Other(_) => None,
    }
}

/// The address that was asked; none stands for the own account.
fn address<'a>(r: &'a IqRequest<'_>) -> Cow<'a, str> {
    r.stanza
        .root()
        .attr("to")
        .unwrap_or_else(|| r.session.bare.as_str().into())
}

impl Extension for Commands {
    fn xep(&self) -> Xep {
        Xep {
            number: 50,
            title: "Ad-Hoc Commands",
            version: "1.3.1",
            notes: "server and own account; everybody sees the commands that they may run",
        }
    }

    fn features(&self, _: Scope) -> &'static [&'static str] {
        &[ns::COMMANDS]
    }

    fn payloads(&self) -> &'static [(&'static str, &'static str)] {
        &[("command", ns::COMMANDS)]
    }

    fn on_iq<'a>(&'a self, r: IqRequest<'a>) -> BoxFuture<'a, IqResult> {
        Box::pin(async move {
            let place = place(&r.target).ok_or(Condition::ServiceUnavailable)?;
            if !r.set {
                return Err(Condition::BadRequest.into());
            }
            let address = address(&r);
            let asker = run::asker(r.server, r.session, place, &address).await;
            run::execute(&asker, r.payload).await
        })
    }

    fn on_node<'a>(
        &'a self,
        r: &'a IqRequest<'a>,
        node: &'a str,
        items: bool,
    ) -> BoxFuture<'a, Option<IqResult>> {
        Box::pin(async move {
            let place = place(&r.target)?;
            let address = address(r);
            let asker = run::asker(r.server, r.session, place, &address).await;
            run::disco(&asker, node, items).await
        })
    }

    fn on_session<'a>(
        &'a self,
        server: &'a Arc<Server>,
        session: &'a Arc<Session>,
        event: SessionEvent,
    ) -> Option<BoxFuture<'a, ()>> {
        if event == SessionEvent::Ended {
            server.commands.forget(&session.jid);
        }
        None
    }
}
