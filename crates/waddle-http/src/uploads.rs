//! `/upload/{id}/{name}`: files are put once and read by everybody who knows the address
//! ([XEP-0363](https://xmpp.org/extensions/xep-0363.html), [RFC 9110](https://www.rfc-editor.org/rfc/rfc9110) §13 and
//! §14).
//!
//! What people upload is never code here: everything but a few kinds of media and plain text is to be saved, not shown,
//! and the policy forbids the rest.

use std::{
    net::IpAddr,
    ops::Range,
    time::{Duration, Instant, SystemTime},
};

use axum::{
    Extension,
    body::Body,
    extract::{Path, Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header, uri::Authority},
    response::{IntoResponse as _, Response},
};
use futures::StreamExt as _;
use waddle_core::Timestamp;
use waddle_files::{Error, Files, Stored};

use crate::{
    App,
    client::{Client, network},
    crowd::Place,
    problem::Problem,
};

const POLICY: &str = "sandbox; default-src 'none'; frame-ancestors 'none'";
const CORS: [(HeaderName, &str); 2] = [
    (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
    (
        header::ACCESS_CONTROL_EXPOSE_HEADERS,
        "Accept-Ranges, Content-Disposition, Content-Length, Content-Range, ETag, Location",
    ),
];
const METHODS: &str = "OPTIONS, HEAD, GET, PUT";

/// Any method on a file's address.
pub async fn file(
    State(app): State<App>,
    Extension(client): Extension<Client>,
    Path((id, name)): Path<(String, String)>,
    req: Request,
) -> Response {
    let outcome = match app.deps.files.clone() {
        Some(files) if is_here(&app, &files, &req) => answer(&app, client, &files, &id, &name, req).await,
        _ => Err(Problem::not_found("file")),
    };
    let mut response = outcome.unwrap_or_else(|problem| {
        // who guesses addresses is slowed down as one who asks the API
        let guess = matches!(problem.status, StatusCode::NOT_FOUND | StatusCode::FORBIDDEN);
        if guess
            && app.config.rate_limits
            && let Err(wait) = app.rates.take(&client.bucket(), Instant::now())
        {
            return Problem::too_many(wait).into_response();
        }
        problem.into_response()
    });
    for (name, value) in CORS {
        response
            .headers_mut()
            .insert(name, HeaderValue::from_static(value));
    }
    response
}

/// Where uploads have a host of their own, they are served there alone: away from the pages and their cookies.
fn is_here(app: &App, files: &Files, req: &Request) -> bool {
    let (ours, public) = (files.base(), &app.config.public_url);
    if ours.host_str() == public.host_str() {
        return true;
    }
    // HTTP/2 has it in the address
    let named = req.uri().authority().cloned().or_else(|| {
        let host = req.headers().get(header::HOST)?;
        host.to_str().ok()?.parse::<Authority>().ok()
    });
    match (named, ours.host_str()) {
        (Some(named), Some(ours)) => named.host().eq_ignore_ascii_case(ours),
        _ => false,
    }
}

async fn answer(
    app: &App,
    client: Client,
    files: &Files,
    id: &str,
    name: &str,
    req: Request,
) -> Result<Response, Problem> {
    match *req.method() {
        Method::GET | Method::HEAD => {
            let found = files.find(id, name).await?;
            let (parts, _) = req.into_parts();
            let place = app.downloads.enter(network(client.addr)).ok_or(Error::Busy)?;
            get(&found, parts.method == Method::HEAD, &parts.headers, place).await
        }
        Method::PUT => put(app, files, id, name, req).await,
        Method::OPTIONS => Ok((
            StatusCode::NO_CONTENT,
            [
                (header::ACCESS_CONTROL_ALLOW_METHODS, METHODS),
                (
                    header::ACCESS_CONTROL_ALLOW_HEADERS,
                    "Content-Type, Range, If-Range, If-Match, If-None-Match, If-Modified-Since",
                ),
                (header::ACCESS_CONTROL_MAX_AGE, "7200"),
                (header::ALLOW, METHODS),
            ],
        )
            .into_response()),
        _ => {
            let p = Problem::of_status(StatusCode::METHOD_NOT_ALLOWED, String::new());
            let mut r = p.into_response();
            r.headers_mut()
                .insert(header::ALLOW, HeaderValue::from_static(METHODS));
            Ok(r)
        }
    }
}

async fn put(app: &App, files: &Files, id: &str, name: &str, req: Request) -> Result<Response, Problem> {
    let (parts, body) = req.into_parts();
    let text = |name: HeaderName| parts.headers.get(name).and_then(|v| v.to_str().ok());
    let length = text(header::CONTENT_LENGTH)
        .and_then(|l| l.parse().ok())
        .ok_or_else(|| {
            Problem::new(
                StatusCode::LENGTH_REQUIRED,
                "length-required",
                "send Content-Length, exactly as it was announced",
            )
        })?;
    let token = parts.uri.query().and_then(|q| {
        q.split('&')
            .find_map(|pair| pair.strip_prefix("token="))
            .map(str::to_owned)
    });
    let token = token.unwrap_or_default();
    let kind = text(header::CONTENT_TYPE).map(str::to_owned);
    let mut upload = files.put(id, name, &token, length, kind.as_deref()).await?;

    let limits = &app.config.limits;
    let idle = Duration::from_secs(limits.upload_idle_seconds);
    let end = tokio::time::Instant::now() + Duration::from_secs(limits.upload_seconds);
    let mut body = body.into_data_stream();
    loop {
        let by = end.min(tokio::time::Instant::now() + idle);
        let next = tokio::time::timeout_at(by, body.next());
        match next.await {
            Ok(Some(Ok(bytes))) => upload.write(bytes).await?,
            Ok(None) => break,
            Ok(Some(Err(error))) => {
                tracing::debug!(%error, "an upload broke off");
                return Err(Problem::bad_request("the upload broke off"));
            }
            Err(_) => return Err(Problem::of_status(StatusCode::REQUEST_TIMEOUT, String::new())),
        }
    }
    upload.finish().await?;
    let location = HeaderValue::try_from(files.address(id, name));
    let mut response = StatusCode::CREATED.into_response();
    if let Ok(location) = location {
        response.headers_mut().insert(header::LOCATION, location);
    }
    Ok(response)
}

/// Which bytes a request wants.
#[derive(Debug, PartialEq, Eq)]
enum Wanted {
    All,
    Part(Range<u64>),
    /// Nothing of the file lies in the range.
    Nothing,
}

/// Reads `Range`: one range of bytes; other units, several ranges and nonsense are as if there was none
/// (RFC 9110 §14.2).
fn wanted(range: Option<&str>, size: u64) -> Wanted {
    let Some(spec) = range.and_then(|r| r.trim().strip_prefix("bytes=")) else {
        return Wanted::All;
    };
    let Some((first, last)) = spec.trim().split_once('-') else {
        return Wanted::All;
    };
    let number = |t: &str| -> Option<u64> {
        let digits = !t.is_empty() && t.bytes().all(|b| b.is_ascii_digit());
        // longer numbers than fit are beyond every end
        digits.then(|| t.parse().unwrap_or(u64::MAX))
    };
    match (first, number(first), number(last)) {
        ("", _, Some(0)) => Wanted::Nothing,
        ("", _, Some(n)) => Wanted::Part(size.saturating_sub(n)..size),
        (_, Some(from), _) if last.is_empty() && from < size => Wanted::Part(from..size),
        (_, Some(from), Some(to)) if from <= to && from < size => {
            Wanted::Part(from..to.saturating_add(1).min(size))
        }
        (_, Some(from), Some(to)) if from > to => Wanted::All,
        (_, Some(_), to) if last.is_empty() || to.is_some() => Wanted::Nothing,
        _ => Wanted::All,
    }
}

fn date(t: Timestamp) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(u64::try_from(t.secs()).unwrap_or(0))
}

/// Whether a list of entity tags has this one.
fn lists(header: &str, etag: &str) -> bool {
    let tags = header.split(',').map(str::trim);
    header.trim() == "*" || tags.map(|t| t.strip_prefix("W/").unwrap_or(t)).any(|t| t == etag)
}

/// A file, or what is to be said of it; its place is held as long as it is open.
async fn get(
    found: &Stored,
    head_only: bool,
    headers: &HeaderMap,
    place: Place<IpAddr>,
) -> Result<Response, Problem> {
    let text = |name: HeaderName| headers.get(name).and_then(|v| v.to_str().ok());
    let (etag, modified) = (found.etag(), date(found.modified()));
    let since = |name| text(name).and_then(|v| httpdate::parse_http_date(v).ok());
    let mut response = Response::new(Body::empty());
    let h = response.headers_mut();
    let mut put = |name, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            h.insert(name, value);
        }
    };
    let served = found.served();
    put(header::ETAG, &etag);
    put(header::LAST_MODIFIED, &httpdate::fmt_http_date(modified));
    put(header::ACCEPT_RANGES, "bytes");
    // an address never gets other contents; what was deleted is forgotten within a day
    put(header::CACHE_CONTROL, "private, max-age=86400, immutable");
    put(header::CONTENT_TYPE, served.kind);
    put(header::CONTENT_DISPOSITION, &found.disposition());
    put(header::CONTENT_SECURITY_POLICY, POLICY);
    put(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    put(
        HeaderName::from_static("cross-origin-resource-policy"),
        "cross-origin",
    );

    // RFC 9110 §13.2.2
    if text(header::IF_MATCH).is_some_and(|m| !lists(m, &etag)) {
        return Err(Problem::new(
            StatusCode::PRECONDITION_FAILED,
            "precondition",
            "the file is another than you have",
        ));
    }
    let unchanged = match text(header::IF_NONE_MATCH) {
        Some(tags) => lists(tags, &etag),
        None => since(header::IF_MODIFIED_SINCE).is_some_and(|t| modified <= t),
    };
    if unchanged {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        response.headers_mut().remove(header::CONTENT_TYPE);
        return Ok(response);
    }
    let size = found.size();
    let same = text(header::IF_RANGE)
        .is_none_or(|r| r.trim() == etag || httpdate::parse_http_date(r).is_ok_and(|t| t == modified));
    let range = text(header::RANGE).filter(|_| same);
    let part = match wanted(range, size) {
        Wanted::All => 0..size,
        Wanted::Part(part) => {
            *response.status_mut() = StatusCode::PARTIAL_CONTENT;
            let text = format!("bytes {}-{}/{size}", part.start, part.end - 1);
            if let Ok(value) = HeaderValue::try_from(text) {
                response.headers_mut().insert(header::CONTENT_RANGE, value);
            }
            part
        }
        Wanted::Nothing => {
            let p = Problem::of_status(
                StatusCode::RANGE_NOT_SATISFIABLE,
                "the file has no bytes there".into(),
            );
            let mut r = p.into_response();
            if let Ok(value) = HeaderValue::try_from(format!("bytes */{size}")) {
                r.headers_mut().insert(header::CONTENT_RANGE, value);
            }
            return Ok(r);
        }
    };
    let length = HeaderValue::from(part.end - part.start);
    response.headers_mut().insert(header::CONTENT_LENGTH, length);
    if !head_only {
        let contents = found.read(part).await?.map(move |bytes| {
            let _held = &place;
            bytes
        });
        *response.body_mut() = Body::from_stream(contents);
    }
    Ok(response)
}

impl From<Error> for Problem {
    fn from(e: Error) -> Self {
        let text = e.to_string();
        let busy = |seconds| Self {
            retry_after: Some(seconds),
            ..Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "busy",
                "the server cannot take or give files now; try again",
            )
        };
        match e {
            Error::NotFound => Self::not_found("file"),
            Error::Forbidden => Self::new(StatusCode::FORBIDDEN, "forbidden", text),
            Error::Conflict => Self::new(StatusCode::CONFLICT, "conflict", text),
            Error::Length(_) | Error::Cut(_) => Self::new(StatusCode::BAD_REQUEST, "length", text),
            Error::Kind(_) => Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "media-type", text),
            Error::Busy => busy(10),
            Error::Full => {
                tracing::error!("there is no space left for uploaded files");
                Self::new(StatusCode::INSUFFICIENT_STORAGE, "full", text)
            }
            e => {
                tracing::error!(error = %e, "uploaded files");
                busy(60)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges() {
        let ask = |r| wanted(Some(r), 100);
        assert_eq!(wanted(None, 100), Wanted::All);
        for (text, part) in [
            ("bytes=0-0", 0..1),
            ("bytes=0-", 0..100),
            ("bytes=10-19", 10..20),
            ("bytes=90-1000", 90..100),
            ("bytes=99-99999999999999999999999", 99..100),
            ("bytes=-1", 99..100),
            ("bytes=-1000", 0..100),
        ] {
            assert_eq!(ask(text), Wanted::Part(part), "{text}");
        }
        for text in [
            "bytes=100-",
            "bytes=100-200",
            "bytes=-0",
            "bytes=99999999999999999999-",
        ] {
            assert_eq!(ask(text), Wanted::Nothing, "{text}");
        }
        for text in [
            "bytes=5-4",
            "lines=1-2",
            "bytes=",
            "bytes=-",
            "bytes=a-b",
            "bytes=1-b",
            "bytes=0-1,5-6",
            "bytes=+1-2",
        ] {
            assert_eq!(ask(text), Wanted::All, "{text}");
        }
    }

    #[test]
    fn entity_tags() {
        assert!(lists("*", "\"a\"") && lists("\"b\", W/\"a\"", "\"a\"") && !lists("\"b\"", "\"a\""));
    }
}
