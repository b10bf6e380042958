//! Members, roles, bans; that removal acts at once and completely.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use waddle_community::{Actor, ChannelGrant, Error, Event, Page, RemovalKind, Role, Users};
use waddle_core::UserId;

use crate::{World, next, slug, user};

#[tokio::test]
async fn removal_takes_everything_and_says_so_in_order() {
    let world = World::new().await;
    let c = &world.community;
    let w = world.penguins().await.id;
    let bob = user("bob");
    let access = c.access(w).await.unwrap();
    let general = access.channel_by_slug(&slug("general")).unwrap();
    c.grant_channel(&user("alice"), w, general.id, &bob, ChannelGrant::Manager, true)
        .await
        .unwrap();
    assert!(access.channel_allows(general.id, "manage", &bob));

    let mut events = c.events();
    let started = Instant::now();
    c.remove_member(&user("mona"), w, &bob, RemovalKind::Removed, Some("bye"))
        .await
        .unwrap();
    let Event::MemberRemoved {
        user: who,
        kind,
        reason,
        by,
        slug: of,
        ..
    } = next(&mut events).await
    else {
        panic!("expected the removal first");
    };
    assert_eq!(
        (who, kind, of.as_str()),
        (bob.clone(), RemovalKind::Removed, "penguins")
    );
    assert_eq!((reason, by), (Some(Arc::from("bye")), Some(user("mona"))));
    // Whoever hears of it finds the permissions changed already.
    for relation in ["view", "join", "speak", "manage"] {
        assert!(!access.channel_allows(general.id, relation, &bob), "{relation}");
    }
    let Event::TuplesChanged { users, revision, .. } = next(&mut events).await else {
        panic!("expected the tuples next");
    };
    assert_eq!(users, Users::Some(vec![bob.clone()]));
    assert_eq!(revision, access.revision());
    assert!(started.elapsed() < Duration::from_secs(1));
    assert!(c.waddles_of(&bob).await.unwrap().is_empty());
    assert_eq!(
        c.remove_member(&user("mona"), w, &bob, RemovalKind::Kicked, None)
            .await,
        Err(Error::NotFound("member"))
    );
    // Coming back does not bring back what was given before.
    c.add_member(&user("mona"), w, &bob, Role::Member).await.unwrap();
    assert!(access.channel_allows(general.id, "speak", &bob));
    assert!(!access.channel_allows(general.id, "manage", &bob));
}

#[tokio::test]
async fn nobody_acts_on_who_stands_as_high() {
    let world = World::new().await;
    let c = &world.community;
    let w = world.penguins().await.id;
    let kick = |by: &'static str, whom: &'static str| async move {
        c.remove_member(&user(by), w, &user(whom), RemovalKind::Kicked, None)
            .await
    };
    for (by, whom) in [
        ("bob", "mona"),
        ("mona", "mona"),
        ("mona", "adam"),
        ("adam", "alice"),
        ("carol", "bob"),
        ("bob", "bob"),
        ("alice", "alice"),
    ] {
        assert_eq!(kick(by, whom).await, Err(Error::Forbidden), "{by} kicks {whom}");
    }
    for (by, whom, role) in [
        ("bob", "carol", Role::Member),
        ("mona", "carol", Role::Moderator),
        ("mona", "bob", Role::Admin),
        ("adam", "bob", Role::Admin),
        ("adam", "adam", Role::Owner),
        ("mona", "adam", Role::Member),
    ] {
        let given = c.add_member(&user(by), w, &user(whom), role).await;
        assert_eq!(given, Err(Error::Forbidden), "{by} makes {whom} {role}");
    }
    assert_eq!(
        c.set_role(&user("bob"), w, &user("bob"), Role::Admin).await,
        Err(Error::Forbidden)
    );
    c.set_role(&user("mona"), w, &user("mona"), Role::Member)
        .await
        .unwrap();
    assert_eq!(c.role_of(w, &user("mona")).await.unwrap(), Some(Role::Member));
    c.set_role(&user("adam"), w, &user("mona"), Role::Moderator)
        .await
        .unwrap();
    assert_eq!(c.role_of(w, &user("mona")).await.unwrap(), Some(Role::Moderator));
    let device = UserId::device(waddle_core::DeviceId::new());
    assert!(matches!(
        c.add_member(&user("alice"), w, &device, Role::Member).await,
        Err(Error::Invalid { .. })
    ));
}

#[tokio::test]
async fn the_last_owner_stays() {
    let world = World::new().await;
    let c = &world.community;
    let w = world.penguins().await.id;
    let alice = user("alice");
    for actor in [Actor::System, Actor::from(&alice)] {
        let kind = if actor == Actor::System {
            RemovalKind::Banned
        } else {
            RemovalKind::Left
        };
        let left = c.remove_member(actor, w, &alice, kind, None).await;
        assert!(matches!(left, Err(Error::Conflict(_))), "{left:?}");
    }
    let lowered = c.set_role(&alice, w, &alice, Role::Member).await;
    assert!(matches!(lowered, Err(Error::Conflict(_))));
    c.set_role(&alice, w, &user("adam"), Role::Owner).await.unwrap();
    assert_eq!(
        c.remove_member(&user("adam"), w, &alice, RemovalKind::Kicked, None)
            .await,
        Err(Error::Forbidden),
        "an owner is removed by nobody else"
    );
    c.remove_member(&alice, w, &alice, RemovalKind::Left, None)
        .await
        .unwrap();
    assert_eq!(c.role_of(w, &alice).await.unwrap(), None);
    assert_eq!(c.role_of(w, &user("adam")).await.unwrap(), Some(Role::Owner));
}

#[tokio::test]
async fn a_ban_holds_until_it_is_lifted() {
    let world = World::new().await;
    let c = &world.community;
    let w = world.penguins().await.id;
    let (mona, bob, carol) = (user("mona"), user("bob"), user("carol"));
    c.remove_member(&mona, w, &bob, RemovalKind::Banned, Some("spam"))
        .await
        .unwrap();
    // Also of somebody who is not there yet, and again with another reason.
    c.remove_member(&mona, w, &carol, RemovalKind::Banned, None)
        .await
        .unwrap();
    c.remove_member(&mona, w, &carol, RemovalKind::Banned, Some("again"))
        .await
        .unwrap();
    let access = c.access(w).await.unwrap();
    assert!(access.is_banned(&bob) && access.is_banned(&carol));
    assert!(matches!(
        c.add_member(&user("alice"), w, &bob, Role::Member).await,
        Err(Error::Conflict(_))
    ));
    let bans = c.bans(w, Page::default()).await.unwrap();
    assert_eq!(bans.len(), 2);
    assert!(
        bans.iter()
            .any(|b| b.user == carol && b.reason.as_deref() == Some("again"))
    );
    let world = world.restart().await;
    let c = &world.community;
    assert!(c.access(w).await.unwrap().is_banned(&bob));
    assert_eq!(c.unban(&user("carol"), w, &bob).await, Err(Error::Forbidden));
    c.unban(&mona, w, &bob).await.unwrap();
    assert_eq!(c.unban(&mona, w, &bob).await, Err(Error::NotFound("ban")));
    c.add_member(&mona, w, &bob, Role::Member).await.unwrap();
    assert!(c.access(w).await.unwrap().is_member(&bob));
}

#[tokio::test]
async fn a_mute_survives_leaving_and_coming_back() {
    let world = World::new().await;
    let c = &world.community;
    let w = world.penguins().await.id;
    let (mona, bob) = (user("mona"), user("bob"));
    let general = c.channel_by_slug(w, &slug("general")).await.unwrap().unwrap();
    c.grant_channel(&mona, w, general.id, &bob, ChannelGrant::Muted, true)
        .await
        .unwrap();
    c.remove_member(&bob, w, &bob, RemovalKind::Left, None)
        .await
        .unwrap();
    c.add_member(&mona, w, &bob, Role::Member).await.unwrap();
    let access = c.access(w).await.unwrap();
    assert!(access.channel_allows(general.id, "join", &bob));
    assert!(!access.channel_allows(general.id, "speak", &bob));
}

#[tokio::test]
async fn members_come_in_pages() {
    let world = World::new().await;
    let c = &world.community;
    let w = world.penguins().await.id;
    let names = |m: Vec<waddle_community::Member>| -> Vec<String> {
        m.iter().map(|m| m.user.as_local().unwrap().to_owned()).collect()
    };
    let first = c.members(w, Page { offset: 0, limit: 3 }).await.unwrap();
    let rest = c.members(w, Page { offset: 3, limit: 3 }).await.unwrap();
    let mut all = names(first);
    all.extend(names(rest));
    all.sort();
    assert_eq!(all, ["adam", "alice", "bob", "mona"]);
    assert_eq!(c.member_count(w).await.unwrap(), 4);
    assert_eq!(
        c.member(w, &user("bob")).await.unwrap().unwrap().role,
        Role::Member
    );
    // Adding the same again changes nothing; adding with another role changes it.
    let revision = c.access(w).await.unwrap().revision();
    c.add_member(&user("alice"), w, &user("bob"), Role::Member)
        .await
        .unwrap();
    assert_eq!(c.access(w).await.unwrap().revision(), revision);
    c.add_member(&user("alice"), w, &user("bob"), Role::Admin)
        .await
        .unwrap();
    assert_eq!(c.role_of(w, &user("bob")).await.unwrap(), Some(Role::Admin));
    assert_eq!(c.waddles_of(&user("bob")).await.unwrap()[0].1, Role::Admin);
}

#[tokio::test]
async fn changes_in_parallel_leave_one_truth() {
    let world = World::new().await;
    let c = &world.community;
    let w = world.penguins().await.id;
    let mut tasks = Vec::new();
    for i in 0..40 {
        let (c, who) = (c.clone(), user(&format!("u{}", i % 8)));
        tasks.push(tokio::spawn(async move {
            let alice = user("alice");
            // Either may fail, depending on who was first; none may leave the sides apart.
            let _ = c.add_member(&alice, w, &who, Role::Member).await;
            if i % 3 == 0 {
                let _ = c.remove_member(&alice, w, &who, RemovalKind::Removed, None).await;
            }
        }));
    }
    for t in tasks {
        t.await.unwrap();
    }
    let access = c.access(w).await.unwrap();
    for i in 0..8 {
        let who = user(&format!("u{i}"));
        let row = c.member(w, &who).await.unwrap().is_some();
        assert_eq!(access.is_member(&who), row);
        assert_eq!(!c.waddles_of(&who).await.unwrap().is_empty(), row);
    }
    assert_eq!(c.revisions(w).await.unwrap().tuples, access.revision());
}

#[tokio::test]
async fn a_change_is_whole_although_nobody_waits_for_it() {
    let world = World::new().await;
    let c = &world.community;
    let w = world.penguins().await.id;
    let alice = user("alice");
    // Given up at many moments, before and after the change has begun.
    for i in 0..30 {
        let who = user(&format!("u{i}"));
        let adding = c.add_member(&alice, w, &who, Role::Member);
        let _ = tokio::time::timeout(Duration::from_micros(i * 100), adding).await;
    }
    // Changes take turns: after this one the others are over.
    c.add_member(&alice, w, &user("last"), Role::Member)
        .await
        .unwrap();
    let access = c.access(w).await.unwrap();
    let mut made = 0;
    for i in 0..30 {
        let who = user(&format!("u{i}"));
        let row = c.member(w, &who).await.unwrap().is_some();
        made += usize::from(row);
        assert_eq!(access.is_member(&who), row, "{who}: both or neither");
        assert_eq!(!c.waddles_of(&who).await.unwrap().is_empty(), row, "{who}");
    }
    assert!(made > 0);
}

#[tokio::test]
async fn an_account_that_goes_leaves_all_but_what_only_it_owns() {
    let world = World::new().await;
    let c = &world.community;
    let w = world.penguins().await;
    assert!(c.leave_all(&user("bob")).await.unwrap().is_empty());
    assert_eq!(c.role_of(w.id, &user("bob")).await.unwrap(), None);
    let other = waddle_community::NewWaddle::new(crate::slug("others"), "Others");
    let other = c.create_waddle(&user("carol"), other).await.unwrap();
    c.add_member(Actor::System, other.id, &user("alice"), Role::Owner)
        .await
        .unwrap();
    let only_hers = c.leave_all(&user("alice")).await.unwrap();
    assert_eq!((only_hers.len(), only_hers[0].id), (1, w.id));
    assert_eq!(
        c.role_of(other.id, &user("alice")).await.unwrap(),
        Some(Role::Owner),
        "nothing happened yet"
    );
    c.delete_waddle(Actor::System, w.id).await.unwrap();
    assert!(c.leave_all(&user("alice")).await.unwrap().is_empty());
}

#[tokio::test]
async fn publishing_is_granted_to_one_or_all() {
    let world = World::new().await;
    let c = &world.community;
    let w = world.penguins().await.id;
    let access = c.access(w).await.unwrap();
    let (adam, bob) = (user("adam"), user("bob"));
    assert!(access.waddle_allows("subscribe", &bob) && !access.waddle_allows("publish", &bob));
    assert_eq!(
        c.grant_publish(&bob, w, Some(&bob), true).await,
        Err(Error::Forbidden)
    );
    let stranger = c.grant_publish(&adam, w, Some(&user("carol")), true).await;
    assert_eq!(stranger, Err(Error::NotFound("member")));
    c.grant_publish(&adam, w, Some(&bob), true).await.unwrap();
    assert!(access.waddle_allows("publish", &bob));
    c.remove_member(&adam, w, &bob, RemovalKind::Kicked, None)
        .await
        .unwrap();
    c.add_member(&adam, w, &bob, Role::Member).await.unwrap();
    assert!(
        !access.waddle_allows("publish", &bob),
        "it went with the membership"
    );
    c.grant_publish(&adam, w, None, true).await.unwrap();
    assert!(access.waddle_allows("publish", &bob));
    c.grant_publish(&adam, w, None, false).await.unwrap();
    assert!(!access.waddle_allows("publish", &bob));
}
