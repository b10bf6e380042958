//! `/auth/*`: login with Bluesky or a local account, the session, XMPP tokens, logout (design §8 *Login*).

use axum::{
    Extension, Json,
    extract::{Path, Query, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Redirect, Response},
};
use serde::Deserialize;
use serde_json::{Value, json};
use waddle_core::Secret;
use waddle_identity::{Attempt, Callback, CredentialId, LoginError, NewSession, Session};

use crate::{
    App,
    auth::{Auth, BROWSER, Fields, NEXT, SESSION},
    client::Client,
    pages,
    problem::Problem,
};

const OAUTH: Attempt = Attempt {
    protocol: "http",
    mechanism: "oauth",
};
const PASSWORD: Attempt = Attempt {
    protocol: "http",
    mechanism: "password",
};

/// Query of `GET /auth/login`.
#[derive(Debug, Default, Deserialize)]
pub struct Begin {
    #[serde(default)]
    handle: String,
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

/// `GET /auth/login?handle=…`: to the account's server.
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

/// `GET /auth/callback`: back from the account's server.
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

/// `POST /auth/session {username, password}`: a local account. JSON gets the access token, a form the cookie.
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
            let mut body = describe(&app, &new.session);
            body["access_token"] = new.access_token.expose().into();
            body["token_type"] = "Bearer".into();
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

fn describe(app: &App, session: &Session) -> Value {
    let a = &session.account;
    json!({
        "user": a.user,
        "jid": app.deps.identity.jid(&a.localpart).map(|j| j.to_string()).unwrap_or_default(),
        "did": a.did,
        "handle": a.handle,
        "display_name": a.display_name,
        "admin": a.admin,
        "created_at": session.created_at,
        "expires_at": session.expires_at,
    })
}

/// `GET /auth/session`: who one is, and the CSRF token for changes by cookie.
pub async fn session(State(app): State<App>, auth: Auth) -> Json<Value> {
    let mut body = describe(&app, &auth.0);
    body["csrf_token"] = app.deps.identity.csrf_token(&auth.0).into();
    Json(body)
}

/// `POST /auth/logout`, `DELETE /auth/session`.
pub async fn logout(State(app): State<App>, fields: Fields) -> Result<Response, Problem> {
    let auth = fields.auth()?;
    app.deps.identity.logout(&auth.0).await?;
    let answer = if fields.form {
        Redirect::to("/login").into_response()
    } else {
        StatusCode::NO_CONTENT.into_response()
    };
    Ok(cookies(answer, [SESSION.set("", 0, app.config.is_https())]))
}

/// `POST /auth/xmpp-token`: a token for XMPP and MQTT clients; `label` says what it is for.
pub async fn xmpp_token(State(app): State<App>, fields: Fields) -> Result<Response, Problem> {
    let auth = fields.auth()?;
    let label = fields.get("label").unwrap_or("XMPP");
    let issued = app.deps.identity.issue_xmpp_token(&auth.0, label).await?;
    if fields.form {
        return Ok(pages::token(&app, &auth.0, &issued));
    }
    Ok(Json(json!({
        "id": issued.id.to_string(),
        "jid": issued.jid,
        "token": issued.token.expose(),
        "expires_at": issued.expires_at,
        "xmpp_host": app.config.xmpp_host,
        "xmpp_port": app.config.xmpp_port,
        "websocket_url": app.config.websocket_url(),
    }))
    .into_response())
}

/// `GET /auth/tokens`.
pub async fn tokens(State(app): State<App>, auth: Auth) -> Result<Json<Value>, Problem> {
    let tokens: Vec<Value> = app
        .deps
        .identity
        .tokens(auth.user())
        .await?
        .into_iter()
        .map(|t| {
            json!({
                "id": t.id.to_string(), "label": t.label, "created_at": t.created_at,
                "expires_at": t.expires_at, "last_used_at": t.last_used_at,
            })
        })
        .collect();
    Ok(Json(json!({ "tokens": tokens })))
}

async fn revoke_one(app: &App, auth: &Auth, id: &str) -> Result<(), Problem> {
    let id = id.parse().map_err(|_| Problem::not_found("token"))?;
    Ok(app
        .deps
        .identity
        .revoke_token(auth.user(), CredentialId(id))
        .await?)
}

/// `DELETE /auth/tokens/{id}`: ends the connections that logged in with it, too.
pub async fn revoke(
    State(app): State<App>,
    auth: Auth,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    revoke_one(&app, &auth, &id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `POST /auth/tokens/{id}/revoke`: the same from a form.
pub async fn revoke_form(
    State(app): State<App>,
    Path(id): Path<String>,
    fields: Fields,
) -> Result<Response, Problem> {
    revoke_one(&app, &fields.auth()?, &id).await?;
    Ok(if fields.form {
        Redirect::to("/").into_response()
    } else {
        StatusCode::NO_CONTENT.into_response()
    })
}

/// `GET /oauth-client-metadata.json`.
pub async fn client_metadata(State(app): State<App>) -> Result<Response, Problem> {
    let m = app
        .deps
        .identity
        .client_metadata()
        .ok_or_else(|| Problem::not_found("document"))?;
    Ok(cacheable(Json(m.clone())))
}

/// `GET /oauth/jwks.json`.
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
