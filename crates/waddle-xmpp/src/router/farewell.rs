//! What contacts of a deleted account hear: that it is not available, and that both subscriptions end (RFC 6121 §3.2,
//! §3.3, §4.5). Who is to be told is stored with the end of the account, so that a crash, or a deletion while no server
//! runs, only delays it.

use std::sync::Arc;

use waddle_core::Jid;
use waddle_stanza::{Class, Outgoing, XmlWriter};
use waddle_storage::repo::departed::{self, Goodbye};

use super::{Origin, deliver, outward, subscription};
use crate::server::Server;

/// Contacts read at a time.
const PAGE: usize = 200;

/// Tells everybody who is waiting to be told.
pub(crate) async fn say(server: &Arc<Server>) {
    loop {
        let page = match server.db.read(|conn| departed::goodbyes(conn, PAGE)).await {
            Ok(page) => page,
            Err(error) => {
                tracing::warn!(%error, "contacts of a deleted account are told later");
                return;
            }
        };
        let last = page.len() < PAGE;
        for goodbye in page {
            if let Err(error) = one(server, goodbye).await {
                tracing::warn!(%error, "contacts of a deleted account are told later");
                return;
            }
        }
        if last {
            return;
        }
    }
}

async fn one(server: &Arc<Server>, goodbye: Goodbye) -> Result<(), waddle_stanza::StanzaError> {
    let Some(gone) = server.account(&goodbye.gone) else {
        // The domain was another one: nobody knows the account under this one.
        let forgotten = server.db.write(move |tx| departed::said(tx, &goodbye)).await;
        return forgotten.map_err(|_| waddle_stanza::Condition::InternalServerError.into());
    };
    if goodbye.seen {
        unavailable(server, gone.as_jid(), goodbye.contact.as_jid());
    }
    subscription::farewell(server, gone, goodbye).await
}

fn unavailable(server: &Arc<Server>, from: &Jid, to: &Jid) {
    let mut w = XmlWriter::presence();
    w.attr("type", "unavailable")
        .attr("from", from.as_str())
        .attr("to", to.as_str());
    let presence = Outgoing::whole(w.finish(), Class::Presence);
    if server.is_local(to) {
        deliver::presence(server, to, &presence);
    } else {
        outward::abroad_now(server, &Origin::elsewhere(from.clone()), to, &presence);
    }
}
