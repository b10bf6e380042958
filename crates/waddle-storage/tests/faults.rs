//! Faults of the disk below the databases: full, read-only, a failing fsync. Each happens to a process of its own, on a
//! file system of its own where that is needed: `cargo test -p waddle-storage --test faults -- --ignored --exact a_full_disk
//! a_read_only_file_system`, with the right to mount (`unshare --mount`).
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "tests")]

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use waddle_core::WaddleId;
use waddle_storage::{Db, Storage, StorageConfig, StorageError, repo::meta};

const DIR: &str = "WADDLE_TEST_FAULTS_DIR";

/// Runs a test of this file again as a child: alone, with a directory, under a shell line that prepares it.
fn child(test: &str, dir: &Path, shell: &str, env: &[(&str, &Path)]) -> String {
    let mut command = Command::new("unshare");
    command
        .args(["--mount", "sh", "-ec", shell])
        .env("TEST_BINARY", std::env::current_exe().unwrap())
        .env("TEST_NAME", test)
        .env(DIR, dir);
    for (name, value) in env {
        command.env(name, value);
    }
    let done = command.output().unwrap();
    let text = String::from_utf8_lossy(&done.stdout).into_owned() + &String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success() && text.contains("CHILD OK"), "{text}");
    text
}

const RUN: &str = "\"$TEST_BINARY\" --exact \"$TEST_NAME\" --ignored --nocapture";

fn dir() -> Option<PathBuf> {
    std::env::var_os(DIR).map(PathBuf::from)
}

async fn open(dir: &Path) -> Storage {
    Storage::open(StorageConfig::new(dir)).await.unwrap()
}

async fn put(db: &Db, key: String) -> Result<(), StorageError> {
    db.write(move |tx| meta::set(tx, &key, &"x".repeat(4_000))).await
}

async fn there(db: &Db, key: String) -> bool {
    db.read(move |c| meta::get(c, &key)).await.unwrap().is_some()
}

#[test]
#[ignore = "needs the right to mount"]
fn a_full_disk() {
    let dir = tempfile::tempdir().unwrap();
    child(
        "full_disk",
        dir.path(),
        &format!("mount -t tmpfs -o size=6m none \"${DIR}\"; {RUN}"),
        &[],
    );
}

#[tokio::test]
#[ignore = "runs as a child of the test above"]
async fn full_disk() {
    let Some(dir) = dir() else { return };
    let storage = open(&dir).await;
    let id = WaddleId::new();
    let waddle = storage.create_waddle(id).await.unwrap();
    let filler = dir.join("filler");
    let mut kept = Vec::new();
    let mut full = 0;
    for n in 0..5_000 {
        let db = if n % 2 == 0 {
            waddle.clone()
        } else {
            storage.server()
        };
        match put(&db, format!("key-{n}")).await {
            Ok(()) => kept.push((n % 2, n)),
            Err(StorageError::Full | StorageError::Io(_)) => full += 1,
            Err(e) => panic!("{e:?}"),
        }
        if n == 20 {
            std::fs::write(&filler, vec![0; 1 << 20]).unwrap();
        }
        if full > 40 {
            break;
        }
    }
    assert!(
        full > 40 && kept.len() > 20,
        "{full} refused, {} kept",
        kept.len()
    );
    // Reading goes on, and what was refused is not there.
    for (which, n) in &kept {
        let db = if *which == 0 {
            waddle.clone()
        } else {
            storage.server()
        };
        assert!(there(&db, format!("key-{n}")).await);
    }
    let new = storage.create_waddle(WaddleId::new()).await;
    assert!(new.is_err(), "no room for another one");
    assert_eq!(storage.waddles().await.unwrap(), [id], "nothing half made");
    // With room again everything goes on, without a restart.
    std::fs::remove_file(filler).unwrap();
    for db in [waddle, storage.server()] {
        assert!(db.health().is_ok(), "a full disk damages nothing");
        put(&db, "after".to_owned()).await.unwrap();
        assert!(there(&db, "after".to_owned()).await);
    }
    storage.close().await;
    let storage = open(&dir).await;
    for (which, n) in &kept {
        let db = if *which == 0 {
            storage.waddle(id).await.unwrap()
        } else {
            storage.server()
        };
        assert!(there(&db, format!("key-{n}")).await, "acknowledged, and lost");
    }
    storage.close().await;
    println!("CHILD OK");
}

#[test]
#[ignore = "needs the right to mount"]
fn a_read_only_file_system() {
    let dir = tempfile::tempdir().unwrap();
    let shell = format!(
        "mount -t tmpfs none \"${DIR}\"; TEST_STEP=make {RUN}; mount -o remount,ro \"${DIR}\"; TEST_STEP=use {RUN}"
    );
    child("read_only", dir.path(), &shell, &[]);
}

#[tokio::test]
#[ignore = "runs as a child of the test above"]
async fn read_only() {
    let Some(dir) = dir() else { return };
    if std::env::var("TEST_STEP").unwrap() == "make" {
        let storage = open(&dir).await;
        storage.create_waddle(WaddleId::new()).await.unwrap();
        storage.close().await;
    } else {
        let refused = Storage::open(StorageConfig::new(&dir)).await.unwrap_err();
        assert_eq!(refused, StorageError::ReadOnly);
        assert!(refused.to_string().contains("read-only"), "{refused}");
    }
    println!("CHILD OK");
}

/// fsync and fdatasync that fail while a file is there.
const SHIM: &str = r#"
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>
static int broken(void) {
    const char *path = getenv("WADDLE_TEST_FAULTS_BROKEN");
    return path && access(path, F_OK) == 0;
}
int fsync(int fd) {
    if (broken()) { errno = EIO; return -1; }
    return ((int (*)(int))dlsym(RTLD_NEXT, "fsync"))(fd);
}
int fdatasync(int fd) {
    if (broken()) { errno = EIO; return -1; }
    return ((int (*)(int))dlsym(RTLD_NEXT, "fdatasync"))(fd);
}
"#;

#[test]
fn a_failing_fsync() {
    let dir = tempfile::tempdir().unwrap();
    let (source, shim, data) = (
        dir.path().join("shim.c"),
        dir.path().join("shim.so"),
        dir.path().join("data"),
    );
    std::fs::create_dir(&data).unwrap();
    std::fs::write(&source, SHIM).unwrap();
    let built = Command::new("cc")
        .args(["-shared", "-fPIC", "-o"])
        .args([&shim, &source])
        .arg("-ldl")
        .status();
    assert!(built.unwrap().success(), "cc");
    let broken = dir.path().join("broken");
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", "failing_fsync", "--ignored", "--nocapture"])
        .env(DIR, &data)
        .env("LD_PRELOAD", &shim)
        .env("WADDLE_TEST_FAULTS_BROKEN", &broken);
    let done = command.output().unwrap();
    let text = String::from_utf8_lossy(&done.stdout).into_owned() + &String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success() && text.contains("CHILD OK"), "{text}");
}

#[tokio::test]
#[ignore = "runs as a child of the test above"]
async fn failing_fsync() {
    let (Some(dir), Some(broken)) = (dir(), std::env::var_os("WADDLE_TEST_FAULTS_BROKEN")) else {
        return;
    };
    let storage = open(&dir).await;
    let id = WaddleId::new();
    let waddle = storage.create_waddle(id).await.unwrap();
    put(&waddle, "before".to_owned()).await.unwrap();
    std::fs::write(&broken, "").unwrap();
    for n in 0..5 {
        let failed = put(&waddle, format!("during-{n}")).await.unwrap_err();
        assert!(matches!(failed, StorageError::Io(_)), "{failed:?}");
        assert!(failed.is_temporary());
    }
    let other = storage.create_waddle(WaddleId::new()).await;
    assert!(other.is_err(), "what is not on the disk is not made");
    std::fs::remove_file(&broken).unwrap();
    put(&waddle, "after".to_owned()).await.unwrap();
    assert!(waddle.health().is_ok());
    storage.close().await;
    // Acknowledged is what is there afterwards; what failed may be there or not, and never in part.
    let storage = open(&dir).await;
    let waddle = storage.waddle(id).await.unwrap();
    for key in ["before", "after"] {
        assert!(there(&waddle, key.to_owned()).await, "{key}");
    }
    storage.close().await;
    println!("CHILD OK");
}
