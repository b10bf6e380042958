//! Why a room refuses something: a condition of RFC 6120 §8.3.3, whose fault it is, and a text that says what to do.

use std::borrow::Cow;

use waddle_stanza::{Condition, ErrorType, Outgoing, Stanza, StanzaError};

use crate::api::Sender;

/// A refusal, sent to whoever asked as a stanza error.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct Refusal {
    /// The condition.
    pub condition: Condition,
    /// The type.
    pub kind: ErrorType,
    /// What to do.
    pub text: Cow<'static, str>,
}

impl Refusal {
    /// The error stanza for whoever sent `stanza`; none where none may be sent.
    pub fn reply(&self, stanza: &Stanza, sender: &Sender) -> Option<Outgoing> {
        StanzaError::from(self).reply(stanza, None, Some(sender.jid.as_str()))
    }
}

impl From<&Refusal> for StanzaError {
    fn from(why: &Refusal) -> Self {
        Self::new(why.condition).of_type(why.kind).text(why.text.as_ref())
    }
}

/// The result of handling a stanza.
pub type Outcome<T = ()> = Result<T, Refusal>;

macro_rules! refusals {
    ($($(#[$doc:meta])* $name:ident: $condition:ident $kind:ident),* $(,)?) => {$(
        $(#[$doc])*
        pub fn $name(text: impl Into<Cow<'static, str>>) -> Refusal {
            Refusal { condition: Condition::$condition, kind: ErrorType::$kind, text: text.into() }
        }
    )*};
}

refusals! {
    /// The asker lacks the right: log in as another, or ask somebody to give it.
    forbidden: Forbidden Auth,
    /// Nobody, or not this one, may do this to that.
    not_allowed: NotAllowed Cancel,
    /// No such thing.
    item_not_found: ItemNotFound Cancel,
    /// Taken by somebody else, or against a rule that keeps the room whole.
    conflict: Conflict Cancel,
    /// Understood, but not so.
    bad_request: BadRequest Modify,
    /// Sender is no occupant, or the wish cannot be met as it stands.
    not_acceptable: NotAcceptable Modify,
    /// An address that is none.
    jid_malformed: JidMalformed Modify,
    /// A password is missing or wrong.
    not_authorized: NotAuthorized Auth,
    /// A plain room for members only.
    registration_required: RegistrationRequired Auth,
    /// Full, or switched off; later it may work.
    service_unavailable: ServiceUnavailable Wait,
    /// Too much is waiting; later it will work.
    busy: ResourceConstraint Wait,
    /// A rule of the waddle is against it: written another way it may pass.
    against_rules: PolicyViolation Modify,
    /// Slow mode: later it will pass.
    too_soon: PolicyViolation Wait,
    /// Nothing of the kind is done at this address.
    unserved: ServiceUnavailable Cancel,
    /// Nothing here answers that.
    unsupported: FeatureNotImplemented Cancel,
    /// The server failed.
    internal: InternalServerError Wait,
}
