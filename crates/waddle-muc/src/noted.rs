//! What rooms do beside the operations of the community and still stands in the audit log of the waddle: what a
//! moderator does for one visit, what a rule finds, whom it silences.

use std::sync::Arc;

use waddle_community::{Finding, Via};
use waddle_core::{Jid, Timestamp, UserId, WaddleId};
use waddle_storage::{
    StorageError,
    repo::audit::{self, AuditEntry},
};

use crate::{load::Store, rooms::Inner, state::Noted};

/// Enters a line; nobody waits for it.
pub(crate) fn note(store: &Store, noted: &Noted, via: Option<&Via>, at: Timestamp) {
    let entry = AuditEntry {
        id: 0,
        at,
        actor: Some(noted.actor.clone()),
        action: noted.action.to_owned(),
        target: noted.target.clone(),
        detail: noted.detail.clone(),
        reason: noted.reason.clone(),
        via: Some(via.map_or("xmpp", |v| v.kind).to_owned()),
        address: via.and_then(|v| v.address).map(|a| a.to_string()),
        token: via.and_then(|v| v.token.as_deref()).map(str::to_owned),
    };
    let then = |done: Result<(), StorageError>| {
        if let Err(error) = done {
            tracing::warn!(%error, "a line of the audit log is lost");
        }
    };
    if let Err(error) = store.db.write_then(move |tx| audit::insert(tx, &entry), then) {
        tracing::warn!(%error, "a line of the audit log is lost");
    }
}

impl Inner {
    /// From where a session came.
    pub(crate) fn via(&self, session: &Jid) -> Option<Via> {
        self.postman().and_then(|p| p.via(session))
    }

    /// Puts what a rule found into the queue of reports.
    pub(crate) fn found(self: &Arc<Self>, waddle: WaddleId, finding: Finding) {
        let Some(place) = self.place() else { return };
        let community = self.deps.community.clone();
        tokio::spawn(async move {
            if let Err(error) = community.report_finding(waddle, finding).await {
                tracing::warn!(%waddle, %error, "what a rule found could not be reported");
            }
            drop(place);
        });
    }

    /// Silences somebody, as a rule says; one who is silenced for longer already stays so.
    pub(crate) fn silence(self: &Arc<Self>, waddle: WaddleId, user: UserId, seconds: u32, reason: String) {
        let Some(place) = self.place() else { return };
        let (community, now) = (self.deps.community.clone(), self.deps.clock.now());
        tokio::spawn(async move {
            let done = community.silence_by_rule(waddle, &user, seconds, &reason, now);
            if let Err(error) = done.await {
                tracing::warn!(%waddle, %error, "a rule could not silence somebody");
            }
            drop(place);
        });
    }
}
