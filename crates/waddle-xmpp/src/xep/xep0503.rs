//! [XEP-0503](https://xmpp.org/extensions/xep-0503.html) Server-side spaces: a waddle is a space, a node of
//! `spaces.<domain>` whose items are its channels.
//!
//! Nothing is stored here: a node is the waddle as its permissions show it to the asker.

use std::sync::Arc;

use waddle_community::{Event, Visibility, Waddle, WaddleAccess};
use waddle_core::{BareJid, Jid, RoomName, UserId};
use waddle_pubsub::ns as pubsub;
use waddle_stanza::{
    Class, Condition, Element, Kind, Outgoing, StanzaError, XmlWriter,
    disco::{DiscoInfo, DiscoItem, DiscoItems, Identity},
    forms::{Field, FieldKind, Form, FormKind},
    ns,
    rsm::{PageRequest, PageResult},
};

use super::{Answer, Extension, IqResult, Xep};
use crate::{
    command::{Place, run},
    router::{Routed, Sent, iq},
    server::Server,
    service::Service,
    session::Flag,
};

/// The type of a space's node.
const SPACES: &str = "urn:xmpp:spaces:0";
/// A channel as an item.
const CONFERENCE: &str = "urn:xmpp:bookmarks:1";
/// Spaces that a list holds at the most.
const MOST: usize = 500;

/// Waddles as spaces.
pub struct Spaces;

impl Extension for Spaces {
    fn xep(&self) -> Xep {
        Xep {
            number: 503,
            title: "Server-side spaces",
            version: "0.3.0",
            notes: "every waddle is a node of `spaces.<domain>`, its channels are the items; members hear of changes",
        }
    }

    fn services(&self, server: &Arc<Server>) -> Vec<(String, Arc<dyn Service>)> {
        let host = ["spaces.", &server.config.domain].concat();
        vec![(host.clone(), Arc::new(SpacesService { host: host.into() }))]
    }
}

/// What answers on the host.
struct SpacesService {
    host: Arc<str>,
}

impl Service for SpacesService {
    fn name(&self) -> &'static str {
        "Waddles"
    }

    fn route(&self, sent: Sent, to: Jid) -> Routed {
        if !to.is_bare() || to.local().is_some() {
            return Routed::from(Condition::ServiceUnavailable);
        }
        let host = self.host.clone();
        match sent.stanza.kind() {
            Kind::Iq => iq::serve(sent, move |sent| answer(sent, host)),
            Kind::Message if sent.stanza.may_bounce() => Routed::from(Condition::ServiceUnavailable),
            _ => Routed::Done,
        }
    }
}

async fn answer(sent: Sent, host: Arc<str>) -> IqResult {
    let (server, stanza) = (&sent.server, sent.stanza.clone());
    let user = sent.origin.subject();
    let payload = stanza.payload().ok_or(Condition::BadRequest)?;
    let set = stanza.is_type("set");
    let node = payload.attr("node").filter(|n| !n.is_empty());
    if let (Some(node), true) = (
        &node,
        payload.in_ns(ns::DISCO_INFO) || payload.in_ns(ns::DISCO_ITEMS),
    ) {
        // Commands are nodes too; no slug is called like one.
        let session = sent.session();
        let asker = run::asker(server, &session, Place::Spaces, &host).await;
        if let Some(found) = run::disco(&asker, node, payload.in_ns(ns::DISCO_ITEMS)).await {
            return found;
        }
    }
    let mut w = XmlWriter::new();
    match (payload.name(), payload.ns(), node) {
        ("query", ns::DISCO_INFO | ns::DISCO_ITEMS, _) if set => return Err(Condition::BadRequest.into()),
        ("query", ns::DISCO_INFO, None) => info().write(&mut w),
        ("query", ns::DISCO_INFO, Some(node)) => {
            let (waddle, access) = space(server, &user, &node).await?;
            metadata(&waddle, &access, &user).write(&mut w);
        }
        ("query", ns::DISCO_ITEMS, None) => list(server, &user, &host).await?.write(&mut w),
        ("query", ns::DISCO_ITEMS, Some(node)) => {
            let (waddle, access) = space(server, &user, &node).await?;
            let items = rooms(server, &waddle, &access, &user);
            DiscoItems {
                node: Some(node.into_owned()),
                items: items
                    .into_iter()
                    .map(|(room, _)| DiscoItem {
                        jid: host.to_string(),
                        node: None,
                        name: Some(room.to_string()),
                    })
                    .collect(),
                page: None,
            }
            .write(&mut w);
        }
        ("command", ns::COMMANDS, _) if set => {
            let session = sent.session();
            let asker = run::asker(server, &session, Place::Spaces, &host).await;
            return run::execute(&asker, payload).await;
        }
        ("pubsub", pubsub::PUBSUB, _) => return nodes(&sent, &user, payload, set).await,
        ("ping", ns::PING, _) if !set => return Ok(Answer::Empty),
        _ => return Err(Condition::ServiceUnavailable.into()),
    }
    Ok(Answer::Payload(w))
}

fn info() -> DiscoInfo {
    let features = [
        "retrieve-items",
        "item-ids",
        "multi-items",
        "meta-data",
        "subscribe",
    ];
    let mut all: Vec<String> = [
        pubsub::PUBSUB,
        SPACES,
        ns::DISCO_INFO,
        ns::DISCO_ITEMS,
        ns::RSM,
        ns::PING,
        ns::COMMANDS,
    ]
    .into_iter()
    .map(str::to_owned)
    .collect();
    all.extend(features.map(|f| [pubsub::PUBSUB, "#", f].concat()));
    DiscoInfo {
        identities: vec![Identity::new("pubsub", "service", "Waddles")],
        features: all,
        ..DiscoInfo::default()
    }
}

/// A waddle that the asker may see; for anything else there is nothing, so that nothing leaks.
async fn space(
    server: &Arc<Server>,
    user: &UserId,
    node: &str,
) -> Result<(Arc<Waddle>, Arc<WaddleAccess>), StanzaError> {
    let nothing =
        || StanzaError::new(Condition::ItemNotFound).text("there is no such space that you may see");
    let slug = node.parse().map_err(|_| nothing())?;
    let waddle = server.community.waddle_by_slug(&slug).ok_or_else(nothing)?;
    let access = server.community.access(waddle.id).await.map_err(|e| failed(&e))?;
    if access.visible_to(user) {
        Ok((waddle, access))
    } else {
        Err(nothing())
    }
}

/// The spaces of the asker, then the public ones.
async fn list(server: &Arc<Server>, user: &UserId, host: &str) -> Result<DiscoItems, StanzaError> {
    let own = server.community.waddles_of(user).await.map_err(|e| failed(&e))?;
    let mut all: Vec<Arc<Waddle>> = own.into_iter().map(|(w, _)| w).collect();
    let mut public: Vec<_> = server
        .community
        .waddles()
        .into_iter()
        .filter(|w| w.visibility == Visibility::Public && !all.iter().any(|own| own.id == w.id))
        .collect();
    public.sort_unstable_by(|a, b| a.slug.cmp(&b.slug));
    all.extend(public);
    all.truncate(MOST);
    let item = |w: Arc<Waddle>| DiscoItem {
        jid: host.to_owned(),
        node: Some(w.slug.to_string()),
        name: Some(w.name.clone()),
    };
    Ok(DiscoItems {
        items: all.into_iter().map(item).collect(),
        ..DiscoItems::default()
    })
}

fn metadata(waddle: &Waddle, access: &WaddleAccess, user: &UserId) -> DiscoInfo {
    let field = |var: &str, value: &str| Field::new(var, FieldKind::TextSingle).value(value);
    let open = waddle.visibility == Visibility::Public;
    let mut form = Form::of_type(FormKind::Result, pubsub::META_DATA)
        .field(field("pubsub#type", SPACES))
        .field(field("pubsub#title", &waddle.name))
        .field(field(
            "pubsub#access_model",
            if open { "open" } else { "whitelist" },
        ))
        .field(field(
            "pubsub#num_items",
            &access.visible_channels(user).len().to_string(),
        ));
    if !waddle.description.is_empty() {
        form = form.field(field("pubsub#description", &waddle.description));
    }
    DiscoInfo {
        node: Some(waddle.slug.to_string()),
        identities: vec![Identity::new("pubsub", "leaf", &waddle.name)],
        features: vec![pubsub::PUBSUB.to_owned()],
        forms: vec![form],
    }
}

/// The channels that the asker may see, with their names.
fn rooms(server: &Server, waddle: &Waddle, access: &WaddleAccess, user: &UserId) -> Vec<(BareJid, String)> {
    let channels = access.visible_channels(user);
    let room = |slug| {
        BareJid::new(
            Some(&RoomName::localpart(&waddle.slug, slug)),
            &server.config.muc_domain,
        )
        .ok()
    };
    channels
        .iter()
        .filter_map(|c| Some((room(&c.slug)?, c.name.clone())))
        .collect()
}

async fn nodes(sent: &Sent, user: &UserId, payload: Element<'_>, set: bool) -> IqResult {
    let request = payload.children().find(|c| c.in_ns(pubsub::PUBSUB));
    let request = request.ok_or(Condition::BadRequest)?;
    let node = request.attr("node").unwrap_or_default();
    let mut w = XmlWriter::new();
    w.open_ns("pubsub", pubsub::PUBSUB);
    match (request.name(), set) {
        ("items", false) => {
            let (waddle, access) = space(&sent.server, user, &node).await?;
            let wanted: Vec<_> = request
                .children()
                .filter(|c| c.is("item", pubsub::PUBSUB))
                .filter_map(|c| c.attr("id"))
                .collect();
            let mut found = rooms(&sent.server, &waddle, &access, user);
            found.retain(|(room, _)| wanted.is_empty() || wanted.iter().any(|id| *id == room.as_str()));
            let page = PageRequest::within(payload)?;
            let total = found.len();
            let place = |id: &str| found.iter().position(|(room, _)| room.as_str() == id);
            let range = page.slice(total, MOST, |id| place(id).map_or(0..total, |at| at..at + 1));
            let part = &found[range.clone()];
            w.open("items").attr("node", &node);
            for (room, name) in part {
                item(&mut w, room, name);
            }
            w.close();
            if part.len() < total {
                let (first, last) = (part.first(), part.last());
                let (first, last) = (first.map(|i| i.0.as_str()), last.map(|i| i.0.as_str()));
                PageResult::of_slice(total, &range, first, last).write(&mut w);
            }
        }
        ("subscriptions", false) => {
            let own = sent
                .server
                .community
                .waddles_of(user)
                .await
                .map_err(|e| failed(&e))?;
            w.open("subscriptions");
            for (waddle, _) in own {
                if node.is_empty() || node == waddle.slug.as_str() {
                    subscription(&mut w, waddle.slug.as_str(), sent.origin.bare());
                }
            }
            w.close();
        }
        // Who is a member is subscribed; becoming one is another matter.
        ("subscribe", true) => {
            let (waddle, access) = space(&sent.server, user, &node).await?;
            if !access.is_member(user) {
                return Err(StanzaError::new(Condition::NotAllowed)
                    .text("become a member of this waddle first, by one of its invite links")
                    .app("closed-node", pubsub::ERRORS));
            }
            subscription(&mut w, waddle.slug.as_str(), sent.origin.bare());
        }
        _ => {
            return Err(StanzaError::new(Condition::FeatureNotImplemented)
                .text("waddles and their channels are changed through the API")
                .app("unsupported", pubsub::ERRORS));
        }
    }
    w.close();
    Ok(Answer::Payload(w))
}

fn item(w: &mut XmlWriter, room: &BareJid, name: &str) {
    w.open("item").attr("id", room.as_str());
    w.open_ns("conference", CONFERENCE).attr("name", name).close();
    w.close();
}

fn subscription(w: &mut XmlWriter, node: &str, jid: &BareJid) {
    w.open("subscription")
        .attr("node", node)
        .attr("jid", jid.as_str())
        .attr("subscription", "subscribed")
        .close();
}

fn failed(e: &waddle_community::Error) -> StanzaError {
    if e.is_temporary() {
        return StanzaError::new(Condition::ResourceConstraint)
            .of_type(waddle_stanza::ErrorType::Wait)
            .text("try again in a moment");
    }
    tracing::error!(error = %e, "a waddle could not be read");
    Condition::InternalServerError.into()
}

/// A channel of a space, or that it is gone.
fn news(server: &Server, node: &str, room: &BareJid, name: &str, gone: bool) -> Outgoing {
    let mut w = XmlWriter::message();
    w.attr("type", "headline")
        .attr("from", &["spaces.", &server.config.domain].concat());
    w.open_ns("event", pubsub::EVENT).open("items").attr("node", node);
    if gone {
        w.open("retract").attr("id", room.as_str()).close();
    } else {
        item(&mut w, room, name);
    }
    w.close().close();
    w.outgoing(Class::Message)
}

/// Tells a member's clients of channels that they began or ceased to see; of those that come, change and go for all
/// [`watch`] tells everybody.
pub(crate) fn turned(
    server: &Arc<Server>,
    account: &BareJid,
    user: &UserId,
    new: &[String],
    gone: &[String],
) {
    if !server.registry.has(503) {
        return;
    }
    for (room, gone) in new
        .iter()
        .map(|r| (r, false))
        .chain(gone.iter().map(|r| (r, true)))
    {
        let Ok(room) = room.parse::<BareJid>() else {
            continue;
        };
        let RoomName::Channel { waddle, channel } = RoomName::parse(room.local().unwrap_or_default()) else {
            continue;
        };
        let Some(waddle) = server.community.waddle_by_slug(&waddle) else {
            continue;
        };
        let Some(access) = server.community.access_now(waddle.id) else {
            continue;
        };
        let channel = access.channel_by_slug(&channel);
        // What is open to all members came with the channel, or with the membership. One that is deleted goes twice: of a
        // private one its members hear here alone.
        if !access.is_member(user) || !gone && channel.as_ref().is_none_or(|c| !c.private) {
            continue;
        }
        let name = channel.map(|c| c.name.clone()).unwrap_or_default();
        let Ok(news) = news(server, waddle.slug.as_str(), &room, &name, gone).to_stanza() else {
            continue;
        };
        let news = news.head().template();
        for s in server.sessions.of(account.local().unwrap_or_default()) {
            if s.is(Flag::Available) {
                let _ = s.send(news.for_to(s.jid.as_str()));
            }
        }
    }
}

/// Tells members who are there of channels that come, change and go.
pub(crate) async fn watch(server: Arc<Server>) {
    use tokio::sync::broadcast::error::RecvError;
    let mut events = server.community.events();
    loop {
        let event = tokio::select! {
            e = events.recv() => e,
            () = server.stop.cancelled() => return,
        };
        let (slug, channel, gone) = match event {
            Ok(Event::ChannelCreated { slug, channel } | Event::ChannelUpdated { slug, channel }) => {
                (slug, channel, false)
            }
            Ok(Event::ChannelDeleted { slug, channel }) => (slug, channel, true),
            Ok(_) | Err(RecvError::Lagged(_)) => continue,
            Err(RecvError::Closed) => return,
        };
        let Ok(access) = server.community.access(channel.waddle).await else {
            continue;
        };
        let name = RoomName::localpart(&slug, &channel.slug);
        let Ok(room) = BareJid::new(Some(&name), &server.config.muc_domain) else {
            continue;
        };
        let Ok(news) = news(&server, slug.as_str(), &room, &channel.name, gone).to_stanza() else {
            continue;
        };
        let news = news.head().template();
        for s in server.sessions.all() {
            // The tuples of a channel that is gone are gone too: of a private one nobody is told.
            let sees = access.is_member(&s.user)
                && if gone {
                    !channel.private
                } else {
                    access.channel_allows(channel.id, "view", &s.user)
                };
            if s.is(Flag::Available) && sees {
                let _ = s.send(news.for_to(s.jid.as_str()));
            }
        }
    }
}
