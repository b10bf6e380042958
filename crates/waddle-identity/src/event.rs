//! What happened to credentials, for those who hold live connections.

use waddle_core::{AccessTokenId, DeviceId, SessionId, UserId};

use crate::CredentialId;

/// Something that ends live connections. A receiver that lags must check all it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IdentityEvent {
    /// A password was changed or a token revoked: connections that logged in with it end.
    CredentialRevoked {
        /// Whose.
        user: UserId,
        /// Which.
        credential: CredentialId,
    },
    /// An account is gone: all of its connections end.
    AccountDeleted {
        /// Whose.
        user: UserId,
    },
    /// An account was disabled: all of its connections end.
    AccountDisabled {
        /// Whose.
        user: UserId,
    },
    /// A personal access token was revoked: its event streams end.
    AccessTokenRevoked {
        /// Whose.
        user: UserId,
        /// Which.
        token: AccessTokenId,
    },
    /// A device's credential was revoked.
    DeviceRevoked {
        /// Which device.
        device: DeviceId,
    },
    /// A web session ended: its WebSocket and event streams end.
    SessionEnded {
        /// Whose.
        user: UserId,
        /// Which.
        session: SessionId,
    },
}
