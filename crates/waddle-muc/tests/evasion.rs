//! Ways around moderation that are none (`specs/moderation.md`): what hides a text from the rules, from slow mode, from the
//! archive, from the audit log; and what strangers learn (XEP-0045, XEP-0308, XEP-0334, XEP-0425).

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]
#![expect(dead_code, reason = "the stage has more than these tests use")]

mod play;
#[path = "play/stage.rs"]
mod stage;

use play::text;
use stage::{ROOM, Stage, archive_id, body, user};
use waddle_community::{Actor, Error, NewRole, PurgeRequest, Role, Via};
use waddle_core::Limits;
use waddle_messages::{Act, NewMessage};
use waddle_muc::{ActError, Post, PostError};
use waddle_stanza::{Stanza, ns};
use waddle_storage::repo::moderation;

/// Bob is in the room.
async fn stage_with(limits: Limits) -> Stage {
    Stage::open(limits, &[("bob", "bob")]).await
}

async fn stage() -> Stage {
    stage_with(Limits::default()).await
}

/// The condition and the text of an error.
fn error(s: &Stanza) -> (String, String) {
    let (_, condition, text) = stage::error(s);
    (condition, text)
}

impl Stage {
    /// Bob's client says something; the message, or its refusal, as it comes back.
    async fn says(&mut self, id: &str, inner: &str) -> Stanza {
        let xml = format!("<message type='groupchat' to='{ROOM}' id='{id}'>{inner}</message>");
        self.w.send("bob", &xml);
        loop {
            let came = self.w.next("bob").await;
            if came.id().as_deref() == Some(id) {
                return came;
            }
        }
    }
}

#[tokio::test]
async fn no_number_of_empty_elements_hides_a_text_from_the_rules() {
    let mut s = stage().await;
    s.rule(r#"{"name":"manners","kind":"words","words":["vile"]}"#)
        .await;
    s.rule(r#"{"name":"stars","kind":"words","words":["darn"],"then":"replace"}"#)
        .await;
    let before = "<x xmlns='a'/>".repeat(1_000);
    let came = s.says("1", &format!("{before}<body>how vile</body>")).await;
    assert_eq!(error(&came).0, "policy-violation", "{}", text(&came));
    let came = s.says("2", &format!("{before}<body>darn it</body>")).await;
    assert_eq!(body(&came), "**** it");
    let many: String = (0..300)
        .map(|n| format!("<body xml:lang='x{n}'>a</body>"))
        .collect();
    let (condition, why) = error(&s.says("3", &many).await);
    assert!(
        condition == "policy-violation" && why.contains("too many parts"),
        "{why}"
    );
    let split = "<body>x</body><html xmlns='http://jabber.org/protocol/xhtml-im'>\
                 <body xmlns='http://www.w3.org/1999/xhtml'>vi<b/>le</body></html>";
    assert_eq!(error(&s.says("4", split).await).0, "policy-violation");
    assert_eq!(s.kept().await, ["**** it"], "nothing else is stored");
}

#[tokio::test]
async fn a_text_in_a_channel_is_as_short_for_clients_as_over_http() {
    let mut s = stage().await;
    let most = Limits::default().message_bytes;
    let body = |n: usize| format!("<body>{}</body>", "x".repeat(n));
    let (condition, why) = error(&s.says("1", &body(most + 1)).await);
    assert!(
        condition == "policy-violation" && why.contains(&most.to_string()),
        "{why}"
    );
    let two = [body(most / 2 + 1), body(most / 2 + 1)].concat();
    assert_eq!(error(&s.says("2", &two).await).0, "policy-violation");
    archive_id(&s.says("3", &body(most)).await);
    // In a room of a client's own it is the client's affair.
    s.w.join("bob", "den@muc.localhost", "bob").await;
    s.w.send(
        "bob",
        &format!(
            "<message type='groupchat' to='den@muc.localhost' id='4'>{}</message>",
            body(most + 1)
        ),
    );
    loop {
        let came = s.w.next("bob").await;
        if came.id().as_deref() == Some("4") {
            assert!(!came.is_type("error"), "{}", text(&came));
            break;
        }
    }
}

#[tokio::test]
async fn slow_mode_is_for_all_that_is_new_whatever_it_calls_itself() {
    let mut s = stage().await;
    s.slow(600).await;
    archive_id(&s.says("first", "<body>one</body>").await);
    let replace =
        |id: &str| format!("<body>more</body><replace xmlns='urn:xmpp:message-correct:0' id='{id}'/>");
    let (condition, _) = error(&s.says("2", &replace("nonsense")).await);
    assert_eq!(condition, "item-not-found", "a correction of nothing is nothing");
    for (id, disguise) in [
        (
            "3",
            "<body>more</body><replace xmlns='urn:xmpp:message-correct:0'/>",
        ),
        ("4", "<body>more</body><reactions xmlns='urn:xmpp:reactions:0'/>"),
        (
            "5",
            "<body>more</body><apply-to xmlns='urn:xmpp:fasten:0' id='nonsense'><retract xmlns='urn:xmpp:message-retract:0'/></apply-to>",
        ),
        (
            "6",
            "<x xmlns='jabber:x:oob'><url>https://more.example/</url></x>",
        ),
        ("7", "<file-sharing xmlns='urn:xmpp:sfs:0'/>"),
        ("8", "<encrypted xmlns='urn:xmpp:omemo:2'/>"),
    ] {
        let (condition, why) = error(&s.says(id, disguise).await);
        assert!(
            condition == "policy-violation" && why.contains("slow mode"),
            "{disguise}: {why}"
        );
    }
    // What is a correction, a reaction, a state, need not wait.
    archive_id(&s.says("9", &replace("first")).await);
    let first = archive_id(&s.says("10", &replace("first")).await);
    let react =
        format!("<reactions xmlns='urn:xmpp:reactions:0' id='{first}'><reaction>👍</reaction></reactions>");
    archive_id(&s.says("11", &react).await);
    assert!(
        !s.says("12", "<active xmlns='http://jabber.org/protocol/chatstates'/>")
            .await
            .is_type("error")
    );
    // Elsewhere a correction of nothing is a message.
    s.slow(0).await;
    archive_id(&s.says("13", &replace("nonsense")).await);
}

#[tokio::test]
async fn what_is_said_in_a_channel_is_kept_whatever_the_hints() {
    let mut s = stage().await;
    let hint = "<no-store xmlns='urn:xmpp:hints'/>";
    let id = archive_id(&s.says("1", &format!("<body>hidden</body>{hint}")).await);
    let lasting = "<body>too</body><no-permanent-store xmlns='urn:xmpp:hints'/>";
    archive_id(&s.says("2", lasting).await);
    let state = format!("<composing xmlns='http://jabber.org/protocol/chatstates'/>{hint}");
    assert!(!s.says("3", &state).await.root().has("stanza-id", ns::SID));
    assert_eq!(s.kept().await, ["hidden", "too"]);
    let act = Act::Moderate { id, reason: None };
    s.w.rooms
        .act(&user("mo"), s.waddle, s.channel, act)
        .await
        .unwrap();
    assert_eq!(s.kept().await, ["too"], "it can be moderated");
}

#[tokio::test]
async fn the_log_says_whose_message_was_taken_back_and_from_where() {
    let mut s = stage().await;
    let id = archive_id(&s.says("1", "<body>hm</body>").await);
    let act = Act::Moderate {
        id,
        reason: Some("why".into()),
    };
    let way = Via::new("http")
        .from_address(Some([192, 0, 2, 7].into()))
        .with_token("t1");
    way.scope(s.w.rooms.act(&user("mo"), s.waddle, s.channel, act))
        .await
        .unwrap();
    let log =
        s.w.community
            .audit(&user("ada"), s.waddle, None, 50)
            .await
            .unwrap();
    let line = log.iter().find(|e| e.action == "message.retract").unwrap();
    assert_eq!(
        (&line.actor, &line.target),
        (&Some(user("mo")), &format!("message:{id}"))
    );
    assert_eq!(line.detail, format!("channel:{} user:local:bob", s.channel));
    assert_eq!(line.reason.as_deref(), Some("why"));
    assert_eq!(
        (
            line.via.as_deref(),
            line.address.as_deref(),
            line.token.as_deref()
        ),
        (Some("http"), Some("192.0.2.7"), Some("t1"))
    );
}

#[tokio::test]
async fn who_may_not_purge_marks_nothing_and_a_role_counts_by_its_place() {
    let s = stage().await;
    s.w.user("eve").await;
    s.w.add("penguins", "kim", Role::Member).await;
    let c = &s.w.community;
    let marked = async || s.w.storage.server().read(moderation::purging).await.unwrap();
    let all = PurgeRequest::default;
    for (who, whom) in [("eve", "bob"), ("eve", "eve"), ("kim", "bob"), ("mo", "ada")] {
        let refused = c.start_purge(&user(who), s.waddle, &user(whom), all()).await;
        assert!(
            matches!(refused, Err(Error::Forbidden)),
            "{who} {whom}: {refused:?}"
        );
    }
    assert!(marked().await.is_empty());
    let role = NewRole {
        name: "Wardens".into(),
        colour: None,
        permissions: vec!["moderate".parse().unwrap()],
    };
    let role = c.create_role(Actor::System, s.waddle, role).await.unwrap().id;
    c.give_role(Actor::System, s.waddle, &user("kim"), role, true)
        .await
        .unwrap();
    c.start_purge(&user("kim"), s.waddle, &user("bob"), all())
        .await
        .unwrap();
    let refused = c.start_purge(&user("kim"), s.waddle, &user("mo"), all()).await;
    assert!(matches!(refused, Err(Error::Forbidden)), "{refused:?}");
    c.give_role(Actor::System, s.waddle, &user("bob"), role, true)
        .await
        .unwrap();
    let refused = c.start_purge(&user("kim"), s.waddle, &user("bob"), all()).await;
    assert!(matches!(refused, Err(Error::Forbidden)), "an equal: {refused:?}");
    c.start_purge(&user("bob"), s.waddle, &user("bob"), all())
        .await
        .unwrap();
}

#[tokio::test]
async fn names_are_held_against_the_rules_wherever_they_come_from() {
    let mut s = stage().await;
    s.rule(r#"{"name":"stars","kind":"words","words":["darn"],"then":"replace"}"#)
        .await;
    s.rule(r#"{"name":"names","kind":"words","words":["zoe"]}"#).await;
    assert_eq!(
        s.w.rooms.post(s.post("Darn hook", "hello")).await,
        Err(PostError::Rule)
    );
    s.w.rooms.post(s.post("Hook", "darn")).await.unwrap();
    let came = s.w.next("bob").await;
    assert_eq!(body(&came), "****");
    let mut linked = s.post("Hook", "see");
    linked.poster.as_mut().unwrap().payload =
        "<x xmlns='jabber:x:oob'><url>https://darn.example/</url></x>".into();
    assert_eq!(
        s.w.rooms.post(linked).await,
        Err(PostError::Rule),
        "a link cannot be covered"
    );
    s.w.add("penguins", "zoe", Role::Member).await;
    let hello = || Act::Say(NewMessage::text("hello"));
    let refused = s.w.rooms.act(&user("zoe"), s.waddle, s.channel, hello()).await;
    assert!(
        matches!(&refused, Err(ActError::Refused(why)) if why.text.contains("nickname")),
        "{refused:?}"
    );
    s.w.add("penguins", "may", Role::Member).await;
    s.w.rooms
        .act(&user("may"), s.waddle, s.channel, hello())
        .await
        .unwrap();
    // Another nickname is a nickname.
    s.w.send("bob", &format!("<presence to='{ROOM}/Zoe' id='n'/>"));
    loop {
        let came = s.w.next("bob").await;
        if came.is_type("error") {
            assert_eq!(error(&came).0, "not-acceptable");
            break;
        }
    }
    // A feed is no person, whatever it is called, and no person is a feed.
    let feed = Post {
        poster: None,
        ..s.post("Ada", "21 °C")
    };
    s.w.rooms.post(feed).await.unwrap();
    let came = loop {
        let came = s.w.next("bob").await;
        if body(&came) == "21 °C" {
            break came;
        }
    };
    assert_eq!(came.from().unwrap().unwrap().resource(), Some("Ada (feed)"));
    s.w.send("bob", &format!("<presence to='{ROOM}/Ada (feed)' id='f'/>"));
    assert_eq!(error(&s.w.next("bob").await).0, "not-acceptable");
}

#[tokio::test]
async fn a_stranger_hears_the_same_of_a_private_waddle_and_of_none() {
    let mut s = stage().await;
    s.w.connect("eve").await;
    let mut heard = Vec::new();
    for room in [
        ROOM,
        "penguins.nothing@muc.localhost",
        "seals.general@muc.localhost",
        "seals.a.b@muc.localhost",
    ] {
        let mut all = Vec::new();
        for ask in [
            "<iq type='get' id='i' to='ROOM'><query xmlns='http://jabber.org/protocol/disco#info'/></iq>",
            "<iq type='get' id='i' to='ROOM'><query xmlns='http://jabber.org/protocol/disco#items'/></iq>",
            "<iq type='set' id='i' to='ROOM'><query xmlns='urn:xmpp:mam:2'/></iq>",
            "<iq type='get' id='i' to='ROOM'><query xmlns='http://jabber.org/protocol/muc#owner'/></iq>",
            "<iq type='get' id='i' to='ROOM'><query xmlns='jabber:iq:register'/></iq>",
            "<iq type='get' id='i' to='ROOM'><vCard xmlns='vcard-temp'/></iq>",
            "<iq type='get' id='i' to='ROOM/bob'><ping xmlns='urn:xmpp:ping'/></iq>",
            "<message type='groupchat' id='i' to='ROOM'><body>x</body></message>",
            "<message type='chat' id='i' to='ROOM/bob'><body>x</body></message>",
            "<message id='i' to='ROOM'><x xmlns='http://jabber.org/protocol/muc#user'><invite to='bob@localhost'/></x></message>",
            "<presence id='i' to='ROOM/eve'/>",
        ] {
            s.w.send("eve", &ask.replace("ROOM", room));
            all.push(error(&s.w.next("eve").await));
        }
        assert!(
            all.iter().all(|(condition, _)| condition == "forbidden"),
            "{room}: {all:?}"
        );
        heard.push(all);
    }
    assert!(heard.windows(2).all(|w| w[0] == w[1]), "{heard:?}");
    // A plain room is made by entering it all the same (XEP-0045 §10.1), and is one from then on.
    s.w.join("eve", "seals.general@muc.localhost", "eve").await;
    s.w.send("bob", "<iq type='get' id='i' to='seals.general@muc.localhost'><query xmlns='http://jabber.org/protocol/disco#info'/></iq>");
    let came = loop {
        let came = s.w.next("bob").await;
        if came.id().as_deref() == Some("i") {
            break came;
        }
    };
    assert_eq!(error(&came).0, "item-not-found", "not yet open");
}

#[tokio::test]
async fn a_device_says_nothing_that_people_may_not() {
    let mut s = stage().await;
    s.rule(r#"{"name":"manners","kind":"words","words":["vile"]}"#)
        .await;
    s.rule(r#"{"name":"stars","kind":"words","words":["darn"],"then":"replace"}"#)
        .await;
    s.rule(r#"{"name":"people","kind":"words","words":["hot"],"exempt_roles":["feed"]}"#)
        .await;
    let reading = |words: &str| Post {
        poster: None,
        ..s.post("Sensor", words)
    };
    let (vile, darn, hot) = (reading("how vile"), reading("darn"), reading("hot"));
    assert_eq!(s.w.rooms.post(vile).await, Err(PostError::Rule));
    for (post, shown) in [(darn, "****"), (hot, "hot")] {
        s.w.rooms.post(post).await.unwrap();
        assert_eq!(body(&s.w.next("bob").await), shown);
    }
}
