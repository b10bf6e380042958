//! The audit log: every change of a waddle is in it (`specs/moderation.md`, "Audit log").

use std::time::Duration;

use waddle_core::{Timestamp, WaddleId};
use waddle_storage::repo::{
    audit::{self, AuditFilter},
    moderation,
};

use crate::{Actor, AuditEntry, Community, Page, Result};

/// Lines that one write removes at the most.
const CHUNK: usize = 1_000;
const DAY: Duration = Duration::from_secs(86_400);

impl Community {
    /// A page of the audit log, the newest first, before the entry `before`. Needs `waddle#read_audit`.
    pub async fn audit(
        &self,
        actor: impl Into<Actor>,
        id: WaddleId,
        before: Option<i64>,
        limit: usize,
    ) -> Result<Vec<AuditEntry>> {
        self.find_audit(actor, id, AuditFilter::default(), before, limit)
            .await
    }

    /// A page of those lines of the audit log that a filter wants. Needs `waddle#read_audit`.
    pub async fn find_audit(
        &self,
        actor: impl Into<Actor>,
        id: WaddleId,
        filter: AuditFilter,
        before: Option<i64>,
        limit: usize,
    ) -> Result<Vec<AuditEntry>> {
        self.require_now(&actor.into(), id, "read_audit").await?;
        let db = self.db(id).await?;
        let limit = limit.min(Page::MAX);
        Ok(db
            .read(move |conn| audit::find(conn, &filter, before, limit))
            .await?)
    }

    /// Removes lines that are older than `audit_days`, and purges that were done before; how many lines.
    pub async fn forget_audit(&self, id: WaddleId, now: Timestamp) -> Result<u64> {
        let days = u32::try_from(self.limits().audit_days).unwrap_or(u32::MAX);
        if days == 0 {
            return Ok(0);
        }
        let (oldest, db) = (now.minus(DAY.saturating_mul(days)), self.db(id).await?);
        let mut removed = 0;
        loop {
            let gone = db
                .write(move |tx| {
                    moderation::forget_purges(tx, oldest)?;
                    audit::forget(tx, oldest, CHUNK)
                })
                .await?;
            removed += gone;
            if gone < CHUNK as u64 {
                return Ok(removed);
            }
        }
    }
}
