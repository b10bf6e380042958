//! Stream errors: [RFC 6120 §4.9.3](https://www.rfc-editor.org/rfc/rfc6120#section-4.9.3).

use bytes::Bytes;

use crate::{XmlWriter, ns};

macro_rules! conditions {
    ($($(#[doc = $doc:literal])* $variant:ident = $name:literal),* $(,)?) => {
        /// Why a stream ends; every condition of RFC 6120 §4.9.3.
        #[derive(Debug, Clone, PartialEq, Eq, Hash, thiserror::Error)]
        pub enum StreamError {
            $($(#[doc = $doc])* #[error($name)] $variant,)*
            /// The entity is served elsewhere: host, optionally with a port.
            #[error("see-other-host")]
            SeeOtherHost(String),
        }
        impl StreamError {
            /// The element's name.
            pub fn name(&self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                    Self::SeeOtherHost(_) => "see-other-host",
                }
            }
            /// The condition of a name; `see-other-host` comes without its host.
            pub fn from_name(name: &str) -> Option<Self> {
                match name {
                    $($name => Some(Self::$variant),)*
                    "see-other-host" => Some(Self::SeeOtherHost(String::new())),
                    _ => None,
                }
            }
        }
    };
}

conditions! {
    /// XML that cannot be processed.
    BadFormat = "bad-format",
    /// A prefix that is unsupported, or none where one is needed.
    BadNamespacePrefix = "bad-namespace-prefix",
    /// A newer stream of the same session has taken over, or the resource is taken.
    Conflict = "conflict",
    /// Nothing came for too long.
    ConnectionTimeout = "connection-timeout",
    /// The host of `to` is no longer served here.
    HostGone = "host-gone",
    /// The host of `to` is not served here.
    HostUnknown = "host-unknown",
    /// A stanza between servers lacks `to` or `from`.
    ImproperAddressing = "improper-addressing",
    /// The server cannot serve the stream for a reason of its own.
    InternalServerError = "internal-server-error",
    /// `from` does not match the authenticated identity.
    InvalidFrom = "invalid-from",
    /// The stream's namespace or its default namespace is wrong.
    InvalidNamespace = "invalid-namespace",
    /// Valid XML that the schema does not allow.
    InvalidXml = "invalid-xml",
    /// Something was sent before the stream was authenticated.
    NotAuthorized = "not-authorized",
    /// No well-formed or no namespace-well-formed XML.
    NotWellFormed = "not-well-formed",
    /// A local policy is violated: a stanza is too large, too deep, too often.
    PolicyViolation = "policy-violation",
    /// Another server needed for the stream cannot be reached.
    RemoteConnectionFailed = "remote-connection-failed",
    /// The stream is closed to use new features or keys.
    Reset = "reset",
    /// The server lacks the resources.
    ResourceConstraint = "resource-constraint",
    /// A comment, processing instruction, DTD or entity (RFC 6120 §11.1).
    RestrictedXml = "restricted-xml",
    /// The server stops.
    SystemShutdown = "system-shutdown",
    /// None of the others.
    UndefinedCondition = "undefined-condition",
    /// Another encoding than UTF-8, or broken UTF-8.
    UnsupportedEncoding = "unsupported-encoding",
    /// A mandatory feature of the stream is not supported.
    UnsupportedFeature = "unsupported-feature",
    /// A first-level child of the stream that is not supported.
    UnsupportedStanzaType = "unsupported-stanza-type",
    /// The stream's `version` is not supported.
    UnsupportedVersion = "unsupported-version",
}

impl StreamError {
    /// `<stream:error/>` as it goes on the wire, self-contained, with an optional text in English.
    pub fn to_bytes(&self, text: Option<&str>) -> Bytes {
        self.with(text, |_| {})
    }

    /// Like [`StreamError::to_bytes`], with an application's own condition written by `application`.
    pub fn with(&self, text: Option<&str>, application: impl FnOnce(&mut XmlWriter)) -> Bytes {
        let mut w = XmlWriter::with_capacity(192);
        w.open("stream:error").attr("xmlns:stream", ns::STREAMS);
        w.open_ns(self.name(), ns::STREAM_ERRORS);
        if let Self::SeeOtherHost(host) = self {
            w.text(host);
        }
        w.close();
        if let Some(text) = text {
            w.open_ns("text", ns::STREAM_ERRORS)
                .attr("xml:lang", "en")
                .text(text)
                .close();
        }
        application(&mut w);
        w.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn written() {
        let b = StreamError::SeeOtherHost("[2001:db8::1]:9222".into()).to_bytes(Some("a & b"));
        assert_eq!(
            b,
            "<stream:error xmlns:stream=\"http://etherx.jabber.org/streams\">\
             <see-other-host xmlns=\"urn:ietf:params:xml:ns:xmpp-streams\">[2001:db8::1]:9222</see-other-host>\
             <text xmlns=\"urn:ietf:params:xml:ns:xmpp-streams\" xml:lang=\"en\">a &amp; b</text></stream:error>"
        );
        assert_eq!(StreamError::from_name("reset"), Some(StreamError::Reset));
        assert_eq!(StreamError::from_name("x"), None);
    }
}
