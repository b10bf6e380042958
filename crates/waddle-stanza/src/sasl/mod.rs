//! SASL, the server's side: [RFC 6120 §6](https://www.rfc-editor.org/rfc/rfc6120#section-6), RFC 4616, RFC 5802,
//! RFC 7628, XEP-0474, the mechanisms of XEP-0484.
//!
//! Mechanisms are state machines over decoded messages; who looks up keys and who may log in is the caller's.

mod client;
mod downgrade;
mod ht;
mod keys;
mod oauth;
mod plain;
mod scram;

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use waddle_core::{BareJid, jid::precis_localpart};

use crate::{Element, XmlWriter, ns};

pub use client::ScramClient;
pub use downgrade::offer_hash;
pub use ht::{HtBinding, HtRequest, ht_answer, ht_request};
pub use keys::{MAX_ITERATIONS, MIN_ITERATIONS, ScramHash, ScramKeys, scram_derive};
pub use oauth::{OAUTH_END, OauthBearer};
pub use plain::Plain;
pub use scram::{ChannelBinding, ScramChallenge, ScramServer};

/// The longest SASL message that is read, decoded, in bytes; more is `malformed-request`.
pub const MAX_MESSAGE: usize = 8192;

macro_rules! conditions {
    ($($(#[doc = $doc:literal])* $variant:ident = $name:literal),* $(,)?) => {
        /// Why a login failed; every condition of RFC 6120 §6.5.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
        pub enum SaslError { $($(#[doc = $doc])* #[error($name)] $variant,)* }
        impl SaslError {
            /// The element's name.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }
            /// The condition of an element's name.
            pub fn from_name(name: &str) -> Option<Self> {
                match name { $($name => Some(Self::$variant),)* _ => None }
            }
        }
    };
}

conditions! {
    /// The client gave up.
    Aborted = "aborted",
    /// The account is disabled for the time being.
    AccountDisabled = "account-disabled",
    /// The credentials have expired: log in again.
    CredentialsExpired = "credentials-expired",
    /// The mechanism needs an encrypted stream.
    EncryptionRequired = "encryption-required",
    /// No valid base64.
    IncorrectEncoding = "incorrect-encoding",
    /// The authorization identity is malformed or not the user's own.
    InvalidAuthzid = "invalid-authzid",
    /// A mechanism that was not offered.
    InvalidMechanism = "invalid-mechanism",
    /// The message does not follow the mechanism.
    MalformedRequest = "malformed-request",
    /// The account's policy asks for a stronger mechanism.
    MechanismTooWeak = "mechanism-too-weak",
    /// Wrong credentials, or no such user: the two are not told apart.
    NotAuthorized = "not-authorized",
    /// The server cannot check now; try again.
    TemporaryAuthFailure = "temporary-auth-failure",
}

impl SaslError {
    /// `<failure/>` as it goes on the wire, with an optional text in English.
    pub fn to_bytes(self, text: Option<&str>) -> Bytes {
        let mut w = XmlWriter::with_capacity(160);
        w.open_ns("failure", ns::SASL).open(self.name()).close();
        if let Some(text) = text {
            w.open("text").attr("xml:lang", "en").text(text);
        }
        w.finish()
    }
}

/// What a client sends while it authenticates (RFC 6120 §6.4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SaslRequest {
    /// `<auth/>`: the mechanism, and the initial response where there is one.
    Auth(String, Option<Vec<u8>>),
    /// `<response/>`
    Response(Vec<u8>),
    /// `<abort/>`
    Abort,
}

impl SaslRequest {
    /// Reads an element in [`ns::SASL`]; `None`: it is no request of SASL.
    pub fn read(e: Element<'_>) -> Option<Result<Self, SaslError>> {
        if !e.in_ns(ns::SASL) {
            return None;
        }
        Some(match e.name() {
            "auth" => {
                let Some(mechanism) = e.attr("mechanism") else {
                    return Some(Err(SaslError::InvalidMechanism));
                };
                let text = e.text();
                // `=` stands for an empty initial response, nothing for none.
                let initial = if text.is_empty() {
                    Ok(None)
                } else {
                    decode(&text).map(Some)
                };
                initial.map(|i| Self::Auth(mechanism.into_owned(), i))
            }
            "response" => decode(&e.text()).map(Self::Response),
            "abort" => Ok(Self::Abort),
            _ => return None,
        })
    }
}

/// Decodes a message; `=` is an empty one. Strict: no white space, padding as it must be (RFC 6120 §6.4.2).
pub fn decode(text: &str) -> Result<Vec<u8>, SaslError> {
    if text.len() > MAX_MESSAGE / 3 * 4 + 4 {
        return Err(SaslError::MalformedRequest);
    }
    if text == "=" {
        return Ok(Vec::new());
    }
    STANDARD.decode(text).map_err(|_| SaslError::IncorrectEncoding)
}

/// `<challenge/>` as it goes on the wire.
pub fn challenge(message: &[u8]) -> Bytes {
    element("challenge", message)
}

/// `<success/>` as it goes on the wire, with additional data where `message` is not empty.
pub fn success(message: &[u8]) -> Bytes {
    element("success", message)
}

fn element(name: &str, message: &[u8]) -> Bytes {
    let mut w = XmlWriter::with_capacity(96 + message.len() * 2);
    w.open_ns(name, ns::SASL).text(&STANDARD.encode(message));
    w.finish()
}

/// The localpart that a login name means: `alice` or `alice@domain`, prepared. Another domain is `not-authorized`.
pub fn login_name(name: &str, domain: &str) -> Result<String, SaslError> {
    let refused = |_| SaslError::NotAuthorized;
    if name.contains('@') {
        let jid: BareJid = name.parse().map_err(refused)?;
        return match jid.local() {
            Some(local) if jid.domain() == domain => Ok(local.to_owned()),
            _ => Err(SaslError::NotAuthorized),
        };
    }
    precis_localpart(name).map(Into::into).map_err(refused)
}

/// An authorization identity must be the user's own bare JID (RFC 6120 §6.3.8); none, or an empty one, is that too.
pub fn check_authzid(authzid: Option<&str>, user: &BareJid) -> Result<(), SaslError> {
    match authzid {
        None | Some("") => Ok(()),
        Some(text) => match text.parse::<BareJid>() {
            Ok(jid) if jid == *user => Ok(()),
            _ => Err(SaslError::InvalidAuthzid),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Stanza;

    fn read(xml: &'static str) -> Option<Result<SaslRequest, SaslError>> {
        SaslRequest::read(Stanza::parse(xml.into()).unwrap().root())
    }

    #[test]
    fn requests() {
        const NS: &str = "urn:ietf:params:xml:ns:xmpp-sasl";
        assert_eq!(NS, ns::SASL);
        assert_eq!(
            read("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>AGEAYg==</auth>"),
            Some(Ok(SaslRequest::Auth("PLAIN".into(), Some(b"\0a\0b".to_vec()))))
        );
        assert_eq!(
            read("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='X'/>"),
            Some(Ok(SaslRequest::Auth("X".into(), None)))
        );
        assert_eq!(
            read("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='X'>=</auth>"),
            Some(Ok(SaslRequest::Auth("X".into(), Some(Vec::new()))))
        );
        assert_eq!(
            read("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>"),
            Some(Err(SaslError::InvalidMechanism))
        );
        for bad in ["AGEA Yg==", "AGEAYg=", "AGEAYh==", "!", "===="] {
            assert_eq!(decode(bad), Err(SaslError::IncorrectEncoding), "{bad}");
        }
        assert_eq!(decode(&"A".repeat(20_000)), Err(SaslError::MalformedRequest));
        assert_eq!(
            read("<abort xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>"),
            Some(Ok(SaslRequest::Abort))
        );
        assert_eq!(read("<abort xmlns='urn:x'/>"), None);
    }

    #[test]
    fn names() {
        assert_eq!(login_name("Alice", "x"), Ok("alice".into()));
        assert_eq!(login_name("Alice@X", "x"), Ok("alice".into()));
        for bad in ["alice@y", "alice@x/r", "", "a b", "@x", "x/y"] {
            assert_eq!(login_name(bad, "x"), Err(SaslError::NotAuthorized), "{bad}");
        }
        let user = BareJid::new(Some("alice"), "x").unwrap();
        for ok in [None, Some(""), Some("alice@x"), Some("Alice@X")] {
            assert_eq!(check_authzid(ok, &user), Ok(()));
        }
        for bad in ["bob@x", "alice", "alice@y", "alice@x/r", "@"] {
            assert_eq!(
                check_authzid(Some(bad), &user),
                Err(SaslError::InvalidAuthzid),
                "{bad}"
            );
        }
    }

    #[test]
    fn written() {
        assert_eq!(
            SaslError::NotAuthorized.to_bytes(None),
            "<failure xmlns=\"urn:ietf:params:xml:ns:xmpp-sasl\"><not-authorized/></failure>"
        );
        assert_eq!(
            success(b""),
            "<success xmlns=\"urn:ietf:params:xml:ns:xmpp-sasl\"/>"
        );
        assert_eq!(
            challenge(b"a"),
            "<challenge xmlns=\"urn:ietf:params:xml:ns:xmpp-sasl\">YQ==</challenge>"
        );
    }
}
