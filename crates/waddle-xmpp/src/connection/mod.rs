//! One stream: its transport, its negotiation, its session — one actor (ADR 0001).
//!
//! `state` decides during negotiation and touches nothing; `actor` owns the mailbox, the socket and the
//! outbox and does what was decided; `bound` is what happens to stanzas of a bound session.

use std::{net::IpAddr, sync::Arc};

use kameo::{actor::Spawn as _, mailbox};

use crate::{address::Place, server::Server};

mod actor;
mod begin;
pub(crate) mod binding;
mod bound;
pub mod effects;
mod features;
mod lifecycle;
mod login;
mod negotiate;
pub mod sasl2;
mod sm;
pub mod state;
mod stream;
pub mod transport;

pub use actor::{ConnectionActor, End, Farewell, Parked, Probe, TakeOver};
pub(crate) use bound::{Buckets, Counted, PENDING, too_fast};
pub use transport::{ReadWrite, TextFrames, Transport};

/// Who is on the other end.
#[derive(Debug, Clone, Copy)]
pub struct Peer {
    /// The client's address, from a trusted proxy where there is one.
    pub address: IpAddr,
    /// `tcp`, `tls` or `websocket`, for metrics.
    pub transport: &'static str,
    /// Whether the bytes are already protected by TLS that ends here or at a trusted proxy.
    pub secure: bool,
}

/// How a connection begins.
pub(crate) enum Start {
    /// With a stream header.
    Stream(Transport),
    /// With a TLS handshake.
    DirectTls(transport::Socket),
}

/// Starts the actor of a new connection.
pub(crate) fn spawn(server: &Arc<Server>, start: Start, peer: Peer, place: Option<Place>) {
    // The mailbox is for control only; what is sent to the client goes through the outbox.
    let _ = ConnectionActor::spawn_with_mailbox(
        actor::Args {
            server: server.clone(),
            start,
            peer,
            place,
        },
        mailbox::bounded(8),
    );
}
