//! Small private groups (`specs/moderation.md`, "Groups"; XEP-0402).

use waddle_storage::repo::{
    accounts::Accounts,
    archive::{self, ArchiveKey},
    direct::{self, RequestPolicy},
    messages, rooms,
};
use waddle_xmpp::{direct::DirectError, direct::groups::Added};

use super::{completed, own, people, run, text};
use crate::support::{Client, World, body, condition, world, world_with};

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

/// What is stored of a group: itself, its room, whether it has an archive, and how many files are to be deleted.
async fn stored(w: &World, group: &str) -> (bool, bool, bool, usize) {
    let name = group.to_owned();
    let db = w.storage.server();
    let read = db.read(move |c| {
        let files = messages::due_files(c, messages::last_file(c)?, 9)?;
        Ok((
            direct::get_group(c, &name)?.is_some(),
            rooms::load(c, &name)?.is_some(),
            archive::ends(c, &ArchiveKey::room(&name))?.is_some(),
            files.len(),
        ))
    });
    read.await.unwrap()
}

/// Waits until a group has so many people.
async fn has_people(w: &World, group: &str, count: usize) {
    for _ in 0..100_000 {
        let name = group.to_owned();
        let people = w.storage.server().read(move |c| direct::people(c, &name)).await;
        if people.unwrap().len() == count {
            return;
        }
        tokio::task::yield_now().await;
    }
    panic!("the group does not have {count} people");
}

#[tokio::test]
async fn a_deleted_account_is_in_no_group_and_the_last_one_takes_it_along() {
    let w = world().await;
    people(&w, &["alice", "bob", "carol"]).await;
    let direct = w.server.direct();
    let others = vec![own("bob").bare, own("carol").bare];
    let (group, _) = direct.make_group(&own("alice"), "x", others).await.unwrap();
    let (other, _) = direct
        .make_group(&own("carol"), "y", vec![own("bob").bare])
        .await
        .unwrap();
    let room = format!("{}@muc.waddle.test", group.room);
    let mut b = w.online("bob", "two").await;
    b.send(&format!(
        "<presence to='{room}/Bob'><x xmlns='http://jabber.org/protocol/muc'/></presence>"
    ))
    .await;
    b.sync().await;
    let url = "https://waddle.test/upload/x/picture.png";
    b.send(&format!(
        "<message to='{room}' type='groupchat' id='g'><body>{url}</body><x xmlns='jabber:x:oob'><url>{url}</url></x></message>"
    ))
    .await;
    while body(&b.message().await) != url {}
    assert_eq!(stored(&w, &group.room).await, (true, true, true, 0));

    w.identity
        .delete_account(&w.community, &own("bob").user)
        .await
        .unwrap();
    has_people(&w, &group.room, 2).await;
    has_people(&w, &other.room, 1).await;
    assert_eq!(direct.groups(&own("alice")).await.unwrap()[0].1.len(), 2);
    w.identity
        .delete_account(&w.community, &own("alice").user)
        .await
        .unwrap();
    has_people(&w, &group.room, 1).await;
    assert_eq!(stored(&w, &group.room).await, (true, true, true, 0));
    w.identity
        .delete_account(&w.community, &own("carol").user)
        .await
        .unwrap();
    for gone in [&group.room, &other.room] {
        let mut left = stored(&w, gone).await;
        for _ in 0..100_000 {
            if left.1 {
                tokio::task::yield_now().await;
                left = stored(&w, gone).await;
            }
        }
        assert_eq!(
            left,
            (false, false, false, 1),
            "nothing stays, and the file is to go"
        );
    }
}

/// As after a crash between the end of an account, or of a group, and what follows from it.
#[tokio::test]
async fn what_a_stop_left_of_groups_goes_at_the_next_start() {
    let w = world().await;
    people(&w, &["alice", "bob"]).await;
    let direct = w.server.direct();
    let make = async |name: &'static str| {
        let alice = own("alice");
        let made = direct.make_group(&alice, name, vec![own("bob").bare]).await;
        made.unwrap().0.room
    };
    let (both, empty) = (make("both").await, make("empty").await);
    let db = w.storage.server();
    Accounts(&db).delete(own("bob").user).await.unwrap();
    let room = empty.clone();
    db.write(move |tx| {
        let all = ["alice", "bob"].map(|n| (own(n).bare.to_string(), false));
        direct::follow(tx, &room, &all, 9)
    })
    .await
    .unwrap();
    let w = w.restart().await;
    has_people(&w, &both, 1).await;
    assert_eq!(stored(&w, &empty).await, (false, false, false, 0));
    assert!(stored(&w, &both).await.0);
}
