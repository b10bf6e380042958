//! A file store over a fresh directory or a tiny S3 service, and a clock that tests move.

#![allow(
    dead_code,
    clippy::allow_attributes,
    reason = "each test file takes what it needs"
)]

pub mod s3;

use std::sync::Arc;

use futures::TryStreamExt as _;
use tempfile::TempDir;
use url::Url;
use waddle_core::{ManualClock, Timestamp, UserId};
use waddle_files::{Error, Files, FilesConfig, Purpose, Refusal, Slot, SlotRequest, StoreConfig};
use waddle_storage::{Storage, StorageConfig};

pub struct World {
    pub files: Files,
    pub clock: Arc<ManualClock>,
    pub storage: Storage,
    pub dir: TempDir,
}

pub fn alice() -> UserId {
    UserId::local("alice")
}

pub async fn world(change: impl FnOnce(&mut FilesConfig)) -> World {
    let dir = tempfile::tempdir().unwrap();
    let clock = ManualClock::at("2026-01-31T12:00:00Z".parse::<Timestamp>().unwrap());
    let mut sc = StorageConfig::new(dir.path());
    sc.clock = clock.clone();
    let storage = Storage::open(sc).await.unwrap();
    let url = Url::parse("https://upload.example.org").unwrap();
    let mut config = FilesConfig::local(url, dir.path().join("uploads"));
    change(&mut config);
    let files = Files::open(config, storage.server(), clock.clone())
        .await
        .unwrap();
    World {
        files,
        clock,
        storage,
        dir,
    }
}

pub async fn s3_world(server: &s3::S3) -> World {
    let config = server.config();
    world(|c| c.store = StoreConfig::S3(config)).await
}

pub fn request(name: &str, size: u64) -> SlotRequest {
    SlotRequest {
        owner: alice(),
        name: name.into(),
        size,
        kind: None,
        purpose: Purpose::Message,
    }
}

/// Id, name and token of a PUT address.
pub fn parts(put: &str) -> (String, String, String) {
    let url = Url::parse(put).unwrap();
    let mut path = url.path_segments().unwrap();
    assert_eq!(path.next(), Some("upload"));
    let id = path.next().unwrap().to_owned();
    let name = path.next().unwrap();
    let token = url.query().unwrap().strip_prefix("token=").unwrap();
    (id, decode(name), token.to_owned())
}

fn decode(text: &str) -> String {
    let mut out = Vec::new();
    let mut bytes = text.bytes();
    while let Some(b) = bytes.next() {
        if b == b'%' {
            let hex = [bytes.next().unwrap(), bytes.next().unwrap()];
            out.push(u8::from_str_radix(std::str::from_utf8(&hex).unwrap(), 16).unwrap());
        } else {
            out.push(b);
        }
    }
    String::from_utf8(out).unwrap()
}

impl World {
    pub async fn slot(&self, name: &str, size: u64) -> Slot {
        self.ask(request(name, size)).await.unwrap()
    }

    pub async fn ask(&self, wanted: SlotRequest) -> Result<Slot, Refusal> {
        self.files.slot(wanted).await.unwrap()
    }

    /// Uploads `bytes` in pieces of `piece` bytes.
    pub async fn put(&self, slot: &Slot, bytes: &[u8], piece: usize) -> Result<(), Error> {
        let (id, name, token) = parts(&slot.put);
        let length = bytes.len() as u64;
        let mut upload = self.files.put(&id, &name, &token, length, None).await?;
        for piece in bytes.chunks(piece) {
            upload.write(piece.to_vec().into()).await?;
        }
        upload.finish().await
    }

    pub async fn read(&self, slot: &Slot, range: std::ops::Range<u64>) -> Result<Vec<u8>, Error> {
        let (id, name, _) = parts(&slot.put);
        let found = self.files.find(&id, &name).await?;
        let mut out = Vec::new();
        let mut contents = found.read(range).await?;
        while let Some(bytes) = contents.try_next().await.unwrap() {
            out.extend_from_slice(&bytes);
        }
        Ok(out)
    }

    /// Files below the store's directory, staged ones included.
    pub fn on_disk(&self) -> Vec<String> {
        let mut out = Vec::new();
        for shard in std::fs::read_dir(self.dir.path().join("uploads")).unwrap() {
            for file in std::fs::read_dir(shard.unwrap().path()).unwrap() {
                out.push(file.unwrap().file_name().into_string().unwrap());
            }
        }
        out
    }
}

/// Bytes that differ from each other.
pub fn noise(len: usize) -> Vec<u8> {
    let mut x = 1_u32;
    (0..len)
        .map(|_| {
            x = x.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (x >> 24) as u8
        })
        .collect()
}
