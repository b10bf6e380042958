//! Groups without those whose accounts are gone (`specs/moderation.md`, "Groups"): a deleted account leaves what it was in,
//! and the last one takes the group along. What a crash interrupts, or a deletion while no server runs, is done at the
//! next start.

use std::sync::Arc;

use waddle_core::UserId;
use waddle_muc::GroupError;
use waddle_storage::{StorageError, repo::departed};

use super::groups;
use crate::server::Server;

/// Places read at a time.
const PAGE: usize = 200;

/// Takes a deleted account, or all that there are, out of their groups.
pub(crate) async fn leave(server: &Arc<Server>, user: Option<UserId>) {
    if let Err(error) = leave_all(server, user).await {
        tracing::warn!(%error, "a deleted account leaves its groups at the next start");
    }
}

async fn leave_all(server: &Arc<Server>, user: Option<UserId>) -> Result<(), StorageError> {
    let mut last = None;
    loop {
        let (domain, user, after) = (server.config.domain.clone(), user.clone(), last.clone());
        let read = server
            .db
            .read(move |conn| departed::places(conn, &domain, user.as_ref(), after.as_ref(), PAGE));
        let page = read.await?;
        let more = page.len() == PAGE;
        for (room, jid) in &page {
            match server.rooms.leave_group(room, jid).await {
                Ok(()) | Err(GroupError::NotFound) => groups::changed(server, room).await,
                Err(error) => tracing::warn!(%room, %error, "a deleted account is still in a group"),
            }
        }
        last = page.into_iter().next_back();
        if !more {
            return Ok(());
        }
    }
}
