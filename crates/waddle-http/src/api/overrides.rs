//! `/waddles/{w}/channels/{c}/overrides`: what people and roles are given or denied in one channel.

use axum::{
    extract::{Path, State},
    http::StatusCode,
};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};
use waddle_community::{ChannelGrant, Grantee, On, Override};
use waddle_core::{RoleId, UserId};

use super::{channels::find, person, visible};
use crate::{App, auth::Auth, problem::Problem, rest::Json};

/// These addresses.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(set, unset))
}

/// Something that a person or a role is given or denied.
#[derive(Debug, Serialize, ToSchema)]
pub struct OverrideView {
    /// The person; null where it is about a role.
    user: Option<UserId>,
    /// The role; null where it is about a person.
    role: Option<RoleId>,
    /// `viewer`, `writer`, `moderator` and `manager` give, `muted` and `banned` deny.
    relation: ChannelGrant,
}

fn view(o: Override) -> OverrideView {
    let (user, role) = match o.whom {
        Grantee::User(user) => (Some(user), None),
        Grantee::Role(role) => (None, Some(role)),
    };
    OverrideView {
        user,
        role,
        relation: o.relation,
    }
}

/// All of them, roles first.
#[derive(Debug, Serialize, ToSchema)]
pub struct OverrideList {
    overrides: Vec<OverrideView>,
}

/// What people and roles are given or denied in a channel, for its moderators.
#[utoipa::path(get, path = "/waddles/{w}/channels/{c}/overrides", tag = "channels", security(("token" = ["manage"])),
    responses((status = 200, description = "Roles first.", body = OverrideList)))]
pub async fn list(
    State(app): State<App>,
    auth: Auth,
    Path((w, c)): Path<(String, String)>,
) -> Result<Json<OverrideList>, Problem> {
    let (_, channel) = find(&app, auth.user(), &w, &c).await?;
    let (_, access) = visible(&app, auth.user(), &w).await?;
    if !access.allows(On::Channel(channel.id), "moderate", auth.user()) {
        return Err(Problem::forbidden());
    }
    let overrides = access.overrides(channel.id).into_iter().map(view).collect();
    Ok(Json(OverrideList { overrides }))
}

async fn put(
    app: &App,
    auth: &Auth,
    (w, c, relation, whom): (String, String, ChannelGrant, String),
    given: bool,
) -> Result<StatusCode, Problem> {
    let (waddle, channel) = find(app, auth.user(), &w, &c).await?;
    let whom = match whom.strip_prefix("role:") {
        Some(id) => Grantee::Role(id.parse().map_err(|_| Problem::not_found("role"))?),
        None => Grantee::User(person(app, &whom).await?),
    };
    app.deps
        .community
        .set_override(auth.user(), waddle.id, channel.id, whom, relation, given)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Give a person or a role something in one channel, or deny it.
///
/// `whom` is a localpart, JID, DID or handle, or `role:` and a role's identifier.
#[utoipa::path(put, path = "/waddles/{w}/channels/{c}/overrides/{relation}/{whom}", tag = "channels",
    security(("token" = ["manage"])), params(("relation" = ChannelGrant, Path, description = "What.")),
    responses((status = 204, description = "It holds.")))]
pub async fn set(
    State(app): State<App>,
    auth: Auth,
    Path(path): Path<(String, String, ChannelGrant, String)>,
) -> Result<StatusCode, Problem> {
    put(&app, &auth, path, true).await
}

/// Take such a rule back.
#[utoipa::path(delete, path = "/waddles/{w}/channels/{c}/overrides/{relation}/{whom}", tag = "channels",
    security(("token" = ["manage"])), params(("relation" = ChannelGrant, Path, description = "What.")),
    responses((status = 204, description = "It holds no more.")))]
pub async fn unset(
    State(app): State<App>,
    auth: Auth,
    Path(path): Path<(String, String, ChannelGrant, String)>,
) -> Result<StatusCode, Problem> {
    put(&app, &auth, path, false).await
}
