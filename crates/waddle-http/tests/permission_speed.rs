//! What a check costs over HTTP: a real socket, a waddle that holds the workload of `tests/peers/zanzibar`, and its client
//! as a process of its own. Run by `make bench-permissions`, which names both.
#![allow(
    clippy::allow_attributes,
    clippy::unwrap_used,
    clippy::panic,
    reason = "tests"
)]

#[path = "http/support/mod.rs"]
#[allow(dead_code, reason = "shared with the tests of the surface")]
mod support;

use std::{path::Path, process::Command};

use serde_json::json;
use support::open_with;
use tokio::net::TcpListener;
use waddle_community::permissions::Tuple;
use waddle_core::WaddleId;
use waddle_http::HttpServer;
use waddle_storage::repo::tuples;

/// As the server has it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement, for release builds"]
async fn checks_over_http() {
    let (Ok(workload), Ok(client)) = (
        std::env::var("WADDLE_WORKLOAD"),
        std::env::var("WADDLE_WORKLOAD_CLIENT"),
    ) else {
        println!("skipped: WADDLE_WORKLOAD and WADDLE_WORKLOAD_CLIENT name nothing");
        return;
    };
    let t = open_with(|http, _| http.rate_limits = false).await;
    let olga = t.person("olga").await;
    let body = json!({"slug": "penguins", "name": "Penguins"});
    let made = t.post("/waddles").bearer(&olga).json(body).send().await;
    let w: WaddleId = made.json()["id"].as_str().unwrap().parse().unwrap();
    let text = tokio::fs::read_to_string(Path::new(&workload).join("tuples.txt"))
        .await
        .unwrap();
    let list: Vec<Tuple> = text.lines().map(|l| l.parse().unwrap()).collect();
    let db = t.storage.waddle(w).await.unwrap();
    db.write(move |tx| {
        for t in &list {
            tuples::insert(tx, &t.object.to_string(), &t.relation, &t.subject.to_string())?;
        }
        Ok(())
    })
    .await
    .unwrap();
    t.deps.community.refresh(w).await.unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = HttpServer::start(t.config.clone(), t.deps.clone(), vec![listener], None).unwrap();
    let url = format!(
        "http://{}/api/v1/waddles/penguins/permissions/check",
        server.plain_addresses()[0]
    );
    let asked = move || {
        Command::new(client)
            .args([&workload, &url, &olga])
            .status()
            .unwrap()
    };
    let done = tokio::task::spawn_blocking(asked).await.unwrap();
    assert!(done.success());
}
