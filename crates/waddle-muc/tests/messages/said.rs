//! What is said, by clients and through HTTP alike, and corrected (XEP-0308, XEP-0461).

use waddle_community::Actor;
use waddle_core::{Limits, MessageId};
use waddle_messages::{Act, Attachment, NewMessage, NewsKind, Range};
use waddle_muc::ActError;
use waddle_stanza::{Condition, ns};

use super::{stage, stage_with, viewer};
use crate::stage::user;

#[tokio::test]
async fn said_through_http_and_by_clients_is_the_same() {
    let mut s = stage().await;
    let id = s.say("ada", "hello").await;
    let came = s.w.next("Bob").await;
    assert_eq!(
        came.from().unwrap().unwrap().as_str(),
        "penguins.general@muc.localhost/ada"
    );
    assert_eq!(
        came.root()
            .child("stanza-id", ns::SID)
            .unwrap()
            .attr("id")
            .unwrap(),
        id.to_string()
    );
    assert_eq!(s.told().await.kind, NewsKind::Posted);
    let seen = s.see(id).await;
    assert_eq!((&*seen.body, &*seen.author.nick), ("hello", "ada"));
    assert_eq!(seen.author.jid.unwrap().as_str(), "ada@localhost");
    // Who is in the room speaks under the nickname that they have there, and nobody came or left.
    let mine = s.say("bob", "hi").await;
    assert_eq!(
        s.w.next("Bob").await.from().unwrap().unwrap().resource(),
        Some("Bobby")
    );
    let answer = s
        .act(
            "ada",
            Act::Say(NewMessage {
                body: "see".into(),
                reply_to: Some(mine),
                attachments: vec![Attachment {
                    url: "https://up.localhost/upload/x/a.png".into(),
                    name: Some("a.png".into()),
                    ..Attachment::default()
                }],
                ..NewMessage::default()
            }),
        )
        .await
        .unwrap();
    let came = s.w.next("Bob").await;
    let reply = came.root().child("reply", "urn:xmpp:reply:0").unwrap();
    assert_eq!(
        reply.attr("to").as_deref(),
        Some("penguins.general@muc.localhost/Bobby")
    );
    let seen = s.see(answer).await;
    assert_eq!(
        (seen.reply_to, seen.thread_root, seen.attachments.len()),
        (Some(mine), Some(mine), 1)
    );
    // The answer to the answer belongs to the root.
    let deeper = s
        .client_says(&format!(
            "<body>d</body><reply xmlns='urn:xmpp:reply:0' id='{answer}'/>"
        ))
        .await;
    assert_eq!(s.see(deeper).await.thread_root, Some(mine));
    assert_eq!(s.see(mine).await.replies, 2);
    let thread = s
        .messages
        .thread(&viewer("bob"), deeper, Range::After(None), 9)
        .await
        .unwrap();
    assert_eq!(
        thread.items.iter().map(|m| m.id).collect::<Vec<_>>(),
        [answer, deeper]
    );
    // Threads by name (XEP-0201) have a root too.
    let first = s.client_says("<body>t1</body><thread>T</thread>").await;
    let second = s.client_says("<body>t2</body><thread>T</thread>").await;
    assert_eq!(
        (s.see(first).await.thread_root, s.see(second).await.thread_root),
        (None, Some(first))
    );
}

#[tokio::test]
async fn the_rules_of_the_room_hold() {
    let limits = Limits {
        message_rate: waddle_core::limits::Rate {
            count: 3,
            seconds: 600,
        },
        ..Limits::default()
    };
    let s = stage_with(limits).await;
    s.w.user("eve").await;
    let refused = |e: ActError| match e {
        ActError::Refused(why) => why.condition,
        e => panic!("{e:?}"),
    };
    let stranger = s.act("eve", Act::Say(NewMessage::text("x"))).await.unwrap_err();
    assert_eq!(refused(stranger), Condition::Forbidden);
    let id = s.say("ada", "x").await;
    let looking = s.act("eve", Act::React { id, emojis: vec![] }).await.unwrap_err();
    assert_eq!(
        refused(looking),
        Condition::Forbidden,
        "whether the message exists or not"
    );
    let grant = waddle_community::ChannelGrant::Muted;
    s.w.community
        .grant_channel(Actor::System, s.waddle, s.channel, &user("bob"), grant, true)
        .await
        .unwrap();
    let muted = s.act("bob", Act::Say(NewMessage::text("x"))).await.unwrap_err();
    assert_eq!(refused(muted), Condition::Forbidden);
    for bad in [
        NewMessage::default(),
        NewMessage::text("x".repeat(10_001)),
        NewMessage {
            attachments: vec![Attachment {
                url: "javascript:x".into(),
                ..Attachment::default()
            }],
            ..NewMessage::default()
        },
    ] {
        let e = s.act("ada", Act::Say(bad)).await.unwrap_err();
        assert!(matches!(e, ActError::Invalid(_)), "{e:?}");
    }
    let nowhere = NewMessage {
        reply_to: Some(MessageId(7)),
        ..NewMessage::text("x")
    };
    assert_eq!(
        s.act("ada", Act::Say(nowhere)).await.unwrap_err(),
        ActError::NoMessage
    );
    for _ in 0..2 {
        s.say("ada", "y").await;
    }
    let fast = s.act("ada", Act::Say(NewMessage::text("z"))).await.unwrap_err();
    assert_eq!(refused(fast), Condition::PolicyViolation);
}

#[tokio::test]
async fn corrections_of_ones_own() {
    let mut s = stage().await;
    let id = s.client_says("<body>frist</body>").await;
    assert_eq!(s.told().await.kind, NewsKind::Posted);
    let replace = "<replace xmlns='urn:xmpp:message-correct:0' id='c'/>";
    s.client_says(&["<body>first @ada</body>", replace].concat())
        .await;
    assert_eq!(s.told().await.kind, NewsKind::Edited(id));
    let seen = s.see(id).await;
    assert!(seen.body == "first @ada" && seen.edited_at.is_some() && seen.mentions.len() == 1);
    assert_eq!(
        s.messages
            .page(&viewer("bob"), Range::Before(None), 9)
            .await
            .unwrap()
            .items
            .len(),
        1
    );
    let Err(ActError::Refused(why)) = s
        .act(
            "ada",
            Act::Edit {
                id,
                body: "mine".into(),
            },
        )
        .await
    else {
        panic!("somebody else's");
    };
    assert_eq!(why.condition, Condition::Forbidden);
    let said = s.say("ada", "one").await;
    s.act(
        "ada",
        Act::Edit {
            id: said,
            body: "two".into(),
        },
    )
    .await
    .unwrap();
    assert_eq!(s.see(said).await.body, "two");
}

#[tokio::test]
async fn news_can_be_read_again() {
    let mut s = stage().await;
    let id = s.client_says("<body>one</body>").await;
    s.act(
        "bob",
        Act::React {
            id,
            emojis: vec!["👍".into()],
        },
    )
    .await
    .unwrap();
    s.act(
        "bob",
        Act::Edit {
            id,
            body: "two".into(),
        },
    )
    .await
    .unwrap();
    s.act("mo", Act::Pin { id, pinned: true }).await.unwrap();
    s.act("bob", Act::Retract { id }).await.unwrap();
    let mut live = Vec::new();
    for _ in 0..5 {
        live.push(s.told().await);
    }
    let kinds: Vec<NewsKind> = live.iter().map(|n| n.kind).collect();
    assert_eq!(
        kinds,
        [
            NewsKind::Posted,
            NewsKind::Reacted(id),
            NewsKind::Edited(id),
            NewsKind::Pinned(id),
            NewsKind::Retracted(id)
        ]
    );
    let (db, waddle) = (s.w.storage.waddle(s.waddle).await.unwrap(), s.waddle);
    let again = db
        .read(move |c| Ok(waddle_messages::news::since(c, waddle, MessageId(0), 100)))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(again, live);
}
