//! The data directory: the server database, the waddles' databases, the threads that serve them.

use std::{
    path::PathBuf,
    sync::{Arc, mpsc},
    thread::JoinHandle,
    time::Duration,
};

use tokio::sync::{Semaphore, oneshot, watch};
use waddle_core::{Limits, SharedClock, SystemClock, WaddleId};

use crate::{
    Db, Result, StorageError, disk,
    file::DbFile,
    job::contained,
    lane::Lane,
    shared::{SHARDS, Shared},
};

/// Threads that read the server database.
const SERVER_READERS: usize = 2;
/// Waddles made and removed, backups and restores under way or waiting for each other.
const ERRANDS: usize = 64;

/// Where the databases are and how they are kept.
#[derive(Clone)]
pub struct StorageConfig {
    /// The data directory; made where it is missing.
    pub dir: PathBuf,
    /// `storage_*` of them are obeyed here.
    pub limits: Limits,
    /// Gives the time of messages and migrations.
    pub clock: SharedClock,
}

impl StorageConfig {
    /// The data directory `dir` with default limits and the machine's clock.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self {
            dir: dir.into(),
            limits: Limits::default(),
            clock: Arc::new(SystemClock),
        }
    }
}

type Errand = Box<dyn FnOnce() + Send>;

/// Work on files, apart from what the connections do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Length {
    /// Done in milliseconds.
    Short,
    /// As long as copying a database takes.
    Long,
}

pub(crate) struct Inner {
    pub(crate) dir: PathBuf,
    pub(crate) shared: Arc<Shared>,
    server: Db,
    /// Writer and reader of each shard.
    shards: [[Arc<Lane>; 2]; SHARDS],
    errands: [mpsc::Sender<Errand>; 2],
    places: Semaphore,
    ending: parking_lot::Mutex<Option<Ending>>,
}

/// What has to be ended: the threads that serve, and the lock of the directory.
struct Ending {
    lanes: Vec<(Arc<Lane>, JoinHandle<()>)>,
    lock: std::fs::File,
}

/// All databases of a server. Clones are handles to the same.
#[derive(Clone)]
pub struct Storage(pub(crate) Arc<Inner>);

impl Storage {
    /// Opens the data directory: takes its lock, starts the storage threads, opens and migrates the server
    /// database (and makes it where it is missing).
    ///
    /// # Errors
    /// [`StorageError::Locked`] where another server runs on it, [`StorageError::Newer`] and
    /// [`StorageError::Corrupt`] of the server database, [`StorageError::Io`].
    pub async fn open(config: StorageConfig) -> Result<Self> {
        let StorageConfig { dir, limits, clock } = config;
        disk::private_dir(&dir.join("waddles"))?;
        let lock = disk::lock(&dir)?;
        disk::clear_leftovers(&dir);
        let tidy_every =
            Duration::from_millis(limits.storage_idle_seconds.saturating_mul(250).clamp(50, 30_000));
        let shared = Shared::new(limits, clock);
        let mut lanes = Vec::new();
        let mut start = |name: &str, tidies: Option<usize>| {
            let of = Arc::downgrade(&shared);
            let tidy = move || {
                if let (Some(shard), Some(shared)) = (tidies, of.upgrade()) {
                    shared.tidy(shard);
                }
            };
            let (lane, thread) = Lane::start(name.to_owned(), tidy_every, tidy)?;
            lanes.push((lane.clone(), thread));
            Ok(lane)
        };
        let mut of_server = vec![start("db-server", None)?];
        for _ in 0..SERVER_READERS {
            of_server.push(start("db-server-read", None)?);
        }
        let mut shard = |n| Ok([start("db-waddle", Some(n))?, start("db-waddle-read", None)?]);
        let shards = [shard(0)?, shard(1)?];

        let file = DbFile::new(None, dir.join("server.db"), shared.clone(), &of_server);
        let errands = [errands("db-errands")?, errands("db-copies")?];
        let storage = Self(Arc::new(Inner {
            dir,
            shared,
            server: Db(file),
            shards,
            errands,
            places: Semaphore::new(ERRANDS),
            ending: parking_lot::Mutex::new(Some(Ending { lanes, lock })),
        }));
        let made = storage.server().0;
        let opened = match storage.errand(Length::Short, move || made.create()).await {
            Ok(()) | Err(StorageError::Conflict(_)) => storage.server().open().await,
            Err(e) => Err(e),
        };
        match opened {
            Ok(()) => Ok(storage),
            Err(e) => {
                storage.close().await;
                Err(e)
            }
        }
    }

    /// The server database.
    pub fn server(&self) -> Db {
        self.0.server.clone()
    }

    /// The database of a waddle, opened where it is closed; [`StorageError::NotFound`] where there is none.
    ///
    /// The handle may be kept: its file closes when it is idle and opens again when it is used.
    pub async fn waddle(&self, id: WaddleId) -> Result<Db> {
        let db = self.handle(id)?;
        if !db.0.is_prepared() || db.health().is_err() {
            db.open().await?;
        }
        Ok(db)
    }

    /// Makes the database of a new waddle; [`StorageError::Conflict`] where it exists.
    pub async fn create_waddle(&self, id: WaddleId) -> Result<Db> {
        let db = self.handle(id)?;
        let file = db.0.clone();
        self.errand(Length::Short, move || file.create()).await?;
        db.open().await?;
        Ok(db)
    }

    /// Removes the database of a waddle with its files; [`StorageError::NotFound`] where there is none.
    /// Handles to it answer [`StorageError::NotFound`] from now on.
    pub async fn delete_waddle(&self, id: WaddleId) -> Result<()> {
        let file = self.handle(id)?.0;
        let shared = self.0.shared.clone();
        self.errand(Length::Short, move || {
            if !file.path.exists() {
                return Err(StorageError::NotFound);
            }
            file.refuse(StorageError::NotFound);
            let removed = file.exclusively(|| {
                disk::remove_database(&file.path)?;
                disk::sync_parent(&file.path)
            });
            shared.forget(&file);
            shared.files.lock().known.remove(&id);
            removed
        })
        .await
    }

    /// The waddles that have a database.
    pub async fn waddles(&self) -> Result<Vec<WaddleId>> {
        let dir = self.0.dir.join("waddles");
        self.errand(Length::Short, move || {
            let files = std::fs::read_dir(&dir).map_err(|e| StorageError::io("reading", &dir, &e))?;
            let id = |name: &str| name.strip_suffix(".db").and_then(|id| id.parse().ok());
            Ok(files
                .flatten()
                .filter_map(|f| id(f.file_name().to_str()?))
                .collect())
        })
        .await
    }

    /// How many waddles' files are open, as it changes.
    pub fn open_waddles(&self) -> watch::Receiver<usize> {
        self.0.shared.open.subscribe()
    }

    /// Ends the storage: what is queued is done, every database is closed with its log written back, the lock of
    /// the directory is given up. Later requests answer [`StorageError::Closed`].
    pub async fn close(&self) {
        let (send, receive) = oneshot::channel();
        if self.0.end(Some(send)) {
            let _ = receive.await;
        }
    }

    pub(crate) fn handle(&self, id: WaddleId) -> Result<Db> {
        let shared = &self.0.shared;
        let mut files = shared.files.lock();
        if files.closed {
            return Err(StorageError::Closed);
        }
        let file = files.known.entry(id).or_insert_with(|| {
            let path = self.0.dir.join("waddles").join(format!("{id}.db"));
            DbFile::new(Some(id), path, shared.clone(), &self.0.shards[shared.shard(id)])
        });
        Ok(Db(file.clone()))
    }

    /// Runs `work` on the thread for it, one after the other.
    pub(crate) async fn errand<T: Send + 'static>(
        &self,
        length: Length,
        work: impl FnOnce() -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let _place = self.0.places.acquire().await.map_err(|_| StorageError::Closed)?;
        let (send, receive) = oneshot::channel();
        let errand = move || drop(send.send(work()));
        let thread = &self.0.errands[length as usize];
        thread.send(Box::new(errand)).map_err(|_| StorageError::Closed)?;
        receive.await.unwrap_or(Err(StorageError::Panicked))
    }
}

impl Inner {
    /// Starts the end; whether it was not started before.
    fn end(&self, ended: Option<oneshot::Sender<()>>) -> bool {
        let Some(ending) = self.ending.lock().take() else {
            return false;
        };
        self.places.close();
        let mut databases = vec![self.server.0.clone()];
        {
            let mut files = self.shared.files.lock();
            files.closed = true;
            databases.extend(files.known.drain().map(|(_, file)| file));
        }
        for file in &databases {
            file.close_queues();
        }
        let shared = self.shared.clone();
        let (copying, copies_ended) = mpsc::channel::<()>();
        let _ = self.errands[Length::Long as usize].send(Box::new(move || drop(copying)));
        let errand = move || {
            let _ = copies_ended.recv();
            for (lane, _) in &ending.lanes {
                lane.stop();
            }
            for (_, thread) in ending.lanes {
                let _ = thread.join();
            }
            for file in databases {
                file.exclusively(|| ());
                shared.forget(&file);
            }
            drop(ending.lock);
            if let Some(ended) = ended {
                let _ = ended.send(());
            }
        };
        self.errands[Length::Short as usize]
            .send(Box::new(errand))
            .is_ok()
    }
}

/// A thread for errands; it ends with the storage.
fn errands(name: &str) -> Result<mpsc::Sender<Errand>> {
    let (send, inbox) = mpsc::channel::<Errand>();
    std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(move || {
            for errand in inbox {
                contained(errand);
            }
        })
        .map_err(|e| StorageError::Io(format!("starting a storage thread: {e}").into()))?;
    Ok(send)
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.end(None);
    }
}

impl std::fmt::Debug for Storage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Storage({})", self.0.dir.display())
    }
}
