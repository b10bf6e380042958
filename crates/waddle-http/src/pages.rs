//! The few pages that need no web client: login, account, token, invite, status. Plain HTML and one style sheet, no
//! script; every value is escaped where it is put in.

use axum::{
    extract::{Path, Query, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{Html, IntoResponse, Redirect, Response},
};
use serde::Deserialize;
use waddle_core::Secret;
use waddle_identity::{IssuedToken, LoginError, Session};

use crate::{
    App,
    auth::{Fields, MaybeAuth},
    config::ServiceStatus,
    invitation, login,
    problem::Problem,
};

const FRAME: &str = include_str!("../assets/frame.html");
const LOGIN: &str = include_str!("../assets/login.html");
const ACCOUNT: &str = include_str!("../assets/account.html");
const TOKEN: &str = include_str!("../assets/token.html");
const INVITE: &str = include_str!("../assets/invite.html");
const STYLE: &str = include_str!("../assets/style.css");

fn escape(text: &str, out: &mut String) {
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
}

/// A value for a template: text, which is escaped, or HTML that was built here.
pub(crate) enum Part<'a> {
    Text(&'a str),
    Html(&'a str),
}

/// Replaces `{{name}}`; a name that is not given becomes nothing.
pub(crate) fn fill(template: &str, values: &[(&str, Part<'_>)]) -> String {
    let mut out = String::with_capacity(template.len() + 512);
    let mut rest = template;
    while let Some((before, after)) = rest.split_once("{{") {
        out.push_str(before);
        let Some((name, after)) = after.split_once("}}") else {
            break;
        };
        match values.iter().find(|(n, _)| *n == name).map(|(_, v)| v) {
            Some(Part::Text(t)) => escape(t, &mut out),
            Some(Part::Html(h)) => out.push_str(h),
            None => {}
        }
        rest = after;
    }
    out.push_str(rest);
    out
}

pub(crate) fn page(app: &App, status: StatusCode, title: &str, main: &str) -> Response {
    let html = fill(
        FRAME,
        &[
            ("title", Part::Text(title)),
            ("domain", Part::Text(&app.config.domain)),
            ("main", Part::Html(main)),
        ],
    );
    let mut r = (status, Html(html)).into_response();
    // a form's target counts with where it is redirected to: the account's server, which may be any
    let more = if app.config.allow_http_loopback {
        " http://localhost:* http://127.0.0.1:*"
    } else {
        ""
    };
    let csp = format!(
        "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self' https:{more}; \
         base-uri 'none'; frame-ancestors 'none'"
    );
    if let Ok(csp) = HeaderValue::from_str(&csp) {
        r.headers_mut().insert(header::CONTENT_SECURITY_POLICY, csp);
    }
    r
}

/// An RFC 3339 time in UTC, for people: `2026-01-31 12:05 UTC`.
fn minute(time: &str) -> String {
    let mut text = time.get(..16).unwrap_or(time).replace('T', " ");
    text.push_str(" UTC");
    text
}

/// One heading and one text.
pub fn message(app: &App, status: StatusCode, text: &str) -> Response {
    let main = fill(
        "<h1>{{status}}</h1><p role=\"alert\">{{text}}</p><p><a href=\"/\">Back</a></p>",
        &[
            ("status", Part::Text(status.canonical_reason().unwrap_or("Error"))),
            ("text", Part::Text(text)),
        ],
    );
    page(app, status, "Waddle", &main)
}

fn login_page(app: &App, status: StatusCode, error: Option<&str>, handle: &str, next: &str) -> Response {
    let alert = error.map(|e| {
        fill(
            "<p role=\"alert\" class=\"alert\">{{e}}</p>",
            &[("e", Part::Text(e))],
        )
    });
    let off = app.deps.identity.atproto_off().map(|why| {
        fill(
            "<p class=\"note\">Login with Bluesky is off here: {{why}}</p>",
            &[("why", Part::Text(why))],
        )
    });
    let main = fill(
        LOGIN,
        &[
            ("alert", Part::Html(alert.as_deref().unwrap_or_default())),
            ("off", Part::Html(off.as_deref().unwrap_or_default())),
            ("handle", Part::Text(handle)),
            ("next", Part::Text(next)),
        ],
    );
    page(app, status, "Log in", &main)
}

/// The login page after a login that did not work.
pub fn login_failed(app: &App, e: LoginError, handle: &str) -> Response {
    let (status, text) = login::explain(e);
    let handle: String = handle.chars().take(253).collect();
    login_page(app, status, Some(&text), &handle, "")
}

/// Query of the login page.
#[derive(Debug, Default, Deserialize)]
pub struct Next {
    #[serde(default)]
    next: String,
}

/// `GET /login`.
pub async fn login(State(app): State<App>, MaybeAuth(session): MaybeAuth, Query(q): Query<Next>) -> Response {
    if session.is_some() {
        return Redirect::to("/").into_response();
    }
    login_page(&app, StatusCode::OK, None, "", &q.next)
}

/// `GET /`: the account, or the login page.
pub async fn home(State(app): State<App>, MaybeAuth(session): MaybeAuth) -> Result<Response, Problem> {
    let Some(session) = session else {
        return Ok(login_page(&app, StatusCode::OK, None, "", ""));
    };
    let identity = &app.deps.identity;
    let jid = identity.jid(&session.account.localpart)?;
    let csrf = identity.csrf_token(&session);
    let mut waddles = String::new();
    for (w, role) in app.deps.community.waddles_of(&session.account.user).await? {
        waddles.push_str(&fill(
            "<li>{{name}} <span class=\"note\">{{slug}}, {{role}}</span><br>\
             <code>{{slug}}.general@muc.{{domain}}</code></li>",
            &[
                ("name", Part::Text(&w.name)),
                ("slug", Part::Text(w.slug.as_str())),
                ("role", Part::Text(&crate::api::word(&role))),
                ("domain", Part::Text(&app.config.domain)),
            ],
        ));
    }
    let mut tokens = String::new();
    for t in identity.tokens(&session.account.user).await? {
        let used = t
            .last_used_at
            .map_or_else(|| "never".to_owned(), |t| minute(&t.to_string()));
        let ends = t.expires_at.map_or_else(String::new, |t| minute(&t.to_string()));
        tokens.push_str(&fill(
            "<tr><td>{{label}}</td><td>{{used}}</td><td>{{ends}}</td><td>\
             <form method=\"post\" action=\"/auth/tokens/{{id}}/revoke\">\
             <input type=\"hidden\" name=\"csrf\" value=\"{{csrf}}\">\
             <button aria-label=\"Revoke {{label}}\">Revoke</button></form></td></tr>",
            &[
                ("label", Part::Text(&t.label)),
                ("used", Part::Text(&used)),
                ("ends", Part::Text(&ends)),
                ("id", Part::Text(&t.id.to_string())),
                ("csrf", Part::Text(&csrf)),
            ],
        ));
    }
    let handle = session
        .account
        .handle
        .as_deref()
        .map(|h| format!("@{h}"))
        .unwrap_or_default();
    let main = fill(
        ACCOUNT,
        &[
            ("jid", Part::Text(jid.as_str())),
            ("handle", Part::Text(&handle)),
            ("csrf", Part::Text(&csrf)),
            ("waddles", Part::Html(&waddles)),
            ("tokens", Part::Html(&tokens)),
        ],
    );
    Ok(page(&app, StatusCode::OK, "Your account", &main))
}

/// A token just made, and how to connect with it.
pub fn token(app: &App, session: &Session, issued: &IssuedToken) -> Response {
    let main = fill(
        TOKEN,
        &[
            ("jid", Part::Text(issued.jid.as_str())),
            ("token", Part::Text(issued.token.expose())),
            ("ends", Part::Text(&minute(&issued.expires_at.to_string()))),
            ("host", Part::Text(&app.config.xmpp_host)),
            ("port", Part::Text(&app.config.xmpp_port.to_string())),
            ("websocket", Part::Text(&app.config.websocket_url())),
            ("localpart", Part::Text(&session.account.localpart)),
        ],
    );
    page(app, StatusCode::OK, "Your token", &main)
}

/// `GET /invite/{code}`: what one is invited to.
pub async fn invite(
    State(app): State<App>,
    MaybeAuth(session): MaybeAuth,
    Path(code): Path<String>,
) -> Response {
    if let Some(page) = invitation::landing(&app, &code).await {
        return page;
    }
    let (waddle, _) = match app.deps.community.invite_info(&Secret::new(code.as_str())).await {
        Ok(found) => found,
        Err(e) => {
            let p = Problem::from(e);
            return message(
                &app,
                p.status,
                "This invite has expired, was used up or never was. Ask for a new one.",
            );
        }
    };
    let action = match &session {
        Some(s) => fill(
            "<form method=\"post\" action=\"/invite/{{code}}\"><input type=\"hidden\" name=\"csrf\" value=\"{{csrf}}\">\
             <button>Join</button></form>",
            &[
                ("code", Part::Text(&code)),
                ("csrf", Part::Text(&app.deps.identity.csrf_token(s))),
            ],
        ),
        None => fill(
            "<p><a class=\"button\" href=\"/login?next=/invite/{{code}}\">Log in to join</a></p>",
            &[("code", Part::Text(&code))],
        ),
    };
    let main = fill(
        INVITE,
        &[
            ("name", Part::Text(&waddle.name)),
            ("description", Part::Text(&waddle.description)),
            ("action", Part::Html(&action)),
        ],
    );
    page(&app, StatusCode::OK, "Invite", &main)
}

/// `POST /invite/{code}`: joins.
pub async fn join(
    State(app): State<App>,
    Path(code): Path<String>,
    headers: HeaderMap,
    fields: Fields,
) -> Result<Response, Problem> {
    let login = fields.login()?;
    let _ = headers;
    match app
        .deps
        .community
        .accept_invite(login.user(), &Secret::new(code))
        .await
    {
        Ok(_) => Ok(Redirect::to("/").into_response()),
        Err(e) => {
            let p = Problem::from(e);
            Ok(message(&app, p.status, &p.detail))
        }
    }
}

/// `/status` as a page.
pub fn status(app: &App, services: &[ServiceStatus]) -> Response {
    let mut rows = String::new();
    for s in services {
        rows.push_str(&fill(
            "<tr><th scope=\"row\">{{name}}</th><td>{{state}}</td><td>{{details}}</td></tr>",
            &[
                ("name", Part::Text(&s.name)),
                ("state", Part::Text(if s.status { "up" } else { "down" })),
                ("details", Part::Text(&s.details)),
            ],
        ));
    }
    let main = fill(
        "<h1>Status</h1><table><thead><tr><th scope=\"col\">Service</th><th scope=\"col\">State</th>\
         <th scope=\"col\">Details</th></tr></thead><tbody>{{rows}}</tbody></table>",
        &[("rows", Part::Html(&rows))],
    );
    page(app, StatusCode::OK, "Status", &main)
}

/// `GET /style.css`.
pub async fn style() -> Response {
    let headers = [
        (header::CONTENT_TYPE, "text/css; charset=utf-8"),
        (header::CACHE_CONTROL, "public, max-age=3600"),
    ];
    (headers, STYLE).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_escaped() {
        let t = fill(
            "<b title=\"{{a}}\">{{b}}{{c}}</b>",
            &[("a", Part::Text("\"><script>'&")), ("b", Part::Html("<i>"))],
        );
        assert_eq!(t, "<b title=\"&quot;&gt;&lt;script&gt;&#39;&amp;\"><i></b>");
        assert_eq!(
            fill("{{a}}", &[("a", Part::Text("{{b}}")), ("b", Part::Text("x"))]),
            "{{b}}",
            "once"
        );
    }

    #[test]
    fn no_script_and_no_inline_style() {
        for t in [FRAME, LOGIN, ACCOUNT, TOKEN, INVITE] {
            assert!(
                !t.contains("<script") && !t.contains("style=") && !t.contains("javascript:"),
                "{t}"
            );
            let handler = |word: &str| word.starts_with("on") && word.contains('=');
            assert!(!t.split_whitespace().any(handler), "{t}");
        }
    }
}
