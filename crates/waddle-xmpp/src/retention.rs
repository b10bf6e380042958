//! The brooms, for as long as the server runs: of the archives ([`waddle_archive::sweep`]), of audit logs, of requests to
//! write that nobody answered.

use std::{sync::Arc, time::Duration};

use waddle_archive::sweep;
use waddle_storage::{Storage, repo::direct};

use crate::server::Server;

const DAY: Duration = Duration::from_secs(86_400);

/// Starts them.
pub(crate) fn start(server: &Arc<Server>, storage: Storage) {
    let (clock, limits) = (server.clock.clone(), server.limits.clone());
    let (community, stop) = (server.community.clone(), server.stop.clone());
    tokio::spawn(async move {
        let waddles = || community.waddles().iter().map(|w| w.id).collect();
        tokio::select! {
            () = stop.cancelled() => {}
            never = sweep::run(storage, clock, &limits, waddles) => match never {},
        }
    });
    tokio::spawn(others(server.clone()));
}

async fn others(server: Arc<Server>) {
    let pause = Duration::from_secs(server.limits.archive_sweep_seconds.max(1));
    loop {
        tokio::select! {
            () = server.stop.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
        }
        let now = server.now();
        for waddle in server.community.waddles() {
            if let Err(error) = server.community.forget_audit(waddle.id, now).await {
                tracing::warn!(waddle = %waddle.id, %error, "an audit log could not be swept");
            }
        }
        let days = u32::try_from(server.limits.direct_request_days).unwrap_or(u32::MAX);
        let oldest = now.minus(DAY.saturating_mul(days));
        if let Err(error) = server.db.write(move |tx| direct::forget(tx, oldest)).await {
            tracing::warn!(%error, "old requests to write could not be swept");
        }
    }
}
