//! What a request may be answered instead of a result: the conditions of
//! [XEP-0060](https://xmpp.org/extensions/xep-0060.html) §6 to §8, and the failures of the storage.

use waddle_stanza::{Condition, ErrorType, StanzaError};
use waddle_storage::StorageError;

use crate::ns;

/// Why a request was not carried out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The protocol says no.
    #[error(transparent)]
    Refused(Box<StanzaError>),
    /// The database failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// The result of everything here.
pub type Result<T> = std::result::Result<T, Error>;

impl From<StanzaError> for Error {
    fn from(e: StanzaError) -> Self {
        Self::Refused(Box::new(e))
    }
}

impl From<Condition> for Error {
    fn from(c: Condition) -> Self {
        StanzaError::new(c).into()
    }
}

impl From<Error> for StanzaError {
    fn from(e: Error) -> Self {
        match e {
            Error::Refused(e) => *e,
            Error::Storage(e) if e.is_temporary() => Self::new(Condition::ResourceConstraint)
                .of_type(ErrorType::Wait)
                .text("try again in a moment"),
            Error::Storage(e) => {
                tracing::error!(error = %e, "a node could not be read or changed");
                Self::new(Condition::InternalServerError)
            }
        }
    }
}

fn with(kind: Condition, app: &'static str) -> StanzaError {
    StanzaError::new(kind).app(app, ns::ERRORS)
}

/// Something that is not done here, with the feature's name.
pub fn unsupported(feature: &'static str) -> Error {
    with(Condition::FeatureNotImplemented, "unsupported")
        .feature(feature)
        .into()
}

macro_rules! refusals {
    ($($(#[doc = $doc:literal])* $name:ident = $kind:ident $app:literal $type:ident;)*) => {$(
        $(#[doc = $doc])*
        pub fn $name() -> Error {
            with(Condition::$kind, $app).of_type(ErrorType::$type).into()
        }
    )*};
}

refusals! {
    /// §6.1.3.1
    invalid_jid = BadRequest "invalid-jid" Modify;
    /// §6.1.3.2
    presence_required = NotAuthorized "presence-subscription-required" Auth;
    /// §6.1.3.3
    not_in_group = NotAuthorized "not-in-roster-group" Auth;
    /// §6.1.3.4
    closed_node = NotAllowed "closed-node" Cancel;
    /// §6.1.3.7
    pending = NotAuthorized "pending-subscription" Auth;
    /// §6.1.3.9
    too_many_subscriptions = PolicyViolation "too-many-subscriptions" Wait;
    /// §6.2.3.2
    not_subscribed = UnexpectedRequest "not-subscribed" Cancel;
    /// §6.2.3.5
    invalid_subid = NotAcceptable "invalid-subid" Modify;
    /// §6.3.4.2
    jid_required = BadRequest "jid-required" Modify;
    /// §6.3.7
    invalid_options = BadRequest "invalid-options" Modify;
    /// §6.5.9.3
    items_for_subscribers = NotAuthorized "not-subscribed" Auth;
    /// §7.1.3.4
    payload_too_big = NotAcceptable "payload-too-big" Modify;
    /// §7.1.3.5
    invalid_payload = BadRequest "invalid-payload" Modify;
    /// §7.1.3.6
    item_required = BadRequest "item-required" Modify;
    /// §7.1.3.6
    payload_required = BadRequest "payload-required" Modify;
    /// §7.1.3.6
    item_forbidden = BadRequest "item-forbidden" Modify;
    /// §7.1.3.7
    node_full = Conflict "node-full" Cancel;
    /// §7.1.5
    precondition_not_met = Conflict "precondition-not-met" Cancel;
    /// §7.2.3.3
    nodeid_required = BadRequest "nodeid-required" Modify;
    /// §8.1.1, a node over what one person may make
    max_nodes = PolicyViolation "max-nodes-exceeded" Cancel;
}

/// What there is none of.
pub fn not_found() -> Error {
    Condition::ItemNotFound.into()
}

/// Who may not.
pub fn forbidden() -> Error {
    Condition::Forbidden.into()
}

/// What cannot be read.
pub fn bad_request(text: &str) -> Error {
    StanzaError::new(Condition::BadRequest).text(text).into()
}

/// What is read but not taken.
pub fn not_acceptable(text: &str) -> Error {
    StanzaError::new(Condition::NotAcceptable).text(text).into()
}

/// What is full.
pub fn full(text: &str) -> Error {
    StanzaError::new(Condition::ResourceConstraint).text(text).into()
}
