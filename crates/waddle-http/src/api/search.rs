//! `/waddles/{w}/search`: messages by their words, in the channels that one may read (`specs/messages.md`).

use axum::extract::{Path, Query, State};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};
use waddle_core::{MessageId, Timestamp};
use waddle_messages::{
    MessageView, Viewer, names,
    search::{self, Wanted},
};

use super::{person, visible};
use crate::{
    App,
    auth::Auth,
    problem::Problem,
    rest::{Json, Paging, next},
};

/// These addresses.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(find))
}

/// What must be with a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Has {
    /// A file.
    File,
}

/// What is searched for.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Asked {
    /// Words that must all be there; `"several words"` one after the other; `begin*`; `-without`.
    #[param(max_length = 512)]
    q: String,
    /// Who said it: name, address, DID or handle.
    author: Option<String>,
    /// Only in this channel: identifier or slug.
    channel: Option<String>,
    /// Said before.
    before: Option<Timestamp>,
    /// Said then or later.
    after: Option<Timestamp>,
    /// What must be with it.
    #[param(inline)]
    has: Option<Has>,
    /// Messages before and behind each that are told too; none where it is left out.
    #[param(minimum = 0, maximum = 5)]
    context: Option<usize>,
}

/// A message that was found.
#[derive(Debug, Serialize, ToSchema)]
pub struct HitView {
    message: MessageView,
    /// What was said before it, oldest first.
    before: Vec<MessageView>,
    /// What was said behind it, oldest first.
    after: Vec<MessageView>,
}

/// Messages that were found, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct HitList {
    results: Vec<HitView>,
    /// The cursor of the next page; a page may be short, or empty, before the last.
    next: Option<String>,
    /// Whether the newest messages are not yet searched; only after very many at once.
    behind: bool,
}

/// Search the messages of a waddle.
#[utoipa::path(get, path = "/waddles/{w}/search", tag = "messages", params(Asked, Paging), security(("token" = ["read"])),
    responses((status = 200, description = "A page.", body = HitList)))]
pub async fn find(
    State(app): State<App>,
    auth: Auth,
    Path(w): Path<String>,
    Query(asked): Query<Asked>,
    Query(paging): Query<Paging>,
) -> Result<Json<HitList>, Problem> {
    let (waddle, access) = visible(&app, auth.user(), &w).await?;
    let mut channels = search::readable(&access, auth.user());
    if let Some(name) = &asked.channel {
        let all = access.channels();
        let named = all
            .iter()
            .find(|c| c.slug.as_str() == name || c.id.to_string() == *name);
        channels.retain(|id| named.is_some_and(|c| c.id == *id));
        if channels.is_empty() {
            return Err(Problem::not_found("channel"));
        }
    }
    let mut query = search::Query::new(&asked.q, channels)?;
    if let Some(name) = &asked.author {
        query.author = Some(person(&app, name).await?);
    }
    query.before = asked.before;
    query.after = asked.after;
    query.has_file = asked.has == Some(Has::File);
    let context = asked.context.unwrap_or(0);
    if context > 5 {
        return Err(Problem::bad_request("context: expected 0 to 5"));
    }
    let cursor: Option<MessageId> = paging.after("search")?;
    let wanted = Wanted {
        cursor,
        max: paging.limit()?.min(app.config.limits.message_page),
        context,
        reach: app.config.limits.message_search_reach,
    };
    let db = app.deps.community.storage().waddle(waddle.id).await;
    let db = db.map_err(waddle_community::Error::from)?;
    let viewer = Viewer::of(&access, auth.user());
    // Who may not see who is behind a nickname may not find it out either.
    if query.author.is_some() && !viewer.addresses && query.author.as_ref() != Some(auth.user()) {
        return Err(Problem::forbidden());
    }
    let mut hits = search::search(&db, &viewer, query, wanted).await?;
    let mut said = Vec::new();
    for hit in &mut hits.items {
        said.extend(&mut hit.before);
        said.push(&mut hit.message);
        said.extend(&mut hit.after);
    }
    names::put(&app.deps.community.storage().server(), said).await?;
    Ok(Json(HitList {
        next: hits.next.and_then(|id| next("search", &id)),
        behind: hits.behind,
        results: hits
            .items
            .into_iter()
            .map(|h| HitView {
                message: h.message,
                before: h.before,
                after: h.after,
            })
            .collect(),
    }))
}
