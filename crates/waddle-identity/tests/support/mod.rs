//! What the tests of this crate share: an identity layer over a fresh directory, and a made-up ATProto network
//! that can be told to lie.
#![allow(
    dead_code,
    clippy::allow_attributes,
    clippy::missing_panics_doc,
    reason = "each test file takes what it needs"
)]

pub mod browser;
pub mod fake;

use std::sync::Arc;

use tempfile::TempDir;
use url::Url;
use waddle_community::Community;
use waddle_core::{Limits, ManualClock, Timestamp};
use waddle_identity::{AtprotoConfig, Identity, IdentityConfig};
use waddle_storage::{Storage, StorageConfig};

/// An identity layer, its clock and its directory.
pub struct Setup {
    pub identity: Identity,
    pub storage: Storage,
    pub clock: Arc<ManualClock>,
    pub dir: TempDir,
}

/// The settings that tests start from: a loopback client, no network.
pub fn config(dir: &TempDir) -> IdentityConfig {
    let mut c = IdentityConfig::new(
        "example.org",
        Url::parse("http://127.0.0.1:3999").unwrap(),
        dir.path(),
    );
    c.atproto.plc_url = Url::parse("http://127.0.0.1:9").unwrap();
    c
}

/// Opens an identity layer with changed settings.
pub async fn open_with(change: impl FnOnce(&mut IdentityConfig)) -> Setup {
    let dir = tempfile::tempdir().unwrap();
    let clock = ManualClock::at("2026-01-31T12:00:00Z".parse::<Timestamp>().unwrap());
    let mut storage_config = StorageConfig::new(dir.path());
    storage_config.clock = clock.clone();
    let storage = Storage::open(storage_config).await.unwrap();
    let mut c = config(&dir);
    change(&mut c);
    let identity = Identity::open(&storage, clock.clone(), c).await.unwrap();
    Setup {
        identity,
        storage,
        clock,
        dir,
    }
}

/// The waddles beside it.
pub async fn community(t: &Setup) -> Community {
    let limits = Arc::new(Limits::default());
    Community::open(t.storage.clone(), t.clock.clone(), limits, "example.org")
        .await
        .unwrap()
}

pub async fn open() -> Setup {
    open_with(|_| ()).await
}

/// Settings for a network on loopback.
pub fn on_loopback(c: &mut AtprotoConfig, plc: &str, resolver: Option<&str>) {
    c.plc_url = Url::parse(plc).unwrap();
    c.handle_resolver = resolver.map(|r| Url::parse(r).unwrap());
    c.allow_http_loopback = true;
}

/// Whether any file below the directory holds these bytes.
pub fn on_disk(dir: &TempDir, needle: &str) -> bool {
    fn walk(dir: &std::path::Path, needle: &[u8]) -> bool {
        std::fs::read_dir(dir).unwrap().any(|e| {
            let path = e.unwrap().path();
            if path.is_dir() {
                walk(&path, needle)
            } else {
                let bytes = std::fs::read(&path).unwrap_or_default();
                bytes.windows(needle.len()).any(|w| w == needle)
            }
        })
    }
    walk(dir.path(), needle.as_bytes())
}
