//! Who a request is from: a session's access token as a bearer, or its cookie, which for changes needs the CSRF token
//! beside it, or a personal access token, for what its scopes say (`specs/http.md`).

use std::{collections::HashMap, time::Instant};

use axum::{
    Form,
    extract::{FromRequest, FromRequestParts, MatchedPath, Request, State},
    http::{HeaderMap, HeaderValue, Method, header, request::Parts},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use waddle_core::{AccessTokenId, Secret, Timestamp, UserId};
use waddle_identity::{Account, CredentialId, Session};

use crate::{
    App,
    client::Client,
    problem::Problem,
    rest::{Json, Need, Scope},
};

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

/// How a login was shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Via {
    /// `Authorization: Bearer`.
    Bearer,
    /// The cookie.
    Cookie,
}

/// How somebody showed who they are.
#[derive(Debug, Clone)]
pub enum Proof {
    /// A login.
    Login(Session, Via),
    /// A token, which may do what its scopes say and no more.
    Token {
        /// The token, where it is a personal access token.
        id: Option<AccessTokenId>,
        /// The credential, where it is a bot's token.
        credential: Option<CredentialId>,
        /// What it may do.
        scopes: Vec<Scope>,
        /// When it ends.
        expires_at: Option<Timestamp>,
    },
}

impl Proof {
    /// What was shown, as its owner's lists name it: for the audit log.
    fn public_id(&self) -> Option<String> {
        match self {
            Self::Login(session, _) => Some(session.id.to_string()),
            Self::Token { id, credential, .. } => {
                let token = id.map(|t| t.to_string());
                token.or_else(|| credential.map(|c| c.to_string()))
            }
        }
    }
}

/// Who asks, found before the handlers run.
#[derive(Debug, Clone)]
pub struct Known {
    /// Their account.
    pub account: Account,
    /// How it was shown.
    pub proof: Proof,
}

impl Known {
    /// The login, if it is one.
    pub fn session(&self) -> Option<&Session> {
        match &self.proof {
            Proof::Login(session, _) => Some(session),
            Proof::Token { .. } => None,
        }
    }

    /// Whether an operation may be asked for at all with what was shown.
    fn may(&self, need: &Need) -> Result<(), Problem> {
        match (&self.proof, need) {
            (Proof::Login(..), _) | (_, Need::Nothing) => Ok(()),
            (Proof::Token { .. }, Need::Session) => Err(Problem::login_only()),
            (Proof::Token { scopes, .. }, Need::Scope(wanted)) => {
                if wanted.iter().any(|w| scopes.contains(w)) {
                    Ok(())
                } else {
                    Err(Problem::scope(wanted))
                }
            }
        }
    }
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let text = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = text.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}

/// Who shows this text.
async fn known(app: &App, shown: &Secret, via: Via) -> Result<Option<Known>, Problem> {
    let identity = &app.deps.identity;
    if let Some(session) = identity.session_for(shown).await? {
        return Ok(Some(Known {
            account: session.account.clone(),
            proof: Proof::Login(session, via),
        }));
    }
    if via == Via::Cookie {
        return Ok(None);
    }
    if let Some(bot) = identity.bot_token_for(shown).await? {
        return Ok(Some(Known {
            account: bot.account,
            proof: Proof::Token {
                id: None,
                credential: Some(bot.credential),
                scopes: bot.scopes.iter().filter_map(|s| s.parse().ok()).collect(),
                expires_at: bot.expires_at,
            },
        }));
    }
    let Some((account, token)) = identity.access_token_for(shown).await? else {
        return Ok(None);
    };
    let scopes = token.scopes.iter().filter_map(|s| s.parse().ok()).collect();
    Ok(Some(Known {
        account,
        proof: Proof::Token {
            id: Some(token.id),
            credential: None,
            scopes,
            expires_at: token.expires_at,
        },
    }))
}

/// Whom the rate of a request counts that nobody known makes.
fn bucket(req: &Request) -> String {
    let client = req.extensions().get::<Client>();
    client.map_or_else(String::new, |c| c.bucket())
}

/// Takes one request from the bucket of the address, for pages that ask nobody who they are.
pub async fn slow_down(State(app): State<App>, req: Request, next: Next) -> Response {
    if app.config.rate_limits
        && let Err(wait) = app.rates.take(&bucket(&req), Instant::now())
    {
        return app.rates.say(Problem::too_many(wait).into_response(), None);
    }
    next.run(req).await
}

/// Finds out who asks, takes one request from the bucket of the account, or else of the address, and refuses what a
/// token's scopes do not allow.
pub async fn authenticate(State(app): State<App>, mut req: Request, next: Next) -> Response {
    let https = app.config.is_https();
    let shown = match bearer(req.headers()) {
        Some(t) => Some((Secret::new(t), Via::Bearer)),
        None => SESSION
            .of(req.headers(), https)
            .map(|t| (Secret::new(t), Via::Cookie)),
    };
    let who = match &shown {
        Some((text, via)) => match known(&app, text, *via).await {
            Ok(who) => who,
            Err(problem) => return problem.into_response(),
        },
        None => None,
    };
    let mut left = None;
    let bot = who.as_ref().is_some_and(|known| known.account.user.is_bot());
    let rates = if bot { &app.bot_rates } else { &app.rates };
    if app.config.rate_limits {
        let key = match &who {
            Some(known) => known.account.user.to_string(),
            None => bucket(&req),
        };
        match rates.take(&key, Instant::now()) {
            Ok(l) => left = Some(l),
            Err(wait) => return rates.say(Problem::too_many(wait).into_response(), None),
        }
    }
    let rule = req
        .extensions()
        .get::<MatchedPath>()
        .and_then(|path| app.document.rules.get(req.method(), path.as_str()));
    // what is not in the document is for browsers
    let need = rule.map_or(&Need::Session, |r| &r.need);
    let is_void = who.is_none() && matches!(shown, Some((_, Via::Bearer)));
    let response = match who.as_ref().map(|known| known.may(need)) {
        Some(Err(problem)) => problem.into_response(),
        None if is_void && rule.is_some_and(|r| r.need != Need::Nothing) => {
            Problem::invalid_token().into_response()
        }
        _ => {
            let mut way = waddle_community::Via::new("http")
                .from_address(req.extensions().get::<Client>().map(|c| c.addr));
            if let Some(known) = who {
                if let Some(shown) = known.proof.public_id() {
                    way = way.with_token(shown);
                }
                req.extensions_mut().insert(known);
            }
            way.scope(next.run(req)).await
        }
    };
    match left {
        Some(_) => rates.say(response, left),
        None => response,
    }
}

fn csrf_checked(parts: &Parts, app: &App, known: &Known) -> Result<(), Problem> {
    let safe = matches!(parts.method, Method::GET | Method::HEAD | Method::OPTIONS);
    if let Proof::Login(session, Via::Cookie) = &known.proof
        && !safe
    {
        let shown = parts
            .headers
            .get(CSRF_HEADER)
            .and_then(|v| v.to_str().ok())
            .unwrap_or_default();
        if !app.deps.identity.csrf_fits(session, shown) {
            return Err(Problem::csrf());
        }
    }
    Ok(())
}

/// Somebody who may ask this, by a login or a token. A change made with the cookie needs the header with the CSRF token.
#[derive(Debug, Clone)]
pub struct Auth(pub Known);

impl Auth {
    /// Who it is, for permissions.
    pub fn user(&self) -> &UserId {
        &self.0.account.user
    }

    /// Their account.
    pub fn account(&self) -> &Account {
        &self.0.account
    }

    /// A token needs this scope, for what only some requests to an operation do.
    pub fn require(&self, scope: Scope) -> Result<(), Problem> {
        self.0.may(&Need::Scope(vec![scope]))
    }
}

impl FromRequestParts<App> for Auth {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let known = parts
            .extensions
            .get::<Known>()
            .ok_or_else(Problem::unauthorized)?;
        csrf_checked(parts, app, known)?;
        Ok(Self(known.clone()))
    }
}

/// Somebody logged in: no token does.
#[derive(Debug, Clone)]
pub struct Login(pub Session);

impl Login {
    /// Who it is, for permissions.
    pub fn user(&self) -> &UserId {
        &self.0.account.user
    }
}

impl FromRequestParts<App> for Login {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let known = parts
            .extensions
            .get::<Known>()
            .ok_or_else(Problem::unauthorized)?;
        csrf_checked(parts, app, known)?;
        known.session().cloned().map(Self).ok_or_else(Problem::login_only)
    }
}

/// A session if there is one, for pages.
#[derive(Debug, Clone)]
pub struct MaybeAuth(pub Option<Session>);

impl FromRequestParts<App> for MaybeAuth {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _app: &App) -> Result<Self, Self::Rejection> {
        let known = parts.extensions.get::<Known>();
        Ok(Self(known.and_then(Known::session).cloned()))
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
    pub fn login(&self) -> Result<Login, Problem> {
        self.session.clone().map(Login).ok_or_else(Problem::unauthorized)
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
        if let Some(Proof::Login(session, Via::Cookie)) = known.as_ref().map(|k| &k.proof) {
            let shown = header
                .or_else(|| values.get(CSRF_FIELD).cloned())
                .unwrap_or_default();
            if !app.deps.identity.csrf_fits(session, &shown) {
                return Err(Problem::csrf());
            }
        }
        Ok(Self {
            session: known.as_ref().and_then(Known::session).cloned(),
            values,
            form,
        })
    }
}

/// Whether a browser says that another site sent the request.
pub fn is_cross_site(headers: &HeaderMap, app: &App) -> bool {
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
