//! The sweep: takes away what expired, was deleted or never came, a bounded number of files a step.

use std::time::Duration;

use futures::{StreamExt as _, stream};
use waddle_storage::repo::files;

use crate::{Files, error::Error, metrics::METRICS};

/// Between two looks when nothing is known to be due.
const PAUSE: Duration = Duration::from_secs(60);
/// Between two full steps, so that a great sweep leaves the disk to others.
const BREATH: Duration = Duration::from_millis(50);
/// Until the next attempt with a file that could not be removed.
const AGAIN: Duration = Duration::from_secs(900);
/// Files removed at a time.
const TOGETHER: usize = 8;

/// Sweeps until the store is closed.
pub(crate) async fn run(files: Files) {
    let stop = files.0.stop.clone();
    loop {
        let pause = tokio::select! {
            step = step(&files) => match step {
                Ok((_, true)) => BREATH,
                Ok((_, false)) => PAUSE,
                Err(error) => {
                    tracing::warn!(%error, "sweeping uploaded files");
                    PAUSE
                }
            },
            () = stop.cancelled() => return,
        };
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = files.0.work.notified() => {}
            () = stop.cancelled() => return,
        }
    }
}

/// One step: the number of files whose bytes went, and whether there is more to do.
pub(crate) async fn step(files: &Files) -> Result<(usize, bool), Error> {
    let most = files.0.config.limits.upload_sweep.max(1);
    let (rows, more) = files.0.db.write(move |tx| files::due(tx, most)).await?;
    let outcomes: Vec<bool> = stream::iter(rows)
        .map(|row| async move {
            let removed = files.0.store.remove(&row.id).await;
            if let Err(error) = &removed {
                tracing::warn!(%error, id = %row.id, "an uploaded file could not be removed");
            }
            let gone = removed.is_ok();
            let noted = files.0.db.write(move |tx| {
                if gone {
                    files::gone(tx, &row.id)
                } else {
                    files::later(tx, &row.id, AGAIN)
                }
            });
            noted.await.map(|()| gone)
        })
        .buffer_unordered(TOGETHER)
        .collect::<Vec<_>>()
        .await
        .into_iter()
        .collect::<Result<_, _>>()?;
    let removed = outcomes.iter().filter(|gone| **gone).count();
    if removed > 0 {
        METRICS.removed.add(removed as u64, &[]);
    }
    Ok((removed, more))
}
