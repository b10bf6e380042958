//! What people who do not know one may do (`specs/moderation.md`, "Direct messages", "Groups"): put one into groups, take back
//! what waits for consent, write privately in rooms from other servers; and groups in the inbox (XEP-0045, XEP-0424, XEP-0430).

use crate::support::{World, body, text, world, world_with};
use waddle_core::{Timestamp, UserId, limits::Rate};
use waddle_stanza::Stanza;
use waddle_storage::repo::direct::{self, RequestPolicy};
use waddle_xmpp::{
    direct::{DirectError, Own, groups::Added},
    router::{self, Origin},
};

fn own(name: &str) -> Own {
    Own {
        bare: format!("{name}@waddle.test").parse().unwrap(),
        user: UserId::local(name),
    }
}

async fn people(w: &World, names: &[&str]) {
    for name in names {
        w.account(name).await;
    }
}

/// Somebody makes a group with Bob and leaves it at once.
async fn put(w: &World, who: &str) -> Result<Added, DirectError> {
    let direct = w.server.direct();
    let (group, added) = direct.make_group(&own(who), "x", vec![own("bob").bare]).await?;
    direct.remove(&own(who), &group.room, &own(who).bare).await?;
    Ok(added[0].1)
}

#[tokio::test]
async fn strangers_fill_nobodys_groups() {
    let w = world_with(|l| l.direct_groups = 4, |_| {}).await;
    people(&w, &["alice", "bob", "carol"]).await;
    let known = own("carol").bare;
    w.storage
        .server()
        .write(move |tx| direct::allow(tx, "bob", &known, Timestamp(1), 9))
        .await
        .unwrap();
    for added in [Added::In, Added::In, Added::Asked, Added::Asked] {
        assert_eq!(put(&w, "alice").await, Ok(added));
    }
    let full = DirectError::Full {
        what: "groups of one person",
        max: 4,
    };
    assert_eq!(put(&w, "carol").await, Ok(Added::In));
    assert_eq!(put(&w, "carol").await, Ok(Added::In));
    assert_eq!(put(&w, "carol").await, Err(full.clone()));
    let direct = w.server.direct();
    assert_eq!(direct.groups(&own("bob")).await.unwrap().len(), 4);
    assert_eq!(put(&w, "alice").await, Err(full.clone()));
    // A request that waits is for a group that is still there, and for a place in it.
    let (group, _) = {
        let someone = own("bob").bare;
        direct
            .set_policy(&own("bob"), RequestPolicy::FriendsOnly)
            .await
            .unwrap();
        let groups = direct.groups(&own("bob")).await.unwrap();
        direct
            .remove(&own("bob"), &groups[0].0.room, &someone)
            .await
            .unwrap();
        direct
            .make_group(&own("alice"), "y", vec![someone])
            .await
            .unwrap()
    };
    let waiting = direct.requests(&own("bob"), None, 9).await.unwrap();
    let asked = waiting
        .iter()
        .find(|r| r.room.as_deref() == Some(&*group.room))
        .unwrap();
    assert_eq!(put(&w, "carol").await, Ok(Added::In));
    assert_eq!(direct.accept(&own("bob"), asked.id).await, Err(full));
}

#[tokio::test]
async fn groups_spend_the_strangers_bucket() {
    let rate = Rate {
        count: 2,
        seconds: 600,
    };
    let w = world_with(|l| l.xmpp_rate_strangers = rate, |_| {}).await;
    people(&w, &["alice", "bob"]).await;
    for _ in 0..2 {
        assert_eq!(put(&w, "alice").await, Ok(Added::In));
    }
    let refused = put(&w, "alice").await;
    assert!(
        matches!(refused, Err(DirectError::TooFast(s)) if s > 0),
        "{refused:?}"
    );
}

#[tokio::test]
async fn what_waits_for_consent_can_be_taken_back() {
    let w = world().await;
    people(&w, &["alice", "bob"]).await;
    let direct = w.server.direct();
    direct
        .set_policy(&own("bob"), RequestPolicy::FriendsOnly)
        .await
        .unwrap();
    let mut a = w.online("alice", "one").await;
    for words in ["1", "2"] {
        a.send(&format!(
            "<message to='bob@waddle.test' type='chat' id='{words}'><body>{words}</body></message>"
        ))
        .await;
    }
    let retract = |id: &str, more: &str| {
        format!(
            "<message to='bob@waddle.test' type='chat' id='r{id}'>\
             <retract xmlns='urn:xmpp:message-retract:1' id='{id}'/>{more}</message>"
        )
    };
    a.send(&retract("1", "")).await;
    a.quiet().await;
    let waiting = async || direct.requests(&own("bob"), None, 9).await.unwrap();
    let left = waiting().await;
    assert_eq!((left[0].messages, left[0].text.as_deref()), (1, Some("2")));
    a.send(&retract("2", "<body>never mind</body>")).await;
    a.quiet().await;
    assert!(waiting().await.is_empty());
}

#[tokio::test]
async fn nobody_who_has_an_account_speaks_as_a_room() {
    let w = world().await;
    people(&w, &["alice", "bob"]).await;
    let direct = w.server.direct();
    direct
        .set_policy(&own("bob"), RequestPolicy::FriendsOnly)
        .await
        .unwrap();
    let mut a = w.online("alice", "one").await;
    let mut b = w.online("bob", "two").await;
    a.send("<message to='bob@waddle.test/two' type='groupchat' id='1'><body>psst</body></message>")
        .await;
    a.quiet().await;
    assert!(body(&b.message().await).contains("would like to write"));
    b.quiet().await;
    assert_eq!(direct.requests(&own("bob"), None, 9).await.unwrap().len(), 1);
}

#[tokio::test]
async fn private_messages_from_other_servers_spend_the_bucket_too() {
    let rate = Rate {
        count: 2,
        seconds: 600,
    };
    let w = world_with(|l| l.xmpp_rate_strangers = rate, |_| {}).await;
    people(&w, &["bob"]).await;
    let mut b = w.online("bob", "two").await;
    let den = "den@muc.waddle.test";
    b.send(&format!(
        "<presence to='{den}/bob'><x xmlns='http://jabber.org/protocol/muc'/></presence>"
    ))
    .await;
    b.request(&format!(
        "<iq type='set' id='o' to='{den}'><query xmlns='http://jabber.org/protocol/muc#owner'>\
         <x xmlns='jabber:x:data' type='submit'/></query></iq>"
    ))
    .await;
    let eve = Origin::elsewhere("eve@far.test/one".parse().unwrap());
    let come = |xml: String| {
        let (server, eve) = (w.server.server().clone(), eve.clone());
        async move {
            let stanza = Stanza::parse(xml.into()).unwrap();
            router::inbound(&server, eve, stanza).await;
        }
    };
    let head = "xmlns='jabber:client' from='eve@far.test/one'";
    come(format!(
        "<presence {head} to='{den}/eve'><x xmlns='http://jabber.org/protocol/muc'/></presence>"
    ))
    .await;
    for n in 1..=4 {
        come(format!(
            "<message {head} to='{den}/bob' type='chat' id='{n}'><body>{n}</body></message>"
        ))
        .await;
    }
    come(format!(
        "<message {head} to='{den}' type='groupchat' id='g'><body>all</body></message>"
    ))
    .await;
    let mut came = Vec::new();
    loop {
        let s = b.message().await;
        came.push(body(&s));
        if body(&s) == "all" {
            break;
        }
    }
    came.retain(|b| !b.is_empty());
    assert_eq!(came, ["1", "2", "all"]);
}

#[tokio::test]
async fn groups_are_in_the_inbox() {
    let w = world().await;
    people(&w, &["alice", "bob"]).await;
    let direct = w.server.direct();
    let others = vec![own("bob").bare];
    let (group, _) = direct.make_group(&own("alice"), "Two", others).await.unwrap();
    let room = format!("{}@muc.waddle.test", group.room);
    let mut a = w.online("alice", "one").await;
    let mut b = w.online("bob", "two").await;
    for (who, nick) in [(&mut a, "Alice"), (&mut b, "Bob")] {
        let join =
            format!("<presence to='{room}/{nick}'><x xmlns='http://jabber.org/protocol/muc'/></presence>");
        who.send(&join).await;
        who.sync().await;
    }
    a.send(&format!(
        "<message to='{room}' type='groupchat' id='g'><body>hello @Bob</body></message>"
    ))
    .await;
    let said = loop {
        let s = b.message().await;
        if body(&s).starts_with("hello") {
            let id = s.root().child("stanza-id", "urn:xmpp:sid:0").unwrap();
            break id.attr("id").unwrap().into_owned();
        }
    };
    let ask = "<iq type='get' id='inbox'><inbox xmlns='urn:xmpp:inbox:1'/></iq>";
    b.send(ask).await;
    let entry = loop {
        let s = b.next().await;
        assert_ne!(s.id().as_deref(), Some("inbox"), "not among them: {}", text(&s));
        if s.root().has("entry", "urn:xmpp:inbox:1") {
            break s;
        }
    };
    let e = entry.root().child("entry", "urn:xmpp:inbox:1").unwrap();
    assert_eq!(
        ["jid", "id", "unread", "mentions"].map(|name| e.attr(name).unwrap().into_owned()),
        [room.clone(), said, "1".to_owned(), "1".to_owned()]
    );
    assert!(text(&entry).contains("hello @Bob"));
}
