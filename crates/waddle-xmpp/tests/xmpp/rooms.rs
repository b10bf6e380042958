//! Rooms through the server: what the connection owes them (XEP-0045, XEP-0410, XEP-0421).

use crate::support::{Client, body, condition, text, world, world_with};
use waddle_core::limits::Rate;
use waddle_storage::repo::archive::{self, ArchiveKey};

const MUC_USER: &str = "http://jabber.org/protocol/muc#user";

async fn join(c: &mut Client, room: &str, nick: &str) {
    c.send(&format!(
        "<presence to='{room}@muc.waddle.test/{nick}'><x xmlns='http://jabber.org/protocol/muc'/></presence>"
    ))
    .await;
    // until the subject, which ends a join
    loop {
        let s = c.next().await;
        assert_ne!(s.type_().as_deref(), Some("error"), "{}", text(&s));
        if s.root().has("subject", "jabber:client") {
            return;
        }
    }
}

#[tokio::test]
async fn join_talk_and_vanish() {
    let w = world().await;
    w.account("alice").await;
    w.account("bob").await;
    let mut a = w.online("alice", "one").await;
    join(&mut a, "lounge", "Alice").await;
    a.send("<iq type='set' id='c' to='lounge@muc.waddle.test'><query xmlns='http://jabber.org/protocol/muc#owner'><x xmlns='jabber:x:data' type='submit'/></query></iq>").await;
    while a.next().await.id().as_deref() != Some("c") {}
    let mut b = w.online("bob", "two").await;
    join(&mut b, "lounge", "Bob").await;
    assert_eq!(
        a.next().await.root().attr("from").unwrap(),
        "lounge@muc.waddle.test/Bob"
    );
    b.send("<message to='lounge@muc.waddle.test' type='groupchat' id='g1'><body>hello room</body></message>")
        .await;
    for c in [&mut a, &mut b] {
        let m = c.message().await;
        assert_eq!(body(&m), "hello room");
        assert_eq!(m.root().attr("from").unwrap(), "lounge@muc.waddle.test/Bob");
        assert!(
            m.root().has("stanza-id", "urn:xmpp:sid:0")
                && m.root().has("occupant-id", "urn:xmpp:occupant-id:0")
        );
    }
    let r = b
        .request("<iq type='get' id='p' to='lounge@muc.waddle.test/Bob'><ping xmlns='urn:xmpp:ping'/></iq>")
        .await;
    assert_eq!(r.type_().unwrap(), "result", "self-ping");
    // the socket is gone without a word: the room is told
    drop(b);
    let gone = a.next().await;
    assert_eq!(gone.type_().unwrap(), "unavailable");
    assert_eq!(gone.root().attr("from").unwrap(), "lounge@muc.waddle.test/Bob");
    assert!(gone.root().has("x", MUC_USER));
}

#[tokio::test]
async fn rates_of_rooms_are_their_own() {
    let one = Rate {
        count: 2,
        seconds: 60,
    };
    let w = world_with(|l| l.xmpp_rate_room_messages = one, |_| {}).await;
    w.account("alice").await;
    let mut a = w.online("alice", "one").await;
    join(&mut a, "here", "A").await;
    join(&mut a, "there", "A").await;
    for (room, id) in [("here", "1"), ("here", "2"), ("here", "3"), ("there", "4")] {
        a.send(&format!(
            "<message to='{room}@muc.waddle.test' type='groupchat' id='{id}'><body>{id}</body></message>"
        ))
        .await;
    }
    let mut ok = Vec::new();
    let mut refused = Vec::new();
    while ok.len() + refused.len() < 4 {
        let m = a.message().await;
        if m.type_().as_deref() == Some("error") {
            assert_eq!(condition(&m), "policy-violation");
            refused.push(m.id().unwrap().into_owned());
        } else {
            ok.push(body(&m));
        }
    }
    ok.sort();
    assert_eq!(
        (ok, refused),
        (
            vec!["1".to_owned(), "2".to_owned(), "4".to_owned()],
            vec!["3".to_owned()]
        )
    );
}

#[tokio::test]
async fn a_resumed_session_is_still_in_its_room() {
    let w = world().await;
    w.account("alice").await;
    w.account("bob").await;
    let mut b = w.client("bob", "two").await;
    let e = b.request("<enable xmlns='urn:xmpp:sm:3' resume='true'/>").await;
    let id = e.root().attr("id").unwrap().into_owned();
    join(&mut b, "lounge", "Bob").await;
    b.send("<iq type='set' id='c' to='lounge@muc.waddle.test'><query xmlns='http://jabber.org/protocol/muc#owner'><x xmlns='jabber:x:data' type='submit'/></query></iq>").await;
    while b.next().await.id().as_deref() != Some("c") {}
    drop(b);
    let mut a = w.online("alice", "one").await;
    join(&mut a, "lounge", "Alice").await;
    a.send("<message to='lounge@muc.waddle.test' type='groupchat'><body>while away</body></message>")
        .await;
    assert_eq!(body(&a.message().await), "while away");
    let mut b = w.login("bob").await;
    let r = b
        .request(&format!("<resume xmlns='urn:xmpp:sm:3' previd='{id}' h='0'/>"))
        .await;
    assert_eq!(r.root().name(), "resumed");
    loop {
        let m = b.message().await;
        if body(&m) == "while away" {
            break;
        }
    }
    b.send("<message to='lounge@muc.waddle.test' type='groupchat'><body>back</body></message>")
        .await;
    assert_eq!(body(&a.message().await), "back");
}

/// XEP-0198 over XEP-0045: what `<a/>` counts is in the room's archive.
#[tokio::test]
async fn a_message_to_a_room_is_acknowledged_after_its_commit() {
    let w = world().await;
    w.account("alice").await;
    let mut a = w.online("alice", "one").await;
    join(&mut a, "lounge", "Alice").await;
    a.send("<iq type='set' id='c' to='lounge@muc.waddle.test'><query xmlns='http://jabber.org/protocol/muc#owner'><x xmlns='jabber:x:data' type='submit'/></query></iq>").await;
    while a.next().await.id().as_deref() != Some("c") {}
    let e = a.request("<enable xmlns='urn:xmpp:sm:3'/>").await;
    assert_eq!(e.root().name(), "enabled", "{}", text(&e));
    let said = "<message to='lounge@muc.waddle.test' type='groupchat'><body>x</body></message>".repeat(5);
    a.send(&[&said, "<r xmlns='urn:xmpp:sm:3'/>"].concat()).await;
    loop {
        let s = a.next().await;
        if s.root().name() == "a" {
            assert_eq!(s.root().attr("h").unwrap(), "5");
            break;
        }
    }
    let lounge = ArchiveKey::room("lounge");
    let db = w.storage.server();
    let stored = db.read(move |c| archive::last(c, &lounge, 10, None)).await;
    assert_eq!(stored.unwrap().len(), 5, "acknowledged before it was stored");
}

/// XEP-0433: the public room is found by its name and says how many are in it; the hidden one is not.
#[tokio::test]
async fn rooms_are_found_by_words() {
    let w = world().await;
    w.account("alice").await;
    let mut a = w.online("alice", "one").await;
    for (room, public) in [("garden", "1"), ("cellar", "0")] {
        join(&mut a, room, "Alice").await;
        a.send(&format!(
            "<iq type='set' id='{room}' to='{room}@muc.waddle.test'><query xmlns='http://jabber.org/protocol/muc#owner'>\
             <x xmlns='jabber:x:data' type='submit'>\
             <field var='FORM_TYPE'><value>http://jabber.org/protocol/muc#roomconfig</value></field>\
             <field var='muc#roomconfig_roomname'><value>The quiet {room}</value></field>\
             <field var='muc#roomconfig_publicroom'><value>{public}</value></field></x></query></iq>"
        ))
        .await;
        while a.next().await.id().as_deref() != Some(room) {}
    }
    a.sync().await;
    let form = a
        .request("<iq type='get' id='f' to='muc.waddle.test'><search xmlns='urn:xmpp:channel-search:0:search'/></iq>")
        .await;
    assert!(text(&form).contains("sindescription"), "{}", text(&form));
    let search = |words: &str| {
        format!(
            "<iq type='get' id='s' to='muc.waddle.test'><search xmlns='urn:xmpp:channel-search:0:search'>\
             <x xmlns='jabber:x:data' type='submit'>\
             <field var='FORM_TYPE'><value>urn:xmpp:channel-search:0:search-params</value></field>\
             <field var='q'><value>{words}</value></field></x></search></iq>"
        )
    };
    let found = text(&a.request(&search("QUIET")).await);
    assert!(
        found.contains(
            "<item address=\"garden@muc.waddle.test\"><name>The quiet garden</name><nusers>1</nusers>"
        ),
        "{found}"
    );
    assert!(!found.contains("cellar"), "{found}");
    let e = a.request(&search("")).await;
    assert_eq!(condition(&e), "bad-request");
    assert!(text(&e).contains("no-search-conditions"));
}

/// A persistent room that `a` opens.
async fn lounge(a: &mut Client) {
    join(a, "lounge", "Alice").await;
    a.send(
        "<iq type='set' id='open' to='lounge@muc.waddle.test'><query xmlns='http://jabber.org/protocol/muc#owner'>\
         <x xmlns='jabber:x:data' type='submit'><field var='muc#roomconfig_persistentroom'><value>1</value></field></x>\
         </query></iq>",
    )
    .await;
    while a.next().await.id().as_deref() != Some("open") {}
}

#[tokio::test]
async fn the_avatar_of_a_room() {
    // XEP-0486; how the room keeps it is played in waddle-muc's avatar.txt.
    let w = world().await;
    w.account("alice").await;
    w.account("bob").await;
    let mut a = w.online("alice", "one").await;
    lounge(&mut a).await;
    let mut b = w.online("bob", "two").await;
    let set = "<iq type='set' id='v' to='lounge@muc.waddle.test'><vCard xmlns='vcard-temp'>\
               <PHOTO><TYPE>image/png</TYPE><BINVAL>aGVsbG8=</BINVAL></PHOTO></vCard></iq>";
    assert_eq!(condition(&b.request(set).await), "forbidden");
    assert_eq!(a.request(set).await.type_().unwrap(), "result");
    let got = b
        .request("<iq type='get' id='g' to='lounge@muc.waddle.test'><vCard xmlns='vcard-temp'/></iq>")
        .await;
    assert!(text(&got).contains("aGVsbG8="), "{}", text(&got));
    let info = b
        .request("<iq type='get' id='i' to='lounge@muc.waddle.test'><query xmlns='http://jabber.org/protocol/disco#info'/></iq>")
        .await;
    assert!(
        text(&info).contains("aaf4c61ddcc5e8a2dabede0f3b482cd9aea9434d"),
        "{}",
        text(&info)
    );
    // XEP-0502: nothing is known of the first hour; the figures are tested in waddle-muc's activity.rs.
    assert!(!text(&info).contains("message-activity"));
}

#[tokio::test]
async fn occupants_ask_each_other_through_the_room() {
    let w = world().await;
    w.account("alice").await;
    w.account("bob").await;
    let mut a = w.online("alice", "one").await;
    lounge(&mut a).await;
    let mut b = w.online("bob", "two").await;
    join(&mut b, "lounge", "Bob").await;
    b.send("<iq type='get' id='q' to='lounge@muc.waddle.test/Alice'><time xmlns='urn:xmpp:time'/></iq>")
        .await;
    let asked = loop {
        let s = a.next().await;
        if s.is_request() {
            break s;
        }
    };
    assert_eq!(asked.root().attr("from").unwrap(), "lounge@muc.waddle.test/Bob");
    let id = asked.id().unwrap().into_owned();
    a.send(&format!(
        "<iq type='result' id='{id}' to='lounge@muc.waddle.test/Bob'><time xmlns='urn:xmpp:time'/></iq>"
    ))
    .await;
    let answer = b.next().await;
    assert_eq!(answer.id().as_deref(), Some("q"));
    assert_eq!(
        answer.root().attr("from").unwrap(),
        "lounge@muc.waddle.test/Alice"
    );
    // What the account's server keeps, it answers; nobody's real address is seen.
    a.request("<iq type='set' id='sv'><vCard xmlns='vcard-temp'><FN>Alice Liddell</FN></vCard></iq>")
        .await;
    let vcard = b
        .request("<iq type='get' id='gv' to='lounge@muc.waddle.test/Alice'><vCard xmlns='vcard-temp'/></iq>")
        .await;
    assert!(text(&vcard).contains("Alice Liddell"), "{}", text(&vcard));
    assert_eq!(vcard.root().attr("from").unwrap(), "lounge@muc.waddle.test/Alice");
    let refused = b
        .request(
            "<iq type='get' id='n' to='lounge@muc.waddle.test/Nobody'><time xmlns='urn:xmpp:time'/></iq>",
        )
        .await;
    assert_eq!(condition(&refused), "item-not-found");
}

fn hats(s: &waddle_stanza::Stanza) -> Vec<String> {
    let hats = s.root().child("hats", "urn:xmpp:hats:0");
    let titles = hats
        .iter()
        .flat_map(waddle_stanza::Element::children)
        .filter_map(|h| h.attr("title"));
    titles.map(std::borrow::Cow::into_owned).collect()
}

fn hat_command(action: &str, fields: &[(&str, &str)]) -> String {
    let field =
        |(var, value): &(&str, &str)| format!("<field var='hats#{var}'><value>{value}</value></field>");
    let fields: String = fields.iter().map(field).collect();
    format!(
        "<iq type='set' id='h' to='lounge@muc.waddle.test'><command xmlns='http://jabber.org/protocol/commands' \
         action='execute' node='urn:xmpp:hats:commands:{action}'><x xmlns='jabber:x:data' type='submit'>\
         <field var='FORM_TYPE'><value>urn:xmpp:hats:commands</value></field>{fields}</x></command></iq>"
    )
}

async fn until(c: &mut Client, id: &str) -> waddle_stanza::Stanza {
    loop {
        let s = c.next().await;
        if s.id().as_deref() == Some(id) {
            return s;
        }
    }
}

/// XEP-0317: made, given, seen, and taken away with the hat itself; nobody puts one on by themselves.
#[tokio::test]
async fn hats_are_given_by_admins_and_seen_by_all() {
    let w = world().await;
    w.account("alice").await;
    w.account("bob").await;
    let mut a = w.online("alice", "one").await;
    join(&mut a, "lounge", "Alice").await;
    a.send("<iq type='set' id='c' to='lounge@muc.waddle.test'><query xmlns='http://jabber.org/protocol/muc#owner'><x xmlns='jabber:x:data' type='submit'/></query></iq>").await;
    until(&mut a, "c").await;
    let mut b = w.online("bob", "two").await;
    b.send(
        "<presence to='lounge@muc.waddle.test/Bob'><x xmlns='http://jabber.org/protocol/muc'/>\
         <hats xmlns='urn:xmpp:hats:0'><hat title='King' uri='urn:x:king'/></hats></presence>",
    )
    .await;
    assert!(
        hats(&a.next().await).is_empty(),
        "a hat of one's own is taken off"
    );
    b.sync().await;
    let uri = "urn:x:host";
    a.send(&hat_command("create", &[("title", "Host"), ("uri", uri)]))
        .await;
    let r = until(&mut a, "h").await;
    assert!(text(&r).contains("status=\"completed\""), "{}", text(&r));
    assert!(text(&b.message().await).contains("104"), "the list has changed");
    a.send(&hat_command(
        "assign",
        &[("jid", "bob@waddle.test"), ("uri", uri)],
    ))
    .await;
    assert!(text(&until(&mut a, "h").await).contains("completed"));
    let p = b.next().await;
    assert_eq!((p.root().name(), hats(&p)), ("presence", vec!["Host".to_owned()]));
    b.sync().await;
    b.send(&hat_command(
        "assign",
        &[("jid", "bob@waddle.test"), ("uri", uri)],
    ))
    .await;
    assert_eq!(condition(&until(&mut b, "h").await), "forbidden");
    a.sync().await;
    a.send(&hat_command(
        "assign",
        &[("jid", "bob@waddle.test"), ("uri", "urn:x:none")],
    ))
    .await;
    assert_eq!(
        condition(&until(&mut a, "h").await),
        "bad-request",
        "no option of the form"
    );
    a.send(&hat_command("list-assigned", &[])).await;
    let list = text(&until(&mut a, "h").await);
    assert!(
        list.contains("bob@waddle.test") && list.contains("Host"),
        "{list}"
    );
    a.send(&hat_command("destroy", &[("uri", uri)])).await;
    until(&mut a, "h").await;
    let p = b.next().await;
    assert!(
        p.root().name() == "presence" && hats(&p).is_empty(),
        "{}",
        text(&p)
    );
}

/// XEP-0317: in a channel the hat is the role.
#[tokio::test]
async fn roles_of_a_waddle_are_hats_in_its_channels() {
    let w = world().await;
    w.account("alice").await;
    w.account("bob").await;
    let alice = w.identity.resolve_name("alice").await.unwrap();
    let bob = w.identity.resolve_name("bob").await.unwrap();
    let waddle = w
        .community
        .create_waddle(
            &alice,
            waddle_community::NewWaddle {
                slug: "pond".parse().unwrap(),
                name: "Pond".into(),
                description: String::new(),
                visibility: waddle_community::Visibility::Private,
                owner: None,
            },
        )
        .await
        .unwrap();
    let add = w
        .community
        .add_member(&alice, waddle.id, &bob, waddle_community::Role::Member);
    add.await.unwrap();
    let mut a = w.online("alice", "one").await;
    join(&mut a, "pond.general", "Alice").await;
    let mut b = w.online("bob", "two").await;
    b.send("<presence to='pond.general@muc.waddle.test/Bob'><x xmlns='http://jabber.org/protocol/muc'/></presence>")
        .await;
    let p = b.next().await;
    assert_eq!(hats(&p), ["Owner"], "{}", text(&p));
    assert!(hats(&a.next().await).is_empty(), "a plain member wears none");
    let set = w
        .community
        .set_role(&alice, waddle.id, &bob, waddle_community::Role::Moderator);
    set.await.unwrap();
    assert_eq!(hats(&a.next().await), ["Moderator"]);
    // Making, giving and taking one is a change of the waddle's roles, with its rights.
    let command =
        |action: &str, fields: &[(&str, &str)]| hat_command(action, fields).replace("lounge", "pond.general");
    let host = [("title", "Host"), ("uri", "urn:x:h"), ("hue", "120")];
    b.send(&command("create", &host)).await;
    assert_eq!(condition(&until(&mut b, "h").await), "not-allowed");
    a.send(&command("create", &host)).await;
    assert!(until(&mut a, "h").await.is_type("result"));
    let made = w.community.custom_roles(waddle.id).await.unwrap();
    assert_eq!(
        (made[0].name.as_str(), made[0].colour.as_deref()),
        ("Host", Some("#2eb82e"))
    );
    let uri = format!("urn:waddle:role:{}", made[0].id);
    let given = [("jid", "bob@waddle.test"), ("uri", uri.as_str())];
    a.send(&command("assign", &given)).await;
    while hats(&a.next().await) != ["Moderator", "Host"] {}
    let access = w.community.access(waddle.id).await.unwrap();
    assert_eq!(access.custom_roles_of(&bob).len(), 1);
    a.send(&command(
        "unassign",
        &[("jid", "bob@waddle.test"), ("uri", "urn:waddle:role:moderator")],
    ))
    .await;
    while hats(&a.next().await) != ["Host"] {}
    assert_eq!(access.role_of(&bob), Some(waddle_community::Role::Member));
    a.send(&command("destroy", &[("uri", uri.as_str())])).await;
    while access.custom_roles_of(&bob).len() == 1 {
        a.next().await;
    }
}

#[tokio::test]
async fn direct_invitations() {
    // XEP-0249: no room has a part in it.
    let w = world().await;
    w.account("alice").await;
    w.account("bob").await;
    let mut a = w.online("alice", "one").await;
    let mut b = w.online("bob", "two").await;
    let invite = |to: &str| {
        format!(
            "<message id='inv' to='{to}@waddle.test'><x xmlns='jabber:x:conference' jid='lounge@muc.waddle.test' \
             password='sesame' reason='Come'/></message>"
        )
    };
    a.send(&invite("bob")).await;
    let got = b.message().await;
    let x = got.root().child("x", "jabber:x:conference").unwrap();
    assert_eq!(x.attr("jid").unwrap(), "lounge@muc.waddle.test");
    assert_eq!(x.attr("password").unwrap(), "sesame");
    assert_eq!(got.root().attr("from").unwrap(), "alice@waddle.test/one");
    a.send(&invite("nobody")).await;
    assert_eq!(condition(&a.message().await), "service-unavailable");
    // Who is away gets it later.
    b.send("</stream:stream>").await;
    drop(b);
    a.send(&invite("bob")).await;
    a.sync().await;
    let mut b = w.online("bob", "three").await;
    let kept = b.message().await;
    assert!(kept.root().has("x", "jabber:x:conference"), "{}", text(&kept));
}

/// XEP-0307: each asker gets a name of its own, and only for asking, not for telling.
#[tokio::test]
async fn names_that_nobody_has() {
    let w = world().await;
    w.account("alice").await;
    let mut a = w.online("alice", "one").await;
    let ask = |kind: &str| {
        format!(
            "<iq type='{kind}' id='u' to='muc.waddle.test'><unique xmlns='http://jabber.org/protocol/muc#unique'/></iq>"
        )
    };
    let mut names = Vec::new();
    for _ in 0..2 {
        let r = a.request(&ask("get")).await;
        let name = r.payload().unwrap().text().into_owned();
        assert!(name.len() >= 16, "{}", text(&r));
        names.push(name);
    }
    assert_ne!(names[0], names[1]);
    assert_eq!(condition(&a.request(&ask("set")).await), "service-unavailable");
}
