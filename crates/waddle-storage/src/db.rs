//! The handle that repositories work with: one database, its writes and its reads.

use std::sync::Arc;

use tokio::sync::oneshot;
use waddle_core::WaddleId;

use crate::{
    Result, StorageError,
    conn::{Conn, Tx},
    file::{DbFile, WRITER},
    job::{Job, Write},
    lane::Port,
};

/// A database: the server's or one waddle's. Cheap to clone and to keep: the file behind it is open only while
/// it is used.
#[derive(Debug, Clone)]
pub struct Db(pub(crate) Arc<DbFile>);

impl Db {
    /// The waddle whose database this is; none for the server's.
    pub fn waddle(&self) -> Option<WaddleId> {
        self.0.waddle
    }

    /// Changes the database: `work` runs on its writer thread in a transaction and this resolves when the change
    /// is on the disk. An error or a panic of `work` undoes its changes and no others.
    ///
    /// Waits while the queue (`limits.storage_queue`) is full. Once `work` is queued it runs even where the
    /// future is dropped. Writes of one caller keep their order. `work` must not block and must not contain
    /// transaction statements.
    pub async fn write<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut Tx) -> Result<T> + Send + 'static,
    {
        self.transact(work).await
    }

    /// [`Db::write`] for work with an error type of its own.
    pub async fn transact<T, E, F>(&self, work: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StorageError> + Send + 'static,
        F: FnOnce(&mut Tx) -> Result<T, E> + Send + 'static,
    {
        let (send, receive) = oneshot::channel();
        self.write_soon(work, move |result| drop(send.send(result)))
            .await?;
        receive
            .await
            .unwrap_or_else(|_| Err(StorageError::Panicked.into()))
    }

    /// [`Db::write`] without waiting: `on_commit` gets the result when the change is on the disk (or has
    /// failed). It runs on the storage thread, in the order of the commits, and must be quick and not block.
    ///
    /// Answers [`StorageError::Busy`] where the queue is full; then neither closure runs.
    pub fn write_then<T, E, F, C>(&self, work: F, on_commit: C) -> Result<()>
    where
        T: Send + 'static,
        E: From<StorageError> + Send + 'static,
        F: FnOnce(&mut Tx) -> Result<T, E> + Send + 'static,
        C: FnOnce(Result<T, E>) + Send + 'static,
    {
        use tokio::sync::TryAcquireError::{Closed, NoPermits};
        match self.0.port(WRITER).places.try_acquire() {
            Ok(place) => place.forget(),
            Err(NoPermits) => return Err(StorageError::Busy),
            Err(Closed) => return Err(StorageError::Closed),
        }
        self.0.push(WRITER, Write::job(work, on_commit));
        Ok(())
    }

    /// [`Db::write_then`] that waits for a place in the queue, but not for the commit.
    pub async fn write_soon<T, E, F, C>(&self, work: F, on_commit: C) -> Result<()>
    where
        T: Send + 'static,
        E: From<StorageError> + Send + 'static,
        F: FnOnce(&mut Tx) -> Result<T, E> + Send + 'static,
        C: FnOnce(Result<T, E>) + Send + 'static,
    {
        self.place(WRITER).await?;
        self.0.push(WRITER, Write::job(work, on_commit));
        Ok(())
    }

    /// Reads the database on a reader thread: `work` sees one state, with everything that was committed before
    /// the call.
    pub async fn read<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Conn) -> Result<T> + Send + 'static,
    {
        let reader = self.0.reader();
        self.place(reader).await?;
        let (send, receive) = oneshot::channel();
        let job = move |conn: Result<&Conn>| drop(send.send(conn.and_then(work)));
        self.0.push(reader, Job::Read(Box::new(job)));
        receive.await.unwrap_or(Err(StorageError::Panicked))
    }

    /// Opens the file where it is closed, and says why where that fails.
    pub(crate) async fn open(&self) -> Result<()> {
        self.place(WRITER).await?;
        let (send, receive) = oneshot::channel();
        let job = move |opened| drop(send.send(opened));
        self.0.push(WRITER, Job::Open(Box::new(job)));
        receive.await.unwrap_or(Err(StorageError::Closed))
    }

    /// A number that another has after every commit, and after the file was replaced: what was read at the same number
    /// is what is stored. No number comes again while the server runs, also where the file was closed and forgotten.
    pub fn changes(&self) -> u64 {
        self.0.changes()
    }

    /// Whether the database is served: it answers why where it is fenced.
    pub fn health(&self) -> Result<()> {
        self.0.health()
    }

    async fn place(&self, port: Port) -> Result<()> {
        let place = self.0.port(port).places.acquire().await;
        place
            .map(tokio::sync::SemaphorePermit::forget)
            .map_err(|_| StorageError::Closed)
    }
}
