//! Topics become feeds: bindings that turn device readings into channel messages (`rfcs/0002-device-feeds.md`,
//! `specs/feeds.md`).
//!
//! ```text
//! broker ─► Feeds::wants (snapshot of filters) ─► Feeds::published: reads the payload ─► mailbox
//!        ─► FeedActor ─► FeedState: rate, surplus, order ─► a line at a time and channel ─► Rooms::post
//! ```
//! The broker never waits: a full mailbox drops the reading and counts it. `payload` reads what devices send,
//! `state` decides and knows no clock, mailbox or room, `actor` does what was decided, `feeds` knows which
//! waddles have an actor.

mod actor;
mod bucket;
mod feeds;
mod filters;
mod line;
mod metrics;
mod payload;
mod snapshot;
mod state;
mod surplus;

pub use feeds::{FeedDeps, Feeds, Figures};
pub use payload::{Number, Reading, Why, read};
