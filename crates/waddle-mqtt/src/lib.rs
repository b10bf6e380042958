//! The MQTT broker of Waddle: 3.1, 3.1.1 and 5.0 on one port, TCP, TLS and WebSocket; mounts, authorization at every
//! point, durable sessions (`specs/mqtt.md`, `specs/topics.md`, `adrs/0008-mqtt-broker-core.md`).
//!
//! ```text
//! socket ─ connection task: codec → route (cached: space, right, receivers) → run
//!             run ─ sinks (feeds) ─ outboxes of receivers: shared bytes at QoS 0, the run itself above
//!                 └ server.db / waddle.db, where somebody durable must get it or it is retained; then PUBACK
//! outbox ─ connection task: window, packet identifiers, aliases → one vectored write per wake
//! ```

mod broker;
mod codec;
mod config;
mod connection;
mod core;
mod error;
mod link;
mod listener;
mod live;
mod message;
mod metrics;
mod mount;
pub mod policy;
mod restore;
mod retained;
mod revoke;
mod route;
pub mod rules;
mod session;
mod sessions;
mod sink;
mod space;
mod store;
mod sys;
mod ticket;
mod timers;
mod trie;

pub use broker::{Addresses, Broker, BrokerActor, ConnectionInfo, Publish, RetainedMessage};
pub use codec::Reason;
pub use config::{BrokerConfig, Listen, Tls};
pub use core::OperatorsOnly;
pub use error::{Error, PublishError};
pub use live::LivePolicy;
pub use metrics::Figures;
pub use mount::Mount;
pub use sink::{PublishSink, Published};
