//! What people publish: data private and public (XEP-0222, XEP-0223), OMEMO (XEP-0384), mood, tune, nickname, markers (XEP-0107, XEP-0118, XEP-0172, XEP-0490).

use super::{JULIET, TUNE, no, ok, verona};
use crate::support::eventing::{app, interested, items, publish, told, untold};
use crate::support::{condition, text};

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
