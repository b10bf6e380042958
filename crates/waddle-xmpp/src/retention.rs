//! The broom of the archives, for as long as the server runs ([`waddle_archive::sweep`]).

use std::sync::Arc;

use waddle_archive::sweep;
use waddle_storage::Storage;

use crate::server::Server;

/// Starts it.
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
}
