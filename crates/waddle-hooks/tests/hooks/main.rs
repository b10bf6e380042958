//! Webhooks in and out, bots and commands over real rooms and storage, with a real receiver over HTTP.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod bots;
mod crash;
mod incoming;
mod outgoing;
mod receiver;
mod rights;
mod world;
