//! What the tests of this crate share: the whole HTTP surface over a fresh directory, and requests to it.

pub mod rooms;
pub mod stream;

use std::{net::IpAddr, sync::Arc};

use axum::{
    Router,
    body::Body,
    http::{HeaderMap, Method, Request, StatusCode, header},
};
use serde_json::{Value, json};
use tempfile::TempDir;
use tower::ServiceExt as _;
use url::Url;
use waddle_community::Community;
use waddle_core::{Limits, ManualClock, Secret, Timestamp};
use waddle_files::{Files, FilesConfig};
use waddle_http::{Conn, HttpConfig, HttpDeps, ServiceStatus, router};
use waddle_identity::{Identity, IdentityConfig};
use waddle_storage::{Storage, StorageConfig};

/// Everything below HTTP, and the router on it.
pub struct Setup {
    pub router: Router,
    pub config: HttpConfig,
    pub deps: HttpDeps,
    pub identity: Identity,
    pub storage: Storage,
    pub clock: Arc<ManualClock>,
    pub dir: TempDir,
}

pub async fn open_with(change: impl FnOnce(&mut HttpConfig, &mut IdentityConfig)) -> Setup {
    let dir = tempfile::tempdir().unwrap();
    let clock = ManualClock::at("2026-01-31T12:00:00Z".parse::<Timestamp>().unwrap());
    let mut storage_config = StorageConfig::new(dir.path());
    storage_config.clock = clock.clone();
    let storage = Storage::open(storage_config).await.unwrap();
    let mut http = HttpConfig::new(Url::parse("http://127.0.0.1:3000").unwrap(), "example.org");
    http.xmpp_host = "xmpp.example.org".into();
    let mut id = IdentityConfig::new("example.org", http.public_url.clone(), dir.path());
    id.atproto.plc_url = Url::parse("http://127.0.0.1:9").unwrap();
    change(&mut http, &mut id);
    id.public_url = http.public_url.clone();
    id.limits = http.limits.clone();
    let identity = Identity::open(&storage, clock.clone(), id).await.unwrap();
    let limits = Arc::new(Limits::default());
    let mut files = FilesConfig::local(http.public_url.clone(), dir.path().join("uploads"));
    files.limits = http.limits.clone();
    let files = Files::open(files, storage.server(), clock.clone()).await.unwrap();
    let community = Community::open(storage.clone(), clock.clone(), limits, "example.org")
        .await
        .unwrap();
    let deps = HttpDeps {
        hooks: None,
        identity: identity.clone(),
        community,
        rooms: None,
        mqtt_connections: None,
        direct: None,
        files: Some(files),
        xmpp: None,
        bosh: None,
        mqtt: None,
        status: Arc::new(|| {
            Box::pin(async {
                vec![ServiceStatus {
                    name: "XMPP Server".into(),
                    status: true,
                    details: "xmpp.example.org:5222 (3 sessions) <b>".into(),
                }]
            })
        }),
        metrics: Some(Arc::new(|| "waddle_up 1\n".into())),
    };
    Setup {
        router: router(http.clone(), deps.clone()),
        config: http,
        deps,
        identity,
        storage,
        clock,
        dir,
    }
}

pub async fn open() -> Setup {
    open_with(|_, _| ()).await
}

/// An answer, read.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub text: String,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|e| panic!("{e}: {}", self.text))
    }
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |v| v.to_str().unwrap())
    }
    /// `name=value` of a cookie that it sets.
    pub fn cookie(&self, name: &str) -> Option<String> {
        let all = self.headers.get_all(header::SET_COOKIE).iter();
        all.map(|v| v.to_str().unwrap())
            .find(|v| v.starts_with(&format!("{name}=")))
            .map(str::to_owned)
    }
    /// Checks that it is a problem of this status.
    #[track_caller]
    pub fn is_problem(&self, status: u16) -> Value {
        assert_eq!(self.status.as_u16(), status, "{}", self.text);
        assert_eq!(
            self.header("content-type"),
            "application/problem+json",
            "{}",
            self.text
        );
        let v = self.json();
        assert_eq!(v["status"], status);
        assert!(
            v["type"].as_str().unwrap().starts_with("urn:waddle:problem:"),
            "{v}"
        );
        assert!(
            !v["detail"].as_str().unwrap().is_empty() && !v["title"].as_str().unwrap().is_empty(),
            "{v}"
        );
        v
    }
}

/// A request being built.
pub struct Ask<'a> {
    setup: &'a Setup,
    method: Method,
    path: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    conn: Conn,
}

impl Setup {
    pub fn ask(&self, method: &str, path: &str) -> Ask<'_> {
        Ask {
            setup: self,
            method: method.parse().unwrap(),
            path: path.to_owned(),
            headers: vec![("host".into(), "127.0.0.1:3000".into())],
            body: Vec::new(),
            conn: Conn {
                addr: "127.0.0.1".parse().unwrap(),
                tls: false,
            },
        }
    }
    pub fn get(&self, path: &str) -> Ask<'_> {
        self.ask("GET", path)
    }
    pub fn post(&self, path: &str) -> Ask<'_> {
        self.ask("POST", path)
    }

    /// Makes a local account and logs it in; its access token.
    pub async fn person(&self, name: &str) -> String {
        let password = Secret::new("correct horse");
        self.identity.create_local(name, &password, false).await.unwrap();
        self.token(name).await
    }
    /// A waddle of whoever this token is, with members.
    pub async fn waddle(&self, owner: &str, slug: &str, members: &[&str]) {
        let made = self.post("/waddles").bearer(owner).json(json!({"slug": slug}));
        let made = made.send().await;
        assert_eq!(made.status, 201, "{}", made.text);
        for user in members {
            let path = format!("/waddles/{slug}/members");
            let added = self.post(&path).bearer(owner).json(json!({"user": user}));
            let added = added.send().await;
            assert_eq!(added.status, 201, "{}", added.text);
        }
    }
    pub async fn token(&self, name: &str) -> String {
        let new = self
            .identity
            .login_local(name, &Secret::new("correct horse"))
            .await
            .unwrap();
        new.access_token.expose().to_owned()
    }
}

impl Ask<'_> {
    pub fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.retain(|(n, _)| n != name);
        self.headers.push((name.into(), value.into()));
        self
    }
    pub fn bearer(self, token: &str) -> Self {
        self.header("authorization", format!("Bearer {token}"))
    }
    pub fn cookie(self, cookie: &str) -> Self {
        let pair = cookie.split(';').next().unwrap().to_owned();
        self.header("cookie", pair)
    }
    pub fn json(mut self, body: Value) -> Self {
        self.body = body.to_string().into_bytes();
        self.header("content-type", "application/json")
    }
    pub fn form(mut self, body: &str) -> Self {
        self.body = body.as_bytes().to_vec();
        self.header("content-type", "application/x-www-form-urlencoded")
    }
    pub fn raw(mut self, kind: &str, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self.header("content-type", kind)
    }
    pub fn from(mut self, addr: &str) -> Self {
        self.conn.addr = addr.parse::<IpAddr>().unwrap();
        self
    }
    pub async fn send(self) -> Answer {
        let mut req = Request::builder().method(self.method).uri(&self.path);
        for (n, v) in &self.headers {
            req = req.header(n, v);
        }
        let mut req = req.body(Body::from(self.body)).unwrap();
        req.extensions_mut().insert(self.conn);
        let r = self.setup.router.clone().oneshot(req).await.unwrap();
        let (parts, body) = r.into_parts();
        let bytes = axum::body::to_bytes(body, 1 << 20).await.unwrap();
        Answer {
            status: parts.status,
            headers: parts.headers,
            text: String::from_utf8(bytes.to_vec()).unwrap(),
        }
    }
}
