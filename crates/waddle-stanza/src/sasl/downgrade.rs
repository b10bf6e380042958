//! What was offered, hashed: [XEP-0474](https://xmpp.org/extensions/xep-0474.html) SASL SCRAM Downgrade Protection.

use base64::{Engine, engine::general_purpose::STANDARD};

use super::ScramHash;

/// The value of the attribute `h`: the offered mechanisms and, where they were announced (XEP-0440), the types of
/// channel binding, hashed with the hash of the exchange.
pub fn offer_hash(hash: ScramHash, mechanisms: &[&str], bindings: &[&str]) -> String {
    let sorted = |list: &[&str]| {
        let mut list = list.to_vec();
        list.sort_unstable();
        list.join("\u{1e}")
    };
    let mut text = sorted(mechanisms);
    if !bindings.is_empty() {
        text.push('\u{1f}');
        text.push_str(&sorted(bindings));
    }
    STANDARD.encode(hash.hash(text.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of §5.3.
    #[test]
    fn vector() {
        let mechanisms = ["SCRAM-SHA-1-PLUS", "SCRAM-SHA-1"];
        let bindings = ["tls-server-end-point", "tls-exporter"];
        assert_eq!(
            offer_hash(ScramHash::Sha1, &mechanisms, &bindings),
            "G6k/rBLDqgOhRRaCuuatSDFkJ08="
        );
        assert_ne!(
            offer_hash(ScramHash::Sha1, &mechanisms, &[]),
            offer_hash(ScramHash::Sha1, &mechanisms, &bindings)
        );
    }
}
