//! Personal eventing (XEP-0163): who hears what, and when.

use super::{JULIET, TUNE, no, ok, verona};
use crate::support::eventing::{EVENT, app, arrived, friends, interested, items, publish, told, untold};
use crate::support::{condition, text};

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
    while !all.contains("Finzi") {
        all += &text(&early.message().await);
    }
    assert!(all.contains("urn:xmpp:delay"), "{all}");
    // A client that is known by its hash already is not asked, and told all the same.
    let (mut late, mut all) = arrived(&w, "romeo", "b", &["urn:other", TUNE]).await;
    while !all.contains("Finzi") {
        all += &text(&late.message().await);
    }
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
