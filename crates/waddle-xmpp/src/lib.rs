//! The XMPP server: listeners, connection actor, sessions, router, one file per XEP. RFC 6120 and 6121 over TCP, TLS,
//! WebSocket (RFC 7395) and BOSH; `specs/xmpp.md` is the profile.
//!
//! ```text
//! socket ─► connection: state decides, actor does ─► router ─► xep: rewrite, archive, copy ─► commit ─► outboxes ─► sockets
//!                                                       └► service: rooms, publish-subscribe, uploads, spaces, components
//! ```
//! Begin with [`XmppServer`]; then [`connection`] is one stream (`adrs/0001-actors-and-outboxes.md`), [`router`] says where a
//! stanza goes, [`xep`] is the shape of an extension and [`xep::registry`] the list of all, [`command`] what people run by
//! form, [`service`] what answers at a host beside the domain.
//!
//! Invariants: every stanza, whoever sends it, goes one way through [`router::Origin`]; a message is committed before it is
//! acknowledged or delivered, and delivered in the order of the commits; nobody waits for a client's socket; what is
//! advertised works.

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
pub use personal::picture::Avatar;
pub use server::{Deps, Listening, Server, XmppServer};
