//! Occupants of rooms that are no sessions: components, users of other servers. Each has an outbox like a session's,
//! and a task that sends on what comes into it.

use std::{
    collections::VecDeque,
    sync::{Arc, Weak},
    time::Duration,
};

use dashmap::{DashMap, Entry};
use waddle_core::Jid;
use waddle_muc::Sender;
use waddle_outbox::Outbox;
use waddle_stanza::Outgoing;

use super::{Origin, inbound_now, outward::sender_of};
use crate::server::Server;

/// How often it is looked whether any room still knows a guest.
const LOOK: Duration = Duration::from_secs(60);

/// The outboxes of guests, for as long as somebody holds them.
#[derive(Debug, Default)]
pub struct Guests(DashMap<Jid, Weak<Outbox<Outgoing>>, ahash::RandomState>);

/// Who `origin` is to the rooms; `None` where there are too many guests.
pub(super) fn sender(server: &Arc<Server>, origin: &Origin) -> Option<Sender> {
    if let Some(session) = origin.session() {
        return Some(session.sender());
    }
    let full = server.guests.0.len() >= server.limits.xmpp_guests;
    let outbox = match server.guests.0.entry(origin.jid().clone()) {
        Entry::Occupied(mut e) => match e.get().upgrade() {
            Some(outbox) => outbox,
            None => {
                let outbox = start(server, origin.jid().clone());
                e.insert(Arc::downgrade(&outbox));
                outbox
            }
        },
        Entry::Vacant(_) if full => return None,
        Entry::Vacant(e) => {
            let outbox = start(server, origin.jid().clone());
            e.insert(Arc::downgrade(&outbox));
            outbox
        }
    };
    Some(Sender {
        jid: origin.jid().clone(),
        user: origin.subject(),
        outbox,
    })
}

fn start(server: &Arc<Server>, jid: Jid) -> Arc<Outbox<Outgoing>> {
    let l = &server.limits;
    let outbox = Arc::new(Outbox::new(l.xmpp_outbox_stanzas, l.xmpp_outbox_bytes));
    server.runtime.spawn(send_on(server.clone(), jid, outbox.clone()));
    outbox
}

async fn send_on(server: Arc<Server>, jid: Jid, outbox: Arc<Outbox<Outgoing>>) {
    let mut items = VecDeque::new();
    loop {
        tokio::select! {
            () = outbox.ready() => {}
            () = tokio::time::sleep(LOOK) => {
                // Nobody but this task knows it, and nobody can get it while the entry is held.
                let gone = server.guests.0.remove_if(&jid, |_, _| Arc::strong_count(&outbox) == 1);
                if gone.is_some() {
                    // No room holds it; nor need they remember where it knocked.
                    server.rooms.session_ended(&jid);
                    return;
                }
            }
            () = server.stop.cancelled() => return,
        }
        outbox.drain_into(&mut items);
        if outbox.overflowed() {
            outbox.clear_overflow();
        }
        for item in items.drain(..) {
            let Ok(stanza) = item.to_stanza() else { continue };
            if let Some(from) = sender_of(&stanza) {
                inbound_now(&server, from, stanza);
            }
        }
    }
}
