//! Direct messages by consent, small private groups, and moderation by command (`specs/moderation.md`; XEP-0050, XEP-0191,
//! XEP-0377, XEP-0402).

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod support;

use support::{Client, World, body, condition, world, world_with};
use waddle_community::{Actor, Event, NewWaddle, ReportSource, Role};
use waddle_core::{UserId, limits::Rate};
use waddle_stanza::{Stanza, forms::Form};
use waddle_storage::repo::direct::RequestPolicy;
use waddle_xmpp::direct::{DirectError, Own, groups::Added};

const COMMANDS: &str = "http://jabber.org/protocol/commands";
const DELAY: &str = "urn:xmpp:delay";

/// A stanza as text, with one kind of quotes.
fn text(s: &Stanza) -> String {
    support::text(s).replace('"', "'")
}

fn user(name: &str) -> UserId {
    UserId::local(name)
}

fn own(name: &str) -> Own {
    Own {
        bare: format!("{name}@waddle.test").parse().unwrap(),
        user: user(name),
    }
}

async fn people(w: &World, names: &[&str]) {
    for name in names {
        w.account(name).await;
    }
}

fn say(to: &str, words: &str) -> String {
    format!("<message to='{to}@waddle.test' type='chat' id='{words}'><body>{words}</body></message>")
}

/// Runs a command with these answers; its last stanza.
async fn run(c: &mut Client, to: &str, node: &str, fields: &[(&str, &str)]) -> Stanza {
    let fields: String = fields
        .iter()
        .map(|(var, value)| format!("<field var='{var}'><value>{value}</value></field>"))
        .collect();
    let form = format!("<x xmlns='jabber:x:data' type='submit'>{fields}</x>");
    let xml = format!(
        "<iq type='set' id='c' to='{to}'><command xmlns='{COMMANDS}' node='{node}' action='execute'>{form}</command></iq>"
    );
    c.send(&xml).await;
    loop {
        let s = c.next().await;
        if s.id().as_deref() == Some("c") {
            return s;
        }
    }
}

fn completed(s: &Stanza) -> String {
    let command = s.root().child("command", COMMANDS);
    let command = command.unwrap_or_else(|| panic!("{}", text(s)));
    assert_eq!(command.attr("status").unwrap(), "completed", "{}", text(s));
    command
        .child_text("note", COMMANDS)
        .unwrap_or_default()
        .into_owned()
}

/// The options of the form that a command begins with.
async fn options(c: &mut Client, to: &str, node: &str, var: &str) -> Vec<String> {
    let xml = format!("<iq type='set' id='c' to='{to}'><command xmlns='{COMMANDS}' node='{node}'/></iq>");
    c.send(&xml).await;
    loop {
        let s = c.next().await;
        if s.id().as_deref() != Some("c") {
            continue;
        }
        let form = s.root().child("command", COMMANDS).and_then(Form::within);
        let Some(form) = form else { return Vec::new() };
        return form
            .get(var)
            .map(|f| f.options.iter().map(|o| o.1.clone()).collect())
            .unwrap_or_default();
    }
}

#[tokio::test]
async fn strangers_wait_for_consent_and_are_not_told() {
    let w = world().await;
    people(&w, &["alice", "bob"]).await;
    let mut a = w.online("alice", "one").await;
    let mut b = w.online("bob", "two").await;
    let done = run(
        &mut b,
        "bob@waddle.test",
        "urn:waddle:direct#policy",
        &[("policy", "friends_only")],
    )
    .await;
    completed(&done);
    a.send(&say("bob", "1")).await;
    a.send(&say("bob", "2")).await;
    a.quiet().await;
    let notice = b.message().await;
    assert!(
        body(&notice).contains("alice@waddle.test would like to write"),
        "{}",
        text(&notice)
    );
    b.quiet().await;
    let found = options(&mut b, "bob@waddle.test", "urn:waddle:direct#requests", "request").await;
    let [request] = &*found else { panic!("{found:?}") };
    b.send(&format!(
        "<iq type='set' id='c' to='bob@waddle.test'><command xmlns='{COMMANDS}' node='urn:waddle:direct#requests' \
         action='execute'><x xmlns='jabber:x:data' type='submit'><field var='request'><value>{request}</value></field>\
         <field var='answer'><value>accept</value></field></x></command></iq>"
    ))
    .await;
    // What waited comes, with the time that it was sent, then the answer, then what is said from now on.
    for words in ["1", "2"] {
        let came = b.message().await;
        assert_eq!((body(&came).as_str(), text(&came).contains(DELAY)), (words, true));
    }
    assert!(completed(&b.next().await).contains("alice"));
    a.send(&say("bob", "3")).await;
    assert_eq!(body(&b.message().await), "3");
    let archive = "<iq type='set' id='q'><query xmlns='urn:xmpp:mam:2'/></iq>";
    b.send(archive).await;
    let mut kept = Vec::new();
    loop {
        let s = b.next().await;
        if s.id().as_deref() == Some("q") {
            break;
        }
        kept.push(text(&s));
    }
    for words in ["1", "2"] {
        let of: Vec<_> = kept
            .iter()
            .filter(|k| k.contains(&format!("<body>{words}</body>")))
            .collect();
        assert!(of.len() == 1 && of[0].contains(DELAY), "{of:?}");
    }
}

#[tokio::test]
async fn what_was_accepted_is_lost_by_no_bucket_and_no_failure() {
    let rate = Rate {
        count: 4,
        seconds: 600,
    };
    let w = world_with(
        |l| {
            l.xmpp_rate_strangers = rate;
            l.xmpp_offline_messages = 2;
        },
        |_| {},
    )
    .await;
    people(&w, &["alice", "bob"]).await;
    let direct = w.server.direct();
    direct
        .set_policy(&own("bob"), RequestPolicy::FriendsOnly)
        .await
        .unwrap();
    let mut a = w.online("alice", "one").await;
    for words in ["1", "2", "3", "4"] {
        a.send(&say("bob", words)).await;
        a.quiet().await;
    }
    let waiting = async || direct.requests(&own("bob"), None, 9).await.unwrap();
    let id = waiting().await[0].id;
    // Bob is away and no more than two fit; the notice of the request is one.
    assert_eq!(direct.accept(&own("bob"), id).await, Err(DirectError::Failed));
    let left = waiting().await;
    assert_eq!(
        (left.len(), left[0].messages, left[0].text.as_deref()),
        (1, 3, Some("2"))
    );
    a.quiet().await;
    let mut b = w.online("bob", "two").await;
    assert!(body(&b.message().await).contains("would like"));
    assert_eq!(body(&b.message().await), "1");
    // Again, and twice at once: each comes once, though Alice has used up what strangers may.
    let (one, two) = (own("bob"), own("bob"));
    let (one, two) = tokio::join!(direct.accept(&one, id), direct.accept(&two, id));
    assert!(one.is_ok() || two.is_ok(), "{one:?} {two:?}");
    for words in ["2", "3", "4"] {
        assert_eq!(body(&b.message().await), words);
    }
    a.send(&say("bob", "5")).await;
    assert_eq!(body(&b.message().await), "5", "not a stranger any more");
    assert!(waiting().await.is_empty());
}

#[tokio::test]
async fn a_full_group_can_be_entered_later() {
    let w = world_with(|l| l.direct_group_people = 3, |_| {}).await;
    people(&w, &["alice", "bob", "carol", "dave"]).await;
    let direct = w.server.direct();
    direct
        .set_policy(&own("carol"), RequestPolicy::FriendsOnly)
        .await
        .unwrap();
    let others = vec![own("bob").bare, own("carol").bare];
    let (group, _) = direct.make_group(&own("alice"), "x", others).await.unwrap();
    direct
        .add(&own("bob"), &group.room, &own("dave").bare)
        .await
        .unwrap();
    let id = direct.requests(&own("carol"), None, 9).await.unwrap()[0].id;
    let full = DirectError::Full {
        what: "people in a group",
        max: 3,
    };
    assert_eq!(direct.accept(&own("carol"), id).await, Err(full));
    direct
        .remove(&own("dave"), &group.room, &own("dave").bare)
        .await
        .unwrap();
    direct.accept(&own("carol"), id).await.unwrap();
    let groups = direct.groups(&own("carol")).await.unwrap();
    assert_eq!(groups[0].1.len(), 3);
    // What is said there is counted until a marker says that it was seen.
    let mut c = w.online("carol", "one").await;
    let mut b = w.online("bob", "two").await;
    let room = format!("{}@muc.waddle.test", group.room);
    for (who, nick) in [(&mut b, "Bob"), (&mut c, "Carol")] {
        who.send(&format!(
            "<presence to='{room}/{nick}'><x xmlns='http://jabber.org/protocol/muc'/></presence>"
        ))
        .await;
        who.sync().await;
    }
    b.send(&format!(
        "<message to='{room}' type='groupchat' id='g'><body>hi</body></message>"
    ))
    .await;
    let said = loop {
        let s = c.message().await;
        if body(&s) == "hi" {
            let id = s.root().child("stanza-id", "urn:xmpp:sid:0").unwrap();
            break id.attr("id").unwrap().into_owned();
        }
    };
    let unread = async |who: &str| direct.unread(&own(who), &groups).await.unwrap()[0].messages;
    assert_eq!((unread("carol").await, unread("bob").await), (1, 0));
    c.send(&format!(
        "<message to='{room}' type='groupchat' id='s'><displayed xmlns='urn:xmpp:chat-markers:0' id='{said}'/></message>"
    ))
    .await;
    loop {
        let s = b.message().await;
        if s.root().has("displayed", "urn:xmpp:chat-markers:0") {
            break;
        }
    }
    assert_eq!(unread("carol").await, 0);
}

#[tokio::test]
async fn who_is_refused_is_not_heard_and_nobody_means_nobody() {
    let w = world_with(|l| l.direct_request_messages = 2, |_| {}).await;
    people(&w, &["alice", "bob", "carol"]).await;
    let direct = w.server.direct();
    direct
        .set_policy(&own("bob"), RequestPolicy::FriendsOnly)
        .await
        .unwrap();
    let mut a = w.online("alice", "one").await;
    let mut b = w.online("bob", "two").await;
    for words in ["1", "2"] {
        a.send(&say("bob", words)).await;
        a.quiet().await;
    }
    assert_eq!(
        condition(&a.request(&say("bob", "3")).await),
        "policy-violation",
        "no more can wait"
    );
    let requests = direct.requests(&own("bob"), None, 9).await.unwrap();
    assert_eq!(
        (requests.len(), requests[0].messages, requests[0].text.as_deref()),
        (1, 2, Some("1"))
    );
    assert_eq!(
        direct.accept(&own("carol"), requests[0].id).await,
        Err(DirectError::NotFound("request"))
    );
    direct.refuse(&own("bob"), requests[0].id).await.unwrap();
    a.send(&say("bob", "4")).await;
    a.quiet().await;
    assert!(direct.requests(&own("bob"), None, 9).await.unwrap().is_empty());
    b.message().await;
    b.quiet().await;
    direct
        .set_policy(&own("bob"), RequestPolicy::Nobody)
        .await
        .unwrap();
    let refused = a.request(&say("bob", "5")).await;
    assert_eq!(condition(&refused), "forbidden");
    assert!(text(&refused).contains("contacts only"), "{}", text(&refused));
    // To whom one wrote may answer, also after a restart of the memory of who knows whom.
    b.send(&say("alice", "6")).await;
    assert_eq!(body(&a.message().await), "6");
    a.send(&say("bob", "7")).await;
    assert_eq!(body(&b.message().await), "7");
    direct
        .set_policy(&own("bob"), RequestPolicy::Everyone)
        .await
        .unwrap();
    let mut c = w.online("carol", "three").await;
    c.send(&say("bob", "8")).await;
    assert_eq!(body(&b.message().await), "8");
}

#[tokio::test]
async fn who_shares_a_waddle_may_write_if_that_is_wanted() {
    let w = world().await;
    people(&w, &["alice", "bob", "carol"]).await;
    let new = NewWaddle::new("pond".parse().unwrap(), "Pond");
    let waddle = w.community.create_waddle(&user("alice"), new).await.unwrap();
    w.community
        .add_member(Actor::System, waddle.id, &user("bob"), Role::Member)
        .await
        .unwrap();
    let direct = w.server.direct();
    direct
        .set_policy(&own("bob"), RequestPolicy::FriendsAndWaddles)
        .await
        .unwrap();
    let mut b = w.online("bob", "two").await;
    let mut a = w.online("alice", "one").await;
    let mut c = w.online("carol", "three").await;
    a.send(&say("bob", "1")).await;
    assert_eq!(body(&b.message().await), "1");
    c.send(&say("bob", "2")).await;
    c.quiet().await;
    assert!(body(&b.message().await).contains("carol@waddle.test would like"));
    direct
        .set_policy(&own("bob"), RequestPolicy::FriendsOnly)
        .await
        .unwrap();
    // The roster decides as well: who may see one's presence is a contact.
    b.send("<presence type='subscribed' to='carol@waddle.test'/>")
        .await;
    b.sync().await;
    c.send("<presence type='subscribe' to='bob@waddle.test'/>").await;
    c.sync().await;
    b.sync().await;
    c.send(&say("bob", "3")).await;
    assert_eq!(body(&b.message().await), "3");
}

#[tokio::test]
async fn headlines_states_and_invitations_are_counted_and_wait() {
    let rate = Rate {
        count: 3,
        seconds: 600,
    };
    let w = world_with(|l| l.xmpp_rate_strangers = rate, |_| {}).await;
    people(&w, &["alice", "bob", "carol"]).await;
    let mut a = w.online("alice", "one").await;
    let mut b = w.online("bob", "two").await;
    let headline = "<message to='bob@waddle.test' type='headline' id='h'><body>news</body></message>";
    let state = "<message to='bob@waddle.test' type='chat' id='s'><composing xmlns='http://jabber.org/protocol/chatstates'/></message>";
    for (n, stanza) in [headline, state, headline].iter().enumerate() {
        a.send(stanza).await;
        let came = b.message().await;
        assert_eq!(
            came.from().unwrap().unwrap().bare_str(),
            "alice@waddle.test",
            "{n}"
        );
    }
    assert_eq!(condition(&a.request(headline).await), "policy-violation");
    assert_eq!(condition(&a.request(state).await), "policy-violation");
    b.quiet().await;
    // An invitation by a room is whoever invites: it waits too.
    w.server
        .direct()
        .set_policy(&own("carol"), RequestPolicy::FriendsOnly)
        .await
        .unwrap();
    let mut c = w.online("carol", "three").await;
    b.send("<presence to='den@muc.waddle.test/Bob'><x xmlns='http://jabber.org/protocol/muc'/></presence>")
        .await;
    b.send("<iq type='set' id='o' to='den@muc.waddle.test'><query xmlns='http://jabber.org/protocol/muc#owner'><x xmlns='jabber:x:data' type='submit'/></query></iq>").await;
    b.sync().await;
    b.send("<message to='den@muc.waddle.test' id='i'><x xmlns='http://jabber.org/protocol/muc#user'><invite to='carol@waddle.test'/></x></message>").await;
    b.sync().await;
    assert!(body(&c.message().await).contains("bob@waddle.test would like"));
    c.quiet().await;
    let requests = w.server.direct().requests(&own("carol"), None, 9).await.unwrap();
    w.server
        .direct()
        .accept(&own("carol"), requests[0].id)
        .await
        .unwrap();
    let invited = c.message().await;
    assert!(
        text(&invited).contains("<invite from='bob@waddle.test'"),
        "{}",
        text(&invited)
    );
}

async fn bookmarked(c: &mut Client) -> String {
    let ask = "<iq type='get' id='bm'><pubsub xmlns='http://jabber.org/protocol/pubsub'><items node='urn:xmpp:bookmarks:1'/></pubsub></iq>";
    c.send(ask).await;
    loop {
        let s = c.next().await;
        if s.id().as_deref() == Some("bm") {
            return text(&s);
        }
    }
}

#[tokio::test]
async fn a_small_group_is_for_its_people_and_for_nobody_else() {
    let w = world_with(|l| l.direct_group_people = 3, |_| {}).await;
    people(&w, &["alice", "bob", "carol", "dave", "eve"]).await;
    let direct = w.server.direct();
    direct
        .set_policy(&own("carol"), RequestPolicy::FriendsOnly)
        .await
        .unwrap();
    direct
        .set_policy(&own("dave"), RequestPolicy::Nobody)
        .await
        .unwrap();
    let mut a = w.online("alice", "one").await;
    let mut b = w.online("bob", "two").await;
    let mut c = w.online("carol", "three").await;
    let jids = |names: &[&str]| names.iter().map(|n| own(n).bare).collect::<Vec<_>>();
    let full = direct
        .make_group(&own("alice"), "x", jids(&["bob", "carol", "eve"]))
        .await;
    assert_eq!(
        full.unwrap_err(),
        DirectError::Full {
            what: "people in a group",
            max: 3
        }
    );
    let refused = direct.make_group(&own("alice"), "x", jids(&["dave"])).await;
    assert_eq!(refused.unwrap_err(), DirectError::Refused(own("dave").bare));
    let (group, added) = direct
        .make_group(&own("alice"), "Three", jids(&["bob", "carol"]))
        .await
        .unwrap();
    assert_eq!(
        added,
        [(own("bob").bare, Added::In), (own("carol").bare, Added::Asked)]
    );
    let room = format!("{}@muc.waddle.test", group.room);
    // Bob is invited and has it among his bookmarks; Carol is asked first.
    let invited = b.message().await;
    assert!(
        text(&invited).contains(&format!("from='{room}'")),
        "{}",
        text(&invited)
    );
    assert!(bookmarked(&mut b).await.contains(&room) && bookmarked(&mut a).await.contains(&room));
    assert!(body(&c.message().await).contains("would like to add you to the group"));
    assert!(!bookmarked(&mut c).await.contains(&room));
    let knock = |nick: &str| {
        format!("<presence to='{room}/{nick}' id='j'><x xmlns='http://jabber.org/protocol/muc'/></presence>")
    };
    let mut e = w.online("eve", "four").await;
    assert_eq!(
        condition(&e.request(&knock("eve")).await),
        "registration-required"
    );
    assert_eq!(
        condition(&c.request(&knock("carol")).await),
        "registration-required"
    );
    let found = e
        .request("<iq type='get' id='d' to='muc.waddle.test'><query xmlns='http://jabber.org/protocol/disco#items'/></iq>")
        .await;
    assert!(!text(&found).contains(&group.room), "hidden");
    let made = e
        .request("<presence to='dm~mine@muc.waddle.test/eve' id='j'><x xmlns='http://jabber.org/protocol/muc'/></presence>")
        .await;
    assert_eq!(condition(&made), "item-not-found", "such names are reserved");
    let requests = direct.requests(&own("carol"), None, 9).await.unwrap();
    assert_eq!(requests[0].room.as_deref(), Some(&*group.room));
    direct.accept(&own("carol"), requests[0].id).await.unwrap();
    assert!(bookmarked(&mut c).await.contains(&room));
    for (who, nick) in [(&mut b, "Bob"), (&mut c, "Carol")] {
        who.send(&knock(nick)).await;
        loop {
            let s = who.next().await;
            assert!(!s.is_type("error"), "{}", text(&s));
            if s.root().has("subject", "jabber:client") {
                break;
            }
        }
    }
    b.send(&format!(
        "<message to='{room}' type='groupchat' id='g'><body>hi</body></message>"
    ))
    .await;
    loop {
        let s = c.message().await;
        if body(&s) == "hi" {
            break;
        }
    }
    let (_, people) = direct.group(&own("alice"), &group.room).await.unwrap();
    assert_eq!(people.len(), 3);
    assert_eq!(
        direct.add(&own("bob"), &group.room, &own("eve").bare).await,
        Err(DirectError::Full {
            what: "people in a group",
            max: 3
        })
    );
    assert_eq!(
        direct.group(&own("eve"), &group.room).await,
        Err(DirectError::NotFound("group"))
    );
    // Only who made it takes others out; everybody may leave, by command too.
    assert!(
        direct
            .remove(&own("bob"), &group.room, &own("carol").bare)
            .await
            .is_err()
    );
    direct
        .remove(&own("alice"), &group.room, &own("carol").bare)
        .await
        .unwrap();
    loop {
        let s = c.next().await;
        if s.is_type("unavailable") && text(&s).contains("code='110'") {
            assert!(text(&s).contains("code='321'"), "{}", text(&s));
            break;
        }
    }
    assert!(!bookmarked(&mut c).await.contains(&room));
    direct.rename(&own("bob"), &group.room, "Two").await.unwrap();
    assert_eq!(
        direct.group(&own("alice"), &group.room).await.unwrap().0.name,
        "Two"
    );
    for (name, who) in [("alice", &mut a), ("bob", &mut b)] {
        let to = format!("{name}@waddle.test");
        let done = run(
            who,
            &to,
            "urn:waddle:direct#leave-group",
            &[("group", &group.room)],
        )
        .await;
        completed(&done);
    }
    assert!(direct.groups(&own("alice")).await.unwrap().is_empty());
    // Nothing is left of it.
    assert_eq!(condition(&e.request(&knock("eve")).await), "item-not-found");
}

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
