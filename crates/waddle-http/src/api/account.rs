//! `/account`: who one is, one's logins, password, everything of one's own as a file, and the end of the account.

use axum::{
    Extension,
    body::Body,
    extract::{Path, State},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};
use waddle_core::{Did, Secret, SessionId, Timestamp, UserId};
use waddle_identity::{Account, Attempt, CredentialKind, LoginError};

use super::account_export;
use crate::{
    App,
    auth::{Auth, Login},
    client::Client,
    problem::Problem,
    rest::Json,
};

const PASSWORD: Attempt = Attempt {
    protocol: "http",
    mechanism: "password",
};

/// These addresses.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(show, change, remove))
        .routes(routes!(set_password))
        .routes(routes!(sessions))
        .routes(routes!(end_session))
        .routes(routes!(export))
}

/// An account.
#[derive(Debug, Serialize, ToSchema)]
pub struct AccountView {
    user: UserId,
    jid: String,
    localpart: String,
    did: Option<Did>,
    handle: Option<String>,
    display_name: Option<String>,
    /// Whether it administers the server.
    admin: bool,
    created_at: Timestamp,
}

pub(super) fn view(app: &App, a: &Account) -> AccountView {
    let jid = app.deps.identity.jid(&a.localpart);
    AccountView {
        user: a.user.clone(),
        jid: jid.map(|j| j.to_string()).unwrap_or_default(),
        localpart: a.localpart.clone(),
        did: a.did.clone(),
        handle: a.handle.clone(),
        display_name: a.display_name.clone(),
        admin: a.admin,
        created_at: a.created_at,
    }
}

/// One's own account.
#[utoipa::path(get, path = "/account", tag = "account", security(("token" = ["read"])),
    responses((status = 200, description = "It.", body = AccountView)))]
pub async fn show(State(app): State<App>, auth: Auth) -> Json<AccountView> {
    Json(view(&app, auth.account()))
}

/// What changes; what is left out stays.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AccountChange {
    /// Up to 100 characters; empty for none.
    display_name: Option<String>,
}

/// Change what one shows of oneself: vCard, messages over HTTP and lists of members have the name from then on.
#[utoipa::path(patch, path = "/account", tag = "account", security(("token" = ["account"])),
    responses((status = 200, description = "As it is now.", body = AccountView)))]
pub async fn change(
    State(app): State<App>,
    auth: Auth,
    Json(change): Json<AccountChange>,
) -> Result<Json<AccountView>, Problem> {
    let identity = &app.deps.identity;
    if let Some(name) = &change.display_name {
        identity.set_display_name(auth.user(), name).await?;
    }
    let account = identity.by_user(auth.user()).await?;
    let account = account.ok_or_else(Problem::unauthorized)?;
    Ok(Json(view(&app, &account)))
}

/// Who asks for it shows once more who they are.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AccountRemoval {
    /// The account's localpart, so that no slip does it.
    confirm: String,
    /// Of a local account.
    password: Option<String>,
}

/// The password once more, of a local account; guesses count as failed logins.
async fn proved(
    app: &App,
    client: &Client,
    account: &Account,
    password: Option<&str>,
) -> Result<(), Problem> {
    if account.did.is_some() {
        return Ok(());
    }
    let identity = &app.deps.identity;
    identity.login_allowed(client.addr)?;
    let shown = Secret::new(password.unwrap_or_default());
    let outcome = match identity.verify_plain(&account.localpart, &shown).await {
        Ok(who) if who.user == account.user && who.kind == CredentialKind::Password => return Ok(()),
        Ok(_) => LoginError::NotAuthorized,
        Err(e) => e,
    };
    identity.login_failed(client.addr, PASSWORD, &outcome);
    Err(match outcome {
        // not 401: the login itself is good
        LoginError::NotAuthorized => Problem::new(StatusCode::FORBIDDEN, "password", "the password is wrong"),
        e => e.into(),
    })
}

/// Delete one's account with everything of one's own: memberships, logins, tokens, files, contacts, direct messages.
///
/// What one said in channels is the channels'. Refused while waddles would be left without an owner.
#[utoipa::path(delete, path = "/account", tag = "account", security(("session" = [])), request_body = AccountRemoval,
    responses((status = 204, description = "Gone.")))]
pub async fn remove(
    State(app): State<App>,
    Extension(client): Extension<Client>,
    login: Login,
    Json(body): Json<AccountRemoval>,
) -> Result<StatusCode, Problem> {
    let account = &login.0.account;
    if body.confirm != account.localpart {
        return Err(Problem::invalid("confirm: expected the account's localpart"));
    }
    proved(&app, &client, account, body.password.as_deref()).await?;
    app.deps
        .identity
        .delete_account(&app.deps.community, &account.user)
        .await?;
    if let Some(files) = &app.deps.files {
        files.delete_all(&account.user).await?;
    }
    Ok(StatusCode::NO_CONTENT)
}

/// A new password.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PasswordChange {
    /// The one that holds.
    current: String,
    /// The one that holds from now on.
    new: String,
}

/// Change the password of a local account: its tokens and its other logins end.
#[utoipa::path(put, path = "/account/password", tag = "account", security(("session" = [])),
    responses((status = 204, description = "Changed.")))]
pub async fn set_password(
    State(app): State<App>,
    Extension(client): Extension<Client>,
    login: Login,
    Json(change): Json<PasswordChange>,
) -> Result<StatusCode, Problem> {
    let account = &login.0.account;
    proved(&app, &client, account, Some(&change.current)).await?;
    app.deps
        .identity
        .set_password_in(&account.user, &Secret::new(change.new), Some(login.0.id))
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A login of a browser or of a program.
#[derive(Debug, Serialize, ToSchema)]
pub struct LoginView {
    id: SessionId,
    created_at: Timestamp,
    expires_at: Timestamp,
    /// Whether this request was made with it.
    current: bool,
}

/// One's logins.
#[derive(Debug, Serialize, ToSchema)]
pub struct LoginList {
    sessions: Vec<LoginView>,
}

/// One's logins over HTTP, the newest first.
#[utoipa::path(get, path = "/account/sessions", tag = "account", security(("session" = [])),
    responses((status = 200, description = "Live ones.", body = LoginList)))]
pub async fn sessions(State(app): State<App>, login: Login) -> Result<Json<LoginList>, Problem> {
    let found = app.deps.identity.sessions(login.user()).await?;
    let view = |s: waddle_identity::Session| LoginView {
        id: s.id,
        created_at: s.created_at,
        expires_at: s.expires_at,
        current: s.id == login.0.id,
    };
    Ok(Json(LoginList {
        sessions: found.into_iter().map(view).collect(),
    }))
}

/// End one of one's logins: its event streams end at once.
#[utoipa::path(delete, path = "/account/sessions/{id}", tag = "account", security(("session" = [])),
    responses((status = 204, description = "Ended.")))]
pub async fn end_session(
    State(app): State<App>,
    login: Login,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    let found = app.deps.identity.sessions(login.user()).await?;
    let session = found.into_iter().find(|s| s.id.to_string() == id);
    let session = session.ok_or_else(|| Problem::not_found("login"))?;
    app.deps.identity.logout(&session).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Everything of one's own as one file: JSON, a value a line.
///
/// Each line has `type`: `account`, `waddle`, `session`, `token`, `access_token`, `direct_policy`, `bot`, `contact`,
/// `blocked`, `vcard`, `private`, `file`, `node`, `item`, `waiting`, `message` (direct messages, as they were sent). What
/// one said in channels is read there.
#[utoipa::path(get, path = "/account/export", tag = "account", security(("session" = [])),
    responses((status = 200, description = "The file.", body = String, content_type = "application/jsonl")))]
pub async fn export(State(app): State<App>, login: Login) -> Result<Response, Problem> {
    let account = login.0.account;
    let head = account_export::head(&app, &account).await?;
    let name = format!("attachment; filename=\"{}.account.jsonl\"", account.localpart);
    let body = Body::from_stream(account_export::lines(app, account, head));
    let mut answer = ([(header::CONTENT_TYPE, "application/jsonl")], body).into_response();
    if let Ok(name) = HeaderValue::from_str(&name) {
        answer.headers_mut().insert(header::CONTENT_DISPOSITION, name);
    }
    Ok(answer)
}
