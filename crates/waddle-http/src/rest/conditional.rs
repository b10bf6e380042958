//! Conditional requests ([RFC 9110 §13](https://www.rfc-editor.org/rfc/rfc9110#section-13)) for every address of the API.
//!
//! The entity tag is a digest of what `GET` answers to this person. `If-Match` of a change is held against it at once
//! before the change, one change of an address at a time.

use std::hash::{BuildHasher as _, RandomState};

use axum::{
    Router,
    body::{Body, HttpBody as _},
    extract::{Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as B64};
use tokio::sync::Mutex;
use tower::ServiceExt as _;

use crate::{App, auth::Known, client::Client, problem::Problem};

/// Addresses whose conditional changes may go on beside one another.
const LANES: usize = 64;
/// The longest content that gets a tag.
const LONGEST: u64 = 8 * 1024 * 1024;

/// One conditional change of an address at a time.
#[derive(Debug)]
pub struct Conditions {
    lanes: [Mutex<()>; LANES],
    hash: RandomState,
}

impl Default for Conditions {
    fn default() -> Self {
        Self {
            lanes: std::array::from_fn(|_| Mutex::new(())),
            hash: RandomState::new(),
        }
    }
}

impl Conditions {
    fn lane(&self, path: &str) -> &Mutex<()> {
        let path = path.strip_prefix("/api/v1").unwrap_or(path);
        &self.lanes[self.hash.hash_one(path) as usize % LANES]
    }
}

/// Whether one of the tags of a header is `tag`, compared weakly (§13.1.2) or strongly (§13.1.1).
fn matches(headers: &HeaderMap, name: &HeaderName, tag: &str, strongly: bool) -> bool {
    let values = headers.get_all(name).iter().filter_map(|v| v.to_str().ok());
    values
        .flat_map(|v| v.split(','))
        .map(str::trim)
        .any(|t| t == "*" || t == tag || (!strongly && t.strip_prefix("W/") == Some(tag)))
}

/// Gives JSON and pictures their tag, which is told too.
async fn tagged(response: Response) -> Result<(Response, Option<String>), Problem> {
    let whole = response.headers().get(header::CONTENT_TYPE).is_some_and(|v| {
        let kind = v.as_bytes();
        kind.starts_with(b"application/json") || kind.starts_with(b"image/")
    });
    let size = response.body().size_hint().exact();
    if response.status() != StatusCode::OK || !whole || size.is_none_or(|s| s > LONGEST) {
        return Ok((response, None));
    }
    let (mut parts, body) = response.into_parts();
    let body = axum::body::to_bytes(body, LONGEST as usize)
        .await
        .map_err(|_| Problem::of_status(StatusCode::INTERNAL_SERVER_ERROR, String::new()))?;
    let digest = ring::digest::digest(&ring::digest::SHA256, &body);
    let tag = ["\"", &B64.encode(&digest.as_ref()[..16]), "\""].concat();
    if let Ok(value) = HeaderValue::from_str(&tag) {
        parts.headers.insert(header::ETAG, value);
    }
    Ok((Response::from_parts(parts, Body::from(body)), Some(tag)))
}

/// `GET` of an address by the person who asks.
pub(super) fn read_of(req: &Request, place: Uri) -> Request {
    let mut get = Request::new(Body::empty());
    *get.uri_mut() = place;
    if let Some(known) = req.extensions().get::<Known>() {
        get.extensions_mut().insert(known.clone());
    }
    if let Some(client) = req.extensions().get::<Client>() {
        get.extensions_mut().insert(*client);
    }
    get
}

/// The tag that a thing has now.
async fn current(router: Router, get: Request) -> Result<(StatusCode, Option<String>), Problem> {
    let Ok(response) = router.oneshot(get).await;
    let status = response.status();
    let (_, tag) = tagged(response).await?;
    Ok((status, tag))
}

/// Answers 304 and 412, and gives tags.
pub async fn conditional(
    State((app, router)): State<(App, Router)>,
    mut req: Request,
    next: Next,
) -> Result<Response, Problem> {
    if matches!(*req.method(), Method::GET | Method::HEAD) {
        // the head tells of the whole content; the body is taken off outside
        *req.method_mut() = Method::GET;
        let headers = req.headers().clone();
        let (response, tag) = tagged(next.run(req).await).await?;
        let Some(tag) = tag else { return Ok(response) };
        if !matches(&headers, &header::IF_NONE_MATCH, &tag, false) {
            return Ok(response);
        }
        let kept = response.headers().get(header::ETAG).cloned();
        let mut same = StatusCode::NOT_MODIFIED.into_response();
        if let Some(tag) = kept {
            same.headers_mut().insert(header::ETAG, tag);
        }
        return Ok(same);
    }
    let conditional = [header::IF_MATCH, header::IF_NONE_MATCH];
    if !conditional.iter().any(|name| req.headers().contains_key(name)) {
        return Ok(next.run(req).await);
    }
    // whoever sends slowly keeps nobody waiting
    let (parts, body) = req.into_parts();
    let body = axum::body::to_bytes(body, app.config.limits.http_body_bytes)
        .await
        .map_err(|_| Problem::of_status(StatusCode::PAYLOAD_TOO_LARGE, String::new()))?;
    let req = Request::from_parts(parts, Body::from(body));
    let _one_at_a_time = app.conditions.lane(req.uri().path()).lock().await;
    let (status, tag) = current(router, read_of(&req, req.uri().clone())).await?;
    let failed = |why| Err(Problem::new(StatusCode::PRECONDITION_FAILED, "changed", why));
    if req.headers().contains_key(header::IF_MATCH) {
        let holds = match (&tag, status) {
            (Some(tag), _) => matches(req.headers(), &header::IF_MATCH, tag, true),
            // the handler says what is wrong; what is gone is not made anew (§13.1.1)
            (None, StatusCode::NOT_FOUND) => *req.method() != Method::PUT,
            (None, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) => true,
            (None, _) => false,
        };
        if !holds {
            return failed("If-Match does not hold: it was changed meanwhile; read it again");
        }
    }
    if tag.is_some_and(|tag| matches(req.headers(), &header::IF_NONE_MATCH, &tag, false)) {
        return failed("If-None-Match does not hold: it is there already");
    }
    Ok(next.run(req).await)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comparison() {
        let headers = |text: &'static str| {
            let mut h = HeaderMap::new();
            h.insert(header::IF_MATCH, HeaderValue::from_static(text));
            h
        };
        let (strong, weak) = (true, false);
        for (text, how, expected) in [
            ("\"a\"", strong, true),
            ("\"b\", \"a\"", strong, true),
            ("W/\"a\"", strong, false),
            ("W/\"a\"", weak, true),
            ("*", strong, true),
            ("\"b\"", weak, false),
            ("a", weak, false),
        ] {
            assert_eq!(
                matches(&headers(text), &header::IF_MATCH, "\"a\"", how),
                expected,
                "{text}"
            );
        }
    }
}
