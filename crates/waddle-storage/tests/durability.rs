//! Nothing that was acknowledged is lost when the process is killed (mission line 42).
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "tests")]

use std::{
    collections::HashSet,
    fs::OpenOptions,
    io::{BufRead, BufReader, Write},
    process::{Command, Stdio},
    sync::Arc,
};

use bytes::Bytes;
use waddle_core::WaddleId;
use waddle_storage::{
    Storage, StorageConfig,
    repo::archive::{self, ArchiveKey, Filter, Kind, NewMessage, Start},
};

const DIR: &str = "WADDLE_TEST_DURABILITY_DIR";
const WADDLE: &str = "WADDLE_TEST_DURABILITY_WADDLE";
const WRITERS: usize = 24;

fn message(text: String) -> NewMessage {
    NewMessage {
        at: waddle_core::Timestamp(0),
        kind: Kind::Message,
        with: None,
        author: None,
        origin_id: None,
        body: None,
        stanza: Bytes::from(text),
    }
}

/// The process that is killed: writes without end and prints what is acknowledged.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "runs as a child of the test below"]
async fn writer_process() {
    let Ok(dir) = std::env::var(DIR) else { return };
    let id: WaddleId = std::env::var(WADDLE).unwrap().parse().unwrap();
    let storage = Storage::open(StorageConfig::new(dir)).await.unwrap();
    let databases = [storage.server(), storage.waddle(id).await.unwrap()];
    let key = Arc::new(ArchiveKey::room("lounge"));
    let mut writers = Vec::new();
    for w in 0..WRITERS {
        let (db, key) = (databases[w % 2].clone(), key.clone());
        writers.push(tokio::spawn(async move {
            for i in 0..100_000 {
                let key = key.clone();
                let text = format!("{w}-{i}");
                let id = db
                    .write(move |tx| archive::append(tx, &key, message(text)))
                    .await
                    .unwrap();
                println!("ack {} {id} {w}-{i}", w % 2);
            }
        }));
    }
    for writer in writers {
        writer.await.unwrap();
    }
}

#[tokio::test]
async fn what_was_acknowledged_survives_kill_9() {
    let dir = tempfile::tempdir().unwrap();
    let id = WaddleId::new();
    let storage = Storage::open(StorageConfig::new(dir.path())).await.unwrap();
    storage.create_waddle(id).await.unwrap();
    storage.close().await;
    let mut acknowledged = [HashSet::new(), HashSet::new()];
    for round in 0..3 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "writer_process", "--ignored", "--nocapture"])
            .env(DIR, dir.path())
            .env(WADDLE, id.to_string())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut seen = 0;
        while seen < 500 * (round + 1) {
            let line = lines.next().unwrap().unwrap();
            seen += usize::from(note(&line, &mut acknowledged));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        // What was still in the pipe was acknowledged too; the last line may be cut.
        for line in lines.map_while(Result::ok) {
            note(&line, &mut acknowledged);
        }

        // A commit that was torn by a power cut: the log ends in the middle of a frame.
        for log in ["server.db-wal".to_owned(), format!("waddles/{id}.db-wal")] {
            let log = dir.path().join(log);
            let mut torn = OpenOptions::new().append(true).open(log).unwrap();
            torn.write_all(&[0x5a; 5_000]).unwrap();
        }
        let storage = Storage::open(StorageConfig::new(dir.path())).await.unwrap();
        for (db, acks) in [storage.server(), storage.waddle(id).await.unwrap()]
            .iter()
            .zip(&acknowledged)
        {
            let kept = all(db).await;
            let lost: Vec<_> = acks.difference(&kept).collect();
            assert!(lost.is_empty(), "round {round}: lost {lost:?} of {}", acks.len());
            // Each writer had at most one request under way.
            assert!(
                kept.len() <= acks.len() + WRITERS * (round + 1),
                "{} kept, {} acknowledged",
                kept.len(),
                acks.len()
            );
        }
        storage.close().await;
    }
}

/// Takes a whole acknowledgement out of a line of the child.
fn note(line: &str, acknowledged: &mut [HashSet<(String, String)>; 2]) -> bool {
    let words: Vec<&str> = line.split(' ').collect();
    let ["ack", db, id, text] = words[..] else {
        return false;
    };
    // A line that was cut by the kill has a short identifier or no text.
    if id.len() != 16 || !text.contains('-') || text.ends_with('-') {
        return false;
    }
    acknowledged[usize::from(db == "1")].insert((id.to_owned(), text.to_owned()))
}

async fn all(db: &waddle_storage::Db) -> HashSet<(String, String)> {
    let mut found = HashSet::new();
    let mut start = Start::First;
    loop {
        let page = db
            .read(move |c| {
                archive::page(
                    c,
                    &ArchiveKey::room("lounge"),
                    &Filter::default(),
                    start,
                    1_000,
                    false,
                )
            })
            .await
            .unwrap();
        let text = |b: &Bytes| String::from_utf8(b.to_vec()).unwrap();
        found.extend(page.items.iter().map(|m| (m.id.to_string(), text(&m.stanza))));
        match page.ends() {
            Some((_, last)) if !page.complete => start = Start::After(last),
            _ => return found,
        }
    }
}
