//! Devices of a waddle that moves (`specs/lifecycle.md`, "Import"): they come along, what they log in with does not.

use waddle_community::{Community, Device, Import, NewDevice, On, TopicRule};
use waddle_core::{UserId, WaddleId};

use super::{
    portable::{Old, forged, old},
    slug, user,
};

/// A waddle with a device that everybody sees and mona controls.
async fn with_device(c: &Community, waddle: WaddleId) -> Device {
    let new = NewDevice {
        name: slug("kitchen"),
        topics: vec![TopicRule {
            prefix: "home/kitchen".into(),
            read: true,
            write: true,
        }],
    };
    let device = c.create_device(&user("alice"), waddle, new).await.unwrap();
    c.set_device_credential(&user("alice"), waddle, device.id, "kitchen-login")
        .await
        .unwrap();
    let controls = format!("device:{}#controller@user:local:mona", device.id);
    c.write_tuples(
        &user("alice"),
        waddle,
        vec![controls.parse().unwrap()],
        vec![],
        None,
    )
    .await
    .unwrap();
    Device::clone(&device)
}

/// Devices keep their names, topics and who may use them; what they log in with stays where it was made.
#[tokio::test]
async fn devices_come_along_and_wait_for_a_new_credential() {
    let dir = tempfile::tempdir().unwrap();
    let Old { place, waddle } = old(dir.path()).await;
    let c = &place.community;
    let device = with_device(c, waddle.id).await;
    let file = dir.path().join("x");
    c.export(&user("alice"), waddle.id, &file).await.unwrap();
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(text.contains("home/kitchen") && !text.contains("kitchen-login"));
    let copy = c
        .import(&file, Import::new(slug("copy")))
        .await
        .unwrap()
        .waddle
        .id;
    let access = c.access(copy).await.unwrap();
    let there = c.device_by_name(copy, &slug("kitchen")).await.unwrap().unwrap();
    assert_ne!(there.id, device.id);
    assert_eq!((&there.topics, &there.credential), (&device.topics, &None));
    assert!(there.revoked_at.is_some(), "it has nothing to log in with");
    let itself = UserId::device(there.id);
    assert!(!access.waddle_allows("publish", &itself));
    for (who, what, may) in [
        ("bob", "view", true),
        ("bob", "control", false),
        ("mona", "control", true),
        ("alice", "configure", true),
    ] {
        let on = On::Device(there.id);
        assert_eq!(access.allows(on, what, &user(who)), may, "{who} {what}");
    }
    c.set_device_credential(&user("alice"), copy, there.id, "anew")
        .await
        .unwrap();
    assert!(access.waddle_allows("publish", &itself));
    assert!(!access.waddle_allows("publish", &UserId::device(device.id)));
    let ready = c.device(copy, there.id).await.unwrap().unwrap();
    assert_eq!(ready.revoked_at, None);
    place.storage.close().await;
}

#[tokio::test]
async fn devices_that_somebody_wrote_by_hand_are_held_to_what_one_can_make() {
    let dir = tempfile::tempdir().unwrap();
    let Old { place, waddle } = old(dir.path()).await;
    let c = &place.community;
    let device = with_device(c, waddle.id).await.id;
    let (good, bad) = (dir.path().join("good"), dir.path().join("bad"));
    c.export(&user("alice"), waddle.id, &good).await.unwrap();
    let text = std::fs::read_to_string(&good).unwrap();
    let with = |table: &'static str, column: &'static str, value: serde_json::Value| {
        forged(&text, move |mut line| {
            if line["table"] == table {
                line["row"][column] = value.clone();
            }
            vec![line]
        })
    };
    let tuple = |relation: &str, subject: &str| {
        let row = serde_json::json!({"table": "tuples", "row":
            {"object": format!("device:{device}"), "relation": relation, "subject": subject}});
        let mut once = Some(row);
        forged(&text, move |line| {
            let is_tuple = line["table"] == "tuples";
            let new = if is_tuple { once.take() } else { None };
            new.into_iter().chain([line]).collect()
        })
    };
    let many = |n: usize| {
        forged(&text, move |line| {
            if line["table"] != "device_topics" {
                return vec![line];
            }
            let one = |i| {
                let mut more = line.clone();
                more["row"]["prefix"] = format!("home/{i}").into();
                more
            };
            (0..n).map(one).collect()
        })
    };
    for (file, says) in [
        (with("devices", "id", "kitchen".into()), "called what none is"),
        (with("devices", "name", "No Slug".into()), "called what none is"),
        (with("device_topics", "prefix", "#".into()), "the device kitchen"),
        (
            with("device_topics", "prefix", "$SYS/x".into()),
            "the device kitchen",
        ),
        (with("device_topics", "device", "x".into()), "called what none is"),
        (many(0), "the device kitchen"),
        (many(33), "topic prefixes for one device"),
        (tuple("principal", "user:local:mona"), "fits no member"),
        (
            tuple("manager", "user:did:plc:abcdefghijklmnopqrstuvwx"),
            "fits no member",
        ),
    ] {
        std::fs::write(&bad, file).unwrap();
        let refused = c.import(&bad, Import::new(slug("copy"))).await.unwrap_err();
        assert!(refused.to_string().contains(says), "{refused} ({says})");
        assert!(!c.is_slug_taken(&slug("copy")));
    }
    // What it says of a login means nothing, and a device that is in no list has no rights.
    let login = with("devices", "credential", "known".into());
    let unknown = waddle_core::DeviceId::new();
    let file = login.replace(&format!("\"device:{device}\""), &format!("\"device:{unknown}\""));
    assert_ne!(file, login);
    std::fs::write(&bad, forged(&file, |line| vec![line])).unwrap();
    let copy = c.import(&bad, Import::new(slug("copy"))).await.unwrap().waddle.id;
    let there = c.device_by_name(copy, &slug("kitchen")).await.unwrap().unwrap();
    assert_eq!(there.credential, None);
    let access = c.access(copy).await.unwrap();
    assert!(!access.allows(On::Device(there.id), "view", &user("bob")));
    place.storage.close().await;
}
