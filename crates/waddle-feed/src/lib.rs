//! Topics become feeds: bindings that turn device readings into channel messages (`rfcs/0002-device-feeds.md`,
//! `specs/feeds.md`).
//!
//! ```text
//! broker ─► FeedSink::published ─► mailbox ─► FeedActor ─► FeedState::handle ─► Rooms::post ─► archive, occupants
//! ```
//! The sink never blocks: a full mailbox drops the reading and counts it. `state` decides and knows no clock,
//! mailbox or room; `payload` reads what devices send.

mod actor;
mod bucket;
mod error;
mod feeds;
mod metrics;
mod payload;
mod state;

pub use error::FeedError;
pub use feeds::{FeedDeps, Feeds, Figures};
pub use payload::{Reading, read};
