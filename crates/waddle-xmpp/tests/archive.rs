//! The archives (XEP-0313 with XEP-0059), what goes in (XEP-0441), what is taken out (XEP-0424, XEP-0425).

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod support;

use support::{Client, World, body, condition, text, world, world_with};
use waddle_stanza::Stanza;

const MAM: &str = "urn:xmpp:mam:2";
const RSM: &str = "http://jabber.org/protocol/rsm";
const RETRACT: &str = "urn:xmpp:message-retract:1";
const ROOM: &str = "lounge@muc.waddle.test";

/// An answer to an archive query.
struct Page {
    /// Identifiers and messages, as they came.
    items: Vec<(String, Stanza)>,
    /// The answer itself.
    end: Stanza,
}

impl Page {
    fn ids(&self) -> Vec<&str> {
        self.items.iter().map(|(id, _)| id.as_str()).collect()
    }

    fn bodies(&self) -> Vec<String> {
        self.items
            .iter()
            .map(|(_, m)| inner(m))
            .map(|m| body(&m))
            .collect()
    }

    fn fin(&self, what: &str) -> Option<String> {
        let fin = self.end.root().child("fin", MAM).unwrap();
        match what {
            "complete" => fin.attr(what).map(Into::into),
            _ => fin
                .child("set", RSM)
                .unwrap()
                .child_text(what, RSM)
                .map(Into::into),
        }
    }
}

/// The message in a result.
fn inner(result: &Stanza) -> Stanza {
    let m = result
        .root()
        .child("result", MAM)
        .and_then(|r| r.child("forwarded", "urn:xmpp:forward:0"))
        .and_then(|f| f.child("message", "jabber:client"))
        .unwrap_or_else(|| panic!("{}", text(result)));
    Stanza::parse(m.to_bytes()).unwrap()
}

/// Asks an archive, the own one without `of`; `fields` are of the form, `rest` stands beside it.
async fn query(c: &mut Client, of: &str, fields: &[(&str, &str)], rest: &str) -> Page {
    let to = if of.is_empty() {
        String::new()
    } else {
        format!("to='{of}'")
    };
    let fields: Vec<String> = fields
        .iter()
        .map(|(var, value)| format!("<field var='{var}'><value>{value}</value></field>"))
        .collect();
    let fields = fields.concat();
    let form = if fields.is_empty() {
        String::new()
    } else {
        format!(
            "<x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'><value>{MAM}</value></field>{fields}</x>"
        )
    };
    c.send(&format!(
        "<iq type='set' id='mam' {to}><query xmlns='{MAM}' queryid='q'>{form}{rest}</query></iq>"
    ))
    .await;
    let mut items = Vec::new();
    loop {
        let s = c.next().await;
        if s.root().name() == "iq" {
            return Page { items, end: s };
        }
        let result = s
            .root()
            .child("result", MAM)
            .unwrap_or_else(|| panic!("{}", text(&s)));
        assert_eq!(result.attr("queryid").unwrap(), "q");
        let id = result.attr("id").unwrap().into_owned();
        items.push((id, s));
    }
}

fn set(xml: &str) -> String {
    format!("<set xmlns='{RSM}'>{xml}</set>")
}

async fn say(c: &mut Client, to: &str, id: &str, words: &str) {
    let kind = if to.contains("muc.") { "groupchat" } else { "chat" };
    c.send(&format!(
        "<message to='{to}' type='{kind}' id='{id}'><body>{words}</body></message>"
    ))
    .await;
}

async fn two(w: &World) -> (Client, Client) {
    w.account("alice").await;
    w.account("bob").await;
    (w.online("alice", "one").await, w.online("bob", "two").await)
}

/// Alice makes the room, Bob comes in.
async fn room(a: &mut Client, b: &mut Client) {
    for (c, nick) in [(&mut *a, "Alice"), (&mut *b, "Bob")] {
        c.send(&format!(
            "<presence to='{ROOM}/{nick}'><x xmlns='http://jabber.org/protocol/muc'/></presence>"
        ))
        .await;
        while !c.next().await.root().has("subject", "jabber:client") {}
        if nick == "Alice" {
            configure(c, "").await;
        }
    }
    a.sync().await;
    b.sync().await;
}

async fn configure(c: &mut Client, fields: &str) {
    c.send(&format!(
        "<iq type='set' id='conf' to='{ROOM}'><query xmlns='http://jabber.org/protocol/muc#owner'>\
         <x xmlns='jabber:x:data' type='submit'>{fields}</x></query></iq>"
    ))
    .await;
    loop {
        let s = c.next().await;
        if s.id().as_deref() == Some("conf") {
            assert_eq!(s.type_().as_deref(), Some("result"), "{}", text(&s));
            return;
        }
    }
}

/// What a message in a room is called there.
async fn stanza_id(c: &mut Client) -> String {
    let m = c.message().await;
    let id = m.root().child("stanza-id", "urn:xmpp:sid:0");
    id.unwrap_or_else(|| panic!("{}", text(&m)))
        .attr("id")
        .unwrap()
        .into_owned()
}

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

/// XEP-0441: what somebody does not want is in the archive of the other side only.
#[tokio::test]
async fn preferences_are_kept_and_heeded() {
    let w = world().await;
    let (mut a, mut b) = two(&w).await;
    let get = format!("<iq type='get' id='p'><prefs xmlns='{MAM}'/></iq>");
    let empty = b.request(&get).await;
    let prefs = empty.root().child("prefs", MAM).unwrap();
    assert_eq!(prefs.attr("default").unwrap(), "always");
    assert!(
        prefs.has("always", MAM) && prefs.has("never", MAM),
        "both lists, empty or not"
    );

    let mut sent = 0;
    for (default, always, never, kept) in [
        ("never", "", "", false),
        ("never", "alice@waddle.test", "", true),
        ("always", "", "alice@waddle.test/one", false),
        ("always", "alice@waddle.test", "alice@waddle.test/one", false),
        ("always", "", "alice@waddle.test/other", true),
        ("roster", "", "", false),
    ] {
        let list = |name: &str, jid: &str| match jid {
            "" => format!("<{name}/>"),
            jid => format!("<{name}><jid>{jid}</jid></{name}>"),
        };
        let r = b
            .request(&format!(
                "<iq type='set' id='p'><prefs xmlns='{MAM}' default='{default}'>{}{}</prefs></iq>",
                list("always", always),
                list("never", never)
            ))
            .await;
        assert_eq!(
            r.root().child("prefs", MAM).unwrap().attr("default").unwrap(),
            default,
            "{}",
            text(&r)
        );
        let before = query(&mut b, "", &[], "").await.ids().len();
        say(&mut a, "bob@waddle.test", "x", "hello").await;
        sent += 1;
        let m = b.message().await;
        assert_eq!(
            m.root().has("stanza-id", "urn:xmpp:sid:0"),
            kept,
            "an id is what an archive gave"
        );
        let after = query(&mut b, "", &[], "").await.ids().len();
        assert_eq!(after - before, usize::from(kept), "{default} {always} {never}");
        assert_eq!(
            query(&mut a, "", &[], "").await.ids().len(),
            sent,
            "Alice keeps hers"
        );
    }
    b.send(
        "<iq type='set' id='r'><query xmlns='jabber:iq:roster'><item jid='alice@waddle.test'/></query></iq>",
    )
    .await;
    b.sync().await;
    say(&mut a, "bob@waddle.test", "x", "hello").await;
    assert!(
        b.message().await.root().has("stanza-id", "urn:xmpp:sid:0"),
        "she is in the roster now"
    );
    let again = w.client("bob", "later").await.request(&get).await;
    assert_eq!(
        again.root().child("prefs", MAM).unwrap().attr("default").unwrap(),
        "roster"
    );

    for (xml, wrong) in [
        ("<prefs xmlns='urn:xmpp:mam:2'/>", "bad-request"),
        (
            "<prefs xmlns='urn:xmpp:mam:2' default='sometimes'/>",
            "bad-request",
        ),
        (
            "<prefs xmlns='urn:xmpp:mam:2' default='never'><always><jid>@</jid></always></prefs>",
            "jid-malformed",
        ),
    ] {
        let r = b.request(&format!("<iq type='set' id='p'>{xml}</iq>")).await;
        assert_eq!(condition(&r), wrong);
    }
    let r = b
        .request(&format!(
            "<iq type='get' id='p' to='alice@waddle.test'><prefs xmlns='{MAM}'/></iq>"
        ))
        .await;
    assert_eq!(condition(&r), "forbidden");
}

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
