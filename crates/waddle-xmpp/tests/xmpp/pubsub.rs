//! The publish-subscribe service (XEP-0060): nodes, items, subscriptions, approval, discovery, over the wire.

use crate::support::eventing::{PUBSUB, app, told, untold};
use crate::support::{Client, World, condition, text, world, world_with};
use waddle_stanza::Stanza;

const HOST: &str = "pubsub.waddle.test";

async fn ask(c: &mut Client, kind: &str, owner: bool, body: &str) -> Stanza {
    let ns = if owner { "#owner" } else { "" };
    c.request(&format!(
        "<iq type='{kind}' id='q' to='{HOST}'><pubsub xmlns='{PUBSUB}{ns}'>{body}</pubsub></iq>"
    ))
    .await
}

async fn set(c: &mut Client, body: &str) -> Stanza {
    let s = ask(c, "set", false, body).await;
    assert!(s.is_type("result"), "{}", text(&s));
    s
}

fn form(fields: &[(&str, &str)]) -> String {
    let mut xml = String::from(
        "<x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE' type='hidden'>\
         <value>http://jabber.org/protocol/pubsub#node_config</value></field>",
    );
    for (var, value) in fields {
        xml += &format!("<field var='pubsub#{var}'><value>{value}</value></field>");
    }
    xml + "</x>"
}

async fn two() -> (World, Client, Client) {
    let w = world().await;
    for name in ["hamlet", "francisco"] {
        w.account(name).await;
    }
    let hamlet = w.online("hamlet", "r").await;
    let francisco = w.online("francisco", "r").await;
    (w, hamlet, francisco)
}

#[tokio::test]
async fn the_service_is_discovered_with_what_it_can_do() {
    let (_w, mut c, _) = two().await;
    let s = c
        .request("<iq type='get' id='1' to='waddle.test'><query xmlns='http://jabber.org/protocol/disco#items'/></iq>")
        .await;
    assert!(text(&s).contains("jid=\"pubsub.waddle.test\""), "{}", text(&s));
    let s = c
        .request(&format!(
            "<iq type='get' id='2' to='{HOST}'><query xmlns='http://jabber.org/protocol/disco#info'/></iq>"
        ))
        .await;
    let all = text(&s);
    assert!(all.contains("category=\"pubsub\" type=\"service\""), "{all}");
    for f in [
        "publish",
        "subscribe",
        "create-nodes",
        "access-whitelist",
        "retrieve-items",
        "meta-data",
    ] {
        assert!(all.contains(&format!("var=\"{PUBSUB}#{f}\"")), "{f}: {all}");
    }
    assert!(!all.contains("collections") && !all.contains("multi-subscribe"));
    let s = c
        .request(&format!(
            "<iq type='get' id='3' to='{HOST}'><query xmlns='http://jabber.org/protocol/disco#info' node='no'/></iq>"
        ))
        .await;
    assert_eq!(condition(&s), "item-not-found");
    let s = c
        .request(&format!(
            "<iq type='get' id='4' to='{HOST}'><odd xmlns='urn:odd'/></iq>"
        ))
        .await;
    assert_eq!(condition(&s), "service-unavailable");
}

#[tokio::test]
async fn a_node_lives_and_its_subscribers_hear_of_it() {
    let (_w, mut hamlet, mut francisco) = two().await;
    set(&mut hamlet, "<create node='blog'/><configure/>").await;
    let again = ask(&mut hamlet, "set", false, "<create node='blog'/>").await;
    assert_eq!(condition(&again), "conflict");
    let s = set(
        &mut francisco,
        "<subscribe node='blog' jid='francisco@waddle.test'/>",
    )
    .await;
    assert!(text(&s).contains("subscription=\"subscribed\"") && text(&s).contains("subid="));
    let s = set(
        &mut hamlet,
        "<publish node='blog'><item id='1'><e xmlns='urn:e'>to be</e></item></publish>",
    )
    .await;
    assert!(
        text(&s).contains("<publish node=\"blog\"><item id=\"1\"/></publish>"),
        "{}",
        text(&s)
    );
    let n = told(&mut francisco).await;
    assert_eq!(n.from().unwrap().unwrap().as_str(), HOST);
    assert!(
        n.is_type("headline") && text(&n).contains("to be"),
        "{}",
        text(&n)
    );
    untold(&mut hamlet).await;
    // Only publishers publish; everybody reads an open node.
    let no = ask(
        &mut francisco,
        "set",
        false,
        "<publish node='blog'><item><e xmlns='urn:e'/></item></publish>",
    )
    .await;
    assert_eq!(condition(&no), "forbidden");
    let s = ask(&mut francisco, "get", false, "<items node='blog'/>").await;
    assert!(text(&s).contains("to be"));
    let s = francisco
        .request(&format!(
            "<iq type='get' id='d' to='{HOST}'><query xmlns='http://jabber.org/protocol/disco#items' node='blog'/></iq>"
        ))
        .await;
    assert!(
        text(&s).contains("<item jid=\"pubsub.waddle.test\" name=\"1\"/>"),
        "{}",
        text(&s)
    );
    let s = francisco
        .request(&format!(
            "<iq type='get' id='d' to='{HOST}'><query xmlns='http://jabber.org/protocol/disco#info' node='blog'/></iq>"
        ))
        .await;
    assert!(text(&s).contains("type=\"leaf\"") && text(&s).contains("<value>hamlet@waddle.test</value>"));
    set(
        &mut hamlet,
        "<retract node='blog' notify='true'><item id='1'/></retract>",
    )
    .await;
    assert!(text(&told(&mut francisco).await).contains("<retract id=\"1\"/>"));
    let gone = ask(
        &mut hamlet,
        "set",
        false,
        "<retract node='blog'><item id='1'/></retract>",
    )
    .await;
    assert_eq!(condition(&gone), "item-not-found");
    ask(&mut hamlet, "set", true, "<purge node='blog'/>").await;
    assert!(text(&told(&mut francisco).await).contains("<purge node=\"blog\"/>"));
    let no = ask(&mut francisco, "set", true, "<delete node='blog'/>").await;
    assert_eq!(condition(&no), "forbidden");
    ask(&mut hamlet, "set", true, "<delete node='blog'/>").await;
    assert!(text(&told(&mut francisco).await).contains("<delete node=\"blog\"/>"));
    let no = ask(&mut francisco, "get", false, "<items node='blog'/>").await;
    assert_eq!(condition(&no), "item-not-found");
}

#[tokio::test]
async fn owners_approve_subscriptions_by_message() {
    let (_w, mut hamlet, mut francisco) = two().await;
    let create = format!(
        "<create node='n'/><configure>{}</configure>",
        form(&[("access_model", "authorize"), ("notify_sub", "1")])
    );
    set(&mut hamlet, &create).await;
    let subscribe = "<subscribe node='n' jid='francisco@waddle.test'/>";
    let s = set(&mut francisco, subscribe).await;
    assert!(text(&s).contains("subscription=\"pending\""));
    let no = ask(&mut francisco, "set", false, subscribe).await;
    assert_eq!(
        (condition(&no).as_str(), app(&no).as_str()),
        ("not-authorized", "pending-subscription")
    );
    let no = ask(&mut francisco, "get", false, "<items node='n'/>").await;
    assert_eq!(
        (condition(&no).as_str(), app(&no).as_str()),
        ("not-authorized", "not-subscribed")
    );
    let question = hamlet.message().await;
    let id = question.id().unwrap().into_owned();
    assert!(text(&question).contains("pubsub#allow"), "{}", text(&question));
    let answer = |id: &str| {
        format!(
            "<message to='{HOST}' id='{id}'><x xmlns='jabber:x:data' type='submit'>\
             <field var='FORM_TYPE'><value>{PUBSUB}#subscribe_authorization</value></field>\
             <field var='pubsub#node'><value>n</value></field>\
             <field var='pubsub#subscriber_jid'><value>francisco@waddle.test</value></field>\
             <field var='pubsub#allow'><value>1</value></field></x></message>"
        )
    };
    // Nobody lets themselves in.
    francisco.send(&answer("x")).await;
    assert_eq!(condition(&francisco.next().await), "forbidden");
    hamlet.send(&answer(&id)).await;
    let n = francisco.message().await;
    assert!(text(&n).contains("subscription=\"subscribed\""), "{}", text(&n));
    let s = ask(&mut francisco, "get", false, "<subscriptions/>").await;
    assert!(text(&s).contains("node=\"n\""), "{}", text(&s));
    set(
        &mut francisco,
        "<unsubscribe node='n' jid='francisco@waddle.test'/>",
    )
    .await;
    assert!(text(&hamlet.message().await).contains("subscription=\"none\""));
    let no = ask(
        &mut francisco,
        "set",
        false,
        "<unsubscribe node='n' jid='francisco@waddle.test'/>",
    )
    .await;
    assert_eq!(
        (condition(&no).as_str(), app(&no).as_str()),
        ("unexpected-request", "not-subscribed")
    );
}

#[tokio::test]
async fn configuration_options_and_affiliations_are_forms_and_lists() {
    let (_w, mut hamlet, mut francisco) = two().await;
    let s = ask(&mut hamlet, "get", true, "<default/>").await;
    assert!(text(&s).contains("pubsub#max_items"), "{}", text(&s));
    set(&mut hamlet, "<create node='n'/>").await;
    let change = format!(
        "<configure node='n'>{}</configure>",
        form(&[
            ("title", "A & B".replace('&', "&amp;").as_str()),
            ("max_items", "max")
        ])
    );
    let s = ask(&mut hamlet, "set", true, &change).await;
    assert!(s.is_type("result"), "{}", text(&s));
    let s = ask(&mut hamlet, "get", true, "<configure node='n'/>").await;
    assert!(
        text(&s).contains("A &amp; B") && text(&s).contains("<value>max</value>"),
        "{}",
        text(&s)
    );
    for (field, value) in [("access_model", "odd"), ("max_items", "-3"), ("no_such", "1")] {
        let change = format!("<configure node='n'>{}</configure>", form(&[(field, value)]));
        let no = ask(&mut hamlet, "set", true, &change).await;
        assert_eq!(condition(&no), "not-acceptable", "{field}");
    }
    let no = ask(&mut francisco, "get", true, "<configure node='n'/>").await;
    assert_eq!(condition(&no), "forbidden");
    set(
        &mut francisco,
        "<subscribe node='n' jid='francisco@waddle.test'/>",
    )
    .await;
    let s = ask(
        &mut francisco,
        "get",
        false,
        "<options node='n' jid='francisco@waddle.test'/>",
    )
    .await;
    assert!(text(&s).contains("pubsub#deliver"), "{}", text(&s));
    let off = "<options node='n' jid='francisco@waddle.test'><x xmlns='jabber:x:data' type='submit'>\
               <field var='pubsub#deliver'><value>0</value></field></x></options>";
    set(&mut francisco, off).await;
    set(
        &mut hamlet,
        "<publish node='n'><item id='1'><e xmlns='urn:e'/></item></publish>",
    )
    .await;
    untold(&mut francisco).await;
    let no = ask(&mut francisco, "set", false, "<options node='n' jid='francisco@waddle.test'><x xmlns='jabber:x:data' type='submit'><field var='pubsub#odd'><value>0</value></field></x></options>").await;
    assert_eq!(
        (condition(&no).as_str(), app(&no).as_str()),
        ("bad-request", "invalid-options")
    );
    let outcast = "<affiliations node='n'><affiliation jid='francisco@waddle.test' affiliation='outcast'/></affiliations>";
    ask(&mut hamlet, "set", true, outcast).await;
    assert!(text(&francisco.message().await).contains("subscription=\"none\""));
    let no = ask(&mut francisco, "get", false, "<items node='n'/>").await;
    assert_eq!(condition(&no), "forbidden");
    let s = ask(&mut francisco, "get", false, "<affiliations/>").await;
    assert!(text(&s).contains("affiliation=\"outcast\""));
    let s = ask(&mut hamlet, "get", true, "<affiliations node='n'/>").await;
    assert!(text(&s).contains("hamlet@waddle.test") && text(&s).contains("outcast"));
    // What nobody but its members may know of is not in the list of nodes.
    let hide = format!(
        "<configure node='n'>{}</configure>",
        form(&[("access_model", "whitelist")])
    );
    ask(&mut hamlet, "set", true, &hide).await;
    let list = format!(
        "<iq type='get' id='d' to='{HOST}'><query xmlns='http://jabber.org/protocol/disco#items'/></iq>"
    );
    assert!(!text(&francisco.request(&list).await).contains("node="));
    assert!(text(&hamlet.request(&list).await).contains("node=\"n\""));
}

#[tokio::test]
async fn the_last_item_comes_to_new_subscribers_and_with_presence() {
    let (w, mut hamlet, mut francisco) = two().await;
    let create = format!(
        "<create node='n'/><configure>{}</configure>",
        form(&[("send_last_published_item", "on_sub_and_presence")])
    );
    set(&mut hamlet, &create).await;
    for i in ["1", "2"] {
        set(
            &mut hamlet,
            &format!("<publish node='n'><item id='{i}'><e xmlns='urn:e'/></item></publish>"),
        )
        .await;
    }
    francisco
        .send(&format!(
            "<iq type='set' id='q' to='{HOST}'><pubsub xmlns='{PUBSUB}'><subscribe node='n' jid='francisco@waddle.test'/></pubsub></iq>"
        ))
        .await;
    let last = told(&mut francisco).await;
    assert!(
        text(&last).contains("id=\"2\"") && text(&last).contains("urn:xmpp:delay"),
        "{}",
        text(&last)
    );
    let mut other = w.client("francisco", "other").await;
    other.send("<presence/>").await;
    let last = other.message().await;
    assert!(text(&last).contains("id=\"2\""), "{}", text(&last));
}

#[tokio::test]
async fn pages_cannot_be_used_to_inject() {
    let (_w, mut hamlet, _) = two().await;
    set(
        &mut hamlet,
        &format!(
            "<create node='n'/><configure>{}</configure>",
            form(&[("max_items", "max")])
        ),
    )
    .await;
    for i in 0..5 {
        set(
            &mut hamlet,
            &format!("<publish node='n'><item id='{i}'><e xmlns='urn:e'/></item></publish>"),
        )
        .await;
    }
    let page =
        |rsm: &str| format!("<items node='n'/><set xmlns='http://jabber.org/protocol/rsm'>{rsm}</set>");
    let s = ask(&mut hamlet, "get", false, &page("<max>2</max><after>1</after>")).await;
    assert!(
        text(&s).contains("<item id=\"2\"")
            && text(&s).contains("<item id=\"3\"")
            && text(&s).contains("<count>5</count>")
    );
    for rsm in [
        "<after>1' OR '1'='1</after>",
        "<before>0; DROP TABLE pubsub_items; --</before>",
        "<after>%</after>",
    ] {
        assert_eq!(
            condition(&ask(&mut hamlet, "get", false, &page(rsm)).await),
            "item-not-found",
            "{rsm}"
        );
    }
    for rsm in ["<max>-1</max>", "<max>9999999999999</max>", "<index>x</index>"] {
        assert_eq!(
            condition(&ask(&mut hamlet, "get", false, &page(rsm)).await),
            "bad-request",
            "{rsm}"
        );
    }
    let s = ask(&mut hamlet, "get", false, &page("<max>0</max>")).await;
    assert!(text(&s).contains("<count>5</count>"));
}

#[tokio::test]
async fn people_make_as_many_nodes_as_they_may() {
    let w = world_with(|l| l.pubsub_nodes_per_user = 2, |_| {}).await;
    w.account("hamlet").await;
    let mut c = w.online("hamlet", "r").await;
    for _ in 0..2 {
        let s = set(&mut c, "<create/>").await;
        assert!(
            text(&s).contains("<create node="),
            "an instant node has a name: {}",
            text(&s)
        );
    }
    let no = ask(&mut c, "set", false, "<create/>").await;
    assert_eq!(
        (condition(&no).as_str(), app(&no).as_str()),
        ("policy-violation", "max-nodes-exceeded")
    );
}
