//! Messages between users: delivery, archive, carbons, offline (RFC 6121 §8.5, XEP-0160, XEP-0203, XEP-0280,
//! XEP-0313, XEP-0359).

use crate::support::{body, condition, text, world, world_with};

#[tokio::test]
async fn a_message_is_archived_for_both_and_delivered_with_its_id() {
    let w = world().await;
    w.account("alice").await;
    w.account("bob").await;
    let mut a = w.online("alice", "one").await;
    let mut b = w.online("bob", "two").await;
    a.send("<message to='bob@waddle.test' type='chat' id='m1'><body>hi &amp; ho</body><stanza-id xmlns='urn:xmpp:sid:0' by='bob@waddle.test' id='forged'/><delay xmlns='urn:xmpp:delay' from='bob@waddle.test' stamp='2001-01-01T00:00:00Z'/><origin-id xmlns='urn:xmpp:sid:0' id='o1'/></message>").await;
    let m = b.message().await;
    let root = m.root();
    assert_eq!(root.attr("from").unwrap(), "alice@waddle.test/one");
    assert_eq!(root.attr("to").unwrap(), "bob@waddle.test");
    assert_eq!(body(&m), "hi & ho");
    let ids: Vec<_> = root.children().filter(|c| c.name() == "stanza-id").collect();
    assert_eq!(ids.len(), 1, "{}", text(&m));
    assert_eq!(ids[0].attr("by").unwrap(), "bob@waddle.test");
    let id = ids[0].attr("id").unwrap().into_owned();
    assert!(root.has("origin-id", "urn:xmpp:sid:0"));
    assert!(!root.has("delay", "urn:xmpp:delay"), "nobody speaks for Bob");
    for (c, name) in [(&mut a, "alice"), (&mut b, "bob")] {
        c.send("<iq type='set' id='q'><query xmlns='urn:xmpp:mam:2' queryid='x'/></iq>")
            .await;
        let r = c.message().await;
        let result = r.root().child("result", "urn:xmpp:mam:2").unwrap();
        assert_eq!(result.attr("queryid").unwrap(), "x");
        if name == "bob" {
            assert_eq!(result.attr("id").unwrap(), id);
        }
        assert!(text(&r).contains("hi &amp; ho") && !text(&r).contains("forged"));
        let fin = c.next().await;
        let fin = fin.root().child("fin", "urn:xmpp:mam:2").unwrap();
        assert_eq!(fin.attr("complete").unwrap(), "true");
    }
}

#[tokio::test]
async fn offline_messages_come_once_in_order_with_their_delay() {
    let w = world().await;
    w.account("alice").await;
    w.account("bob").await;
    let mut a = w.online("alice", "one").await;
    for i in 0..3 {
        a.send(&format!(
            "<message to='bob@waddle.test' type='chat'><body>m{i}</body></message>"
        ))
        .await;
    }
    a.send("<message to='bob@waddle.test' type='chat'><composing xmlns='http://jabber.org/protocol/chatstates'/></message>").await;
    a.quiet().await;
    let mut b = w.client("bob", "two").await;
    b.send("<presence><priority>-1</priority></presence>").await;
    b.next().await;
    b.quiet().await;
    b.send("<presence/>").await;
    for i in 0..3 {
        let m = b.message().await;
        assert_eq!(body(&m), format!("m{i}"));
        assert!(m.root().has("delay", "urn:xmpp:delay") && m.root().has("stanza-id", "urn:xmpp:sid:0"));
    }
    b.quiet().await;
    let mut b2 = w.online("bob", "three").await;
    let again = b2.sync().await;
    assert!(again.iter().all(|s| s.root().name() != "message"));
}

#[tokio::test]
async fn errors_for_nobody_and_for_a_missing_device() {
    let w = world().await;
    w.account("alice").await;
    w.account("bob").await;
    let mut a = w.online("alice", "one").await;
    let mut b = w.online("bob", "two").await;
    a.send("<message to='nobody@waddle.test' type='chat' id='1'><body>x</body></message>")
        .await;
    assert_eq!(condition(&a.next().await), "service-unavailable");
    a.send("<message to='bob@waddle.test/none' id='2'><body>normal</body></message>")
        .await;
    assert_eq!(condition(&a.next().await), "service-unavailable");
    a.send("<message to='bob@waddle.test/none' type='chat' id='3'><body>chat</body></message>")
        .await;
    assert_eq!(body(&b.message().await), "chat");
    a.send("<message to='bob@waddle.test' type='groupchat' id='4'><body>x</body></message>")
        .await;
    assert_eq!(condition(&a.next().await), "service-unavailable");
    a.send("<message to='x@elsewhere.example' id='5'><body>x</body></message>")
        .await;
    assert_eq!(condition(&a.next().await), "remote-server-not-found");
    a.send("<message to='bob@@waddle.test' id='6'><body>x</body></message>")
        .await;
    assert_eq!(condition(&a.next().await), "jid-malformed");
    // an error is never answered by an error
    a.send("<message to='nobody@waddle.test' type='error' id='7'><body>x</body></message>")
        .await;
    a.quiet().await;
}

#[tokio::test]
async fn carbons_go_to_other_devices_and_forged_ones_to_nobody() {
    let w = world_with(|_| {}, |c| c.rate_limits = false).await;
    w.account("alice").await;
    w.account("bob").await;
    let mut a1 = w.online("alice", "one").await;
    let mut a2 = w.client("alice", "two").await;
    let mut b1 = w.online("bob", "one").await;
    let mut b2 = w.client("bob", "two").await;
    for c in [&mut a2, &mut b2] {
        let r = c
            .request("<iq type='set' id='c'><enable xmlns='urn:xmpp:carbons:2'/></iq>")
            .await;
        assert_eq!(r.type_().unwrap(), "result");
    }
    a1.send("<message to='bob@waddle.test/one' type='chat'><body>hi</body></message>")
        .await;
    assert_eq!(body(&b1.message().await), "hi");
    for (c, way, jid) in [
        (&mut a2, "sent", "alice@waddle.test"),
        (&mut b2, "received", "bob@waddle.test"),
    ] {
        let m = c.message().await;
        assert_eq!(m.root().attr("from").unwrap(), jid);
        let inner = m.root().child(way, "urn:xmpp:carbons:2").unwrap();
        let f = inner.child("forwarded", "urn:xmpp:forward:0").unwrap();
        let f = f.child("message", "jabber:client").unwrap();
        assert_eq!(f.child_text("body", "jabber:client").unwrap(), "hi");
        assert!(f.has("stanza-id", "urn:xmpp:sid:0"));
    }
    a1.send("<message to='bob@waddle.test/one' type='chat'><body>secret</body><private xmlns='urn:xmpp:carbons:2'/><no-copy xmlns='urn:xmpp:hints'/></message>").await;
    let m = b1.message().await;
    assert_eq!(body(&m), "secret");
    assert!(
        m.root().has("private", "urn:xmpp:carbons:2"),
        "it is seen for what it is"
    );
    a1.send("<message to='bob@waddle.test/one' type='chat'><received xmlns='urn:xmpp:carbons:2'><forwarded xmlns='urn:xmpp:forward:0'><message xmlns='jabber:client' from='eve@x'><body>forged</body></message></forwarded></received><body>mine</body></message>").await;
    let m = b1.message().await;
    assert!(body(&m) == "mine" && !text(&m).contains("forged"), "{}", text(&m));
    let m = b2.message().await;
    assert!(!text(&m).contains("forged"));
    a2.message().await;
    a2.quiet().await;
    b2.quiet().await;
    // §6.1: by kind and content
    for (kind, content, copied) in [
        (
            "chat",
            "<composing xmlns='http://jabber.org/protocol/chatstates'/>",
            true,
        ),
        ("normal", "<body>b</body>", true),
        ("normal", "<x xmlns='urn:example'/>", false),
        ("normal", "<received xmlns='urn:xmpp:receipts' id='1'/>", true),
        (
            "normal",
            "<displayed xmlns='urn:xmpp:chat-markers:0' id='1'/>",
            true,
        ),
        (
            "normal",
            "<x xmlns='jabber:x:conference' jid='r@muc.waddle.test'/>",
            true,
        ),
        ("headline", "<body>b</body>", false),
        ("groupchat", "<body>b</body>", false),
        ("chat", "<body>b</body><no-copy xmlns='urn:xmpp:hints'/>", false),
    ] {
        a1.send(&format!(
            "<message to='bob@waddle.test/one' type='{kind}' id='k'>{content}</message>"
        ))
        .await;
        b1.message().await;
        a1.sync().await;
        for c in [&mut a2, &mut b2] {
            let got = c.sync().await;
            assert_eq!(got.len(), usize::from(copied), "{kind} {content}");
        }
    }
    // an error goes where the message went, and only such an error
    for (id, copied) in [("m1", true), ("other", false)] {
        a1.send("<message to='bob@waddle.test/one' type='chat' id='m1'><body>x</body></message>")
            .await;
        b1.message().await;
        for c in [&mut a2, &mut b2] {
            c.message().await;
        }
        b1.send(&format!(
            "<message to='alice@waddle.test/one' type='error' id='{id}'><error type='cancel'><gone xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>"
        ))
        .await;
        assert_eq!(condition(&a1.message().await), "gone");
        b1.sync().await;
        assert_eq!(a2.sync().await.len(), usize::from(copied), "{id}");
        b2.sync().await;
    }
}

/// XEP-0280 §6.1, XEP-0045 §7.5.
#[tokio::test]
async fn private_messages_in_rooms_are_copied_to_the_own_devices() {
    let w = world().await;
    w.account("alice").await;
    w.account("bob").await;
    let mut a1 = w.online("alice", "one").await;
    let mut a2 = w.client("alice", "two").await;
    let mut b = w.online("bob", "one").await;
    a2.request("<iq type='set' id='c'><enable xmlns='urn:xmpp:carbons:2'/></iq>")
        .await;
    for (c, nick) in [(&mut a1, "A"), (&mut b, "B")] {
        c.send(&format!(
            "<presence to='tea@muc.waddle.test/{nick}'><x xmlns='http://jabber.org/protocol/muc'/></presence>"
        ))
        .await;
        loop {
            let s = c.next().await;
            if s.root().name() == "message" {
                break;
            }
        }
        if nick == "A" {
            let r = c
                .request("<iq type='set' id='o' to='tea@muc.waddle.test'><query xmlns='http://jabber.org/protocol/muc#owner'><x xmlns='jabber:x:data' type='submit'/></query></iq>")
                .await;
            assert!(r.is_type("result"), "{}", text(&r));
        }
    }
    a1.sync().await;
    a1.send("<message to='tea@muc.waddle.test/B' type='chat' id='p'><body>psst</body></message>")
        .await;
    assert_eq!(body(&b.message().await), "psst");
    let copy = a2.message().await;
    let sent = copy.root().child("sent", "urn:xmpp:carbons:2").unwrap();
    let f = sent.child("forwarded", "urn:xmpp:forward:0").unwrap();
    let m = f.child("message", "jabber:client").unwrap();
    assert!(
        m.has("x", "http://jabber.org/protocol/muc#user"),
        "{}",
        text(&copy)
    );
    assert_eq!(m.attr("from").unwrap(), "alice@waddle.test/one");
}

/// XEP-0160 §3, XEP-0334.
#[tokio::test]
async fn what_waits_and_what_does_not() {
    let w = world_with(|l| l.xmpp_offline_messages = 4, |_| {}).await;
    w.account("alice").await;
    w.account("bob").await;
    let mut a = w.online("alice", "one").await;
    let hint = |h: &str| format!("<body>{h}</body><{h} xmlns='urn:xmpp:hints'/>");
    let state = "<composing xmlns='http://jabber.org/protocol/chatstates'/>";
    for (kind, content) in [
        ("chat", "<body>1</body>".to_owned()),
        ("chat", state.to_owned()),
        ("chat", format!("{state}<store xmlns='urn:xmpp:hints'/>")),
        ("normal", "<x xmlns='urn:example'/>".to_owned()),
        ("headline", "<body>news</body>".to_owned()),
        ("chat", hint("no-store")),
        ("chat", hint("no-permanent-store")),
        ("chat", "<received xmlns='urn:xmpp:receipts' id='1'/>".to_owned()),
    ] {
        a.send(&format!(
            "<message to='bob@waddle.test' type='{kind}' id='w'>{content}</message>"
        ))
        .await;
    }
    a.quiet().await;
    a.send("<message to='bob@waddle.test' type='chat' id='full'><body>one too many</body></message>")
        .await;
    let full = a.next().await;
    assert_eq!(
        (condition(&full).as_str(), &*full.id().unwrap()),
        ("service-unavailable", "full")
    );
    let mut b = w.online("bob", "two").await;
    let got: Vec<String> = b.sync().await.iter().map(text).collect();
    assert_eq!(got.len(), 4, "{got:?}");
    for (m, part) in got
        .iter()
        .zip(["<body>1", "<store", "urn:example", "urn:xmpp:receipts"])
    {
        assert!(m.contains(part) && m.contains("urn:xmpp:delay"), "{m}");
    }
}

/// Ten thousand stanzas of one client: the others hardly notice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_busy_client_slows_nobody() {
    use std::time::{Duration, Instant};
    let w = world_with(|_| {}, |c| c.rate_limits = false).await;
    for name in ["alice", "bob", "carol", "dave"] {
        w.account(name).await;
    }
    let mut noisy = w.online("alice", "one").await;
    let mut sink = w.online("bob", "two").await;
    let mut c = w.online("carol", "three").await;
    let mut d = w.online("dave", "four").await;
    let flood: Vec<_> = (0..10_000)
        .map(|i| format!("<message to='bob@waddle.test/two' type='headline'><body>{i}</body></message>"))
        .collect();
    let flood = flood.concat();
    let sending = tokio::spawn(async move {
        noisy.send(&flood).await;
        noisy
    });
    let sinking = tokio::spawn(async move {
        for i in 0..10_000 {
            assert_eq!(body(&sink.message().await), i.to_string());
        }
    });
    let mut times = Vec::new();
    while !sinking.is_finished() || times.len() < 20 {
        let began = Instant::now();
        c.send("<message to='dave@waddle.test/four' type='chat'><body>quick</body></message>")
            .await;
        assert_eq!(body(&d.message().await), "quick");
        times.push(began.elapsed());
    }
    sinking.await.unwrap();
    sending.await.unwrap();
    times.sort();
    let middle = times[times.len() / 2];
    assert!(
        middle < Duration::from_millis(100),
        "{middle:?} of {}",
        times.len()
    );
}

#[tokio::test]
async fn the_archive_pages_both_ways_and_refuses_what_it_has_not() {
    let w = world().await;
    w.account("alice").await;
    w.account("bob").await;
    w.account("carol").await;
    let mut a = w.online("alice", "one").await;
    for i in 0..7 {
        let to = if i % 2 == 0 { "bob" } else { "carol" };
        a.send(&format!(
            "<message to='{to}@waddle.test' type='chat'><body>m{i}</body></message>"
        ))
        .await;
    }
    a.quiet().await;
    let mut seen = Vec::new();
    let mut after = String::new();
    loop {
        let set = if after.is_empty() {
            String::new()
        } else {
            format!("<after>{after}</after>")
        };
        a.send(&format!("<iq type='set' id='q'><query xmlns='urn:xmpp:mam:2'><set xmlns='http://jabber.org/protocol/rsm'><max>3</max>{set}</set></query></iq>")).await;
        let fin = loop {
            let s = a.next().await;
            if s.root().name() == "iq" {
                break s;
            }
            seen.push(text(&s).split("<body>").nth(1).unwrap()[..2].to_owned());
        };
        let fin = fin.root().child("fin", "urn:xmpp:mam:2").unwrap();
        let set = fin.child("set", "http://jabber.org/protocol/rsm").unwrap();
        let count = set.child_text("count", "http://jabber.org/protocol/rsm");
        assert_eq!(count.as_deref(), after.is_empty().then_some("7"), "counted once");
        after = set
            .child_text("last", "http://jabber.org/protocol/rsm")
            .unwrap()
            .into_owned();
        if fin.attr("complete").is_some() {
            break;
        }
    }
    assert_eq!(seen, ["m0", "m1", "m2", "m3", "m4", "m5", "m6"]);
    a.send("<iq type='set' id='q'><query xmlns='urn:xmpp:mam:2'><x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'><value>urn:xmpp:mam:2</value></field><field var='with'><value>carol@waddle.test</value></field></x><set xmlns='http://jabber.org/protocol/rsm'><max>2</max><before/></set></query></iq>").await;
    assert!(text(&a.message().await).contains("m3"));
    assert!(text(&a.message().await).contains("m5"));
    assert!(a.next().await.root().has("fin", "urn:xmpp:mam:2"));
    let r = a.request("<iq type='set' id='q'><query xmlns='urn:xmpp:mam:2'><set xmlns='http://jabber.org/protocol/rsm'><after>nonsense</after></set></query></iq>").await;
    assert_eq!(condition(&r), "item-not-found");
    let r = a
        .request("<iq type='set' id='q' to='bob@waddle.test'><query xmlns='urn:xmpp:mam:2'/></iq>")
        .await;
    assert_eq!(condition(&r), "forbidden");
    let r = a
        .request("<iq type='get' id='q'><query xmlns='urn:xmpp:mam:2'/></iq>")
        .await;
    assert!(text(&r).contains("after-id"));
    let r = a
        .request("<iq type='get' id='q'><metadata xmlns='urn:xmpp:mam:2'/></iq>")
        .await;
    assert_eq!(
        r.root()
            .child("metadata", "urn:xmpp:mam:2")
            .unwrap()
            .children()
            .count(),
        2
    );
}

#[tokio::test]
async fn addresses_of_all_kinds() {
    let w = world().await;
    w.account("alice").await;
    w.account("bob").await;
    let mut a = w.online("alice", "one").await;
    let long = "x".repeat(1100);
    for (to, expected) in [
        (format!("{long}@waddle.test"), "jid-malformed"),
        (format!("bob@waddle.test/{long}"), "jid-malformed"),
        ("a b@waddle.test".to_owned(), "jid-malformed"),
        ("@waddle.test".to_owned(), "jid-malformed"),
        ("bob@waddle.test/".to_owned(), "jid-malformed"),
        ("waddle.test".to_owned(), "service-unavailable"),
        ("waddle.test/x".to_owned(), "service-unavailable"),
    ] {
        a.send(&format!(
            "<message to='{to}' type='chat' id='x'><body>x</body></message>"
        ))
        .await;
        assert_eq!(condition(&a.next().await), expected, "{to}");
    }
    // letters fold: it is the same Bob
    let mut b = w.online("bob", "two").await;
    a.send("<message to='BOB@Waddle.TEST' type='chat'><body>folded</body></message>")
        .await;
    assert_eq!(body(&b.message().await), "folded");
    // to oneself: archived once, delivered
    a.send("<message type='chat'><body>note</body></message>").await;
    assert_eq!(body(&a.message().await), "note");
    a.send("<iq type='set' id='q'><query xmlns='urn:xmpp:mam:2'><x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'><value>urn:xmpp:mam:2</value></field><field var='with'><value>alice@waddle.test</value></field></x></query></iq>").await;
    assert!(text(&a.message().await).contains("note"));
    assert!(a.next().await.root().has("fin", "urn:xmpp:mam:2"), "once");
    // hints are heeded
    a.send("<message to='bob@waddle.test' type='chat'><body>off the record</body><no-store xmlns='urn:xmpp:hints'/></message>").await;
    let m = b.message().await;
    assert!(body(&m) == "off the record" && !m.root().has("stanza-id", "urn:xmpp:sid:0"));
    // 10⁹ items of a range that ends before it begins
    let r = a.request("<iq type='set' id='q'><query xmlns='urn:xmpp:mam:2'><x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'><value>urn:xmpp:mam:2</value></field><field var='start'><value>2030-01-01T00:00:00Z</value></field><field var='end'><value>2020-01-01T00:00:00Z</value></field></x><set xmlns='http://jabber.org/protocol/rsm'><max>1000000000</max></set></query></iq>").await;
    let fin = r.root().child("fin", "urn:xmpp:mam:2").unwrap();
    assert_eq!(fin.attr("complete").unwrap(), "true");
}

#[tokio::test]
async fn messages_of_one_sender_keep_their_order() {
    let w = world_with(|_| {}, |c| c.rate_limits = false).await;
    w.account("alice").await;
    w.account("bob").await;
    let mut a = w.online("alice", "one").await;
    let mut b = w.online("bob", "two").await;
    let mut all = Vec::new();
    for i in 0..300 {
        // every third is not archived, every fifth is no message
        let hint = if i % 3 == 0 {
            "<no-store xmlns='urn:xmpp:hints'/>"
        } else {
            ""
        };
        all.push(format!(
            "<message to='bob@waddle.test/two' type='chat'><body>{i}</body>{hint}</message>"
        ));
        if i % 5 == 0 {
            all.push(format!(
                "<presence to='bob@waddle.test/two'><status>{i}</status></presence>"
            ));
        }
    }
    a.send(&all.concat()).await;
    let mut messages = 0;
    while messages < 300 {
        let s = b.next().await;
        if s.root().name() == "message" {
            assert_eq!(body(&s), messages.to_string());
            messages += 1;
        } else {
            let status = s.root().child_text("status", "jabber:client").unwrap();
            assert_eq!(status, (messages - 1).to_string(), "presence overtakes nothing");
        }
    }
}
