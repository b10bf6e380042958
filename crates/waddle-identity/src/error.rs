//! What can go wrong with accounts and logins, and whose fault it is.

use std::time::Duration;

use waddle_storage::StorageError;

/// An operation on accounts, credentials or sessions failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The name is held by another account, or was by a deleted one.
    #[error("the name is taken")]
    NameTaken,
    /// The name is no localpart of RFC 7622, or one that a DID or a device could get.
    #[error("not a name for a local account: {0}")]
    Name(&'static str),
    /// The name to show is too long, or has characters that nobody sees or that turn the writing round.
    #[error("a display name has up to 100 characters, all of them visible")]
    DisplayName,
    /// The password is empty, over 1,024 bytes or has characters that RFC 8265 refuses.
    #[error("the password is empty, too long or has characters that are not allowed")]
    Password,
    /// There is no such account, credential, device or session.
    #[error("not found")]
    NotFound,
    /// The invitation is unknown, used or over, or it is for another name.
    #[error("this invitation was used, has expired or is for another name; ask for a new one")]
    Invitation,
    /// The account has as many open invitations as it may have.
    #[error("too many invitations are open; wait until some are used or over")]
    Invitations,
    /// The operation needs a local account, this one logs in with Bluesky.
    #[error("not a local account")]
    NotLocal,
    /// The account cannot go while these waddles have no other owner.
    #[error("still the only owner of {}; make somebody else owner or delete the waddle first", .0.join(", "))]
    OnlyOwner(Vec<String>),
    /// The memberships of an account.
    #[error(transparent)]
    Community(#[from] waddle_community::Error),
    /// A key file cannot be read, written or is damaged.
    #[error("key file {path}: {reason}")]
    KeyFile {
        /// The file.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A value at rest cannot be decrypted: the key file is not the one it was made with.
    #[error("a stored value cannot be decrypted; is the key file the right one?")]
    Sealed,
    /// The configuration cannot work.
    #[error("{0}")]
    Config(String),
    /// The database.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// A login failed. `reason` is what the metric counts and what the log may show.
#[derive(Debug, thiserror::Error)]
pub enum LoginError {
    /// Wrong user name or password, or a token that is unknown, expired or revoked.
    #[error("user name or password is wrong, or the token has expired; log in again")]
    NotAuthorized,
    /// The secret is right, but an administrator disabled the account.
    #[error("this account is disabled; ask an administrator")]
    Disabled,
    /// What was right once has ended (RFC 6120 §6.5.3).
    #[error("the token has expired; log in again")]
    Expired,
    /// Too many failed logins from this address.
    #[error("too many failed logins; try again in {} s", .0.as_secs().max(1))]
    Throttled(Duration),
    /// Too many logins are under way.
    #[error("too many logins are under way; try again in a minute")]
    Busy,
    /// The text is neither a handle nor a DID.
    #[error("not a handle (alice.example.com) or DID")]
    BadHandle,
    /// The handle leads to no DID, or its name answers with several.
    #[error("this handle could not be resolved")]
    UnknownHandle,
    /// The DID document does not name the handle, or is of another DID.
    #[error("the account does not confirm this handle")]
    HandleMismatch,
    /// The account's server cannot be reached or its answers are not as ATProto wants them.
    #[error("the account's server cannot be used: {0}")]
    Server(String),
    /// The person said no on the account's server.
    #[error("the login was not allowed on the account's server")]
    Denied,
    /// The `state` is unknown, used or too old.
    #[error("this login has expired or was completed already; start again")]
    StateExpired,
    /// The callback came in another browser than the one that began the login.
    #[error("this login was started in another browser; start again here")]
    OtherBrowser,
    /// Another account signed in than the one that was asked for.
    #[error("another account signed in than the one asked for")]
    OtherAccount,
    /// The tokens have not what was asked for.
    #[error("the account's server granted something else than was asked for: {0}")]
    WrongGrant(&'static str),
    /// Anything of ours.
    #[error(transparent)]
    Internal(#[from] Error),
}

impl LoginError {
    /// A short word for metrics and logs.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::NotAuthorized => "not-authorized",
            Self::Disabled => "disabled",
            Self::Expired => "credentials-expired",
            Self::Throttled(_) => "throttled",
            Self::Busy => "busy",
            Self::BadHandle => "bad-handle",
            Self::UnknownHandle => "unknown-handle",
            Self::HandleMismatch => "handle-mismatch",
            Self::Server(_) => "server",
            Self::Denied => "denied",
            Self::StateExpired => "state-expired",
            Self::OtherBrowser => "other-browser",
            Self::OtherAccount => "other-account",
            Self::WrongGrant(_) => "wrong-grant",
            Self::Internal(_) => "internal",
        }
    }
}

impl From<StorageError> for LoginError {
    fn from(e: StorageError) -> Self {
        Self::Internal(Error::Storage(e))
    }
}
