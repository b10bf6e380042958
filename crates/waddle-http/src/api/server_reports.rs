//! `/reports`: what people reported with a block (XEP-0377), for the server's administrators (`specs/moderation.md`).

use axum::{
    extract::{Path, Query, State},
    http::StatusCode,
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};
use waddle_core::{Jid, Timestamp, UserId};
use waddle_storage::repo::reports::{self, Stored};

use crate::{
    App,
    auth::Auth,
    problem::Problem,
    rest::{Json, Paging, next},
};

/// These addresses.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(remove))
}

/// A message that a report is about.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReportedMessage {
    /// Who gave the identifier: an account, a room.
    by: String,
    /// The identifier (XEP-0359).
    id: String,
}

/// What somebody reported.
#[derive(Debug, Serialize, ToSchema)]
pub struct ServerReportView {
    id: i64,
    /// When it was made, or made again.
    at: Timestamp,
    reporter: UserId,
    /// The address that was blocked.
    reported: String,
    /// A URI such as `urn:xmpp:reporting:spam`.
    reason: String,
    /// What the reporter wrote.
    text: Option<String>,
    /// How often the same was reported.
    times: u32,
    messages: Vec<ReportedMessage>,
}

impl From<Stored> for ServerReportView {
    fn from(s: Stored) -> Self {
        let message = |(by, id)| ReportedMessage { by, id };
        Self {
            id: s.id,
            at: s.report.at,
            reporter: s.report.reporter,
            reported: s.report.reported.to_string(),
            reason: s.report.reason,
            text: s.report.text,
            times: s.times,
            messages: s.report.ids.into_iter().map(message).collect(),
        }
    }
}

/// A page of reports.
#[derive(Debug, Serialize, ToSchema)]
pub struct ServerReportList {
    reports: Vec<ServerReportView>,
    /// The cursor of the next page.
    next: Option<String>,
}

/// Which reports.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ServerReportFilter {
    /// Those on this address alone.
    reported: Option<String>,
}

fn failed(e: waddle_storage::StorageError) -> Problem {
    waddle_community::Error::from(e).into()
}

fn admin(auth: &Auth) -> Result<(), Problem> {
    if auth.0.account.admin {
        Ok(())
    } else {
        Err(Problem::forbidden())
    }
}

/// What people reported with a block, the newest first; for administrators of the server.
#[utoipa::path(get, path = "/reports", tag = "moderation", operation_id = "list_server",
    security(("token" = ["admin"])),
    params(ServerReportFilter, Paging),
    responses((status = 200, description = "A page.", body = ServerReportList)))]
pub async fn list(
    State(app): State<App>,
    auth: Auth,
    Query(filter): Query<ServerReportFilter>,
    Query(paging): Query<Paging>,
) -> Result<Json<ServerReportList>, Problem> {
    admin(&auth)?;
    let limit = paging.limit()?;
    let before: Option<i64> = paging.after("server_reports")?;
    let reported = filter.reported.map(|jid| jid.parse::<Jid>()).transpose();
    let reported = reported.map_err(|_| Problem::bad_request("reported: expected an address"))?;
    let server = app.deps.community.storage().server();
    let found = server
        .read(move |conn| reports::list(conn, reported.as_ref(), before, limit))
        .await
        .map_err(failed)?;
    let last = found.last().filter(|_| found.len() == limit).map(|s| s.id);
    Ok(Json(ServerReportList {
        next: last.and_then(|id| next("server_reports", &id)),
        reports: found.into_iter().map(Into::into).collect(),
    }))
}

/// A report was dealt with; for administrators of the server.
#[utoipa::path(delete, path = "/reports/{id}", tag = "moderation", security(("token" = ["admin"])),
    params(("id" = i64, Path, description = "Its number.")),
    responses((status = 204, description = "Gone.")))]
pub async fn remove(
    State(app): State<App>,
    auth: Auth,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    admin(&auth)?;
    let id: i64 = id.parse().map_err(|_| Problem::not_found("report"))?;
    let server = app.deps.community.storage().server();
    let removed = server
        .write(move |tx| reports::remove(tx, id))
        .await
        .map_err(failed)?;
    if removed {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(Problem::not_found("report"))
    }
}
