//! `Idempotency-Key` of requests that make something
//! ([draft-ietf-httpapi-idempotency-key-header-07](https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/07/)):
//! asked twice, done once, answered twice.
//!
//! Good answers are kept per account, encrypted, for a day; what failed did nothing, and its key is free again. Of a
//! long answer it is kept where the thing is that was made, and it is read there again. Such a request is done to its
//! end even where the client hangs up.

use axum::{
    Router,
    body::Body,
    extract::{MatchedPath, Request, State},
    http::{HeaderName, HeaderValue, StatusCode, Uri, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use tower::ServiceExt as _;
use waddle_identity::{Account, Repeat};

use super::conditional::read_of;
use crate::{App, auth::Known, problem::Problem};

const KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// Of an answer that was given before.
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");
const LONGEST: usize = 255;

/// An answer as it is kept.
#[derive(Serialize, Deserialize)]
struct Kept {
    status: u16,
    location: Option<String>,
    kind: Option<String>,
    /// Nothing where it was long.
    body: Option<String>,
}

impl Kept {
    fn of(parts: &axum::http::response::Parts, body: &[u8], most: usize) -> Self {
        let text = |name: HeaderName| Some(parts.headers.get(name)?.to_str().ok()?.to_owned());
        let short = (body.len() <= most).then(|| body.to_vec());
        Self {
            status: parts.status.as_u16(),
            location: text(header::LOCATION),
            kind: text(header::CONTENT_TYPE),
            body: short.and_then(|b| String::from_utf8(b).ok()),
        }
    }

    /// Asks for what was made as it is now.
    fn place(&self, asked: &Request) -> Option<Request> {
        let place: Uri = self.location.as_deref()?.parse().ok()?;
        Some(read_of(asked, Uri::from(place.path_and_query()?.clone())))
    }

    /// The answer; with what `get` is answered where it was too long to be kept.
    async fn again(mut self, router: Router, get: Option<Request>) -> Result<Response, Problem> {
        if let Some(text) = self.body.take() {
            return Ok(self.with(Body::from(text)));
        }
        if let Some(get) = get {
            let Ok(answer) = router.oneshot(get).await;
            if answer.status() == StatusCode::OK {
                return Ok(self.with(answer.into_body()));
            }
        }
        Err(Problem::new(
            StatusCode::GONE,
            "done",
            "this request was done before; what it made is not there any more",
        ))
    }

    fn with(self, body: Body) -> Response {
        let mut r = Response::new(body);
        *r.status_mut() = StatusCode::from_u16(self.status).unwrap_or(StatusCode::CREATED);
        let headers = r.headers_mut();
        for (name, text) in [
            (header::LOCATION, self.location),
            (header::CONTENT_TYPE, self.kind),
        ] {
            if let Some(value) = text.and_then(|t| HeaderValue::from_str(&t).ok()) {
                headers.insert(name, value);
            }
        }
        headers.insert(REPLAYED, HeaderValue::from_static("true"));
        r
    }
}

fn digest(parts: &[&[u8]]) -> [u8; 32] {
    let mut context = ring::digest::Context::new(&ring::digest::SHA256);
    for part in parts {
        context.update(&(part.len() as u64).to_be_bytes());
        context.update(part);
    }
    let mut out = [0; 32];
    out.copy_from_slice(context.finish().as_ref());
    out
}

fn conflict(detail: &str) -> Problem {
    Problem {
        retry_after: Some(1),
        ..Problem::new(StatusCode::CONFLICT, "under-way", detail)
    }
}

/// Does what makes something once per key.
pub async fn idempotent(
    State((app, router)): State<(App, Router)>,
    req: Request,
    next: Next,
) -> Result<Response, Problem> {
    let creates = req
        .extensions()
        .get::<MatchedPath>()
        .and_then(|path| app.document.rules.get(req.method(), path.as_str()))
        .is_some_and(|rule| rule.creates);
    let (Some(shown), Some(known)) = (
        req.headers().get(KEY).cloned(),
        req.extensions().get::<Known>().cloned(),
    ) else {
        return Ok(next.run(req).await);
    };
    if !creates {
        return Ok(next.run(req).await);
    }
    let visible = shown.as_bytes().iter().all(u8::is_ascii_graphic);
    if shown.is_empty() || shown.len() > LONGEST || !visible {
        return Err(Problem::bad_request(
            "Idempotency-Key: expected 1 to 255 visible characters",
        ));
    }
    let (parts, body) = req.into_parts();
    let body = axum::body::to_bytes(body, app.config.limits.http_body_bytes)
        .await
        .map_err(|_| Problem::of_status(StatusCode::PAYLOAD_TOO_LARGE, String::new()))?;
    let address = parts.uri.to_string();
    let key = digest(&[shown.as_bytes()]);
    let request = digest(&[parts.method.as_str().as_bytes(), address.as_bytes(), &body]);
    match app
        .deps
        .identity
        .begin_request(&known.account, key, request)
        .await?
    {
        Repeat::First => {}
        Repeat::UnderWay => {
            return Err(conflict(
                "the same request is being worked on; ask again in a moment",
            ));
        }
        Repeat::Other => {
            return Err(Problem::invalid(
                "this Idempotency-Key was used for another request; take a new one",
            ));
        }
        Repeat::Done(answer) => {
            let kept: Option<Kept> = serde_json::from_slice(&answer).ok();
            let gone = || Problem::of_status(StatusCode::INTERNAL_SERVER_ERROR, String::new());
            let kept = kept.ok_or_else(gone)?;
            let get = kept.place(&Request::from_parts(parts, Body::empty()));
            return kept.again(router, get).await;
        }
    }
    let req = Request::from_parts(parts, Body::from(body));
    // to its end, whoever waits for it
    let way = waddle_community::Via::now();
    let work = async move { finish(&app, &known.account, key, next.run(req).await).await };
    let done = match way {
        Some(way) => tokio::spawn(waddle_community::Via::clone(&way).scope(work)).await,
        None => tokio::spawn(work).await,
    };
    done.unwrap_or_else(|_| {
        Ok(Problem::of_status(StatusCode::INTERNAL_SERVER_ERROR, String::new()).into_response())
    })
}

fn unkept() -> Problem {
    Problem::of_status(StatusCode::INTERNAL_SERVER_ERROR, String::new())
}

async fn finish(
    app: &App,
    account: &Account,
    key: [u8; 32],
    response: Response,
) -> Result<Response, Problem> {
    let identity = &app.deps.identity;
    if !response.status().is_success() {
        identity.forget_request(account, key).await?;
        return Ok(response);
    }
    let most = app.config.limits.http_idempotency_bytes;
    let (parts, body) = response.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX)
        .await
        .map_err(|_| unkept())?;
    let kept = serde_json::to_vec(&Kept::of(&parts, &body, most)).map_err(|_| unkept())?;
    identity.keep_answer(account, key, &kept).await?;
    Ok(Response::from_parts(parts, Body::from(body)))
}
