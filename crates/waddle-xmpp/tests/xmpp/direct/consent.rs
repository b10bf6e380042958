//! Direct messages by consent: who waits, who is heard, what is counted (`specs/moderation.md`, "Direct messages").

use waddle_community::{Actor, NewWaddle, Role};
use waddle_core::limits::Rate;
use waddle_storage::repo::direct::RequestPolicy;
use waddle_xmpp::direct::DirectError;

use super::{COMMANDS, DELAY, completed, options, own, people, run, say, text, user};
use crate::support::{body, condition, world, world_with};

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
