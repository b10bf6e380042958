//! Invites: counted, expiring, revocable.

use std::time::Duration;

use waddle_community::{Error, NewInvite, RemovalKind, Role};
use waddle_core::{Clock, Limits, Secret};

use crate::{World, user};

#[tokio::test]
async fn a_link_makes_members() {
    let world = World::new().await;
    let c = &world.community;
    let w = world.penguins().await;
    let no = c.create_invite(&user("bob"), w.id, NewInvite::default()).await;
    assert!(matches!(no, Err(Error::Forbidden)));
    let link = c
        .create_invite(&user("mona"), w.id, NewInvite::default())
        .await
        .unwrap();
    assert!(link.code.expose().starts_with("penguins-"));
    let (to, invite) = c.invite_info(&link.code).await.unwrap();
    assert_eq!((to.id, invite.role, invite.uses), (w.id, Role::Member, 0));
    let carol = user("carol");
    assert_eq!(
        c.accept_invite(&carol, &link.code).await.unwrap(),
        (w.clone(), Role::Member)
    );
    // Once more is no second use, and makes no admin less.
    assert_eq!(c.accept_invite(&carol, &link.code).await.unwrap().1, Role::Member);
    assert_eq!(
        c.accept_invite(&user("adam"), &link.code).await.unwrap().1,
        Role::Admin
    );
    assert_eq!(c.invites(w.id).await.unwrap()[0].uses, 1);
    assert_eq!(
        c.member(w.id, &carol).await.unwrap().unwrap().invite,
        Some(link.invite.id)
    );

    assert_eq!(
        c.revoke_invite(&user("carol"), w.id, link.invite.id).await,
        Err(Error::Forbidden)
    );
    c.revoke_invite(&user("mona"), w.id, link.invite.id)
        .await
        .unwrap();
    let gone = c.accept_invite(&user("dave"), &link.code).await;
    assert_eq!(gone, Err(Error::NotFound("invite")));
    // A code that is none says no more about a waddle that exists than about one that does not.
    for code in [
        "penguins-aaaaaaaaaaaaaaaaaaaaaaaaaa",
        "nothing-aaaaaaaaaaaaaaaaaaaaaaaaaa",
        "x",
        "",
    ] {
        let wrong = c.accept_invite(&user("dave"), &Secret::new(code)).await;
        assert_eq!(wrong, Err(Error::NotFound("invite")), "{code}");
        assert_eq!(
            c.invite_info(&Secret::new(code)).await.err(),
            Some(Error::NotFound("invite"))
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn ten_uses_are_ten_uses() {
    let world = World::new().await;
    let c = &world.community;
    let w = world.penguins().await;
    let new = NewInvite {
        max_uses: Some(10),
        ..NewInvite::default()
    };
    let code = c.create_invite(&user("alice"), w.id, new).await.unwrap().code;
    let tasks: Vec<_> = (0..100)
        .map(|i| {
            let (c, code) = (c.clone(), code.clone());
            tokio::spawn(async move { c.accept_invite(&user(&format!("u{i}")), &code).await })
        })
        .collect();
    let (mut joined, mut late) = (0, 0);
    for t in tasks {
        match t.await.unwrap() {
            Ok(_) => joined += 1,
            Err(Error::Expired("invite")) => late += 1,
            Err(e) => panic!("{e}"),
        }
    }
    assert_eq!((joined, late), (10, 90));
    assert_eq!(c.member_count(w.id).await.unwrap(), 14);
}

#[tokio::test]
async fn invites_end() {
    let world = World::with(Limits {
        invites_per_waddle: 2,
        ..Limits::default()
    })
    .await;
    let c = &world.community;
    let w = world.penguins().await;
    let hour = Duration::from_secs(3600);
    let new = NewInvite {
        expires_at: Some(world.clock.now().plus(hour)),
        ..NewInvite::default()
    };
    let link = c.create_invite(&user("alice"), w.id, new.clone()).await.unwrap();
    let other = c
        .create_invite(&user("mona"), w.id, NewInvite::default())
        .await
        .unwrap();
    assert_eq!(
        c.create_invite(&user("alice"), w.id, new.clone())
            .await
            .unwrap_err(),
        Error::Limit {
            what: "open invites in a waddle",
            max: 2
        }
    );
    world.clock.advance(hour);
    assert_eq!(
        c.accept_invite(&user("carol"), &link.code).await,
        Err(Error::Expired("invite"))
    );
    assert_eq!(
        c.invite_info(&link.code).await.err(),
        Some(Error::Expired("invite"))
    );
    assert!(matches!(
        c.create_invite(&user("alice"), w.id, new).await,
        Err(Error::Invalid {
            field: "expires_at",
            ..
        })
    ));
    // One that nobody can accept any more makes room for another.
    c.create_invite(&user("alice"), w.id, NewInvite::default())
        .await
        .unwrap();

    // An invite holds no longer than its maker may give what it gives.
    c.remove_member(&user("alice"), w.id, &user("mona"), RemovalKind::Kicked, None)
        .await
        .unwrap();
    for who in ["mona", "carol"] {
        assert_eq!(
            c.accept_invite(&user(who), &other.code).await,
            Err(Error::Expired("invite"))
        );
    }
}

#[tokio::test]
async fn invites_give_no_more_than_their_maker_may() {
    let world = World::new().await;
    let c = &world.community;
    let w = world.penguins().await;
    let as_role = |role| NewInvite {
        role,
        ..NewInvite::default()
    };
    for (by, role) in [("mona", Role::Moderator), ("adam", Role::Admin)] {
        let made = c.create_invite(&user(by), w.id, as_role(role)).await;
        assert!(matches!(made, Err(Error::Forbidden)), "{by}");
    }
    let owner = c.create_invite(&user("alice"), w.id, as_role(Role::Owner)).await;
    assert!(matches!(owner, Err(Error::Invalid { field: "role", .. })));
    let link = c
        .create_invite(&user("adam"), w.id, as_role(Role::Moderator))
        .await
        .unwrap();
    c.accept_invite(&user("carol"), &link.code).await.unwrap();
    assert_eq!(
        c.role_of(w.id, &user("carol")).await.unwrap(),
        Some(Role::Moderator)
    );
    // Banned is banned, with or without a link.
    c.remove_member(&user("adam"), w.id, &user("carol"), RemovalKind::Banned, None)
        .await
        .unwrap();
    assert_eq!(
        c.accept_invite(&user("carol"), &link.code).await,
        Err(Error::Forbidden)
    );
}
