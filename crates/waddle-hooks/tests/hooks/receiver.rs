//! A server that takes webhooks, or does not.

use std::sync::Arc;

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode},
    routing::post,
};
use parking_lot::Mutex;
use serde_json::Value;
use tokio::sync::mpsc;

use crate::world::PATIENCE;

/// A request that came.
#[derive(Debug)]
pub struct Got {
    pub id: String,
    pub timestamp: i64,
    pub signature: String,
    pub body: Bytes,
}

impl Got {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
    pub fn kind(&self) -> String {
        self.json()["type"].as_str().unwrap().to_owned()
    }
    pub fn text(&self) -> String {
        self.json()["data"]["message"]["body"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    }
}

type Shared = Arc<Mutex<(u16, String)>>;

/// The server.
pub struct Receiver {
    pub url: String,
    got: mpsc::UnboundedReceiver<Got>,
    answer: Shared,
}

impl Receiver {
    pub async fn start() -> Self {
        let (tell, got) = mpsc::unbounded_channel();
        let answer: Shared = Arc::new(Mutex::new((200, String::new())));
        let app = Router::new()
            .route("/hook", post(take))
            .with_state((tell, answer.clone()));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { url, got, answer }
    }

    /// What it answers from now on.
    pub fn answers(&self, status: u16, body: &str) {
        *self.answer.lock() = (status, body.to_owned());
    }

    pub async fn next(&mut self) -> Got {
        tokio::time::timeout(PATIENCE, self.got.recv())
            .await
            .expect("an event comes")
            .unwrap()
    }

    /// Whether nothing has come.
    pub fn is_quiet(&mut self) -> bool {
        self.got.try_recv().is_err()
    }
}

async fn take(
    State((tell, answer)): State<(mpsc::UnboundedSender<Got>, Shared)>,
    headers: HeaderMap,
    body: Bytes,
) -> (StatusCode, String) {
    let text = |name: &str| headers.get(name).map_or("", |v| v.to_str().unwrap()).to_owned();
    let _ = tell.send(Got {
        id: text("webhook-id"),
        timestamp: text("webhook-timestamp").parse().unwrap(),
        signature: text("webhook-signature"),
        body,
    });
    let (status, body) = answer.lock().clone();
    (StatusCode::from_u16(status).unwrap(), body)
}
