//! `/auth/*`: login with Bluesky or a local account, the session, XMPP tokens, logout (`specs/identity.md`).

use axum::{
    Extension,
    extract::{Path, Query, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Redirect, Response},
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};
use waddle_core::{Did, Secret, Timestamp, UserId};
use waddle_identity::{Attempt, Callback, CredentialId, LoginError, NewSession, Session};

use crate::{
    App,
    auth::{BROWSER, Fields, Login, NEXT, SESSION},
    client::Client,
    pages,
    problem::Problem,
    rest::Json,
};

/// These addresses.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(begin))
        .routes(routes!(callback))
        .routes(routes!(session, local, end))
        .routes(routes!(logout))
        .routes(routes!(xmpp_token))
        .routes(routes!(tokens))
        .routes(routes!(revoke))
        .routes(routes!(revoke_form))
}

/// Those of this server as a client of others.
pub fn client_routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(client_metadata))
        .routes(routes!(client_keys))
}

const OAUTH: Attempt = Attempt {
    protocol: "http",
    mechanism: "oauth",
};
const PASSWORD: Attempt = Attempt {
    protocol: "http",
    mechanism: "password",
};

/// Query of `GET /auth/login`.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Begin {
    /// Handle or DID.
    #[serde(default)]
    handle: String,
    /// A path here to go to afterwards.
    next: Option<String>,
}

/// A path on this server that a browser may be sent to: no other host, no way out.
fn local_path(text: &str) -> Option<&str> {
    let ok = text.starts_with('/')
        && !text.starts_with("//")
        && text.len() <= 512
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"/-_.%".contains(&b));
    ok.then_some(text)
}

fn cookies<const N: usize>(mut response: Response, set: [HeaderValue; N]) -> Response {
    for c in set {
        response.headers_mut().append(header::SET_COOKIE, c);
    }
    response
}

/// Log in with Bluesky, in a browser: leads to the account's server.
#[utoipa::path(get, path = "/auth/login", tag = "auth", security(()),
    responses(
        (status = 303, description = "To the account's server."),
        (status = "4XX", description = "A page that says why not.", body = String, content_type = "text/html"),
        (status = "5XX", description = "A page that says why not.", body = String, content_type = "text/html")))]
pub async fn begin(
    State(app): State<App>,
    Extension(client): Extension<Client>,
    Query(q): Query<Begin>,
) -> Response {
    let https = app.config.is_https();
    let browser = match random() {
        Ok(b) => b,
        Err(p) => return p.into_response(),
    };
    let begun = match app.deps.identity.begin_allowed(client.addr) {
        Ok(()) => app.deps.identity.login_begin(&q.handle, &browser).await,
        Err(e) => Err(e),
    };
    match begun {
        Ok(url) => {
            let minutes = app.config.limits.identity_login_minutes;
            let next = q.next.as_deref().and_then(local_path);
            cookies(
                Redirect::to(url.as_str()).into_response(),
                [
                    BROWSER.set(&browser, minutes * 60, https),
                    NEXT.set(
                        next.unwrap_or_default(),
                        if next.is_some() { minutes * 60 } else { 0 },
                        https,
                    ),
                ],
            )
        }
        Err(e) => {
            app.deps.identity.login_failed(client.addr, OAUTH, &e);
            pages::login_failed(&app, e, &q.handle)
        }
    }
}

/// Back from the account's server, in a browser.
#[utoipa::path(get, path = "/auth/callback", tag = "auth", security(()),
    params(("code" = Option<String>, Query), ("state" = Option<String>, Query), ("iss" = Option<String>, Query),
        ("error" = Option<String>, Query), ("error_description" = Option<String>, Query)),
    responses(
        (status = 303, description = "Logged in: with the cookie."),
        (status = "4XX", description = "A page that says why not.", body = String, content_type = "text/html"),
        (status = "5XX", description = "A page that says why not.", body = String, content_type = "text/html")))]
pub async fn callback(
    State(app): State<App>,
    Extension(client): Extension<Client>,
    headers: HeaderMap,
    Query(q): Query<Callback>,
) -> Response {
    let https = app.config.is_https();
    let browser = BROWSER.of(&headers, https).unwrap_or_default().to_owned();
    let done = match app.deps.identity.login_allowed(client.addr) {
        Ok(()) => app.deps.identity.login_complete(q, &browser).await,
        Err(e) => Err(e),
    };
    match done {
        Ok(new) => {
            let next = NEXT
                .of(&headers, https)
                .and_then(local_path)
                .unwrap_or("/")
                .to_owned();
            app.deps.identity.begun_completed(client.addr);
            app.deps.identity.session_began(OAUTH);
            tracing::info!(user = %new.session.account.user, "logged in with Bluesky");
            signed_in(&app, &new, &next)
        }
        Err(e) => {
            app.deps.identity.login_failed(client.addr, OAUTH, &e);
            cookies(pages::login_failed(&app, e, ""), [BROWSER.set("", 0, https)])
        }
    }
}

fn signed_in(app: &App, new: &NewSession, next: &str) -> Response {
    let https = app.config.is_https();
    let seconds = app.config.limits.identity_session_days * 86_400;
    cookies(
        Redirect::to(next).into_response(),
        [
            SESSION.set(new.access_token.expose(), seconds, https),
            BROWSER.set("", 0, https),
            NEXT.set("", 0, https),
        ],
    )
}

fn random() -> Result<String, Problem> {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
    use ring::rand::SecureRandom as _;
    let mut bytes = [0; 32];
    ring::rand::SystemRandom::new().fill(&mut bytes).map_err(|_| {
        Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "internal",
            "the system gives no random numbers",
        )
    })?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

/// Name and password of a local account.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "read as fields, of JSON or of a form")]
pub struct LocalLogin {
    username: String,
    password: String,
    /// Of a form: a path here to go to afterwards.
    next: Option<String>,
}

/// Log in with a local account: JSON gets the access token, a form the cookie.
#[utoipa::path(post, path = "/auth/session", tag = "auth", security(()), request_body = LocalLogin,
    responses((status = 200, description = "Logged in.", body = LoggedIn),
        (status = 303, description = "Logged in by a form: with the cookie.")))]
pub async fn local(
    State(app): State<App>,
    Extension(client): Extension<Client>,
    headers: HeaderMap,
    fields: Result<Fields, Problem>,
) -> Response {
    // a form of somebody who is logged in already carries no CSRF token: the page is the old one
    let fields = match fields {
        Ok(f) => f,
        Err(p) if crate::auth::is_form(&headers) => return pages::message(&app, p.status, &p.detail),
        Err(p) => return p.into_response(),
    };
    let (Some(name), Some(password)) = (fields.get("username"), fields.get("password")) else {
        return Problem::bad_request("username and password are needed").into_response();
    };
    let tried = match app.deps.identity.login_allowed(client.addr) {
        Ok(()) => app.deps.identity.login_local(name, &Secret::new(password)).await,
        Err(e) => Err(e),
    };
    if tried.is_ok() {
        app.deps.identity.session_began(PASSWORD);
    }
    match tried {
        Ok(new) if fields.form => {
            let next = fields.get("next").and_then(local_path).unwrap_or("/");
            signed_in(&app, &new, next)
        }
        Ok(new) => {
            let body = LoggedIn {
                session: describe(&app, &new.session),
                access_token: new.access_token.expose().to_owned(),
                token_type: "Bearer",
            };
            Json(body).into_response()
        }
        Err(e) => {
            app.deps.identity.login_failed(client.addr, PASSWORD, &e);
            if fields.form {
                pages::login_failed(&app, e, "")
            } else {
                Problem::from(e).into_response()
            }
        }
    }
}

/// Who is logged in.
#[derive(Debug, Serialize, ToSchema)]
pub struct SessionView {
    user: UserId,
    jid: String,
    did: Option<Did>,
    handle: Option<String>,
    display_name: Option<String>,
    /// Whether they administer the server.
    admin: bool,
    created_at: Timestamp,
    expires_at: Timestamp,
    /// For changes made with the cookie: the value of `X-CSRF-Token`.
    #[serde(skip_serializing_if = "Option::is_none")]
    csrf_token: Option<String>,
}

/// A login that was just made.
#[derive(Debug, Serialize, ToSchema)]
pub struct LoggedIn {
    #[serde(flatten)]
    session: SessionView,
    /// The bearer from now on.
    access_token: String,
    token_type: &'static str,
}

fn describe(app: &App, session: &Session) -> SessionView {
    let a = &session.account;
    SessionView {
        user: a.user.clone(),
        jid: app
            .deps
            .identity
            .jid(&a.localpart)
            .map(|j| j.to_string())
            .unwrap_or_default(),
        did: a.did.clone(),
        handle: a.handle.clone(),
        display_name: a.display_name.clone(),
        admin: a.admin,
        created_at: session.created_at,
        expires_at: session.expires_at,
        csrf_token: None,
    }
}

/// Who one is, and the CSRF token for changes by cookie.
#[utoipa::path(get, path = "/auth/session", tag = "auth", security(("session" = [])),
    responses((status = 200, description = "The login.", body = SessionView)))]
pub async fn session(State(app): State<App>, login: Login) -> Json<SessionView> {
    let mut view = describe(&app, &login.0);
    view.csrf_token = Some(app.deps.identity.csrf_token(&login.0));
    Json(view)
}

/// Log out.
#[utoipa::path(post, path = "/auth/logout", tag = "auth", security(("session" = [])),
    responses((status = 204, description = "The login ended."),
        (status = 303, description = "It ended, by a form.")))]
pub async fn logout(State(app): State<App>, fields: Fields) -> Result<Response, Problem> {
    let login = fields.login()?;
    app.deps.identity.logout(&login.0).await?;
    let answer = if fields.form {
        Redirect::to("/login").into_response()
    } else {
        StatusCode::NO_CONTENT.into_response()
    };
    Ok(cookies(answer, [SESSION.set("", 0, app.config.is_https())]))
}

/// Log out, the other way to say it.
#[utoipa::path(delete, path = "/auth/session", tag = "auth", security(("session" = [])),
    responses((status = 204, description = "The login ended.")))]
pub async fn end(app: State<App>, fields: Fields) -> Result<Response, Problem> {
    logout(app, fields).await
}

/// What a token is for.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "read as fields, of JSON or of a form")]
pub struct XmppTokenBody {
    /// `XMPP` where it is left out.
    label: Option<String>,
}

/// A token for XMPP and MQTT clients, and where they connect to.
#[derive(Debug, Serialize, ToSchema)]
pub struct XmppToken {
    id: String,
    jid: String,
    /// What to log in with; the only time that it is told.
    token: String,
    expires_at: Timestamp,
    xmpp_host: String,
    /// STARTTLS.
    xmpp_port: u16,
    websocket_url: String,
}

/// Make a token for XMPP and MQTT clients.
#[utoipa::path(post, path = "/auth/xmpp-token", tag = "auth", security(("session" = [])),
    request_body = Option<XmppTokenBody>,
    responses((status = 200, description = "Made.", body = XmppToken)))]
pub async fn xmpp_token(State(app): State<App>, fields: Fields) -> Result<Response, Problem> {
    let login = fields.login()?;
    let label = fields.get("label").unwrap_or("XMPP");
    let issued = app.deps.identity.issue_xmpp_token(&login.0, label).await?;
    if fields.form {
        return Ok(pages::token(&app, &login.0, &issued));
    }
    let made = XmppToken {
        id: issued.id.to_string(),
        jid: issued.jid.to_string(),
        token: issued.token.expose().to_owned(),
        expires_at: issued.expires_at,
        xmpp_host: app.config.xmpp_host.clone(),
        xmpp_port: app.config.xmpp_port,
        websocket_url: app.config.websocket_url(),
    };
    Ok(Json(made).into_response())
}

/// A token for XMPP and MQTT clients, as its owner sees it.
#[derive(Debug, Serialize, ToSchema)]
pub struct XmppTokenView {
    id: String,
    label: String,
    created_at: Timestamp,
    expires_at: Option<Timestamp>,
    /// Give or take some minutes.
    last_used_at: Option<Timestamp>,
}

/// One's tokens for XMPP and MQTT.
#[derive(Debug, Serialize, ToSchema)]
pub struct XmppTokenList {
    tokens: Vec<XmppTokenView>,
}

/// One's tokens for XMPP and MQTT, the newest first.
#[utoipa::path(get, path = "/auth/tokens", tag = "auth", security(("session" = [])),
    responses((status = 200, description = "Live ones.", body = XmppTokenList)))]
pub async fn tokens(State(app): State<App>, login: Login) -> Result<Json<XmppTokenList>, Problem> {
    let found = app.deps.identity.tokens(login.user()).await?;
    let view = |t: waddle_identity::TokenInfo| XmppTokenView {
        id: t.id.to_string(),
        label: t.label,
        created_at: t.created_at,
        expires_at: t.expires_at,
        last_used_at: t.last_used_at,
    };
    Ok(Json(XmppTokenList {
        tokens: found.into_iter().map(view).collect(),
    }))
}

async fn revoke_one(app: &App, login: &Login, id: &str) -> Result<(), Problem> {
    let id = id.parse().map_err(|_| Problem::not_found("token"))?;
    Ok(app
        .deps
        .identity
        .revoke_token(login.user(), CredentialId(id))
        .await?)
}

/// Revoke a token for XMPP and MQTT: the connections that logged in with it end, too.
#[utoipa::path(delete, path = "/auth/tokens/{id}", tag = "auth", security(("session" = [])),
    responses((status = 204, description = "Revoked.")))]
pub async fn revoke(
    State(app): State<App>,
    login: Login,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    revoke_one(&app, &login, &id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Revoke a token for XMPP and MQTT, from a form.
#[utoipa::path(post, path = "/auth/tokens/{id}/revoke", tag = "auth", security(("session" = [])),
    responses((status = 204, description = "Revoked."), (status = 303, description = "Revoked, by a form.")))]
pub async fn revoke_form(
    State(app): State<App>,
    Path(id): Path<String>,
    fields: Fields,
) -> Result<Response, Problem> {
    revoke_one(&app, &fields.login()?, &id).await?;
    Ok(if fields.form {
        Redirect::to("/").into_response()
    } else {
        StatusCode::NO_CONTENT.into_response()
    })
}

/// What this server is to Bluesky accounts' servers (atproto OAuth); of one with a public https URL alone.
#[utoipa::path(get, path = "/oauth-client-metadata.json", tag = "discovery", security(()),
    responses((status = 200, description = "Client metadata.", body = Object), (status = 404, description = "None.")))]
pub async fn client_metadata(State(app): State<App>) -> Result<Response, Problem> {
    let m = app
        .deps
        .identity
        .client_metadata()
        .ok_or_else(|| Problem::not_found("document"))?;
    Ok(cacheable(Json(m.clone())))
}

/// The keys that this server proves itself with to accounts' servers.
#[utoipa::path(get, path = "/oauth/jwks.json", tag = "discovery", security(()),
    responses((status = 200, description = "A JSON Web Key Set.", body = Object), (status = 404, description = "None.")))]
pub async fn client_keys(State(app): State<App>) -> Result<Response, Problem> {
    let k = app
        .deps
        .identity
        .client_keys()
        .ok_or_else(|| Problem::not_found("document"))?;
    Ok(cacheable(Json(k.clone())))
}

fn cacheable(body: impl IntoResponse) -> Response {
    let mut r = body.into_response();
    r.headers_mut().insert(
        header::CACHE_CONTROL,
        HeaderValue::from_static("public, max-age=300"),
    );
    r
}

/// The status and text of a failed login, for a page.
pub fn explain(e: LoginError) -> (StatusCode, String) {
    let p = Problem::from(e);
    (p.status, p.detail)
}

#[cfg(test)]
mod tests {
    #[test]
    fn only_paths_of_this_server() {
        for ok in ["/", "/invite/penguins-abc", "/app/x"] {
            assert!(super::local_path(ok).is_some(), "{ok}");
        }
        for bad in [
            "",
            "//evil.example",
            "https://evil.example",
            "/\\evil.example",
            "/x\r\nSet-Cookie: a=b",
            "/x;y",
            "x",
        ] {
            assert!(super::local_path(bad).is_none(), "{bad}");
        }
    }
}
