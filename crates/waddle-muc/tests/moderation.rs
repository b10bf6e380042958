//! Moderation in live rooms (`specs/moderation.md`): timeouts, slow mode, rules, purges, what follows from them
//! (XEP-0045, XEP-0425).

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]
#![expect(dead_code, reason = "the stage has more than these tests use")]

mod play;
#[path = "play/stage.rs"]
mod stage;

use std::time::Duration;

use play::text;
use stage::{ROOM, Stage, archive_id, body, error, user};
use waddle_community::{
    Actor, AuditFilter, PurgeRequest, RemovalKind, ReportState, SettingsChange, WaddleChange,
};
use waddle_core::{Limits, MessageId, SystemClock, time::Clock};
use waddle_messages::{Act, NewMessage};
use waddle_muc::PostError;
use waddle_stanza::{Stanza, ns};

/// Bob and Mo are in the room.
async fn stage_with(limits: Limits) -> Stage {
    let mut stage = Stage::open(limits, &[("bob", "bob"), ("mo", "mo")]).await;
    let came = stage.w.next("bob").await;
    assert_eq!(came.root().name(), "presence", "{}", text(&came));
    stage
}

async fn stage() -> Stage {
    stage_with(Limits::default()).await
}

fn soon(seconds: u64) -> waddle_core::Timestamp {
    SystemClock.now().plus(Duration::from_secs(seconds))
}

impl Stage {
    /// Somebody's client says something; what comes back to them.
    async fn says(&mut self, name: &str, inner: &str) -> Stanza {
        let xml = format!("<message type='groupchat' to='{ROOM}' id='m'>{inner}</message>");
        self.w.send(name, &xml);
        self.w.next(name).await
    }

    async fn say(&mut self, name: &str, words: &str) -> Stanza {
        self.says(name, &format!("<body>{words}</body>")).await
    }

    async fn id(&mut self, name: &str, words: &str) -> MessageId {
        archive_id(&self.say(name, words).await)
    }

    async fn appeal(&self, words: &str) {
        let change = WaddleChange {
            settings: SettingsChange {
                appeal: Some(words.to_owned()),
                ..SettingsChange::default()
            },
            ..WaddleChange::default()
        };
        let done = self.w.community.update_waddle(Actor::System, self.waddle, change);
        done.await.unwrap();
    }
}

/// What comes true by itself, as soon as it does.
async fn eventually<T>(mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let comes = async {
        loop {
            if let Some(found) = look().await {
                return found;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), comes)
        .await
        .unwrap()
}

#[tokio::test]
async fn a_timed_out_person_reads_on_and_is_told_until_when() {
    let mut s = stage().await;
    s.appeal("write to appeals@example.org").await;
    let until = soon(3);
    let c = s.w.community.clone();
    c.timeout_member(&user("mo"), s.waddle, &user("bob"), until, Some("shouting"))
        .await
        .unwrap();
    let shown = s.w.next("bob").await;
    let item = shown
        .root()
        .child("x", ns::MUC_USER)
        .unwrap()
        .child("item", ns::MUC_USER)
        .unwrap();
    assert_eq!(item.attr("role").as_deref(), Some("visitor"), "{}", text(&shown));
    assert!(text(&shown).contains("shouting"), "{}", text(&shown));
    let refused = s.say("bob", "but").await;
    let (kind, condition, why) = error(&refused);
    assert_eq!((&*kind, &*condition), ("auth", "forbidden"));
    assert!(
        why.contains(&until.to_string()) && why.contains("shouting") && why.contains("appeals@example.org")
    );
    // The same through HTTP, and in private to others, but not to moderators.
    let said =
        s.w.rooms
            .act(
                &user("bob"),
                s.waddle,
                s.channel,
                Act::Say(NewMessage::text("but")),
            )
            .await;
    assert!(said.is_err());
    let whisper =
        |to: &str| format!("<message type='chat' to='{ROOM}/{to}' id='p'><body>psst</body></message>");
    s.w.send("bob", &whisper("mo"));
    loop {
        let came = s.w.next("mo").await;
        if body(&came) == "psst" {
            break;
        }
    }
    assert!(s.say("mo", "hush").await.type_().as_deref() == Some("groupchat"));
    assert_eq!(body(&s.w.next("bob").await), "hush", "they read on");
    // When it is over they speak again, without anybody doing anything.
    let shown = s.w.next("bob").await;
    assert!(text(&shown).contains("participant"), "{}", text(&shown));
    assert_eq!(body(&s.say("bob", "sorry").await), "sorry");
}

#[tokio::test]
async fn who_is_banned_reads_how_to_appeal_and_nobody_else_learns_more() {
    let mut s = stage().await;
    s.appeal("appeals@example.org").await;
    let c = s.w.community.clone();
    c.remove_member(
        &user("mo"),
        s.waddle,
        &user("bob"),
        RemovalKind::Banned,
        Some("spam"),
    )
    .await
    .unwrap();
    let gone = s.w.next("bob").await;
    assert!(
        text(&gone).contains("spam") && text(&gone).contains("appeals@example.org"),
        "{}",
        text(&gone)
    );
    s.w.connect("eve").await;
    for room in [ROOM, "penguins.nothing@muc.localhost"] {
        let knock = format!("<presence to='{room}/x'><x xmlns='http://jabber.org/protocol/muc'/></presence>");
        s.w.send("bob", &knock);
        let (_, condition, why) = error(&s.w.next("bob").await);
        assert_eq!(condition, "forbidden");
        assert!(why.contains("appeals@example.org"), "{why}");
        s.w.send("eve", &knock);
        let (_, condition, why) = error(&s.w.next("eve").await);
        assert!(condition == "forbidden" && !why.contains("banned"), "{why}");
    }
}

#[tokio::test]
async fn slow_mode_is_a_persons_over_all_clients_and_outlives_the_room() {
    let mut s = stage().await;
    s.w.connect("bob/other").await;
    s.w.join("bob/other", ROOM, "bob").await;
    s.slow(60).await;
    s.w.send(
        "bob",
        &format!("<message type='groupchat' to='{ROOM}' id='m'><body>one</body></message>"),
    );
    while body(&s.w.next("bob").await) != "one" {}
    let too_soon = |came: &Stanza| {
        let (kind, condition, why) = error(came);
        assert_eq!((&*kind, &*condition), ("wait", "policy-violation"));
        assert!(why.contains(" s and send it again"), "{why}");
    };
    too_soon(&s.say("bob", "two").await);
    s.w.send(
        "bob/other",
        &format!("<message type='groupchat' to='{ROOM}' id='x'><body>three</body></message>"),
    );
    loop {
        let came = s.w.next("bob/other").await;
        if came.is_type("error") {
            too_soon(&came);
            break;
        }
    }
    let said =
        s.w.rooms
            .act(
                &user("bob"),
                s.waddle,
                s.channel,
                Act::Say(NewMessage::text("four")),
            )
            .await;
    assert!(said.is_err(), "over HTTP too");
    // What is nothing new need not wait, nor moderators.
    let state = "<active xmlns='http://jabber.org/protocol/chatstates'/>";
    assert!(!s.says("bob", state).await.is_type("error"));
    for _ in 0..2 {
        let came = s.say("mo", "order").await;
        assert!(!came.is_type("error"), "{}", text(&came));
    }
    s.w.restart().await;
    s.w.clients.clear();
    s.w.connect("bob").await;
    s.w.join("bob", ROOM, "bob").await;
    too_soon(&s.say("bob", "five").await);
    s.slow(0).await;
    assert_eq!(body(&s.say("bob", "six").await), "six");
}

#[tokio::test]
async fn rules_hold_for_messages_corrections_http_webhooks_and_private_messages() {
    let mut s = stage().await;
    s.rule(r#"{"name":"manners","kind":"words","words":["vile"]}"#)
        .await;
    s.rule(r#"{"name":"stars","kind":"words","words":["darn"],"then":"replace"}"#)
        .await;
    let refused = |came: &Stanza| {
        let (kind, condition, why) = error(came);
        assert_eq!((&*kind, &*condition), ("modify", "policy-violation"), "{why}");
        assert!(why.contains("manners"), "{why}");
    };
    refused(&s.say("bob", "how V1LE").await);
    assert_eq!(body(&s.say("bob", "darn it").await), "**** it");
    assert_eq!(body(&s.w.next("mo").await), "**** it");
    let correction = "<body>vile</body><replace xmlns='urn:xmpp:message-correct:0' id='m'/>";
    refused(&s.says("bob", correction).await);
    let link = "<body>x</body><x xmlns='jabber:x:oob'><url>https://vile.example</url></x>";
    refused(&s.says("bob", link).await);
    let act = |t: &str| Act::Say(NewMessage::text(t));
    assert!(
        s.w.rooms
            .act(&user("bob"), s.waddle, s.channel, act("so vile"))
            .await
            .is_err()
    );
    s.w.send(
        "bob",
        &format!("<message type='chat' to='{ROOM}/mo' id='p'><body>vile</body></message>"),
    );
    refused(&s.w.next("bob").await);
    let post = |words: &str| s.post("Hook", words);
    assert_eq!(s.w.rooms.post(post("vile")).await, Err(PostError::Rule));
    s.w.rooms.post(post("darn")).await.unwrap();
    assert_eq!(body(&s.w.next("bob").await), "****");
    // Moderators are spared.
    while body(&s.w.next("mo").await) != "****" {}
    assert_eq!(body(&s.say("mo", "do not say vile").await), "do not say vile");
    let kept = s.kept().await;
    assert_eq!(
        kept,
        ["**** it", "****", "do not say vile"],
        "nothing else is stored"
    );
}

#[tokio::test]
async fn a_rule_reports_and_silences() {
    let mut s = stage().await;
    s.rule(r#"{"name":"spam","kind":"links","deny":["spam.example"],"then":"remove","timeout_seconds":600,"report":true}"#)
        .await;
    let watch = r#"{"name":"watch","kind":"words","words":["help"],"then":"pass","report":true}"#;
    s.rule(watch).await;
    let passed = s.id("bob", "help").await;
    let mut events = s.w.community.events();
    let (_, _, why) = error(&s.say("bob", "see https://spam.example/x").await);
    assert!(
        !why.contains("spam"),
        "a removed message does not name its rule: {why}"
    );
    loop {
        if matches!(
            events.recv().await.unwrap(),
            waddle_community::Event::TimedOut { .. }
        ) {
            break;
        }
    }
    assert!(
        s.w.community
            .access(s.waddle)
            .await
            .unwrap()
            .timeout_of(&user("bob"))
            .is_some()
    );
    // Both are written aside: the newest is the last to come.
    let reports = loop {
        let found =
            s.w.community
                .reports(&user("mo"), s.waddle, None, None, 9)
                .await
                .unwrap();
        if found.len() == 2 {
            break found;
        }
        let _ = tokio::time::timeout(Duration::from_secs(5), events.recv())
            .await
            .unwrap();
    };
    let watched = reports.iter().find(|r| r.reason == "watch").unwrap();
    assert_eq!(watched.message.as_deref(), Some(&*passed.to_string()));
    assert_eq!(watched.reported, Some(user("bob")));
    let spam = reports.iter().find(|r| r.reason == "spam").unwrap();
    assert_eq!((spam.message.as_deref(), spam.state), (None, ReportState::Open));
    assert_eq!(spam.excerpt.as_deref(), Some("see https://spam.example/x"));
    assert!(
        s.w.community
            .reports(&user("bob"), s.waddle, None, None, 9)
            .await
            .is_err()
    );
}

#[tokio::test]
async fn a_purge_takes_what_somebody_said_and_nothing_else() {
    let limits = Limits {
        purge_rows: 7,
        purge_batch: 2,
        purge_pause_ms: 1,
        ..Limits::default()
    };
    let mut s = stage_with(limits).await;
    let mut mine = Vec::new();
    for n in 0..8 {
        mine.push(s.id("bob", &format!("spam {n}")).await);
        s.w.next("mo").await;
        s.id("mo", &format!("order {n}")).await;
        s.w.next("bob").await;
    }
    let correction = "<body>still spam</body><replace xmlns='urn:xmpp:message-correct:0' id='m'/>";
    s.says("bob", correction).await;
    s.w.next("mo").await;
    let c = s.w.community.clone();
    let request = || PurgeRequest {
        reason: Some("spam".into()),
        ..PurgeRequest::default()
    };
    let bob = user("bob");
    assert!(
        c.start_purge(&bob, s.waddle, &user("mo"), request())
            .await
            .is_err()
    );
    assert!(
        c.start_purge(&user("mo"), s.waddle, &user("ada"), request())
            .await
            .is_err()
    );
    let last = PurgeRequest {
        last: Some(2),
        ..request()
    };
    let first = c.start_purge(&user("mo"), s.waddle, &bob, last).await.unwrap();
    let told = |came: &Stanza| {
        let r = came.root().child("retract", ns::RETRACT);
        let r = r.unwrap_or_else(|| panic!("{}", text(came)));
        assert!(r.has("moderated", ns::MODERATE), "{}", text(came));
        r.attr("id").unwrap().parse::<MessageId>().unwrap()
    };
    let mut gone = vec![told(&s.w.next("bob").await), told(&s.w.next("bob").await)];
    gone.sort();
    assert_eq!(
        gone,
        mine[6..],
        "the last two, corrections with what they correct"
    );
    c.start_purge(&user("mo"), s.waddle, &bob, request())
        .await
        .unwrap();
    let mut rest = Vec::new();
    for _ in 0..6 {
        rest.push(told(&s.w.next("bob").await));
    }
    rest.sort();
    assert_eq!(rest, mine[..6]);
    // The second is finished: the log says so.
    let filter = || AuditFilter {
        action: Some("messages.purged".into()),
        ..AuditFilter::default()
    };
    let log = eventually(async || {
        let log = c.find_audit(Actor::System, s.waddle, filter(), None, 9).await;
        Some(log.unwrap()).filter(|log| log.len() == 2)
    })
    .await;
    assert!(
        log[0].detail.starts_with("6 ") && log[1].detail.starts_with("2 "),
        "{log:?}"
    );
    let done = c.purge(&user("mo"), s.waddle, first.id).await.unwrap();
    assert!(done.finished_at.is_some() && done.removed == 2);
    let kept = s.kept().await;
    assert_eq!(kept, (0..8).map(|n| format!("order {n}")).collect::<Vec<_>>());
    // Newcomers hear nothing of it.
    s.w.connect("ada").await;
    s.w.send(
        "ada",
        &format!("<presence to='{ROOM}/ada'><x xmlns='http://jabber.org/protocol/muc'/></presence>"),
    );
    loop {
        let came = s.w.next("ada").await;
        assert!(!text(&came).contains("spam 0"), "{}", text(&came));
        if came.root().has("subject", ns::CLIENT) {
            break;
        }
    }
}

#[tokio::test]
async fn a_purge_goes_on_after_a_restart() {
    let limits = Limits {
        purge_rows: 3,
        purge_batch: 1,
        purge_pause_ms: 5,
        ..Limits::default()
    };
    let mut s = stage_with(limits).await;
    for n in 0..12 {
        s.id("bob", &format!("spam {n}")).await;
    }
    let c = s.w.community.clone();
    c.start_purge(Actor::System, s.waddle, &user("bob"), PurgeRequest::default())
        .await
        .unwrap();
    // In the middle of it.
    loop {
        let came = s.w.next("bob").await;
        if came.root().has("retract", ns::RETRACT) {
            break;
        }
    }
    s.w.restart().await;
    eventually(async || {
        let open = s.w.community.next_purge(s.waddle).await.unwrap();
        open.is_none().then_some(())
    })
    .await;
    assert!(s.kept().await.is_empty(), "{:?}", s.kept().await);
}

#[tokio::test]
async fn what_moderators_do_in_the_room_is_in_the_log() {
    let mut s = stage().await;
    let said = s.id("bob", "hm").await;
    s.w.next("mo").await;
    let moderate = format!(
        "<iq type='set' id='r' to='{ROOM}'><moderate xmlns='urn:xmpp:message-moderate:1' id='{said}'>\
         <retract xmlns='urn:xmpp:message-retract:1'/><reason>why</reason></moderate></iq>"
    );
    s.w.send("mo", &moderate);
    let kick = format!(
        "<iq type='set' id='k' to='{ROOM}'><query xmlns='http://jabber.org/protocol/muc#admin'>\
         <item nick='bob' role='none'><reason>out</reason></item></query></iq>"
    );
    s.w.send("mo", &kick);
    loop {
        if s.w.next("mo").await.id().as_deref() == Some("k") {
            break;
        }
    }
    let (kicked, retracted) = eventually(async || {
        let log = s.w.community.audit(&user("ada"), s.waddle, None, 50).await;
        let log = log.unwrap();
        let of = |action: &str| log.iter().find(|e| e.action == action).cloned();
        of("occupant.kick").zip(of("message.retract"))
    })
    .await;
    assert_eq!(
        (&kicked.actor, &*kicked.target),
        (&Some(user("mo")), "user:local:bob")
    );
    assert_eq!(kicked.reason.as_deref(), Some("out"));
    assert_eq!(retracted.target, format!("message:{said}"));
    assert_eq!(
        (retracted.reason.as_deref(), retracted.via.as_deref()),
        (Some("why"), Some("xmpp"))
    );
}
