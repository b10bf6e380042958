//! [XEP-0133](https://xmpp.org/extensions/xep-0133.html) Service Administration: the commands are in
//! [`crate::command::admin`]; here is what they do to everybody.

use std::sync::Arc;

use waddle_core::Timestamp;
use waddle_stanza::{Class, Outgoing, XmlWriter};
use waddle_storage::repo::service::{self, ServiceText};

use super::{BoxFuture, Extension, SessionEvent, Xep};
use crate::{
    server::Server,
    session::{Flag, Session},
};

/// Service administration.
pub struct Administration;

impl Extension for Administration {
    fn xep(&self) -> Xep {
        Xep {
            number: 133,
            title: "Service Administration",
            version: "1.3.1",
            notes: "all 30 commands, for accounts that may administer",
        }
    }

    fn on_session<'a>(
        &'a self,
        server: &'a Arc<Server>,
        session: &'a Arc<Session>,
        event: SessionEvent,
    ) -> Option<BoxFuture<'a, ()>> {
        let texts = server.office.texts();
        let any = texts.motd.is_some() || texts.welcome.is_some();
        (event == SessionEvent::Available && any)
            .then(|| -> BoxFuture<'a, ()> { Box::pin(greet(server, session)) })
    }
}

/// A message of the server for one session.
fn message(server: &Server, to: &str, subject: &str, body: &str) -> Outgoing {
    let mut w = XmlWriter::message();
    w.attr("from", &server.config.domain)
        .attr("to", to)
        .attr("id", &server.random_text::<9>());
    w.leaf("subject", subject).leaf("body", body);
    w.outgoing(Class::Message)
}

/// §4.23: to everybody who has a session now.
pub(crate) fn announce(server: &Server, text: &str) {
    for s in server.sessions.all() {
        if !s.is(Flag::Ended) {
            let _ = s.send(message(server, s.jid.as_str(), "Announcement", text));
        }
    }
}

/// §4.24: to everybody who is there; the others get it when they come.
pub(crate) async fn show_motd_to_all(server: &Arc<Server>, text: &ServiceText) {
    let mut all = server.sessions.all();
    all.retain(|s| s.is(Flag::Available) && !s.is(Flag::Ended));
    all.sort_by(|a, b| a.localpart().cmp(b.localpart()));
    let names: Vec<String> = all.iter().map(|s| s.localpart().to_owned()).collect();
    let version = text.version;
    let noted = server.db.write(move |tx| {
        for name in &names {
            service::see(tx, name, service::MOTD, version)?;
        }
        Ok(())
    });
    if let Err(e) = noted.await {
        tracing::error!(error = %e, "who saw the message of the day was not noted");
    }
    for s in all {
        let _ = s.send(message(server, s.jid.as_str(), "Message of the day", &text.body));
    }
}

/// The texts that this account has not seen yet.
async fn greet(server: &Arc<Server>, session: &Arc<Session>) {
    let texts = server.office.texts();
    let due = [
        (service::WELCOME, "Welcome", texts.welcome.as_ref(), true),
        (service::MOTD, "Message of the day", texts.motd.as_ref(), false),
    ];
    for (name, subject, text, newcomers) in due {
        let Some(text) = text else { continue };
        let (who, version) = (session.localpart().to_owned(), text.version);
        let since = if newcomers { text.set_at } else { Timestamp(0) };
        let unseen = {
            let who = who.clone();
            let read = server
                .db
                .read(move |conn| service::is_unseen(conn, &who, name, version, since));
            read.await
        };
        // Two devices that come at once: one of them notes it first.
        let first = match unseen {
            Ok(true) => {
                server
                    .db
                    .write(move |tx| service::see(tx, &who, name, version))
                    .await
            }
            other => other,
        };
        match first {
            Ok(true) => {
                let _ = session.send(message(server, session.jid.as_str(), subject, &text.body));
            }
            Ok(false) => {}
            Err(e) => tracing::error!(error = %e, name, "a text for everybody was not shown"),
        }
    }
}
