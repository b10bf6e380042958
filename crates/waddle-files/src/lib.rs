//! Uploaded files ([XEP-0363](https://xmpp.org/extensions/xep-0363.html), `specs/http.md` *Files*): slots with
//! quotas, the store on the local disk or in S3, what a browser may show, expiry.
//!
//! This crate knows neither XMPP nor HTTP: [`Files::slot`] answers what an IQ asks, [`Files::put`] takes a stream of
//! bytes, [`Files::find`] and [`Stored::read`] give it back. A file is served only after its bytes and then its row
//! are on the disk; it is taken from everybody by its row first, its bytes go after that.

mod config;
mod error;
pub mod kind;
mod metrics;
pub mod name;
mod put;
mod read;
mod slot;
mod store;
mod sweep;

use std::{collections::HashMap, sync::Arc};

use parking_lot::Mutex;
use tokio::sync::{Notify, Semaphore};
use tokio_util::sync::CancellationToken;
use url::Url;
use waddle_core::{SharedClock, Timestamp, UserId};
use waddle_storage::{
    Db,
    repo::files::{self, Quotas},
};

pub use config::{FilesConfig, S3Config, StoreConfig};
pub use error::{Error, Refusal};
pub use put::Upload;
pub use read::{Contents, Stored};
pub use slot::{Purpose, Slot, SlotRequest};
pub use waddle_storage::repo::files::{FileRow, Totals};

use store::Store;

/// The files; clones are handles to the same.
#[derive(Clone)]
pub struct Files(Arc<Inner>);

struct Inner {
    config: FilesConfig,
    quotas: Quotas,
    db: Db,
    clock: SharedClock,
    store: Store,
    /// What is being uploaded, by its id.
    active: Mutex<HashMap<String, Active>>,
    /// One of them is no more.
    ended: Notify,
    places: Arc<Semaphore>,
    work: Notify,
    stop: CancellationToken,
}

/// An upload under way.
struct Active {
    owner: UserId,
    phase: Phase,
}

/// How far an upload is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Bytes come.
    Running,
    /// It failed, and what is there of it is being removed.
    Ending,
}

impl Files {
    /// Opens the store and begins to sweep; the store's directory is made where it is missing.
    pub async fn open(config: FilesConfig, db: Db, clock: SharedClock) -> Result<Self, Error> {
        let store = Store::open(&config.store).await?;
        let quotas = Quotas {
            daily: config.daily_bytes,
            account: config.account_bytes,
            profile: config.limits.upload_profile_bytes,
            files: config.limits.upload_files,
            slots: config.limits.upload_slots,
            server: config.server_bytes,
        };
        let files = Self(Arc::new(Inner {
            quotas,
            db,
            clock,
            store,
            active: Mutex::default(),
            ended: Notify::new(),
            places: Arc::new(Semaphore::new(config.limits.uploads)),
            work: Notify::new(),
            stop: CancellationToken::new(),
            config,
        }));
        tokio::spawn(sweep::run(files.clone()));
        Ok(files)
    }

    /// Where files are, without `/upload/…`.
    pub fn base(&self) -> &Url {
        &self.0.config.url
    }

    /// Bytes of the largest file that anybody may upload.
    pub fn max_bytes(&self) -> u64 {
        let c = &self.0.config;
        c.max_bytes
            .min(c.daily_bytes)
            .min(c.account_bytes)
            .min(c.server_bytes)
    }

    /// An account's files, newest first, those that were uploaded before `before`.
    pub async fn list(
        &self,
        owner: &UserId,
        before: Option<Timestamp>,
        limit: usize,
    ) -> Result<Vec<FileRow>, Error> {
        let owner = owner.clone();
        let before = before.unwrap_or(Timestamp(i64::MAX));
        let rows = self.0.db.read(move |c| files::of_owner(c, &owner, before, limit));
        Ok(rows.await?)
    }

    /// How much an account has, or all together.
    pub async fn totals(&self, owner: Option<&UserId>) -> Result<Totals, Error> {
        let owner = owner.cloned();
        Ok(self.0.db.read(move |c| files::totals(c, owner.as_ref())).await?)
    }

    /// Deletes a file: it is gone for everybody when this resolves. `owner`: only if it is theirs; without, as a
    /// moderator of the server. `false` where there is no such file.
    pub async fn delete(&self, id: &str, owner: Option<&UserId>) -> Result<bool, Error> {
        let (id, owner) = (id.to_owned(), owner.cloned());
        let work = self.0.db.write(move |tx| files::remove(tx, &id, owner.as_ref()));
        let removed = work.await?;
        self.0.work.notify_one();
        Ok(removed)
    }

    /// Deletes the file that an address names, as a moderator of the server: for links in reported messages.
    /// `false` where the address is not one of ours.
    pub async fn delete_at(&self, address: &Url) -> Result<bool, Error> {
        match self.id_of(address) {
            Some(id) => self.delete(&id, None).await,
            None => Ok(false),
        }
    }

    /// Deletes all files of an account.
    pub async fn delete_all(&self, owner: &UserId) -> Result<u64, Error> {
        let owner = owner.clone();
        let removed = self.0.db.write(move |tx| files::remove_all(tx, &owner)).await?;
        self.0.work.notify_one();
        Ok(removed)
    }

    /// The id in an address of this store.
    pub fn id_of(&self, address: &Url) -> Option<String> {
        let base = self.base();
        if address.origin() != base.origin() {
            return None;
        }
        let path = address.path().strip_prefix(base.path().trim_end_matches('/'))?;
        let mut parts = path.strip_prefix("/upload/")?.split('/');
        let id = parts.next().filter(|id| slot::is_id(id))?;
        Some(id.to_owned())
    }

    /// Sweeps now what is due, to the end; the number of files whose bytes were removed.
    pub async fn sweep(&self) -> Result<usize, Error> {
        let mut all = 0;
        loop {
            let (removed, more) = sweep::step(self).await?;
            all += removed;
            if !more {
                return Ok(all);
            }
        }
    }

    /// Ends the sweep. Uploads are the listeners' to end.
    pub fn close(&self) {
        self.0.stop.cancel();
    }
}

impl std::fmt::Debug for Files {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Files({})", self.0.store)
    }
}
