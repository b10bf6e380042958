//! The channels of one's waddles among the bookmarks (XEP-0402), for any client to find and join.

use std::collections::BTreeMap;

use crate::support::{Client, World, condition, text, world, world_with};
use waddle_community::{NewChannel, NewWaddle, RemovalKind, Role, Waddle};
use waddle_core::UserId;

async fn bookmarks(c: &mut Client) -> BTreeMap<String, String> {
    c.send("<iq type='get' id='b'><pubsub xmlns='http://jabber.org/protocol/pubsub'><items node='urn:xmpp:bookmarks:1'/></pubsub></iq>")
        .await;
    let answer = loop {
        let s = c.next().await;
        if s.id().as_deref() == Some("b") {
            break s;
        }
    };
    let Some(items) = answer
        .root()
        .child("pubsub", "http://jabber.org/protocol/pubsub")
        .and_then(|p| p.child("items", "http://jabber.org/protocol/pubsub"))
    else {
        return BTreeMap::new();
    };
    items
        .children()
        .map(|i| {
            let conference = i.child("conference", "urn:xmpp:bookmarks:1").expect("a bookmark");
            assert_eq!(conference.attr("autojoin").unwrap(), "true");
            (
                i.attr("id").unwrap().into_owned(),
                conference.attr("name").unwrap().into_owned(),
            )
        })
        .collect()
}

async fn pond(w: &World) -> (UserId, UserId, Waddle) {
    w.account("alice").await;
    w.account("bob").await;
    let alice = w.identity.resolve_name("alice").await.unwrap();
    let bob = w.identity.resolve_name("bob").await.unwrap();
    let new = NewWaddle::new("pond".parse().unwrap(), "Pond");
    let waddle = w.community.create_waddle(&alice, new).await.unwrap();
    (alice, bob, (*waddle).clone())
}

#[tokio::test]
async fn they_are_there_at_login_and_one_that_was_removed_stays_away() {
    let w = world().await;
    let (alice, bob, waddle) = pond(&w).await;
    w.community
        .add_member(&alice, waddle.id, &bob, Role::Member)
        .await
        .unwrap();
    let mut b = w.client("bob", "two").await;
    let found = bookmarks(&mut b).await;
    let general = "pond.general@muc.waddle.test";
    assert!(found[general].starts_with("Pond / "), "{found:?}");
    assert_eq!(found.len(), 2, "{found:?}");
    let r = b
        .request(&format!(
            "<iq type='set' id='r'><pubsub xmlns='http://jabber.org/protocol/pubsub'>\
             <retract node='urn:xmpp:bookmarks:1'><item id='{general}'/></retract></pubsub></iq>"
        ))
        .await;
    assert_eq!(r.type_().unwrap(), "result", "{}", text(&r));
    drop(b);
    let mut b = w.client("bob", "three").await;
    let found = bookmarks(&mut b).await;
    assert!(!found.contains_key(general) && found.len() == 1, "{found:?}");
}

#[tokio::test]
async fn they_follow_the_waddle_while_somebody_is_there() {
    // It asks until it sees the change.
    let w = world_with(|_| {}, |c| c.rate_limits = false).await;
    let (alice, bob, waddle) = pond(&w).await;
    let mut b = w.client("bob", "two").await;
    assert!(bookmarks(&mut b).await.is_empty(), "no member, nothing to see");
    let new = NewChannel::text("birds".parse().unwrap(), "Birds");
    w.community.create_channel(&alice, waddle.id, new).await.unwrap();
    w.community
        .add_member(&alice, waddle.id, &bob, Role::Member)
        .await
        .unwrap();
    while bookmarks(&mut b).await.len() < 3 {}
    let found = bookmarks(&mut b).await;
    assert_eq!(
        found.get("pond.birds@muc.waddle.test").map(String::as_str),
        Some("Pond / Birds"),
        "{found:?}"
    );
    w.community
        .remove_member(&alice, waddle.id, &bob, RemovalKind::Removed, None)
        .await
        .unwrap();
    while !bookmarks(&mut b).await.is_empty() {}
}

const SPACE: &str = "spaces.waddle.test";

async fn ask(c: &mut Client, kind: &str, payload: &str) -> waddle_stanza::Stanza {
    ask_at(c, SPACE, kind, payload).await
}

async fn ask_at(c: &mut Client, to: &str, kind: &str, payload: &str) -> waddle_stanza::Stanza {
    c.send(&format!("<iq type='{kind}' id='q' to='{to}'>{payload}</iq>"))
        .await;
    loop {
        let s = c.next().await;
        if s.id().as_deref() == Some("q") {
            return s;
        }
    }
}

/// XEP-0503: members find the space and its channels and hear of new ones; to others there is nothing.
#[tokio::test]
async fn a_waddle_is_a_space() {
    let w = world().await;
    let (alice, bob, waddle) = pond(&w).await;
    let mut a = w.online("alice", "one").await;
    let mut b = w.online("bob", "two").await;
    let list = "<query xmlns='http://jabber.org/protocol/disco#items'/>";
    assert!(text(&ask(&mut a, "get", list).await).contains("node=\"pond\""));
    assert!(!text(&ask(&mut b, "get", list).await).contains("pond"));
    let info = "<query xmlns='http://jabber.org/protocol/disco#info' node='pond'/>";
    let found = text(&ask(&mut a, "get", info).await);
    assert!(
        found.contains("urn:xmpp:spaces:0") && found.contains("whitelist"),
        "{found}"
    );
    let items = "<pubsub xmlns='http://jabber.org/protocol/pubsub'><items node='pond'/></pubsub>";
    let found = text(&ask(&mut a, "get", items).await);
    assert!(
        found
            .contains("<item id=\"pond.general@muc.waddle.test\"><conference xmlns=\"urn:xmpp:bookmarks:1\""),
        "{found}"
    );
    let second = "<pubsub xmlns='http://jabber.org/protocol/pubsub'><items node='pond'/><set xmlns='http://jabber.org/protocol/rsm'>\
                  <max>5</max><after>pond.general@muc.waddle.test</after></set></pubsub>";
    let page = text(&ask(&mut a, "get", second).await);
    assert!(
        !page.contains("item id=\"pond.general@"),
        "what was given does not come again: {page}"
    );
    for request in [info, items] {
        assert_eq!(condition(&ask(&mut b, "get", request).await), "item-not-found");
    }
    let subscribe = "<pubsub xmlns='http://jabber.org/protocol/pubsub'><subscribe node='pond' jid='x@waddle.test'/></pubsub>";
    assert_eq!(condition(&ask(&mut b, "set", subscribe).await), "item-not-found");
    w.community
        .add_member(&alice, waddle.id, &bob, Role::Member)
        .await
        .unwrap();
    assert!(text(&ask(&mut b, "set", subscribe).await).contains("subscription=\"subscribed\""));
    let delete =
        "<pubsub xmlns='http://jabber.org/protocol/pubsub'><publish node='pond'><item/></publish></pubsub>";
    assert_eq!(
        condition(&ask(&mut b, "set", delete).await),
        "feature-not-implemented"
    );
    let new = NewChannel::text("birds".parse().unwrap(), "Birds");
    let channel = w.community.create_channel(&alice, waddle.id, new).await.unwrap();
    let heard =
        |s: &waddle_stanza::Stanza| text(s).contains("pond.birds@muc.waddle.test") && text(s).contains(SPACE);
    while !heard(&b.message().await) {}
    w.community
        .delete_channel(&alice, waddle.id, channel.id)
        .await
        .unwrap();
    loop {
        let s = b.message().await;
        if text(&s).contains("<retract id=\"pond.birds@muc.waddle.test\"") && heard(&s) {
            break;
        }
    }
    let room = text(
        &ask_at(
            &mut a,
            "pond.general@muc.waddle.test",
            "get",
            "<query xmlns='http://jabber.org/protocol/disco#info'/>",
        )
        .await,
    );
    assert!(room.contains("xmpp:spaces.waddle.test?;node=pond"), "{room}");
}

/// XEP-0045: what a stock client changes of a channel is the waddle's change, and bookmarks follow; the log says how.
#[tokio::test]
async fn a_stock_client_configures_bans_and_unbans() {
    let w = world_with(|_| {}, |c| c.rate_limits = false).await;
    let (alice, bob, waddle) = pond(&w).await;
    w.community
        .add_member(&alice, waddle.id, &bob, Role::Member)
        .await
        .unwrap();
    let mut a = w.online("alice", "one").await;
    let mut b = w.client("bob", "two").await;
    while bookmarks(&mut b).await.len() < 2 {}
    let room = "pond.general@muc.waddle.test";
    let form = |fields: &str| {
        [
            "<query xmlns='http://jabber.org/protocol/muc#owner'><x xmlns='jabber:x:data' type='submit'>",
            fields,
            "</x></query>",
        ]
        .concat()
    };
    // Private: no channel of Bob's any more.
    let private = form("<field var='x-private'><value>1</value></field>");
    let done = ask_at(&mut a, room, "set", &private).await;
    assert!(done.is_type("result"), "{}", text(&done));
    while bookmarks(&mut b).await.contains_key(room) {}
    let channel = w
        .community
        .channel_by_slug(waddle.id, &"general".parse().unwrap())
        .await
        .unwrap()
        .unwrap();
    assert!(channel.private);
    // What cannot be is said.
    let open = form("<field var='muc#roomconfig_membersonly'><value>0</value></field>");
    let no = ask_at(&mut a, room, "set", &open).await;
    assert!(text(&no).contains("not-acceptable"), "{}", text(&no));

    let set = |affiliation: &str, jid: &str| {
        format!(
            "<query xmlns='http://jabber.org/protocol/muc#admin'>\
             <item affiliation='{affiliation}' jid='{jid}'><reason>feathers</reason></item></query>"
        )
    };
    for jid in ["bob@waddle.test", "troll@elsewhere.example"] {
        let done = ask_at(&mut a, room, "set", &set("outcast", jid)).await;
        assert!(done.is_type("result"), "{}", text(&done));
    }
    let access = w.community.access(waddle.id).await.unwrap();
    assert!(access.is_banned(&bob) && access.role_of(&bob).is_none());
    let list = "<query xmlns='http://jabber.org/protocol/muc#admin'><item affiliation='outcast'/></query>";
    let listed = text(&ask_at(&mut a, room, "get", list).await);
    assert!(
        listed.contains("bob@waddle.test") && listed.contains("troll@elsewhere.example"),
        "{listed}"
    );
    while !bookmarks(&mut b).await.is_empty() {}
    let done = ask_at(&mut a, room, "set", &set("none", "bob@waddle.test")).await;
    assert!(done.is_type("result"), "{}", text(&done));
    assert!(!access.is_banned(&bob));

    let log = w.community.audit(&alice, waddle.id, None, 10).await.unwrap();
    let of_bob: Vec<_> = log.iter().filter(|e| e.target == bob.subject()).collect();
    assert_eq!(of_bob[0].action, "member.unban");
    assert_eq!(
        (of_bob[1].action.as_str(), of_bob[1].reason.as_deref()),
        ("member.ban", Some("feathers"))
    );
    assert_eq!(of_bob[1].via.as_deref(), Some("xmpp"));
}
