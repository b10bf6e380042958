//! Waking devices that are away (XEP-0357), with a push service that notes what it is told.

use std::{sync::Arc, time::Duration};

use crate::support::{Client, World, body, condition, text, until, world, world_with};
use tokio::sync::mpsc;
use waddle_core::Jid;
use waddle_stanza::{Condition, StanzaError};
use waddle_xmpp::{
    router::{Routed, Sent, iq},
    service::Service,
    xep::Answer,
};

const HOST: &str = "push.waddle.test";

/// A push service: it tells the test what was published, and refuses the node `gone`.
struct PushService(mpsc::UnboundedSender<String>);

impl Service for PushService {
    fn name(&self) -> &'static str {
        "Push"
    }

    fn route(&self, sent: Sent, _: Jid) -> Routed {
        let told = self.0.clone();
        iq::serve(sent, async move |sent| {
            let xml = text(&sent.stanza);
            let gone = xml.contains("node=\"gone\"");
            told.send(xml).unwrap();
            if gone {
                Err(StanzaError::new(Condition::ItemNotFound))
            } else {
                Ok(Answer::Empty)
            }
        })
    }
}

fn service(w: &World) -> mpsc::UnboundedReceiver<String> {
    let (tell, told) = mpsc::unbounded_channel();
    assert!(w.server.server().services.add(HOST, Arc::new(PushService(tell))));
    told
}

async fn next(told: &mut mpsc::UnboundedReceiver<String>) -> String {
    tokio::time::timeout(Duration::from_secs(10), told.recv())
        .await
        .expect("nothing was published")
        .unwrap()
}

/// Alice, and Bob's phone, whose session can be resumed under the id.
async fn pair(w: &World, node: &str) -> (Client, Client, String) {
    w.account("alice").await;
    w.account("bob").await;
    let a = w.online("alice", "one").await;
    let mut b = w.client("bob", "phone").await;
    let r = b
        .request(&format!(
            "<iq type='set' id='e'><enable xmlns='urn:xmpp:push:0' jid='{HOST}' node='{node}'>\
             <x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'>\
             <value>http://jabber.org/protocol/pubsub#publish-options</value></field>\
             <field var='secret'><value>s3</value></field></x></enable></iq>"
        ))
        .await;
    assert_eq!(r.type_().unwrap(), "result", "{}", text(&r));
    let e = b.request("<enable xmlns='urn:xmpp:sm:3' resume='true'/>").await;
    let id = e.root().attr("id").unwrap().into_owned();
    b.send("<presence/>").await;
    b.next().await;
    b.send("<a xmlns='urn:xmpp:sm:3' h='1'/>").await;
    b.quiet_sm().await;
    (a, b, id)
}

fn message(text: &str) -> String {
    format!("<message to='bob@waddle.test' type='chat'><body>{text}</body></message>")
}

const TYPING: &str = "<message to='bob@waddle.test' type='chat'>\
    <composing xmlns='http://jabber.org/protocol/chatstates'/></message>";

async fn hibernating(w: &World) {
    let jid: Jid = "bob@waddle.test/phone".parse().unwrap();
    let session = w.server.server().sessions.get(&jid).unwrap();
    until(|| session.is(waddle_xmpp::session::Flag::Hibernating)).await;
}

#[tokio::test]
async fn a_lost_session_is_woken_by_what_rings_only() {
    let w = world().await;
    let mut told = service(&w);
    let (mut a, b, id) = pair(&w, "n1").await;
    drop(b);
    hibernating(&w).await;
    a.send(TYPING).await;
    a.quiet().await;
    assert!(told.try_recv().is_err(), "typing wakes nobody");
    a.send(&message("hello")).await;
    let push = next(&mut told).await;
    for part in [
        "from=\"waddle.test\"",
        "<publish node=\"n1\"><item><notification xmlns=\"urn:xmpp:push:0\">",
        "urn:xmpp:push:summary",
        "message-count",
        "<publish-options>",
        "s3",
    ] {
        assert!(push.contains(part), "{part}: {push}");
    }
    assert!(!push.contains("hello") && !push.contains("alice"), "{push}");
    let mut b = w.login("bob").await;
    let r = b
        .request(&format!("<resume xmlns='urn:xmpp:sm:3' previd='{id}' h='2'/>"))
        .await;
    assert_eq!(r.root().name(), "resumed", "{}", text(&r));
    assert_eq!(body(&b.message().await), "", "the typing, in order");
    assert_eq!(body(&b.message().await), "hello");
    a.send(&message("now it is there")).await;
    assert_eq!(body(&b.message().await), "now it is there");
    assert!(told.try_recv().is_err(), "a device that is there is not woken");
}

#[tokio::test]
async fn a_device_without_a_session_is_woken_though_another_is_there() {
    let w = world_with(|_| {}, |c| c.push_details = waddle_xmpp::push::Details::Body).await;
    let mut told = service(&w);
    let (mut a, mut b, _) = pair(&w, "n1").await;
    b.send("</stream:stream>").await;
    while b.frame().await.is_some() {}
    let mut desktop = w.online("bob", "desktop").await;
    a.send(&message("hello")).await;
    assert_eq!(body(&desktop.message().await), "hello");
    let push = next(&mut told).await;
    assert!(
        push.contains("hello") && push.contains("alice@waddle.test/one"),
        "{push}"
    );
    // what Bob himself writes wakes nobody
    desktop.send(&message("note to self")).await;
    desktop.message().await;
    let r = desktop
        .request(&format!(
            "<iq type='set' id='d'><disable xmlns='urn:xmpp:push:0' jid='{HOST}'/></iq>"
        ))
        .await;
    assert_eq!(r.type_().unwrap(), "result");
    a.send(&message("again")).await;
    desktop.message().await;
    a.quiet().await;
    assert!(told.try_recv().is_err(), "disabled");
}

#[tokio::test]
async fn a_service_that_refuses_is_disabled() {
    let w = world().await;
    let mut told = service(&w);
    let (mut a, mut b, _) = pair(&w, "gone").await;
    b.send("</stream:stream>").await;
    while b.frame().await.is_some() {}
    a.send(&message("one")).await;
    next(&mut told).await;
    let db = w.storage.server();
    let owners = || db.read(waddle_storage::repo::push::owners);
    let none_left = async {
        while !owners().await.unwrap().is_empty() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), none_left)
        .await
        .expect("the service is disabled");
    a.send(&message("two")).await;
    a.quiet().await;
    assert!(told.try_recv().is_err());
}

#[tokio::test]
async fn what_cannot_be_enabled() {
    let w = world_with(|l| l.xmpp_push_services = 1, |_| {}).await;
    w.account("bob").await;
    let mut b = w.online("bob", "phone").await;
    for (attributes, expected) in [
        ("", "bad-request"),
        ("jid='@'", "jid-malformed"),
        ("jid='bob@waddle.test'", "not-allowed"),
    ] {
        let e = b
            .request(&format!(
                "<iq type='set' id='e'><enable xmlns='urn:xmpp:push:0' {attributes}/></iq>"
            ))
            .await;
        assert_eq!(condition(&e), expected, "{attributes}");
    }
    for (node, expected) in [("1", None), ("1", None), ("2", Some("policy-violation"))] {
        let r = b
            .request(&format!(
                "<iq type='set' id='e'><enable xmlns='urn:xmpp:push:0' jid='{HOST}' node='{node}'/></iq>"
            ))
            .await;
        match expected {
            None => assert_eq!(r.type_().unwrap(), "result"),
            Some(c) => assert_eq!(condition(&r), c),
        }
    }
    let e = b
        .request("<iq type='set' id='e' to='alice@waddle.test'><enable xmlns='urn:xmpp:push:0' jid='x.example'/></iq>")
        .await;
    assert_eq!(condition(&e), "forbidden");
}
