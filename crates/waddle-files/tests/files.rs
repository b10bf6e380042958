//! Slots, uploads, reading, quotas, expiry and deletion on the local disk (XEP-0363).

#![allow(
    clippy::allow_attributes,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests"
)]

mod support;

use std::time::Duration;

use support::{World, alice, noise, parts, request, world};
use waddle_core::UserId;
use waddle_files::{Error, Purpose, Refusal, SlotRequest, kind};
use waddle_storage::repo::accounts::Accounts;

const DAY: Duration = Duration::from_secs(86_400);

#[tokio::test]
async fn what_was_uploaded_is_read_back_whole_and_in_parts() {
    let w = world(|_| ()).await;
    // around the size of one write to the disk
    for (size, piece) in [
        (1, 1),
        (1_000, 7),
        (262_143, 16_000),
        (262_144, 9_999),
        (262_145, 1 << 20),
        (700_000, 65_536),
    ] {
        let bytes = noise(size);
        let slot = w.slot("très cool.jpg", size as u64).await;
        assert!(
            slot.get.starts_with("https://upload.example.org/upload/"),
            "{}",
            slot.get
        );
        assert!(slot.get.ends_with("/tr%C3%A8s%20cool.jpg") && slot.put.starts_with(&slot.get));
        assert!(
            matches!(w.read(&slot, 0..1).await, Err(Error::NotFound)),
            "not before it is there"
        );
        w.put(&slot, &bytes, piece).await.unwrap();
        assert_eq!(w.read(&slot, 0..size as u64).await.unwrap(), bytes, "{size}");
        let middle = size as u64 / 2;
        assert_eq!(
            w.read(&slot, middle..size as u64).await.unwrap(),
            bytes[middle as usize..]
        );
        let again = w.put(&slot, &bytes, piece).await;
        assert!(matches!(again, Err(Error::Conflict)), "{again:?}");
    }
    assert_eq!(w.on_disk().len(), 6, "nothing half-written stays");
    assert_eq!(w.files.totals(Some(&alice())).await.unwrap().files, 6);
}

#[tokio::test]
async fn an_upload_must_be_what_was_announced() {
    let w = world(|_| ()).await;
    let slot = w
        .ask(SlotRequest {
            kind: Some("Image/PNG".into()),
            ..request("a.png", 600_000)
        })
        .await
        .unwrap();
    let (id, name, token) = parts(&slot.put);
    let put = |n: &'static str, t: &str, length, kind| {
        let (id, t, files) = (id.clone(), t.to_owned(), w.files.clone());
        async move { files.put(&id, n, &t, length, kind).await.map(drop) }
    };
    assert!(matches!(
        put("a.png", "wrong", 600_000, None).await,
        Err(Error::Forbidden)
    ));
    assert!(matches!(
        put("b.png", &token, 600_000, None).await,
        Err(Error::Forbidden)
    ));
    assert!(matches!(
        put("a.png", &token, 600_001, None).await,
        Err(Error::Length(600_000))
    ));
    assert!(matches!(
        put("a.png", &token, 600_000, Some("text/html")).await,
        Err(Error::Kind(_))
    ));
    assert!(matches!(
        w.files.put("../../etc/passwd", "x", "y", 1, None).await,
        Err(Error::Forbidden)
    ));

    // too short, too long: nothing is kept
    let mut short = w
        .files
        .put(&id, &name, &token, 600_000, Some("image/png"))
        .await
        .unwrap();
    short.write(noise(599_999).into()).await.unwrap();
    let second = w.files.put(&id, &name, &token, 600_000, None).await;
    assert!(matches!(second, Err(Error::Conflict)), "one upload at a time");
    assert!(matches!(short.finish().await, Err(Error::Cut(600_000))));
    let mut long = w.files.put(&id, &name, &token, 600_000, None).await.unwrap();
    assert!(matches!(
        long.write(noise(600_001).into()).await,
        Err(Error::Cut(_))
    ));
    drop(long);
    // whoever tries again at once is not troubled by what is still being cleared away
    for _ in 0..20 {
        let mut broken = w.files.put(&id, &name, &token, 600_000, None).await.unwrap();
        broken.write(noise(300_000).into()).await.unwrap();
    }
    assert!(w.files.find(&id, &name).await.is_err());
    // a client may try again while the slot lives
    w.put(&slot, &noise(600_000), 65_536).await.unwrap();
    let found = w.files.find(&id, &name).await.unwrap();
    assert_eq!((found.served().kind, found.size()), ("image/png", 600_000));

    let late = w.slot("late.txt", 3).await;
    w.clock.advance(Duration::from_secs(301));
    assert!(matches!(w.put(&late, b"abc", 3).await, Err(Error::Forbidden)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_uploads_at_once_one_is_stored() {
    let w = world(|_| ()).await;
    for _ in 0..20 {
        let slot = w.slot("a.txt", 3).await;
        let (id, name, token) = parts(&slot.put);
        let racers = (0..8).map(|_| {
            let (id, name, token, files) = (id.clone(), name.clone(), token.clone(), w.files.clone());
            tokio::spawn(async move {
                let mut upload = files.put(&id, &name, &token, 3, None).await?;
                upload.write("abc".into()).await?;
                upload.finish().await
            })
        });
        let mut won = 0;
        for racer in racers.collect::<Vec<_>>() {
            match racer.await.unwrap() {
                Ok(()) => won += 1,
                Err(e) => assert!(matches!(e, Error::Conflict), "{e}"),
            }
        }
        assert_eq!(won, 1);
        assert!(w.files.find(&id, &name).await.is_ok());
    }
    assert_eq!(w.on_disk().len(), 20, "what was stored is still there");
}

#[tokio::test]
async fn what_cannot_be_accepted_is_said() {
    let w = world(|c| c.max_bytes = 1_000).await;
    assert_eq!(w.ask(request("a", 1_001)).await, Err(Refusal::TooLarge(1_000)));
    for bad in ["", "../x", "a\u{202e}gpj.exe", "a\u{0}b", &"x".repeat(256)] {
        assert!(
            matches!(w.ask(request(bad, 1)).await, Err(Refusal::Name(_))),
            "{bad:?}"
        );
    }
    let odd = SlotRequest {
        kind: Some("text/html\r\nx: y".into()),
        ..request("a", 1)
    };
    assert_eq!(w.ask(odd).await, Err(Refusal::Kind));
    let past = Purpose::Ephemeral("2026-01-31T12:00:00Z".parse().unwrap());
    assert_eq!(
        w.ask(SlotRequest {
            purpose: past,
            ..request("a", 1)
        })
        .await,
        Err(Refusal::Expired)
    );
}

#[tokio::test]
async fn quotas_hold_for_slots_already() {
    let w = world(|c| {
        (c.daily_bytes, c.account_bytes, c.server_bytes) = (1_000, 1_500, 1_700);
        c.limits.upload_slots = 3;
    })
    .await;
    assert_eq!(
        w.ask(request("a", 1_001)).await,
        Err(Refusal::TooLarge(1_000)),
        "it could never be"
    );
    let first = w.slot("a", 900).await;
    let Err(Refusal::Quota(_, Some(when))) = w.ask(request("b", 101)).await else {
        panic!()
    };
    assert_eq!(when.to_string(), "2026-02-01T12:00:00Z", "when the day is over");
    w.put(&first, &noise(900), 900).await.unwrap();

    w.clock.advance(DAY + Duration::from_secs(1));
    let (id, _, _) = parts(&w.slot("b", 500).await.put);
    let Err(Refusal::Quota(_, Some(when))) = w.ask(request("c", 101)).await else {
        panic!()
    };
    assert_eq!(
        when.to_string(),
        "2026-05-01T12:00:00Z",
        "when the first file expires"
    );
    let bob = SlotRequest {
        owner: UserId::local("bob"),
        ..request("c", 400)
    };
    assert_eq!(w.ask(bob).await, Err(Refusal::ServerFull));
    // what is deleted frees its place, though not its day
    assert!(!w.files.delete(&id, Some(&UserId::local("bob"))).await.unwrap());
    assert!(
        w.files
            .delete(&parts(&first.put).0, Some(&alice()))
            .await
            .unwrap()
    );
    for name in ["x", "y"] {
        w.slot(name, 10).await;
    }
    let Err(Refusal::Quota(_, Some(_))) = w.ask(request("z", 10)).await else {
        panic!()
    };
}

async fn stored(w: &World, purpose: Purpose) -> waddle_files::Slot {
    let slot = w
        .ask(SlotRequest {
            purpose,
            ..request("a.txt", 3)
        })
        .await
        .unwrap();
    w.put(&slot, b"abc", 3).await.unwrap();
    slot
}

#[tokio::test]
async fn files_expire_by_their_purpose_and_their_bytes_go() {
    let w = world(|c| c.days = 10).await;
    let message = stored(&w, Purpose::Message).await;
    let face = stored(&w, Purpose::Profile).await;
    let story = stored(&w, Purpose::Ephemeral("2026-02-01T12:00:00Z".parse().unwrap())).await;
    let unused = w.slot("never.txt", 5).await;
    assert_eq!(w.on_disk().len(), 3);

    w.clock.advance(DAY);
    assert!(
        w.read(&story, 0..3).await.is_err(),
        "not a moment longer, swept or not"
    );
    assert_eq!(w.read(&message, 0..3).await.unwrap(), b"abc");
    w.files.sweep().await.unwrap();
    assert_eq!(w.on_disk().len(), 2);
    assert!(w.put(&unused, b"abcde", 5).await.is_err());

    w.clock.advance(DAY * 9);
    assert!(w.read(&message, 0..3).await.is_err());
    w.files.sweep().await.unwrap();
    assert_eq!(w.read(&face, 0..3).await.unwrap(), b"abc");
    assert_eq!(w.on_disk().len(), 1);
    assert_eq!(w.files.totals(None).await.unwrap().bytes, 3);
}

#[tokio::test]
async fn deletion_is_at_once_and_by_address_too() {
    let w = world(|_| ()).await;
    let (a, b) = (
        stored(&w, Purpose::Message).await,
        stored(&w, Purpose::Message).await,
    );
    assert_eq!(w.files.list(&alice(), None, 10).await.unwrap().len(), 2);
    assert!(w.files.delete_at(&a.get.parse().unwrap()).await.unwrap());
    assert!(
        !w.files
            .delete_at(&"https://elsewhere.example/upload/x/y".parse().unwrap())
            .await
            .unwrap()
    );
    assert!(w.read(&a, 0..3).await.is_err() && w.read(&b, 0..3).await.is_ok());
    assert_eq!(w.files.delete_all(&alice()).await.unwrap(), 1);
    assert!(w.read(&b, 0..3).await.is_err());
    w.files.sweep().await.unwrap();
    assert!(w.on_disk().is_empty());
}

#[tokio::test]
async fn a_deleted_account_takes_its_files_along() {
    let w = world(|_| ()).await;
    let db = w.storage.server();
    let account = Accounts(&db)
        .create_local(alice(), "alice".into(), false, None)
        .await
        .unwrap();
    let slot = stored(&w, Purpose::Profile).await;
    let begun = w.slot("later.txt", 3).await;
    let (id, name, token) = parts(&begun.put);
    let mut upload = w.files.put(&id, &name, &token, 3, None).await.unwrap();
    upload.write(b"abc".as_slice().into()).await.unwrap();
    Accounts(&db).delete(account.user).await.unwrap();
    assert!(w.read(&slot, 0..3).await.is_err());
    assert!(
        matches!(upload.finish().await, Err(Error::Forbidden)),
        "its slot is gone"
    );
    w.files.sweep().await.unwrap();
    assert!(w.on_disk().is_empty());
}

#[tokio::test]
async fn a_broken_disk_is_an_error_and_a_crash_leaves_nothing() {
    let w = world(|_| ()).await;
    let slot = w.slot("a.bin", 700_000).await;
    let (id, _, _) = parts(&slot.put);
    let shard = w.dir.path().join("uploads").join(&id[..2]);
    // a file where the directory should be: the store cannot write
    std::fs::write(&shard, b"x").unwrap();
    assert!(matches!(
        w.put(&slot, &noise(700_000), 65_536).await,
        Err(Error::Store(_))
    ));
    std::fs::remove_file(&shard).unwrap();
    // what a crash left of an upload
    std::fs::create_dir(&shard).unwrap();
    std::fs::write(shard.join(format!("{id}#1")), b"half").unwrap();
    w.put(&slot, &noise(700_000), 65_536).await.unwrap();
    assert_eq!(w.on_disk(), std::slice::from_ref(&id));
    // bytes that went missing or were cut are no file
    std::fs::write(shard.join(&id), b"cut").unwrap();
    assert!(matches!(w.read(&slot, 0..3).await, Err(Error::NotFound)));
    std::fs::remove_file(shard.join(&id)).unwrap();
    assert!(matches!(w.read(&slot, 0..3).await, Err(Error::NotFound)));
    assert!(w.files.delete(&id, None).await.unwrap());
    w.files.sweep().await.unwrap();
    let none = w.files.list(&alice(), None, 9).await.unwrap();
    assert!(none.is_empty() && kind::served("text/html").kind == kind::UNKNOWN);
}

#[tokio::test]
async fn one_accounts_slow_uploads_leave_places_for_others() {
    let w = world(|c| {
        c.limits.uploads = 4;
        c.limits.uploads_per_account = 2;
    })
    .await;
    let begin = async |slot: &waddle_files::Slot| {
        let (id, name, token) = parts(&slot.put);
        w.files.put(&id, &name, &token, 10, None).await
    };
    let mut slots = Vec::new();
    for n in 0..3 {
        slots.push(w.slot(&format!("{n}.txt"), 10).await);
    }
    let first = begin(&slots[0]).await.unwrap();
    let _second = begin(&slots[1]).await.unwrap();
    assert!(matches!(begin(&slots[2]).await, Err(Error::Busy)), "two of hers");
    let his = SlotRequest {
        owner: UserId::local("bob"),
        ..request("b.txt", 10)
    };
    let his = w.ask(his).await.unwrap();
    w.put(&his, &noise(10), 10).await.unwrap();
    drop(first);
    w.put(&slots[2], &noise(10), 10).await.unwrap();
}
