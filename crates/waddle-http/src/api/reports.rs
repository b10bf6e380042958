//! `/waddles/{w}/reports`: what people and rules report, and what becomes of it (`specs/moderation.md`, "Reports").

use axum::extract::{Path, Query, State};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};
use waddle_community::{Complaint, Handling, QueuedReport, ReportSource, ReportState, Seen};
use waddle_core::{ChannelId, MessageId, Timestamp, UserId};

use super::visible;
use crate::{
    App,
    auth::Auth,
    problem::Problem,
    rest::{Created, Json, Paging, next},
};

/// These addresses.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list, file))
        .routes(routes!(show, handle))
}

/// A report.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReportView {
    id: i64,
    /// When it was made, or made again.
    at: Timestamp,
    source: ReportSource,
    /// Who reported; null where a rule did.
    reporter: Option<UserId>,
    /// The rule that found it.
    rule: Option<i64>,
    /// Who wrote it.
    reported: Option<UserId>,
    channel_id: Option<ChannelId>,
    message_id: Option<MessageId>,
    /// Why.
    reason: String,
    /// What the reporter wrote.
    text: Option<String>,
    /// What the message said when it was reported.
    excerpt: Option<String>,
    /// How often it was reported so.
    times: u32,
    state: ReportState,
    /// Who claimed, resolved or dismissed it.
    handler: Option<UserId>,
    handled_at: Option<Timestamp>,
    /// What was done.
    action: Option<String>,
    /// What the handler notes.
    note: Option<String>,
}

impl From<QueuedReport> for ReportView {
    fn from(r: QueuedReport) -> Self {
        Self {
            id: r.id,
            at: r.at,
            source: r.source,
            reporter: r.reporter,
            rule: r.rule,
            reported: r.reported,
            channel_id: r.channel.and_then(|c| c.parse().ok()),
            message_id: r.message.and_then(|m| m.parse().ok()),
            reason: r.reason,
            text: r.text,
            excerpt: r.excerpt,
            times: r.times,
            state: r.state,
            handler: r.handler,
            handled_at: r.handled_at,
            action: r.action,
            note: r.note,
        }
    }
}

/// A page of reports.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReportList {
    reports: Vec<ReportView>,
    /// How many are open or claimed.
    waiting: usize,
    /// The cursor of the next page.
    next: Option<String>,
}

/// Which reports.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ReportFilter {
    /// Only those that stand so.
    state: Option<ReportState>,
}

/// Reports, the newest first, for who reviews them.
#[utoipa::path(get, path = "/waddles/{w}/reports", tag = "moderation", security(("token" = ["moderate"])),
    params(ReportFilter, Paging),
    responses((status = 200, description = "A page.", body = ReportList)))]
pub async fn list(
    State(app): State<App>,
    auth: Auth,
    Path(w): Path<String>,
    Query(filter): Query<ReportFilter>,
    Query(paging): Query<Paging>,
) -> Result<Json<ReportList>, Problem> {
    let (waddle, _) = visible(&app, auth.user(), &w).await?;
    let limit = paging.limit()?;
    let before: Option<i64> = paging.after("reports")?;
    let community = &app.deps.community;
    let found = community
        .reports(auth.user(), waddle.id, filter.state, before, limit)
        .await?;
    let last = found.last().filter(|_| found.len() == limit).map(|r| r.id);
    Ok(Json(ReportList {
        waiting: community.reports_waiting(auth.user(), waddle.id).await?,
        next: last.and_then(|id| next("reports", &id)),
        reports: found.into_iter().map(Into::into).collect(),
    }))
}

/// A message to be reported.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewReportBody {
    channel_id: ChannelId,
    message_id: MessageId,
    /// `spam`, `abuse`, or whatever else, up to 200 characters.
    reason: String,
    /// More, up to 2,000 characters.
    text: Option<String>,
}

/// That a report was filed.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReportFiled {
    id: i64,
}

/// Report a message to the moderators of its waddle, for who can see it. The same again renews the older report.
#[utoipa::path(post, path = "/waddles/{w}/reports", tag = "moderation", security(("token" = ["messages:write"])),
    responses((status = 201, description = "Filed.", body = ReportFiled)))]
pub async fn file(
    State(app): State<App>,
    auth: Auth,
    Path(w): Path<String>,
    Json(new): Json<NewReportBody>,
) -> Result<Created<ReportFiled>, Problem> {
    let (waddle, _) = visible(&app, auth.user(), &w).await?;
    let complaint = Complaint {
        source: ReportSource::Http,
        channel: new.channel_id,
        message: new.message_id,
        reason: new.reason,
        text: new.text,
    };
    let community = &app.deps.community;
    let id = community
        .report_message(auth.user(), waddle.id, complaint)
        .await?;
    let place = format!("/api/v1/waddles/{}/reports/{id}", waddle.slug);
    Ok(Created(app.config.at(&place), ReportFiled { id }))
}

/// A message around a reported one.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReportContext {
    id: MessageId,
    at: Timestamp,
    nick: Option<String>,
    /// Who said it.
    author: Option<String>,
    /// What; null where it was retracted.
    body: Option<String>,
    retracted: bool,
}

impl From<Seen> for ReportContext {
    fn from(s: Seen) -> Self {
        Self {
            id: s.id,
            at: s.at,
            nick: s.nick,
            author: s.author,
            body: s.body,
            retracted: s.retracted,
        }
    }
}

/// A report with the messages around the one that it is about.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReportDetails {
    #[serde(flatten)]
    report: ReportView,
    /// In their order; empty where the asker may not see the channel.
    context: Vec<ReportContext>,
}

/// One report with the messages around the one that it is about, for who reviews them.
#[utoipa::path(get, path = "/waddles/{w}/reports/{id}", tag = "moderation", security(("token" = ["moderate"])),
    responses((status = 200, description = "It.", body = ReportDetails)))]
pub async fn show(
    State(app): State<App>,
    auth: Auth,
    Path((w, id)): Path<(String, i64)>,
) -> Result<Json<ReportDetails>, Problem> {
    let (waddle, _) = visible(&app, auth.user(), &w).await?;
    let (report, context) = app.deps.community.report(auth.user(), waddle.id, id).await?;
    Ok(Json(ReportDetails {
        report: report.into(),
        context: context.into_iter().map(Into::into).collect(),
    }))
}

/// What becomes of a report.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReportChange {
    state: ReportState,
    /// What was done, such as `retracted`, `timeout` or `banned`; up to 100 characters.
    action: Option<String>,
    /// A note, up to 1,000 characters.
    note: Option<String>,
}

/// Claim, resolve, dismiss or open a report again, for who reviews them.
#[utoipa::path(patch, path = "/waddles/{w}/reports/{id}", tag = "moderation", security(("token" = ["moderate"])),
    responses((status = 200, description = "As it is now.", body = ReportView)))]
pub async fn handle(
    State(app): State<App>,
    auth: Auth,
    Path((w, id)): Path<(String, i64)>,
    Json(change): Json<ReportChange>,
) -> Result<Json<ReportView>, Problem> {
    let (waddle, _) = visible(&app, auth.user(), &w).await?;
    let handling = Handling {
        state: change.state,
        action: change.action,
        note: change.note,
    };
    let community = &app.deps.community;
    let report = community
        .handle_report(auth.user(), waddle.id, id, handling)
        .await?;
    Ok(Json(report.into()))
}
