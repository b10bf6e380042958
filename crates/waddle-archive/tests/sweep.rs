//! Retention (XEP-0313 §3.2) by a clock that the test moves.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use waddle_archive::sweep::{self, Rules};
use waddle_core::{Limits, ManualClock, Timestamp, UserId, WaddleId};
use waddle_storage::{
    Db, Storage, StorageConfig,
    repo::archive::{self, ArchiveKey, Filter, Kind, NewMessage, Start},
};

const DAY: Duration = Duration::from_secs(86_400);

struct World {
    storage: Storage,
    clock: Arc<ManualClock>,
    _dir: tempfile::TempDir,
}

impl World {
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let clock = ManualClock::at("2026-01-01T00:00:00Z".parse().unwrap());
        let config = StorageConfig {
            clock: clock.clone(),
            ..StorageConfig::new(dir.path())
        };
        Self {
            storage: Storage::open(config).await.unwrap(),
            clock,
            _dir: dir,
        }
    }

    /// One message a day, from today on.
    async fn days(&self, archives: &[(&Db, &ArchiveKey)], days: usize) {
        for day in 0..days {
            for (db, key) in archives {
                append(db, key, day).await;
            }
            self.clock.advance(DAY);
        }
    }

    fn now(&self) -> Timestamp {
        waddle_core::Clock::now(&*self.clock)
    }
}

async fn append(db: &Db, key: &ArchiveKey, day: usize) {
    let key = key.clone();
    let done = db.write(move |tx| {
        let message = NewMessage {
            at: tx.now(),
            kind: Kind::Message,
            with: None,
            author: None,
            origin_id: None,
            body: Some(day.to_string()),
            stanza: Bytes::from(day.to_string()),
        };
        archive::append(tx, &key, message)
    });
    done.await.unwrap();
}

async fn left(db: &Db, key: &ArchiveKey) -> Vec<String> {
    let key = key.clone();
    let read = db.read(move |c| archive::page(c, &key, &Filter::default(), Start::First, 100, false));
    let page = read.await.unwrap();
    let text = |m: archive::Archived| String::from_utf8(m.stanza.to_vec()).unwrap();
    page.items.into_iter().map(text).collect()
}

#[tokio::test]
async fn the_oldest_go_by_age_and_by_number() {
    let w = World::new().await;
    let db = w.storage.server();
    let [alice, room, short] = [
        ArchiveKey::user(&UserId::local("alice")),
        ArchiveKey::room("lounge"),
        ArchiveKey::room("short"),
    ];
    let key = short.clone();
    db.write(move |tx| archive::keep(tx, &key, 3)).await.unwrap();
    w.days(&[(&db, &alice), (&db, &room), (&db, &short)], 10).await;

    // Nothing is configured: only the room that is set to it forgets.
    assert_eq!(sweep::database(&db, Rules::default(), w.now()).await.unwrap(), 7);
    assert_eq!(left(&db, &short).await, ["7", "8", "9"]);
    assert_eq!(
        (left(&db, &alice).await.len(), left(&db, &room).await.len()),
        (10, 10)
    );
    assert_eq!(
        sweep::database(&db, Rules::default(), w.now()).await.unwrap(),
        0,
        "all is done"
    );

    let rules = Rules {
        account_days: 8,
        account_messages: 5,
        room_days: 8,
        room_messages: 0,
    };
    sweep::database(&db, rules, w.now()).await.unwrap();
    assert_eq!(
        left(&db, &alice).await,
        ["5", "6", "7", "8", "9"],
        "the quota is the stricter one"
    );
    assert_eq!(left(&db, &room).await.first().unwrap(), "2");
    assert_eq!(
        left(&db, &short).await.len(),
        3,
        "its own days are fewer than the server's"
    );
    w.clock.advance(2 * DAY);
    sweep::database(&db, rules, w.now()).await.unwrap();
    assert_eq!(left(&db, &short).await, ["9"]);
    w.storage.close().await;
}

#[tokio::test]
async fn more_than_one_write_and_more_than_one_look_hold() {
    let w = World::new().await;
    let db = w.storage.server();
    let big = ArchiveKey::room("big");
    let key = big.clone();
    db.write(move |tx| {
        for n in 0..1_203 {
            let text = n.to_string();
            let message = NewMessage {
                at: tx.now(),
                kind: Kind::Message,
                with: None,
                author: None,
                origin_id: None,
                body: None,
                stanza: Bytes::from(text),
            };
            archive::append(tx, &key, message.clone())?;
            if n < 130 {
                archive::append(tx, &ArchiveKey::room(&format!("small{n}")), message)?;
            }
        }
        Ok(())
    })
    .await
    .unwrap();
    let rules = Rules {
        room_messages: 2,
        ..Rules::default()
    };
    assert_eq!(sweep::database(&db, rules, w.now()).await.unwrap(), 1_201);
    assert_eq!(left(&db, &big).await, ["1201", "1202"]);
    assert_eq!(left(&db, &ArchiveKey::room("small129")).await.len(), 1);
    w.storage.close().await;
}

#[tokio::test]
async fn a_round_goes_through_all_waddles_and_past_one_that_is_not_there() {
    let w = World::new().await;
    let waddle = WaddleId::new();
    w.storage.create_waddle(waddle).await.unwrap();
    let db = w.storage.waddle(waddle).await.unwrap();
    let room = ArchiveKey::room("general");
    w.days(&[(&db, &room)], 4).await;
    let rules = Rules {
        room_days: 2,
        ..Rules::default()
    };
    let removed = sweep::round(&w.storage, &[WaddleId::new(), waddle], rules, w.now()).await;
    assert_eq!(
        (removed, left(&db, &room).await),
        (2, vec!["2".to_owned(), "3".to_owned()])
    );
    w.storage.close().await;
}

/// The broom starts by itself, again and again.
#[tokio::test(start_paused = true)]
async fn it_goes_round_by_the_clock() {
    let w = World::new().await;
    let db = w.storage.server();
    let room = ArchiveKey::room("general");
    w.days(&[(&db, &room)], 4).await;
    let limits = Limits {
        archive_room_days: 2,
        archive_sweep_seconds: 60,
        ..Limits::default()
    };
    let (storage, clock) = (w.storage.clone(), w.clock.clone());
    let broom = tokio::spawn(async move {
        sweep::run(storage, clock, &limits, Vec::new).await;
    });
    let started = tokio::time::Instant::now();
    wait_for(&db, &room, 2).await;
    assert!(
        started.elapsed() >= Duration::from_secs(60),
        "not before its time"
    );
    w.clock.advance(DAY);
    wait_for(&db, &room, 1).await;
    broom.abort();
    w.storage.close().await;
}

/// Until so many are left; not for ever.
async fn wait_for(db: &Db, room: &ArchiveKey, many: usize) {
    for _ in 0..1_000 {
        if left(db, room).await.len() == many {
            return;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    assert_eq!(left(db, room).await.len(), many);
}
