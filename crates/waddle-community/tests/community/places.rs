//! Categories and the order of channels, also where several people move at once.

use waddle_community::{CategoryChange, ChannelChange, ChannelKind, Error, Event, NewChannel};
use waddle_core::{CategoryId, ChannelId, Limits, WaddleId};

use crate::{World, next, slug, user};

async fn order(world: &World, w: WaddleId) -> Vec<(Option<CategoryId>, u32, String)> {
    let channels = world.community.channels(w).await.unwrap();
    channels
        .iter()
        .map(|c| (c.category, c.position, c.slug.to_string()))
        .collect()
}

async fn slugs(world: &World, w: WaddleId) -> Vec<String> {
    order(world, w)
        .await
        .into_iter()
        .map(|(_, _, slug)| slug)
        .collect()
}

fn to(position: u32) -> ChannelChange {
    ChannelChange {
        position: Some(position),
        ..ChannelChange::default()
    }
}

fn into(category: Option<CategoryId>) -> ChannelChange {
    ChannelChange {
        category: Some(category),
        ..ChannelChange::default()
    }
}

async fn add(world: &World, w: WaddleId, name: &str) -> ChannelId {
    let new = NewChannel::text(slug(name), name);
    world
        .community
        .create_channel(&user("alice"), w, new)
        .await
        .unwrap()
        .id
}

#[tokio::test]
async fn channels_move_within_and_between_categories() {
    let world = World::new().await;
    let c = &world.community;
    let w = world.penguins().await.id;
    let alice = user("alice");
    let x = add(&world, w, "x").await;
    let y = add(&world, w, "y").await;
    c.update_channel(&alice, w, y, to(0)).await.unwrap();
    assert_eq!(slugs(&world, w).await, ["y", "general", "announcements", "x"]);

    let first = c.create_category(&alice, w, "First").await.unwrap();
    let second = c.create_category(&alice, w, "Second").await.unwrap();
    for channel in [x, y] {
        c.update_channel(&alice, w, channel, into(Some(second.id)))
            .await
            .unwrap();
    }
    c.update_channel(&alice, w, y, to(0)).await.unwrap();
    let general = c.channel_by_slug(w, &slug("general")).await.unwrap().unwrap().id;
    c.update_channel(&alice, w, general, into(Some(first.id)))
        .await
        .unwrap();
    let names = [
        (None, 0, "announcements".to_owned()),
        (Some(first.id), 0, "general".to_owned()),
        (Some(second.id), 0, "y".to_owned()),
        (Some(second.id), 1, "x".to_owned()),
    ];
    assert_eq!(order(&world, w).await, names);

    // A category moves with its channels.
    let mut events = c.events();
    let up = CategoryChange {
        position: Some(0),
        ..CategoryChange::default()
    };
    assert_eq!(
        c.update_category(&alice, w, second.id, up)
            .await
            .unwrap()
            .position,
        0
    );
    assert!(matches!(next(&mut events).await, Event::OrderChanged { .. }));
    assert_eq!(slugs(&world, w).await, ["announcements", "y", "x", "general"]);
    // Deleted, its channels come behind those that are in none; and all survives a restart.
    c.delete_category(&alice, w, second.id).await.unwrap();
    assert_eq!(slugs(&world, w).await, ["announcements", "y", "x", "general"]);
    let before = order(&world, w).await;
    assert_eq!(before[2], (None, 2, "x".to_owned()));
    drop(events);
    let world = world.restart().await;
    assert_eq!(order(&world, w).await, before);

    let c = &world.community;
    let no = c.update_channel(&alice, w, x, into(Some(second.id))).await;
    assert_eq!(no, Err(Error::NotFound("category")));
    let no = c.create_category(&user("mona"), w, "No").await;
    assert_eq!(no, Err(Error::Forbidden));
}

#[tokio::test]
async fn moves_at_once_leave_no_gap_and_no_double() {
    let world = World::new().await;
    let c = &world.community;
    let w = world.penguins().await.id;
    let mut ids = Vec::new();
    for n in 0..10 {
        ids.push(add(&world, w, &format!("c{n}")).await);
    }
    let a = c.create_category(&user("alice"), w, "A").await.unwrap().id;
    let mut moves = tokio::task::JoinSet::new();
    for (n, id) in ids.iter().copied().enumerate() {
        for round in 0..5_u32 {
            let (c, n) = (c.clone(), u32::try_from(n).unwrap());
            let change = ChannelChange {
                category: Some((n + round).is_multiple_of(2).then_some(a)),
                position: Some((n * 7 + round * 3) % 11),
                ..ChannelChange::default()
            };
            moves.spawn(async move { c.update_channel(&user("alice"), w, id, change).await.map(drop) });
        }
    }
    while let Some(done) = moves.join_next().await {
        done.unwrap().unwrap();
    }
    let order = order(&world, w).await;
    assert_eq!(order.len(), 12);
    for category in [None, Some(a)] {
        let places: Vec<u32> = order
            .iter()
            .filter(|(c, ..)| *c == category)
            .map(|(_, p, _)| *p)
            .collect();
        let wanted: Vec<u32> = (0..u32::try_from(places.len()).unwrap()).collect();
        assert_eq!(places, wanted, "{category:?}");
    }
}

#[tokio::test]
async fn settings_have_bounds_and_the_archive_follows() {
    let limits = Limits {
        categories_per_waddle: 1,
        ..Limits::default()
    };
    let world = World::with(limits).await;
    let c = &world.community;
    let w = world.penguins().await.id;
    let alice = user("alice");
    let general = c.channel_by_slug(w, &slug("general")).await.unwrap().unwrap();
    let change = ChannelChange {
        slow_mode_seconds: Some(30),
        retention_days: Some(7),
        expire_seconds: Some(3_600),
        public_archive: Some(false),
        kind: Some(ChannelKind::Announcement),
        ..ChannelChange::default()
    };
    let changed = c.update_channel(&alice, w, general.id, change).await.unwrap();
    assert_eq!(
        (
            changed.slow_mode_seconds,
            changed.retention_days,
            changed.expire_seconds
        ),
        (30, 7, 3_600)
    );
    assert!(!changed.public_archive);
    let log = c.audit(&alice, w, None, 1).await.unwrap();
    assert_eq!(
        log[0].detail,
        "general: type, slow_mode_seconds, retention_days, expire_seconds, public_archive"
    );
    let key = waddle_storage::repo::archive::ArchiveKey::channel(general.id);
    let db = world.storage.waddle(w).await.unwrap();
    let kept = db
        .read(move |conn| waddle_storage::repo::archive::kept(conn, &key))
        .await
        .unwrap();
    assert_eq!(kept, 7);

    for bad in [
        ChannelChange {
            slow_mode_seconds: Some(21_601),
            ..ChannelChange::default()
        },
        ChannelChange {
            retention_days: Some(36_526),
            ..ChannelChange::default()
        },
        ChannelChange {
            expire_seconds: Some(31_536_001),
            ..ChannelChange::default()
        },
    ] {
        let no = c.update_channel(&alice, w, general.id, bad).await;
        assert!(matches!(no, Err(Error::Invalid { .. })), "{no:?}");
    }
    // A moderator changes the topic, nothing else.
    let topic = ChannelChange {
        topic: Some("fish".into()),
        ..ChannelChange::default()
    };
    c.update_channel(&user("mona"), w, general.id, topic)
        .await
        .unwrap();
    let slow = ChannelChange {
        slow_mode_seconds: Some(1),
        ..ChannelChange::default()
    };
    let no = c.update_channel(&user("mona"), w, general.id, slow).await;
    assert_eq!(no, Err(Error::Forbidden));
    c.create_category(&alice, w, "One").await.unwrap();
    let full = c.create_category(&alice, w, "Two").await;
    assert!(matches!(full, Err(Error::Limit { max: 1, .. })));
}
