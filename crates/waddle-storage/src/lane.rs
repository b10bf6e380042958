//! Storage threads: each serves the databases that have work, one after the other, in turn
//! (`adrs/0003-storage-threads-and-durability.md`).

use std::{
    collections::VecDeque,
    sync::Arc,
    thread::JoinHandle,
    time::{Duration, Instant},
};

use parking_lot::{Condvar, Mutex};

use crate::{Result, StorageError, file::DbFile, job::contained};

/// The connection of a database that has work: 0 is the writer, the others read.
pub(crate) type Port = usize;

#[derive(Default)]
struct State {
    ready: VecDeque<(Arc<DbFile>, Port)>,
    waiting: bool,
    stopped: bool,
    ended: bool,
}

/// The list of work of one thread.
#[derive(Default)]
pub(crate) struct Lane {
    state: Mutex<State>,
    wake: Condvar,
}

impl Lane {
    /// Starts a thread that serves `ready` databases and calls `tidy` every `every`.
    pub(crate) fn start(
        name: String,
        every: Duration,
        tidy: impl Fn() + Send + 'static,
    ) -> Result<(Arc<Self>, JoinHandle<()>)> {
        let lane = Arc::new(Self::default());
        let served = lane.clone();
        let thread = std::thread::Builder::new()
            .name(name)
            .spawn(move || served.serve(every, tidy))
            .map_err(|e| StorageError::Io(format!("starting a storage thread: {e}").into()))?;
        Ok((lane, thread))
    }

    /// Names a database that has work; it must not be named again until it was served.
    /// Answers whether there is still a thread to serve it.
    pub(crate) fn push(&self, file: Arc<DbFile>, port: Port) -> bool {
        let mut state = self.state.lock();
        if state.ended {
            return false;
        }
        state.ready.push_back((file, port));
        if state.waiting {
            state.waiting = false;
            self.wake.notify_one();
        }
        true
    }

    /// Ends the thread once nothing is ready any more.
    pub(crate) fn stop(&self) {
        self.state.lock().stopped = true;
        self.wake.notify_one();
    }

    fn serve(&self, every: Duration, tidy: impl Fn()) {
        let mut tidied = Instant::now();
        loop {
            if tidied.elapsed() >= every {
                tidy();
                tidied = Instant::now();
            }
            let mut state = self.state.lock();
            let Some((file, port)) = state.ready.pop_front() else {
                if state.stopped {
                    state.ended = true;
                    return;
                }
                state.waiting = true;
                self.wake.wait_for(&mut state, every);
                state.waiting = false;
                continue;
            };
            drop(state);
            let more = contained(|| file.serve(port)).unwrap_or_else(|| file.give_up(port));
            if more {
                self.state.lock().ready.push_back((file, port));
            }
        }
    }
}
