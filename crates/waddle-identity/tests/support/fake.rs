//! PLC directory, PDS and authorization server in one small HTTP server; each answer can be replaced by a lie.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};

pub const ALICE: &str = "did:plc:aaaaaaaaaaaaaaaaaaaaaaaa";
pub const BOB: &str = "did:plc:bbbbbbbbbbbbbbbbbbbbbbbb";

/// A request as it came in.
#[derive(Debug, Clone)]
pub struct Seen {
    pub method: String,
    pub path: String,
    pub body: String,
}

/// An answer instead of the honest one.
#[derive(Debug, Clone)]
pub enum Lie {
    /// This status and body.
    Answer(u16, Vec<u8>),
    /// This JSON with 200.
    Json(Value),
    /// A redirect to there.
    Redirect(String),
    /// Nothing, ever.
    Silence,
    /// Closes without an answer.
    Close,
}

/// The fake network.
#[derive(Clone)]
pub struct Fake {
    pub base: String,
    pub seen: Arc<Mutex<Vec<Seen>>>,
    lies: Arc<Mutex<HashMap<String, Lie>>>,
    /// `sub`, `scope` and `token_type` of the next tokens, and more fields.
    pub token: Arc<Mutex<Value>>,
}

pub fn form(body: &str) -> HashMap<String, String> {
    url::form_urlencoded::parse(body.as_bytes())
        .into_owned()
        .collect()
}

impl Fake {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let fake = Self {
            base,
            seen: Arc::default(),
            lies: Arc::default(),
            token: Arc::new(Mutex::new(json!({
                "access_token": "at-secret-1", "refresh_token": "rt-secret-1", "token_type": "DPoP",
                "expires_in": 3600, "scope": "atproto", "sub": ALICE,
            }))),
        };
        let me = fake.clone();
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                tokio::spawn(me.clone().serve(socket));
            }
        });
        fake
    }

    /// From now on `path` answers with `lie`.
    pub fn lie(&self, path: &str, lie: Lie) {
        self.lies.lock().unwrap().insert(path.to_owned(), lie);
    }

    /// `path` tells the truth again.
    pub fn honest_again(&self, path: &str) {
        self.lies.lock().unwrap().remove(path);
    }

    pub fn asked(&self, path: &str) -> usize {
        self.seen
            .lock()
            .unwrap()
            .iter()
            .filter(|s| s.path == path)
            .count()
    }

    /// The `state` of the last pushed authorization request.
    pub fn state(&self) -> String {
        let seen = self.seen.lock().unwrap();
        let par = seen.iter().rev().find(|s| s.path == "/par").unwrap();
        form(&par.body).remove("state").unwrap()
    }

    pub fn metadata(&self) -> Value {
        let b = &self.base;
        json!({
            "issuer": b, "authorization_endpoint": format!("{b}/authorize"), "token_endpoint": format!("{b}/token"),
            "pushed_authorization_request_endpoint": format!("{b}/par"), "revocation_endpoint": format!("{b}/revoke"),
            "require_pushed_authorization_requests": true, "dpop_signing_alg_values_supported": ["ES256"],
            "code_challenge_methods_supported": ["S256"], "scopes_supported": ["atproto"],
            "response_types_supported": ["code"], "grant_types_supported": ["authorization_code", "refresh_token"],
            "token_endpoint_auth_methods_supported": ["none", "private_key_jwt"],
            "token_endpoint_auth_signing_alg_values_supported": ["ES256"],
            "authorization_response_iss_parameter_supported": true, "client_id_metadata_document_supported": true,
        })
    }

    pub fn doc(&self, did: &str, handle: Option<&str>) -> Value {
        let mut doc = json!({
            "@context": ["https://www.w3.org/ns/did/v1"], "id": did,
            "service": [{"id": "#atproto_pds", "type": "AtprotoPersonalDataServer", "serviceEndpoint": self.base}],
        });
        if let Some(h) = handle {
            doc["alsoKnownAs"] = json!([format!("at://{h}")]);
        }
        doc
    }

    fn honest(&self, path: &str, query: &str) -> (u16, Value) {
        match path {
            "/.well-known/oauth-protected-resource" => (
                200,
                json!({"resource": self.base, "authorization_servers": [self.base], "scopes_supported": []}),
            ),
            "/.well-known/oauth-authorization-server" => (200, self.metadata()),
            "/xrpc/com.atproto.identity.resolveHandle" => match form(query).get("handle").map(String::as_str)
            {
                Some("alice.test") => (200, json!({"did": ALICE})),
                Some("bob.test") => (200, json!({"did": BOB})),
                _ => (400, json!({"error": "InvalidRequest"})),
            },
            "/par" => (201, json!({"request_uri": "urn:x:1", "expires_in": 60})),
            "/token" => (200, self.token.lock().unwrap().clone()),
            "/revoke" => (200, json!({})),
            p if p == format!("/{ALICE}") => (200, self.doc(ALICE, Some("alice.test"))),
            p if p == format!("/{BOB}") => (200, self.doc(BOB, Some("bob.test"))),
            _ => (404, json!({"error": "NotFound"})),
        }
    }

    async fn serve(self, mut socket: tokio::net::TcpStream) {
        let mut buf = Vec::new();
        let head = loop {
            if let Some(i) = buf.windows(4).position(|w| w == b"\r\n\r\n") {
                break i;
            }
            if socket.read_buf(&mut buf).await.unwrap_or(0) == 0 {
                return;
            }
        };
        let text = String::from_utf8_lossy(&buf[..head]).into_owned();
        let mut first = text.lines().next().unwrap().split(' ');
        let (method, target) = (first.next().unwrap().to_owned(), first.next().unwrap().to_owned());
        let length: usize = text
            .lines()
            .find_map(|l| {
                l.to_ascii_lowercase()
                    .strip_prefix("content-length:")
                    .map(|v| v.trim().parse().unwrap())
            })
            .unwrap_or(0);
        while buf.len() < head + 4 + length {
            if socket.read_buf(&mut buf).await.unwrap_or(0) == 0 {
                return;
            }
        }
        let (path, query) = target.split_once('?').unwrap_or((&target, ""));
        self.seen.lock().unwrap().push(Seen {
            method,
            path: path.to_owned(),
            body: String::from_utf8_lossy(&buf[head + 4..]).into_owned(),
        });
        let lie = self.lies.lock().unwrap().get(path).cloned();
        let (status, body, location) = match lie {
            Some(Lie::Answer(status, body)) => (status, body, None),
            Some(Lie::Json(v)) => (200, serde_json::to_vec(&v).unwrap(), None),
            Some(Lie::Redirect(to)) => (302, Vec::new(), Some(to)),
            Some(Lie::Silence) => return std::future::pending().await,
            Some(Lie::Close) => return,
            None => {
                let (status, v) = self.honest(path, query);
                (status, serde_json::to_vec(&v).unwrap(), None)
            }
        };
        let location = location.map(|l| format!("location: {l}\r\n")).unwrap_or_default();
        let head = format!(
            "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {}\r\n{location}connection: close\r\n\r\n",
            body.len()
        );
        let _ = socket.write_all(head.as_bytes()).await;
        let _ = socket.write_all(&body).await;
    }
}
