//! [XEP-0030](https://xmpp.org/extensions/xep-0030.html) Service Discovery of the server and of accounts.

use waddle_stanza::{
    Condition, StanzaError, XmlWriter,
    disco::{Caps, DiscoInfo, DiscoItem, DiscoItems, Identity},
    ns,
};
use waddle_storage::repo::roster;

use super::{Answer, BoxFuture, Extension, IqRequest, IqResult, Scope, Target, Xep};
use crate::server::Server;

/// Service discovery.
pub struct Disco;

/// The URI of this software in caps.
pub const NODE: &str = "https://github.com/waddle-social/waddle";

impl Extension for Disco {
    fn xep(&self) -> Xep {
        Xep {
            number: 30,
            title: "Service Discovery",
            version: "2.5.0",
            notes: "server and accounts; accounts of others to who may see their presence",
        }
    }

    fn features(&self, _: Scope) -> &'static [&'static str] {
        &[ns::DISCO_INFO, ns::DISCO_ITEMS]
    }

    fn identities(&self, scope: Scope) -> &'static [super::Identity] {
        match scope {
            Scope::Server => &[super::Identity {
                category: "server",
                kind: "im",
                name: "Waddle",
            }],
            Scope::Account => &[super::Identity {
                category: "account",
                kind: "registered",
                name: "",
            }],
        }
    }

    fn payloads(&self) -> &'static [(&'static str, &'static str)] {
        &[("query", ns::DISCO_INFO), ("query", ns::DISCO_ITEMS)]
    }

    fn on_iq<'a>(&'a self, r: IqRequest<'a>) -> BoxFuture<'a, IqResult> {
        Box::pin(async move {
            if r.set {
                return Err(Condition::BadRequest.into());
            }
            if let Target::Other(who) = &r.target {
                // RFC 6121 §8.5.1 and XEP-0030 §8: who may not see the presence learns nothing.
                let (owner, me) = (who.local().unwrap_or_default().to_owned(), r.session.bare.clone());
                let allowed = r.server.db.read(move |conn| roster::get(conn, &owner, &me)).await;
                if !allowed.is_ok_and(|c| c.from()) {
                    if !r.payload.in_ns(ns::DISCO_ITEMS) {
                        return Err(Condition::ServiceUnavailable.into());
                    }
                    // XEP-0030 §8: nothing, as for whoever does not exist.
                    let mut w = XmlWriter::new();
                    DiscoItems {
                        node: r.payload.attr("node").map(std::borrow::Cow::into_owned),
                        ..DiscoItems::default()
                    }
                    .write(&mut w);
                    return Ok(Answer::Payload(w));
                }
            }
            let node = r.payload.attr("node").map(std::borrow::Cow::into_owned);
            let scope = r.target.scope();
            if let Some(node) = &node
                && let Some(answer) = r
                    .server
                    .registry
                    .node(&r, node, r.payload.in_ns(ns::DISCO_ITEMS))
                    .await
            {
                return answer;
            }
            let mut w = XmlWriter::new();
            if r.payload.is("query", ns::DISCO_INFO) {
                let mut info = info(r.server, scope);
                let caps = Caps::of(NODE, &info).map(|c| c.disco_node());
                if node.is_some() && (scope == Scope::Account || node != caps) {
                    return Err(StanzaError::new(Condition::ItemNotFound).text("no such node"));
                }
                if scope == Scope::Account && is_bot(&r) {
                    info.identities.push(Identity::new("client", "bot", ""));
                }
                info.node = node;
                info.write(&mut w);
            } else {
                if node.is_some() {
                    return Err(StanzaError::new(Condition::ItemNotFound).text("no such node"));
                }
                let items = match scope {
                    Scope::Server => {
                        let mut items = r.server.registry.items(r.server);
                        items.extend(r.server.services.items());
                        items
                    }
                    Scope::Account => {
                        super::xep0163::items(&r).await?.write(&mut w);
                        return Ok(Answer::Payload(w));
                    }
                };
                let item = |(jid, name): (String, String)| DiscoItem {
                    jid,
                    node: None,
                    name: (!name.is_empty()).then_some(name),
                };
                DiscoItems {
                    items: items.into_iter().map(item).collect(),
                    ..DiscoItems::default()
                }
                .write(&mut w);
            }
            Ok(Answer::Payload(w))
        })
    }
}

/// Whether a bot's account is asked: its localpart is one that nobody else can have.
fn is_bot(r: &IqRequest<'_>) -> bool {
    let local = match &r.target {
        Target::Other(who) => who.local(),
        _ => r.session.bare.local(),
    };
    local.is_some_and(|l| l.starts_with(waddle_identity::names::BOT_PREFIX))
}

/// What the active extensions say.
pub fn info(server: &Server, scope: Scope) -> DiscoInfo {
    let registry = &server.registry;
    DiscoInfo {
        identities: registry
            .identities(scope)
            .iter()
            .map(|i| Identity::new(i.category, i.kind, i.name))
            .collect(),
        features: registry.features(scope).iter().map(|f| (*f).to_owned()).collect(),
        forms: registry.forms(server, scope),
        ..DiscoInfo::default()
    }
}
