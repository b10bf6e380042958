//! The end of bans and timeouts whose time is over: found by the clock, stored, announced and noted in the audit log.
//!
//! A waddle that is not in memory judges nobody; it looks when it is opened, before it judges anybody. So the ends
//! survive a restart, and a server of many waddles looks at those in memory alone.

use std::sync::Arc;

use waddle_core::Timestamp;
use waddle_storage::repo::{members, timeouts};

use super::{bans, timeouts as timeout_ops};
use crate::{Actor, Community, Result, change::Draft, registry::Open};

/// Ends of one change at the most; what is more follows in the next.
const CHUNK: usize = 500;

fn end(d: &mut Draft<'_>) -> Result<usize> {
    let mut ended = 0;
    for user in members::due_bans(d.tx, d.now, CHUNK)? {
        bans::lift(d, &user)?;
        d.audit("member.unban", &user.subject(), "expired", None)?;
        ended += 1;
    }
    for user in timeouts::due(d.tx, d.now, CHUNK)? {
        timeout_ops::lift(d, &user)?;
        d.audit("member.timeout.end", &user.subject(), "expired", None)?;
        ended += 1;
    }
    Ok(ended)
}

fn is_due(open: &Open, now: Timestamp) -> bool {
    open.access.next_end().is_some_and(|at| at <= now)
}

impl Community {
    /// Ends what is over in the waddles in memory; how many bans and timeouts that were. The handle does it every
    /// `expiry_sweep_seconds` by itself.
    pub async fn end_expired(&self) -> usize {
        let mut ended = 0;
        for open in self.open_waddles().due(self.now()) {
            let this = self.clone();
            let done = tokio::spawn(async move {
                let _turn = open.turn.lock().await;
                this.end_what_is_due(&open).await
            });
            ended += done.await.unwrap_or(0);
        }
        ended
    }

    /// The same for one waddle; the caller has its turn, or nobody else has it yet.
    pub(crate) async fn end_what_is_due(&self, open: &Arc<Open>) -> usize {
        let mut ended = 0;
        while is_due(open, self.now()) {
            match self.make(open, Actor::System, end).await {
                Ok(0) => break,
                Ok(some) => ended += some,
                Err(error) => {
                    tracing::warn!(waddle = %open.access.id(), %error, "bans and timeouts end later");
                    break;
                }
            }
        }
        ended
    }
}
