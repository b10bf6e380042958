//! Making, changing, deleting waddles and channels.

use waddle_community::{
    Actor, ChannelChange, ChannelGrant, ChannelKind, Error, Event, FeedMode, NewBinding, NewChannel,
    NewWaddle, On, Users, Visibility, WaddleChange,
};
use waddle_core::{Limits, WaddleId};
use waddle_storage::{
    StorageError,
    repo::{members, rooms, tuples},
};

use crate::{World, next, slug, user};

#[tokio::test]
async fn a_new_waddle_has_its_channels_and_its_owner() {
    let world = World::new().await;
    let c = &world.community;
    let mut events = c.events();
    let alice = user("alice");
    let w = c
        .create_waddle(&alice, NewWaddle::new(slug("penguins"), "Penguins"))
        .await
        .unwrap();
    assert!(matches!(
        next(&mut events).await,
        Event::TuplesChanged {
            users: Users::All,
            ..
        }
    ));
    assert!(matches!(next(&mut events).await, Event::WaddleCreated(made) if made == w));

    assert_eq!(c.waddle_by_slug(&slug("penguins")), Some(w.clone()));
    assert_eq!(c.waddle_by_slug_or_id(&w.id.to_string()), Some(w.clone()));
    assert_eq!(c.waddle_by_slug_or_id("penguins"), Some(w.clone()));
    assert_eq!(c.waddle_by_slug_or_id("Penguins!"), None);
    let channels: Vec<String> = c
        .channels(w.id)
        .await
        .unwrap()
        .iter()
        .map(|c| c.slug.to_string())
        .collect();
    assert_eq!(channels, ["general", "announcements"]);
    let mine = c.waddles_of(&alice).await.unwrap();
    assert_eq!(mine.len(), 1);
    assert_eq!((mine[0].0.id, mine[0].1.as_str()), (w.id, "owner"));

    let access = c.access(w.id).await.unwrap();
    let general = access.channel_by_slug(&slug("general")).unwrap();
    assert!(access.channel_allows(general.id, "speak", &alice));
    assert!(!access.channel_allows(general.id, "join", &user("carol")));
    assert!(!access.visible_to(&user("carol")));
    assert_eq!(access.role_of(&user("carol")), None);

    let again = c
        .create_waddle(&alice, NewWaddle::new(slug("penguins"), "Others"))
        .await;
    assert!(matches!(again, Err(Error::Conflict(_))));
    for (name, description) in [("x", ""), ("a\u{7}b", ""), ("Fine", &*"y".repeat(1001))] {
        let bad = NewWaddle {
            description: description.into(),
            ..NewWaddle::new(slug("other"), name)
        };
        assert!(matches!(
            c.create_waddle(&alice, bad).await,
            Err(Error::Invalid { .. })
        ));
    }
    let for_another = NewWaddle {
        owner: Some(user("bob")),
        ..NewWaddle::new(slug("other"), "Other")
    };
    assert_eq!(
        c.create_waddle(&alice, for_another.clone()).await,
        Err(Error::Forbidden)
    );
    let made = c.create_waddle(Actor::System, for_another).await.unwrap();
    assert_eq!(
        c.role_of(made.id, &user("bob")).await.unwrap().unwrap().as_str(),
        "owner"
    );
    assert!(
        c.create_waddle(Actor::System, NewWaddle::new(slug("nobody"), "Nobody's"))
            .await
            .is_err()
    );
}

#[tokio::test]
async fn everything_is_there_after_a_restart() {
    let world = World::new().await;
    let w = world.penguins().await;
    let alice = user("alice");
    let sensors = world
        .community
        .create_channel(&alice, w.id, NewChannel::text(slug("sensors"), "Sensors"))
        .await
        .unwrap();
    let revision = world.community.access(w.id).await.unwrap().revision();
    let world = world.restart().await;
    let access = world.community.access(w.id).await.unwrap();
    assert_eq!(access.revision(), revision);
    assert_eq!(access.channels().len(), 3);
    assert!(access.channel_allows(sensors.id, "speak", &user("bob")));
    assert_eq!(access.role_of(&user("mona")).unwrap().as_str(), "moderator");
    assert_eq!(world.community.waddles_of(&user("bob")).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_slug_that_a_room_uses_is_taken() {
    let world = World::new().await;
    let c = &world.community;
    let server = world.storage.server();
    let save = async |name: &'static str| {
        let settings = rooms::RoomSettings::default();
        server
            .write(move |tx| rooms::save(tx, name, b"secret", &settings))
            .await
    };
    save("lounge.main").await.unwrap();
    let alice = user("alice");
    let taken = c
        .create_waddle(&alice, NewWaddle::new(slug("lounge"), "Lounge"))
        .await;
    assert!(matches!(taken, Err(Error::Conflict(_))));
    assert!(
        !c.is_slug_taken(&slug("lounge")),
        "a waddle that failed leaves nothing"
    );
    c.create_waddle(&alice, NewWaddle::new(slug("loung"), "Loung"))
        .await
        .unwrap();
    assert!(matches!(save("loung.e").await, Err(StorageError::Conflict(_))));
    save("lounge.other").await.unwrap();
    let none = server.read(|conn| rooms::uses_slug(conn, &slug("other"))).await;
    assert_eq!(none, Ok(false));
    assert!(
        c.create_waddle(&alice, NewWaddle::new(slug("other"), "Other"))
            .await
            .is_ok()
    );
    assert!(c.is_slug_taken(&slug("other")));
}

#[tokio::test]
async fn visibility_acts_at_once() {
    let world = World::new().await;
    let c = &world.community;
    let w = world.penguins().await;
    let access = c.access(w.id).await.unwrap();
    let general = access.channel_by_slug(&slug("general")).unwrap();
    let carol = user("carol");
    let set = |v| WaddleChange {
        visibility: Some(v),
        ..WaddleChange::default()
    };
    for actor in ["mona", "bob", "carol"] {
        let no = c.update_waddle(&user(actor), w.id, set(Visibility::Public)).await;
        assert_eq!(no, Err(Error::Forbidden), "{actor}");
    }
    c.update_waddle(&user("adam"), w.id, set(Visibility::Public))
        .await
        .unwrap();
    assert!(access.visible_to(&carol) && access.channel_allows(general.id, "join", &carol));
    assert!(!access.channel_allows(general.id, "speak", &carol));
    c.update_waddle(&user("adam"), w.id, set(Visibility::Restricted))
        .await
        .unwrap();
    assert!(access.visible_to(&carol) && !access.channel_allows(general.id, "join", &carol));
    let world = world.restart().await;
    assert_eq!(
        world.community.waddle_by_id(w.id).unwrap().visibility,
        Visibility::Restricted
    );
}

#[tokio::test]
async fn channels_are_made_changed_and_deleted() {
    let world = World::new().await;
    let c = &world.community;
    let w = world.penguins().await;
    let (adam, mona, bob) = (user("adam"), user("mona"), user("bob"));
    let no = c
        .create_channel(&mona, w.id, NewChannel::text(slug("x"), "X"))
        .await;
    assert_eq!(no, Err(Error::Forbidden));
    let secret = NewChannel {
        private: true,
        ..NewChannel::text(slug("staff"), "Staff")
    };
    let staff = c.create_channel(&adam, w.id, secret.clone()).await.unwrap();
    assert!(matches!(
        c.create_channel(&adam, w.id, secret).await,
        Err(Error::Conflict(_))
    ));
    let access = c.access(w.id).await.unwrap();
    assert!(!access.channel_allows(staff.id, "view", &bob));
    assert!(access.channel_allows(staff.id, "view", &mona));
    assert_eq!(access.visible_channels(&bob).len(), 2);

    c.grant_channel(&adam, w.id, staff.id, &bob, ChannelGrant::Writer, true)
        .await
        .unwrap();
    assert!(access.channel_allows(staff.id, "speak", &bob));
    let no = c
        .grant_channel(&mona, w.id, staff.id, &bob, ChannelGrant::Manager, true)
        .await;
    assert_eq!(no, Err(Error::Forbidden));
    c.grant_channel(&mona, w.id, staff.id, &bob, ChannelGrant::Muted, true)
        .await
        .unwrap();
    assert!(!access.channel_allows(staff.id, "speak", &bob));
    let no = c
        .grant_channel(&mona, w.id, staff.id, &adam, ChannelGrant::Banned, true)
        .await;
    assert_eq!(no, Err(Error::Forbidden), "a moderator bans no admin");
    c.grant_channel(&mona, w.id, staff.id, &bob, ChannelGrant::Muted, false)
        .await
        .unwrap();

    // Who moderates one channel acts on members there, not on who stands as high.
    let (dora, eve) = (user("dora"), user("eve"));
    for who in [&dora, &eve] {
        c.add_member(&adam, w.id, who, waddle_community::Role::Member)
            .await
            .unwrap();
    }
    for who in [&bob, &eve] {
        c.grant_channel(&adam, w.id, staff.id, who, ChannelGrant::Moderator, true)
            .await
            .unwrap();
    }
    c.grant_channel(&bob, w.id, staff.id, &dora, ChannelGrant::Banned, true)
        .await
        .unwrap();
    for above in [&eve, &mona, &bob] {
        let no = c
            .grant_channel(&bob, w.id, staff.id, above, ChannelGrant::Muted, true)
            .await;
        assert_eq!(no, Err(Error::Forbidden), "{above}");
    }
    c.grant_channel(&adam, w.id, staff.id, &bob, ChannelGrant::Moderator, false)
        .await
        .unwrap();

    // The topic is for moderators, the rest for managers.
    let topic = ChannelChange {
        topic: Some("hello".into()),
        ..ChannelChange::default()
    };
    assert_eq!(
        c.update_channel(&bob, w.id, staff.id, topic.clone()).await,
        Err(Error::Forbidden)
    );
    assert_eq!(
        c.update_channel(&mona, w.id, staff.id, topic)
            .await
            .unwrap()
            .topic,
        "hello"
    );
    let open = ChannelChange {
        kind: Some(ChannelKind::Announcement),
        private: Some(false),
        ..ChannelChange::default()
    };
    assert_eq!(
        c.update_channel(&mona, w.id, staff.id, open.clone()).await,
        Err(Error::Forbidden)
    );
    c.update_channel(&adam, w.id, staff.id, open).await.unwrap();
    c.grant_channel(&adam, w.id, staff.id, &bob, ChannelGrant::Writer, false)
        .await
        .unwrap();
    assert!(access.channel_allows(staff.id, "view", &bob) && !access.channel_allows(staff.id, "speak", &bob));

    let bound = c
        .bind_feed(
            &adam,
            w.id,
            NewBinding {
                filter: "home/#".parse().unwrap(),
                channel: staff.id,
                mode: FeedMode::Message,
                name: None,
            },
        )
        .await
        .unwrap();
    assert!(access.allows(On::Feed(bound.id), "view", &bob));
    assert_eq!(
        c.delete_channel(&mona, w.id, staff.id).await,
        Err(Error::Forbidden)
    );
    c.delete_channel(&adam, w.id, staff.id).await.unwrap();
    assert_eq!(
        c.delete_channel(&adam, w.id, staff.id).await,
        Err(Error::NotFound("channel"))
    );
    assert!(!access.channel_allows(staff.id, "view", &adam));
    assert!(!access.allows(On::Feed(bound.id), "view", &bob));
    assert!(c.bindings(w.id).await.unwrap().is_empty());
    // The slug is free again, and nobody inherits anything.
    let new = c
        .create_channel(
            &adam,
            w.id,
            NewChannel {
                private: true,
                ..NewChannel::text(slug("staff"), "Staff")
            },
        )
        .await
        .unwrap();
    assert!(!access.channel_allows(new.id, "view", &bob));
}

#[tokio::test]
async fn feeds_are_bound_once_and_by_managers() {
    let world = World::new().await;
    let c = &world.community;
    let w = world.penguins().await;
    let general = c.channel_by_slug(w.id, &slug("general")).await.unwrap().unwrap();
    let new = |filter: &str| NewBinding {
        filter: filter.parse().unwrap(),
        channel: general.id,
        mode: FeedMode::Message,
        name: None,
    };
    assert_eq!(
        c.bind_feed(&user("bob"), w.id, new("a/#")).await,
        Err(Error::Forbidden)
    );
    let mut events = c.events();
    let b = c.bind_feed(&user("adam"), w.id, new("a/#")).await.unwrap();
    assert_eq!(b.name, "a/#");
    assert!(matches!(next(&mut events).await, Event::BindingsChanged { waddle } if waddle == w.id));
    assert!(matches!(
        c.bind_feed(&user("adam"), w.id, new("a/#")).await,
        Err(Error::Conflict(_))
    ));
    assert!(matches!(
        c.bind_feed(&user("adam"), w.id, new("$SYS/#")).await,
        Err(Error::Invalid { .. })
    ));
    assert_eq!(
        c.unbind_feed(&user("bob"), w.id, b.id).await,
        Err(Error::Forbidden)
    );
    c.unbind_feed(&user("adam"), w.id, b.id).await.unwrap();
    assert_eq!(
        c.unbind_feed(&user("adam"), w.id, b.id).await,
        Err(Error::NotFound("feed"))
    );
}

#[tokio::test]
async fn a_deleted_waddle_is_gone_for_everybody() {
    let world = World::new().await;
    let c = &world.community;
    let w = world.penguins().await;
    let access = c.access(w.id).await.unwrap();
    let general = access.channel_by_slug(&slug("general")).unwrap();
    assert_eq!(c.delete_waddle(&user("adam"), w.id).await, Err(Error::Forbidden));
    let mut events = c.events();
    c.delete_waddle(&user("alice"), w.id).await.unwrap();
    assert!(matches!(next(&mut events).await, Event::WaddleDeleted { waddle, .. } if waddle == w.id));
    assert!(matches!(
        next(&mut events).await,
        Event::TuplesChanged {
            users: Users::All,
            ..
        }
    ));
    assert!(access.is_gone() && !access.channel_allows(general.id, "join", &user("alice")));
    assert_eq!(c.access(w.id).await.err(), Some(Error::NotFound("waddle")));
    assert!(c.waddles_of(&user("bob")).await.unwrap().is_empty());
    assert_eq!(c.delete_waddle(&user("alice"), w.id).await, Err(Error::Forbidden));
    assert_eq!(
        c.delete_waddle(Actor::System, w.id).await,
        Err(Error::NotFound("waddle"))
    );
    // The slug can be used again, by a waddle that knows nobody of the old one.
    let new = c
        .create_waddle(&user("carol"), NewWaddle::new(slug("penguins"), "New"))
        .await
        .unwrap();
    assert!(!c.access(new.id).await.unwrap().is_member(&user("bob")));
}

#[tokio::test]
async fn bounds_answer_with_their_number() {
    let world = World::with(Limits {
        waddles_per_user: 1,
        waddles_per_member: 2,
        channels_per_waddle: 2,
        members_per_waddle: 4,
        ..Limits::default()
    })
    .await;
    let c = &world.community;
    let w = world.penguins().await;
    let alice = user("alice");
    let limit = |r: Error| matches!(r, Error::Limit { .. });
    let second = c
        .create_waddle(&alice, NewWaddle::new(slug("second"), "Second"))
        .await;
    assert_eq!(second.unwrap_err().to_string(), "at most 1 waddles for one owner");
    assert!(c.waddle_by_slug(&slug("second")).is_none());
    let third = c
        .create_channel(&alice, w.id, NewChannel::text(slug("third"), "3"))
        .await;
    assert!(limit(third.unwrap_err()));
    let fifth = c
        .add_member(&alice, w.id, &user("eve"), waddle_community::Role::Member)
        .await;
    assert!(limit(fifth.unwrap_err()));
    let unknown = c.access(WaddleId::new()).await;
    assert_eq!(unknown.err(), Some(Error::NotFound("waddle")));
}

#[tokio::test]
async fn a_stranger_learns_nothing_from_refusals() {
    let world = World::new().await;
    let c = &world.community;
    let w = world.penguins().await;
    let carol = user("carol");
    let general = c.channel_by_slug(w.id, &slug("general")).await.unwrap().unwrap();
    for waddle in [w.id, WaddleId::new()] {
        for channel in [general.id, waddle_core::ChannelId::new()] {
            let change = ChannelChange::default();
            assert_eq!(
                c.update_channel(&carol, waddle, channel, change).await,
                Err(Error::Forbidden)
            );
            assert_eq!(
                c.delete_channel(&carol, waddle, channel).await,
                Err(Error::Forbidden)
            );
        }
        let update = c.update_waddle(&carol, waddle, WaddleChange::default()).await;
        assert_eq!(update, Err(Error::Forbidden));
        assert_eq!(c.delete_waddle(&carol, waddle).await, Err(Error::Forbidden));
        let left = c
            .remove_member(&carol, waddle, &carol, waddle_community::RemovalKind::Left, None)
            .await;
        assert_eq!(left, Err(Error::Forbidden));
    }
    // A member is told what is missing.
    let missing = c
        .delete_channel(&user("bob"), w.id, waddle_core::ChannelId::new())
        .await;
    assert_eq!(missing, Err(Error::NotFound("channel")));
}

#[tokio::test]
async fn memory_follows_a_database_that_was_replaced() {
    let world = World::new().await;
    let c = &world.community;
    let w = world.penguins().await;
    let access = c.access(w.id).await.unwrap();
    let db = world.storage.waddle(w.id).await.unwrap();
    let id = w.id;
    db.write(move |tx| {
        tuples::delete(tx, &format!("waddle:{id}"), "member", "user:local:bob")?;
        members::delete(tx, &user("bob"))
    })
    .await
    .unwrap();
    let mut events = c.events();
    c.refresh(w.id).await.unwrap();
    assert!(matches!(
        next(&mut events).await,
        Event::TuplesChanged {
            users: Users::All,
            ..
        }
    ));
    assert!(!access.is_member(&user("bob")), "whoever holds it sees it");
    assert!(c.waddles_of(&user("bob")).await.unwrap().is_empty());
}

#[tokio::test]
async fn memory_is_let_go_but_never_what_is_held() {
    let world = World::with(Limits {
        storage_open_waddles: 2,
        ..Limits::default()
    })
    .await;
    let c = &world.community;
    let alice = user("alice");
    let mut ids = Vec::new();
    for i in 0..6 {
        let new = NewWaddle::new(slug(&format!("w{i}")), format!("Waddle {i}"));
        ids.push(c.create_waddle(&alice, new).await.unwrap().id);
    }
    let held = c.access(ids[0]).await.unwrap();
    for id in &ids {
        c.access(*id).await.unwrap();
    }
    assert_eq!(c.in_memory(), 2);
    c.add_member(&alice, ids[0], &user("bob"), waddle_community::Role::Member)
        .await
        .unwrap();
    assert!(held.is_member(&user("bob")), "who holds it sees every change");
}

#[tokio::test]
async fn the_audit_log_names_who_did_what_to_whom() {
    let world = World::new().await;
    let c = &world.community;
    let w = world.penguins().await;
    c.remove_member(
        &user("mona"),
        w.id,
        &user("bob"),
        waddle_community::RemovalKind::Kicked,
        Some("noise"),
    )
    .await
    .unwrap();
    assert_eq!(
        c.audit(&user("mona"), w.id, None, 10).await,
        Err(Error::Forbidden)
    );
    let log = c.audit(&user("adam"), w.id, None, 2).await.unwrap();
    assert_eq!(log.len(), 2);
    let kick = &log[0];
    assert_eq!(
        (kick.action.as_str(), kick.target.as_str(), kick.reason.as_deref()),
        ("member.kick", "user:local:bob", Some("noise"))
    );
    assert_eq!(kick.actor, Some(user("mona")));
    let older = c.audit(Actor::System, w.id, Some(log[1].id), 100).await.unwrap();
    assert_eq!(older.last().unwrap().action, "waddle.create");
    assert_eq!(older.len(), 3);
}
