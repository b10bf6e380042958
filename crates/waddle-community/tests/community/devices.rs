//! Devices and what ends when they are revoked.

use std::time::Duration;

use waddle_community::{Error, Event, NewDevice, On, TopicRule, Users};
use waddle_core::{Clock as _, DeviceId, Limits, UserId};
use waddle_storage::repo::device_credentials::{DeviceCredentials, DeviceRow};

use crate::{World, next, slug, user};

fn kitchen() -> NewDevice {
    NewDevice {
        name: slug("kitchen"),
        topics: vec![TopicRule {
            prefix: "home/sensors/".into(),
            read: false,
            write: true,
        }],
    }
}

#[tokio::test]
async fn a_device_may_what_its_row_says_until_it_is_revoked() {
    let world = World::new().await;
    let c = &world.community;
    let w = world.penguins().await;
    assert!(matches!(
        c.create_device(&user("mona"), w.id, kitchen()).await,
        Err(Error::Forbidden)
    ));
    let d = c.create_device(&user("adam"), w.id, kitchen()).await.unwrap();
    assert!(matches!(
        c.create_device(&user("adam"), w.id, kitchen()).await,
        Err(Error::Conflict(_))
    ));
    c.set_device_credential(&user("adam"), w.id, d.id, "cred-1")
        .await
        .unwrap();
    let stored = async || c.device_by_name(w.id, &slug("kitchen")).await.unwrap().unwrap();
    let first = stored().await;
    assert_eq!(
        (first.credential.as_deref(), first.last_use),
        (Some("cred-1"), None)
    );
    let [rule] = &first.topics[..] else {
        panic!("{:?}", first.topics)
    };
    assert!(rule.prefix == "home/sensors" && rule.write && !rule.read);
    // Its use is noted, not each time.
    let start = world.clock.now();
    c.touch_device(&first).await.unwrap();
    for (minutes, noted) in [(4, 0), (2, 6), (0, 6)] {
        world.clock.advance(Duration::from_secs(60 * minutes));
        c.touch_device(&stored().await).await.unwrap();
        let last = start.plus(Duration::from_secs(60 * noted));
        assert_eq!(stored().await.last_use, Some(last), "{minutes}");
    }
    // A clock that was ahead leaves no device unnoted.
    world.clock.set(start.minus(Duration::from_secs(1)));
    c.touch_device(&stored().await).await.unwrap();
    assert!(stored().await.last_use < Some(start));

    let access = c.access(w.id).await.unwrap();
    let itself = UserId::device(d.id);
    assert!(access.waddle_allows("publish", &itself) && access.waddle_allows("subscribe", &itself));
    assert!(access.allows(On::Device(d.id), "publish", &itself));
    assert!(access.allows(On::Device(d.id), "view", &user("bob")));
    assert!(!access.allows(On::Device(d.id), "control", &user("bob")));
    assert_eq!(access.role_of(&itself), None);

    let mut events = c.events();
    assert_eq!(
        c.revoke_device(&user("bob"), w.id, d.id, None).await,
        Err(Error::Forbidden)
    );
    c.revoke_device(&user("adam"), w.id, d.id, Some("lost"))
        .await
        .unwrap();
    assert!(matches!(next(&mut events).await, Event::DeviceRevoked { device, .. } if device == d.id));
    assert!(!access.waddle_allows("publish", &itself) && !access.waddle_allows("subscribe", &itself));
    let Event::TuplesChanged { users, .. } = next(&mut events).await else {
        panic!("expected the tuples");
    };
    assert_eq!(users, Users::Some(vec![itself.clone()]));
    let revoked = c.device(w.id, d.id).await.unwrap().unwrap();
    assert!(revoked.revoked_at.is_some() && revoked.last_use.is_some());
    // Twice is no error and no news.
    c.revoke_device(&user("adam"), w.id, d.id, None).await.unwrap();
    // With a new credential it is what it was.
    c.set_device_credential(&user("adam"), w.id, d.id, "another")
        .await
        .unwrap();
    let again = c.device(w.id, d.id).await.unwrap().unwrap();
    assert_eq!(
        (again.revoked_at, again.credential.as_deref()),
        (None, Some("another"))
    );
    assert!(access.waddle_allows("publish", &itself) && access.waddle_allows("subscribe", &itself));
    c.delete_device(&user("adam"), w.id, d.id).await.unwrap();
    assert!(c.devices(w.id, None, 10).await.unwrap().is_empty());
    assert!(!access.allows(On::Device(d.id), "view", &user("bob")));
    assert!(
        c.create_device(&user("adam"), w.id, kitchen()).await.is_ok(),
        "the name is free"
    );
}

#[tokio::test]
async fn devices_are_bounded() {
    let world = World::with(Limits {
        devices_per_waddle: 1,
        ..Limits::default()
    })
    .await;
    let c = &world.community;
    let w = world.penguins().await;
    c.create_device(&user("alice"), w.id, kitchen()).await.unwrap();
    let more = NewDevice {
        name: slug("attic"),
        ..kitchen()
    };
    assert!(matches!(
        c.create_device(&user("alice"), w.id, more).await,
        Err(Error::Limit { max: 1, .. })
    ));
    let none = NewDevice {
        name: slug("x"),
        topics: vec![],
    };
    assert!(matches!(
        c.create_device(&user("alice"), w.id, none).await,
        Err(Error::Invalid { field: "topics", .. })
    ));
}

#[tokio::test]
async fn a_deleted_waddle_leaves_no_credential() {
    let world = World::new().await;
    let c = &world.community;
    let w = world.penguins().await.id;
    let server = world.storage.server();
    let credentials = DeviceCredentials(&server);
    let row = DeviceRow {
        device: DeviceId::new(),
        waddle: w,
        username: "device-0123456789abcdef".into(),
        salt: vec![1; 16],
        digest: vec![2; 32],
        created_at: world.clock.now(),
    };
    let name = row.username.clone();
    credentials.put(row).await.unwrap();
    c.delete_waddle(&user("alice"), w).await.unwrap();
    assert_eq!(credentials.by_username(&name).await.unwrap(), None);
}
