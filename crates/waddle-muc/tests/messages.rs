//! Messages of a channel, said by clients and through HTTP alike: `Rooms::say`, `act`, `news`, and what is kept of them
//! (XEP-0308, XEP-0424, XEP-0425, XEP-0444, XEP-0461, XEP-0372, pins).

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]
#![expect(dead_code, reason = "the stage has more than these tests use")]

mod play;

use std::sync::Arc;

use parking_lot::Mutex;
use play::{World, text};
use tokio::sync::broadcast::Receiver;
use waddle_community::{Actor, ChannelChange, Role, Visibility};
use waddle_core::{ChannelId, Limits, MessageId, UserId, WaddleId};
use waddle_messages::{
    Act, Attachment, ChannelMessages, MentionKind, MessageView, NewMessage, News, NewsKind, Range, Viewer,
};
use waddle_muc::{ActError, Previewer};
use waddle_stanza::{Condition, ns};
use waddle_storage::repo::{archive, messages};

const ROOM: &str = "penguins.general@muc.localhost";

struct Stage {
    w: World,
    waddle: WaddleId,
    channel: ChannelId,
    messages: ChannelMessages,
    news: Receiver<News>,
}

async fn stage_with(limits: Limits) -> Stage {
    let mut w = World::new(limits).await;
    w.make_waddle("penguins", "ada", Visibility::Private).await;
    w.add("penguins", "bob", Role::Member).await;
    w.add("penguins", "mo", Role::Moderator).await;
    let waddle = w
        .community
        .waddle_by_slug(&"penguins".parse().unwrap())
        .unwrap()
        .id;
    let channel = w
        .community
        .channel_by_slug(waddle, &"general".parse().unwrap())
        .await
        .unwrap()
        .unwrap()
        .id;
    w.connect("Bob").await;
    w.join("Bob", ROOM, "Bobby").await;
    Stage {
        messages: ChannelMessages::open(&w.community, waddle, channel)
            .await
            .unwrap(),
        news: w.rooms.news(),
        w,
        waddle,
        channel,
    }
}

async fn stage() -> Stage {
    stage_with(Limits::default()).await
}

fn user(name: &str) -> UserId {
    UserId::local(name)
}

fn viewer(name: &str) -> Viewer {
    Viewer {
        user: Some(user(name)),
        addresses: true,
    }
}

impl Stage {
    async fn act(&self, name: &str, act: Act) -> Result<MessageId, ActError> {
        self.w
            .rooms
            .act(&user(name), self.waddle, self.channel, act)
            .await
    }

    async fn say(&self, name: &str, body: &str) -> MessageId {
        self.act(name, Act::Say(NewMessage::text(body))).await.unwrap()
    }

    async fn see(&self, id: MessageId) -> MessageView {
        self.messages.get(&viewer("bob"), id).await.unwrap()
    }

    async fn told(&mut self) -> News {
        self.news.recv().await.unwrap()
    }

    /// What Bob's client says, and what the archive calls it.
    async fn client_says(&mut self, inner: &str) -> MessageId {
        let xml = format!("<message type='groupchat' to='{ROOM}' id='c'>{inner}</message>");
        self.w.send("Bob", &xml);
        let came = self.w.next("Bob").await;
        assert!(!came.is_type("error"), "{}", text(&came));
        let id = came
            .root()
            .child("stanza-id", ns::SID)
            .unwrap()
            .attr("id")
            .unwrap()
            .parse();
        id.unwrap()
    }
}

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
    let due = db.read(|c| messages::due_files(c, 9)).await.unwrap();
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
async fn reactions_replace_each_other() {
    let mut s = stage().await;
    let id = s.say("ada", "fish?").await;
    let _ = s.w.next("Bob").await;
    let react = |emojis: &[&str]| {
        let all: String = emojis
            .iter()
            .map(|e| format!("<reaction>{e}</reaction>"))
            .collect();
        format!("<reactions xmlns='urn:xmpp:reactions:0' id='{id}'>{all}</reactions>")
    };
    s.client_says(&react(&["👍", "🐟"])).await;
    s.act(
        "ada",
        Act::ReactWith {
            id,
            emoji: "🐟".into(),
            add: true,
        },
    )
    .await
    .unwrap();
    s.act(
        "ada",
        Act::ReactWith {
            id,
            emoji: "🎉".into(),
            add: true,
        },
    )
    .await
    .unwrap();
    let shown = |v: MessageView| -> Vec<(String, u64, bool)> {
        v.reactions
            .into_iter()
            .map(|r| (r.emoji, r.count, r.me))
            .collect()
    };
    let want = |all: &[(&str, u64, bool)]| -> Vec<(String, u64, bool)> {
        all.iter().map(|(e, n, me)| ((*e).to_owned(), *n, *me)).collect()
    };
    assert_eq!(
        shown(s.see(id).await),
        want(&[("🐟", 2, true), ("👍", 1, true), ("🎉", 1, false)])
    );
    for _ in 0..2 {
        let _ = s.w.next("Bob").await;
    }
    s.client_says(&react(&[])).await;
    assert_eq!(
        shown(s.see(id).await),
        want(&[("🎉", 1, false), ("🐟", 1, false)])
    );
    let by = s.messages.reactors(id, Some("🐟".into()), None, 9).await.unwrap();
    assert_eq!(by.len(), 1);
    for bad in ["", "text", "👍 👍"] {
        let act = Act::React {
            id,
            emojis: vec![bad.into()],
        };
        assert!(
            matches!(s.act("ada", act).await, Err(ActError::Invalid(_))),
            "{bad:?}"
        );
    }
}

#[tokio::test]
async fn mentions_are_people_and_everyone_is_a_right() {
    let mut s = stage().await;
    let reference =
        "<reference xmlns='urn:xmpp:reference:0' type='mention' uri='xmpp:mo@localhost' begin='0' end='2'/>";
    let id = s
        .client_says(
            &[
                "<body>mo, @ada and @bobby and @nobody @everyone</body>",
                reference,
            ]
            .concat(),
        )
        .await;
    let seen = s.see(id).await;
    let mut users: Vec<String> = seen
        .mentions
        .iter()
        .filter_map(|m| Some(m.user.as_ref()?.to_string()))
        .collect();
    users.sort();
    assert_eq!(
        users,
        ["local:ada", "local:bob", "local:mo"],
        "without the right everyone is a word"
    );
    let all = s.say("mo", "@everyone look, @here too").await;
    let kinds: Vec<MentionKind> = s.see(all).await.mentions.iter().map(|m| m.kind).collect();
    assert_eq!(kinds.len(), 2);
    assert!(kinds.contains(&MentionKind::Everyone) && kinds.contains(&MentionKind::Here));
    let (read, unread) = s.messages.unread(&user("ada"), 100).await.unwrap();
    assert_eq!((read, unread.messages, unread.mentions), (None, 2, 2));
    s.messages.mark(&user("ada"), id).await.unwrap();
    let (read, unread) = s.messages.unread(&user("ada"), 100).await.unwrap();
    assert_eq!((read, unread.messages, unread.mentions), (Some(id), 1, 1));
    assert!(
        !s.messages.mark(&user("ada"), id).await.unwrap(),
        "it never goes back"
    );
    // A marker in the room is the same.
    let _ = s.w.next("Bob").await;
    s.client_says(&format!(
        "<displayed xmlns='urn:xmpp:chat-markers:0' id='{all}'/>"
    ))
    .await;
    assert_eq!(s.messages.unread(&user("bob"), 100).await.unwrap().0, Some(all));
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

#[derive(Default)]
struct Looks(Mutex<Vec<(MessageId, String)>>);

impl Previewer for Looks {
    fn look(&self, _: WaddleId, _: ChannelId, message: MessageId, url: String) {
        self.0.lock().push((message, url));
    }
}

#[tokio::test]
async fn previews_come_behind() {
    let mut s = stage().await;
    let looks = Arc::new(Looks::default());
    s.w.rooms.set_previewer(looks.clone());
    let id = s.client_says("<body>see https://a.example/b.</body>").await;
    assert_eq!(*looks.0.lock(), [(id, "https://a.example/b".to_owned())]);
    let preview = messages::Preview {
        url: "https://a.example/b".into(),
        title: Some("A & B".into()),
        ..messages::Preview::default()
    };
    s.w.rooms
        .previewed(s.waddle, s.channel, id, preview.clone())
        .await;
    let came = s.w.next("Bob").await;
    let apply = came.root().child("apply-to", ns::FASTEN).unwrap();
    assert_eq!(apply.attr("id").unwrap(), id.to_string());
    assert!(apply.has("Description", "http://www.w3.org/1999/02/22-rdf-syntax-ns#"));
    assert_eq!(s.told().await.kind, NewsKind::Posted);
    assert_eq!(s.told().await.kind, NewsKind::Previewed(id));
    assert_eq!(s.see(id).await.preview.unwrap().title.as_deref(), Some("A & B"));
    s.act("bob", Act::Retract { id }).await.unwrap();
    assert!(s.see(id).await.preview.is_none());
    // One that comes too late is nobody's.
    let _ = s.w.next("Bob").await;
    s.w.rooms.previewed(s.waddle, s.channel, id, preview).await;
    s.client_says("<body>next</body>").await;
    assert!(s.see(id).await.preview.is_none());
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
