//! What archives answer: pages, filters, errors (XEP-0313, XEP-0059).

use waddle_stanza::Stanza;

use super::{MAM, RETRACT, ROOM, inner, query, room, say, set, two};
use crate::support::{condition, text, world, world_with};

#[tokio::test]
async fn pages_of_the_own_archive() {
    let w = world().await;
    let (mut a, mut b) = two(&w).await;
    for i in 0..7 {
        say(&mut a, "bob@waddle.test", &format!("m{i}"), &format!("words {i}")).await;
        b.message().await;
    }
    let all = query(&mut b, "", &[], &set("<max>1000000000</max>")).await;
    let ids = all.ids();
    assert_eq!(
        all.bodies(),
        (0..7).map(|i| format!("words {i}")).collect::<Vec<_>>()
    );
    assert_eq!(all.fin("complete").as_deref(), Some("true"));
    assert_eq!(all.fin("count").as_deref(), Some("7"));
    assert_eq!(
        (all.fin("first").as_deref(), all.fin("last").as_deref()),
        (Some(ids[0]), Some(ids[6]))
    );

    let first = query(&mut b, "", &[], &set("<max>3</max>")).await;
    assert_eq!((first.ids(), first.fin("complete")), (ids[..3].to_vec(), None));
    let next = query(
        &mut b,
        "",
        &[],
        &set(&format!("<max>3</max><after>{}</after>", ids[2])),
    )
    .await;
    assert_eq!(next.ids(), ids[3..6]);
    let before = query(
        &mut b,
        "",
        &[],
        &set(&format!("<max>2</max><before>{}</before>", ids[3])),
    )
    .await;
    assert_eq!(before.ids(), ids[1..3], "the nearest ones, in order");
    let last = query(&mut b, "", &[], &set("<max>2</max><before/>")).await;
    assert_eq!((last.ids(), last.fin("complete")), (ids[5..].to_vec(), None));
    let flipped = query(&mut b, "", &[], &(set("<max>2</max><before/>") + "<flip-page/>")).await;
    assert_eq!(flipped.ids(), [ids[6], ids[5]]);
    assert_eq!(
        flipped.fin("first").as_deref(),
        Some(ids[5]),
        "flipping changes the order only"
    );
    let none = query(&mut b, "", &[], &set("<max>0</max>")).await;
    assert_eq!((none.ids().len(), none.fin("count").as_deref()), (0, Some("7")));

    for (fields, found) in [
        (vec![("with", "alice@waddle.test")], &ids[..]),
        (vec![("with", "alice@waddle.test/one")], &ids[..]),
        (vec![("with", "alice@waddle.test/other")], &[]),
        (vec![("with", "bob@waddle.test")], &[]),
        (vec![("after-id", ids[1]), ("before-id", ids[4])], &ids[2..4]),
        (vec![("ids", ids[3])], &ids[3..4]),
        (
            vec![("start", "2001-01-01T00:00:00Z"), ("end", "2002-01-01T00:00:00Z")],
            &[],
        ),
        (
            vec![("start", "2100-01-01T00:00:00Z"), ("end", "2001-01-01T00:00:00Z")],
            &[],
        ),
        (
            vec![("start", "2001-01-01T00:00:00Z"), ("include-groupchat", "true")],
            &ids[..],
        ),
    ] {
        let page = query(&mut b, "", &fields, "").await;
        assert_eq!(page.ids(), found, "{fields:?}");
        assert_eq!(page.fin("complete").as_deref(), Some("true"));
    }

    let m = b
        .request(&format!("<iq type='get' id='m'><metadata xmlns='{MAM}'/></iq>"))
        .await;
    let meta = m.root().child("metadata", MAM).unwrap();
    for (name, id) in [("start", ids[0]), ("end", ids[6])] {
        let end = meta.child(name, MAM).unwrap();
        assert_eq!(end.attr("id").unwrap(), id);
        assert!(end.attr("timestamp").is_some());
    }
}

#[tokio::test]
async fn queries_that_cannot_be_answered() {
    let w = world().await;
    let (mut a, mut b) = two(&w).await;
    say(&mut a, "bob@waddle.test", "1", "hello").await;
    b.message().await;
    let own = query(&mut b, "", &[], "").await;
    for rest in [
        "<after>nonsense</after>",
        "<before>0000000000000001</before>",
        "<after>'; DROP TABLE archive; --</after>",
    ] {
        let page = query(&mut b, "", &[], &set(rest)).await;
        assert_eq!(condition(&page.end), "item-not-found", "{rest}");
    }
    // An identifier of somebody else's archive is unknown in this one.
    let theirs = query(&mut a, "", &[], "").await;
    let page = query(
        &mut b,
        "",
        &[],
        &set(&format!("<after>{}</after>", theirs.ids()[0])),
    )
    .await;
    assert_eq!(condition(&page.end), "item-not-found");
    for (field, value, wrong) in [
        ("after-id", "x", "item-not-found"),
        ("ids", "x", "item-not-found"),
        ("start", "yesterday", "bad-request"),
        ("with", "@@", "jid-malformed"),
        ("{urn:example}colour", "red", "feature-not-implemented"),
    ] {
        let page = query(&mut b, "", &[(field, value)], "").await;
        assert_eq!(condition(&page.end), wrong, "{field}");
    }
    for (rest, wrong) in [
        ("<max>-1</max>", "bad-request"),
        ("<max>many</max>", "bad-request"),
        ("<index>3</index>", "feature-not-implemented"),
    ] {
        let page = query(&mut b, "", &[], &set(rest)).await;
        assert_eq!(condition(&page.end), wrong, "{rest}");
    }
    for of in ["alice@waddle.test", "nobody@waddle.test"] {
        let page = query(&mut b, of, &[], "").await;
        assert_eq!(condition(&page.end), "forbidden", "another's archive");
    }
    assert_eq!(
        query(&mut b, "", &[], "").await.ids(),
        own.ids(),
        "nothing was changed by all that"
    );

    let f = b
        .request(&format!("<iq type='get' id='f'><query xmlns='{MAM}'/></iq>"))
        .await;
    for field in [
        "with",
        "start",
        "end",
        "before-id",
        "after-id",
        "ids",
        "include-groupchat",
    ] {
        assert!(text(&f).contains(&format!("var=\"{field}\"")), "{}", text(&f));
    }
    assert!(text(&f).contains("xdata-validate"));
    let d = b
        .request("<iq type='get' id='d' to='bob@waddle.test'><query xmlns='http://jabber.org/protocol/disco#info'/></iq>")
        .await;
    for feature in [
        MAM,
        "urn:xmpp:mam:2#extended",
        "urn:xmpp:mam:2#groupchat-field",
        RETRACT,
        "urn:xmpp:message-retract:1#tombstone",
    ] {
        assert!(text(&d).contains(&format!("var=\"{feature}\"")), "{feature}");
    }
}

/// XEP-0313 §5.1.3: real addresses in a room's archive are for those who see them in the room.
#[tokio::test]
async fn a_rooms_archive_shows_addresses_to_those_who_may_see_them() {
    let w = world().await;
    let (mut a, mut b) = two(&w).await;
    room(&mut a, &mut b).await;
    say(&mut b, ROOM, "1", "hello").await;
    a.message().await;
    b.message().await;
    let item = |m: &Stanza| {
        let x = m.root().child("x", "http://jabber.org/protocol/muc#user")?;
        x.children().next()?.attr("jid").map(std::borrow::Cow::into_owned)
    };
    let owner = query(&mut a, ROOM, &[], "").await;
    assert_eq!(
        item(&inner(&owner.items[0].1)).as_deref(),
        Some("bob@waddle.test/two")
    );
    let participant = query(&mut b, ROOM, &[], "").await;
    let m = inner(&participant.items[0].1);
    assert_eq!(item(&m), None, "{}", text(&m));
    assert!(m.root().attr("to").is_none() && m.root().attr("from").unwrap().ends_with("/Bob"));
    let as_bob = format!("{ROOM}/Bob");
    for (with, for_owner, for_participant) in [
        ("bob@waddle.test", 1, 0),
        ("bob@waddle.test/two", 1, 0),
        ("bob@waddle.test/x", 0, 0),
        (&as_bob, 1, 1),
    ] {
        for (c, found) in [(&mut a, for_owner), (&mut b, for_participant)] {
            let page = query(c, ROOM, &[("with", with)], "").await;
            assert_eq!(page.ids().len(), found, "{with}");
        }
    }
    let page = query(&mut b, ROOM, &[("include-groupchat", "true")], "").await;
    assert_eq!(condition(&page.end), "feature-not-implemented");
    // Who may not come in may not read either.
    a.send(&format!(
        "<iq type='set' id='ban' to='{ROOM}'><query xmlns='http://jabber.org/protocol/muc#admin'>\
         <item affiliation='outcast' jid='bob@waddle.test'/></query></iq>"
    ))
    .await;
    while b.next().await.type_().as_deref() != Some("unavailable") {}
    let page = query(&mut b, ROOM, &[], "").await;
    assert_eq!(condition(&page.end), "forbidden");
}

/// XEP-0313: an archive is never larger than a page in one answer, whatever is asked for.
#[tokio::test]
async fn pages_are_capped() {
    let w = world_with(|l| l.archive_page = 4, |_| {}).await;
    let (mut a, mut b) = two(&w).await;
    for i in 0..6 {
        say(&mut a, "bob@waddle.test", &i.to_string(), "x").await;
        b.message().await;
    }
    let page = query(&mut b, "", &[], &set("<max>1000000000</max>")).await;
    assert_eq!((page.ids().len(), page.fin("complete")), (4, None));
    let rest = query(
        &mut b,
        "",
        &[],
        &set(&format!("<after>{}</after>", page.ids()[3])),
    )
    .await;
    assert_eq!(
        (rest.ids().len(), rest.fin("complete").as_deref()),
        (2, Some("true"))
    );
}
