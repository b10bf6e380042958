//! Tuples: read, write, watch.

use std::time::Duration;

use axum::extract::{Path, Query, State};
use serde::{Deserialize, Serialize};
use tokio::sync::broadcast::error::RecvError;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};
use waddle_community::{Event, permissions::WADDLE_SCHEMA};
use waddle_core::WaddleId;

use super::{Manager, refused, tuples_of};
use crate::{
    App,
    auth::Auth,
    problem::Problem,
    rest::{Json, Paging, next},
};

/// The longest that a watcher is kept waiting, in seconds.
const WAIT: u64 = 20;

pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list, write))
        .routes(routes!(watch))
        .routes(routes!(schema))
}

/// Which tuples are wanted.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct TupleFilter {
    /// Those about this object, `type:id`.
    object: Option<String>,
    /// Those of this relation.
    relation: Option<String>,
    /// Those of this subject, as it is written: `type:id`, `type:*` or `type:id#relation`.
    subject: Option<String>,
}

/// A page of tuples.
#[derive(Debug, Serialize, ToSchema)]
pub struct TupleList {
    /// `object#relation@subject`.
    tuples: Vec<String>,
    /// The cursor of the next page.
    next: Option<String>,
    /// Names a revision that every page behind this one is at least as fresh as: whoever watches from the first page's
    /// one misses nothing.
    zookie: String,
}

/// List the tuples of a waddle.
#[utoipa::path(get, path = "/waddles/{w}/permissions/tuples", tag = "permissions", security(("token" = ["manage"])),
    responses((status = 200, description = "A page.", body = TupleList)))]
pub async fn list(
    State(app): State<App>,
    auth: Auth,
    Path(w): Path<String>,
    Query(filter): Query<TupleFilter>,
    Query(paging): Query<Paging>,
) -> Result<Json<TupleList>, Problem> {
    let manager = Manager::of(&app, &auth, &w).await?;
    let (limit, after) = (paging.limit()?, paging.after("tuples")?);
    let zookie = manager.zookie(manager.access.revision());
    let community = &app.deps.community;
    let mut found = community
        .tuples(
            manager.id,
            (filter.object, filter.relation, filter.subject),
            after,
            limit + 1,
        )
        .await?;
    let more = found.len() > limit;
    found.truncate(limit);
    Ok(Json(TupleList {
        next: found
            .last()
            .filter(|_| more)
            .and_then(|last| next("tuples", last)),
        tuples: found.iter().map(|(o, r, s)| format!("{o}#{r}@{s}")).collect(),
        zookie,
    }))
}

/// What is to be there, and what is to be gone; all of it or nothing.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TupleChangeBody {
    /// `object#relation@subject`, to be there afterwards.
    #[serde(default)]
    #[schema(example = json!(["channel:019c1a2b3c4d7e8f90a1b2c3d4e5f607#viewer@user:local:alice"]))]
    writes: Vec<String>,
    /// `object#relation@subject`, to be gone afterwards.
    #[serde(default)]
    deletes: Vec<String>,
    /// Why, for the audit log.
    reason: Option<String>,
}

/// What a change of tuples did.
#[derive(Debug, Serialize, ToSchema)]
pub struct TupleChangeView {
    /// Tuples that came.
    written: usize,
    /// Tuples that went.
    deleted: usize,
    /// Names the revision from then on: a question with it as `at_least` sees the change.
    zookie: String,
}

/// Write and delete tuples, each as its own operation would, in the audit log too.
///
/// They are overrides of channels, members and permissions of custom roles, rules of topics, devices and feeds, publishers.
#[utoipa::path(post, path = "/waddles/{w}/permissions/tuples", tag = "permissions", security(("token" = ["manage"])),
    responses((status = 200, description = "Done.", body = TupleChangeView)))]
pub async fn write(
    State(app): State<App>,
    auth: Auth,
    Path(w): Path<String>,
    Json(body): Json<TupleChangeBody>,
) -> Result<Json<TupleChangeView>, Problem> {
    let manager = Manager::of(&app, &auth, &w).await?;
    let most = app.config.limits.permission_write;
    let (writes, deletes) = (
        tuples_of("writes", &body.writes, most)?,
        tuples_of("deletes", &body.deletes, most)?,
    );
    let done = app
        .deps
        .community
        .write_tuples(auth.user(), manager.id, writes, deletes, body.reason.as_deref())
        .await?;
    Ok(Json(TupleChangeView {
        written: done.written,
        deleted: done.deleted,
        zookie: manager.zookie(done.revision),
    }))
}

/// From where to watch.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct WatchQuery {
    /// A zookie: what happened after it. Left out: nothing, and the zookie of now.
    after: Option<String>,
    /// Changes of at most so many revisions; 50 where it is left out.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<usize>,
    /// Seconds to wait for a change where there is none.
    #[param(minimum = 0, maximum = 20)]
    wait: Option<u64>,
}

/// A tuple that came or went.
#[derive(Debug, Serialize, ToSchema)]
pub struct TupleEvent {
    /// Whether it came.
    written: bool,
    /// `object#relation@subject`.
    tuple: String,
    /// Names the revision that it made; several may share one.
    zookie: String,
}

/// What happened.
#[derive(Debug, Serialize, ToSchema)]
pub struct WatchView {
    /// Oldest first.
    changes: Vec<TupleEvent>,
    /// Shown as `after`, it goes on from here.
    zookie: String,
    /// Whether there is more already.
    more: bool,
}

/// Watch the changes of tuples. 410 `too-old` where the changes since are not held any more: list the tuples again.
#[utoipa::path(get, path = "/waddles/{w}/permissions/changes", tag = "permissions", security(("token" = ["manage"])),
    responses((status = 200, description = "What happened.", body = WatchView)))]
pub async fn watch(
    State(app): State<App>,
    auth: Auth,
    Path(w): Path<String>,
    Query(query): Query<WatchQuery>,
) -> Result<Json<WatchView>, Problem> {
    let manager = Manager::of(&app, &auth, &w).await?;
    let limit @ 1..=200 = query.limit.unwrap_or(50) else {
        return Err(Problem::bad_request("limit: expected 1 to 200"));
    };
    let seconds @ 0..=WAIT = query.wait.unwrap_or(0) else {
        return Err(Problem::bad_request(format!("wait: expected 0 to {WAIT}")));
    };
    let wait = Duration::from_secs(seconds);
    let Some(after) = query.after.as_deref() else {
        let now = manager.access.revision();
        return Ok(Json(view(&manager, &[], now, now)));
    };
    let after = manager.revision(after)?;
    // Before the first look, so that nothing falls between the two.
    let mut events = app.deps.community.events();
    let (mut found, mut now) = manager.access.changes_after(after, limit).map_err(refused)?;
    if found.is_empty() && !wait.is_zero() {
        let changed = async {
            loop {
                match events.recv().await {
                    Ok(Event::TuplesChanged { waddle, .. }) if concerns(waddle, &manager) => break,
                    Err(RecvError::Lagged(_) | RecvError::Closed) => break,
                    Ok(_) => {}
                }
            }
        };
        // Whether it came or time ran out: what there is now is the answer.
        let _ = tokio::time::timeout(wait, changed).await;
        // Whoever waited may have lost their right meanwhile.
        let manager = Manager::of(&app, &auth, &w).await?;
        (found, now) = manager.access.changes_after(after, limit).map_err(refused)?;
    }
    Ok(Json(view(&manager, &found, after, now)))
}

fn concerns(waddle: WaddleId, manager: &Manager) -> bool {
    waddle == manager.id
}

fn view(
    manager: &Manager,
    found: &[waddle_community::permissions::RevisionChanges],
    after: u64,
    now: u64,
) -> WatchView {
    let reached = found.last().map_or(after, |last| last.revision);
    let mut changes = Vec::new();
    for entry in found {
        let zookie = manager.zookie(entry.revision);
        changes.extend(entry.changes.iter().map(|c| TupleEvent {
            written: c.written,
            tuple: c.tuple.to_string(),
            zookie: zookie.clone(),
        }));
    }
    WatchView {
        changes,
        zookie: manager.zookie(reached),
        more: reached < now,
    }
}

/// The schema of all waddles.
#[derive(Debug, Serialize, ToSchema)]
pub struct SchemaView {
    /// OpenFGA's modelling language 1.1.
    schema: String,
}

/// Show the schema: the types, their relations, and what tuples they take.
#[utoipa::path(get, path = "/waddles/{w}/permissions/schema", tag = "permissions", security(("token" = ["manage"])),
    responses((status = 200, description = "The schema.", body = SchemaView)))]
pub async fn schema(
    State(app): State<App>,
    auth: Auth,
    Path(w): Path<String>,
) -> Result<Json<SchemaView>, Problem> {
    Manager::of(&app, &auth, &w).await?;
    Ok(Json(SchemaView {
        schema: WADDLE_SCHEMA.to_owned(),
    }))
}
