//! What is taken back, by its author (XEP-0424) and by moderators (XEP-0425).

use super::{MAM, RETRACT, ROOM, inner, query, room, say, stanza_id, two};
use crate::support::{body, condition, text, world};

/// XEP-0424 between two: only the author's word counts; both archives keep a tombstone.
#[tokio::test]
async fn an_author_takes_back_what_they_said() {
    let w = world().await;
    let (mut a, mut b) = two(&w).await;
    say(&mut a, "bob@waddle.test", "m1", "a secret").await;
    b.message().await;
    // Bob cannot take back what Alice said, nor can Alice in a conversation that it is not of.
    for (c, to) in [(&mut b, "alice@waddle.test"), (&mut a, "alice@waddle.test")] {
        c.send(&format!("<message to='{to}' type='chat' id='no'><retract xmlns='{RETRACT}' id='m1'/><store xmlns='urn:xmpp:hints'/></message>")).await;
    }
    a.sync().await;
    b.sync().await;
    assert!(
        query(&mut a, "", &[("with", "bob@waddle.test")], "")
            .await
            .bodies()
            .contains(&"a secret".to_owned())
    );

    a.send(&format!(
        "<message to='bob@waddle.test' type='chat' id='r1'><retract xmlns='{RETRACT}' id='m1'/>\
         <body>/me retracted a message</body><fallback xmlns='urn:xmpp:fallback:0' for='{RETRACT}'/></message>"
    ))
    .await;
    let m = b.message().await;
    assert_eq!(
        m.root().child("retract", RETRACT).unwrap().attr("id").unwrap(),
        "m1"
    );
    for (c, with) in [(&mut a, "bob@waddle.test"), (&mut b, "alice@waddle.test")] {
        let page = query(c, "", &[("with", with)], "").await;
        let left = inner(&page.items[0].1);
        let root = left.root();
        assert_eq!(root.attr("id").unwrap(), "m1");
        assert!(!root.has("body", "jabber:client"), "{}", text(&left));
        let stone = root.child("retracted", RETRACT).unwrap();
        assert_eq!(stone.attr("id").unwrap(), "r1");
        assert!(stone.attr("stamp").is_some());
        let last = inner(&page.items.last().unwrap().1);
        assert!(
            last.root().has("retract", RETRACT),
            "the retraction is archived: {}",
            text(&last)
        );
        assert!(page.items.iter().all(|(_, m)| !text(m).contains("a secret")));
    }
}

/// XEP-0424: what waits for somebody is not handed over after it was taken back; version 0 is understood.
#[tokio::test]
async fn what_was_taken_back_is_not_handed_over() {
    let w = world().await;
    let (mut a, b) = two(&w).await;
    drop(b);
    w.account("carol").await;
    say(&mut a, "carol@waddle.test", "m1", "a secret").await;
    say(&mut a, "carol@waddle.test", "m2", "no secret").await;
    a.send(
        "<message to='carol@waddle.test' type='chat' id='r1'><apply-to xmlns='urn:xmpp:fasten:0' id='m1'>\
         <retract xmlns='urn:xmpp:message-retract:0'/></apply-to><body>taken back</body></message>",
    )
    .await;
    a.sync().await;
    let mut c = w.online("carol", "x").await;
    let bodies: Vec<_> = [c.message().await, c.message().await].iter().map(body).collect();
    assert_eq!(bodies, ["no secret", "taken back"]);
    c.quiet().await;
}

/// XEP-0424 and XEP-0425 in a room: authors and moderators, nobody else.
#[tokio::test]
async fn rooms_keep_tombstones() {
    let w = world().await;
    let (mut a, mut b) = two(&w).await;
    room(&mut a, &mut b).await;
    for c in ["one", "two", "three"] {
        say(&mut b, ROOM, c, &format!("{c} from Bob")).await;
    }
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.push(stanza_id(&mut a).await);
        b.message().await;
    }
    let retract = |id: &str| {
        format!(
            "<message to='{ROOM}' type='groupchat' id='r-{id}'><retract xmlns='{RETRACT}' id='{id}'/><body>gone</body></message>"
        )
    };
    // Alice owns the room, but as its owner she asks as a moderator.
    let r = a.request(&retract(&ids[0])).await;
    assert_eq!(condition(&r), "forbidden");
    for unknown in ["0000000000000001", "one"] {
        let r = b.request(&retract(unknown)).await;
        assert_eq!(condition(&r), "item-not-found", "{unknown}");
    }
    b.send(&retract(&ids[0])).await;
    for c in [&mut a, &mut b] {
        let m = c.message().await;
        assert_eq!(
            m.root().child("retract", RETRACT).unwrap().attr("id").unwrap(),
            ids[0]
        );
    }
    let r = b.request(&retract(&ids[0])).await;
    assert_eq!(condition(&r), "item-not-found", "nothing is left of it");

    let moderate = |id: &str| {
        format!(
            "<iq type='set' id='mod' to='{ROOM}'><moderate xmlns='urn:xmpp:message-moderate:1' id='{id}'>\
             <retract xmlns='{RETRACT}'/><reason>spam</reason></moderate></iq>"
        )
    };
    let r = b.request(&moderate(&ids[1])).await;
    assert_eq!(condition(&r), "forbidden", "Bob is no moderator");
    let r = a.request(&moderate("0000000000000001")).await;
    assert_eq!(condition(&r), "item-not-found");
    a.send(&moderate(&ids[1])).await;
    for c in [&mut a, &mut b] {
        let m = c.message().await;
        let root = m.root();
        assert_eq!(root.attr("from").unwrap(), ROOM, "the room itself says it");
        let said = root.child("retract", RETRACT).unwrap();
        assert_eq!(said.attr("id").unwrap(), ids[1]);
        let by = said.child("moderated", "urn:xmpp:message-moderate:1").unwrap();
        assert_eq!(by.attr("by").unwrap(), format!("{ROOM}/Alice"));
        assert!(by.has("occupant-id", "urn:xmpp:occupant-id:0"));
        assert_eq!(said.child_text("reason", RETRACT).unwrap(), "spam");
        assert!(
            root.has("apply-to", "urn:xmpp:fasten:0"),
            "for clients of version 0"
        );
    }
    assert_eq!(a.next().await.type_().as_deref(), Some("result"));
    // Version 0 of the request.
    a.send(&format!(
        "<iq type='set' id='mod' to='{ROOM}'><apply-to xmlns='urn:xmpp:fasten:0' id='{}'>\
         <moderate xmlns='urn:xmpp:message-moderate:0'><retract xmlns='urn:xmpp:message-retract:0'/></moderate></apply-to></iq>",
        ids[2]
    ))
    .await;
    assert!(a.message().await.root().has("retract", RETRACT));
    assert_eq!(a.next().await.type_().as_deref(), Some("result"));

    // A client cannot say that a moderator acted.
    b.sync().await;
    b.send(&format!(
        "<message to='{ROOM}' type='groupchat'><body>x</body><retract xmlns='{RETRACT}' id='{}'>\
         <moderated xmlns='urn:xmpp:message-moderate:1' by='{ROOM}/Alice'/></retract></message>",
        ids[1]
    ))
    .await;
    let error = b.next().await;
    assert_eq!(
        condition(&error),
        "item-not-found",
        "it is taken for a retraction of Bob's own"
    );

    let page = query(&mut b, ROOM, &[("before-id", "ffffffffffffffff")], "").await;
    assert_eq!(condition(&page.end), "item-not-found");
    let page = query(&mut b, ROOM, &[], "").await;
    for (n, moderated) in [(0, false), (1, true), (2, true)] {
        let left = inner(&page.items[n].1);
        assert_eq!(page.items[n].0, ids[n]);
        assert!(!text(&left).contains("from Bob"), "{}", text(&left));
        let stone = left.root().child("retracted", RETRACT).unwrap();
        assert_eq!(stone.has("moderated", "urn:xmpp:message-moderate:1"), moderated);
        assert!(left.root().has("occupant-id", "urn:xmpp:occupant-id:0"));
    }
    // Who comes in now hears nothing of it.
    w.account("carol").await;
    let mut c = w.online("carol", "x").await;
    c.send(&format!(
        "<presence to='{ROOM}/Carol'><x xmlns='http://jabber.org/protocol/muc'/></presence>"
    ))
    .await;
    loop {
        let s = c.next().await;
        assert!(!text(&s).contains("from Bob"), "{}", text(&s));
        if s.root().has("subject", "jabber:client") {
            break;
        }
    }
    let d = c
        .request(&format!(
            "<iq type='get' id='d' to='{ROOM}'><query xmlns='http://jabber.org/protocol/disco#info'/></iq>"
        ))
        .await;
    for feature in [
        MAM,
        "urn:xmpp:mam:2#extended",
        RETRACT,
        "urn:xmpp:message-retract:1#tombstone",
        "urn:xmpp:message-moderate:1",
    ] {
        assert!(text(&d).contains(&format!("var=\"{feature}\"")), "{feature}");
    }
}
