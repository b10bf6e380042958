//! `/waddles/{w}/members`, `/waddles/{w}/members/{who}`: `who` is a localpart, JID, DID or handle.

use axum::{
    Json,
    extract::{Path, Query, State},
    http::StatusCode,
};
use serde::Deserialize;
use serde_json::{Value, json};
use waddle_community::{Member, RemovalKind, Role};

use super::{Paging, person, read, visible};
use crate::{
    App,
    auth::{Auth, Body},
    problem::Problem,
};

async fn json_of(app: &App, member: &Member) -> Result<Value, Problem> {
    let account = app.deps.identity.by_user(&member.user).await?;
    let jid = account
        .as_ref()
        .and_then(|a| app.deps.identity.jid(&a.localpart).ok());
    Ok(json!({
        "user": member.user, "jid": jid, "did": member.user.as_did(),
        "handle": account.as_ref().and_then(|a| a.handle.clone()),
        "display_name": account.and_then(|a| a.display_name),
        "role": member.role, "joined_at": member.joined_at,
    }))
}

/// One page of them, for members.
pub async fn list(
    State(app): State<App>,
    auth: Auth,
    Path(w): Path<String>,
    Query(paging): Query<Paging>,
) -> Result<Json<Value>, Problem> {
    let (waddle, access) = visible(&app, auth.user(), &w).await?;
    if !access.is_member(auth.user()) {
        return Err(Problem::forbidden());
    }
    let mut out = Vec::new();
    for m in app.deps.community.members(waddle.id, paging.page()).await? {
        out.push(json_of(&app, &m).await?);
    }
    let total = app.deps.community.member_count(waddle.id).await?;
    Ok(Json(json!({ "members": out, "total": total })))
}

/// Who becomes a member, and as what.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct New {
    user: String,
    role: Option<String>,
}

fn role(text: Option<&str>) -> Result<Role, Problem> {
    text.map_or(Ok(Role::Member), |t| read("role", t))
}

/// Adds somebody.
pub async fn add(
    State(app): State<App>,
    auth: Auth,
    Path(w): Path<String>,
    Body(new): Body<New>,
) -> Result<(StatusCode, Json<Value>), Problem> {
    let (waddle, _) = visible(&app, auth.user(), &w).await?;
    // by handle also somebody who was never here
    let user = app.deps.identity.resolve_anybody(&new.user).await?;
    let role = role(new.role.as_deref())?;
    app.deps
        .community
        .add_member(auth.user(), waddle.id, &user, role)
        .await?;
    let made = app.deps.community.member(waddle.id, &user).await?;
    let made = made.ok_or_else(|| Problem::not_found("member"))?;
    Ok((StatusCode::CREATED, Json(json_of(&app, &made).await?)))
}

type At = Path<(String, String)>;

/// One, for members.
pub async fn show(State(app): State<App>, auth: Auth, Path((w, who)): At) -> Result<Json<Value>, Problem> {
    let (waddle, access) = visible(&app, auth.user(), &w).await?;
    if !access.is_member(auth.user()) {
        return Err(Problem::forbidden());
    }
    let user = person(&app, &who).await?;
    let found = app.deps.community.member(waddle.id, &user).await?;
    Ok(Json(
        json_of(&app, &found.ok_or_else(|| Problem::not_found("member"))?).await?,
    ))
}

/// A member's new role.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Change {
    role: String,
}

/// Gives another role.
pub async fn change(
    State(app): State<App>,
    auth: Auth,
    Path((w, who)): At,
    Body(change): Body<Change>,
) -> Result<Json<Value>, Problem> {
    let (waddle, _) = visible(&app, auth.user(), &w).await?;
    let user = person(&app, &who).await?;
    let role = role(Some(&change.role))?;
    app.deps
        .community
        .set_role(auth.user(), waddle.id, &user, role)
        .await?;
    let found = app.deps.community.member(waddle.id, &user).await?;
    Ok(Json(
        json_of(&app, &found.ok_or_else(|| Problem::not_found("member"))?).await?,
    ))
}

/// `?how=removed|kicked|banned&reason=…`
#[derive(Debug, Default, Deserialize)]
pub struct How {
    how: Option<String>,
    reason: Option<String>,
}

/// Ends a membership: one's own, or another's.
pub async fn remove(
    State(app): State<App>,
    auth: Auth,
    Path((w, who)): At,
    Query(q): Query<How>,
) -> Result<StatusCode, Problem> {
    let (waddle, _) = visible(&app, auth.user(), &w).await?;
    let user = person(&app, &who).await?;
    let kind = match q.how.as_deref() {
        _ if user == *auth.user() => RemovalKind::Left,
        None | Some("removed") => RemovalKind::Removed,
        Some("kicked") => RemovalKind::Kicked,
        Some("banned") => RemovalKind::Banned,
        Some(_) => return Err(Problem::bad_request("how: expected removed, kicked or banned")),
    };
    app.deps
        .community
        .remove_member(auth.user(), waddle.id, &user, kind, q.reason.as_deref())
        .await?;
    Ok(StatusCode::NO_CONTENT)
}
