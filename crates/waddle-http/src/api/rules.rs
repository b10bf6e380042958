//! `/waddles/{w}/rules`: word and link rules (`specs/moderation.md`, "Rules").

use axum::{
    extract::{Path, State},
    http::StatusCode,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};
use waddle_community::{
    WaddleRule,
    screen::{Rule, Then},
};
use waddle_core::ChannelId;

use super::{person, visible};
use crate::{
    App,
    auth::Auth,
    problem::Problem,
    rest::{Created, Json},
};

/// These addresses.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(try_out))
        .routes(routes!(show, change, remove))
}

/// The rules of a waddle.
#[derive(Debug, Serialize, ToSchema)]
pub struct RuleList {
    rules: Vec<WaddleRule>,
}

/// The word and link rules of a waddle, for who manages them.
#[utoipa::path(get, path = "/waddles/{w}/rules", tag = "moderation", security(("token" = ["manage"])),
    responses((status = 200, description = "All of them.", body = RuleList)))]
pub async fn list(
    State(app): State<App>,
    auth: Auth,
    Path(w): Path<String>,
) -> Result<Json<RuleList>, Problem> {
    let (waddle, _) = visible(&app, auth.user(), &w).await?;
    let rules = app.deps.community.rules(auth.user(), waddle.id).await?;
    Ok(Json(RuleList { rules }))
}

/// Make a rule; it counts at once.
#[utoipa::path(post, path = "/waddles/{w}/rules", tag = "moderation", security(("token" = ["manage"])),
    responses((status = 201, description = "Made.", body = WaddleRule)))]
pub async fn create(
    State(app): State<App>,
    auth: Auth,
    Path(w): Path<String>,
    Json(rule): Json<Rule>,
) -> Result<Created<WaddleRule>, Problem> {
    let (waddle, _) = visible(&app, auth.user(), &w).await?;
    let made = app.deps.community.add_rule(auth.user(), waddle.id, rule).await?;
    let place = format!("/api/v1/waddles/{}/rules/{}", waddle.slug, made.id);
    Ok(Created(app.config.at(&place), made))
}

/// One rule.
#[utoipa::path(get, path = "/waddles/{w}/rules/{id}", tag = "moderation", security(("token" = ["manage"])),
    responses((status = 200, description = "It.", body = WaddleRule)))]
pub async fn show(
    State(app): State<App>,
    auth: Auth,
    Path((w, id)): Path<(String, i64)>,
) -> Result<Json<WaddleRule>, Problem> {
    let (waddle, _) = visible(&app, auth.user(), &w).await?;
    let rules = app.deps.community.rules(auth.user(), waddle.id).await?;
    let found = rules.into_iter().find(|r| r.id == id);
    Ok(Json(found.ok_or_else(|| Problem::not_found("rule"))?))
}

/// Put another rule in the place of one; it counts at once.
#[utoipa::path(put, path = "/waddles/{w}/rules/{id}", tag = "moderation", security(("token" = ["manage"])),
    responses((status = 200, description = "As it is now.", body = WaddleRule)))]
pub async fn change(
    State(app): State<App>,
    auth: Auth,
    Path((w, id)): Path<(String, i64)>,
    Json(rule): Json<Rule>,
) -> Result<Json<WaddleRule>, Problem> {
    let (waddle, _) = visible(&app, auth.user(), &w).await?;
    let community = &app.deps.community;
    Ok(Json(
        community.change_rule(auth.user(), waddle.id, id, rule).await?,
    ))
}

/// Remove a rule.
#[utoipa::path(delete, path = "/waddles/{w}/rules/{id}", tag = "moderation", security(("token" = ["manage"])),
    responses((status = 204, description = "Gone.")))]
pub async fn remove(
    State(app): State<App>,
    auth: Auth,
    Path((w, id)): Path<(String, i64)>,
) -> Result<StatusCode, Problem> {
    let (waddle, _) = visible(&app, auth.user(), &w).await?;
    app.deps.community.delete_rule(auth.user(), waddle.id, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A text to be held against rules.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RuleTrial {
    /// What would be said.
    text: String,
    /// In which channel.
    channel: ChannelId,
    /// By whom (localpart, address, DID or handle); somebody without any role where it is left out.
    author: Option<String>,
    /// These rules instead of those of the waddle.
    rules: Option<Vec<Rule>>,
}

/// A rule that would be broken.
#[derive(Debug, Serialize, ToSchema)]
pub struct BrokenRule {
    /// Its number, or its place in `rules`, from 1 on.
    id: i64,
    name: String,
    then: Then,
    /// What was found.
    found: String,
    timeout_seconds: u32,
    report: bool,
}

/// What the rules would say.
#[derive(Debug, Serialize, ToSchema)]
pub struct RuleVerdict {
    /// Whether the text would pass, covered or not.
    passes: bool,
    /// What others would read.
    text: Option<String>,
    /// What whoever wrote it would be told.
    told: Option<String>,
    broken: Vec<BrokenRule>,
}

/// What the rules would say of a text; nothing happens.
#[utoipa::path(post, path = "/waddles/{w}/rules/try", tag = "moderation", security(("token" = ["manage"])),
    responses((status = 200, description = "What they would say.", body = RuleVerdict)))]
pub async fn try_out(
    State(app): State<App>,
    auth: Auth,
    Path(w): Path<String>,
    Json(trial): Json<RuleTrial>,
) -> Result<Json<RuleVerdict>, Problem> {
    let (waddle, _) = visible(&app, auth.user(), &w).await?;
    let author = match &trial.author {
        Some(name) => Some(person(&app, name).await?),
        None => None,
    };
    let judgement = app
        .deps
        .community
        .try_rules(
            auth.user(),
            waddle.id,
            trial.channel,
            &trial.text,
            author.as_ref(),
            trial.rules,
        )
        .await?;
    let passes = judgement.refused().is_none();
    let told = judgement.explanation();
    let covered = judgement.covered.and_then(|c| c.into_iter().next());
    Ok(Json(RuleVerdict {
        passes,
        told,
        text: passes.then(|| covered.unwrap_or(trial.text)),
        broken: judgement
            .broken
            .into_iter()
            .map(|b| BrokenRule {
                id: b.id,
                name: b.name.to_string(),
                then: b.then,
                found: b.found,
                timeout_seconds: b.timeout_seconds,
                report: b.report,
            })
            .collect(),
    }))
}
