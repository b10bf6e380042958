//! What is found whatever is in memory, asked while others go on, and shown only to whom may see it.

use std::{sync::mpsc, time::Duration};

use waddle_community::{
    ChannelChange, CustomRole, Error, Finding, NewChannel, NewRole, NewWaddle, Permission, QuestionError,
    Role, permissions::Consistency,
};
use waddle_core::{ChannelId, Limits};

use crate::{World, slug, user};

#[tokio::test]
async fn a_channel_is_found_by_its_identifier() {
    let world = World::new().await;
    let w = world.penguins().await;
    let (alice, c) = (user("alice"), world.community.clone());
    let new = NewChannel::text(slug("ice"), "Ice");
    let ice = c.create_channel(&alice, w.id, new.clone()).await.unwrap();
    // What is refused leaves nothing behind.
    assert!(c.create_channel(&alice, w.id, new.clone()).await.is_err());
    assert_eq!(
        c.create_channel(&user("bob"), w.id, new).await,
        Err(Error::Forbidden)
    );
    let world = world.restart().await;
    let c = &world.community;
    assert_eq!(c.in_memory(), 0);
    for channel in [ice.id, c.channels(w.id).await.unwrap()[0].id] {
        let found = c.waddle_of_channel(channel).await.unwrap();
        assert_eq!(found.map(|f| f.id), Some(w.id));
    }
    assert_eq!(c.waddle_of_channel(ChannelId::new()).await.unwrap(), None);
    c.delete_channel(&alice, w.id, ice.id).await.unwrap();
    assert_eq!(c.waddle_of_channel(ice.id).await.unwrap(), None);
    let general = c.channels(w.id).await.unwrap()[0].id;
    c.delete_waddle(&alice, w.id).await.unwrap();
    assert_eq!(c.waddle_of_channel(general).await.unwrap(), None);
}

/// A question that takes long holds up neither checks nor changes, and sees none of them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_question_holds_nobody_up() {
    let world = World::new().await;
    let (w, c) = (world.penguins().await, &world.community);
    let access = c.access(w.id).await.unwrap();
    let ((began, begun), (end, ended)) = (mpsc::channel(), mpsc::channel::<()>());
    let asked = access.clone();
    let asking = tokio::task::spawn_blocking(move || {
        asked.ask(Consistency::Latest, &[], |q| {
            began.send(q.at.revision()).unwrap();
            ended.recv_timeout(Duration::from_secs(20)).unwrap();
            Ok(q.at.revision())
        })
    });
    let before = tokio::task::spawn_blocking(move || begun.recv().unwrap())
        .await
        .unwrap();
    let (alice, bob) = (user("alice"), user("bob"));
    let changing = c.set_role(&alice, w.id, &bob, Role::Moderator);
    tokio::time::timeout(Duration::from_secs(10), changing)
        .await
        .expect("the change does not wait for the question")
        .unwrap();
    assert!(access.waddle_allows("moderate", &bob));
    assert!(access.revision() > before);
    end.send(()).unwrap();
    let answer: Result<_, QuestionError> = asking.await.unwrap();
    assert_eq!(answer, Ok((before, before)));
    // One long question of a waddle at a time.
    let place = access.long_questions().try_acquire_owned().unwrap();
    assert!(access.long_questions().try_acquire_owned().is_err());
    drop(place);
}

#[tokio::test]
async fn a_report_shows_what_its_reviewer_may_see() {
    let world = World::new().await;
    let (w, c) = (world.penguins().await, &world.community);
    let (alice, bob) = (user("alice"), user("bob"));
    let mut new = NewChannel::text(slug("board"), "Board");
    new.private = true;
    let board = c.create_channel(&alice, w.id, new).await.unwrap();
    let role = NewRole {
        name: "Reviewers".to_owned(),
        colour: None,
        permissions: vec![Permission::ReviewReports],
    };
    let role: CustomRole = c.create_role(&alice, w.id, role).await.unwrap();
    c.give_role(&alice, w.id, &bob, role.id, true).await.unwrap();
    let finding = Finding {
        rule: 1,
        name: "words".into(),
        channel: board.id,
        author: Some(user("mona")),
        message: None,
        excerpt: "what the board said".to_owned(),
    };
    let number = c.report_finding(w.id, finding).await.unwrap();
    let hers = c.reports(&alice, w.id, None, None, 10).await.unwrap();
    assert_eq!(hers[0].excerpt.as_deref(), Some("what the board said"));
    let his = c.reports(&bob, w.id, None, None, 10).await.unwrap();
    assert_eq!(
        (his[0].excerpt.as_deref(), his[0].reported.clone()),
        (None, Some(user("mona")))
    );
    assert_eq!(c.report(&bob, w.id, number).await.unwrap().0.excerpt, None);
    // What becomes open is shown.
    let open = ChannelChange {
        private: Some(false),
        ..ChannelChange::default()
    };
    c.update_channel(&alice, w.id, board.id, open).await.unwrap();
    assert!(c.report(&bob, w.id, number).await.unwrap().0.excerpt.is_some());
    // Of a channel that is gone, those see it who moderate.
    c.delete_channel(&alice, w.id, board.id).await.unwrap();
    assert_eq!(c.report(&bob, w.id, number).await.unwrap().0.excerpt, None);
    assert!(
        c.report(&user("mona"), w.id, number)
            .await
            .unwrap()
            .0
            .excerpt
            .is_some()
    );
}

#[tokio::test]
async fn who_makes_several_at_once_gets_as_many_as_allowed() {
    let world = World::with(Limits {
        waddles_per_user: 2,
        ..Limits::default()
    })
    .await;
    let (c, alice) = (&world.community, user("alice"));
    let make = |name: &'static str| c.create_waddle(&alice, NewWaddle::new(slug(name), "Many"));
    let (a, b, d, e) = tokio::join!(make("one"), make("two"), make("three"), make("four"));
    let made: Vec<_> = [a, b, d, e].into_iter().filter_map(Result::ok).collect();
    assert_eq!(made.len(), 2);
    assert_eq!(c.waddles_of(&alice).await.unwrap().len(), 2);
    // Nor by being given several at once.
    let bob = user("bob");
    for (name, owner) in [("five", "carol"), ("six", "dora"), ("seven", "eve")] {
        let w = c
            .create_waddle(&user(owner), NewWaddle::new(slug(name), "More"))
            .await
            .unwrap();
        c.add_member(&user(owner), w.id, &bob, Role::Member)
            .await
            .unwrap();
        c.join_waddle(&bob, w.id).await.unwrap();
    }
    let id = |name: &str| c.waddle_by_slug(&slug(name)).unwrap().id;
    let (carol, dora, eve) = (user("carol"), user("dora"), user("eve"));
    let (a, b, d) = tokio::join!(
        c.transfer_waddle(&carol, id("five"), &bob),
        c.transfer_waddle(&dora, id("six"), &bob),
        c.transfer_waddle(&eve, id("seven"), &bob),
    );
    assert_eq!([a, b, d].iter().filter(|r| r.is_ok()).count(), 2);
}

#[tokio::test]
async fn an_invite_for_one_person() {
    let world = World::new().await;
    let (w, c) = (world.penguins().await, &world.community);
    let (mona, carol, dave) = (user("mona"), user("carol"), user("dave"));
    assert_eq!(
        c.invite_person(&user("bob"), w.id, &carol).await,
        Err(Error::Forbidden)
    );
    c.invite_person(&mona, w.id, &carol).await.unwrap();
    c.invite_person(&mona, w.id, &carol).await.unwrap();
    assert_eq!(c.invites(w.id).await.unwrap().len(), 1, "the same again renews");
    // They belong to nothing until they come, and nobody else can.
    assert!(c.member(w.id, &carol).await.unwrap().is_none());
    assert!(!c.access(w.id).await.unwrap().visible_to(&carol));
    assert_eq!(c.accept_personal_invite(&dave, w.id).await, Ok(false));
    let world = world.restart().await;
    let c = &world.community;
    assert_eq!(c.accept_personal_invite(&carol, w.id).await, Ok(true));
    assert_eq!(c.member(w.id, &carol).await.unwrap().unwrap().role, Role::Member);
    c.remove_member(&carol, w.id, &carol, waddle_community::RemovalKind::Left, None)
        .await
        .unwrap();
    assert_eq!(
        c.accept_personal_invite(&carol, w.id).await,
        Ok(false),
        "it counts once"
    );
    // It ends with its time, with the right of its maker, and when it is taken back.
    c.invite_person(&mona, w.id, &carol).await.unwrap();
    world.clock.advance(Duration::from_secs(8 * 86_400));
    assert_eq!(c.accept_personal_invite(&carol, w.id).await, Ok(false));
    c.invite_person(&mona, w.id, &carol).await.unwrap();
    c.set_role(&user("alice"), w.id, &mona, Role::Member)
        .await
        .unwrap();
    assert_eq!(c.accept_personal_invite(&carol, w.id).await, Ok(false));
    c.invite_person(&user("adam"), w.id, &carol).await.unwrap();
    let made = c.invites(w.id).await.unwrap()[0].clone();
    assert_eq!(made.for_user, Some(carol.clone()));
    c.revoke_invite(&user("adam"), w.id, made.id).await.unwrap();
    assert_eq!(c.accept_personal_invite(&carol, w.id).await, Ok(false));
}
