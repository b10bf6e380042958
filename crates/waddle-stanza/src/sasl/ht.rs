//! HT-SHA-256, the server's side: [draft-schmaus-kitten-sasl-ht](https://datatracker.ietf.org/doc/draft-schmaus-kitten-sasl-ht/),
//! the mechanisms of FAST (XEP-0484).

use ring::hmac;
use waddle_core::Secret;

use super::{MAX_MESSAGE, SaslError, scram::ChannelBinding};

/// Which channel binding a mechanism has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum HtBinding {
    /// `tls-exporter`
    Exporter,
    /// `tls-server-end-point`
    EndPoint,
    /// None.
    None,
}

impl HtBinding {
    /// All, the strongest first.
    pub const ALL: [Self; 3] = [Self::Exporter, Self::EndPoint, Self::None];

    /// The mechanism's name.
    pub fn mechanism(self) -> &'static str {
        match self {
            Self::Exporter => "HT-SHA-256-EXPR",
            Self::EndPoint => "HT-SHA-256-ENDP",
            Self::None => "HT-SHA-256-NONE",
        }
    }

    /// The binding of a mechanism.
    pub fn from_mechanism(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|b| b.mechanism() == name)
    }

    /// What is bound, on a channel that offers `available`; none where it cannot be bound that way.
    pub fn data(self, available: &ChannelBinding) -> Option<&[u8]> {
        match self {
            Self::Exporter => available.data("tls-exporter"),
            Self::EndPoint => available.data("tls-server-end-point"),
            Self::None => Some(&[]),
        }
    }
}

/// A client's message: `authcid NUL HMAC(token, "Initiator" ‖ binding)`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HtRequest {
    /// The login name, not yet prepared.
    pub authcid: String,
    proof: Vec<u8>,
}

impl HtRequest {
    /// Reads the message.
    pub fn parse(message: &[u8]) -> Result<Self, SaslError> {
        let bad = SaslError::MalformedRequest;
        let end = message.iter().position(|b| *b == 0).ok_or(bad)?;
        let (name, proof) = (&message[..end], &message[end + 1..]);
        let name = std::str::from_utf8(name).map_err(|_| bad)?;
        if name.is_empty() || proof.len() != 32 || message.len() > MAX_MESSAGE {
            return Err(bad);
        }
        Ok(Self {
            authcid: name.to_owned(),
            proof: proof.to_vec(),
        })
    }

    /// Whether the client knows the token, on a channel with this binding; in constant time.
    pub fn fits(&self, token: &Secret, binding: &[u8]) -> bool {
        hmac::verify(&key(token), &[b"Initiator", binding].concat(), &self.proof).is_ok()
    }
}

fn key(token: &Secret) -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA256, token.expose().as_bytes())
}

fn sign(token: &Secret, who: &[u8], binding: &[u8]) -> Vec<u8> {
    hmac::sign(&key(token), &[who, binding].concat())
        .as_ref()
        .to_vec()
}

/// The server's answer: it knows the token too.
pub fn ht_answer(token: &Secret, binding: &[u8]) -> Vec<u8> {
    sign(token, b"Responder", binding)
}

/// The message of our own clients and of tests.
pub fn ht_request(authcid: &str, token: &Secret, binding: &[u8]) -> Vec<u8> {
    let mut out = authcid.as_bytes().to_vec();
    out.push(0);
    out.extend(sign(token, b"Initiator", binding));
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_sides() {
        let token = Secret::new("a token");
        let r = HtRequest::parse(&ht_request("alice", &token, b"channel")).unwrap();
        assert_eq!(r.authcid, "alice");
        assert!(r.fits(&token, b"channel"));
        assert!(!r.fits(&token, b"") && !r.fits(&Secret::new("another"), b"channel"));
        assert_ne!(ht_answer(&token, b""), ht_answer(&token, b"channel"));
        for bad in [&b""[..], b"\0", b"alice", b"alice\0short", &[b'a'; 50]] {
            assert_eq!(HtRequest::parse(bad), Err(SaslError::MalformedRequest));
        }
    }

    #[test]
    fn names() {
        for b in HtBinding::ALL {
            assert_eq!(HtBinding::from_mechanism(b.mechanism()), Some(b));
        }
        let channel = ChannelBinding::offered(vec![("tls-exporter", vec![1])]);
        assert_eq!(HtBinding::Exporter.data(&channel), Some(&[1][..]));
        assert_eq!(HtBinding::EndPoint.data(&channel), None);
        assert_eq!(HtBinding::None.data(&channel), Some(&[][..]));
    }
}
