//! Moderation by command (XEP-0050) and reports that come with a block (XEP-0191, XEP-0377).

use waddle_community::{Actor, Event, NewWaddle, ReportSource, Role};

use super::{COMMANDS, completed, people, run, text, user};
use crate::support::{World, body, condition, world};

struct Pond {
    w: World,
    waddle: waddle_core::WaddleId,
}

/// Alice owns the waddle, Mo moderates, Bob is a member.
async fn pond() -> Pond {
    let w = world().await;
    people(&w, &["alice", "mo", "bob", "eve"]).await;
    let new = NewWaddle::new("pond".parse().unwrap(), "Pond");
    let waddle = w.community.create_waddle(&user("alice"), new).await.unwrap().id;
    for (name, role) in [("mo", Role::Moderator), ("bob", Role::Member)] {
        w.community
            .add_member(Actor::System, waddle, &user(name), role)
            .await
            .unwrap();
    }
    Pond { w, waddle }
}

#[tokio::test]
async fn moderators_do_all_of_it_by_command() {
    let p = pond().await;
    let mut mo = p.w.online("mo", "one").await;
    let mut bob = p.w.online("bob", "two").await;
    let (room, spaces) = ("pond.general@muc.waddle.test", "spaces.waddle.test");
    let listed = |to: &str| {
        format!(
            "<iq type='get' id='l' to='{to}'><query xmlns='http://jabber.org/protocol/disco#items' node='{COMMANDS}'/></iq>"
        )
    };
    for to in [room, spaces] {
        let mine = mo.request(&listed(to)).await;
        assert!(
            text(&mine).contains("urn:waddle:moderation#timeout"),
            "{}",
            text(&mine)
        );
        let theirs = bob.request(&listed(to)).await;
        assert!(
            !text(&theirs).contains("urn:waddle:moderation"),
            "{}",
            text(&theirs)
        );
        let denied = run(
            &mut bob,
            to,
            "urn:waddle:moderation#ban",
            &[("jid", "mo@waddle.test")],
        )
        .await;
        assert_eq!(condition(&denied), "forbidden");
    }
    let timeout = [
        ("jid", "bob@waddle.test"),
        ("minutes", "5"),
        ("reason", "shouting"),
    ];
    let done = run(&mut mo, room, "urn:waddle:moderation#timeout", &timeout).await;
    assert!(completed(&done).contains("until"));
    let access = p.w.community.access(p.waddle).await.unwrap();
    assert_eq!(
        access.timeout_of(&user("bob")).unwrap().reason.as_deref(),
        Some("shouting")
    );
    let end = [("waddle", "pond"), ("jid", "bob@waddle.test")];
    completed(&run(&mut mo, spaces, "urn:waddle:moderation#end-timeout", &end).await);
    assert!(access.timeout_of(&user("bob")).is_none());
    let above = run(
        &mut mo,
        room,
        "urn:waddle:moderation#ban",
        &[("jid", "alice@waddle.test")],
    )
    .await;
    assert_eq!(condition(&above), "forbidden", "owners are above moderators");
    let ban = [
        ("jid", "bob@waddle.test"),
        ("hours", "2"),
        ("reason", "spam"),
        ("purge", "1"),
    ];
    completed(&run(&mut mo, room, "urn:waddle:moderation#ban", &ban).await);
    assert!(access.is_banned(&user("bob")));
    let kept =
        p.w.community
            .ban_of(p.waddle, &user("bob"))
            .await
            .unwrap()
            .unwrap();
    assert!(kept.expires_at.is_some() && kept.reason.as_deref() == Some("spam"));
    // The log says from where it came.
    let log =
        p.w.community
            .audit(&user("alice"), p.waddle, None, 50)
            .await
            .unwrap();
    let banned = log.iter().find(|e| e.action == "member.ban").unwrap();
    assert_eq!(banned.actor, Some(user("mo")));
    assert_eq!(
        (banned.via.as_deref(), banned.address.as_deref()),
        (Some("xmpp"), Some("127.0.0.1"))
    );
    assert!(
        log.iter()
            .any(|e| e.action == "messages.purge" && e.target == "user:local:bob")
    );
    completed(
        &run(
            &mut mo,
            room,
            "urn:waddle:moderation#unban",
            &[("jid", "bob@waddle.test")],
        )
        .await,
    );
    assert!(!access.is_banned(&user("bob")));
}

/// XEP-0377: a report on a message of a channel reaches the moderators of its waddle.
#[tokio::test]
async fn a_report_with_a_block_reaches_the_moderators() {
    let p = pond().await;
    let mut mo = p.w.online("mo", "one").await;
    let mut bob = p.w.online("bob", "two").await;
    let room = "pond.general@muc.waddle.test";
    bob.send(&format!(
        "<presence to='{room}/Bob'><x xmlns='http://jabber.org/protocol/muc'/></presence>"
    ))
    .await;
    bob.sync().await;
    bob.send(&format!(
        "<message to='{room}' type='groupchat' id='g'><body>buy this</body></message>"
    ))
    .await;
    let id = loop {
        let s = bob.message().await;
        if body(&s) == "buy this" {
            let sid = s.root().child("stanza-id", "urn:xmpp:sid:0").unwrap();
            break sid.attr("id").unwrap().into_owned();
        }
    };
    let mut events = p.w.community.events();
    let report = format!(
        "<iq type='set' id='b'><block xmlns='urn:xmpp:blocking'><item jid='{room}/Bob'>\
         <report xmlns='urn:xmpp:reporting:1' reason='urn:xmpp:reporting:spam'>\
         <stanza-id xmlns='urn:xmpp:sid:0' by='{room}' id='{id}'/><text>again</text></report></item></block></iq>"
    );
    let mut alice = p.w.online("alice", "three").await;
    alice.request(&report).await;
    loop {
        if matches!(
            events.recv().await.unwrap(),
            Event::ReportFiled { fresh: true, .. }
        ) {
            break;
        }
    }
    let notice = mo.message().await;
    assert!(body(&notice).contains("Pond was reported"), "{}", text(&notice));
    let listed = run(
        &mut mo,
        "spaces.waddle.test",
        "urn:waddle:moderation#reports",
        &[],
    )
    .await;
    assert!(
        text(&listed).contains("buy this") && text(&listed).contains("local:alice"),
        "{}",
        text(&listed)
    );
    let (reports, context) = {
        let all =
            p.w.community
                .reports(&user("mo"), p.waddle, None, None, 9)
                .await
                .unwrap();
        p.w.community
            .report(&user("mo"), p.waddle, all[0].id)
            .await
            .unwrap()
    };
    assert_eq!(
        (reports.source, reports.reported),
        (ReportSource::Xmpp, Some(user("bob")))
    );
    assert_eq!((reports.text.as_deref(), context.len()), (Some("again"), 1));
    let number = reports.id.to_string();
    let close = [
        ("report", number.as_str()),
        ("state", "resolved"),
        ("action", "retracted"),
    ];
    let done = run(&mut mo, room, "urn:waddle:moderation#handle-report", &close).await;
    assert!(completed(&done).contains("resolved"));
    let log =
        p.w.community
            .audit(&user("alice"), p.waddle, None, 9)
            .await
            .unwrap();
    assert!(
        log.iter()
            .any(|e| e.action == "report.resolve" && e.detail == "retracted")
    );
}
