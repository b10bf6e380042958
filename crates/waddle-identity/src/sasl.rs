//! placeholder until stanza's sasl is there
#![allow(missing_docs)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ScramHash {
    Sha1,
    Sha256,
    Sha512,
}
#[derive(Clone)]
pub struct ScramKeys {
    pub stored_key: Vec<u8>,
    pub server_key: Vec<u8>,
}
pub fn scram_derive(hash: ScramHash, password: &str, salt: &[u8], iterations: u32) -> ScramKeys {
    use ring::{digest, hmac, pbkdf2};
    let (p, h, d, n) = match hash {
        ScramHash::Sha1 => (
            pbkdf2::PBKDF2_HMAC_SHA1,
            hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
            &digest::SHA1_FOR_LEGACY_USE_ONLY,
            20,
        ),
        ScramHash::Sha256 => (pbkdf2::PBKDF2_HMAC_SHA256, hmac::HMAC_SHA256, &digest::SHA256, 32),
        ScramHash::Sha512 => (pbkdf2::PBKDF2_HMAC_SHA512, hmac::HMAC_SHA512, &digest::SHA512, 64),
    };
    let mut salted = vec![0; n];
    pbkdf2::derive(
        p,
        std::num::NonZeroU32::new(iterations).unwrap_or(std::num::NonZeroU32::MIN),
        salt,
        password.as_bytes(),
        &mut salted,
    );
    let k = hmac::Key::new(h, &salted);
    let client = hmac::sign(&k, b"Client Key");
    ScramKeys {
        stored_key: digest::digest(d, client.as_ref()).as_ref().to_vec(),
        server_key: hmac::sign(&k, b"Server Key").as_ref().to_vec(),
    }
}
