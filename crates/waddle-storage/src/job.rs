//! Work for a storage thread: a closure, and where its result goes.

use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind},
};

use crate::{
    Result, StorageError,
    conn::{Conn, Tx},
};

/// A read, with where its result goes.
pub(crate) type ReadJob = Box<dyn FnOnce(Result<&Conn>) + Send>;

/// One request to a database.
pub(crate) enum Job {
    /// Changes, part of a group commit.
    Write(Box<dyn WriteJob>),
    /// Reads; told why where the database cannot be read.
    Read(ReadJob),
    /// Only opens the database.
    Open(Box<dyn FnOnce(Result<()>) + Send>),
}

impl Job {
    /// Answers without having run.
    pub(crate) fn refuse(self, why: StorageError) {
        contained(move || match self {
            Self::Write(job) => job.done(Err(why)),
            Self::Read(job) => job(Err(why)),
            Self::Open(job) => job(Err(why)),
        });
    }
}

/// A change: `run` once inside the transaction, then `done` with the outcome of the commit.
pub(crate) trait WriteJob: Send {
    /// Whether its changes shall stay.
    fn run(&mut self, tx: &mut Tx) -> bool;
    /// Hands over the result.
    fn done(self: Box<Self>, outcome: Result<()>);
}

pub(crate) struct Write<T, E, F, C> {
    work: Option<F>,
    then: C,
    result: Option<Result<T, E>>,
}

impl<T, E, F, C> Write<T, E, F, C>
where
    T: Send + 'static,
    E: From<StorageError> + Send + 'static,
    F: FnOnce(&mut Tx) -> Result<T, E> + Send + 'static,
    C: FnOnce(Result<T, E>) + Send + 'static,
{
    pub(crate) fn job(work: F, then: C) -> Job {
        Job::Write(Box::new(Self {
            work: Some(work),
            then,
            result: None,
        }))
    }
}

impl<T, E, F, C> WriteJob for Write<T, E, F, C>
where
    T: Send,
    E: From<StorageError> + Send,
    F: FnOnce(&mut Tx) -> Result<T, E> + Send,
    C: FnOnce(Result<T, E>) + Send,
{
    fn run(&mut self, tx: &mut Tx) -> bool {
        let Some(work) = self.work.take() else {
            return false;
        };
        let result = work(tx);
        let keep = result.is_ok();
        self.result = Some(result);
        keep
    }

    fn done(self: Box<Self>, outcome: Result<()>) {
        let result = match (self.result, outcome) {
            (Some(Err(own)), _) => Err(own),
            (Some(Ok(value)), Ok(())) => Ok(value),
            (_, Err(e)) => Err(e.into()),
            (None, Ok(())) => Err(StorageError::Panicked.into()),
        };
        (self.then)(result);
    }
}

/// Runs `f`; a panic in it ends here and is logged.
pub(crate) fn contained<T>(f: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(f))
        .map_err(|panic| tracing::error!(panic = text(&*panic), "a storage job panicked"))
        .ok()
}

fn text(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("unknown")
}
