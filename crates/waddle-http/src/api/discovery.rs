//! `/discover`: waddles that everybody may know of.

use axum::extract::{Query, State};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};
use waddle_community::{FoundAfter, Visibility};
use waddle_core::{Slug, WaddleId};

use crate::{
    App,
    problem::Problem,
    rest::{Json, Paging, next},
};

/// Characters of a search at the most.
const LONGEST: usize = 200;

/// These addresses.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(discover))
}

/// A waddle that was found.
#[derive(Debug, Serialize, ToSchema)]
pub struct FoundWaddle {
    id: WaddleId,
    slug: Slug,
    name: String,
    description: String,
    icon: Option<String>,
    banner: Option<String>,
    /// `public`: one joins; `restricted`: one asks to join.
    visibility: Visibility,
    members: u64,
    /// What whoever asks to join is asked.
    join_question: String,
}

/// A page of them, the largest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct FoundList {
    waddles: Vec<FoundWaddle>,
    /// The cursor of the next page.
    next: Option<String>,
}

/// What is looked for.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Search {
    /// Words, every one of which is in the slug, the name or the description; all where it is left out.
    #[param(max_length = 200)]
    q: Option<String>,
}

/// Find public and restricted waddles.
#[utoipa::path(get, path = "/discover", tag = "waddles", security(()), params(Search, Paging),
    responses((status = 200, description = "A page.", body = FoundList)))]
pub async fn discover(
    State(app): State<App>,
    Query(search): Query<Search>,
    Query(paging): Query<Paging>,
) -> Result<Json<FoundList>, Problem> {
    let q = search.q.unwrap_or_default();
    if q.chars().count() > LONGEST {
        return Err(Problem::bad_request("q: at most 200 characters"));
    }
    let limit = paging.limit()?;
    let after: Option<FoundAfter> = paging.after("discover")?;
    let found = app.deps.community.discover(&q, after, limit).await?;
    let last = found.last().filter(|_| found.len() == limit);
    let next = last.and_then(|(w, members)| next("discover", &(*members, w.id)));
    let waddles = found
        .iter()
        .map(|(w, members)| FoundWaddle {
            id: w.id,
            slug: w.slug.clone(),
            name: w.name.clone(),
            description: w.description.clone(),
            icon: w.icon.clone(),
            banner: w.banner.clone(),
            visibility: w.visibility,
            members: *members,
            join_question: w.settings.join_question.clone(),
        })
        .collect();
    Ok(Json(FoundList { waddles, next }))
}
