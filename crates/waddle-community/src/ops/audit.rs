//! The audit log: every change of a waddle is in it.

use waddle_core::WaddleId;
use waddle_storage::repo::audit;

use crate::{Actor, AuditEntry, Community, Error, On, Page, Result};

impl Community {
    /// A page of the audit log, the newest first, before the entry `before`. Needs `waddle#read_audit`.
    pub async fn audit(
        &self,
        actor: impl Into<Actor>,
        id: WaddleId,
        before: Option<i64>,
        limit: usize,
    ) -> Result<Vec<AuditEntry>> {
        let access = self.access(id).await?;
        if let Actor::User(u) = actor.into()
            && !access.allows(On::Waddle, "read_audit", &u)
        {
            return Err(Error::Forbidden);
        }
        let db = self.db(id).await?;
        let limit = limit.min(Page::MAX);
        Ok(db.read(move |conn| audit::list(conn, before, limit)).await?)
    }
}
