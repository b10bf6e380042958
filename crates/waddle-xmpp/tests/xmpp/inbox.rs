//! What is not yet read, and words in archives: XEP-0430, XEP-0431, and the one marker behind XEP-0333 and XEP-0490.

use crate::support::eventing::{EVENT, friends, interested, items, publish};
use crate::support::{Client, World, body, condition, text, world, world_with};
use waddle_community::{NewChannel, NewWaddle, Role};
use waddle_core::UserId;
use waddle_stanza::Stanza;

const INBOX: &str = "urn:xmpp:inbox:1";
const MDS: &str = "urn:xmpp:mds:displayed:0";
const MAM: &str = "urn:xmpp:mam:2";
const ROOM: &str = "verona.general@muc.waddle.test";

async fn verona() -> World {
    let w = world().await;
    for name in ["romeo", "juliet"] {
        w.account(name).await;
    }
    friends(&w, "romeo", "juliet", "").await;
    let juliet = UserId::local("juliet");
    let new = NewWaddle::new("verona".parse().unwrap(), "Verona");
    let waddle = w.community.create_waddle(&juliet, new).await.unwrap();
    let romeo = UserId::local("romeo");
    w.community
        .add_member(&juliet, waddle.id, &romeo, Role::Member)
        .await
        .unwrap();
    w
}

/// An inbox: address, unread and mentions of each conversation, and the end.
async fn inbox(c: &mut Client, attrs: &str, rest: &str) -> (Vec<(String, u64, u64)>, Vec<Stanza>, Stanza) {
    c.send(&format!(
        "<iq type='get' id='inbox'><inbox xmlns='{INBOX}'{attrs}>{rest}</inbox></iq>"
    ))
    .await;
    let (mut all, mut stanzas) = (Vec::new(), Vec::new());
    loop {
        let s = c.next().await;
        if s.id().as_deref() == Some("inbox") {
            return (all, stanzas, s);
        }
        let Some(e) = s.root().child("entry", INBOX) else {
            continue;
        };
        let number = |name| e.attr(name).map_or(0, |n| n.parse().unwrap());
        all.push((
            e.attr("jid").unwrap().into_owned(),
            number("unread"),
            number("mentions"),
        ));
        stanzas.push(s.clone());
    }
}

async fn unread_of(c: &mut Client, jid: &str) -> u64 {
    let (all, ..) = inbox(c, " messages='false'", "").await;
    all.into_iter().find(|(j, ..)| j == jid).unwrap().1
}

async fn join(c: &mut Client, nick: &str) {
    c.send(&format!(
        "<presence to='{ROOM}/{nick}'><x xmlns='http://jabber.org/protocol/muc'/></presence>"
    ))
    .await;
    loop {
        let s = c.next().await;
        assert!(!s.is_type("error"), "{}", text(&s));
        if s.root().has("subject", "jabber:client") {
            return;
        }
    }
}

/// Says something in the room; what the room calls it.
async fn say(c: &mut Client, words: &str) -> String {
    c.send(&format!(
        "<message type='groupchat' to='{ROOM}' id='g'><body>{words}</body></message>"
    ))
    .await;
    loop {
        let s = c.message().await;
        assert!(!s.is_type("error"), "{}", text(&s));
        if body(&s) == words {
            return s
                .root()
                .child("stanza-id", "urn:xmpp:sid:0")
                .unwrap()
                .attr("id")
                .unwrap()
                .into_owned();
        }
    }
}

/// The markers that a device hears of: conversation and message.
async fn moved(c: &mut Client) -> (String, String) {
    loop {
        let s = c.message().await;
        let Some(items) = s
            .root()
            .child("event", EVENT)
            .and_then(|e| e.child("items", EVENT))
        else {
            continue;
        };
        if items.attr("node").as_deref() == Some(MDS) {
            let item = items.child("item", EVENT).unwrap();
            let shown = item.child("displayed", MDS).unwrap();
            let id = shown
                .child("stanza-id", "urn:xmpp:sid:0")
                .unwrap()
                .attr("id")
                .unwrap();
            return (item.attr("id").unwrap().into_owned(), id.into_owned());
        }
    }
}

/// XEP-0430: channels and conversations; XEP-0333 on one device is XEP-0490 on the other.
#[tokio::test]
async fn one_marker_for_all_devices() {
    let w = verona().await;
    let mut phone = interested(&w, "juliet", "phone", &[MDS]).await;
    let mut desk = w.online("juliet", "desk").await;
    let mut romeo = w.online("romeo", "r").await;
    let _ = (phone.sync().await, desk.sync().await, romeo.sync().await);
    for n in 1..=2 {
        romeo
            .send(&format!(
                "<message to='juliet@waddle.test' type='chat' id='m{n}'><body>wherefore {n}</body></message>"
            ))
            .await;
    }
    let _ = romeo.sync().await;
    join(&mut romeo, "Romeo").await;
    let id = say(&mut romeo, "soft, @juliet").await;

    let (all, stanzas, end) = inbox(&mut desk, "", "").await;
    assert!(all.contains(&("romeo@waddle.test".to_owned(), 2, 2)), "{all:?}");
    assert_eq!(all[0], (ROOM.to_owned(), 1, 1), "the latest first");
    let result = stanzas[0].root().child("result", MAM).unwrap();
    assert_eq!(
        (result.attr("queryid").as_deref(), result.attr("id").as_deref()),
        (Some("inbox"), Some(&*id))
    );
    assert!(text(&stanzas[0]).contains("soft, @juliet"));
    let fin = end.root().child("fin", INBOX).unwrap();
    assert_eq!(
        (fin.attr("unread").as_deref(), fin.attr("all-unread").as_deref()),
        (Some("2"), Some("3"))
    );
    let (few, without, _) = inbox(&mut desk, " unread-only='true' messages='false'", "").await;
    assert!(few.len() == 2 && without.iter().all(|s| s.root().child("result", MAM).is_none()));
    let page = "<set xmlns='http://jabber.org/protocol/rsm'><max>1</max></set>";
    let (one, _, end) = inbox(&mut desk, "", page).await;
    assert!(one.len() == 1 && text(&end).contains(&format!("<last>{ROOM}</last>")));
    assert_eq!(
        condition(
            &romeo
                .request(&format!(
                    "<iq type='get' id='x' to='juliet@waddle.test'><inbox xmlns='{INBOX}'/></iq>"
                ))
                .await
        ),
        "forbidden"
    );

    // What one device has shown, the other hears of, and nothing is unread on either.
    desk.send("<message to='romeo@waddle.test' type='chat' id='d'><displayed xmlns='urn:xmpp:chat-markers:0' id='m2'/></message>")
        .await;
    assert_eq!(moved(&mut phone).await.0, "romeo@waddle.test");
    assert_eq!(unread_of(&mut phone, "romeo@waddle.test").await, 0);

    // What a device publishes moves the same marker.
    let shown = format!(
        "<displayed xmlns='{MDS}'><stanza-id xmlns='urn:xmpp:sid:0' id='{id}' by='{ROOM}'/></displayed>"
    );
    let r = desk.request(&publish(MDS, ROOM, &shown, &[])).await;
    assert!(r.is_type("result"), "{}", text(&r));
    assert_eq!(moved(&mut phone).await, (ROOM.to_owned(), id));
    for _ in 0..200 {
        // The marker is moved beside the publication.
        if unread_of(&mut phone, ROOM).await == 0 {
            break;
        }
    }
    assert_eq!(unread_of(&mut phone, ROOM).await, 0);

    // In the room a displayed marker does it; nobody else can read the node.
    let next = say(&mut romeo, "she speaks").await;
    join(&mut desk, "Juliet").await;
    desk.send(&format!("<message type='groupchat' to='{ROOM}' id='s'><displayed xmlns='urn:xmpp:chat-markers:0' id='{next}'/></message>"))
        .await;
    assert_eq!(moved(&mut phone).await, (ROOM.to_owned(), next));
    let _ = romeo.sync().await;
    let theirs = romeo.request(&items("juliet@waddle.test", MDS)).await;
    assert!(theirs.is_type("error"), "{}", text(&theirs));
}

/// XEP-0430: 500 channels, a page at a time; who asks for no page gets the first.
#[tokio::test]
async fn a_large_inbox_is_paged() {
    let w = world_with(
        |l| {
            l.archive_page = 100;
            l.inbox_channels = 450;
        },
        |_| {},
    )
    .await;
    w.account("juliet").await;
    let juliet = UserId::local("juliet");
    for (n, count) in [(0, 250), (1, 250)] {
        let new = NewWaddle::new(format!("verona{n}").parse().unwrap(), "Verona");
        let id = w.community.create_waddle(&juliet, new).await.unwrap().id;
        for c in 1..count {
            let new = NewChannel::text(format!("c{c}").parse().unwrap(), "C");
            w.community.create_channel(&juliet, id, new).await.unwrap();
        }
    }
    let mut c = w.online("juliet", "j").await;
    let _ = c.sync().await;
    let began = std::time::Instant::now();
    let (all, _, end) = inbox(&mut c, "", "").await;
    println!("the first of 450 channels: {:?}", began.elapsed());
    let fin = end.root().child("fin", INBOX).unwrap();
    assert_eq!((all.len(), fin.attr("total").as_deref()), (100, Some("450")));
    let mut seen: Vec<String> = all.into_iter().map(|(jid, ..)| jid).collect();
    for _ in 0..9 {
        let after = seen.last().unwrap();
        let page =
            format!("<set xmlns='http://jabber.org/protocol/rsm'><max>50</max><after>{after}</after></set>");
        let (more, ..) = inbox(&mut c, "", &page).await;
        assert!(more.len() <= 50);
        seen.extend(more.into_iter().map(|(jid, ..)| jid));
    }
    let all = seen.len();
    seen.sort();
    seen.dedup();
    assert_eq!((all, seen.len()), (450, 450), "each once");
}

async fn search(c: &mut Client, of: &str, words: &str, rest: &str) -> Result<Vec<String>, String> {
    let to = if of.is_empty() {
        String::new()
    } else {
        format!(" to='{of}'")
    };
    c.send(&format!(
        "<iq type='set' id='f'{to}><query xmlns='{MAM}'><x xmlns='jabber:x:data' type='submit'>\
         <field var='FORM_TYPE'><value>{MAM}</value></field>\
         <field var='{{urn:xmpp:fulltext:0}}fulltext'><value>{words}</value></field></x>{rest}</query></iq>"
    ))
    .await;
    let mut found = Vec::new();
    loop {
        let s = c.next().await;
        if s.id().as_deref() == Some("f") {
            return if s.is_type("error") {
                Err(condition(&s))
            } else {
                Ok(found)
            };
        }
        if let Some(result) = s.root().child("result", MAM) {
            let forwarded = result.child("forwarded", "urn:xmpp:forward:0").unwrap();
            let m = forwarded.child("message", "jabber:client").unwrap();
            found.push(m.child_text("body", "jabber:client").unwrap().into_owned());
        }
    }
}

/// XEP-0431: words in the archives of rooms and accounts.
#[tokio::test]
async fn words_in_archives() {
    let w = verona().await;
    let mut juliet = w.online("juliet", "j").await;
    let mut romeo = w.online("romeo", "r").await;
    let _ = (juliet.sync().await, romeo.sync().await);
    join(&mut romeo, "Romeo").await;
    for words in ["the lark sings", "a nightingale, no lark", "night&apos;s candles"] {
        say(&mut romeo, &words.replace("&apos;", "'")).await;
    }
    romeo
        .send("<message to='juliet@waddle.test' type='chat' id='l'><body>larks in private</body></message>")
        .await;
    let _ = romeo.sync().await;
    let found = |v: &[&str]| Ok::<_, String>(v.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>());
    assert_eq!(
        search(&mut juliet, ROOM, "LARK", "").await,
        found(&["the lark sings", "a nightingale, no lark"])
    );
    assert_eq!(
        search(&mut juliet, ROOM, "\"lark sings\"", "").await,
        found(&["the lark sings"])
    );
    assert_eq!(
        search(&mut juliet, ROOM, "lark -nightingale", "").await,
        found(&["the lark sings"])
    );
    let last = "<set xmlns='http://jabber.org/protocol/rsm'><max>1</max><before/></set>";
    assert_eq!(
        search(&mut juliet, ROOM, "night*", last).await,
        found(&["night's candles"])
    );
    assert_eq!(
        search(&mut juliet, "", "lark*", "").await,
        found(&["larks in private"]),
        "one's own alone"
    );
    assert_eq!(
        search(&mut romeo, "", "lark*", "").await,
        found(&["larks in private"])
    );
    assert_eq!(search(&mut juliet, "", "sings", "").await, found(&[]));
    assert_eq!(
        search(&mut juliet, ROOM, "-lark", "").await,
        Err("bad-request".into())
    );
    w.account("paris").await;
    let mut paris = w.online("paris", "p").await;
    assert_eq!(
        search(&mut paris, ROOM, "lark", "").await,
        Err("forbidden".into())
    );
    let info = juliet
        .request("<iq type='get' id='d' to='juliet@waddle.test'><query xmlns='http://jabber.org/protocol/disco#info'/></iq>")
        .await;
    for feature in ["urn:xmpp:fulltext:0", INBOX] {
        assert!(text(&info).contains(feature), "{feature}");
    }
}

/// XEP-0424 after XEP-0308: neither what was said nor what it was corrected to is left, in the archive of either.
#[tokio::test]
async fn a_retraction_takes_corrections_along() {
    let w = verona().await;
    let mut juliet = w.online("juliet", "j").await;
    let mut romeo = w.online("romeo", "r").await;
    let _ = (juliet.sync().await, romeo.sync().await);
    for xml in [
        "<message to='juliet@waddle.test' type='chat' id='a'><body>poison</body></message>",
        "<message to='juliet@waddle.test' type='chat' id='b'><body>dagger</body><replace xmlns='urn:xmpp:message-correct:0' id='a'/></message>",
    ] {
        romeo.send(xml).await;
    }
    let _ = romeo.sync().await;
    let found = |v: &[&str]| Ok::<_, String>(v.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>());
    assert_eq!(
        search(&mut juliet, "", "dagger", "").await,
        found(&["poison"]),
        "found in the place of the first"
    );
    assert_eq!(search(&mut juliet, "", "poison", "").await, found(&[]));
    romeo
        .send("<message to='juliet@waddle.test' type='chat' id='c'><retract xmlns='urn:xmpp:message-retract:1' id='a'/></message>")
        .await;
    let _ = romeo.sync().await;
    for c in [&mut juliet, &mut romeo] {
        assert_eq!(search(c, "", "dagger", "").await, found(&[]));
        c.send("<iq type='set' id='all'><query xmlns='urn:xmpp:mam:2'/></iq>")
            .await;
        loop {
            let s = c.next().await;
            if s.id().as_deref() == Some("all") {
                break;
            }
            assert!(
                !text(&s).contains("poison") && !text(&s).contains("dagger"),
                "{}",
                text(&s)
            );
        }
    }
}
