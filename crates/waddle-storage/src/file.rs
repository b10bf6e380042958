//! One database: its file, its writer and reader connections, the queues before them, its health.

mod open;

use std::{
    collections::VecDeque,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use parking_lot::{Mutex, MutexGuard};
use tokio::sync::Semaphore;
use waddle_core::WaddleId;

use crate::{
    Result, StorageError, commit,
    conn::{Conn, Fault, Tx},
    disk,
    job::{Job, contained},
    lane::{Lane, Port},
    shared::Shared,
};

/// The writer's port; readers follow.
pub(crate) const WRITER: Port = 0;
/// The write-ahead log is emptied when it is longer; checked every so many commits.
const LOG_BYTES: u64 = 64 << 20;
const LOG_CHECKS: u64 = 64;
/// Reads answered within one transaction at the most.
const READS: usize = 32;
/// Where the next file begins to count its changes.
static COUNTS: AtomicU64 = AtomicU64::new(0);
/// Changes of one file, before which its count meets another's.
const CHANGES: u64 = 1 << 32;

#[derive(Default)]
struct Queue {
    jobs: VecDeque<Job>,
    scheduled: bool,
    closed: bool,
}

pub(crate) struct PortState {
    lane: Arc<Lane>,
    queue: Mutex<Queue>,
    /// Free places in the queue.
    pub(crate) places: Semaphore,
    conn: Mutex<Option<Tx>>,
}

/// Whether requests are served.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Health {
    Live,
    Refusing(StorageError),
}

/// A database, open or closed. Handles to it may live as long as they like: its file is open only while it is used.
pub(crate) struct DbFile {
    pub(crate) waddle: Option<WaddleId>,
    pub(crate) name: Arc<str>,
    pub(crate) path: PathBuf,
    pub(crate) shared: Arc<Shared>,
    ports: Box<[PortState]>,
    health: Mutex<Health>,
    prepared: AtomicBool,
    used: AtomicU64,
    batches: AtomicU64,
    changes: AtomicU64,
}

impl DbFile {
    pub(crate) fn new(
        waddle: Option<WaddleId>,
        path: PathBuf,
        shared: Arc<Shared>,
        lanes: &[Arc<Lane>],
    ) -> Arc<Self> {
        let port = |lane: &Arc<Lane>| PortState {
            lane: lane.clone(),
            queue: Mutex::default(),
            places: Semaphore::new(shared.limits.storage_queue.max(1)),
            conn: Mutex::default(),
        };
        Arc::new(Self {
            waddle,
            name: waddle.map_or_else(|| "server".into(), |id| id.to_string().into()),
            path,
            ports: lanes.iter().map(port).collect(),
            health: Mutex::new(Health::Live),
            prepared: AtomicBool::new(false),
            used: AtomicU64::new(0),
            batches: AtomicU64::new(1),
            // A file that was forgotten and is opened again never counts what it counted before.
            changes: AtomicU64::new(COUNTS.fetch_add(CHANGES, Ordering::Relaxed)),
            shared,
        })
    }

    pub(crate) fn port(&self, port: Port) -> &PortState {
        &self.ports[port.min(self.ports.len() - 1)]
    }

    /// The reader with the shortest queue.
    pub(crate) fn reader(&self) -> Port {
        let free = |p: &Port| self.port(*p).places.available_permits();
        (1..self.ports.len()).max_by_key(free).unwrap_or(WRITER)
    }

    /// Counts a change of what is stored.
    pub(crate) fn changed(&self) {
        self.changes.fetch_add(1, Ordering::AcqRel);
    }

    /// A number that every change makes another, as long as the server runs.
    pub(crate) fn changes(&self) -> u64 {
        self.changes.load(Ordering::Acquire)
    }

    /// Queues a job whose place has been taken.
    pub(crate) fn push(self: &Arc<Self>, port: Port, job: Job) {
        let state = self.port(port);
        let mut queue = state.queue.lock();
        if queue.closed {
            drop(queue);
            state.places.add_permits(1);
            job.refuse(StorageError::Closed);
            return;
        }
        queue.jobs.push_back(job);
        self.shared.metrics.queued(1);
        let wake = !std::mem::replace(&mut queue.scheduled, true);
        drop(queue);
        if wake && !state.lane.push(self.clone(), port) {
            self.refuse_all(port, &StorageError::Closed);
        }
    }

    /// The next job, its place free again.
    pub(crate) fn pop(&self, port: Port) -> Option<Job> {
        let state = self.port(port);
        let job = state.queue.lock().jobs.pop_front()?;
        state.places.add_permits(1);
        self.shared.metrics.queued(-1);
        Some(job)
    }

    /// Serves a part of the queue on a storage thread; whether there is more.
    pub(crate) fn serve(self: &Arc<Self>, port: Port) -> bool {
        self.used.store(self.shared.ticks(), Ordering::Relaxed);
        {
            let mut slot = self.port(port).conn.lock();
            match self.ensure_open(port, &mut slot) {
                Ok(tx) if port == WRITER => commit::batch(self, tx),
                Ok(conn) => self.reads(port, conn),
                Err(e) => {
                    if matches!(e, StorageError::Corrupt { .. }) && self.health().is_ok() {
                        self.fence(e.clone());
                    }
                    self.refuse_all(port, &e);
                }
            }
            self.after(port, &mut slot);
        }
        self.more(port)
    }

    /// After a panic outside of any job: drops the connection, whose state is unknown, and what was queued.
    pub(crate) fn give_up(&self, port: Port) -> bool {
        self.port(port).conn.lock().take();
        self.refuse_all(port, &StorageError::Panicked);
        self.more(port)
    }

    fn more(&self, port: Port) -> bool {
        let mut queue = self.port(port).queue.lock();
        queue.scheduled = !queue.jobs.is_empty();
        queue.scheduled
    }

    /// A snapshot a job: one that was begun before would hide what was committed before the job was queued.
    fn reads(&self, port: Port, conn: &Conn) {
        for _ in 0..READS {
            let Some(job) = self.pop(port) else { return };
            if let Err(e) = conn.begin_read() {
                job.refuse(e);
                continue;
            }
            match job {
                Job::Read(job) => drop(contained(|| job(Ok(conn)))),
                Job::Open(job) => drop(contained(|| job(Ok(())))),
                other @ Job::Write(_) => other.refuse(StorageError::ReadOnly),
            }
            conn.end_read();
        }
    }

    /// Answers everything that is queued now with `why`; what comes later has its own chance.
    pub(crate) fn refuse_all(&self, port: Port, why: &StorageError) {
        let state = self.port(port);
        let jobs = std::mem::take(&mut state.queue.lock().jobs);
        state.places.add_permits(jobs.len());
        self.shared.metrics.queued(-(jobs.len() as i64));
        for job in jobs {
            job.refuse(why.clone());
        }
    }

    /// Acts on what the connection met: a damaged file is fenced; after a failed disk it is opened anew.
    fn after(&self, port: Port, slot: &mut MutexGuard<'_, Option<Tx>>) {
        match slot.as_ref().and_then(|tx| tx.fault()) {
            Some(Fault::Corrupt) => {
                slot.take();
                self.fence(self.damaged("a read or write found broken pages"));
            }
            Some(Fault::Io) => {
                tracing::warn!(database = %self.name, port, "the disk failed, opening the database anew");
                slot.take();
            }
            None if port == WRITER => self.limit_log(slot),
            None => {}
        }
    }

    /// Readers that overlap without a gap keep the log from being started anew; where it has grown too long the
    /// writer waits for them a moment.
    fn limit_log(&self, slot: &mut MutexGuard<'_, Option<Tx>>) {
        if !self
            .batches
            .fetch_add(1, Ordering::Relaxed)
            .is_multiple_of(LOG_CHECKS)
        {
            return;
        }
        if disk::log_bytes(&self.path) > LOG_BYTES
            && let Some(tx) = slot.as_mut()
        {
            tx.checkpoint_soon();
        }
    }

    fn fence(&self, why: StorageError) {
        tracing::error!(database = %self.name, error = %why, "the database is fenced");
        *self.health.lock() = Health::Refusing(why);
        self.prepared.store(false, Ordering::Release);
    }

    /// Answers every request with `why` from now on.
    pub(crate) fn refuse(&self, why: StorageError) {
        *self.health.lock() = Health::Refusing(why);
        self.prepared.store(false, Ordering::Release);
    }

    /// Serves again, from the file as it is now.
    pub(crate) fn unfence(&self) {
        self.prepared.store(false, Ordering::Release);
        *self.health.lock() = Health::Live;
    }

    pub(crate) fn health(&self) -> Result<()> {
        match &*self.health.lock() {
            Health::Live => Ok(()),
            Health::Refusing(e) => Err(e.clone()),
        }
    }

    pub(crate) fn is_prepared(&self) -> bool {
        self.prepared.load(Ordering::Acquire)
    }

    pub(crate) fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    /// Whether nothing is queued.
    pub(crate) fn is_idle(&self) -> bool {
        self.ports.iter().all(|p| !p.queue.lock().scheduled)
    }

    /// Closes the connections unless one of them is at work; whether they are closed.
    pub(crate) fn try_close(&self) -> bool {
        let readers: Option<Vec<_>> = self.ports[1..].iter().map(|p| p.conn.try_lock()).collect();
        let (Some(mut readers), Some(mut writer)) = (readers, self.ports[WRITER].conn.try_lock()) else {
            return false;
        };
        for reader in &mut readers {
            reader.take();
        }
        Self::close_writer(&self.name, writer.take());
        true
    }

    /// Waits for both sides, closes them and runs `alone` while nobody can open them.
    pub(crate) fn exclusively<T>(&self, alone: impl FnOnce() -> T) -> T {
        let mut readers: Vec<_> = self.ports[1..].iter().map(|p| p.conn.lock()).collect();
        let mut writer = self.ports[WRITER].conn.lock();
        for reader in &mut readers {
            reader.take();
        }
        Self::close_writer(&self.name, writer.take());
        let done = alone();
        // the file may be another one
        self.changed();
        done
    }

    fn close_writer(name: &str, writer: Option<Tx>) {
        if let Some(mut tx) = writer
            && let Err(e) = tx.checkpoint()
        {
            tracing::warn!(database = name, error = %e, "closing without a checkpoint");
        }
    }

    /// Refuses what comes; what is queued is still served.
    pub(crate) fn close_queues(&self) {
        for state in &self.ports {
            state.queue.lock().closed = true;
            state.places.close();
        }
    }
}

impl std::fmt::Debug for DbFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "DbFile({})", self.name)
    }
}
