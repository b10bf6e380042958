//! What a block does to presence (XEP-0191 §3.3, §3.4).

use std::sync::Arc;

use waddle_core::{BareJid, Jid};
use waddle_stanza::Outgoing;
use waddle_storage::repo::roster;

use super::{goodbye, show, shown};
use crate::{
    router::{Origin, blocks::BlockList, outward},
    server::Server,
    session::Flag,
};

/// What a change of the block list of `owner` means for presence (XEP-0191 §3.3, §3.4): who is blocked sees everybody go,
/// who is no longer blocked sees them again.
pub(crate) async fn blocked(server: &Arc<Server>, owner: &BareJid, jids: &[Jid], block: bool) {
    if jids.is_empty() {
        return;
    }
    let list = BlockList::new(jids);
    let me = owner.clone();
    let read = server
        .db
        .read(move |conn| roster::all(conn, me.local().unwrap_or_default()));
    let contacts = read.await.unwrap_or_else(|e| {
        tracing::error!(error = %e, "a roster could not be read");
        Vec::new()
    });
    for s in server.sessions.of(owner.local().unwrap_or_default()) {
        if !s.is(Flag::Available) {
            continue;
        }
        let tell = |to: &Jid, presence: Outgoing| {
            if server.is_local(to) {
                for other in server.sessions.of(to.local().unwrap_or_default()) {
                    if other.is(Flag::Available)
                        && (to.is_bare() || other.jid == *to)
                        && list.matches(&other.jid)
                    {
                        let _ = other.send(presence.clone());
                    }
                }
            } else if list.matches(to) {
                outward::abroad_now(server, &Origin::from(&s), to, &presence);
            }
        };
        let directed = if block {
            // Who got it directly is told as well, and is no longer kept.
            let mut announced = s.announced.lock();
            let (gone, kept) = announced.directed.drain(..).partition(|d| list.matches(d));
            announced.directed = kept;
            gone
        } else {
            Vec::new()
        };
        for to in &directed {
            tell(to, goodbye(&s, to.as_str()));
        }
        for c in contacts.iter().filter(|c| c.from()) {
            let to = c.jid.as_jid();
            if block {
                tell(to, goodbye(&s, to.as_str()));
            } else if let Some(presence) = shown(&s, to.as_str()) {
                tell(to, presence);
            }
        }
        if !block {
            for c in contacts
                .iter()
                .filter(|c| c.to() && server.is_local(c.jid.as_jid()))
            {
                for other in server.sessions.of(c.jid.local().unwrap_or_default()) {
                    if list.matches(&other.jid) && !server.blocks.between(server, &s.jid, &other.jid) {
                        show(&other, &s, owner.as_str());
                    }
                }
            }
        }
    }
}
