//! Many waddles, damaged files, full disks, foreign locks, backups (`adrs/0003-storage-threads-and-durability.md`).
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::{
    io::{Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    time::Duration,
};

use tokio::time::timeout;
use waddle_core::{Limits, WaddleId};
use waddle_storage::{Db, Storage, StorageConfig, StorageError, Tx, repo::meta};

async fn open(dir: &Path, change: impl FnOnce(&mut Limits)) -> Storage {
    let mut config = StorageConfig::new(dir);
    change(&mut config.limits);
    Storage::open(config).await.unwrap()
}

fn path(dir: &Path, id: WaddleId) -> PathBuf {
    dir.join("waddles").join(format!("{id}.db"))
}

/// Enough rows for many pages.
async fn fill(db: &Db, rows: u32) {
    db.write(move |tx| {
        for i in 0..rows {
            meta::set(tx, &format!("key-{i:06}"), &"x".repeat(200))?;
        }
        Ok(())
    })
    .await
    .unwrap();
}

async fn count(db: &Db) -> Result<u32, StorageError> {
    db.read(|c| {
        c.query_one(
            "SELECT count(*) FROM meta WHERE key LIKE 'key-%' AND length(value) = 200",
            (),
            |r| r.get(0),
        )
    })
    .await
}

fn open_files(dir: &Path) -> usize {
    let fds = std::fs::read_dir("/proc/self/fd").unwrap();
    fds.flatten()
        .filter_map(|f| std::fs::read_link(f.path()).ok())
        .filter(|f| f.starts_with(dir))
        .count()
}

#[tokio::test]
async fn three_hundred_waddles_live_on_32_handles() {
    let dir = tempfile::tempdir().unwrap();
    let waddles = dir.path().join("waddles");
    let storage = open(dir.path(), |l| l.storage_open_waddles = 32).await;
    let mut all = Vec::new();
    for i in 0..300 {
        let db = storage.create_waddle(WaddleId::new()).await.unwrap();
        meta::Meta(&db).set("number", i.to_string()).await.unwrap();
        all.push(db);
        assert!(*storage.open_waddles().borrow() <= 32);
    }
    for (i, db) in all.iter().enumerate().rev() {
        assert_eq!(
            meta::Meta(db).get("number").await.unwrap().unwrap(),
            i.to_string()
        );
        // A writer and a reader, each with the file, its log and the shared memory between them.
        assert!(open_files(&waddles) <= 32 * 6, "{}", open_files(&waddles));
    }
    // All at once.
    let mut tasks = Vec::new();
    for db in &all {
        let db = db.clone();
        tasks.push(tokio::spawn(async move {
            meta::Meta(&db).set("again", "1".into()).await?;
            meta::Meta(&db).get("again").await
        }));
    }
    for task in tasks {
        assert_eq!(task.await.unwrap().unwrap().as_deref(), Some("1"));
    }
    assert!(*storage.open_waddles().borrow() <= 32);
    storage.close().await;
    assert_eq!(open_files(&waddles), 0);
}

#[tokio::test]
async fn an_idle_waddle_closes_and_its_handle_still_works() {
    let dir = tempfile::tempdir().unwrap();
    let storage = open(dir.path(), |l| l.storage_idle_seconds = 1).await;
    let id = WaddleId::new();
    let db = storage.create_waddle(id).await.unwrap();
    fill(&db, 10).await;
    assert_eq!(count(&db).await.unwrap(), 10);
    let mut open = storage.open_waddles();
    timeout(Duration::from_secs(20), open.wait_for(|n| *n == 0))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(open_files(&dir.path().join("waddles")), 0);
    let left: Vec<_> = std::fs::read_dir(dir.path().join("waddles")).unwrap().collect();
    assert_eq!(left.len(), 1, "no log is left beside a closed database");
    assert_eq!(count(&db).await.unwrap(), 10);
    storage.close().await;
}

#[tokio::test]
async fn a_waddle_that_was_forgotten_never_counts_its_changes_alike() {
    let dir = tempfile::tempdir().unwrap();
    let storage = open(dir.path(), |l| l.storage_idle_seconds = 1).await;
    let id = WaddleId::new();
    let db = storage.create_waddle(id).await.unwrap();
    let mut seen = Vec::new();
    let mut open = storage.open_waddles();
    let mut db = Some(db);
    for _ in 0..3 {
        let held = match db.take() {
            Some(db) => db,
            None => storage.waddle(id).await.unwrap(),
        };
        for _ in 0..2 {
            fill(&held, 1).await;
            assert!(!seen.contains(&held.changes()), "{seen:?}");
            seen.push(held.changes());
        }
        // nobody holds it: it is closed, and forgotten
        drop(held);
        timeout(Duration::from_secs(20), open.wait_for(|n| *n == 0))
            .await
            .unwrap()
            .unwrap();
    }
    storage.close().await;
}

fn damage(path: &Path, at: u64, with: &[u8]) {
    let mut file = std::fs::OpenOptions::new()
        .read(true)
        .write(true)
        .open(path)
        .unwrap();
    file.seek(SeekFrom::Start(at)).unwrap();
    file.write_all(with).unwrap();
}

#[tokio::test]
async fn a_damaged_waddle_is_fenced_alone_and_comes_back_from_its_backup() {
    let dir = tempfile::tempdir().unwrap();
    let backups = dir.path().join("backups");
    let storage = open(dir.path(), |_| ()).await;
    let ids: Vec<WaddleId> = (0..5).map(|_| WaddleId::new()).collect();
    for id in &ids {
        fill(&storage.create_waddle(*id).await.unwrap(), 2_000).await;
        let made = storage.backup_waddle(*id, &backups).await.unwrap();
        assert_eq!(made.path, backups.join(format!("{id}.db")));
        assert!(made.bytes > 100_000);
    }
    storage.close().await;

    let size = path(dir.path(), ids[0]).metadata().unwrap().len();
    let cut = |i: usize, len| {
        std::fs::OpenOptions::new()
            .write(true)
            .open(path(dir.path(), ids[i]))
            .unwrap()
            .set_len(len)
            .unwrap();
    };
    cut(0, size / 2 + 100);
    cut(1, 0);
    damage(&path(dir.path(), ids[2]), 0, b"not a database at all");
    // Every page but the first.
    for page in 1..size / 4096 {
        damage(&path(dir.path(), ids[3]), page * 4096, &[0xff; 64]);
    }

    let storage = open(dir.path(), |_| ()).await;
    for id in &ids[..4] {
        let failed = match storage.waddle(*id).await {
            Ok(db) => {
                let failed = count(&db).await.unwrap_err();
                assert!(db.health().is_err());
                let write = db.write(|tx| meta::set(tx, "a", "b")).await.unwrap_err();
                assert!(matches!(write, StorageError::Corrupt { .. }), "{write:?}");
                failed
            }
            Err(e) => e,
        };
        assert!(
            matches!(&failed, StorageError::Corrupt { database, .. } if **database == *id.to_string()),
            "{failed:?}"
        );
        let again = storage.waddle(*id).await.unwrap_err();
        assert!(matches!(again, StorageError::Corrupt { .. }), "{again:?}");
        assert_eq!(
            count(&storage.waddle(ids[4]).await.unwrap()).await.unwrap(),
            2_000,
            "others live"
        );
    }

    // Copies that are damaged, of another waddle, or missing change nothing.
    let good = backups.join(format!("{}.db", ids[0]));
    let bad = backups.join("bad.db");
    std::fs::copy(&good, &bad).unwrap();
    damage(&bad, 4096 * 3, &[0xff; 4096]);
    let refused = storage.restore_waddle(ids[4], &bad).await.unwrap_err();
    assert!(matches!(refused, StorageError::Corrupt { .. }), "{refused:?}");
    let other = storage.restore_waddle(ids[4], &good).await.unwrap_err();
    assert!(
        other
            .to_string()
            .contains(&format!("it is the database {}", ids[0])),
        "{other}"
    );
    assert!(
        storage
            .restore_waddle(ids[4], backups.join("none.db"))
            .await
            .is_err()
    );
    assert_eq!(
        count(&storage.waddle(ids[4]).await.unwrap()).await.unwrap(),
        2_000
    );

    for id in &ids[..4] {
        storage
            .restore_waddle(*id, backups.join(format!("{id}.db")))
            .await
            .unwrap();
        let db = storage.waddle(*id).await.unwrap();
        assert_eq!(count(&db).await.unwrap(), 2_000);
        db.write(|tx| meta::set(tx, "a", "b")).await.unwrap();
    }
    // Also one that was deleted.
    storage.delete_waddle(ids[4]).await.unwrap();
    storage
        .restore_waddle(ids[4], backups.join(format!("{}.db", ids[4])))
        .await
        .unwrap();
    assert_eq!(
        count(&storage.waddle(ids[4]).await.unwrap()).await.unwrap(),
        2_000
    );
    let mut left: Vec<_> = std::fs::read_dir(dir.path().join("waddles"))
        .unwrap()
        .map(|f| f.unwrap().path())
        .collect();
    left.retain(|f| f.extension().is_some_and(|e| e == "restore" || e == "new"));
    assert!(left.is_empty(), "{left:?}");
    storage.close().await;
}

#[tokio::test]
async fn a_backup_of_the_server_database_is_one_state_while_it_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let storage = open(dir.path(), |_| ()).await;
    let db = storage.server();
    fill(&db, 5_000).await;
    let busy = {
        let db = db.clone();
        tokio::spawn(async move {
            // Two rows that belong together.
            for i in 0..200 {
                db.write(move |tx| {
                    meta::set(tx, "left", &i.to_string())?;
                    meta::set(tx, "right", &i.to_string())
                })
                .await
                .unwrap();
            }
        })
    };
    let made = storage.backup_server(dir.path().join("copy")).await.unwrap();
    busy.await.unwrap();
    storage.close().await;
    let mut magic = [0; 15];
    std::fs::File::open(&made.path)
        .unwrap()
        .read_exact(&mut magic)
        .unwrap();
    assert_eq!(&magic, b"SQLite format 3");
    let copy = open(&dir.path().join("copy"), |_| ()).await;
    let db = copy.server();
    assert_eq!(count(&db).await.unwrap(), 5_000);
    let pair = db
        .read(|c| Ok((meta::get(c, "left")?, meta::get(c, "right")?)))
        .await
        .unwrap();
    assert_eq!(pair.0, pair.1);
    copy.close().await;
}

#[tokio::test]
async fn a_full_disk_fails_what_does_not_fit_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let storage = open(dir.path(), |_| ()).await;
    let db = storage.server();
    fill(&db, 100).await;
    let pages = |n: &'static str| {
        let db = db.clone();
        async move {
            db.write(move |tx| tx.query(&format!("PRAGMA max_page_count = {n}"), (), |_| Ok(())))
                .await
                .unwrap()
        }
    };
    pages("1").await; // no less than it has
    let mut writes = Vec::new();
    for i in 0..200 {
        let db = db.clone();
        writes.push(tokio::spawn(async move {
            let key = format!("big-{i}");
            (
                key.clone(),
                db.write(move |tx| meta::set(tx, &key, &"y".repeat(1_000))).await,
            )
        }));
    }
    let mut full = 0;
    for write in writes {
        let (key, result) = write.await.unwrap();
        let kept = db.read(move |c| meta::get(c, &key)).await.unwrap().is_some();
        assert_eq!(kept, result.is_ok(), "an answer tells what happened");
        if let Err(e) = result {
            assert_eq!(e, StorageError::Full);
            assert!(e.is_temporary());
            full += 1;
        }
    }
    assert!(full > 150, "{full}");
    assert_eq!(count(&db).await.unwrap(), 100);
    pages("1000000").await;
    meta::Meta(&db).set("big", "y".repeat(1_000)).await.unwrap();
    storage.close().await;
}

#[tokio::test]
async fn a_lock_held_by_another_program_is_busy_and_passes() {
    let dir = tempfile::tempdir().unwrap();
    let storage = open(dir.path(), |_| ()).await;
    let db = storage.server();
    let other = libsql::Builder::new_local(dir.path().join("server.db"))
        .build()
        .await
        .unwrap()
        .connect()
        .unwrap();
    other.execute_batch("BEGIN IMMEDIATE").await.unwrap();
    let (a, b) = tokio::join!(
        db.write(|tx| meta::set(tx, "a", "1")),
        db.write(|tx| meta::set(tx, "b", "1"))
    );
    assert_eq!((a, b), (Err(StorageError::Busy), Err(StorageError::Busy)));
    assert!(
        db.read(|c| meta::get(c, "database")).await.unwrap().is_some(),
        "reads go on"
    );
    other.execute_batch("ROLLBACK").await.unwrap();
    db.write(|tx| meta::set(tx, "a", "2")).await.unwrap();
    drop(other);
    storage.close().await;
}

#[tokio::test]
async fn databases_of_a_newer_version_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let storage = open(dir.path(), |_| ()).await;
    let id = WaddleId::new();
    let newer = |tx: &mut Tx| {
        tx.execute(
            "INSERT INTO schema_migration VALUES (9999, 'server/9999_future.sql', 'x', 0)",
            (),
        )
        .map(drop)
    };
    storage
        .create_waddle(id)
        .await
        .unwrap()
        .write(newer)
        .await
        .unwrap();
    storage.server().write(newer).await.unwrap();
    storage.close().await;
    let refused = Storage::open(StorageConfig::new(dir.path())).await.unwrap_err();
    assert_eq!(
        refused,
        StorageError::Newer {
            database: "server".into(),
            number: 9999
        }
    );
    let again = Storage::open(StorageConfig::new(dir.path())).await.unwrap_err();
    assert_eq!(again, refused, "the lock was given up");
}
