//! Durable archive writes and page reads per second (`room`: only what a busy room does), for `adrs/0003-storage-threads-and-durability.md`.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a program that prints figures"
)]

use std::{
    sync::{Arc, mpsc},
    time::{Duration, Instant},
};

use bytes::Bytes;
use waddle_core::{ChannelId, Timestamp, WaddleId};
use waddle_storage::{
    Db, Storage, StorageConfig, StorageError, Tx,
    repo::archive::{self, ArchiveKey, Kind, NewMessage, With},
};

const TIME: Duration = Duration::from_secs(2);

fn message(stanza: &Bytes) -> NewMessage {
    NewMessage {
        at: Timestamp(0),
        kind: Kind::Message,
        with: Some(With::Nick("thirdwitch".into())),
        author: Some("did:plc:ewvi7nxzyoun6zhxrhs64oiz".into()),
        origin_id: Some("5f2e6b1c-7a41-4f0e-9d5a-0c1b2d3e4f50".into()),
        body: Some("When shall we three meet again, in thunder, lightning, or in rain?".into()),
        stanza: stanza.clone(),
    }
}

/// CPU time of this process so far, in ticks of 10 ms (`proc(5)`).
fn cpu() -> u64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap().split(' ').collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}

fn each(since: u64, things: u64) -> String {
    format!(
        "{:.1} us CPU each",
        (cpu() - since) as f64 * 10_000.0 / things as f64
    )
}

/// `clients` tasks that each wait for their write before the next one.
async fn clients(dbs: &[Db], clients: usize, stanza: &Bytes) {
    let (until, since) = (Instant::now() + TIME, cpu());
    let mut tasks = Vec::new();
    for c in 0..clients {
        let (db, stanza) = (dbs[c % dbs.len()].clone(), stanza.clone());
        tasks.push(tokio::spawn(async move {
            let key = ArchiveKey::channel(ChannelId::new());
            let mut took = Vec::new();
            while Instant::now() < until {
                let (key, m, started) = (key.clone(), message(&stanza), Instant::now());
                db.write(move |tx| archive::append(tx, &key, m)).await.unwrap();
                took.push(started.elapsed());
            }
            took
        }));
    }
    let mut all = Vec::new();
    for task in tasks {
        all.extend(task.await.unwrap());
    }
    all.sort_unstable();
    let at = |p: usize| all[(all.len() - 1) * p / 100];
    println!(
        "write: {clients} clients on {} databases: {} rows/s, {}, p50 {:?}, p99 {:?}",
        dbs.len(),
        all.len() as u64 / TIME.as_secs(),
        each(since, all.len() as u64),
        at(50),
        at(99)
    );
}

/// What a busy room does: `write_then`, as fast as the queue takes it.
fn pipelined(db: &Db, stanza: &Bytes) {
    let key = ArchiveKey::channel(ChannelId::new());
    let (send, done) = mpsc::channel();
    let (started, since, mut rows, mut waiting) = (Instant::now(), cpu(), 0_u64, 0);
    while started.elapsed() < TIME {
        let (key, m, send) = (key.clone(), message(stanza), send.clone());
        let work = move |tx: &mut Tx| archive::append(tx, &key, m);
        let queued = db.write_then(work, move |r: Result<_, StorageError>| send.send(r).unwrap());
        waiting += usize::from(queued.is_ok());
        if queued.is_err() || waiting >= 2_048 {
            done.recv().unwrap().unwrap();
            (waiting, rows) = (waiting - 1, rows + 1);
        }
    }
    for _ in 0..waiting {
        done.recv().unwrap().unwrap();
    }
    let rows = rows + waiting as u64;
    let rate = rows as f64 / started.elapsed().as_secs_f64();
    println!(
        "write_then, up to 2048 waiting: {rate:.0} rows/s, {}",
        each(since, rows)
    );
}

async fn pages(db: &Db, readers: usize, stanza: &Bytes) {
    let key = Arc::new(ArchiveKey::channel(ChannelId::new()));
    let (k, s) = (key.clone(), stanza.clone());
    db.write(move |tx| (0..20_000).try_for_each(|_| archive::append(tx, &k, message(&s)).map(drop)))
        .await
        .unwrap();
    let (until, since) = (Instant::now() + TIME, cpu());
    let mut tasks = Vec::new();
    for _ in 0..readers {
        let (db, key) = (db.clone(), key.clone());
        tasks.push(tokio::spawn(async move {
            let mut pages = 0_u64;
            while Instant::now() < until {
                let key = key.clone();
                let page = db.read(move |c| archive::last(c, &key, 50, None)).await.unwrap();
                assert_eq!(page.len(), 50);
                pages += 1;
            }
            pages
        }));
    }
    let mut all = 0;
    for task in tasks {
        all += task.await.unwrap();
    }
    let rate = all / TIME.as_secs();
    println!(
        "read: last 50 by {readers} tasks: {rate} pages/s, {}",
        each(since, all)
    );
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let dir = std::env::temp_dir().join(format!("waddle-throughput-{}", std::process::id()));
    let storage = Storage::open(StorageConfig::new(&dir)).await.unwrap();
    let stanza = Bytes::from(vec![b'x'; 357]);
    let one = storage.create_waddle(WaddleId::new()).await.unwrap();
    if std::env::args().any(|a| a == "clients") {
        clients(std::slice::from_ref(&one), 64, &stanza).await;
        storage.close().await;
        return std::fs::remove_dir_all(dir).unwrap();
    }
    if std::env::args().any(|a| a == "room") {
        tokio::task::spawn_blocking(move || pipelined(&one, &stanza))
            .await
            .unwrap();
        storage.close().await;
        return std::fs::remove_dir_all(dir).unwrap();
    }
    for n in [1, 16, 64, 256, 1024] {
        clients(std::slice::from_ref(&one), n, &stanza).await;
    }
    let mut eight = Vec::new();
    for _ in 0..8 {
        eight.push(storage.create_waddle(WaddleId::new()).await.unwrap());
    }
    clients(&eight, 256, &stanza).await;
    let db = one.clone();
    let bytes = stanza.clone();
    tokio::task::spawn_blocking(move || pipelined(&db, &bytes))
        .await
        .unwrap();
    for n in [1, 16] {
        pages(&one, n, &stanza).await;
    }
    pages(&storage.server(), 16, &stanza).await;
    storage.close().await;
    std::fs::remove_dir_all(dir).unwrap();
}
