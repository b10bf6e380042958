//! Block lists and reports (XEP-0191, XEP-0377), and what strangers may do (mission: strangers' bucket).

use crate::support::eventing::{interested, publish, told, untold};
use crate::support::{Client, World, body, condition, friends, text, world, world_with};
use waddle_core::limits::Rate;
use waddle_stanza::Stanza;
use waddle_storage::repo::reports;

const BLOCKING: &str = "urn:xmpp:blocking";

fn command(name: &str, jids: &[&str]) -> String {
    let items: Vec<_> = jids.iter().map(|j| format!("<item jid='{j}'/>")).collect();
    let items = items.concat();
    format!("<iq type='set' id='b'><{name} xmlns='{BLOCKING}'>{items}</{name}></iq>")
}

async fn list(c: &mut Client) -> Vec<String> {
    let r = c
        .request("<iq type='get' id='l'><blocklist xmlns='urn:xmpp:blocking'/></iq>")
        .await;
    let list = r.root().child("blocklist", BLOCKING);
    let list = list.unwrap_or_else(|| panic!("no list: {}", text(&r)));
    list.children()
        .map(|i| i.attr("jid").unwrap().into_owned())
        .collect()
}

/// The one `blocked` condition beside the one of the RFC.
fn is_blocked(s: &Stanza) -> bool {
    let error = s.root().child("error", "jabber:client").unwrap();
    condition(s) == "not-acceptable" && error.has("blocked", "urn:xmpp:blocking:errors")
}

async fn pair(w: &World) -> (Client, Client) {
    w.account("alice").await;
    w.account("bob").await;
    let mut a = w.online("alice", "one").await;
    let mut b = w.online("bob", "two").await;
    friends(&mut a, &mut b).await;
    (a, b)
}

#[tokio::test]
async fn the_list_and_its_pushes() {
    let w = world().await;
    w.account("alice").await;
    let mut one = w.client("alice", "one").await;
    let mut two = w.client("alice", "two").await;
    let mut deaf = w.client("alice", "three").await;
    assert!(list(&mut one).await.is_empty() && list(&mut two).await.is_empty());
    let r = one.request(&command("block", &["b@x", "x/r"])).await;
    assert!(r.is_type("result") && r.payload().is_none(), "{}", text(&r));
    for c in [&mut one, &mut two] {
        let push = c.next().await;
        let block = push.root().child("block", BLOCKING).unwrap();
        assert_eq!(
            (push.type_().unwrap().as_ref(), block.children().count()),
            ("set", 2)
        );
    }
    deaf.quiet().await;
    assert_eq!(list(&mut one).await, ["b@x", "x/r"]);
    one.send(&command("unblock", &["b@x"])).await;
    assert!(one.next().await.is_type("result"));
    assert!(text(&one.next().await).contains("<item jid=\"b@x\"/>"));
    assert_eq!(list(&mut one).await, ["x/r"]);
    one.send(&command("unblock", &[])).await;
    assert!(one.next().await.is_type("result"));
    let push = one.next().await;
    assert_eq!(
        push.root().child("unblock", BLOCKING).unwrap().children().count(),
        0
    );
    assert!(list(&mut one).await.is_empty());
    for (bad, expected) in [
        (command("block", &[]), "bad-request"),
        (command("block", &["a@@x"]), "jid-malformed"),
        (
            "<iq type='set' id='b'><block xmlns='urn:xmpp:blocking'><item/></block></iq>".to_owned(),
            "bad-request",
        ),
        (
            "<iq type='get' id='b'><block xmlns='urn:xmpp:blocking'><item jid='x'/></block></iq>".to_owned(),
            "bad-request",
        ),
        (
            "<iq type='get' id='b' to='bob@waddle.test'><blocklist xmlns='urn:xmpp:blocking'/></iq>"
                .to_owned(),
            "forbidden",
        ),
    ] {
        assert_eq!(condition(&one.request(&bad).await), expected, "{bad}");
    }
}

#[tokio::test]
async fn the_list_is_bounded() {
    let w = world_with(|l| l.xmpp_blocked = 2, |_| {}).await;
    w.account("alice").await;
    let mut a = w.client("alice", "one").await;
    a.request(&command("block", &["a@x", "b@x"])).await;
    assert_eq!(
        condition(&a.request(&command("block", &["c@x"])).await),
        "policy-violation"
    );
    assert_eq!(list(&mut a).await, ["a@x", "b@x"]);
}

#[tokio::test]
async fn nothing_passes_in_either_direction() {
    let w = world_with(|_| {}, |c| c.rate_limits = false).await;
    let (mut a, mut b) = pair(&w).await;
    assert!(
        a.request(&command("block", &["bob@waddle.test"]))
            .await
            .is_type("result")
    );
    // Bob sees Alice go
    let gone = b.next().await;
    assert!(gone.is_type("unavailable") && gone.root().attr("from").unwrap() == "alice@waddle.test/one");
    // what Bob sends looks as if nobody were there
    for (stanza, answer) in [
        (
            "<message to='alice@waddle.test' type='chat' id='1'><body>x</body></message>",
            Some("service-unavailable"),
        ),
        (
            "<message to='alice@waddle.test/one' id='2'><body>x</body></message>",
            Some("service-unavailable"),
        ),
        (
            "<message to='alice@waddle.test' type='error' id='3'><body>x</body></message>",
            None,
        ),
        (
            "<iq to='alice@waddle.test/one' type='get' id='4'><ping xmlns='urn:xmpp:ping'/></iq>",
            Some("service-unavailable"),
        ),
        (
            "<iq to='alice@waddle.test' type='get' id='5'><query xmlns='http://jabber.org/protocol/disco#info'/></iq>",
            Some("service-unavailable"),
        ),
        ("<iq to='alice@waddle.test/one' type='result' id='6'/>", None),
        ("<presence to='alice@waddle.test'/>", None),
        ("<presence to='alice@waddle.test' type='probe'/>", None),
        ("<presence to='alice@waddle.test' type='subscribe'/>", None),
    ] {
        b.send(stanza).await;
        match answer {
            Some(expected) => assert_eq!(condition(&b.next().await), expected, "{stanza}"),
            None => b.quiet().await,
        }
    }
    a.quiet().await;
    // what Alice sends is refused, and says why
    for stanza in [
        "<message to='bob@waddle.test' type='chat' id='1'><body>x</body></message>",
        "<iq to='bob@waddle.test/two' type='get' id='2'><ping xmlns='urn:xmpp:ping'/></iq>",
        "<presence to='bob@waddle.test' id='3'/>",
        "<presence to='bob@waddle.test' type='subscribe' id='4'/>",
    ] {
        let e = a.request(stanza).await;
        assert!(is_blocked(&e), "{stanza}: {}", text(&e));
    }
    a.send("<iq to='bob@waddle.test/two' type='result' id='5'/>")
        .await;
    a.quiet().await;
    // presence to all passes by
    a.send("<presence><status>new</status></presence>").await;
    a.next().await;
    b.quiet().await;
    b.send("<presence><status>new</status></presence>").await;
    b.next().await;
    a.quiet().await;
    // nothing was kept
    drop(a);
    b.send("<message to='alice@waddle.test' type='chat' id='7'><body>later</body></message>")
        .await;
    assert_eq!(condition(&b.next().await), "service-unavailable");
    let mut a = w.online("alice", "again").await;
    assert!(a.sync().await.iter().all(|s| s.root().name() != "message"));
    // unblocked: both are seen again
    a.send(&command("unblock", &["bob@waddle.test"])).await;
    let seen = a.sync().await;
    assert!(
        seen.iter()
            .any(|s| s.root().attr("from").is_some_and(|f| f == "bob@waddle.test/two"))
    );
    let back = b.next().await;
    assert_eq!(back.root().attr("from").unwrap(), "alice@waddle.test/again");
    b.send("<message to='alice@waddle.test' type='chat'><body>hello</body></message>")
        .await;
    assert_eq!(body(&a.message().await), "hello");
}

#[tokio::test]
async fn devices_and_hosts() {
    let w = world_with(|_| {}, |c| c.rate_limits = false).await;
    let (mut a, mut b) = pair(&w).await;
    let mut b3 = w.online("bob", "three").await;
    a.sync().await;
    b.sync().await;
    a.request(&command("block", &["bob@waddle.test/three"])).await;
    b3.send("<message to='alice@waddle.test' id='1'><body>x</body></message>")
        .await;
    loop {
        let s = b3.next().await;
        if s.is_type("error") {
            break;
        }
    }
    b.send("<message to='alice@waddle.test' id='2'><body>other device</body></message>")
        .await;
    assert_eq!(body(&a.message().await), "other device");
    // the own host: everybody else on it, but neither the server nor oneself
    a.request(&command("block", &["waddle.test"])).await;
    let mut a2 = w.online("alice", "two").await;
    a2.send("<message to='alice@waddle.test/one' type='chat'><body>me</body></message>")
        .await;
    assert_eq!(body(&a.message().await), "me");
    assert!(
        a.request("<iq type='get' id='p' to='waddle.test'><ping xmlns='urn:xmpp:ping'/></iq>")
            .await
            .is_type("result")
    );
    b.sync().await;
    b.send("<message to='alice@waddle.test' id='3'><body>x</body></message>")
        .await;
    assert_eq!(condition(&b.message().await), "service-unavailable");
}

#[tokio::test]
async fn a_report_says_why() {
    let w = world().await;
    w.account("alice").await;
    let mut a = w.client("alice", "one").await;
    let features = a
        .request("<iq type='get' id='d' to='waddle.test'><query xmlns='http://jabber.org/protocol/disco#info'/></iq>")
        .await;
    assert!(
        text(&features).contains("urn:xmpp:reporting:1") && text(&features).contains("\"urn:xmpp:blocking\"")
    );
    let report = |reason: &str, text: &str| {
        format!(
            "<iq type='set' id='b'><block xmlns='urn:xmpp:blocking'><item jid='spam@x'>\
             <report xmlns='urn:xmpp:reporting:1'{reason}><text xml:lang='en'> {text} </text>\
             <stanza-id xmlns='urn:xmpp:sid:0' by='alice@waddle.test' id='17'/><third-party/></report>\
             </item><item jid='other@x'/></block></iq>"
        )
    };
    let no_reason = a.request(&report("", "x")).await;
    assert_eq!(condition(&no_reason), "bad-request");
    let long = a
        .request(&report(" reason='urn:xmpp:reporting:spam'", &"x".repeat(20_000)))
        .await;
    assert_eq!(condition(&long), "policy-violation");
    assert!(list(&mut a).await.is_empty(), "neither reported nor blocked");
    for words in ["buy this", "again"] {
        a.send(&report(" reason='urn:xmpp:reporting:spam'", words)).await;
        assert!(a.next().await.is_type("result"));
        a.next().await;
    }
    assert_eq!(list(&mut a).await, ["other@x", "spam@x"]);
    let db = w.storage.server();
    let stored = db.read(|c| reports::list(c, None, None, 10)).await.unwrap();
    assert_eq!(stored.len(), 1, "the same again is the same: {stored:?}");
    let r = &stored[0].report;
    assert_eq!(
        (stored[0].times, r.reported.as_str(), r.text.as_deref()),
        (2, "spam@x", Some("again"))
    );
    assert_eq!(r.reason, "urn:xmpp:reporting:spam");
    assert_eq!(r.ids, [("alice@waddle.test".to_owned(), "17".to_owned())]);
    assert_eq!(r.reporter, waddle_core::UserId::local("alice"));
}

#[tokio::test]
async fn strangers_have_a_small_bucket() {
    let rate = Rate {
        count: 3,
        seconds: 600,
    };
    let world = world_with(|l| l.xmpp_rate_strangers = rate, |_| {}).await;
    for name in ["alice", "bob", "carol"] {
        world.account(name).await;
    }
    let mut a = world.online("alice", "one").await;
    let mut b = world.online("bob", "two").await;
    let mut c = world.online("carol", "three").await;
    let say = |to: &str, words: &str| {
        format!("<message to='{to}@waddle.test' type='chat' id='{words}'><body>{words}</body></message>")
    };
    for i in ["1", "2", "3"] {
        a.send(&say("bob", i)).await;
        assert_eq!(body(&b.message().await), i);
    }
    // the same bucket for everybody whom she does not know, and for requests
    for stanza in [
        say("bob", "4"),
        say("carol", "5"),
        "<presence type='subscribe' to='carol@waddle.test' id='6'/>".to_owned(),
    ] {
        let e = a.request(&stanza).await;
        assert_eq!(condition(&e), "policy-violation", "{stanza}");
        assert_eq!(
            e.root()
                .child("error", "jabber:client")
                .unwrap()
                .attr("type")
                .unwrap(),
            "wait"
        );
    }
    c.quiet().await;
    b.quiet().await;
    // who answers is no stranger any more
    b.send(&say("alice", "hello")).await;
    assert_eq!(body(&a.message().await), "hello");
    a.send(&say("bob", "7")).await;
    assert_eq!(body(&b.message().await), "7");
    // nor who is in the roster
    c.send(
        "<iq type='set' id='r'><query xmlns='jabber:iq:roster'><item jid='alice@waddle.test'/></query></iq>",
    )
    .await;
    c.sync().await;
    a.send(&say("carol", "8")).await;
    assert_eq!(body(&c.message().await), "8");
    c.send("<iq type='set' id='r'><query xmlns='jabber:iq:roster'><item jid='alice@waddle.test' subscription='remove'/></query></iq>")
        .await;
    c.sync().await;
    assert_eq!(
        condition(&a.request(&say("carol", "9")).await),
        "policy-violation"
    );
}

/// XEP-0191 and XEP-0045 §7.5: an occupant is blocked by their address in the room.
#[tokio::test]
async fn private_messages_of_blocked_occupants_of_rooms() {
    let w = world_with(|_| {}, |c| c.rate_limits = false).await;
    w.account("alice").await;
    w.account("bob").await;
    let mut a = w.online("alice", "one").await;
    let mut b = w.online("bob", "two").await;
    for (c, nick) in [(&mut a, "A"), (&mut b, "B")] {
        c.send(&format!(
            "<presence to='tea@muc.waddle.test/{nick}'><x xmlns='http://jabber.org/protocol/muc'/></presence>"
        ))
        .await;
        while c.next().await.root().name() != "message" {}
        if nick == "A" {
            c.request("<iq type='set' id='o' to='tea@muc.waddle.test'><query xmlns='http://jabber.org/protocol/muc#owner'><x xmlns='jabber:x:data' type='submit'/></query></iq>")
                .await;
        }
    }
    a.sync().await;
    a.request(&command("block", &["tea@muc.waddle.test/B"])).await;
    b.send("<message to='tea@muc.waddle.test/A' type='chat'><body>psst</body></message><message to='tea@muc.waddle.test' type='groupchat'><body>to all</body></message>")
        .await;
    assert_eq!(body(&a.message().await), "to all");
    let e = a
        .request("<message to='tea@muc.waddle.test/B' type='chat' id='x'><body>psst</body></message>")
        .await;
    assert!(is_blocked(&e), "{}", text(&e));
    a.request(&command("unblock", &[])).await;
    b.send("<message to='tea@muc.waddle.test/A' type='chat'><body>again</body></message>")
        .await;
    assert_eq!(body(&a.message().await), "again");
}

#[tokio::test]
async fn personal_events_pass_in_neither_direction() {
    const TUNE: &str = "http://jabber.org/protocol/tune";
    let w = world_with(|_| {}, |c| c.rate_limits = false).await;
    for name in ["alice", "bob"] {
        w.account(name).await;
    }
    crate::support::eventing::friends(&w, "alice", "bob", "").await;
    let mut a = interested(&w, "alice", "one", &[TUNE]).await;
    let mut b = interested(&w, "bob", "two", &[TUNE]).await;
    let tune = publish(TUNE, "1", "<tune xmlns='http://jabber.org/protocol/tune'/>", &[]);
    let _ = (a.sync().await, b.sync().await);
    a.send(&tune).await;
    let _ = (told(&mut a).await, told(&mut b).await);
    a.send(&command("block", &["bob@waddle.test"])).await;
    let _ = (a.sync().await, b.sync().await);
    a.send(&tune).await;
    told(&mut a).await;
    untold(&mut b).await;
    b.send(&tune).await;
    told(&mut b).await;
    untold(&mut a).await;
}

#[tokio::test]
async fn who_is_blocked_sees_no_last_goodbye() {
    let w = world_with(|l| l.xmpp_block_lists = 1, |c| c.rate_limits = false).await;
    let (mut a, mut b) = pair(&w).await;
    for (blocks, seen) in [(false, true), (true, false)] {
        if blocks {
            b.send("<presence/>").await;
            b.send(&command("block", &["alice@waddle.test"])).await;
            b.sync().await;
        }
        b.send("<presence type='unavailable'><status>Heading Home</status></presence>")
            .await;
        b.sync().await;
        a.sync().await;
        let mut again = w.online("alice", if blocks { "four" } else { "three" }).await;
        let got: String = again.sync().await.iter().map(text).collect();
        assert_eq!(got.contains("Heading Home"), seen, "{got}");
    }
    // His list has left the memory with him.
    drop(b);
    w.account("eve").await;
    w.online("eve", "five").await.sync().await;
    let mut last = w.online("alice", "six").await;
    let got: String = last.sync().await.iter().map(text).collect();
    assert!(!got.contains("Heading Home"), "{got}");
}
