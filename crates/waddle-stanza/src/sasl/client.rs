//! SCRAM, the client's side, as far as our own clients and tests need it (RFC 5802 §5).

use base64::{Engine, engine::general_purpose::STANDARD};
use subtle::ConstantTimeEq;
use waddle_core::Secret;

use super::{MAX_MESSAGE, SaslError, ScramHash, keys::iterations_in_bounds, scram::is_nonce};

/// A login under way.
#[derive(Debug, Clone)]
pub struct ScramClient {
    hash: ScramHash,
    password: Secret,
    binding: Vec<u8>,
    first_bare: String,
    nonce: String,
    verifier: Option<Vec<u8>>,
}

impl ScramClient {
    /// A login as `user`. `binding`: type and data of the channel binding for a `-PLUS` form. `nonce`: fresh, random,
    /// printable ASCII without a comma.
    pub fn new(
        hash: ScramHash,
        user: &str,
        password: Secret,
        binding: Option<(&str, &[u8])>,
        nonce: &str,
    ) -> Self {
        let mut header = match binding {
            Some((name, _)) => ["p=", name, ",,"].concat().into_bytes(),
            None => b"n,,".to_vec(),
        };
        header.extend_from_slice(binding.map_or(&[], |b| b.1));
        let user = user.replace('=', "=3D").replace(',', "=2C");
        Self {
            hash,
            password,
            binding: header,
            first_bare: ["n=", &user, ",r=", nonce].concat(),
            nonce: nonce.to_owned(),
            verifier: None,
        }
    }

    /// The first message.
    pub fn first(&self) -> Vec<u8> {
        let end = self
            .binding
            .windows(2)
            .position(|w| w == b",,")
            .map_or(0, |i| i + 2);
        [&self.binding[..end], self.first_bare.as_bytes()].concat()
    }

    /// The final message, from the server's first. Refuses a foreign nonce, and iterations that are too few to be safe
    /// or so many that they are an attack.
    pub fn answer(&mut self, server_first: &[u8]) -> Result<Vec<u8>, SaslError> {
        let bad = SaslError::MalformedRequest;
        let text = std::str::from_utf8(server_first).map_err(|_| bad)?;
        let mut parts = text.split(',');
        let mut part = |name: &str| parts.next().and_then(|p| p.strip_prefix(name)).ok_or(bad);
        let nonce = part("r=")?;
        let salt = STANDARD.decode(part("s=")?).map_err(|_| bad)?;
        let iterations = part("i=")?
            .parse()
            .ok()
            .and_then(iterations_in_bounds)
            .ok_or(bad)?;
        if text.len() > MAX_MESSAGE
            || nonce.len() <= self.nonce.len()
            || !nonce.starts_with(&self.nonce)
            || !is_nonce(nonce)
        {
            return Err(bad);
        }
        let hash = self.hash;
        let salted = hash.salted(self.password.expose(), &salt, iterations);
        let client_key = hash.hmac(&salted, b"Client Key");
        let stored_key = hash.hash(client_key.as_ref());
        let without_proof = ["c=", &STANDARD.encode(&self.binding), ",r=", nonce].concat();
        let message = [&self.first_bare, ",", text, ",", &without_proof].concat();
        let signature = hash.hmac(stored_key.as_ref(), message.as_bytes());
        let proof: Vec<u8> = client_key
            .as_ref()
            .iter()
            .zip(signature.as_ref())
            .map(|(a, b)| a ^ b)
            .collect();
        let server_key = hash.hmac(&salted, b"Server Key");
        self.verifier = Some(
            hash.hmac(server_key.as_ref(), message.as_bytes())
                .as_ref()
                .to_vec(),
        );
        Ok([&without_proof, ",p=", &STANDARD.encode(proof)]
            .concat()
            .into_bytes())
    }

    /// Checks the server's final message: it must know the password too.
    pub fn verify(&self, server_final: &[u8]) -> Result<(), SaslError> {
        let sent = server_final
            .strip_prefix(b"v=")
            .and_then(|v| STANDARD.decode(v).ok());
        match (&self.verifier, sent) {
            (Some(ours), Some(theirs)) if bool::from(ours.ct_eq(&theirs)) => Ok(()),
            _ => Err(SaslError::NotAuthorized),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sasl::{ChannelBinding, ScramServer, scram_derive};

    #[test]
    fn both_sides_with_and_without_binding() {
        let password = Secret::new("péncil");
        for hash in ScramHash::ALL {
            let keys = scram_derive(hash, &password, b"salt", 4096).unwrap();
            for plus in [false, true] {
                let exporter = [9u8; 32];
                let binding = plus.then_some(("tls-exporter", &exporter[..]));
                let mut c = ScramClient::new(hash, "a,b=c", password.clone(), binding, "cn");
                let server = ChannelBinding::tls_exporter(&exporter, plus);
                let s = ScramServer::start(hash, &server, &c.first(), "sn").unwrap();
                assert_eq!(s.username(), "a,b=c");
                let s = s.challenge(b"salt", 4096);
                let last = c.answer(s.message()).unwrap();
                let (_, v) = s.finish(&last, std::slice::from_ref(&keys)).unwrap();
                c.verify(&v).unwrap();
                assert!(c.verify(b"v=AAAA").is_err());
                if plus {
                    let other = ChannelBinding::tls_exporter(&[1; 32], true);
                    let s = ScramServer::start(hash, &other, &c.first(), "sn")
                        .unwrap()
                        .challenge(b"salt", 4096);
                    assert_eq!(
                        s.finish(&last, std::slice::from_ref(&keys)),
                        Err(SaslError::NotAuthorized),
                        "another channel"
                    );
                }
            }
        }
    }

    #[test]
    fn hostile_servers() {
        let mut c = ScramClient::new(ScramHash::Sha1, "u", Secret::new("p"), None, "cn");
        for bad in [
            "",
            "r=cnx",
            "r=cnx,s=AAAA,i=1000000000",
            "r=cnx,s=AAAA,i=1",
            "r=xx,s=AAAA,i=4096",
            "r=cn,s=AAAA,i=4096",
            "r=cnx,s=!,i=4096",
            "e=other-error",
        ] {
            assert_eq!(
                c.answer(bad.as_bytes()),
                Err(SaslError::MalformedRequest),
                "{bad}"
            );
        }
        assert!(c.verify(b"v=").is_err());
    }
}
