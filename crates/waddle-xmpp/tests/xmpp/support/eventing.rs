//! Clients that publish, and clients that say by their capabilities what they want to hear of.

#![allow(dead_code, reason = "each test file uses a part")]

use waddle_core::BareJid;
use waddle_stanza::{
    Element, Stanza, XmlWriter,
    disco::{Caps, DiscoInfo, Identity},
};
use waddle_storage::repo::roster::{self, Contact};

use crate::support::{Client, DOMAIN, World, text};

pub const PUBSUB: &str = "http://jabber.org/protocol/pubsub";
pub const EVENT: &str = "http://jabber.org/protocol/pubsub#event";
const MARKER: &str = "urn:marker";

/// Both see each other's presence; `of` has `whom` in this group.
pub async fn friends(w: &World, of: &str, whom: &str, group: &str) {
    for (owner, contact, group) in [(of, whom, group), (whom, of, "")] {
        let jid = BareJid::new(Some(contact), DOMAIN).unwrap();
        let owner = owner.to_owned();
        let groups = if group.is_empty() {
            Vec::new()
        } else {
            vec![group.to_owned()]
        };
        w.storage
            .server()
            .write(move |tx| {
                let contact = Contact {
                    listed: true,
                    subscription: 3,
                    groups,
                    ..Contact::unknown(jid)
                };
                roster::put(tx, &owner, &contact)
            })
            .await
            .unwrap();
    }
}

/// An available client that wants to hear of these nodes; the server knows it when this returns.
pub async fn interested(w: &World, name: &str, resource: &str, nodes: &[&str]) -> Client {
    arrived(w, name, resource, nodes).await.0
}

/// The same, with all that it was told until then.
pub async fn arrived(w: &World, name: &str, resource: &str, nodes: &[&str]) -> (Client, String) {
    let mut first = w.client(name, "before").await;
    let r = first
        .request(&publish(MARKER, "1", "<a xmlns='urn:marker'/>", &[]))
        .await;
    assert!(r.is_type("result"), "{}", text(&r));
    let mut info = DiscoInfo {
        identities: vec![Identity::new("client", "pc", "test")],
        features: nodes
            .iter()
            .chain([&MARKER])
            .map(|n| [*n, "+notify"].concat())
            .collect(),
        ..DiscoInfo::default()
    };
    let caps = Caps::of("urn:test", &info).unwrap();
    let mut c = w.client(name, resource).await;
    let mut p = XmlWriter::presence();
    caps.write(&mut p);
    c.send(std::str::from_utf8(&p.finish()).unwrap()).await;
    let mut before = String::new();
    loop {
        let s = c.next().await;
        if s.is_type("get") {
            let q = s.payload().unwrap();
            assert_eq!(q.attr("node").as_deref(), Some(&*caps.disco_node()));
            info.node = Some(caps.disco_node());
            let mut answer = XmlWriter::iq();
            answer
                .attr("type", "result")
                .attr("id", &s.id().unwrap())
                .attr("to", &s.root().attr("from").unwrap());
            info.write(&mut answer);
            c.send(std::str::from_utf8(&answer.finish()).unwrap()).await;
        } else if s.root().name() == "message" {
            if text(&s).contains(MARKER) {
                return (c, before);
            }
            before += &text(&s);
        }
    }
}

/// A publication on the own account, with these preconditions.
pub fn publish(node: &str, id: &str, payload: &str, options: &[(&str, &str)]) -> String {
    let mut xml = format!(
        "<iq type='set' id='p'><pubsub xmlns='{PUBSUB}'><publish node='{node}'><item id='{id}'>{payload}</item></publish>"
    );
    if !options.is_empty() {
        xml += "<publish-options><x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'>\
                <value>http://jabber.org/protocol/pubsub#publish-options</value></field>";
        for (var, value) in options {
            xml += &format!("<field var='pubsub#{var}'><value>{value}</value></field>");
        }
        xml += "</x></publish-options>";
    }
    xml + "</pubsub></iq>"
}

/// A request for the items of a node.
pub fn items(to: &str, node: &str) -> String {
    let to = if to.is_empty() {
        String::new()
    } else {
        format!(" to='{to}'")
    };
    format!("<iq type='get' id='i'{to}><pubsub xmlns='{PUBSUB}'><items node='{node}'/></pubsub></iq>")
}

/// The one notification that a client has got until now.
pub async fn told(c: &mut Client) -> Stanza {
    let mut got: Vec<Stanza> = c
        .sync()
        .await
        .into_iter()
        .filter(|s| s.root().name() == "message")
        .collect();
    assert_eq!(got.len(), 1, "{:?}", got.iter().map(text).collect::<Vec<_>>());
    got.pop().unwrap()
}

/// Nothing was said to it.
pub async fn untold(c: &mut Client) {
    let got = c.sync().await;
    assert!(
        got.iter().all(|s| s.root().name() != "message"),
        "{:?}",
        got.iter().map(text).collect::<Vec<_>>()
    );
}

/// The condition of an application in an error.
pub fn app(s: &Stanza) -> String {
    let find = |e: Element<'_>| {
        e.children()
            .find(|c| c.in_ns("http://jabber.org/protocol/pubsub#errors"))
            .map(|c| c.name().to_owned())
    };
    s.root()
        .child("error", "jabber:client")
        .and_then(find)
        .unwrap_or_default()
}
