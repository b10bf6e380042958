//! Writes, reads, group-commit isolation and panics (`adrs/0003-storage-threads-and-durability.md`).
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::sync::{Arc, mpsc};

use waddle_core::{Limits, WaddleId};
use waddle_storage::{Storage, StorageConfig, StorageError, Tx, repo::meta};

async fn open(dir: &tempfile::TempDir) -> Storage {
    Storage::open(StorageConfig::new(dir.path())).await.unwrap()
}

#[tokio::test]
async fn what_was_written_is_read_also_after_reopening() {
    let dir = tempfile::tempdir().unwrap();
    let storage = open(&dir).await;
    let id = WaddleId::new();
    assert_eq!(storage.waddle(id).await.unwrap_err(), StorageError::NotFound);
    let waddle = storage.create_waddle(id).await.unwrap();
    assert_eq!(
        storage.create_waddle(id).await.unwrap_err(),
        StorageError::Conflict(id.to_string().into())
    );
    for db in [&storage.server(), &waddle] {
        meta::Meta(db).set("colour", "blue".into()).await.unwrap();
        assert_eq!(
            meta::Meta(db).get("colour").await.unwrap().as_deref(),
            Some("blue")
        );
    }
    storage.close().await;
    assert_eq!(meta::Meta(&waddle).get("colour").await, Err(StorageError::Closed));

    let storage = open(&dir).await;
    let waddle = storage.waddle(id).await.unwrap();
    assert_eq!(
        meta::Meta(&waddle).get("colour").await.unwrap().as_deref(),
        Some("blue")
    );
    assert_eq!(storage.waddles().await.unwrap(), [id]);

    storage.delete_waddle(id).await.unwrap();
    assert_eq!(
        meta::Meta(&waddle).get("colour").await,
        Err(StorageError::NotFound)
    );
    assert_eq!(storage.waddle(id).await.unwrap_err(), StorageError::NotFound);
    assert_eq!(
        storage.delete_waddle(id).await.unwrap_err(),
        StorageError::NotFound
    );
    assert_eq!(std::fs::read_dir(dir.path().join("waddles")).unwrap().count(), 0);
    storage.close().await;
}

/// Holds the writer until the returned sender is dropped or used.
fn hold(db: &waddle_storage::Db) -> mpsc::Sender<()> {
    let (release, held) = mpsc::channel::<()>();
    db.write_then(
        move |_: &mut Tx| {
            let _ = held.recv();
            Ok::<_, StorageError>(())
        },
        |_| (),
    )
    .unwrap();
    release
}

#[tokio::test]
async fn jobs_of_one_batch_fail_alone_and_complete_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let storage = open(&dir).await;
    let db = storage.server();
    let (send, receive) = mpsc::channel();
    let held = hold(&db);
    for i in 0..100_usize {
        let send = send.clone();
        db.write_then(
            move |tx: &mut Tx| {
                meta::set(tx, &format!("k{i}"), "1")?;
                match i % 10 {
                    3 => Err(StorageError::NotFound),
                    5 => panic!("job {i}"),
                    7 => meta::set(tx, "database", "other")
                        .and_then(|()| tx.execute("INSERT INTO meta VALUES ('k0', 'x')", ()).map(drop)),
                    _ => Ok(()),
                }
            },
            move |result| send.send((i, result)).unwrap(),
        )
        .unwrap();
    }
    drop(held);
    let end = db.write(|tx| meta::get(tx, "k9")).await.unwrap();
    assert_eq!(end.as_deref(), Some("1"));
    let results: Vec<_> = receive.try_iter().collect();
    assert_eq!(
        results.iter().map(|(i, _)| *i).collect::<Vec<_>>(),
        (0..100).collect::<Vec<_>>()
    );
    for (i, result) in results {
        let kept = db
            .read(move |c| meta::get(c, &format!("k{i}")))
            .await
            .unwrap()
            .is_some();
        match i % 10 {
            3 => assert_eq!(result, Err(StorageError::NotFound)),
            5 => assert_eq!(result, Err(StorageError::Panicked)),
            7 => assert!(matches!(result, Err(StorageError::Conflict(_)))),
            _ => assert_eq!(result, Ok(())),
        }
        assert_eq!(kept, result.is_ok(), "{i}");
    }
    let name = db.read(|c| meta::get(c, "database")).await.unwrap();
    assert_eq!(name.as_deref(), Some("server"));
    storage.close().await;
}

#[tokio::test]
async fn a_panicking_read_harms_nobody() {
    let dir = tempfile::tempdir().unwrap();
    let storage = open(&dir).await;
    let db = storage.server();
    let panicked = db
        .read(|c| {
            c.query("SELECT key FROM meta", (), |_| -> Result<(), _> {
                panic!("read")
            })
        })
        .await;
    assert_eq!(panicked.unwrap_err(), StorageError::Panicked);
    for _ in 0..4 {
        assert!(db.read(|c| meta::get(c, "database")).await.unwrap().is_some());
    }
    let refused = db
        .read(|c| c.query("INSERT INTO meta VALUES ('a', 'b') RETURNING key", (), |_| Ok(())))
        .await;
    assert_eq!(
        refused.unwrap_err(),
        StorageError::ReadOnly,
        "readers cannot write"
    );
    storage.close().await;
}

#[tokio::test]
async fn a_full_queue_refuses_at_once_or_lets_wait() {
    let dir = tempfile::tempdir().unwrap();
    let limits = Limits {
        storage_queue: 4,
        ..Limits::default()
    };
    let config = StorageConfig {
        limits,
        ..StorageConfig::new(dir.path())
    };
    let storage = Storage::open(config).await.unwrap();
    let db = storage.server();
    let held = hold(&db);
    // The held job may or may not have left the queue yet: one place more or less.
    let taken = (0..5)
        .take_while(|i| {
            let key = format!("k{i}");
            db.write_then(move |tx: &mut Tx| meta::set(tx, &key, "1"), |_| ())
                .is_ok()
        })
        .count();
    assert!((3..=5).contains(&taken));
    let full = loop {
        match db.write_then(|tx: &mut Tx| meta::set(tx, "more", "1"), |_| ()) {
            Ok(()) => {}
            Err(e) => break e,
        }
    };
    assert_eq!(full, StorageError::Busy);
    let waiting = {
        let db = db.clone();
        tokio::spawn(async move { db.write(|tx| meta::set(tx, "last", "1")).await })
    };
    tokio::task::yield_now().await;
    assert!(!waiting.is_finished());
    drop(held);
    waiting.await.unwrap().unwrap();
    assert!(db.read(|c| meta::get(c, "last")).await.unwrap().is_some());
    storage.close().await;
}

#[tokio::test]
async fn a_job_that_ends_the_transaction_fails_and_the_next_ones_go_on() {
    let dir = tempfile::tempdir().unwrap();
    let storage = open(&dir).await;
    let db = storage.server();
    let bad = db
        .write(|tx| {
            meta::set(tx, "a", "1")?;
            tx.execute("ROLLBACK", ()).map(drop)
        })
        .await;
    assert!(matches!(bad, Err(StorageError::Sql(_))), "{bad:?}");
    db.write(|tx| meta::set(tx, "b", "1")).await.unwrap();
    let both = db
        .read(|c| Ok((meta::get(c, "a")?, meta::get(c, "b")?)))
        .await
        .unwrap();
    assert_eq!(both, (None, Some("1".into())));
    storage.close().await;
}

#[tokio::test]
async fn two_servers_do_not_share_a_directory_and_files_are_private() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let storage = Storage::open(StorageConfig::new(&data)).await.unwrap();
    let second = Storage::open(StorageConfig::new(&data)).await.unwrap_err();
    assert_eq!(second, StorageError::Locked(data.display().to_string().into()));
    storage.create_waddle(WaddleId::new()).await.unwrap();
    let mode = |p: &std::path::Path| p.metadata().unwrap().permissions().mode() & 0o777;
    let waddles = data.join("waddles");
    assert_eq!((mode(&data), mode(&waddles)), (0o700, 0o700));
    for folder in [&data, &waddles] {
        for file in std::fs::read_dir(folder)
            .unwrap()
            .map(|f| f.unwrap().path())
            .filter(|f| f.is_file())
        {
            assert_eq!(mode(&file), 0o600, "{}", file.display());
        }
    }
    storage.close().await;
    Storage::open(StorageConfig::new(&data))
        .await
        .unwrap()
        .close()
        .await;
}

#[tokio::test]
async fn a_storage_that_is_dropped_lets_its_directory_go() {
    let dir = tempfile::tempdir().unwrap();
    let storage = open(&dir).await;
    let db = Arc::new(storage.server());
    drop(storage);
    assert_eq!(
        db.write(|tx| meta::set(tx, "a", "1")).await,
        Err(StorageError::Closed)
    );
}

#[tokio::test]
async fn a_broken_foreign_key_is_an_error_also_with_returning() {
    let dir = tempfile::tempdir().unwrap();
    let storage = open(&dir).await;
    let db = storage.create_waddle(WaddleId::new()).await.unwrap();
    let sql = "INSERT INTO device_topics (device, prefix, can_read, can_write) VALUES ('none', 'x', 1, 1) RETURNING prefix";
    let one = db
        .write(move |tx| tx.query_one(sql, (), |r| r.get::<String>(0)))
        .await;
    let all = db
        .write(move |tx| tx.query(sql, (), |r| r.get::<String>(0)))
        .await;
    assert!(matches!(one, Err(StorageError::Constraint(_))), "{one:?}");
    assert!(matches!(all, Err(StorageError::Constraint(_))), "{all:?}");
    storage.close().await;
}
