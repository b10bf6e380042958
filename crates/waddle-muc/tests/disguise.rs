//! What calls itself something else (`specs/moderation.md`, `specs/messages.md`): corrections of what is no message, lines that
//! a purge would leave, texts in presence and invitations, pages that say of themselves what nobody may say, nicknames that
//! take somebody's mentions (XEP-0045, XEP-0308, XEP-0333, XEP-0372, XEP-0424, XEP-0444).

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]
#![expect(dead_code, reason = "the stage has more than these tests use")]

mod play;
#[path = "play/stage.rs"]
mod stage;

use std::{sync::Arc, time::Duration};

use parking_lot::Mutex;
use play::text;
use stage::{ROOM, Stage, archive_id, body, user};
use waddle_community::{Actor, ChannelChange, PurgeRequest, Role};
use waddle_core::{Limits, MessageId, SystemClock, time::Clock};
use waddle_messages::{Act, ChannelMessages, NewMessage, Viewer};
use waddle_stanza::{Stanza, ns};
use waddle_storage::repo::messages::Preview;

/// Bob and Mo are in the room.
async fn stage() -> Stage {
    Stage::open(Limits::default(), &[("bob", "bob"), ("mo", "mo")]).await
}

fn condition(s: &Stanza) -> String {
    stage::error(s).1
}

impl Stage {
    /// What comes to somebody next that is so.
    async fn until(&mut self, name: &str, is: impl Fn(&Stanza) -> bool) -> Stanza {
        loop {
            let came = self.w.next(name).await;
            if is(&came) {
                return came;
            }
        }
    }

    /// Bob's client says something; the message, or its refusal, as it comes back.
    async fn says(&mut self, id: &str, inner: &str) -> Stanza {
        let xml = format!("<message type='groupchat' to='{ROOM}' id='{id}'>{inner}</message>");
        self.w.send("bob", &xml);
        self.until("bob", |s| s.id().as_deref() == Some(id)).await
    }

    async fn act(&self, name: &str, act: Act) -> MessageId {
        self.w
            .rooms
            .act(&user(name), self.waddle, self.channel, act)
            .await
            .unwrap()
    }

    async fn say(&self, name: &str, words: &str) -> MessageId {
        self.act(name, Act::Say(NewMessage::text(words))).await
    }

    async fn timeout(&self, name: &str) {
        let until = SystemClock.now().plus(Duration::from_secs(600));
        let c = &self.w.community;
        c.timeout_member(Actor::System, self.waddle, &user(name), until, Some("shouting"))
            .await
            .unwrap();
    }

    async fn messages(&self) -> ChannelMessages {
        ChannelMessages::open(&self.w.community, self.waddle, self.channel)
            .await
            .unwrap()
    }
}

#[tokio::test]
async fn only_what_people_read_can_be_corrected() {
    let mut s = stage().await;
    let change = ChannelChange {
        slow_mode_seconds: Some(600),
        ..ChannelChange::default()
    };
    let first = archive_id(&s.says("first", "<body>one</body>").await);
    s.w.community
        .update_channel(Actor::System, s.waddle, s.channel, change)
        .await
        .unwrap();
    let react =
        format!("<reactions xmlns='urn:xmpp:reactions:0' id='{first}'><reaction>👍</reaction></reactions>");
    archive_id(&s.says("r", &react).await);
    let mark = format!("<displayed xmlns='urn:xmpp:chat-markers:0' id='{first}'/>");
    archive_id(&s.says("m", &mark).await);
    // The room has heard of slow mode when a correction of nothing is refused.
    let replace =
        |id: &str| format!("<body>more</body><replace xmlns='urn:xmpp:message-correct:0' id='{id}'/>");
    let mut n = 0;
    while archive_slow(&s.says(&format!("w{n}"), &replace("nonsense")).await) {
        n += 1;
    }
    for id in ["r", "m"] {
        let came = s.says("4", &replace(id)).await;
        assert_eq!(condition(&came), "item-not-found", "{id}: {}", text(&came));
    }
    assert!(!s.says("5", &replace("first")).await.is_type("error"));
}

/// Whether it was taken: the room does not know of slow mode yet.
fn archive_slow(s: &Stanza) -> bool {
    !s.is_type("error")
}

#[tokio::test]
async fn a_purge_takes_what_only_calls_itself_something_else() {
    let mut s = stage().await;
    let mine = archive_id(&s.says("0", "<body>plain</body>").await);
    for (id, inner) in [
        ("1", "<body>a</body><replace xmlns='urn:example'/>"),
        ("2", "<body>b</body><retract xmlns='urn:example'/>"),
        ("3", "<body>c</body><reactions xmlns='urn:example'/>"),
        ("4", "<body>d</body><reactions xmlns='urn:xmpp:reactions:0'/>"),
        (
            "5",
            "<body>e</body><replace xmlns='urn:xmpp:message-correct:0' id='nothing'/>",
        ),
        (
            "6",
            "<body>f</body><apply-to xmlns='urn:xmpp:fasten:0' id='x'><retract xmlns='urn:xmpp:message-retract:0'/></apply-to>",
        ),
        (
            "7",
            "<x xmlns='jabber:x:oob'><url>https://g.example/</url></x><reactions xmlns='urn:xmpp:reactions:0'/>",
        ),
    ] {
        archive_id(&s.says(id, inner).await);
    }
    let words = format!("<body>look</body><reactions xmlns='urn:xmpp:reactions:0' id='{mine}'/>");
    archive_id(&s.says("8", &words).await);
    // These go with what they are about.
    let edit = "<body>plainer</body><replace xmlns='urn:xmpp:message-correct:0' id='0'/>";
    archive_id(&s.says("9", edit).await);
    let other = s.say("mo", "hello").await;
    let react = format!(
        "<body>👍</body><reactions xmlns='urn:xmpp:reactions:0' id='{other}'><reaction>👍</reaction></reactions>"
    );
    archive_id(&s.says("10", &react).await);
    let c = s.w.community.clone();
    c.start_purge(&user("mo"), s.waddle, &user("bob"), PurgeRequest::default())
        .await
        .unwrap();
    for _ in 0..9 {
        s.until("bob", |m| m.root().has("retract", ns::RETRACT)).await;
    }
    assert_eq!(s.kept().await, ["hello", "👍"]);
}

#[tokio::test]
async fn a_status_is_said_like_anything_else() {
    let mut s = stage().await;
    s.rule(r#"{"name":"manners","kind":"words","words":["vile"]}"#)
        .await;
    let of_bob =
        |m: &Stanza| m.root().name() == "presence" && m.from().unwrap().unwrap().resource() == Some("bob");
    let show = |status: &str| {
        format!("<presence to='{ROOM}/bob'><show>away</show><status>{status}</status></presence>")
    };
    for (status, passes) in [
        ("fishing", true),
        ("how vile", false),
        (&*"x".repeat(20_000), false),
    ] {
        s.w.send("bob", &show(status));
        let seen = s
            .until("mo", |m| of_bob(m) && m.root().has("show", ns::CLIENT))
            .await;
        assert_eq!(seen.root().has("status", ns::CLIENT), passes, "{}", text(&seen));
    }
    s.timeout("bob").await;
    s.until("bob", |m| {
        m.root().name() == "presence" && text(m).contains("visitor")
    })
    .await;
    s.w.send("bob", &show("but"));
    s.w.send("bob", &format!("<presence id='n' to='{ROOM}/censored'/>"));
    let came = s.until("bob", |m| m.is_type("error")).await;
    assert_eq!(condition(&came), "forbidden");
    s.until("mo", |m| {
        of_bob(m) && text(m).contains("visitor") && text(m).contains("<show>")
    })
    .await;
    s.w.send(
        "bob",
        &format!("<presence type='unavailable' to='{ROOM}/bob'><status>and now</status></presence>"),
    );
    let left = s.until("mo", |m| m.is_type("unavailable")).await;
    assert!(!left.root().has("status", ns::CLIENT), "{}", text(&left));
}

#[tokio::test]
async fn reasons_of_invitations_are_said_like_anything_else() {
    let mut s = stage().await;
    s.rule(r#"{"name":"manners","kind":"words","words":["vile"]}"#)
        .await;
    let about = |what: &str, reason: &str| {
        format!(
            "<message id='i' to='{ROOM}'><x xmlns='http://jabber.org/protocol/muc#user'>\
             <{what} to='mo@localhost'><reason>{reason}</reason></{what}></x></message>"
        )
    };
    for what in ["invite", "decline"] {
        s.w.send("bob", &about(what, "how vile"));
        let came = s.until("bob", |m| m.id().as_deref() == Some("i")).await;
        assert_eq!(condition(&came), "policy-violation", "{what}");
    }
    s.w.send("bob", &about("decline", "no time"));
    let came = s
        .until("mo", |m| {
            m.root().name() == "message" && m.root().has("x", ns::MUC_USER)
        })
        .await;
    assert!(text(&came).contains("no time"));
    s.timeout("bob").await;
    for what in ["invite", "decline"] {
        s.w.send("bob", &about(what, "no time"));
        let came = s.until("bob", |m| m.id().as_deref() == Some("i")).await;
        assert_eq!(condition(&came), "forbidden", "{what}");
    }
}

#[tokio::test]
async fn what_a_page_says_of_itself_is_held_against_the_rules() {
    let mut s = stage().await;
    s.rule(r#"{"name":"manners","kind":"words","words":["vile"]}"#)
        .await;
    let id = archive_id(&s.says("1", "<body>see https://page.example/</body>").await);
    let page = |title: &str| Preview {
        url: "https://page.example/".into(),
        title: Some(title.into()),
        ..Preview::default()
    };
    s.w.rooms
        .previewed(s.waddle, s.channel, id, page("How vile"))
        .await;
    s.w.rooms
        .previewed(s.waddle, s.channel, id, page("How nice"))
        .await;
    let came = s.until("bob", |m| m.root().has("apply-to", ns::FASTEN)).await;
    assert!(text(&came).contains("How nice"), "{}", text(&came));
    let seen = async |s: &Stage| {
        s.messages()
            .await
            .get(&Viewer::public(), id)
            .await
            .unwrap()
            .preview
    };
    assert_eq!(seen(&s).await.unwrap().title.as_deref(), Some("How nice"));
    // A correction without the link takes its preview along, also one that comes late.
    let edit =
        |words: &str| format!("<body>{words}</body><replace xmlns='urn:xmpp:message-correct:0' id='1'/>");
    s.says("2", &edit("still https://page.example/")).await;
    assert!(seen(&s).await.is_some());
    s.says("3", &edit("nothing to see")).await;
    assert!(seen(&s).await.is_none());
    s.w.rooms.previewed(s.waddle, s.channel, id, page("Late")).await;
    s.says("4", "<body>x</body>").await;
    assert!(seen(&s).await.is_none());
}

#[tokio::test]
async fn nobody_takes_a_members_mentions_by_a_nickname() {
    let mut s = stage().await;
    s.w.add("penguins", "zoe", Role::Member).await;
    s.w.send("bob", &format!("<presence to='{ROOM}/zoe'/>"));
    s.until("mo", |m| text(m).contains("/zoe") && !m.is_type("unavailable"))
        .await;
    let id = s.say("ada", "hello @zoe").await;
    let viewer = Viewer {
        user: Some(user("ada")),
        addresses: true,
    };
    let seen = s.messages().await.get(&viewer, id).await.unwrap();
    let mut all: Vec<_> = seen.mentions.into_iter().filter_map(|m| m.user).collect();
    all.sort();
    assert_eq!(all, [user("bob"), user("zoe")]);
}

#[tokio::test]
async fn a_marker_is_told_once_and_never_goes_back() {
    let mut s = stage().await;
    let told: Arc<Mutex<Vec<MessageId>>> = Arc::default();
    let hears = told.clone();
    s.w.rooms
        .set_reading(Arc::new(move |_, _, id| hears.lock().push(id)));
    let (one, two) = (s.say("ada", "1").await, s.say("ada", "2").await);
    let mark = |id: MessageId| format!("<displayed xmlns='urn:xmpp:chat-markers:0' id='{id}'/>");
    let far = MessageId(i64::MAX / 2);
    for (n, id) in [two, one, two].into_iter().enumerate() {
        archive_id(&s.says(&format!("m{n}"), &mark(id)).await);
    }
    s.says("x", "<body>x</body>").await;
    assert_eq!(*told.lock(), [two]);
    let own = archive_id(&s.says("far", &mark(far)).await);
    s.says("y", "<body>y</body>").await;
    assert_eq!(*told.lock(), [two, own], "nobody has read what is not said");
    // Who came later has read what was said before.
    s.w.add("penguins", "zoe", Role::Member).await;
    assert_eq!(
        s.messages()
            .await
            .unread(&user("zoe"), 100)
            .await
            .unwrap()
            .1
            .messages,
        0
    );
    s.say("ada", "3").await;
    assert_eq!(
        s.messages()
            .await
            .unread(&user("zoe"), 100)
            .await
            .unwrap()
            .1
            .messages,
        1
    );
}

#[tokio::test]
async fn a_client_of_any_name_stays_while_its_owner_acts_elsewhere() {
    let mut s = stage().await;
    s.w.connect("ada/http").await;
    s.w.join("ada/http", ROOM, "ada").await;
    s.say("ada", "from afar").await;
    s.say("mo", "here").await;
    s.until("ada/http", |m| body(m) == "from afar").await;
    s.until("ada/http", |m| body(m) == "here").await;
}

#[tokio::test]
async fn who_is_timed_out_takes_back_their_words_and_says_nothing_with_it() {
    let mut s = stage().await;
    let one = archive_id(&s.says("1", "<body>one</body>").await);
    let two = archive_id(&s.says("2", "<body>two</body>").await);
    s.timeout("bob").await;
    s.until("bob", |m| {
        m.root().name() == "presence" && text(m).contains("visitor")
    })
    .await;
    s.act("bob", Act::Retract { id: one }).await;
    let retract = |id: MessageId| {
        format!(
            "<retract xmlns='urn:xmpp:message-retract:1' id='{id}'/><body>but</body><x xmlns='jabber:x:oob'/>"
        )
    };
    let came = s.says("3", &retract(two)).await;
    assert!(
        came.root().has("retract", ns::RETRACT) && body(&came).is_empty(),
        "{}",
        text(&came)
    );
    assert!(!came.root().has("x", "jabber:x:oob"));
    let hello = s.say("mo", "hello").await;
    assert_eq!(
        condition(&s.says("4", &retract(hello)).await),
        "forbidden",
        "somebody else's"
    );
    assert_eq!(condition(&s.says("5", "<body>but</body>").await), "forbidden");
    assert_eq!(s.kept().await, ["hello"]);
}
