//! Why the XMPP server could not do what its owner asked.

use std::{io, net::SocketAddr};

/// Errors of [`crate::XmppServer`]; errors on the wire are [`waddle_stanza`] values.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A listener could not be bound.
    #[error("cannot listen on {address} ({listener}): {source}")]
    Listen {
        /// `xmpp_listen` or `xmpps_listen`.
        listener: &'static str,
        /// The address that was asked for.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// Direct TLS was asked for without a certificate.
    #[error("direct TLS needs a certificate")]
    NoTls,
    /// The domain is no XMPP domain.
    #[error("not a domain: {0}")]
    Domain(#[from] waddle_core::JidError),
    /// The database failed.
    #[error(transparent)]
    Storage(#[from] waddle_storage::StorageError),
}
