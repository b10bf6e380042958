//! Stanzas that no session sends: components, services, rooms and the server itself go the same way (RFC 6120 §10, RFC 6121
//! §3, §4, §8); forged and broken ones.

use std::{sync::Arc, time::Duration};

use crate::support::{World, body, condition, text, world, world_with};
use tokio::sync::mpsc;
use waddle_core::Jid;
use waddle_stanza::Stanza;
use waddle_xmpp::{
    router::{self, Origin, Routed, Sent},
    service::Service,
};

/// A host that hears everything and says nothing by itself.
struct Ear(mpsc::UnboundedSender<Stanza>);

impl Service for Ear {
    fn name(&self) -> &'static str {
        "Ear"
    }
    fn route(&self, sent: Sent, _: Jid) -> Routed {
        self.0.send(sent.stanza).unwrap();
        Routed::Done
    }
}

struct Host {
    heard: mpsc::UnboundedReceiver<Stanza>,
}

impl Host {
    fn new(w: &World) -> Self {
        let (send, heard) = mpsc::unbounded_channel();
        assert!(
            w.server
                .server()
                .services
                .add("ear.waddle.test", Arc::new(Ear(send)))
        );
        Self { heard }
    }
    async fn next(&mut self) -> Stanza {
        tokio::time::timeout(Duration::from_secs(10), self.heard.recv())
            .await
            .unwrap_or_else(|_| panic!("the host hears nothing"))
            .unwrap()
    }
}

/// Sends as the host does.
async fn says(w: &World, xml: &str) {
    let stanza = Stanza::parse(
        xml.replacen('>', " xmlns='jabber:client'>", 1)
            .replace("/ xmlns='jabber:client'>", " xmlns='jabber:client'/>")
            .into(),
    )
    .unwrap();
    let from = stanza.from().unwrap().unwrap();
    let origin = Origin::elsewhere(from);
    router::inbound(w.server.server(), origin.clone(), stanza).await;
    origin.settled(1).await;
}

#[tokio::test]
async fn messages_of_a_service_are_archived_copied_and_wait() {
    let w = world().await;
    w.account("bob").await;
    let mut ear = Host::new(&w);
    says(
        &w,
        "<message from='x@ear.waddle.test' to='bob@waddle.test' type='chat'><body>early</body></message>",
    )
    .await;
    let mut one = w.online("bob", "one").await;
    let m = one.message().await;
    assert_eq!(body(&m), "early");
    assert!(m.root().has("delay", "urn:xmpp:delay") && m.root().has("stanza-id", "urn:xmpp:sid:0"));
    let mut two = w.client("bob", "two").await;
    two.request("<iq type='set' id='c'><enable xmlns='urn:xmpp:carbons:2'/></iq>")
        .await;
    says(
        &w,
        "<message from='x@ear.waddle.test' to='bob@waddle.test/one' type='chat'><body>now</body></message>",
    )
    .await;
    assert_eq!(body(&one.message().await), "now");
    assert!(two.message().await.root().has("received", "urn:xmpp:carbons:2"));
    one.send("<iq type='set' id='q'><query xmlns='urn:xmpp:mam:2'/></iq>")
        .await;
    assert!(text(&one.message().await).contains("early") && text(&one.message().await).contains("now"));
    // errors come back, once
    for (to, condition_expected) in [
        ("nobody@waddle.test", "service-unavailable"),
        ("bob@waddle.test/none", "service-unavailable"),
    ] {
        says(
            &w,
            &format!("<message from='x@ear.waddle.test' to='{to}' id='e'><body>x</body></message>"),
        )
        .await;
        let e = ear.next().await;
        assert_eq!(
            (condition(&e).as_str(), e.root().attr("to").unwrap().as_ref()),
            (condition_expected, "x@ear.waddle.test")
        );
        assert_eq!(e.root().attr("from").unwrap(), to);
    }
    says(&w, "<message from='x@ear.waddle.test' to='nobody@waddle.test' type='error' id='loop'><body>x</body></message>").await;
    // blocked like anybody
    one.sync().await;
    one.request(
        "<iq type='set' id='b'><block xmlns='urn:xmpp:blocking'><item jid='ear.waddle.test'/></block></iq>",
    )
    .await;
    says(
        &w,
        "<message from='x@ear.waddle.test' to='bob@waddle.test' id='blocked'><body>x</body></message>",
    )
    .await;
    let e = ear.next().await;
    assert_eq!(
        (&*e.id().unwrap(), condition(&e).as_str()),
        ("blocked", "service-unavailable")
    );
    one.quiet().await;
}

#[tokio::test]
async fn requests_and_answers_cross() {
    let w = world().await;
    w.account("bob").await;
    let mut ear = Host::new(&w);
    let mut b = w.online("bob", "one").await;
    // from the service to a client and back
    says(&w, "<iq from='ear.waddle.test' to='bob@waddle.test/one' type='get' id='1'><query xmlns='jabber:iq:version'/></iq>").await;
    let asked = b.next().await;
    assert_eq!(asked.root().attr("from").unwrap(), "ear.waddle.test");
    b.send("<iq to='ear.waddle.test' type='result' id='1'><query xmlns='jabber:iq:version'><name>x</name></query></iq>").await;
    let answer = ear.next().await;
    assert!(answer.is_type("result") && answer.root().attr("from").unwrap() == "bob@waddle.test/one");
    // from a client to the service
    b.send("<iq to='ear.waddle.test' type='get' id='2'><ping xmlns='urn:xmpp:ping'/></iq>")
        .await;
    assert!(ear.next().await.is_type("get"));
    says(
        &w,
        "<iq from='ear.waddle.test' to='bob@waddle.test/one' type='result' id='2'/>",
    )
    .await;
    assert_eq!(b.next().await.id().unwrap(), "2");
    // to the server, to accounts, to devices that are not there
    for (to, payload, expected) in [
        ("waddle.test", "<ping xmlns='urn:xmpp:ping'/>", ""),
        (
            "waddle.test",
            "<query xmlns='http://jabber.org/protocol/disco#info'/>",
            "",
        ),
        ("waddle.test", "<unknown xmlns='urn:x'/>", "service-unavailable"),
        (
            "bob@waddle.test",
            "<query xmlns='jabber:iq:roster'/>",
            "forbidden",
        ),
        (
            "bob@waddle.test",
            "<unknown xmlns='urn:x'/>",
            "service-unavailable",
        ),
        (
            "bob@waddle.test/none",
            "<ping xmlns='urn:xmpp:ping'/>",
            "service-unavailable",
        ),
        (
            "nobody@waddle.test",
            "<unknown xmlns='urn:x'/>",
            "service-unavailable",
        ),
    ] {
        says(
            &w,
            &format!("<iq from='ear.waddle.test' to='{to}' type='get' id='3'>{payload}</iq>"),
        )
        .await;
        let r = ear.next().await;
        if expected.is_empty() {
            assert!(r.is_type("result"), "{to} {payload}: {}", text(&r));
        } else {
            assert_eq!(condition(&r), expected, "{to} {payload}");
        }
        assert_eq!(r.root().attr("to").unwrap(), "ear.waddle.test");
    }
    // the server asks, and only who was asked can answer
    let server = w.server.server().clone();
    let to: Jid = "bob@waddle.test/one".parse().unwrap();
    let asking = tokio::spawn(async move {
        let from = server.domain.clone();
        router::ask::ask(
            &server,
            &from,
            &to,
            false,
            b"<query xmlns='urn:q'/>",
            Duration::from_secs(10),
        )
        .await
    });
    let q = b.next().await;
    let id = q.id().unwrap().into_owned();
    says(
        &w,
        &format!(
            "<iq from='ear.waddle.test' to='waddle.test' type='result' id='{id}'><forged xmlns='urn:q'/></iq>"
        ),
    )
    .await;
    b.send(&format!(
        "<iq to='waddle.test' type='result' id='{id}'><true xmlns='urn:q'/></iq>"
    ))
    .await;
    let answer = asking.await.unwrap().unwrap();
    assert!(answer.root().has("true", "urn:q"));
}

#[tokio::test]
async fn a_service_subscribes_and_is_subscribed_to() {
    let w = world().await;
    w.account("bob").await;
    let mut ear = Host::new(&w);
    let mut b = w.online("bob", "one").await;
    b.request("<iq type='get' id='r'><query xmlns='jabber:iq:roster'/></iq>")
        .await;
    says(
        &w,
        "<presence from='ear.waddle.test' to='bob@waddle.test' type='subscribe'/>",
    )
    .await;
    assert!(b.next().await.is_type("subscribe"));
    b.send("<presence to='ear.waddle.test' type='subscribed'/>").await;
    assert!(text(&b.next().await).contains("subscription=\"from\""));
    assert!(ear.next().await.is_type("subscribed"));
    let here = ear.next().await;
    assert!(here.type_().is_none() && here.root().attr("from").unwrap() == "bob@waddle.test/one");
    b.send("<presence><show>away</show></presence>").await;
    assert!(text(&ear.next().await).contains("away"));
    b.sync().await;
    says(
        &w,
        "<presence from='ear.waddle.test' to='bob@waddle.test' type='probe'/>",
    )
    .await;
    assert!(text(&ear.next().await).contains("away"));
    // the other direction
    b.send("<presence to='ear.waddle.test' type='subscribe'/>").await;
    assert!(text(&b.next().await).contains("ask=\"subscribe\""));
    let request = ear.next().await;
    assert!(request.is_type("subscribe") && request.root().attr("from").unwrap() == "bob@waddle.test");
    says(
        &w,
        "<presence from='ear.waddle.test' to='bob@waddle.test' type='subscribed'/>",
    )
    .await;
    assert!(b.next().await.is_type("subscribed"));
    assert!(text(&b.next().await).contains("subscription=\"both\""));
    says(
        &w,
        "<presence from='ear.waddle.test' to='bob@waddle.test'><status>up</status></presence>",
    )
    .await;
    assert!(text(&b.next().await).contains("up"));
    // nobody subscribed twice, nobody unasked
    says(
        &w,
        "<presence from='ear.waddle.test' to='bob@waddle.test' type='subscribed'/>",
    )
    .await;
    says(
        &w,
        "<presence from='other@ear.waddle.test' to='bob@waddle.test' type='subscribed'/>",
    )
    .await;
    says(
        &w,
        "<presence from='other@ear.waddle.test' to='bob@waddle.test' type='unsubscribed'/>",
    )
    .await;
    b.quiet().await;
    // directed presence, and the end of all of it
    b.send("<presence to='game@ear.waddle.test'/>").await;
    assert_eq!(
        ear.next().await.root().attr("to").unwrap(),
        "game@ear.waddle.test"
    );
    drop(b);
    let mut told = [ear.next().await, ear.next().await].map(|s| {
        assert!(s.is_type("unavailable"));
        s.root().attr("to").unwrap().into_owned()
    });
    told.sort();
    assert_eq!(told, ["ear.waddle.test", "game@ear.waddle.test"]);
    says(
        &w,
        "<presence from='ear.waddle.test' to='bob@waddle.test' type='probe'/>",
    )
    .await;
    assert!(ear.next().await.is_type("unavailable"));
    // who comes back asks
    let mut b = w.online("bob", "two").await;
    let both = [ear.next().await, ear.next().await];
    assert!(both.iter().any(|s| s.is_type("probe")) && both.iter().any(|s| s.type_().is_none()));
    // removed: both ends are told
    b.send("<iq type='set' id='x'><query xmlns='jabber:iq:roster'><item jid='ear.waddle.test' subscription='remove'/></query></iq>").await;
    let mut kinds = Vec::new();
    for _ in 0..3 {
        kinds.push(ear.next().await.type_().unwrap().into_owned());
    }
    assert_eq!(kinds, ["unsubscribe", "unavailable", "unsubscribed"]);
    b.sync().await;
}

#[tokio::test]
async fn a_service_is_a_guest_in_rooms() {
    let w = world().await;
    w.account("bob").await;
    let mut ear = Host::new(&w);
    let mut b = w.online("bob", "one").await;
    b.send("<presence to='tea@muc.waddle.test/B'><x xmlns='http://jabber.org/protocol/muc'/></presence>")
        .await;
    loop {
        if b.next().await.root().name() == "message" {
            break;
        }
    }
    b.request("<iq type='set' id='o' to='tea@muc.waddle.test'><query xmlns='http://jabber.org/protocol/muc#owner'><x xmlns='jabber:x:data' type='submit'/></query></iq>").await;
    says(&w, "<presence from='robot@ear.waddle.test/1' to='tea@muc.waddle.test/R'><x xmlns='http://jabber.org/protocol/muc'/></presence>").await;
    loop {
        let s = ear.next().await;
        assert_eq!(s.root().attr("to").unwrap(), "robot@ear.waddle.test/1");
        if s.root().name() == "message" {
            break;
        }
    }
    b.sync().await;
    b.send("<message to='tea@muc.waddle.test' type='groupchat'><body>tea?</body></message>")
        .await;
    assert_eq!(body(&ear.next().await), "tea?");
    b.message().await;
    says(&w, "<message from='robot@ear.waddle.test/1' to='tea@muc.waddle.test' type='groupchat'><body>beep</body></message>").await;
    let m = b.message().await;
    assert_eq!(
        (body(&m).as_str(), m.root().attr("from").unwrap().as_ref()),
        ("beep", "tea@muc.waddle.test/R")
    );
}

#[tokio::test]
async fn what_is_forged_or_broken() {
    let world = world_with(|_| {}, |c| c.rate_limits = false).await;
    world.account("alice").await;
    world.account("bob").await;
    let mut b = world.online("bob", "two").await;
    for from in [
        "bob@waddle.test",
        "alice@elsewhere.example",
        "waddle.test",
        "alice@waddle.test/other",
        "alice@waddle.test/",
    ] {
        let mut a = world.online("alice", "one").await;
        a.send(&format!(
            "<message from='{from}' to='bob@waddle.test' type='chat'><body>forged</body></message>"
        ))
        .await;
        a.ends_with("invalid-from").await;
    }
    b.quiet().await;
    let mut a = world.online("alice", "two").await;
    // without an id, with the same id, with a long one
    for stanza in [
        "<iq type='get'><ping xmlns='urn:xmpp:ping'/></iq>",
        "<iq type='get' id=''><ping xmlns='urn:xmpp:ping'/></iq>",
    ] {
        assert_eq!(condition(&a.request(stanza).await), "bad-request");
    }
    let ping = "<iq type='get' id='same'><ping xmlns='urn:xmpp:ping'/></iq>";
    a.send(&[ping, ping].concat()).await;
    assert!(a.next().await.is_type("result") && a.next().await.is_type("result"));
    let long = "i".repeat(100_000);
    let r = a
        .request(&format!(
            "<iq type='get' id='{long}'><ping xmlns='urn:xmpp:ping'/></iq>"
        ))
        .await;
    assert_eq!(r.id().unwrap(), long);
    // answers that nobody asked for, to everybody
    for to in [
        "waddle.test",
        "bob@waddle.test",
        "nobody@waddle.test",
        "muc.waddle.test",
        "bob@waddle.test/none",
    ] {
        for kind in ["result", "error"] {
            a.send(&format!("<iq type='{kind}' id='?' to='{to}'/>")).await;
        }
        a.send(&format!(
            "<message type='error' to='{to}'/><presence type='error' to='{to}'/>"
        ))
        .await;
    }
    a.quiet().await;
    b.quiet().await;
    // to oneself, to the host, to the rooms' host
    a.send("<message to='alice@waddle.test/two' type='chat'><body>me</body></message>")
        .await;
    assert_eq!(body(&a.message().await), "me");
    for (stanza, expected) in [
        (
            "<message to='waddle.test' id='h'><body>x</body></message>",
            "service-unavailable",
        ),
        (
            "<iq type='get' id='h' to='waddle.test/x'><ping xmlns='urn:xmpp:ping'/></iq>",
            "service-unavailable",
        ),
        (
            "<iq type='get' id='h' to='muc.waddle.test'><unknown xmlns='urn:x'/></iq>",
            "service-unavailable",
        ),
        (
            "<iq type='get' id='h' to='bob@waddle.test/none'><ping xmlns='urn:xmpp:ping'/></iq>",
            "service-unavailable",
        ),
        (
            "<iq type='get' id='h'><a xmlns='urn:x'/><b xmlns='urn:x'/></iq>",
            "bad-request",
        ),
        ("<iq type='get' id='h'/>", "bad-request"),
        (
            "<iq type='nonsense' id='h'><ping xmlns='urn:xmpp:ping'/></iq>",
            "bad-request",
        ),
    ] {
        assert_eq!(condition(&a.request(stanza).await), expected, "{stanza}");
    }
    a.send("<presence to='waddle.test'/><presence type='subscribe' to='waddle.test'/>")
        .await;
    a.quiet().await;
    let e = a
        .request("<presence type='subscribe' to='x@elsewhere.example' id='s'/>")
        .await;
    assert_eq!(condition(&e), "remote-server-not-found");
    assert_eq!(e.root().name(), "presence");
}
