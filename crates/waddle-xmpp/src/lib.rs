//! The XMPP server: listeners, connection actor, sessions, router, one file per XEP.
//!
//! RFC 6120 and 6121 over TCP, TLS and WebSocket (RFC 7395); `specs/xmpp.md` is the profile,
//! `adrs/0001-actors-and-outboxes.md` says why a connection is one actor with an outbox.

pub mod address;
pub mod command;
pub mod component;
mod config;
pub mod connection;
pub mod direct;
mod error;
mod interests;
mod listener;
mod metrics;
mod nodes;
pub mod office;
mod personal;
pub mod push;
pub mod rate;
mod reports;
mod resume;
mod retention;
pub mod router;
mod server;
pub mod service;
pub mod session;
pub mod sessions;
pub mod takeout;
pub mod xep;

pub use config::{Registration, XmppConfig};
pub use connection::{Peer, ReadWrite, TextFrames};
pub use error::Error;
pub use server::{Deps, Listening, Server, XmppServer};
