//! `/direct`: from whom one takes messages, who asks, and small private groups (`specs/moderation.md`).

use axum::{
    extract::{Path, Query, State},
    http::StatusCode,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};
use waddle_core::{BareJid, Timestamp, UserId};
use waddle_storage::repo::{
    direct::{Group, Participant, Request, RequestPolicy},
    messages::Unread,
};
use waddle_xmpp::direct::{
    Direct, DirectError, Own,
    groups::{Added, GroupView},
};

use super::channels::room_jid;
use crate::{
    App,
    auth::Auth,
    problem::Problem,
    rest::{Created, Json, Paging, next},
};

/// These addresses.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(policy, set_policy))
        .routes(routes!(requests))
        .routes(routes!(accept, refuse))
        .routes(routes!(groups, make))
        .routes(routes!(group, rename))
        .routes(routes!(add, remove))
}

impl From<DirectError> for Problem {
    fn from(e: DirectError) -> Self {
        let text = e.to_string();
        match e {
            DirectError::NotFound(what) => Self::not_found(what),
            DirectError::Refused(_) => Self::new(StatusCode::FORBIDDEN, "refused", text),
            DirectError::Full { .. } => Self::new(StatusCode::CONFLICT, "limit", text),
            DirectError::Invalid(_) => Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", text),
            DirectError::TooFast(seconds) => Self::too_many(seconds.into()),
            _ => Self {
                retry_after: Some(5),
                ..Self::new(StatusCode::SERVICE_UNAVAILABLE, "storage", text)
            },
        }
    }
}

/// The asker's account, and direct messages.
pub(super) async fn own(app: &App, auth: &Auth) -> Result<(Direct, Own), Problem> {
    let direct = app
        .deps
        .direct
        .clone()
        .ok_or_else(|| Problem::not_found("direct message"))?;
    let account = app.deps.identity.by_user(auth.user()).await?;
    let account = account.ok_or_else(Problem::unauthorized)?;
    let own = Own {
        bare: app.deps.identity.jid(&account.localpart)?,
        user: account.user,
    };
    Ok((direct, own))
}

/// The address that a name stands for: an address as it is, anybody else an account of this server.
async fn address(app: &App, name: &str) -> Result<BareJid, Problem> {
    if name.contains('@')
        && let Ok(jid) = name.trim().parse::<BareJid>()
        && jid.local().is_some()
    {
        return Ok(jid);
    }
    let user = super::person(app, name).await?;
    let account = app.deps.identity.by_user(&user).await?;
    let account = account.ok_or_else(|| Problem::not_found("person on this server"))?;
    Ok(app.deps.identity.jid(&account.localpart)?)
}

/// From whom one takes messages.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DirectPolicy {
    /// Everybody; contacts and who shares a waddle; contacts; contacts, and nobody else may even ask.
    policy: RequestPolicy,
}

/// From whom one takes messages without being asked.
#[utoipa::path(get, path = "/direct/policy", tag = "direct", security(("token" = ["read"])),
    responses((status = 200, description = "It.", body = DirectPolicy)))]
pub async fn policy(State(app): State<App>, auth: Auth) -> Result<Json<DirectPolicy>, Problem> {
    let (direct, own) = own(&app, &auth).await?;
    Ok(Json(DirectPolicy {
        policy: direct.policy(&own),
    }))
}

/// Say from whom one takes messages without being asked.
#[utoipa::path(put, path = "/direct/policy", tag = "direct", security(("token" = ["account"])),
    responses((status = 200, description = "As it is now.", body = DirectPolicy)))]
pub async fn set_policy(
    State(app): State<App>,
    auth: Auth,
    Json(wanted): Json<DirectPolicy>,
) -> Result<Json<DirectPolicy>, Problem> {
    let (direct, own) = own(&app, &auth).await?;
    direct.set_policy(&own, wanted.policy).await?;
    Ok(Json(wanted))
}

/// Somebody who asks to write, or to add one to a group.
#[derive(Debug, Serialize, ToSchema)]
pub struct DirectRequestView {
    id: i64,
    /// Who asks.
    jid: BareJid,
    /// The group that one is asked into.
    group: Option<String>,
    at: Timestamp,
    /// The first message that waits.
    text: Option<String>,
    /// How many messages wait.
    messages: usize,
}

impl From<Request> for DirectRequestView {
    fn from(r: Request) -> Self {
        Self {
            id: r.id,
            jid: r.jid,
            group: r.room,
            at: r.at,
            text: r.text,
            messages: r.messages,
        }
    }
}

/// A page of requests.
#[derive(Debug, Serialize, ToSchema)]
pub struct DirectRequestList {
    requests: Vec<DirectRequestView>,
    /// The cursor of the next page.
    next: Option<String>,
}

/// Who asks, the newest first.
#[utoipa::path(get, path = "/direct/requests", tag = "direct", security(("token" = ["read"])), params(Paging),
    responses((status = 200, description = "A page.", body = DirectRequestList)))]
pub async fn requests(
    State(app): State<App>,
    auth: Auth,
    Query(paging): Query<Paging>,
) -> Result<Json<DirectRequestList>, Problem> {
    let (direct, own) = own(&app, &auth).await?;
    let limit = paging.limit()?;
    let before: Option<i64> = paging.after("direct_requests")?;
    let found = direct.requests(&own, before, limit).await?;
    let last = found.last().filter(|_| found.len() == limit).map(|r| r.id);
    Ok(Json(DirectRequestList {
        next: last.and_then(|id| next("direct_requests", &id)),
        requests: found.into_iter().map(Into::into).collect(),
    }))
}

/// Accept a request: what waits is delivered, or one enters the group.
#[utoipa::path(put, path = "/direct/requests/{id}", tag = "direct", security(("token" = ["account"])),
    responses((status = 200, description = "What was accepted.", body = DirectRequestView)))]
pub async fn accept(
    State(app): State<App>,
    auth: Auth,
    Path(id): Path<i64>,
) -> Result<Json<DirectRequestView>, Problem> {
    let (direct, own) = own(&app, &auth).await?;
    Ok(Json(direct.accept(&own, id).await?.into()))
}

/// Refuse a request: what waits is gone; who asked is not told and cannot ask again for a while.
#[utoipa::path(delete, path = "/direct/requests/{id}", tag = "direct", security(("token" = ["account"])),
    responses((status = 204, description = "Refused.")))]
pub async fn refuse(State(app): State<App>, auth: Auth, Path(id): Path<i64>) -> Result<StatusCode, Problem> {
    let (direct, own) = own(&app, &auth).await?;
    direct.refuse(&own, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A small private group.
#[derive(Debug, Serialize, ToSchema)]
pub struct DirectGroupView {
    /// Its identifier, the localpart of its room.
    id: String,
    /// The room's address.
    jid: String,
    name: String,
    created_by: UserId,
    created_at: Timestamp,
    /// Messages of others that one has not read; counted up to a bound.
    unread: u64,
    /// Those of them that mention one.
    mentions: u64,
    people: Vec<DirectPersonView>,
}

/// Somebody in a group.
#[derive(Debug, Serialize, ToSchema)]
pub struct DirectPersonView {
    jid: BareJid,
    /// Since when; null where they are asked and have not answered.
    since: Option<Timestamp>,
}

/// Groups as one of their people sees them.
async fn views(
    app: &App,
    direct: &Direct,
    own: &Own,
    groups: Vec<GroupView>,
) -> Result<Vec<DirectGroupView>, Problem> {
    let counts = direct.unread(own, &groups).await?;
    let all = groups.into_iter().zip(counts);
    Ok(all
        .map(|((g, people), unread)| view(app, g, people, unread))
        .collect())
}

fn view(app: &App, group: Group, people: Vec<Participant>, unread: Unread) -> DirectGroupView {
    DirectGroupView {
        jid: room_jid(&group.room, &app.config.domain),
        id: group.room,
        name: group.name,
        created_by: group.made_by,
        created_at: group.made_at,
        unread: unread.messages,
        mentions: unread.mentions,
        people: people
            .into_iter()
            .map(|p| DirectPersonView {
                jid: p.jid,
                since: Some(p.at),
            })
            .collect(),
    }
}

async fn one(app: &App, direct: &Direct, own: &Own, id: &str) -> Result<DirectGroupView, Problem> {
    let found = views(app, direct, own, vec![direct.group(own, id).await?]).await?;
    found
        .into_iter()
        .next()
        .ok_or_else(|| Problem::not_found("group"))
}

/// One's groups.
#[derive(Debug, Serialize, ToSchema)]
pub struct DirectGroupList {
    groups: Vec<DirectGroupView>,
}

/// The small private groups that one is in, the newest first.
#[utoipa::path(get, path = "/direct", tag = "direct", security(("token" = ["read"])),
    responses((status = 200, description = "All of them.", body = DirectGroupList)))]
pub async fn groups(State(app): State<App>, auth: Auth) -> Result<Json<DirectGroupList>, Problem> {
    let (direct, own) = own(&app, &auth).await?;
    let found = direct.groups(&own).await?;
    Ok(Json(DirectGroupList {
        groups: views(&app, &direct, &own, found).await?,
    }))
}

/// A group to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewDirectGroup {
    /// Up to 100 characters.
    #[serde(default)]
    name: String,
    /// The others: localparts, addresses, DIDs or handles.
    people: Vec<String>,
}

/// Make a small private group. Who takes requests from one is in it at once, others are asked.
#[utoipa::path(post, path = "/direct", tag = "direct", security(("token" = ["messages:write"])),
    responses((status = 201, description = "Made.", body = DirectGroupView)))]
pub async fn make(
    State(app): State<App>,
    auth: Auth,
    Json(new): Json<NewDirectGroup>,
) -> Result<Created<DirectGroupView>, Problem> {
    let (direct, own) = own(&app, &auth).await?;
    let max = app.config.limits.direct_group_people;
    if new.people.len() > max {
        return Err(DirectError::Full {
            what: "people in a group",
            max,
        }
        .into());
    }
    let mut people = Vec::new();
    for name in &new.people {
        let jid = address(&app, name).await?;
        if !people.contains(&jid) {
            people.push(jid);
        }
    }
    let (group, added) = direct.make_group(&own, &new.name, people).await?;
    let mut made = one(&app, &direct, &own, &group.room).await?;
    let asked = added.into_iter().filter(|(_, a)| *a == Added::Asked);
    made.people
        .extend(asked.map(|(jid, _)| DirectPersonView { jid, since: None }));
    let place = app.config.at(&format!("/api/v1/direct/{}", made.id));
    Ok(Created(place, made))
}

/// One of one's groups.
#[utoipa::path(get, path = "/direct/{group}", tag = "direct", security(("token" = ["read"])),
    responses((status = 200, description = "It.", body = DirectGroupView)))]
pub async fn group(
    State(app): State<App>,
    auth: Auth,
    Path(id): Path<String>,
) -> Result<Json<DirectGroupView>, Problem> {
    let (direct, own) = own(&app, &auth).await?;
    one(&app, &direct, &own, &id).await.map(Json)
}

/// A group's other name.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DirectGroupChange {
    /// Up to 100 characters.
    name: String,
}

/// Give a group another name.
#[utoipa::path(patch, path = "/direct/{group}", tag = "direct", security(("token" = ["messages:write"])),
    responses((status = 200, description = "As it is now.", body = DirectGroupView)))]
pub async fn rename(
    State(app): State<App>,
    auth: Auth,
    Path(id): Path<String>,
    Json(change): Json<DirectGroupChange>,
) -> Result<Json<DirectGroupView>, Problem> {
    let (direct, own) = own(&app, &auth).await?;
    direct.rename(&own, &id, &change.name).await?;
    one(&app, &direct, &own, &id).await.map(Json)
}

/// What became of somebody who was to be added.
#[derive(Debug, Serialize, ToSchema)]
pub struct DirectAdded {
    jid: BareJid,
    /// Whether they are in the group; otherwise they are asked.
    joined: bool,
}

/// Add somebody to a group; asked again where they are in it already, nothing happens.
#[utoipa::path(put, path = "/direct/{group}/people/{who}", tag = "direct", security(("token" = ["messages:write"])),
    responses((status = 200, description = "Added, or asked.", body = DirectAdded)))]
pub async fn add(
    State(app): State<App>,
    auth: Auth,
    Path((id, who)): Path<(String, String)>,
) -> Result<Json<DirectAdded>, Problem> {
    let (direct, own) = own(&app, &auth).await?;
    let jid = address(&app, &who).await?;
    let added = direct.add(&own, &id, &jid).await?;
    Ok(Json(DirectAdded {
        jid,
        joined: added == Added::In,
    }))
}

/// Leave a group, or take somebody out of one that one made.
#[utoipa::path(delete, path = "/direct/{group}/people/{who}", tag = "direct", security(("token" = ["messages:write"])),
    responses((status = 204, description = "Out.")))]
pub async fn remove(
    State(app): State<App>,
    auth: Auth,
    Path((id, who)): Path<(String, String)>,
) -> Result<StatusCode, Problem> {
    let (direct, own) = own(&app, &auth).await?;
    let jid = address(&app, &who).await?;
    direct.remove(&own, &id, &jid).await?;
    Ok(StatusCode::NO_CONTENT)
}
