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
    rsm::{PageRequest, PageResult},
};
use waddle_storage::repo::{
    room_list::{self, DescribedRoom},
    rooms,
};

use crate::{
    api::Arrived,
    avatar,
    error::{self, Outcome},
    rooms::{Inner, refuse},
    search,
    state::Input,
};

/// A name for a room that nobody has, in old versions of XEP-0045.
const UNIQUE: &str = "http://jabber.org/protocol/muc#unique";
/// Rooms that one request takes somebody's registration back from, at the most.
const UNREGISTER: usize = 1_000;
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
        Some(("search", search::SEARCH, _)) => {
            let inner = rooms.clone();
            rooms.aside(inbound, async move |inbound| {
                search::answer(&inner, &inbound).await
            });
        }
        Some(("query", ns::REGISTER, false)) if payload.is_some_and(|p| p.has("remove", ns::REGISTER)) => {
            let inner = rooms.clone();
            rooms.aside(inbound, async move |inbound| unregister(&inner, &inbound).await);
        }
        Some(("unique", UNIQUE, true)) => {
            let mut w = stanza.result(None);
            w.open_ns("unique", UNIQUE)
                .text(&waddle_core::SessionId::new().to_string().to_lowercase())
                .close();
            let _ = sender.outbox.push(w.outgoing(Class::Iq));
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
        search::SEARCH,
        "http://jabber.org/protocol/muc#stable_id",
        "muc_rooms",
        avatar::VCARD,
        ns::REGISTER,
        UNIQUE,
    ];
    DiscoInfo {
        node: None,
        identities: vec![Identity::new("conference", "text", "Rooms")],
        features: features.map(str::to_owned).into(),
        forms: Vec::new(),
    }
}

/// Takes back all registrations of somebody with plain rooms (XEP-0077 §3.2, for the whole service).
async fn unregister(inner: &Arc<Inner>, inbound: &Arrived) -> Vec<Outgoing> {
    let bare = inbound.sender.jid.bare();
    let (db, jid) = (inner.deps.storage.server(), bare.to_string());
    let found = db.read(move |c| rooms::registered_in(c, &jid, UNREGISTER)).await;
    match found {
        Ok(names) if names.is_empty() => {
            error::registration_required("you are registered with no room of this service")
                .reply(&inbound.stanza, &inbound.sender)
                .into_iter()
                .collect()
        }
        Ok(names) => {
            for name in names {
                inner.send(&name, Input::Unregistered(bare.clone()));
            }
            vec![inbound.stanza.result(None).outgoing(Class::Iq)]
        }
        Err(e) => {
            tracing::error!(error = %e, "registrations cannot be read");
            error::internal("your registrations cannot be read at present")
                .reply(&inbound.stanza, &inbound.sender)
                .into_iter()
                .collect()
        }
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
    let all: Vec<DiscoItem> = all.into_iter().map(Listed::item).collect();
    page(&all, &request).write(&mut w);
    vec![w.outgoing(Class::Iq)]
}

/// The part that was asked for.
fn page(all: &[DiscoItem], request: &PageRequest) -> DiscoItems {
    let total = all.len();
    let range = request.slice(total, PAGE, |jid| {
        match all.binary_search_by(|i| i.jid.as_str().cmp(jid)) {
            Ok(at) => at..at + 1,
            Err(at) => at..at,
        }
    });
    let items = all[range.clone()].to_vec();
    let whole = items.len() == total && *request == PageRequest::default();
    let jid = |item: Option<&DiscoItem>| item.map(|i| i.jid.clone());
    let (first, last) = (jid(items.first()), jid(items.last()));
    let page = (!whole).then(|| PageResult::of_slice(total, &range, first.as_deref(), last.as_deref()));
    DiscoItems {
        node: None,
        items,
        page,
    }
}

/// A room as a list shows it.
#[derive(Debug, Clone)]
pub(crate) struct Listed {
    pub jid: String,
    /// The name that people read.
    pub name: String,
    pub description: String,
    /// The language that is spoken; empty where unknown.
    pub lang: String,
    /// Whether anybody may enter.
    pub open: bool,
    /// Whether everybody sees real addresses.
    pub whois_anyone: bool,
    /// Occupants now.
    pub users: usize,
}

impl Listed {
    fn item(self) -> DiscoItem {
        DiscoItem {
            jid: self.jid,
            node: None,
            name: Some(self.name),
        }
    }
}

/// All rooms that somebody may see, in the order of their addresses.
pub(crate) async fn visible(rooms: &Arc<Inner>, user: &UserId) -> Outcome<Vec<Listed>> {
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
    let room = |r: DescribedRoom| {
        Some(Listed {
            jid: waddle_core::BareJid::new(Some(&r.name), rooms.service.domain())
                .ok()?
                .to_string(),
            users: rooms.occupants_of(&r.name),
            name: if r.title.is_empty() { r.name } else { r.title },
            description: r.description,
            lang: r.lang,
            open: r.open,
            whois_anyone: r.whois_anyone,
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
                all.extend(room(DescribedRoom {
                    name: RoomName::localpart(&w.slug, &c.slug),
                    title,
                    description: c.topic.clone(),
                    lang: String::new(),
                    open: w.visibility == Visibility::Public && !c.private,
                    whois_anyone: false,
                }));
            }
        }
    }
    let server = rooms.deps.storage.server();
    let plain = room_list::described(&server, rooms.deps.limits.muc_plain_rooms).await;
    all.extend(plain.map_err(|e| failed(&e))?.into_iter().filter_map(room));
    all.sort_unstable_by(|a, b| a.jid.cmp(&b.jid));
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use waddle_stanza::rsm::Place;

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
        let all = page(&items(3), &PageRequest::default());
        assert_eq!((all.items.len(), all.page), (3, None));
        let ask = |place| PageRequest {
            max: Some(2),
            place,
            before: None,
        };
        let of = |place| {
            let found = page(&items(5), &ask(place));
            let jids: Vec<String> = found.items.iter().map(|i| i.jid[..3].to_owned()).collect();
            (jids.join(" "), found.page.and_then(|p| p.count))
        };
        assert_eq!(of(Place::First), ("000 001".to_owned(), Some(5)));
        assert_eq!(of(Place::After("001@muc.x".to_owned())).0, "002 003");
        assert_eq!(of(Place::Before("003@muc.x".to_owned())).0, "001 002");
        assert_eq!(of(Place::Before("001@muc.x".to_owned())).0, "000");
        assert_eq!(of(Place::Last).0, "003 004");
        assert_eq!(of(Place::After("zzz".to_owned())).0, "");
        assert_eq!(of(Place::Index(4)).0, "004");
    }
}
