//! Stanza errors: [RFC 6120 §8.3](https://www.rfc-editor.org/rfc/rfc6120#section-8.3).

use bytes::Bytes;

use crate::{Element, Outgoing, Stanza, XmlWriter, ns};

/// What the sender may do about an error (RFC 6120 §8.3.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorType {
    /// Retry after providing credentials.
    Auth,
    /// Do not retry.
    Cancel,
    /// Proceed; it was only a warning.
    Continue,
    /// Retry after changing what was sent.
    Modify,
    /// Retry after waiting.
    Wait,
}

impl ErrorType {
    /// The attribute's value.
    pub fn name(self) -> &'static str {
        match self {
            Self::Auth => "auth",
            Self::Cancel => "cancel",
            Self::Continue => "continue",
            Self::Modify => "modify",
            Self::Wait => "wait",
        }
    }

    /// The type of an attribute's value.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Auth, Self::Cancel, Self::Continue, Self::Modify, Self::Wait]
            .into_iter()
            .find(|t| t.name() == name)
    }
}

macro_rules! conditions {
    ($($(#[doc = $doc:literal])* $variant:ident = $name:literal $type:ident),* $(,)?) => {
        /// Why a stanza was not processed; every condition of RFC 6120 §8.3.3.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Condition {
            $($(#[doc = $doc])* $variant,)*
        }
        impl Condition {
            /// The element's name.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }
            /// The condition of an element's name.
            pub fn from_name(name: &str) -> Option<Self> {
                match name { $($name => Some(Self::$variant),)* _ => None }
            }
            /// The type that RFC 6120 recommends.
            pub fn default_type(self) -> ErrorType {
                match self { $(Self::$variant => ErrorType::$type,)* }
            }
        }
    };
}

conditions! {
    /// What was sent cannot be processed.
    BadRequest = "bad-request" Modify,
    /// Something of that name exists.
    Conflict = "conflict" Cancel,
    /// The feature is not implemented.
    FeatureNotImplemented = "feature-not-implemented" Cancel,
    /// The sender lacks the permission.
    Forbidden = "forbidden" Auth,
    /// The addressee is gone for good.
    Gone = "gone" Cancel,
    /// The server failed.
    InternalServerError = "internal-server-error" Cancel,
    /// The address or item does not exist.
    ItemNotFound = "item-not-found" Cancel,
    /// The address is malformed.
    JidMalformed = "jid-malformed" Modify,
    /// The rules do not allow it.
    NotAcceptable = "not-acceptable" Modify,
    /// Nobody may do this.
    NotAllowed = "not-allowed" Cancel,
    /// Credentials are needed.
    NotAuthorized = "not-authorized" Auth,
    /// A local policy is violated.
    PolicyViolation = "policy-violation" Modify,
    /// The addressee is not available for the moment.
    RecipientUnavailable = "recipient-unavailable" Wait,
    /// The addressee is elsewhere.
    Redirect = "redirect" Modify,
    /// Registration, or membership, is needed first.
    RegistrationRequired = "registration-required" Auth,
    /// A remote server does not exist.
    RemoteServerNotFound = "remote-server-not-found" Cancel,
    /// A remote server does not answer.
    RemoteServerTimeout = "remote-server-timeout" Wait,
    /// The server is too busy or something is full.
    ResourceConstraint = "resource-constraint" Wait,
    /// The service is not provided.
    ServiceUnavailable = "service-unavailable" Cancel,
    /// A subscription is needed first.
    SubscriptionRequired = "subscription-required" Auth,
    /// None of the others.
    UndefinedCondition = "undefined-condition" Cancel,
    /// Out of order.
    UnexpectedRequest = "unexpected-request" Wait,
}

/// An error to send back.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{} ({})", self.kind.name(), self.text.as_deref().unwrap_or_default())]
pub struct StanzaError {
    /// The condition.
    pub kind: Condition,
    /// What the sender may do.
    pub type_: ErrorType,
    /// A text in English that says what to do.
    pub text: Option<String>,
    /// Who raised it, where that is not the sender of the error.
    pub by: Option<Box<str>>,
    /// The new address of `gone` and `redirect`.
    pub address: Option<Box<str>>,
    /// A condition of an application: name and namespace.
    pub app: Option<(&'static str, &'static str)>,
    /// The feature that an application's `unsupported` names (XEP-0060).
    pub feature: Option<&'static str>,
    /// Further elements of an application, complete: details beside its condition.
    pub extra: Option<Box<Bytes>>,
}

impl From<Condition> for StanzaError {
    fn from(kind: Condition) -> Self {
        Self::new(kind)
    }
}

impl StanzaError {
    /// An error of the recommended type, without a text.
    pub fn new(kind: Condition) -> Self {
        Self {
            kind,
            type_: kind.default_type(),
            text: None,
            by: None,
            address: None,
            app: None,
            feature: None,
            extra: None,
        }
    }

    /// Sets the type.
    pub fn of_type(mut self, t: ErrorType) -> Self {
        self.type_ = t;
        self
    }

    /// Sets the text.
    pub fn text(mut self, text: impl Into<String>) -> Self {
        self.text = Some(text.into());
        self
    }

    /// Sets who raised it.
    pub fn by(mut self, by: impl Into<String>) -> Self {
        self.by = Some(by.into().into());
        self
    }

    /// Sets the new address (`gone`, `redirect`).
    pub fn address(mut self, address: impl Into<String>) -> Self {
        self.address = Some(address.into().into());
        self
    }

    /// Adds a condition of an application.
    pub fn app(mut self, name: &'static str, ns: &'static str) -> Self {
        self.app = Some((name, ns));
        self
    }

    /// Names the feature that is not supported (XEP-0060).
    pub fn feature(mut self, feature: &'static str) -> Self {
        self.feature = Some(feature);
        self
    }

    /// Adds elements of an application with what is in them.
    pub fn extra(mut self, elements: XmlWriter) -> Self {
        self.extra = Some(Box::new(elements.finish()));
        self
    }

    /// Writes the `<error/>` element.
    pub fn write(&self, w: &mut XmlWriter) {
        w.open("error")
            .attr("type", self.type_.name())
            .attr_opt("by", self.by.as_deref());
        w.open_ns(self.kind.name(), ns::STANZA_ERRORS);
        w.text(self.address.as_deref().unwrap_or_default()).close();
        if let Some(text) = &self.text {
            w.open_ns("text", ns::STANZA_ERRORS)
                .attr("xml:lang", "en")
                .text(text)
                .close();
        }
        if let Some((name, ns)) = self.app {
            w.open_ns(name, ns).attr_opt("feature", self.feature).close();
        }
        if let Some(extra) = &self.extra {
            w.trusted(extra);
        }
        w.close();
    }

    /// The error as an answer to `stanza`, from `from` or else from whom it was sent to. `None` where no error may be
    /// sent back: to an error, to the result of an IQ, to what is no stanza.
    pub fn reply_to(&self, stanza: &Stanza, from: Option<&str>) -> Option<Outgoing> {
        let sender = stanza.root().attr("from");
        self.reply(stanza, from, sender.as_deref())
    }

    /// Like [`StanzaError::reply_to`], to `to` in place of the sender in the stanza.
    pub fn reply(&self, stanza: &Stanza, from: Option<&str>, to: Option<&str>) -> Option<Outgoing> {
        if !stanza.may_bounce() {
            return None;
        }
        let root = stanza.root();
        let mut w = XmlWriter::with_capacity(384);
        w.open_ns(root.name(), ns::CLIENT).attr("type", "error");
        w.attr_opt("id", root.attr("id").as_deref());
        w.attr_opt("from", from.or(root.attr("to").as_deref()));
        w.attr_opt("to", to);
        self.write(&mut w);
        Some(w.outgoing(stanza.class()))
    }

    /// Reads an `<error/>` element; an unknown or missing condition is `undefined-condition`.
    pub fn read(error: Element<'_>) -> Self {
        let of_rfc = |c: &Element<'_>| c.in_ns(ns::STANZA_ERRORS) && c.name() != "text";
        let condition = error.children().find(of_rfc);
        let kind = condition
            .and_then(|c| Condition::from_name(c.name()))
            .unwrap_or(Condition::UndefinedCondition);
        let type_ = error.attr("type").and_then(|t| ErrorType::from_name(&t));
        Self {
            kind,
            type_: type_.unwrap_or(kind.default_type()),
            text: error.child_text("text", ns::STANZA_ERRORS).map(Into::into),
            by: error.attr("by").map(Into::into),
            address: condition
                .map(|c| c.text())
                .filter(|t| !t.is_empty())
                .map(Into::into),
            app: None,
            feature: None,
            extra: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reply_and_read() {
        let s = Stanza::parse("<iq type='get' id='a\"1' from='a@b/c' to='d'><x xmlns='urn:x'/></iq>".into())
            .unwrap();
        let e = StanzaError::new(Condition::PolicyViolation)
            .of_type(ErrorType::Wait)
            .text("Wait 3 s.")
            .app("too-fast", "urn:y");
        let out = e.reply_to(&s, None).unwrap();
        assert_eq!(
            out.concat(),
            "<iq xmlns=\"jabber:client\" type=\"error\" id=\"a&quot;1\" from=\"d\" to=\"a@b/c\"><error type=\"wait\">\
             <policy-violation xmlns=\"urn:ietf:params:xml:ns:xmpp-stanzas\"/>\
             <text xmlns=\"urn:ietf:params:xml:ns:xmpp-stanzas\" xml:lang=\"en\">Wait 3 s.</text>\
             <too-fast xmlns=\"urn:y\"/></error></iq>"
        );
        let back = out.to_stanza().unwrap();
        let read = StanzaError::read(back.root().child("error", ns::CLIENT).unwrap());
        assert_eq!(
            (read.kind, read.type_, read.text.as_deref()),
            (e.kind, e.type_, Some("Wait 3 s."))
        );
        assert!(
            e.reply_to(&back, None).is_none(),
            "no error is answered by an error"
        );
        let result = Stanza::parse("<iq type='result' id='1'/>".into()).unwrap();
        assert!(e.reply_to(&result, None).is_none());
    }
}
