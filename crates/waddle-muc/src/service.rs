//! The service itself, `muc.<domain>`: what it is and which rooms there are, as far as the asker may see
//! ([XEP-0045 §6.2, §6.3]).
//!
//! [XEP-0045 §6.2, §6.3]: https://xmpp.org/extensions/xep-0045.html#disco-component

use std::sync::Arc;

use waddle_community::{Visibility, Waddle};
use waddle_core::{RoomName, UserId};
use waddle_stanza::{
    Class, Outgoing, StanzaError,
    disco::{DiscoInfo, DiscoItem, DiscoItems, Identity},
    ns,
    rsm::{PageRequest, PageResult, Place},
};
use waddle_storage::repo::rooms::PlainRooms;

use crate::{
    api::Arrived,
    error::{self, Outcome},
    rooms::{Inner, refuse},
    state::Input,
};

/// Rooms of one page at the most.
const PAGE: usize = 500;
/// Public waddles whose channels are listed for strangers, at the most.
const PUBLIC: usize = 100;

/// A stanza for the service.
pub(crate) fn route(rooms: &Arc<Inner>, inbound: Arrived) {
    let stanza = &inbound.stanza;
    let sender = &inbound.sender;
    let payload = stanza.payload().filter(|_| stanza.is_request());
    let known = payload.map(|p| (p.name().to_owned(), p.ns().to_owned(), stanza.is_type("get")));
    match known.as_ref().map(|(n, ns, get)| (n.as_str(), ns.as_str(), *get)) {
        Some(("query", ns::DISCO_INFO, true)) => {
            let mut w = stanza.result(None);
            info().write(&mut w);
            let _ = sender.outbox.push(w.outgoing(Class::Iq));
        }
        Some(("query", ns::DISCO_ITEMS, true)) => {
            let inner = rooms.clone();
            rooms.aside(inbound, async move |inbound| items(&inner, &inbound).await);
        }
        Some(("ping", ns::PING, true)) => {
            let _ = sender.outbox.push(stanza.result(None).outgoing(Class::Iq));
        }
        _ => {
            let why = error::unserved("send this to a room, not to the room service");
            refuse(Input::Stanza(inbound), &why);
        }
    }
}

fn info() -> DiscoInfo {
    let features = [
        ns::DISCO_INFO,
        ns::DISCO_ITEMS,
        ns::MUC,
        ns::PING,
        ns::RSM,
        ns::MAM,
        ns::OCCUPANT_ID,
        ns::MUC_SELF_PING,
    ];
    DiscoInfo {
        node: None,
        identities: vec![Identity::new("conference", "text", "Rooms")],
        features: features.map(str::to_owned).into(),
        forms: Vec::new(),
    }
}

async fn items(rooms: &Arc<Inner>, inbound: &Arrived) -> Vec<Outgoing> {
    let stanza = &inbound.stanza;
    let bounce = |e: StanzaError| {
        e.reply(stanza, None, Some(inbound.sender.jid.as_str()))
            .into_iter()
            .collect()
    };
    let Some(payload) = stanza.payload() else {
        return Vec::new();
    };
    let request = match PageRequest::within(payload) {
        Ok(request) => request,
        Err(e) => return bounce(e),
    };
    let all = match visible(rooms, &inbound.sender.user).await {
        Ok(all) => all,
        Err(why) => return why.reply(stanza, &inbound.sender).into_iter().collect(),
    };
    let mut w = stanza.result(None);
    page(all, &request).write(&mut w);
    vec![w.outgoing(Class::Iq)]
}

/// The part that was asked for.
fn page(all: Vec<DiscoItem>, request: &PageRequest) -> DiscoItems {
    let (total, most) = (all.len(), request.limit(PAGE));
    let from = match &request.place {
        Place::First => 0,
        Place::After(jid) => all.partition_point(|i| i.jid.as_str() <= jid.as_str()),
        Place::Before(jid) => all
            .partition_point(|i| i.jid.as_str() < jid.as_str())
            .saturating_sub(most),
        Place::Last => total.saturating_sub(most),
        Place::Index(i) => (*i as usize).min(total),
    };
    let items: Vec<DiscoItem> = all.into_iter().skip(from).take(most).collect();
    let whole = items.len() == total && *request == PageRequest::default();
    let page = (!whole).then(|| PageResult {
        first: items.first().map(|i| (i.jid.clone(), u32::try_from(from).ok())),
        last: items.last().map(|i| i.jid.clone()),
        count: u32::try_from(total).ok(),
    });
    DiscoItems {
        node: None,
        items,
        page,
    }
}

/// All rooms that somebody may see, in the order of their addresses.
async fn visible(rooms: &Arc<Inner>, user: &UserId) -> Outcome<Vec<DiscoItem>> {
    let community = &rooms.deps.community;
    let failed = |e: &dyn std::fmt::Display| {
        tracing::error!(error = %e, "the list of rooms cannot be read");
        error::internal("the list of rooms cannot be read at present")
    };
    let mut waddles: Vec<Arc<Waddle>> = community
        .waddles_of(user)
        .await
        .map_err(|e| failed(&e))?
        .into_iter()
        .map(|(w, _)| w)
        .collect();
    let mut public: Vec<_> = community
        .waddles()
        .into_iter()
        .filter(|w| w.visibility == Visibility::Public && !waddles.iter().any(|own| own.id == w.id))
        .collect();
    public.sort_unstable_by(|a, b| a.slug.cmp(&b.slug));
    waddles.extend(public.into_iter().take(PUBLIC));
    let item = |name: &str, title: String| {
        Some(DiscoItem {
            jid: waddle_core::BareJid::new(Some(name), rooms.service.domain())
                .ok()?
                .to_string(),
            node: None,
            name: Some(if title.is_empty() { name.to_owned() } else { title }),
        })
    };
    let mut all = Vec::new();
    for w in waddles {
        let Ok(access) = community.access(w.id).await else {
            continue;
        };
        for c in access.visible_channels(user) {
            if access.channel_allows(c.id, "join", user) {
                let title = [w.name.as_str(), " / ", c.name.as_str()].concat();
                all.extend(item(&RoomName::localpart(&w.slug, &c.slug), title));
            }
        }
    }
    let server = rooms.deps.storage.server();
    let plain = PlainRooms(&server);
    let listed = plain.listed(None, rooms.deps.limits.muc_plain_rooms);
    for room in listed.await.map_err(|e| failed(&e))? {
        all.extend(item(&room.name, room.title));
    }
    all.sort_unstable_by(|a, b| a.jid.cmp(&b.jid));
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn items(n: usize) -> Vec<DiscoItem> {
        (0..n)
            .map(|i| DiscoItem {
                jid: format!("{i:03}@muc.x"),
                node: None,
                name: None,
            })
            .collect()
    }

    #[test]
    fn pages() {
        let all = page(items(3), &PageRequest::default());
        assert_eq!((all.items.len(), all.page), (3, None));
        let ask = |place| PageRequest {
            max: Some(2),
            place,
            before: None,
        };
        let of = |place| {
            let found = page(items(5), &ask(place));
            let jids: Vec<String> = found.items.iter().map(|i| i.jid[..3].to_owned()).collect();
            (jids.join(" "), found.page.and_then(|p| p.count))
        };
        assert_eq!(of(Place::First), ("000 001".to_owned(), Some(5)));
        assert_eq!(of(Place::After("001@muc.x".to_owned())).0, "002 003");
        assert_eq!(of(Place::Before("003@muc.x".to_owned())).0, "001 002");
        assert_eq!(of(Place::Last).0, "003 004");
        assert_eq!(of(Place::After("zzz".to_owned())).0, "");
        assert_eq!(of(Place::Index(4)).0, "004");
    }
}
