//! The hook through which other parts of the server see what is published, such as feeds.

use bytes::Bytes;
use waddle_core::{UserId, WaddleId};

/// A message that was accepted.
#[derive(Debug, Clone, Copy)]
pub struct Published<'a> {
    /// In whose topic space.
    pub waddle: WaddleId,
    /// The topic in that space, without any mount.
    pub topic: &'a str,
    /// The payload; a clone shares it.
    pub payload: &'a Bytes,
    /// As published.
    pub qos: u8,
    /// To be kept; an empty payload clears.
    pub retain: bool,
    /// Who published; none for the server itself.
    pub publisher: Option<&'a UserId>,
}

/// Sees every accepted message of the topics that it wants, in the order of each publisher.
pub trait PublishSink: Send + Sync + 'static {
    /// Whether messages to `topic` are wanted. Asked for every batch; must be quick.
    fn wants(&self, waddle: WaddleId, topic: &str) -> bool;
    /// A message was accepted. Must not block: it runs in the publisher's connection.
    fn published(&self, message: &Published<'_>);
}
