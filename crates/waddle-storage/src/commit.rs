//! Group commit: what waits becomes one transaction, each job in a savepoint of its own, one `fsync` for all
//! (`adrs/0003-storage-threads-and-durability.md`).

use std::time::{Duration, Instant};

use crate::{
    StorageError,
    conn::Tx,
    file::{DbFile, WRITER},
    job::{Job, WriteJob, contained},
};

/// A batch takes no further job after this time, so that the first one does not wait for ever more company.
const LONGEST: Duration = Duration::from_millis(5);
/// A commit that takes longer is worth a line in the log.
const SLOW: Duration = Duration::from_secs(1);

/// Serves one batch of a database's writer.
pub(crate) fn batch(file: &DbFile, tx: &mut Tx) {
    let started = Instant::now();
    let most = file.shared.limits.storage_batch_rows.max(1);
    let mut ran: Vec<Box<dyn WriteJob>> = Vec::new();
    let mut lost = None;
    while ran.len() < most && (ran.is_empty() || started.elapsed() < LONGEST) {
        let mut job = match file.pop(WRITER) {
            Some(Job::Write(job)) => job,
            Some(Job::Read(job)) => {
                contained(|| job(Ok(tx)));
                continue;
            }
            Some(Job::Open(job)) => {
                contained(|| job(Ok(())));
                continue;
            }
            None => break,
        };
        if ran.is_empty()
            && let Err(e) = tx.begin()
        {
            tracing::warn!(database = %file.name, error = %e, "a transaction could not start");
            Job::Write(job).refuse(e.clone());
            file.refuse_all(WRITER, &e);
            return;
        }
        let outcome = one(tx, &mut job);
        ran.push(job);
        if let Err(e) = outcome {
            lost = Some(e);
            break;
        }
    }
    if ran.is_empty() {
        return;
    }
    let outcome = match lost {
        Some(e) => Err(e),
        None => tx.commit(),
    };
    if let Err(e) = &outcome {
        tx.rollback();
        tracing::warn!(database = %file.name, jobs = ran.len(), error = %e, "a commit failed");
    }
    // before anybody hears of it
    file.changed();
    let took = started.elapsed();
    if took > SLOW {
        tracing::warn!(database = %file.name, jobs = ran.len(), ?took, "a slow commit");
    }
    let waddle = file.waddle.is_some();
    file.shared
        .metrics
        .committed(waddle, ran.len(), took, outcome.is_ok());
    for job in ran {
        contained(|| job.done(outcome.clone()));
    }
}

/// Runs one job in its savepoint; an error means that the whole transaction is lost.
fn one(tx: &mut Tx, job: &mut Box<dyn WriteJob>) -> Result<(), StorageError> {
    tx.savepoint()?;
    let keep = contained(|| job.run(tx));
    if !tx.in_transaction() {
        // SQLite gave the transaction up (full disk, failed write), or the job ended it.
        return Err(tx.lost());
    }
    if keep == Some(true) {
        tx.release()
    } else {
        tx.undo()
    }
}
