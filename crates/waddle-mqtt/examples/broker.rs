//! A broker on its own, with one waddle whose only member is `alice` (password `alice-pw`), for conformance suites
//! and load tests: `cargo run --release --example broker -- 127.0.0.1:1883 /tmp/data [everybody]`; with `everybody`
//! whoever comes is she.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a tool for the desk")]

#[path = "../tests/support/policy.rs"]
#[allow(
    dead_code,
    clippy::allow_attributes,
    missing_docs,
    reason = "shared with the tests"
)]
mod policy;

use std::sync::Arc;

use waddle_core::{Limits, SystemClock};
use waddle_mqtt::{Broker, BrokerConfig, Listen, policy::Action};
use waddle_storage::{Storage, StorageConfig};

#[tokio::main]
async fn main() {
    let mut args = std::env::args().skip(1);
    let addr = args.next().unwrap_or_else(|| "127.0.0.1:1883".into());
    let dir = args.next().unwrap_or_else(|| "waddle-mqtt-data".into());
    std::fs::create_dir_all(&dir).unwrap();
    let everybody = args.next().is_some_and(|a| a == "everybody");
    let storage = Storage::open(StorageConfig::new(dir)).await.unwrap();
    let policy = policy::TestPolicy::new(&["penguins"]);
    policy.add("penguins", "alice");
    policy
        .everybody
        .store(everybody, std::sync::atomic::Ordering::Relaxed);
    // The Eclipse Paho suite wants one filter that is refused.
    policy.forbid("penguins", "alice", Action::Subscribe, "test/nosubscribe");
    storage.create_waddle(policy.waddle("penguins").id).await.unwrap();
    let broker = Broker::start(BrokerConfig {
        listen: vec![Listen {
            addr: addr.parse().unwrap(),
            tls: None,
            allow_plaintext: false,
        }],
        // The suite also wants a keep-alive of 120 cut to 60.
        limits: Limits {
            mqtt_keep_alive_seconds: 60,
            ..Limits::default()
        },
        rate_limits: false,
        storage,
        clock: Arc::new(SystemClock),
        policy,
    })
    .await
    .unwrap();
    println!("{:?}", broker.addresses().tcp);
    tokio::signal::ctrl_c().await.unwrap();
    broker.shutdown().await;
}
