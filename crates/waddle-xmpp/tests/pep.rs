//! What accounts publish of themselves and keep for themselves: personal eventing (XEP-0163) and what rests on it
//! (XEP-0048, XEP-0049, XEP-0054, XEP-0084, XEP-0107, XEP-0118, XEP-0153, XEP-0172, XEP-0222, XEP-0223, XEP-0292,
//! XEP-0384, XEP-0398, XEP-0402, XEP-0490).

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

#[path = "support/eventing.rs"]
mod eventing;
mod support;

use eventing::{EVENT, app, arrived, friends, interested, items, publish, told, untold};
use support::{Client, World, condition, text, world, world_with};
use waddle_stanza::Stanza;

const TUNE: &str = "http://jabber.org/protocol/tune";
const JULIET: &str = "juliet@waddle.test";

async fn verona() -> World {
    let w = world().await;
    for name in ["juliet", "romeo", "paris"] {
        w.account(name).await;
    }
    friends(&w, "juliet", "romeo", "lovers").await;
    w
}

async fn ok(c: &mut Client, xml: &str) -> Stanza {
    c.send(xml).await;
    loop {
        let s = c.next().await;
        if s.root().name() == "iq" {
            assert!(s.is_type("result"), "{}", text(&s));
            return s;
        }
    }
}

async fn no(c: &mut Client, xml: &str) -> Stanza {
    c.send(xml).await;
    loop {
        let s = c.next().await;
        if s.root().name() == "iq" {
            assert!(s.is_type("error"), "{}", text(&s));
            return s;
        }
    }
}

#[tokio::test]
async fn contacts_and_own_devices_hear_what_they_want_to() {
    let w = verona().await;
    let mut juliet = interested(&w, "juliet", "balcony", &[TUNE]).await;
    let mut deaf = w.online("juliet", "deaf").await;
    let mut romeo = interested(&w, "romeo", "orchard", &[TUNE]).await;
    let mut paris = interested(&w, "paris", "street", &[TUNE]).await;
    let _ = (juliet.sync().await, deaf.sync().await, romeo.sync().await);
    ok(
        &mut deaf,
        &publish(
            TUNE,
            "1",
            "<tune xmlns='http://jabber.org/protocol/tune'><artist>Finzi</artist></tune>",
            &[],
        ),
    )
    .await;
    for c in [&mut juliet, &mut romeo] {
        let n = told(c).await;
        assert_eq!(
            n.from().unwrap().unwrap().as_str(),
            JULIET,
            "the account, not the device"
        );
        assert!(
            n.is_type("headline") && n.root().has("event", EVENT),
            "{}",
            text(&n)
        );
        assert!(text(&n).contains("Finzi"));
    }
    untold(&mut deaf).await;
    untold(&mut paris).await;
    // Who does not see her presence may not read it either.
    let e = no(&mut paris, &items(JULIET, TUNE)).await;
    assert_eq!(
        (condition(&e).as_str(), app(&e).as_str()),
        ("not-authorized", "presence-subscription-required")
    );
    assert!(text(&ok(&mut romeo, &items(JULIET, TUNE)).await).contains("Finzi"));
    // Nobody publishes for her.
    let e = no(
        &mut romeo,
        &publish(TUNE, "2", "<tune xmlns='http://jabber.org/protocol/tune'/>", &[])
            .replace("id='p'", "id='p' to='juliet@waddle.test'"),
    )
    .await;
    assert_eq!(condition(&e), "forbidden");
    let e = no(&mut romeo, &items("nobody@waddle.test", TUNE)).await;
    assert_eq!(condition(&e), "item-not-found");
}

#[tokio::test]
async fn the_last_item_comes_with_presence_and_with_a_new_friend() {
    let w = verona().await;
    let mut juliet = w.online("juliet", "balcony").await;
    ok(
        &mut juliet,
        &publish(
            TUNE,
            "1",
            "<tune xmlns='http://jabber.org/protocol/tune'><artist>Finzi</artist></tune>",
            &[],
        ),
    )
    .await;
    let (mut early, mut all) = arrived(&w, "romeo", "a", &["urn:other", TUNE]).await;
    all.extend(early.sync().await.iter().map(text));
    assert!(all.contains("Finzi") && all.contains("urn:xmpp:delay"), "{all}");
    // A client that is known by its hash already is not asked, and told all the same.
    let (mut late, mut all) = arrived(&w, "romeo", "b", &["urn:other", TUNE]).await;
    all.extend(late.sync().await.iter().map(text));
    assert!(all.contains("Finzi"), "{all}");
    let mut paris = interested(&w, "paris", "street", &[TUNE]).await;
    untold(&mut paris).await;
    paris
        .send("<presence to='juliet@waddle.test' type='subscribe'/>")
        .await;
    loop {
        let s = juliet.next().await;
        if s.is_type("subscribe") {
            break;
        }
    }
    juliet
        .send("<presence to='paris@waddle.test' type='subscribed'/>")
        .await;
    let n = paris.message().await;
    assert!(text(&n).contains("Finzi"), "{}", text(&n));
    // And the other way: who is shown the door hears nothing more.
    let _ = ok(&mut paris, "<iq type='set' id='s' to='juliet@waddle.test'><pubsub xmlns='http://jabber.org/protocol/pubsub'><subscribe node='http://jabber.org/protocol/tune' jid='paris@waddle.test'/></pubsub></iq>").await;
    let _ = paris.sync().await;
    juliet
        .send("<presence to='paris@waddle.test' type='unsubscribed'/>")
        .await;
    let n = paris.message().await;
    assert!(text(&n).contains("subscription=\"none\""), "{}", text(&n));
    ok(
        &mut juliet,
        &publish(TUNE, "1", "<tune xmlns='http://jabber.org/protocol/tune'/>", &[]),
    )
    .await;
    untold(&mut paris).await;
}

#[tokio::test]
async fn an_account_is_discovered_as_far_as_the_asker_may_know() {
    let w = verona().await;
    let mut juliet = w.online("juliet", "balcony").await;
    ok(
        &mut juliet,
        &publish("urn:open", "1", "<a xmlns='urn:a'/>", &[("access_model", "open")]),
    )
    .await;
    ok(
        &mut juliet,
        &publish(
            "urn:secret",
            "1",
            "<a xmlns='urn:a'/>",
            &[("access_model", "whitelist")],
        ),
    )
    .await;
    ok(
        &mut juliet,
        &publish("urn:friends", "1", "<a xmlns='urn:a'/>", &[]),
    )
    .await;
    let info = ok(
        &mut juliet,
        "<iq type='get' id='d'><query xmlns='http://jabber.org/protocol/disco#info'/></iq>",
    )
    .await;
    for needle in [
        "category=\"pubsub\" type=\"pep\"",
        "pubsub#publish-options\"",
        "pubsub#auto-create\"",
        "urn:xmpp:pep-vcard-conversion:0",
        "urn:xmpp:bookmarks:1#compat\"",
    ] {
        assert!(text(&info).contains(needle), "{needle}: {}", text(&info));
    }
    let list = "<iq type='get' id='d' to='juliet@waddle.test'><query xmlns='http://jabber.org/protocol/disco#items'/></iq>";
    let own = text(&ok(&mut juliet, list).await);
    assert!(
        own.contains("urn:open") && own.contains("urn:secret") && own.contains("urn:friends"),
        "{own}"
    );
    let mut romeo = w.online("romeo", "orchard").await;
    let theirs = text(&ok(&mut romeo, list).await);
    assert!(theirs.contains("urn:open") && !theirs.contains("urn:secret") && theirs.contains("urn:friends"));
    let mut paris = w.online("paris", "street").await;
    // Who may not see the presence gets an empty list (XEP-0030 §8).
    assert!(!text(&ok(&mut paris, list).await).contains("<item"));
    assert!(text(&ok(&mut paris, &items(JULIET, "urn:open")).await).contains("urn:a"));
    let e = no(&mut romeo, &items(JULIET, "urn:secret")).await;
    assert_eq!(
        (condition(&e).as_str(), app(&e).as_str()),
        ("not-allowed", "closed-node")
    );
}

#[tokio::test]
async fn groups_of_the_roster_decide() {
    let w = verona().await;
    w.account("nurse").await;
    friends(&w, "juliet", "nurse", "servants").await;
    let mut juliet = w.online("juliet", "balcony").await;
    let mut romeo = interested(&w, "romeo", "orchard", &["urn:g"]).await;
    let mut nurse = interested(&w, "nurse", "chamber", &["urn:g"]).await;
    let options = [("access_model", "roster"), ("roster_groups_allowed", "lovers")];
    let _ = (romeo.sync().await, nurse.sync().await);
    ok(
        &mut juliet,
        &publish("urn:g", "1", "<a xmlns='urn:a'/>", &options),
    )
    .await;
    told(&mut romeo).await;
    untold(&mut nurse).await;
    let e = no(&mut nurse, &items(JULIET, "urn:g")).await;
    assert_eq!(
        (condition(&e).as_str(), app(&e).as_str()),
        ("not-authorized", "not-in-roster-group")
    );
}

/// XEP-0223: private data stay private, whatever was there before; XEP-0222: public data are for everybody.
#[tokio::test]
async fn private_and_public_data_are_what_they_are_called() {
    let w = verona().await;
    let mut juliet = w.online("juliet", "balcony").await;
    let private = [("persist_items", "true"), ("access_model", "whitelist")];
    ok(
        &mut juliet,
        &publish("urn:p", "1", "<a xmlns='urn:a'/>", &private),
    )
    .await;
    let mut romeo = interested(&w, "romeo", "orchard", &["urn:p"]).await;
    let _ = romeo.sync().await;
    ok(
        &mut juliet,
        &publish("urn:p", "1", "<a xmlns='urn:a'/>", &private),
    )
    .await;
    untold(&mut romeo).await;
    let e = no(
        &mut juliet,
        &publish("urn:p", "1", "<a xmlns='urn:a'/>", &[("access_model", "open")]),
    )
    .await;
    assert_eq!(
        (condition(&e).as_str(), app(&e).as_str()),
        ("conflict", "precondition-not-met")
    );
    let public = [
        ("persist_items", "true"),
        ("access_model", "open"),
        ("send_last_published_item", "never"),
    ];
    ok(
        &mut juliet,
        &publish("urn:q", "current", "<a xmlns='urn:a'/>", &public),
    )
    .await;
    let mut paris = w.online("paris", "street").await;
    ok(&mut paris, &items(JULIET, "urn:q")).await;
}

/// XEP-0384: a list of devices, and one item a bundle.
#[tokio::test]
async fn omemo_finds_devices_and_bundles() {
    let w = verona().await;
    let list = "urn:xmpp:omemo:2:devices";
    let bundles = "urn:xmpp:omemo:2:bundles";
    let mut juliet = w.online("juliet", "balcony").await;
    let mut romeo = interested(&w, "romeo", "orchard", &[list]).await;
    let _ = romeo.sync().await;
    let open = [("access_model", "open")];
    ok(
        &mut juliet,
        &publish(
            list,
            "current",
            "<devices xmlns='urn:xmpp:omemo:2'><device id='1'/></devices>",
            &open,
        ),
    )
    .await;
    assert!(text(&told(&mut romeo).await).contains("<device id='1'/>"));
    let many = [("access_model", "open"), ("max_items", "max")];
    for id in ["1", "2"] {
        ok(
            &mut juliet,
            &publish(bundles, id, "<bundle xmlns='urn:xmpp:omemo:2'/>", &many),
        )
        .await;
    }
    let mut paris = w.online("paris", "street").await;
    let one = format!(
        "<iq type='get' id='b' to='{JULIET}'><pubsub xmlns='http://jabber.org/protocol/pubsub'><items node='{bundles}'><item id='1'/></items></pubsub></iq>"
    );
    let s = text(&ok(&mut paris, &one).await);
    assert!(s.contains("id=\"1\"") && !s.contains("id=\"2\""), "{s}");
    assert_eq!(
        condition(
            &no(
                &mut paris,
                &items(JULIET, "eu.siacs.conversations.axolotl.devicelist")
            )
            .await
        ),
        "item-not-found"
    );
}

/// XEP-0107, XEP-0118, XEP-0172, XEP-0490: each is a node, nobody but contacts may read it, or nobody at all.
#[tokio::test]
async fn small_things_are_nodes() {
    let w = verona().await;
    let mut juliet = w.online("juliet", "balcony").await;
    let all = [
        (
            "http://jabber.org/protocol/mood",
            "<mood xmlns='http://jabber.org/protocol/mood'><happy/></mood>",
        ),
        (TUNE, "<tune xmlns='http://jabber.org/protocol/tune'/>"),
        (
            "http://jabber.org/protocol/nick",
            "<nick xmlns='http://jabber.org/protocol/nick'>J</nick>",
        ),
    ];
    let nodes: Vec<&str> = all.iter().map(|a| a.0).collect();
    let mut romeo = interested(&w, "romeo", "orchard", &nodes).await;
    let _ = romeo.sync().await;
    let mut paris = w.online("paris", "street").await;
    for (node, payload) in all {
        ok(&mut juliet, &publish(node, "current", payload, &[])).await;
        assert!(text(&told(&mut romeo).await).contains(node));
        assert_eq!(
            condition(&no(&mut paris, &items(JULIET, node)).await),
            "not-authorized"
        );
    }
    let mds = "urn:xmpp:mds:displayed:0";
    let private = [
        ("access_model", "whitelist"),
        ("max_items", "max"),
        ("send_last_published_item", "never"),
        ("persist_items", "true"),
    ];
    for chat in ["romeo@waddle.test", "paris@waddle.test"] {
        ok(
            &mut juliet,
            &publish(
                mds,
                chat,
                "<displayed xmlns='urn:xmpp:mds:displayed:0'/>",
                &private,
            ),
        )
        .await;
    }
    assert!(text(&ok(&mut juliet, &items("", mds)).await).contains("paris@waddle.test"));
    assert_eq!(
        condition(&no(&mut romeo, &items(JULIET, mds)).await),
        "not-allowed"
    );
}

#[tokio::test]
async fn nobody_forges_where_an_event_comes_from() {
    let w = verona().await;
    let mut romeo = w.online("romeo", "orchard").await;
    let mut juliet = w.online("juliet", "balcony").await;
    let _ = (romeo.sync().await, juliet.sync().await);
    let forged = "<iq type='set' id='p'><pubsub xmlns='http://jabber.org/protocol/pubsub'><publish node='urn:n'>\
        <item id='1' publisher='paris@waddle.test'><a xmlns='urn:a'/></item></publish></pubsub></iq>";
    ok(&mut juliet, forged).await;
    assert!(!text(&ok(&mut romeo, &items(JULIET, "urn:n")).await).contains("paris"));
    // An event that a client writes comes from that client, in full.
    romeo
        .send("<message to='juliet@waddle.test/balcony'><event xmlns='http://jabber.org/protocol/pubsub#event'><items node='urn:n'/></event></message>")
        .await;
    let n = juliet.message().await;
    assert_eq!(n.from().unwrap().unwrap().as_str(), "romeo@waddle.test/orchard");
    romeo
        .send("<message from='juliet@waddle.test' to='juliet@waddle.test/balcony'/>")
        .await;
    romeo.ends_with("invalid-from").await;
}

/// XEP-0049: what is stored comes back, to nobody else.
#[tokio::test]
async fn private_storage() {
    let w = world_with(|l| l.xmpp_private_bytes = 300, |_| {}).await;
    w.account("juliet").await;
    w.account("romeo").await;
    let mut c = w.online("juliet", "r").await;
    let get = "<iq type='get' id='g'><query xmlns='jabber:iq:private'><notes xmlns='urn:n'/></query></iq>";
    assert!(text(&ok(&mut c, get).await).contains("<notes xmlns='urn:n'/>"));
    ok(&mut c, "<iq type='set' id='s'><query xmlns='jabber:iq:private'><notes xmlns='urn:n'><a>1</a></notes></query></iq>").await;
    assert!(text(&ok(&mut c, get).await).contains("<a>1</a>"));
    let mut romeo = w.online("romeo", "r").await;
    let theirs = get.replace("type='get'", "type='get' to='juliet@waddle.test'");
    assert_eq!(condition(&no(&mut romeo, &theirs).await), "forbidden");
    assert!(!text(&ok(&mut romeo, get).await).contains("<a>"));
    for (body, expected) in [
        ("", "bad-request"),
        ("<x xmlns='jabber:iq:roster'/>", "not-acceptable"),
        (
            &*format!("<x xmlns='urn:x'>{}</x>", "y".repeat(300)),
            "resource-constraint",
        ),
    ] {
        let e = no(
            &mut c,
            &format!("<iq type='set' id='s'><query xmlns='jabber:iq:private'>{body}</query></iq>"),
        )
        .await;
        assert_eq!(condition(&e), expected, "{body}");
    }
}

/// XEP-0048 over private storage and XEP-0402 are one list.
#[tokio::test]
async fn bookmarks_are_the_same_in_both_formats() {
    let w = verona().await;
    let node = "urn:xmpp:bookmarks:1";
    let mut new = interested(&w, "juliet", "new", &[node]).await;
    let mut old = w.online("juliet", "old").await;
    let _ = new.sync().await;
    let set = |rooms: &str| {
        format!(
            "<iq type='set' id='s'><query xmlns='jabber:iq:private'><storage xmlns='storage:bookmarks'>{rooms}</storage></query></iq>"
        )
    };
    let orchard = "<conference jid='orchard@muc.waddle.test' name='The Orchard' autojoin='1'><nick>J</nick></conference>";
    let play = "<conference jid='play@muc.waddle.test'/>";
    let page = "<url name='x' url='https://x/'/>";
    ok(&mut old, &set(&[orchard, play, page].concat())).await;
    let got: String = new.sync().await.iter().map(text).collect();
    assert!(
        got.contains("id=\"orchard@muc.waddle.test\"") && got.contains("The Orchard"),
        "{got}"
    );
    let s = text(&ok(&mut new, &items("", node)).await);
    assert!(
        s.contains("<nick>J</nick>") && s.contains("autojoin=\"true\"") && s.contains("play@muc"),
        "{s}"
    );
    // The new client knows more than the old format can say.
    let private = [
        ("access_model", "whitelist"),
        ("persist_items", "true"),
        ("max_items", "max"),
        ("send_last_published_item", "never"),
    ];
    let with = "<conference xmlns='urn:xmpp:bookmarks:1' name='The Play' autojoin='true'><extensions><p xmlns='urn:pin'/></extensions></conference>";
    ok(&mut new, &publish(node, "play@muc.waddle.test", with, &private)).await;
    let get = "<iq type='get' id='g'><query xmlns='jabber:iq:private'><storage xmlns='storage:bookmarks'/></query></iq>";
    let list = text(&ok(&mut old, get).await);
    assert!(
        list.contains("name=\"The Play\"") && list.contains("https://x/") && list.contains("jid=\"orchard@"),
        "{list}"
    );
    let _ = new.sync().await;
    let play =
        "<conference jid='play@muc.waddle.test' name='The Play' autojoin='1'><nick>Me</nick></conference>";
    ok(&mut old, &set(&[play, page].concat())).await;
    let got: String = new.sync().await.iter().map(text).collect();
    assert!(
        got.contains("<retract id=\"orchard@muc.waddle.test\"/>")
            && got.contains("urn:pin")
            && got.contains("Me"),
        "{got}"
    );
    // The same list again is no news.
    ok(&mut old, &set(&[play, page].concat())).await;
    untold(&mut new).await;
    let mut romeo = w.online("romeo", "r").await;
    assert_eq!(
        condition(&no(&mut romeo, &items(JULIET, node)).await),
        "not-allowed"
    );
}

/// XEP-0054, XEP-0292: a vCard in either format.
#[tokio::test]
async fn bookmarks_are_private_whoever_makes_their_node() {
    let w = verona().await;
    let node = "urn:xmpp:bookmarks:1";
    let mut juliet = w.online("juliet", "one").await;
    let mut romeo = w.online("romeo", "two").await;
    let room = "<conference xmlns='urn:xmpp:bookmarks:1'/>";
    ok(
        &mut juliet,
        &publish(node, "play@muc.waddle.test", room, &[("access_model", "open")]),
    )
    .await;
    let e = no(&mut romeo, &items(JULIET, node)).await;
    assert_eq!(app(&e), "closed-node");
    assert!(text(&ok(&mut juliet, &items("", node)).await).contains("play@muc"));
}

#[tokio::test]
async fn vcards() {
    let w = verona().await;
    let mut juliet = w.online("juliet", "r").await;
    let mut paris = w.online("paris", "r").await;
    let get = "<iq type='get' id='g' to='juliet@waddle.test'><vCard xmlns='vcard-temp'/></iq>";
    assert_eq!(condition(&no(&mut paris, get).await), "item-not-found");
    let nobody = get.replace("juliet", "nobody");
    assert_eq!(condition(&no(&mut paris, &nobody).await), "item-not-found");
    assert!(text(&ok(&mut juliet, get).await).contains("<vCard"));
    ok(&mut juliet, "<iq type='set' id='s'><vCard xmlns='vcard-temp'><FN>Juliet Capulet</FN><X-ODD>1</X-ODD></vCard></iq>").await;
    let s = text(&ok(&mut paris, get).await);
    assert!(
        s.contains("<FN") && s.contains("Juliet Capulet") && s.contains("X-ODD"),
        "{s}"
    );
    let e = no(
        &mut paris,
        "<iq type='set' id='s' to='juliet@waddle.test'><vCard xmlns='vcard-temp'><FN>X</FN></vCard></iq>",
    )
    .await;
    assert_eq!(condition(&e), "forbidden");
    let four = text(&ok(&mut paris, &items(JULIET, "urn:xmpp:vcard4")).await);
    assert!(four.contains("<fn><text>Juliet Capulet</text></fn>"), "{four}");
    let changed =
        "<vcard xmlns='urn:ietf:params:xml:ns:vcard-4.0'><fn><text>Juliet Montague</text></fn></vcard>";
    ok(&mut juliet, &publish("urn:xmpp:vcard4", "current", changed, &[])).await;
    let s = text(&ok(&mut paris, get).await);
    assert!(s.contains("<FN>Juliet Montague</FN>"), "{s}");
    let e = no(
        &mut juliet,
        "<iq type='set' id='s'><vCard xmlns='vcard-temp'><PHOTO><BINVAL>?</BINVAL></PHOTO></vCard></iq>",
    )
    .await;
    assert_eq!(condition(&e), "bad-request");
}

/// XEP-0084, XEP-0153, XEP-0398: one picture, whichever way it came.
#[tokio::test]
async fn an_avatar_is_the_photo_and_presence_says_so() {
    let w = verona().await;
    let meta = "urn:xmpp:avatar:metadata";
    let mut romeo = interested(&w, "romeo", "orchard", &[meta]).await;
    let mut juliet = w.online("juliet", "r").await;
    let _ = (romeo.sync().await, juliet.sync().await);
    // SHA-1 of the three bytes `abc`.
    let hash = "a9993e364706816aba3e25717850c26c9cd0d89d";
    ok(&mut juliet, "<iq type='set' id='s'><vCard xmlns='vcard-temp'><FN>J</FN><PHOTO><TYPE>image/png</TYPE><BINVAL>YWJj</BINVAL></PHOTO></vCard></iq>").await;
    let n = text(&told(&mut romeo).await);
    assert!(
        n.contains(&format!("id=\"{hash}\"")) && n.contains("bytes=\"3\"") && n.contains("image/png"),
        "{n}"
    );
    let data = text(&ok(&mut romeo, &items(JULIET, "urn:xmpp:avatar:data")).await);
    assert!(data.contains("YWJj"), "{data}");
    // Presence says it, also to whom it is directed.
    juliet.send("<presence to='romeo@waddle.test/orchard'/>").await;
    let p = romeo.next().await;
    assert!(
        text(&p).contains(&format!("<photo>{hash}</photo>")),
        "{}",
        text(&p)
    );
    juliet
        .send("<presence><x xmlns='vcard-temp:x:update'/></presence>")
        .await;
    let p = romeo.next().await;
    assert_eq!(text(&p).matches("vcard-temp:x:update").count(), 1);
    assert!(text(&p).contains(hash));
    juliet
        .send("<presence><x xmlns='vcard-temp:x:update'><photo/></x></presence>")
        .await;
    assert!(
        !text(&romeo.next().await).contains(hash),
        "a client that is not ready says nothing"
    );
    let _ = juliet.sync().await;
    // The other way: published as an avatar, it is the photo of the vCard. SHA-1 of `def`.
    let other = "589c22335a381f122d129225f5c0ba3056ed5811";
    let open = [("access_model", "open")];
    ok(
        &mut juliet,
        &publish(
            "urn:xmpp:avatar:data",
            other,
            "<data xmlns='urn:xmpp:avatar:data'>ZGVm</data>",
            &open,
        ),
    )
    .await;
    ok(
        &mut juliet,
        &publish(
            meta,
            other,
            &format!("<metadata xmlns='{meta}'><info id='{other}' bytes='3' type='image/gif'/></metadata>"),
            &open,
        ),
    )
    .await;
    let mut paris = w.online("paris", "r").await;
    let get = "<iq type='get' id='g' to='juliet@waddle.test'><vCard xmlns='vcard-temp'/></iq>";
    let s = text(&ok(&mut paris, get).await);
    assert!(
        s.contains("<BINVAL>ZGVm</BINVAL>") && s.contains("image/gif") && s.contains('J'),
        "{s}"
    );
    // A new session says the hash from its first presence on.
    let mut again = w.client("juliet", "again").await;
    again.send("<presence/>").await;
    assert!(text(&again.next().await).contains(other));
    // Metadata of a picture that is not there, or is another one, show none.
    ok(
        &mut juliet,
        &publish(
            meta,
            hash,
            &format!("<metadata xmlns='{meta}'><info id='{hash}' bytes='3' type='image/gif'/></metadata>"),
            &open,
        ),
    )
    .await;
    assert!(!text(&ok(&mut paris, get).await).contains("BINVAL"));
    ok(
        &mut juliet,
        &publish(meta, "none", &format!("<metadata xmlns='{meta}'/>"), &open),
    )
    .await;
    let _ = romeo.sync().await;
    juliet.send("<presence to='romeo@waddle.test/orchard'/>").await;
    let p = text(&romeo.next().await);
    assert!(!p.contains("vcard-temp:x:update"), "{p}");
}
