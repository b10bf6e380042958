//! Everything of a person as one document (XEP-0227, `specs/lifecycle.md`, "A person's data").

use std::io::Read as _;

use waddle_core::UserId;
use waddle_stanza::Stanza;
use waddle_xmpp::takeout;

use super::{MAM, say, two};
use crate::support::{World, text, world};

const PIE: &str = "urn:xmpp:pie:0";
const PUBSUB: &str = "http://jabber.org/protocol/pubsub";
const OWNER: &str = "http://jabber.org/protocol/pubsub#owner";

/// Bob's document.
async fn taken(w: &World) -> Stanza {
    let jid = "bob@waddle.test".parse().unwrap();
    let (bytes, mut file) = takeout::of(&w.storage, UserId::local("bob"), jid, 1)
        .await
        .unwrap();
    let mut document = String::new();
    file.read_to_string(&mut document).unwrap();
    assert_eq!(document.len() as u64, bytes);
    Stanza::parse(document.trim_end().to_owned().into()).unwrap()
}

#[tokio::test]
async fn everything_of_an_account_is_in_its_document() {
    let w = world().await;
    let (mut a, mut b) = two(&w).await;
    let subscribe = "<iq type='set' id='s' to='bob@waddle.test'><pubsub xmlns='http://jabber.org/protocol/pubsub'>\
        <subscribe node='urn:x:open' jid='alice@waddle.test'/></pubsub></iq>";
    let publish = |node: &str, access: &str| {
        format!(
            "<iq type='set' id='p'><pubsub xmlns='{PUBSUB}'><publish node='{node}'><item id='i&amp;1'><a xmlns='urn:x'/></item></publish>\
             <publish-options><x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'>\
             <value>http://jabber.org/protocol/pubsub#publish-options</value></field><field var='pubsub#access_model'>\
             <value>{access}</value></field></x></publish-options></pubsub></iq>"
        )
    };
    let own = [
        "<iq type='set' id='r'><query xmlns='jabber:iq:private'><notes xmlns='urn:n'>remember</notes></query></iq>".to_owned(),
        format!("<iq type='set' id='m'><prefs xmlns='{MAM}' default='never'/></iq>"),
        publish("urn:x:open", "open"),
        publish("urn:x:mine", "whitelist"),
    ];
    for request in &own {
        let done = b.request(request).await;
        assert_eq!(done.type_().unwrap(), "result", "{}", text(&done));
    }
    a.send(subscribe).await;
    a.sync().await;
    b.send("<presence type='unavailable'/>").await;
    b.sync().await;
    say(&mut a, "bob@waddle.test", "m1", "while you were out").await;
    a.sync().await;

    let document = taken(&w).await;
    let user = document
        .root()
        .child("host", PIE)
        .unwrap()
        .child("user", PIE)
        .unwrap();
    assert_eq!(user.attr("name").unwrap(), "bob");
    let private = user.child("query", "jabber:iq:private").unwrap();
    assert_eq!(private.child_text("notes", "urn:n").unwrap(), "remember");

    // §4.10: the configuration and the items of every node, each kind in one element.
    let settings = user.child("pubsub", OWNER).unwrap();
    let items = user.child("pubsub", PUBSUB).unwrap();
    for (node, access) in [("urn:x:mine", "whitelist"), ("urn:x:open", "open")] {
        let named = |e: &waddle_stanza::Element<'_>| e.attr("node").is_some_and(|n| n == node);
        let configured = settings
            .children()
            .find(|e| e.name() == "configure" && named(e))
            .unwrap();
        let form = waddle_stanza::forms::Form::within(configured).unwrap();
        assert_eq!(form.value("pubsub#access_model"), Some(access));
        let kept = items.children().find(named).unwrap();
        assert_eq!(kept.child("item", PUBSUB).unwrap().attr("id").unwrap(), "i&1");
    }
    let subscribed = settings.child("subscriptions", OWNER).unwrap();
    let subscription = subscribed.child("subscription", OWNER).unwrap();
    assert_eq!(subscription.attr("jid").unwrap(), "alice@waddle.test");
    assert_eq!(subscription.attr("subscription").unwrap(), "subscribed");

    // What waits is there although Bob wants no archive, and waits on.
    assert!(
        !user
            .child("archive", "urn:xmpp:pie:0#mam")
            .unwrap()
            .has("result", MAM)
    );
    let waiting = user.child("offline-messages", PIE).unwrap();
    let message = waiting.child("message", "jabber:client").unwrap();
    assert_eq!(
        message.child_text("body", "jabber:client").unwrap(),
        "while you were out"
    );
    let delay = message.child("delay", "urn:xmpp:delay").unwrap();
    assert_eq!(delay.attr("from").unwrap(), "waddle.test");
    b.send("<presence/>").await;
    assert_eq!(crate::support::body(&b.message().await), "while you were out");
    let waiting = taken(&w).await;
    let user = waiting
        .root()
        .child("host", PIE)
        .unwrap()
        .child("user", PIE)
        .unwrap();
    assert!(
        !user
            .child("offline-messages", PIE)
            .unwrap()
            .has("message", "jabber:client")
    );
}
