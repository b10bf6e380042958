//! What can go wrong with a broker and with publishing from within.

use std::{io, net::SocketAddr};

use waddle_storage::StorageError;

/// A broker does not start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An address cannot be listened on.
    #[error("MQTT cannot listen on {addr}: {source}")]
    Listen {
        /// Which.
        addr: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// Passwords would cross the network in the clear.
    #[error("MQTT without TLS on {0} would send passwords in the clear; use TLS or set allow_plaintext")]
    Plaintext(SocketAddr),
    /// The stored sessions cannot be read.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The broker has stopped.
    #[error("the MQTT broker has stopped")]
    Stopped,
}

/// A message from within was not published.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// The topic is no topic name, has too many levels or starts with `$`.
    #[error("not a topic that can be published to")]
    Topic,
    /// The user may not.
    #[error("not allowed to publish there")]
    Forbidden,
    /// There is no such waddle.
    #[error("no such waddle")]
    NoWaddle,
    /// The waddle has as many retained messages as it may.
    #[error("too many retained messages")]
    Quota,
    /// The message is too large.
    #[error("the message is too large")]
    TooLarge,
    /// It was handed to those who are connected, but could not be stored.
    #[error("the message could not be stored")]
    NotStored,
    /// The database failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
}
