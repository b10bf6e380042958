//! Signatures of what goes out: HMAC-SHA-256 as [Standard Webhooks] has it (`adrs/0016-standard-webhooks.md`).
//!
//! Signed is `<webhook-id>.<webhook-timestamp>.<body>`; the header holds `v1,` and the base64 of the MAC, once for each
//! secret that counts, separated by spaces.
//!
//! [Standard Webhooks]: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md

use base64::{Engine as _, engine::general_purpose::STANDARD as B64};
use ring::{
    hmac,
    rand::{SecureRandom as _, SystemRandom},
};
use waddle_core::Secret;

use crate::{Error, Result};

/// What a secret starts with.
pub const PREFIX: &str = "whsec_";
/// Bytes of a secret.
const BYTES: usize = 32;
/// Seconds that a receiver should allow a time stamp to be away from its own clock.
pub const TOLERANCE: i64 = 300;

/// Random bytes of the system.
pub(crate) fn random<const N: usize>() -> Result<[u8; N]> {
    let mut out = [0; N];
    SystemRandom::new()
        .fill(&mut out)
        .map_err(|_| Error::Internal("the system gives no random numbers"))?;
    Ok(out)
}

/// A new secret: `whsec_` and the base64 of 256 random bits.
pub fn new_secret() -> Result<Secret> {
    let bytes = random::<BYTES>()?;
    Ok(Secret::new([PREFIX, &B64.encode(bytes)].concat()))
}

fn key(secret: &Secret) -> Option<hmac::Key> {
    let text = secret.expose().strip_prefix(PREFIX)?;
    Some(hmac::Key::new(hmac::HMAC_SHA256, &B64.decode(text).ok()?))
}

fn context(key: &hmac::Key, id: &str, timestamp: i64, body: &[u8]) -> hmac::Context {
    let mut mac = hmac::Context::with_key(key);
    mac.update(id.as_bytes());
    mac.update(b".");
    mac.update(timestamp.to_string().as_bytes());
    mac.update(b".");
    mac.update(body);
    mac
}

/// The header `webhook-signature` of a body, under each of the secrets.
pub fn sign(secrets: &[Secret], id: &str, timestamp: i64, body: &[u8]) -> String {
    let each = secrets.iter().filter_map(key).map(|key| {
        let mac = context(&key, id, timestamp, body).sign();
        ["v1,", &B64.encode(mac.as_ref())].concat()
    });
    each.collect::<Vec<_>>().join(" ")
}

/// Whether one of the signatures in the header fits, in constant time, and the time stamp is near `now` (seconds): what
/// a receiver does.
pub fn verify(secret: &Secret, id: &str, timestamp: i64, body: &[u8], header: &str, now: i64) -> bool {
    let Some(key) = key(secret) else { return false };
    if now.abs_diff(timestamp) > TOLERANCE.unsigned_abs() {
        return false;
    }
    let own = context(&key, id, timestamp, body).sign();
    header
        .split(' ')
        .filter_map(|s| s.strip_prefix("v1,"))
        .any(|shown| {
            use subtle::ConstantTimeEq as _;
            B64.decode(shown)
                .is_ok_and(|shown| bool::from(shown.as_slice().ct_eq(own.as_ref())))
        })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_specification_s_own_example() {
        // The worked example of the specification's reference libraries.
        let secret = Secret::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
        let (id, at) = ("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330);
        let body = br#"{"test": 2432232314}"#;
        let header = sign(std::slice::from_ref(&secret), id, at, body);
        assert_eq!(header, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
        assert!(verify(&secret, id, at, body, &header, at + 10));
        assert!(
            !verify(&secret, id, at, body, &header, at + TOLERANCE + 1),
            "too old"
        );
        assert!(!verify(&secret, id, at, body, "v2,x v1,", at));
    }

    #[test]
    fn secrets_differ_and_are_not_shown() {
        let (a, b) = (new_secret().unwrap(), new_secret().unwrap());
        assert!(a != b && a.expose().starts_with(PREFIX) && !format!("{a:?}").contains(PREFIX));
    }

    proptest! {
        #[test]
        fn only_what_was_signed_fits(
            body in proptest::collection::vec(any::<u8>(), 1..200),
            id in "[a-z0-9_]{1,30}",
            at in 0_i64..4_000_000_000,
            flip in any::<prop::sample::Index>(),
            bit in 0_u32..8,
        ) {
            let (new, old) = (new_secret().unwrap(), new_secret().unwrap());
            let header = sign(&[new.clone(), old.clone()], &id, at, &body);
            prop_assert!(verify(&new, &id, at, &body, &header, at));
            prop_assert!(verify(&old, &id, at, &body, &header, at), "the secret before it still fits");
            let mut other = body.clone();
            other[flip.index(body.len())] ^= 1 << bit;
            prop_assert!(!verify(&new, &id, at, &other, &header, at));
            prop_assert!(!verify(&new, &[&id, "x"].concat(), at, &body, &header, at));
            prop_assert!(!verify(&new, &id, at + 1, &body, &header, at));
            prop_assert!(!verify(&new_secret().unwrap(), &id, at, &body, &header, at));
        }
    }
}
