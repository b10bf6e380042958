//! Asking the person (RFC 6749 §4.1.1, §4.1.2; RFC 9207).

use axum::{
    Extension,
    extract::{Path, Query, State},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Redirect, Response},
};
use serde::Deserialize;
use url::Url;

use super::{SCOPE, client::OauthClient, issuer, pending::AccessRequest, pending::Grant};
use crate::{
    App,
    auth::{Fields, MaybeAuth},
    client::{Client, network},
    pages::{Part, fill, message, page},
};

const PAGE: &str = include_str!("../../assets/consent.html");
/// Bytes of a program's `state`.
const STATE: usize = 512;

/// Query of `GET /oauth/authorize`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Authorize {
    response_type: String,
    client_id: String,
    redirect_uri: String,
    scope: Option<String>,
    state: Option<String>,
    code_challenge: String,
    code_challenge_method: String,
}

/// Back to the program.
fn back(app: &App, request: &AccessRequest, outcome: (&str, &str)) -> Response {
    let Ok(mut url) = Url::parse(&request.redirect_uri) else {
        return message(
            app,
            StatusCode::BAD_REQUEST,
            "The program's address is not readable.",
        );
    };
    url.query_pairs_mut()
        .append_pair(outcome.0, outcome.1)
        .append_pair("iss", &issuer(app));
    if let Some(state) = &request.state {
        url.query_pairs_mut().append_pair("state", state);
    }
    Redirect::to(url.as_str()).into_response()
}

fn over(app: &App) -> Response {
    message(
        app,
        StatusCode::GONE,
        "This request has expired or was answered already. Start again in your program.",
    )
}

/// `GET /oauth/authorize`. Anybody can register a program: nothing is redirected to one before the person has answered
/// (RFC 9700 §4.11.2).
pub async fn authorize(
    State(app): State<App>,
    Extension(asker): Extension<Client>,
    Query(q): Query<Authorize>,
) -> Response {
    let client = OauthClient::of(&app, &q.client_id).filter(|c| c.has(&q.redirect_uri));
    let Some(client) = client.filter(|_| q.state.as_ref().is_none_or(|s| s.len() <= STATE)) else {
        return message(
            &app,
            StatusCode::BAD_REQUEST,
            "The program that sent you here is not known, or wants to be sent somewhere else than it said.",
        );
    };
    let request = AccessRequest {
        client,
        client_id: q.client_id,
        redirect_uri: q.redirect_uri,
        state: q.state,
        challenge: q.code_challenge,
    };
    let problem = if q.response_type != "code" {
        Some("The program asks for something else than a code (unsupported_response_type).")
    } else if q.code_challenge_method != "S256" || request.challenge.len() != 43 {
        Some("The program does not protect its request with PKCE and S256 (invalid_request).")
    } else if q.scope.is_some_and(|s| s.split_whitespace().any(|s| s != SCOPE)) {
        Some("The program asks for access that is not given here (invalid_scope).")
    } else {
        None
    };
    if let Some(problem) = problem {
        return message(&app, StatusCode::BAD_REQUEST, problem);
    }
    match app.oauth.ask(network(asker.addr), request) {
        Some(id) => Redirect::to(&["/oauth/consent/", &id].concat()).into_response(),
        None => message(
            &app,
            StatusCode::SERVICE_UNAVAILABLE,
            "Too many programs ask at the moment. Try again in a minute.",
        ),
    }
}

/// `GET /oauth/consent/{id}`: the question, after login.
pub async fn ask(State(app): State<App>, MaybeAuth(session): MaybeAuth, Path(id): Path<String>) -> Response {
    let Some(request) = app.oauth.request(&id) else {
        return over(&app);
    };
    let Some(session) = session else {
        return Redirect::to(&["/login?next=/oauth/consent/", &id].concat()).into_response();
    };
    let identity = &app.deps.identity;
    let jid = identity.jid(&session.account.localpart);
    let jid = jid.map(|j| j.to_string()).unwrap_or_default();
    let target = Url::parse(&request.redirect_uri).ok();
    let place = match &target {
        Some(url) if url.scheme() == "https" => url.host_str().unwrap_or_default().to_owned(),
        _ => "a program on this device".to_owned(),
    };
    let main = fill(
        PAGE,
        &[
            ("name", Part::Text(&request.client.name)),
            ("place", Part::Text(&place)),
            ("jid", Part::Text(&jid)),
            ("id", Part::Text(&id)),
            ("csrf", Part::Text(&identity.csrf_token(&session))),
        ],
    );
    let mut response = page(&app, StatusCode::OK, "Access", &main);
    // The form is answered by a redirect to the program, which browsers count as its target.
    let target = target.map(|t| match t.host_str() {
        Some(host) => {
            let port = t
                .port()
                .map(|p| [":", &p.to_string()].concat())
                .unwrap_or_default();
            [t.scheme(), "://", host, &port].concat()
        }
        None => [t.scheme(), ":"].concat(),
    });
    let csp = [
        "default-src 'none'; style-src 'self'; form-action 'self' ",
        target.as_deref().unwrap_or_default(),
        "; base-uri 'none'; frame-ancestors 'none'",
    ]
    .concat();
    if let Ok(csp) = HeaderValue::from_str(&csp) {
        response
            .headers_mut()
            .insert(header::CONTENT_SECURITY_POLICY, csp);
    }
    response
}

/// `POST /oauth/consent/{id}`: the answer.
pub async fn answer(
    State(app): State<App>,
    Path(id): Path<String>,
    fields: Result<Fields, crate::Problem>,
) -> Response {
    let fields = match fields {
        Ok(f) => f,
        Err(p) => return message(&app, p.status, &p.detail),
    };
    let Some(session) = &fields.session else {
        return Redirect::to(&["/login?next=/oauth/consent/", &id].concat()).into_response();
    };
    let Some(request) = app.oauth.answer(&id) else {
        return over(&app);
    };
    if fields.get("allow") != Some("yes") {
        return back(&app, &request, ("error", "access_denied"));
    }
    let grant = Grant {
        request: request.clone(),
        user: session.account.user.clone(),
    };
    match app.oauth.grant(grant) {
        Some(code) => back(&app, &request, ("code", &code)),
        None => back(&app, &request, ("error", "server_error")),
    }
}
