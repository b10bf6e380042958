//! What is taken back (XEP-0424, XEP-0425), what disappears by itself, and pins, which go with their message.

use waddle_community::{Actor, ChannelChange};
use waddle_core::Limits;
use waddle_messages::{Act, NewsKind};
use waddle_muc::ActError;
use waddle_stanza::{Condition, ns};
use waddle_storage::repo::{archive, messages};

use super::{stage, stage_with, viewer};
use crate::play::text;
use crate::stage::{ROOM, user};

#[tokio::test]
async fn nothing_is_left_of_what_was_taken_back() {
    let mut s = stage().await;
    let file = "<x xmlns='jabber:x:oob'><url>https://up.localhost/upload/x/secret.png</url></x>";
    let id = s.client_says(&["<body>secret one</body>", file].concat()).await;
    s.act(
        "ada",
        Act::React {
            id,
            emojis: vec!["👍".into()],
        },
    )
    .await
    .unwrap();
    let _ = s.w.next("Bob").await;
    let replace = "<replace xmlns='urn:xmpp:message-correct:0' id='c'/>";
    let edit = s
        .client_says(&["<body>secret two</body>", replace].concat())
        .await;
    let quote = s.say("ada", "> secret one\nreally?").await;
    let _ = s.w.next("Bob").await;
    // By the correction's identifier: it stands for the message.
    s.act("bob", Act::Retract { id: edit }).await.unwrap();
    let seen = s.see(id).await;
    assert!(seen.deleted && seen.body.is_empty() && seen.attachments.is_empty() && seen.reactions.is_empty());
    assert!(
        s.see(quote).await.body.contains("secret one"),
        "quotes are the quoters'"
    );
    let (db, key) = (
        s.w.storage.waddle(s.waddle).await.unwrap(),
        archive::ArchiveKey::channel(s.channel),
    );
    let all = db.read(move |c| archive::last(c, &key, 100, None)).await.unwrap();
    for row in all.iter().filter(|r| r.id != quote) {
        assert!(
            !String::from_utf8_lossy(&row.stanza).contains("secret"),
            "{row:?}"
        );
    }
    let due = db.read(|c| messages::due_files(c, i64::MAX, 9)).await.unwrap();
    assert_eq!(due.len(), 1, "{due:?}");
    assert_eq!(
        (&*due[0].url, &*due[0].owner),
        ("https://up.localhost/upload/x/secret.png", "local:bob")
    );
    // Newcomers hear of it no more.
    s.w.user("ada").await;
    s.w.connect("Ada").await;
    let xml = format!("<presence to='{ROOM}/Ada'><x xmlns='http://jabber.org/protocol/muc'/></presence>");
    s.w.send("Ada", &xml);
    loop {
        let came = s.w.next("Ada").await;
        let quoted = text(&came).contains("really?");
        assert!(quoted || !text(&came).contains("secret"), "{}", text(&came));
        if came.root().has("subject", ns::CLIENT) {
            break;
        }
    }
    assert_eq!(
        s.act("bob", Act::Retract { id }).await.unwrap_err(),
        ActError::NoMessage
    );
}

#[tokio::test]
async fn moderators_take_back_and_pin() {
    let mut s = stage().await;
    let id = s.say("bob", "spam").await;
    let kept = s.say("bob", "ham").await;
    for _ in 0..2 {
        let _ = (s.w.next("Bob").await, s.told().await);
    }
    let wish = |id| Act::Moderate {
        id,
        reason: Some("spam".into()),
    };
    assert!(matches!(s.act("bob", wish(id)).await, Err(ActError::Refused(_))));
    s.act("mo", wish(id)).await.unwrap();
    assert_eq!(s.told().await.kind, NewsKind::Retracted(id));
    let came = s.w.next("Bob").await;
    let retract = came.root().child("retract", ns::RETRACT).unwrap();
    assert!(retract.has("moderated", ns::MODERATE));
    assert!(s.see(id).await.deleted);

    let pin = |id, pinned| Act::Pin { id, pinned };
    assert!(matches!(
        s.act("bob", pin(kept, true)).await,
        Err(ActError::Refused(_))
    ));
    assert!(
        matches!(s.act("mo", pin(id, true)).await, Err(ActError::Refused(_))),
        "it is gone"
    );
    s.act("mo", pin(kept, true)).await.unwrap();
    assert_eq!(s.told().await.kind, NewsKind::Pinned(kept));
    let came = s.w.next("Bob").await;
    let pinned = came.root().child("pinned", "urn:waddle:pins:0").unwrap();
    assert_eq!(pinned.attr("id").unwrap(), kept.to_string());
    let pins = s.messages.pins(&viewer("bob"), 9).await.unwrap();
    assert!(pins.len() == 1 && pins[0].message.pinned && pins[0].by == Some(user("mo")));
    s.w.send(
        "Bob",
        &format!("<iq type='get' to='{ROOM}' id='p'><pins xmlns='urn:waddle:pins:0'/></iq>"),
    );
    assert!(text(&s.w.next("Bob").await).contains(&kept.to_string()));
    s.w.send(
        "Bob",
        &format!("<iq type='set' to='{ROOM}' id='p'><pin xmlns='urn:waddle:pins:0' id='{kept}'/></iq>"),
    );
    assert!(s.w.next("Bob").await.is_type("error"));
    // Nobody says for the room that something is pinned.
    s.client_says("<body>x</body><pinned xmlns='urn:waddle:pins:0' id='0000000000000001'/>")
        .await;
    s.act("mo", pin(kept, false)).await.unwrap();
    assert!(s.messages.pins(&viewer("bob"), 9).await.unwrap().is_empty());
}

#[tokio::test]
async fn pins_are_bounded() {
    let limits = Limits {
        message_pins: 2,
        ..Limits::default()
    };
    let s = stage_with(limits).await;
    let mut ids = Vec::new();
    for n in 0..3 {
        ids.push(s.say("ada", &n.to_string()).await);
    }
    for id in &ids[..2] {
        s.act(
            "mo",
            Act::Pin {
                id: *id,
                pinned: true,
            },
        )
        .await
        .unwrap();
    }
    let Err(ActError::Refused(why)) = s
        .act(
            "mo",
            Act::Pin {
                id: ids[2],
                pinned: true,
            },
        )
        .await
    else {
        panic!("a third");
    };
    assert_eq!(why.condition, Condition::Conflict);
}

#[tokio::test]
async fn messages_disappear_where_the_channel_says_so() {
    let mut s = stage().await;
    let change = ChannelChange {
        expire_seconds: Some(60),
        ..ChannelChange::default()
    };
    s.w.community
        .update_channel(Actor::System, s.waddle, s.channel, change)
        .await
        .unwrap();
    loop {
        // The new settings are told (104).
        if text(&s.w.next("Bob").await).contains("104") {
            break;
        }
    }
    s.w.send("Bob", &format!("<message type='groupchat' to='{ROOM}' id='c'><body>soon gone</body><ephemeral xmlns='urn:xmpp:ephemeral:0' timer='9'/></message>"));
    let came = s.w.next("Bob").await;
    let timers: Vec<_> = came
        .root()
        .children()
        .filter(|c| c.is("ephemeral", "urn:xmpp:ephemeral:0"))
        .filter_map(|c| c.attr("timer"))
        .collect();
    assert_eq!(timers, ["60"], "the room says when (XEP-0466)");
}
