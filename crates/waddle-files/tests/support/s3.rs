//! As much of S3 as the store uses: objects, parts, ranges, deletion. `WADDLE_TEST_S3=http://host:port` names a
//! real service instead (bucket `waddle`, any key).

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{Query, State},
    http::{HeaderMap, Method, StatusCode, Uri},
    response::{IntoResponse as _, Response},
};
use url::Url;
use waddle_core::Secret;
use waddle_files::S3Config;

type Objects = Arc<Mutex<BTreeMap<String, Vec<u8>>>>;

pub struct S3 {
    endpoint: Url,
    /// Keys and contents; parts of uploads under way have `#<number>` at their end.
    pub objects: Objects,
    pub external: bool,
}

impl S3 {
    pub async fn start() -> Self {
        let objects = Objects::default();
        if let Ok(endpoint) = std::env::var("WADDLE_TEST_S3") {
            return Self {
                endpoint: endpoint.parse().unwrap(),
                objects,
                external: true,
            };
        }
        let app = Router::new().fallback(answer).with_state(objects.clone());
        let app = app.layer(axum::extract::DefaultBodyLimit::max(16 << 20));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self {
            endpoint: endpoint.parse().unwrap(),
            objects,
            external: false,
        }
    }

    pub fn config(&self) -> S3Config {
        S3Config {
            bucket: "waddle".into(),
            region: Some("us-east-1".into()),
            endpoint: Some(self.endpoint.clone()),
            path_style: true,
            prefix: "chat/files".into(),
            access_key: Some("key".into()),
            secret_key: Some(Secret::new("secret")),
        }
    }

    pub fn keys(&self) -> Vec<String> {
        self.objects.lock().unwrap().keys().cloned().collect()
    }
}

fn xml(text: String) -> Response {
    ([("content-type", "application/xml")], text).into_response()
}

async fn answer(
    State(objects): State<Objects>,
    method: Method,
    uri: Uri,
    Query(query): Query<BTreeMap<String, String>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    assert!(
        headers
            .get("authorization")
            .unwrap()
            .to_str()
            .unwrap()
            .starts_with("AWS4-HMAC-SHA256")
    );
    let mut all = objects.lock().unwrap();
    let key = uri
        .path()
        .strip_prefix("/waddle")
        .unwrap()
        .trim_start_matches('/')
        .to_owned();
    let part = query.get("partNumber").map(|n| format!("{key}#{n:0>5}"));
    match method {
        Method::PUT => {
            let etag = format!("\"{}\"", body.len());
            all.insert(part.unwrap_or(key), body.to_vec());
            (StatusCode::OK, [("etag", etag)]).into_response()
        }
        Method::POST if query.contains_key("uploads") => xml(format!(
            "<InitiateMultipartUploadResult><UploadId>1-{key}</UploadId></InitiateMultipartUploadResult>"
        )),
        Method::POST if query.contains_key("uploadId") => {
            let mine = format!("{key}#");
            let parts: Vec<String> = all.keys().filter(|k| k.starts_with(&mine)).cloned().collect();
            let whole = parts.iter().flat_map(|k| all.remove(k).unwrap()).collect();
            all.insert(key, whole);
            xml("<CompleteMultipartUploadResult><ETag>\"x\"</ETag></CompleteMultipartUploadResult>".into())
        }
        Method::POST if query.contains_key("delete") => {
            let text = String::from_utf8(body.to_vec()).unwrap();
            for key in text
                .split("<Key>")
                .skip(1)
                .filter_map(|k| k.split("</Key>").next())
            {
                all.remove(key);
            }
            xml("<DeleteResult></DeleteResult>".into())
        }
        Method::DELETE if query.contains_key("uploadId") => {
            all.retain(|k, _| !k.starts_with(&format!("{key}#")));
            StatusCode::NO_CONTENT.into_response()
        }
        Method::DELETE => {
            all.remove(&key);
            StatusCode::NO_CONTENT.into_response()
        }
        Method::GET => match all.get(&key) {
            None => (StatusCode::NOT_FOUND, "<Error><Code>NoSuchKey</Code></Error>").into_response(),
            Some(bytes) => range(bytes, &headers),
        },
        _ => StatusCode::METHOD_NOT_ALLOWED.into_response(),
    }
}

fn range(bytes: &[u8], headers: &HeaderMap) -> Response {
    let asked = headers.get("range").map(|r| r.to_str().unwrap().to_owned());
    let (from, to) = match asked.as_deref().and_then(|r| r.strip_prefix("bytes=")) {
        Some(r) => {
            let (a, b) = r.split_once('-').unwrap();
            (a.parse().unwrap(), b.parse::<usize>().unwrap() + 1)
        }
        None => (0, bytes.len()),
    };
    let status = if asked.is_some() {
        StatusCode::PARTIAL_CONTENT
    } else {
        StatusCode::OK
    };
    Response::builder()
        .status(status)
        .header("etag", "\"x\"")
        .header("last-modified", "Sat, 31 Jan 2026 12:00:00 GMT")
        .header(
            "content-range",
            format!("bytes {from}-{}/{}", to - 1, bytes.len()),
        )
        .body(Body::from(bytes[from..to].to_vec()))
        .unwrap()
}
