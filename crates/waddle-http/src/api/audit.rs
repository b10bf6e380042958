//! `/waddles/{w}/audit`: who did what to whom, when, why and from where (`specs/moderation.md`, "Audit log").

use axum::extract::{Path, Query, State};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};
use waddle_community::{AuditEntry, AuditFilter};
use waddle_core::{Timestamp, UserId};

use super::{person, visible};
use crate::{
    App,
    auth::Auth,
    problem::Problem,
    rest::{Json, Paging, next},
};

/// These addresses.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list))
}

/// A line of the audit log.
#[derive(Debug, Serialize, ToSchema)]
pub struct AuditView {
    id: i64,
    at: Timestamp,
    /// Who; null for the server's operator and for what happens by itself.
    actor: Option<UserId>,
    /// What, such as `member.ban`.
    action: String,
    /// To whom or what, such as `user:local:bob`.
    target: String,
    /// More, such as the new role.
    detail: String,
    /// Why, if it was said.
    reason: Option<String>,
    /// Over what: `http`, `xmpp`, `mqtt`.
    via: Option<String>,
    /// The client's address.
    address: Option<String>,
    /// The token or session that was shown, by its public identifier.
    token: Option<String>,
}

impl From<AuditEntry> for AuditView {
    fn from(e: AuditEntry) -> Self {
        Self {
            id: e.id,
            at: e.at,
            actor: e.actor,
            action: e.action,
            target: e.target,
            detail: e.detail,
            reason: e.reason,
            via: e.via,
            address: e.address,
            token: e.token,
        }
    }
}

/// Which lines; what is left out does not matter.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct AuditQuery {
    /// Who did it: localpart, address, DID or handle.
    actor: Option<String>,
    /// To whom: localpart, address, DID or handle.
    whom: Option<String>,
    /// To what, as the log writes it, such as `channel:…`.
    target: Option<String>,
    /// What: an action, or the beginning of some with its dot, such as `member.`.
    action: Option<String>,
    /// Not before.
    since: Option<Timestamp>,
    /// Before.
    until: Option<Timestamp>,
}

/// A page of the audit log.
#[derive(Debug, Serialize, ToSchema)]
pub struct AuditList {
    entries: Vec<AuditView>,
    /// The cursor of the next page.
    next: Option<String>,
}

/// The audit log, the newest first, for who may read it; kept 90 days where nothing else is set.
#[utoipa::path(get, path = "/waddles/{w}/audit", tag = "moderation", security(("token" = ["moderate"])),
    params(AuditQuery, Paging),
    responses((status = 200, description = "A page.", body = AuditList)))]
pub async fn list(
    State(app): State<App>,
    auth: Auth,
    Path(w): Path<String>,
    Query(query): Query<AuditQuery>,
    Query(paging): Query<Paging>,
) -> Result<Json<AuditList>, Problem> {
    let (waddle, _) = visible(&app, auth.user(), &w).await?;
    let limit = paging.limit()?;
    let before: Option<i64> = paging.after("audit")?;
    let actor = match &query.actor {
        Some(name) => Some(person(&app, name).await?),
        None => None,
    };
    let target = match &query.whom {
        Some(name) => Some(person(&app, name).await?.subject()),
        None => query.target,
    };
    let filter = AuditFilter {
        actor,
        action: query.action,
        target,
        since: query.since,
        until: query.until,
    };
    let community = &app.deps.community;
    let found = community
        .find_audit(auth.user(), waddle.id, filter, before, limit)
        .await?;
    let last = found.last().filter(|_| found.len() == limit).map(|e| e.id);
    Ok(Json(AuditList {
        next: last.and_then(|id| next("audit", &id)),
        entries: found.into_iter().map(Into::into).collect(),
    }))
}
