//! Roster, subscriptions, presence, discovery (RFC 6121 §2–§4, XEP-0030, XEP-0092, XEP-0115, XEP-0199, XEP-0202,
//! XEP-0478).

use crate::support::{Client, condition, friends, text, world, world_with};
use waddle_stanza::Stanza;

const ROSTER: &str = "jabber:iq:roster";

async fn roster(c: &mut Client) -> Stanza {
    c.request("<iq type='get' id='r'><query xmlns='jabber:iq:roster'/></iq>")
        .await
}

/// `jid subscription ask approved` of the one item in a push or result.
fn item(s: &Stanza) -> String {
    let q = s
        .root()
        .child("query", ROSTER)
        .unwrap_or_else(|| panic!("no roster: {}", text(s)));
    let i = q.child("item", ROSTER).unwrap();
    let a = |n| i.attr(n).map(std::borrow::Cow::into_owned);
    [a("jid"), a("subscription"), a("ask"), a("approved")]
        .into_iter()
        .flatten()
        .collect::<Vec<_>>()
        .join(" ")
}

fn presence(s: &Stanza) -> String {
    assert_eq!(s.root().name(), "presence", "{}", text(s));
    let a = |n| s.root().attr(n).unwrap_or_default().into_owned();
    format!("{} {}", a("type"), a("from"))
}

#[tokio::test]
async fn items_pushes_and_versions() {
    let w = world().await;
    w.account("alice").await;
    let mut one = w.client("alice", "one").await;
    let mut two = w.client("alice", "two").await;
    let mut three = w.client("alice", "three").await;
    assert!(text(&roster(&mut one).await).contains("ver=\"0\""));
    roster(&mut two).await;
    one.send("<iq type='set' id='s'><query xmlns='jabber:iq:roster'><item jid='bob@waddle.test' name='Bob'><group>Friends</group><group>A &amp; B</group></item></query></iq>").await;
    for c in [&mut one, &mut two] {
        let push = c.next().await;
        assert_eq!(push.type_().unwrap(), "set");
        assert_eq!(item(&push), "bob@waddle.test none");
        assert!(text(&push).contains("<group>A &amp; B</group>") && text(&push).contains("ver=\"1\""));
    }
    assert_eq!(one.next().await.type_().unwrap(), "result");
    three.quiet().await;
    let r = one
        .request("<iq type='get' id='r'><query xmlns='jabber:iq:roster' ver='1'/></iq>")
        .await;
    assert!(r.payload().is_none(), "nothing has changed");
    let r = one
        .request("<iq type='get' id='r'><query xmlns='jabber:iq:roster' ver=''/></iq>")
        .await;
    assert_eq!(item(&r), "bob@waddle.test none");
    for (bad, expected) in [
        ("", "bad-request"),
        ("<item jid='a@x'/><item jid='b@x'/>", "bad-request"),
        ("<item/>", "bad-request"),
        ("<item jid='a@@x'/>", "jid-malformed"),
        ("<item jid='a@x'><group/></item>", "not-acceptable"),
        (
            "<item jid='a@x'><group>g</group><group>g</group></item>",
            "bad-request",
        ),
        ("<item jid='nobody@x' subscription='remove'/>", "item-not-found"),
    ] {
        let r = one
            .request(&format!(
                "<iq type='set' id='s'><query xmlns='jabber:iq:roster'>{bad}</query></iq>"
            ))
            .await;
        assert_eq!(condition(&r), expected, "{bad}");
    }
    let r = one
        .request("<iq type='get' id='r' to='bob@waddle.test'><query xmlns='jabber:iq:roster'/></iq>")
        .await;
    assert_eq!(condition(&r), "forbidden");
    one.send("<iq type='set' id='s'><query xmlns='jabber:iq:roster'><item jid='bob@waddle.test' subscription='remove'/></query></iq>").await;
    assert_eq!(item(&one.next().await), "bob@waddle.test remove");
    assert_eq!(one.next().await.type_().unwrap(), "result");
}

#[tokio::test]
async fn a_subscription_from_request_to_removal() {
    let w = world().await;
    w.account("alice").await;
    w.account("bob").await;
    let mut a = w.online("alice", "one").await;
    roster(&mut a).await;
    a.send("<presence type='subscribe' to='bob@waddle.test/ignored' id='s1'/>")
        .await;
    assert_eq!(item(&a.next().await), "bob@waddle.test none subscribe");
    // Bob is away: the request waits for him
    let mut b = w.client("bob", "two").await;
    roster(&mut b).await;
    b.send("<presence/>").await;
    assert_eq!(presence(&b.next().await), " bob@waddle.test/two");
    let request = b.next().await;
    assert_eq!(presence(&request), "subscribe alice@waddle.test");
    assert_eq!(request.root().attr("to").unwrap(), "bob@waddle.test");
    b.send("<presence type='subscribed' to='alice@waddle.test'/>")
        .await;
    assert_eq!(item(&b.next().await), "alice@waddle.test from");
    assert_eq!(presence(&a.next().await), "subscribed bob@waddle.test");
    assert_eq!(item(&a.next().await), "bob@waddle.test to");
    assert_eq!(presence(&a.next().await), " bob@waddle.test/two");
    // the other direction, approved beforehand
    a.send("<presence type='subscribed' to='bob@waddle.test'/>").await;
    assert_eq!(item(&a.next().await), "bob@waddle.test to true");
    b.send("<presence type='subscribe' to='alice@waddle.test'/>")
        .await;
    assert_eq!(item(&b.next().await), "alice@waddle.test from subscribe");
    assert_eq!(presence(&b.next().await), "subscribed alice@waddle.test");
    assert_eq!(item(&b.next().await), "alice@waddle.test both");
    assert_eq!(item(&a.next().await), "bob@waddle.test both");
    assert_eq!(presence(&b.next().await), " alice@waddle.test/one");
    // updates and goodbyes
    a.send("<presence><show>away</show></presence>").await;
    a.next().await;
    assert!(text(&b.next().await).contains("away"));
    let mut a2 = w.client("alice", "two").await;
    a2.send("<presence/>").await;
    let mut got = vec![
        presence(&a2.next().await),
        presence(&a2.next().await),
        presence(&a2.next().await),
    ];
    got.sort();
    assert_eq!(
        got,
        [
            " alice@waddle.test/one",
            " alice@waddle.test/two",
            " bob@waddle.test/two"
        ]
    );
    assert_eq!(presence(&b.next().await), " alice@waddle.test/two");
    assert_eq!(presence(&a.next().await), " alice@waddle.test/two");
    drop(a2);
    assert_eq!(presence(&b.next().await), "unavailable alice@waddle.test/two");
    assert_eq!(presence(&a.next().await), "unavailable alice@waddle.test/two");
    // removal ends both directions
    a.send("<iq type='set' id='s'><query xmlns='jabber:iq:roster'><item jid='bob@waddle.test' subscription='remove'/></query></iq>").await;
    let mut seen = Vec::new();
    for _ in 0..4 {
        let s = b.next().await;
        seen.push(if s.root().name() == "iq" {
            item(&s)
        } else {
            presence(&s)
        });
    }
    seen.sort();
    assert_eq!(seen.last().unwrap(), "unsubscribed alice@waddle.test");
    assert!(seen.contains(&"unsubscribe alice@waddle.test".to_owned()));
    assert!(
        seen.iter()
            .any(|s| s == "unavailable alice@waddle.test/one" || s == "alice@waddle.test none"),
        "{seen:?}"
    );
}

#[tokio::test]
async fn directed_presence_ends_with_the_session() {
    let w = world().await;
    w.account("alice").await;
    w.account("bob").await;
    let mut b = w.online("bob", "two").await;
    let mut a = w.online("alice", "one").await;
    a.send("<presence to='bob@waddle.test'/>").await;
    assert_eq!(presence(&b.next().await), " alice@waddle.test/one");
    a.send("<presence><status>not for Bob</status></presence>").await;
    a.next().await;
    b.quiet().await;
    a.send("</stream:stream>").await;
    assert_eq!(presence(&b.next().await), "unavailable alice@waddle.test/one");
}

#[tokio::test]
async fn probes_and_requests_tell_strangers_nothing() {
    let w = world_with(|_| {}, |c| c.rate_limits = false).await;
    w.account("alice").await;
    w.account("bob").await;
    let _b = w.online("bob", "two").await;
    let mut a = w.online("alice", "one").await;
    for to in ["bob@waddle.test", "nobody@waddle.test"] {
        a.send(&format!("<presence type='probe' to='{to}'/>")).await;
        assert_eq!(presence(&a.next().await), format!("unsubscribed {to}"));
        a.send(&format!(
            "<presence type='unsubscribe' to='{to}'/><presence type='unsubscribed' to='{to}'/>"
        ))
        .await;
        a.quiet().await;
        let r = a
            .request(&format!(
                "<iq type='get' id='d' to='{to}'><query xmlns='http://jabber.org/protocol/disco#info'/></iq>"
            ))
            .await;
        assert_eq!(condition(&r), "service-unavailable");
    }
    for bad in [
        "<presence><priority>200</priority></presence>",
        "<presence type='nonsense'/>",
    ] {
        let r = a.request(bad).await;
        assert_eq!(condition(&r), "bad-request");
    }
}

#[tokio::test]
async fn discovery_says_what_works_and_caps_hash_it() {
    let w = world().await;
    w.account("alice").await;
    let mut c = w.login("alice").await;
    let limits = c.features.clone();
    assert!(
        limits.contains("<max-bytes>262144</max-bytes><idle-seconds>300</idle-seconds>"),
        "{limits}"
    );
    c.bind("one").await;
    let info = c
        .request("<iq type='get' id='d' to='waddle.test'><query xmlns='http://jabber.org/protocol/disco#info'/></iq>")
        .await;
    let t = text(&info);
    for f in [
        "urn:xmpp:ping",
        "urn:xmpp:carbons:2",
        "msgoffline",
        "category=\"server\"",
    ] {
        assert!(t.contains(f), "{f}: {t}");
    }
    assert!(!t.contains("urn:xmpp:mam:2"), "the archive is the account's");
    let parsed = waddle_stanza::disco::DiscoInfo::read(info.payload().unwrap()).unwrap();
    let caps = waddle_stanza::disco::Caps::of(waddle_xmpp::xep::xep0030::NODE, &parsed).unwrap();
    let same = c
        .request(&format!(
            "<iq type='get' id='d' to='waddle.test'><query xmlns='http://jabber.org/protocol/disco#info' node='{}'/></iq>",
            caps.disco_node()
        ))
        .await;
    assert_eq!(same.type_().unwrap(), "result");
    let own = c
        .request("<iq type='get' id='d'><query xmlns='http://jabber.org/protocol/disco#info'/></iq>")
        .await;
    assert!(text(&own).contains("urn:xmpp:mam:2#extended") && text(&own).contains("registered"));
    let items = c
        .request("<iq type='get' id='d' to='waddle.test'><query xmlns='http://jabber.org/protocol/disco#items'/></iq>")
        .await;
    assert!(text(&items).contains("muc.waddle.test"));
    let rooms = c
        .request("<iq type='get' id='d' to='muc.waddle.test'><query xmlns='http://jabber.org/protocol/disco#info'/></iq>")
        .await;
    assert!(text(&rooms).contains("conference"), "{}", text(&rooms));
    for (iq, part) in [
        (
            "<iq type='get' id='v' to='waddle.test'><query xmlns='jabber:iq:version'/></iq>",
            "<name>Waddle</name>",
        ),
        (
            "<iq type='get' id='v' to='waddle.test'><time xmlns='urn:xmpp:time'/></iq>",
            "<tzo>+00:00</tzo>",
        ),
    ] {
        assert!(text(&c.request(iq).await).contains(part));
    }
    for (iq, expected) in [
        (
            "<iq type='get' id='x' to='waddle.test'><nothing xmlns='urn:x'/></iq>",
            "service-unavailable",
        ),
        ("<iq type='get' id='x' to='waddle.test'/>", "bad-request"),
        (
            "<iq type='get' id='x'><a xmlns='urn:x'/><b xmlns='urn:x'/></iq>",
            "bad-request",
        ),
        ("<iq type='wrong' id='x'><a xmlns='urn:x'/></iq>", "bad-request"),
        (
            "<iq type='get' id='x' to='alice@waddle.test/none'><a xmlns='urn:x'/></iq>",
            "service-unavailable",
        ),
    ] {
        let r = c.request(iq).await;
        assert_eq!(condition(&r), expected, "{iq}");
    }
    // answers to nothing are forgotten
    c.send("<iq type='result' id='nothing'/><iq type='error' id='nothing' to='alice@waddle.test/none'/>")
        .await;
    c.quiet().await;
}

async fn change(c: &mut Client, item: &str) {
    c.send(&format!(
        "<iq type='set' id='s'><query xmlns='jabber:iq:roster'>{item}</query></iq>"
    ))
    .await;
    let first = c.next().await;
    let second = c.next().await;
    assert!(
        first.is_type("set") && second.is_type("result"),
        "{} {}",
        text(&first),
        text(&second)
    );
}

/// RFC 6121 §2.6.3.
#[tokio::test]
async fn who_knows_an_older_roster_is_told_what_changed() {
    let w = world().await;
    w.account("alice").await;
    let mut a = w.client("alice", "one").await;
    roster(&mut a).await;
    for item in [
        "<item jid='a@x'/>",
        "<item jid='b@x'/>",
        "<item jid='a@x' name='A'/>",
        "<item jid='b@x' subscription='remove'/>",
        "<item jid='c@x'/>",
    ] {
        change(&mut a, item).await;
    }
    let mut later = w.client("alice", "later").await;
    let r = later
        .request("<iq type='get' id='r'><query xmlns='jabber:iq:roster' ver='1'/></iq>")
        .await;
    assert!(r.payload().is_none() && r.is_type("result"), "{}", text(&r));
    for (expected, version) in [("a@x none", 3), ("b@x remove", 4), ("c@x none", 5)] {
        let push = later.next().await;
        assert_eq!(item(&push), expected);
        assert!(
            text(&push).contains(&format!("ver=\"{version}\"")),
            "{}",
            text(&push)
        );
    }
    later.quiet().await;
    for unknown in ["0x", "77", "-1", ""] {
        let r = later
            .request(&format!(
                "<iq type='get' id='r'><query xmlns='jabber:iq:roster' ver='{unknown}'/></iq>"
            ))
            .await;
        let query = r.root().child("query", ROSTER).unwrap();
        assert_eq!(
            (query.children().count(), query.attr("ver").unwrap()),
            (2, "5".into()),
            "{unknown}"
        );
    }
}

/// RFC 6121 §4.3.2, XEP-0012, XEP-0319.
#[tokio::test]
async fn when_a_contact_was_here_for_the_last_time() {
    let world = world_with(|_| {}, |c| c.rate_limits = false).await;
    for name in ["alice", "bob", "eve"] {
        world.account(name).await;
    }
    let mut a = world.online("alice", "one").await;
    let mut b = world.online("bob", "two").await;
    let mut eve = world.online("eve", "three").await;
    friends(&mut a, &mut b).await;
    let last = |to: &str| format!("<iq type='get' id='l' to='{to}'><query xmlns='jabber:iq:last'/></iq>");
    let seconds = |s: &Stanza| {
        let q = s.root().child("query", "jabber:iq:last");
        let q = q.unwrap_or_else(|| panic!("no answer: {}", text(s)));
        (
            q.attr("seconds").unwrap().parse::<u64>().unwrap(),
            q.text().into_owned(),
        )
    };
    let up = a.request(&last("waddle.test")).await;
    assert!(seconds(&up).0 < 600);
    let here = a.request(&last("bob@waddle.test")).await;
    assert_eq!(seconds(&here), (0, String::new()));
    // XEP-0319: since when nobody touched the keys
    b.send(
        "<presence><show>away</show><idle xmlns='urn:xmpp:idle:1' since='2020-01-01T00:00:00Z'/></presence>",
    )
    .await;
    b.next().await;
    assert!(text(&a.next().await).contains("2020-01-01T00:00:00Z"));
    let mut a2 = world.online("alice", "two").await;
    let seen: String = a2.sync().await.iter().map(text).collect();
    assert!(seen.contains("2020-01-01"), "who comes later sees it too: {seen}");
    a.sync().await;
    b.sync().await;
    // to a device: only from who may see it
    for to in [
        "bob@waddle.test",
        "bob@waddle.test/two",
        "nobody@waddle.test",
        "nobody@waddle.test/x",
    ] {
        assert_eq!(condition(&eve.request(&last(to)).await), "forbidden", "{to}");
    }
    b.quiet().await;
    a.send(&last("bob@waddle.test/two")).await;
    let asked = b.next().await;
    b.send(&format!(
        "<iq type='result' id='{}' to='alice@waddle.test/one'><query xmlns='jabber:iq:last' seconds='7'/></iq>",
        asked.id().unwrap()
    ))
    .await;
    assert_eq!(seconds(&a.next().await).0, 7);
    // gone, with a word
    b.send("<presence type='unavailable'><status>Heading Home</status></presence>")
        .await;
    assert_eq!(presence(&a.next().await), "unavailable bob@waddle.test/two");
    b.sync().await;
    let gone = seconds(&a.request(&last("bob@waddle.test")).await);
    assert!(gone.0 < 600 && gone.1 == "Heading Home", "{gone:?}");
    a.send("<presence type='probe' to='bob@waddle.test'/>").await;
    let probed = a.next().await;
    assert_eq!(presence(&probed), "unavailable bob@waddle.test/two");
    assert!(text(&probed).contains("Heading Home") && probed.root().has("delay", "urn:xmpp:delay"));
    assert_eq!(probed.root().attr("to").unwrap(), "alice@waddle.test");
    let mut a3 = world.online("alice", "three").await;
    let seen: String = a3.sync().await.iter().map(text).collect();
    assert!(
        seen.contains("Heading Home") && seen.contains("urn:xmpp:delay"),
        "{seen}"
    );
}
