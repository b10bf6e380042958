//! Finding a waddle, joining it or asking to; handing it over; what it shows of itself.

use std::time::Duration;

use waddle_community::{Actor, Error, Event, NewWaddle, Role, SettingsChange, Visibility, WaddleChange};
use waddle_core::{Limits, WaddleId};
use waddle_storage::repo::accounts::Accounts;

use crate::{World, next, slug, user};

async fn made(world: &World, name: &str, visibility: Visibility) -> WaddleId {
    let mut new = NewWaddle::new(slug(name), format!("The {name} Club"));
    new.visibility = visibility;
    new.description = "About ÄRGER and fish".into();
    world
        .community
        .create_waddle(&user("alice"), new)
        .await
        .unwrap()
        .id
}

#[tokio::test]
async fn discovery_shows_what_everybody_may_know_the_largest_first() {
    let world = World::new().await;
    let c = &world.community;
    let open = made(&world, "open", Visibility::Public).await;
    let asked = made(&world, "asked", Visibility::Restricted).await;
    made(&world, "secret", Visibility::Private).await;
    for name in ["bob", "carol"] {
        c.join_waddle(&user(name), open).await.unwrap();
    }
    let found = async |query: &str| -> Vec<(String, u64)> {
        let found = c.discover(query, None, 10).await.unwrap();
        found.iter().map(|(w, n)| (w.slug.to_string(), *n)).collect()
    };
    assert_eq!(found("").await, [("open".into(), 3), ("asked".into(), 1)]);
    assert_eq!(found("fish ärger").await.len(), 2);
    assert_eq!(found("OPEN club").await, [("open".into(), 3)]);
    assert_eq!(found("secret").await, []);
    assert_eq!(found("100% _").await, []);
    let first = c.discover("", None, 1).await.unwrap();
    let (w, members) = &first[0];
    let rest = c.discover("", Some((*members, w.id)), 10).await.unwrap();
    assert_eq!(rest.len(), 1);
    assert_eq!(rest[0].0.id, asked);
    // What is hidden now is found no more.
    let hide = WaddleChange {
        visibility: Some(Visibility::Private),
        ..WaddleChange::default()
    };
    c.update_waddle(&user("alice"), open, hide).await.unwrap();
    assert_eq!(found("").await, [("asked".into(), 1)]);
    assert_eq!(c.listed_members(open).await.unwrap(), 3);
}

#[tokio::test]
async fn only_a_public_waddle_is_joined_without_asking() {
    let world = World::new().await;
    let c = &world.community;
    let open = made(&world, "open", Visibility::Public).await;
    let asked = made(&world, "asked", Visibility::Restricted).await;
    let secret = made(&world, "secret", Visibility::Private).await;
    let bob = user("bob");
    for w in [asked, secret, WaddleId::new()] {
        let no = c.join_waddle(&bob, w).await;
        assert!(matches!(no, Err(Error::Forbidden | Error::NotFound(_))), "{no:?}");
    }
    assert_eq!(c.join_waddle(&bob, open).await, Ok(Role::Member));
    assert_eq!(c.join_waddle(&bob, open).await, Ok(Role::Member));
    assert_eq!(c.join_waddle(&user("alice"), open).await, Ok(Role::Owner));
    c.remove_member(
        &user("alice"),
        open,
        &bob,
        waddle_community::RemovalKind::Banned,
        None,
    )
    .await
    .unwrap();
    assert_eq!(c.join_waddle(&bob, open).await, Err(Error::Forbidden));
}

#[tokio::test]
async fn a_request_is_answered_once() {
    let limits = Limits {
        join_requests_per_waddle: 2,
        ..Limits::default()
    };
    let world = World::with(limits).await;
    let c = &world.community;
    let w = made(&world, "asked", Visibility::Restricted).await;
    let secret = made(&world, "secret", Visibility::Private).await;
    let open = made(&world, "open", Visibility::Public).await;
    let (alice, bob, eve) = (user("alice"), user("bob"), user("eve"));
    let mut events = c.events();
    let request = c.request_to_join(&bob, w, "I like fish").await.unwrap();
    assert!(matches!(next(&mut events).await, Event::JoinRequested { request: r, .. } if r.id == request.id));
    for (w, why) in [(secret, "secret"), (WaddleId::new(), "none")] {
        assert_eq!(
            c.request_to_join(&bob, w, "").await,
            Err(Error::Forbidden),
            "{why}"
        );
    }
    for (who, w) in [(&bob, w), (&alice, w), (&bob, open)] {
        let no = c.request_to_join(who, w, "").await;
        assert!(matches!(no, Err(Error::Conflict(_))), "{no:?}");
    }
    let long = c.request_to_join(&eve, w, &"x".repeat(501)).await;
    assert!(matches!(long, Err(Error::Invalid { .. })));
    c.request_to_join(&eve, w, "").await.unwrap();
    let full = c.request_to_join(&user("carol"), w, "").await;
    assert!(matches!(full, Err(Error::Limit { max: 2, .. })));

    let no = c.answer_join_request(&eve, w, request.id, true, None).await;
    assert_eq!(no, Err(Error::Forbidden));
    let waiting = c.join_requests(w, None, 10).await.unwrap();
    assert_eq!(waiting.len(), 2);
    assert_eq!(
        (&waiting[0].user, waiting[0].message.as_str()),
        (&bob, "I like fish")
    );
    c.answer_join_request(&alice, w, request.id, true, None)
        .await
        .unwrap();
    assert_eq!(c.role_of(w, &bob).await.unwrap(), Some(Role::Member));
    let again = c.answer_join_request(&alice, w, request.id, true, None).await;
    assert_eq!(again, Err(Error::NotFound("request to join")));

    // Who was refused waits a day.
    let refused = waiting[1].id;
    c.answer_join_request(&alice, w, refused, false, Some("who are you?"))
        .await
        .unwrap();
    assert!(matches!(
        c.request_to_join(&eve, w, "").await,
        Err(Error::Conflict(_))
    ));
    assert!(
        c.join_request_of(w, &eve)
            .await
            .unwrap()
            .unwrap()
            .refused_at
            .is_some()
    );
    world.clock.advance(Duration::from_secs(86_400));
    c.request_to_join(&eve, w, "please").await.unwrap();
    c.withdraw_join_request(&eve, w).await.unwrap();
    assert_eq!(c.join_request_of(w, &eve).await.unwrap(), None);
    // Whoever comes in by another way asks no more.
    c.request_to_join(&eve, w, "").await.unwrap();
    c.add_member(&alice, w, &eve, Role::Member).await.unwrap();
    assert_eq!(c.join_requests(w, None, 10).await.unwrap(), []);
}

#[tokio::test]
async fn a_waddle_is_handed_over() {
    let limits = Limits {
        waddles_per_user: 1,
        ..Limits::default()
    };
    let world = World::with(limits).await;
    let c = &world.community;
    let w = world.penguins().await.id;
    let (alice, adam, bob) = (user("alice"), user("adam"), user("bob"));
    for (who, to, why) in [
        (&adam, &bob, Error::Forbidden),
        (&alice, &user("eve"), Error::NotFound("member")),
    ] {
        assert_eq!(c.transfer_waddle(who, w, to).await, Err(why));
    }
    assert!(matches!(
        c.transfer_waddle(&alice, w, &alice).await,
        Err(Error::Conflict(_))
    ));
    c.transfer_waddle(&alice, w, &bob).await.unwrap();
    let access = c.access(w).await.unwrap();
    assert_eq!(access.role_of(&bob), Some(Role::Owner));
    assert_eq!(access.role_of(&alice), Some(Role::Admin));
    assert!(access.waddle_allows("delete", &bob) && !access.waddle_allows("delete", &alice));
    // The operator hands over too; whoever owns enough gets no more.
    c.transfer_waddle(Actor::System, w, &adam).await.unwrap();
    assert_eq!(access.role_of(&bob), Some(Role::Admin));
    c.create_waddle(&alice, NewWaddle::new(slug("other"), "Other"))
        .await
        .unwrap();
    let full = c.transfer_waddle(&adam, w, &alice).await;
    assert!(matches!(full, Err(Error::Limit { max: 1, .. })), "{full:?}");
    let full = c.set_role(&adam, w, &alice, Role::Owner).await;
    assert!(matches!(full, Err(Error::Limit { max: 1, .. })), "{full:?}");
}

#[tokio::test]
async fn pictures_and_settings_are_kept_and_checked() {
    let world = World::new().await;
    let c = &world.community;
    let w = world.penguins().await.id;
    let change = WaddleChange {
        icon: Some(Some("https://chat.example/files/icon.png".into())),
        banner: Some(Some("https://chat.example/files/banner.png".into())),
        settings: SettingsChange {
            public_archive: Some(false),
            appeal: Some("write to mona".into()),
            ..SettingsChange::default()
        },
        ..WaddleChange::default()
    };
    let changed = c.update_waddle(&user("adam"), w, change).await.unwrap();
    assert!(!changed.settings.public_archive && changed.settings.indexed);
    for bad in [
        "javascript:alert(1)",
        "https://a b",
        &format!("https://{}", "x".repeat(2_048)),
    ] {
        let bad = WaddleChange {
            icon: Some(Some(bad.to_owned())),
            ..WaddleChange::default()
        };
        assert!(matches!(
            c.update_waddle(&user("adam"), w, bad).await,
            Err(Error::Invalid { field: "icon", .. })
        ));
    }
    let gone = WaddleChange {
        icon: Some(None),
        ..WaddleChange::default()
    };
    c.update_waddle(&user("adam"), w, gone).await.unwrap();
    let world = world.restart().await;
    let kept = world.community.waddle_by_id(w).unwrap();
    assert_eq!(kept.icon, None);
    assert_eq!(
        kept.banner.as_deref(),
        Some("https://chat.example/files/banner.png")
    );
    assert_eq!(kept.settings.appeal, "write to mona");
    // Over JSON, what is left out and what is null are two things.
    let read: WaddleChange = serde_json::from_str(r#"{"banner": null}"#).unwrap();
    assert_eq!((read.icon, read.banner), (None, Some(None)));
}

/// Somebody asked, and deleted their account before the answer.
#[tokio::test]
async fn nobody_is_let_in_whose_account_is_gone() {
    let world = World::new().await;
    let c = &world.community;
    let w = world.penguins().await.id;
    let (alice, eve) = (user("alice"), user("eve"));
    let server = world.storage.server();
    let accounts = Accounts(&server);
    accounts
        .create_local(eve.clone(), "eve".into(), false, None)
        .await
        .unwrap();
    let change = WaddleChange {
        visibility: Some(Visibility::Restricted),
        ..WaddleChange::default()
    };
    c.update_waddle(&alice, w, change).await.unwrap();
    let request = c.request_to_join(&eve, w, "").await.unwrap().id;
    assert_eq!(c.leave_all(&eve).await.unwrap(), []);
    accounts.delete(eve.clone()).await.unwrap();
    let refused = c.answer_join_request(&alice, w, request, true, None).await;
    assert!(matches!(refused, Err(Error::Conflict(_))), "{refused:?}");
    assert_eq!(c.role_of(w, &eve).await.unwrap(), None);
    c.answer_join_request(&alice, w, request, false, None)
        .await
        .unwrap();
    assert_eq!(c.join_requests(w, None, 10).await.unwrap(), []);
}
