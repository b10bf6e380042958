//! Up to where somebody has read: one state for all their devices, whether a device says it by a displayed marker
//! ([XEP-0333]), by synchronization ([XEP-0490]) or through HTTP (`specs/messages.md`, "Read markers").
//!
//! The state is in the database, beside the messages; the node of XEP-0490 shows it to devices. What moves the state is
//! published there, and what a device publishes there moves the state.
//!
//! [XEP-0333]: https://xmpp.org/extensions/xep-0333.html
//! [XEP-0490]: https://xmpp.org/extensions/xep-0490.html

use std::sync::Arc;

use waddle_core::{BareJid, Jid, MessageId, RoomName, UserId};
use waddle_messages::{ChannelMessages, inbox};
use waddle_pubsub::{Changed, Request, Service};
use waddle_stanza::{Condition, Stanza, XmlWriter, ns};
use waddle_storage::repo::{
    archive::{self, ArchiveKey},
    direct, messages,
};

use super::config;
use crate::{direct::news::What, server::Server};

/// The node, and the namespace of what is in it (XEP-0490).
pub const NODE: &str = "urn:xmpp:mds:displayed:0";

/// A device has published up to where its owner has read.
pub(crate) fn published(server: &Arc<Server>, account: &BareJid, item: &Changed) {
    let Ok(with) = item.id.parse::<Jid>() else { return };
    let said = item.payload.clone().and_then(|p| Stanza::parse(p).ok());
    let id = said.and_then(|s| {
        s.root()
            .child("stanza-id", ns::SID)?
            .attr("id")?
            .parse::<MessageId>()
            .ok()
    });
    let Some(id) = id else { return };
    let (server, account, with) = (server.clone(), account.clone(), with.bare());
    server.runtime.clone().spawn(async move {
        let Some(user) = user_of(&server, &account).await else {
            return;
        };
        match move_to(&server, &user, &with, id).await {
            Ok(true) => server.news.tell(&user, What::Read { with, id }),
            Ok(false) => {}
            Err(error) => tracing::debug!(%error, "a read marker is not taken"),
        }
    });
}

async fn user_of(server: &Server, account: &BareJid) -> Option<UserId> {
    let found = server.identity.by_localpart(account.local()?).await.ok()??;
    Some(found.user)
}

/// Moves the state of a conversation; `false` where it was there already, or further.
async fn move_to(
    server: &Server,
    user: &UserId,
    with: &BareJid,
    id: MessageId,
) -> Result<bool, waddle_messages::Error> {
    if with.domain() != server.config.muc_domain {
        return inbox::mark_direct(&server.db, user, with.as_str(), id).await;
    }
    let room = with.local().unwrap_or_default();
    let RoomName::Channel { waddle, channel } = RoomName::parse(room) else {
        return move_in_group(server, user, room, id).await;
    };
    let community = &server.community;
    let Some(waddle) = community.waddle_by_slug(&waddle) else {
        return Ok(false);
    };
    let access = community.access(waddle.id).await?;
    let channel = access
        .channel_by_slug(&channel)
        .filter(|c| access.channel_allows(c.id, "join", user));
    let Some(channel) = channel else { return Ok(false) };
    let messages = ChannelMessages::open(community, waddle.id, channel.id).await?;
    messages.mark(user, id).await
}

/// The same for a small private group.
async fn move_in_group(
    server: &Server,
    user: &UserId,
    room: &str,
    id: MessageId,
) -> Result<bool, waddle_messages::Error> {
    let Some(account) = server.identity.by_user(user).await.ok().flatten() else {
        return Ok(false);
    };
    let Ok(jid) = server.identity.jid(&account.localpart) else {
        return Ok(false);
    };
    let (user, room) = (user.clone(), room.to_owned());
    let moved = server.db.write(move |tx| {
        if direct::people(tx, &room)?.iter().all(|p| p.jid != jid) {
            return Ok(false);
        }
        let key = ArchiveKey::room(&room);
        archive::get(tx, &key, id)?;
        messages::mark(tx, user.as_str(), key.as_str(), id)
    });
    Ok(moved.await?)
}

/// Somebody has read a conversation up to a message of its archive: the one of the room, or their own.
pub(crate) async fn tell(server: &Server, account: &BareJid, with: &BareJid, by: &BareJid, id: MessageId) {
    let mut w = XmlWriter::new();
    w.open_ns("displayed", NODE);
    w.open_ns("stanza-id", ns::SID)
        .attr("by", by.as_str())
        .attr_display("id", id)
        .close();
    w.close();
    let service = Service::Account(account.clone());
    let from = account.as_jid().clone();
    // Nobody else is to read it, whoever made the node (XEP-0490 §3.1).
    let private = Request::Configure {
        node: NODE.to_owned(),
        set: Some(config(&[
            ("pubsub#access_model", "whitelist"),
            ("pubsub#max_items", "max"),
            ("pubsub#persist_items", "true"),
            ("pubsub#send_last_published_item", "never"),
        ])),
    };
    let made = server
        .pubsub
        .request(service.clone(), from.clone(), private)
        .await;
    if let Err(e) = &made
        && e.kind != Condition::ItemNotFound
    {
        tracing::debug!(error = ?e, "a read marker cannot be shown to devices");
        return;
    }
    let mut requests = Vec::new();
    if made.is_err() {
        requests.push(Request::Create {
            node: Some(NODE.to_owned()),
            config: Some(config(&[
                ("pubsub#access_model", "whitelist"),
                ("pubsub#max_items", "max"),
                ("pubsub#persist_items", "true"),
                ("pubsub#send_last_published_item", "never"),
            ])),
        });
    }
    requests.push(Request::publish(NODE, with.as_str(), w.finish()));
    if let Err(e) = server.pubsub.all(service, from, requests).await {
        tracing::debug!(error = ?e, "a read marker cannot be shown to devices");
    }
}

/// Somebody has shown a direct message, which they name as its sender did (XEP-0333 §4.2).
pub(crate) fn shown(server: &Arc<Server>, account: BareJid, user: UserId, peer: BareJid, said: String) {
    let server = server.clone();
    server.runtime.clone().spawn(async move {
        let (key, with) = (ArchiveKey::user(&user), peer.clone());
        let found = server.db.read(move |c| {
            let shown = archive::said_by_peer(c, &key, with.as_str(), &said)?;
            Ok(shown.map(|m| m.id))
        });
        let id = match found.await {
            Ok(Some(id)) => id,
            Ok(None) => return,
            Err(error) => return tracing::warn!(%error, "a read marker is lost"),
        };
        match inbox::mark_direct(&server.db, &user, peer.as_str(), id).await {
            Ok(true) => {
                let with = peer.clone();
                server.news.tell(&user, What::Read { with, id });
                tell(&server, &account, &peer, &account, id).await;
            }
            Ok(false) => {}
            Err(error) => tracing::warn!(%error, "a read marker is lost"),
        }
    });
}

/// Somebody has read a channel, in the room or through HTTP: their devices are told.
pub(crate) fn read(server: &Arc<Server>, user: UserId, room: BareJid, id: MessageId) {
    let (server, with) = (server.clone(), room.clone());
    server.news.tell(&user, What::Read { with, id });
    server.runtime.clone().spawn(async move {
        if let Ok(Some(account)) = server.identity.jid_of(&user).await
            && server.is_local(account.as_jid())
        {
            tell(&server, &account, &room, &room, id).await;
        }
    });
}
