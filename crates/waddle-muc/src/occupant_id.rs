//! Occupant identifiers: a stable name for a person in one room that gives nothing away ([XEP-0421]).
//!
//! The identifier is an HMAC of the person under the room's secret: equal in one room whatever their
//! nickname, different in any other room, and not computable by others.
//!
//! [XEP-0421]: https://xmpp.org/extensions/xep-0421.html

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::hmac;

/// The secret of one room, made with it and stored with it.
#[derive(Clone)]
pub struct RoomSecret(hmac::Key);

impl RoomSecret {
    /// A key of stored bytes.
    pub fn new(bytes: &[u8]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, bytes))
    }

    /// The identifier of a person: `subject` is their permission subject or bare JID.
    pub fn occupant_id(&self, subject: &str) -> String {
        URL_SAFE_NO_PAD.encode(hmac::sign(&self.0, subject.as_bytes()).as_ref())
    }
}

impl std::fmt::Debug for RoomSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RoomSecret")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stable_per_room_and_person() {
        let (a, b) = (RoomSecret::new(&[1; 32]), RoomSecret::new(&[2; 32]));
        assert_eq!(a.occupant_id("local:alice"), a.occupant_id("local:alice"));
        assert_ne!(a.occupant_id("local:alice"), a.occupant_id("local:bob"));
        assert_ne!(a.occupant_id("local:alice"), b.occupant_id("local:alice"));
        assert!(a.occupant_id("local:alice").len() <= 128);
    }
}
