//! Who a request is from: a session's access token as a bearer, or its cookie, which for changes needs the CSRF token
//! beside it (`specs/http.md`).

use std::{collections::HashMap, time::Instant};

use axum::{
    Form,
    extract::{FromRequest, FromRequestParts, Request, State},
    http::{HeaderMap, HeaderValue, Method, header, request::Parts},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use waddle_core::{Secret, UserId};
use waddle_identity::Session;

use crate::{App, client::Client, problem::Problem, rest::Json};

/// The header that must hold the CSRF token.
pub const CSRF_HEADER: &str = "x-csrf-token";
/// The field of a form that must hold it.
pub const CSRF_FIELD: &str = "csrf";

/// A cookie of ours: its name with and without TLS, and where it is sent.
#[derive(Debug, Clone, Copy)]
pub struct Cookie {
    secure_name: &'static str,
    plain_name: &'static str,
}

/// The session.
pub const SESSION: Cookie = Cookie {
    secure_name: "__Host-waddle_session",
    plain_name: "waddle_session",
};
/// The browser that began a login.
pub const BROWSER: Cookie = Cookie {
    secure_name: "__Host-waddle_login",
    plain_name: "waddle_login",
};
/// Where to go after login.
pub const NEXT: Cookie = Cookie {
    secure_name: "__Host-waddle_next",
    plain_name: "waddle_next",
};

impl Cookie {
    fn name(self, https: bool) -> &'static str {
        if https { self.secure_name } else { self.plain_name }
    }

    /// Its value in a request.
    pub fn of(self, headers: &HeaderMap, https: bool) -> Option<&str> {
        let name = self.name(https);
        let values = headers
            .get_all(header::COOKIE)
            .iter()
            .filter_map(|v| v.to_str().ok());
        values
            .flat_map(|v| v.split(';'))
            .filter_map(|pair| pair.trim().split_once('='))
            .find_map(|(k, v)| (k == name).then_some(v))
    }

    /// The header that sets it for so many seconds; 0 removes it. `value` is of `[A-Za-z0-9_%./-]`.
    pub fn set(self, value: &str, seconds: u64, https: bool) -> HeaderValue {
        let secure = if https { "; Secure" } else { "" };
        let name = self.name(https);
        let text = format!("{name}={value}; Path=/; HttpOnly; SameSite=Lax; Max-Age={seconds}{secure}");
        HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static(""))
    }
}

/// How somebody showed who they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Via {
    /// `Authorization: Bearer`.
    Bearer,
    /// The cookie.
    Cookie,
}

/// A live session, found before the handlers run.
#[derive(Debug, Clone)]
pub struct Known {
    /// The session.
    pub session: Session,
    /// How it was shown.
    pub via: Via,
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let text = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = text.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}

/// Looks the session up and takes one request from the bucket of its account, or else of the address.
pub async fn authenticate(State(app): State<App>, mut req: Request, next: Next) -> Response {
    let https = app.config.is_https();
    let shown = match bearer(req.headers()) {
        Some(t) => Some((Secret::new(t), Via::Bearer)),
        None => SESSION
            .of(req.headers(), https)
            .map(|t| (Secret::new(t), Via::Cookie)),
    };
    let mut key = None;
    if let Some((token, via)) = shown {
        match app.deps.identity.session_for(&token).await {
            Ok(Some(session)) => {
                key = Some(session.account.user.to_string());
                req.extensions_mut().insert(Known { session, via });
            }
            Ok(None) => {}
            Err(e) => return Problem::from(e).into_response(),
        }
    }
    if app.config.rate_limits {
        let key = key.unwrap_or_else(|| {
            let addr = req.extensions().get::<Client>().map(|c| c.addr);
            addr.map_or_else(String::new, |a| a.to_string())
        });
        if let Err(wait) = app.rates.take(&key, Instant::now()) {
            return Problem::too_many(wait).into_response();
        }
    }
    next.run(req).await
}

/// Somebody logged in. A change made with the cookie needs the header with the CSRF token.
#[derive(Debug, Clone)]
pub struct Auth(pub Session);

impl Auth {
    /// Who it is, for permissions.
    pub fn user(&self) -> &UserId {
        &self.0.account.user
    }
}

impl FromRequestParts<App> for Auth {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let known = parts
            .extensions
            .get::<Known>()
            .ok_or_else(Problem::unauthorized)?;
        let safe = matches!(parts.method, Method::GET | Method::HEAD | Method::OPTIONS);
        if !safe && known.via == Via::Cookie {
            let shown = parts
                .headers
                .get(CSRF_HEADER)
                .and_then(|v| v.to_str().ok())
                .unwrap_or_default();
            if !app.deps.identity.csrf_fits(&known.session, shown) {
                return Err(Problem::csrf());
            }
        }
        Ok(Self(known.session.clone()))
    }
}

/// A session if there is one, for pages.
#[derive(Debug, Clone)]
pub struct MaybeAuth(pub Option<Session>);

impl FromRequestParts<App> for MaybeAuth {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _app: &App) -> Result<Self, Self::Rejection> {
        Ok(Self(parts.extensions.get::<Known>().map(|k| k.session.clone())))
    }
}

/// Whether a request's body is an HTML form: a browser without script, which wants a page as the answer.
pub fn is_form(headers: &HeaderMap) -> bool {
    headers
        .get(header::CONTENT_TYPE)
        .and_then(|v| v.to_str().ok())
        .is_some_and(|t| t.starts_with("application/x-www-form-urlencoded"))
}

/// Fields of a form, or of a JSON object's texts; where somebody is logged in by cookie, with the CSRF token checked.
#[derive(Debug, Clone)]
pub struct Fields {
    /// Who, if anybody.
    pub session: Option<Session>,
    /// The fields; empty where there was no body.
    pub values: HashMap<String, String>,
    /// Whether an HTML form sent them.
    pub form: bool,
}

impl Fields {
    /// The session, or 401.
    pub fn auth(&self) -> Result<Auth, Problem> {
        self.session.clone().map(Auth).ok_or_else(Problem::unauthorized)
    }

    /// A field.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str)
    }
}

impl FromRequest<App> for Fields {
    type Rejection = Problem;

    async fn from_request(req: Request, app: &App) -> Result<Self, Problem> {
        let form = is_form(req.headers());
        let known = req.extensions().get::<Known>().cloned();
        let header = req
            .headers()
            .get(CSRF_HEADER)
            .and_then(|v| v.to_str().ok())
            .map(str::to_owned);
        let cross_site = is_cross_site(req.headers(), app);
        let has_body = req.headers().contains_key(header::CONTENT_TYPE);
        let values: HashMap<String, String> = if form {
            let Form(v) = Form::from_request(req, app)
                .await
                .map_err(|e| Problem::of_status(e.status(), e.body_text()))?;
            v
        } else if has_body {
            <Json<HashMap<String, String>> as FromRequest<App>>::from_request(req, app)
                .await?
                .0
        } else {
            HashMap::new()
        };
        if form && cross_site {
            return Err(Problem::csrf());
        }
        if let Some(known) = known.as_ref().filter(|k| k.via == Via::Cookie) {
            let shown = header
                .or_else(|| values.get(CSRF_FIELD).cloned())
                .unwrap_or_default();
            if !app.deps.identity.csrf_fits(&known.session, &shown) {
                return Err(Problem::csrf());
            }
        }
        Ok(Self {
            session: known.map(|k| k.session),
            values,
            form,
        })
    }
}

/// Whether a browser says that another site sent the request.
fn is_cross_site(headers: &HeaderMap, app: &App) -> bool {
    let text = |name: &str| headers.get(name).and_then(|v| v.to_str().ok());
    match (text("sec-fetch-site"), text("origin")) {
        (Some(site), _) => !matches!(site, "same-origin" | "none"),
        (None, Some(origin)) => {
            let host = text("host").unwrap_or_default();
            origin != app.config.public_url.origin().ascii_serialization()
                && origin.split_once("://").is_none_or(|(_, o)| o != host)
        }
        (None, None) => false,
    }
}
