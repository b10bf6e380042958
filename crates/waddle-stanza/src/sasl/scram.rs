//! SCRAM, the server's side: [RFC 5802](https://www.rfc-editor.org/rfc/rfc5802), RFC 7677 and, for `tls-exporter`,
//! [RFC 9266](https://www.rfc-editor.org/rfc/rfc9266).

use std::fmt;

use base64::{Engine, engine::general_purpose::STANDARD};
use subtle::ConstantTimeEq;

use super::{MAX_MESSAGE, SaslError, ScramHash, ScramKeys};

/// The longest nonce of a client, in bytes.
const MAX_NONCE: usize = 256;

/// What binds the exchange to the TLS channel.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct ChannelBinding {
    /// Whether the client chose the `-PLUS` form.
    pub plus: bool,
    /// The types that were offered with their data, `("tls-exporter", 32 bytes)`; empty where no `-PLUS` form was
    /// offered.
    pub available: Vec<(&'static str, Vec<u8>)>,
}

impl ChannelBinding {
    /// No `-PLUS` form was offered.
    pub fn none() -> Self {
        Self::default()
    }

    /// The `-PLUS` forms were offered with these types.
    pub fn offered(available: Vec<(&'static str, Vec<u8>)>) -> Self {
        Self {
            plus: false,
            available,
        }
    }

    /// The `-PLUS` forms were offered with `tls-exporter`; `plus`: the client chose one of them.
    pub fn tls_exporter(data: &[u8], plus: bool) -> Self {
        Self::offered(vec![("tls-exporter", data.to_vec())]).chosen(plus)
    }

    /// Whether the client chose a `-PLUS` form.
    #[must_use]
    pub fn chosen(mut self, plus: bool) -> Self {
        self.plus = plus;
        self
    }

    /// The names of what was offered.
    pub fn names(&self) -> Vec<&'static str> {
        self.available.iter().map(|a| a.0).collect()
    }

    /// The data of a type, where it was offered.
    pub fn data(&self, name: &str) -> Option<&[u8]> {
        self.available.iter().find(|a| a.0 == name).map(|a| &*a.1)
    }
}

impl fmt::Debug for ChannelBinding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChannelBinding")
            .field("plus", &self.plus)
            .field("available", &self.names())
            .finish()
    }
}

/// An exchange whose first message has come; now salt and iterations of the user are needed.
#[derive(Debug, Clone)]
pub struct ScramServer {
    hash: ScramHash,
    username: String,
    authzid: Option<String>,
    /// `gs2-header` and the data of the channel binding: what `c=` must hold.
    binding: Vec<u8>,
    client_first_bare: String,
    nonce: String,
}

impl ScramServer {
    /// Reads the client's first message. `server_nonce`: fresh, random, printable ASCII without a comma.
    pub fn start(
        hash: ScramHash,
        binding: &ChannelBinding,
        client_first: &[u8],
        server_nonce: &str,
    ) -> Result<Self, SaslError> {
        let bad = SaslError::MalformedRequest;
        if client_first.len() > MAX_MESSAGE || server_nonce.is_empty() || !is_nonce(server_nonce) {
            return Err(bad);
        }
        let text = std::str::from_utf8(client_first).map_err(|_| bad)?;
        let (flag, rest) = text.split_once(',').ok_or(bad)?;
        let (authzid, bare) = rest.split_once(',').ok_or(bad)?;
        let header = &text[..text.len() - bare.len()];
        let mut expected = header.as_bytes().to_vec();
        match flag {
            "n" if !binding.plus => {}
            // The client believes that we cannot, and we can: someone took the offer out.
            "y" if !binding.plus && !binding.available.is_empty() => return Err(SaslError::NotAuthorized),
            "y" if !binding.plus => {}
            _ => {
                let name = flag.strip_prefix("p=").filter(|_| binding.plus).ok_or(bad)?;
                expected.extend_from_slice(binding.data(name).ok_or(SaslError::NotAuthorized)?);
            }
        }
        let authzid = match authzid {
            "" => None,
            a => Some(sasl_name(a.strip_prefix("a=").ok_or(bad)?)?),
        };
        let mut parts = bare.split(',');
        // `m=`, a mandatory extension, in front of the name fails here as it must.
        let username = parts.next().and_then(|p| p.strip_prefix("n=")).ok_or(bad)?;
        let username = sasl_name(username)?;
        let nonce = parts.next().and_then(|p| p.strip_prefix("r=")).ok_or(bad)?;
        if nonce.is_empty() || nonce.len() > MAX_NONCE || !is_nonce(nonce) || !parts.all(is_extension) {
            return Err(bad);
        }
        Ok(Self {
            hash,
            username,
            authzid,
            binding: expected,
            client_first_bare: bare.to_owned(),
            nonce: [nonce, server_nonce].concat(),
        })
    }

    /// The login name, not yet prepared.
    pub fn username(&self) -> &str {
        &self.username
    }

    /// As whom the client wants to act.
    pub fn authzid(&self) -> Option<&str> {
        self.authzid.as_deref()
    }

    /// The hash.
    pub fn hash(&self) -> ScramHash {
        self.hash
    }

    /// The server's first message, with what is stored for the user (or the same made-up values each time for a user
    /// who does not exist).
    pub fn challenge(self, salt: &[u8], iterations: u32) -> ScramChallenge {
        self.challenge_with(salt, iterations, None)
    }

    /// [`ScramServer::challenge`] with the hash of what was offered ([`offer_hash`](super::offer_hash)).
    pub fn challenge_with(self, salt: &[u8], iterations: u32, offer: Option<&str>) -> ScramChallenge {
        let mut server_first = [
            "r=",
            &self.nonce,
            ",s=",
            &STANDARD.encode(salt),
            ",i=",
            &iterations.to_string(),
        ]
        .concat();
        if let Some(offer) = offer {
            server_first.push_str(",h=");
            server_first.push_str(offer);
        }
        ScramChallenge {
            server: self,
            server_first,
        }
    }
}

/// An exchange that waits for the client's proof.
#[derive(Debug, Clone)]
pub struct ScramChallenge {
    server: ScramServer,
    server_first: String,
}

impl ScramChallenge {
    /// The server's first message, to be sent.
    pub fn message(&self) -> &[u8] {
        self.server_first.as_bytes()
    }

    /// The login name, not yet prepared.
    pub fn username(&self) -> &str {
        &self.server.username
    }

    /// As whom the client wants to act.
    pub fn authzid(&self) -> Option<&str> {
        self.server.authzid()
    }

    /// Checks the client's final message against every candidate, all of which share the salt and iterations of the
    /// challenge: which one it proves, and the server's final message. All candidates are tried, whichever fits.
    pub fn finish(
        &self,
        client_final: &[u8],
        candidates: &[ScramKeys],
    ) -> Result<(usize, Vec<u8>), SaslError> {
        let bad = SaslError::MalformedRequest;
        let hash = self.server.hash;
        if client_final.len() > MAX_MESSAGE {
            return Err(bad);
        }
        let text = std::str::from_utf8(client_final).map_err(|_| bad)?;
        let (without_proof, proof) = text.rsplit_once(",p=").ok_or(bad)?;
        let mut parts = without_proof.split(',');
        let binding = parts.next().and_then(|p| p.strip_prefix("c=")).ok_or(bad)?;
        let nonce = parts.next().and_then(|p| p.strip_prefix("r=")).ok_or(bad)?;
        if !parts.all(is_extension) {
            return Err(bad);
        }
        let binding = STANDARD.decode(binding).map_err(|_| bad)?;
        let proof = STANDARD.decode(proof).map_err(|_| bad)?;
        if proof.len() != hash.len() {
            return Err(bad);
        }
        let bound =
            binding.ct_eq(&self.server.binding) & nonce.as_bytes().ct_eq(self.server.nonce.as_bytes());
        let message = [
            &self.server.client_first_bare,
            ",",
            &self.server_first,
            ",",
            without_proof,
        ]
        .concat();
        let mut found = None;
        for (k, keys) in candidates.iter().enumerate() {
            let signature = hash.hmac(&keys.stored_key, message.as_bytes());
            let client_key: Vec<u8> = proof.iter().zip(signature.as_ref()).map(|(a, b)| a ^ b).collect();
            let right = hash.hash(&client_key).as_ref().ct_eq(&keys.stored_key) & bound;
            if bool::from(right) && found.is_none() {
                found = Some((k, keys));
            }
        }
        let (k, keys) = found.ok_or(SaslError::NotAuthorized)?;
        let verifier = hash.hmac(&keys.server_key, message.as_bytes());
        Ok((
            k,
            ["v=", &STANDARD.encode(verifier.as_ref())].concat().into_bytes(),
        ))
    }
}

/// RFC 5802 §7 `printable`: ASCII but the comma.
pub(super) fn is_nonce(s: &str) -> bool {
    s.bytes().all(|b| b.is_ascii_graphic() && b != b',')
}

/// RFC 5802 §7 `attr-val`, of which the mandatory extension `m` and what belongs elsewhere are refused.
fn is_extension(s: &str) -> bool {
    let b = s.as_bytes();
    b.len() > 2
        && b[0].is_ascii_alphabetic()
        && b[1] == b'='
        && !matches!(b[0], b'm' | b'n' | b'r' | b'c' | b'p')
}

/// RFC 5802 §7 `saslname`: `=2C` and `=3D` stand for comma and equals sign.
pub(super) fn sasl_name(s: &str) -> Result<String, SaslError> {
    let mut out = String::with_capacity(s.len());
    let mut pieces = s.split('=');
    out.push_str(pieces.next().unwrap_or_default());
    for piece in pieces {
        let (c, rest) = match (piece.strip_prefix("2C"), piece.strip_prefix("3D")) {
            (Some(rest), _) => (',', rest),
            (_, Some(rest)) => ('=', rest),
            _ => return Err(SaslError::MalformedRequest),
        };
        out.push(c);
        out.push_str(rest);
    }
    if out.is_empty() || out.contains('\0') {
        return Err(SaslError::MalformedRequest);
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use waddle_core::Secret;

    use super::*;
    use crate::sasl::scram_derive;

    fn keys(hash: ScramHash, salt: &str, iterations: u32) -> (Vec<u8>, ScramKeys) {
        let salt = STANDARD.decode(salt).unwrap();
        let keys = scram_derive(hash, &Secret::new("pencil"), &salt, iterations).unwrap();
        (salt, keys)
    }

    /// The examples of RFC 5802 §5 and RFC 7677 §3.
    #[test]
    fn vectors() {
        for (hash, salt, cnonce, snonce, proof, verifier) in [
            (
                ScramHash::Sha1,
                "QSXCR+Q6sek8bf92",
                "fyko+d2lbbFgONRv9qkxdawL",
                "3rfcNHYJY1ZVvWVs7j",
                "v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=",
                "v=rmF9pqV8S7suAoZWja4dJRkFsKQ=",
            ),
            (
                ScramHash::Sha256,
                "W22ZaJ0SNY7soEsUEjb6gQ==",
                "rOprNGfwEbeRWgbNEkqO",
                "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0",
                "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
                "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",
            ),
        ] {
            let (salt, keys) = keys(hash, salt, 4096);
            let first = ["n,,n=user,r=", cnonce].concat();
            let s = ScramServer::start(hash, &ChannelBinding::none(), first.as_bytes(), snonce).unwrap();
            assert_eq!((s.username(), s.authzid()), ("user", None));
            let c = s.challenge(&salt, 4096);
            let last = ["c=biws,r=", cnonce, snonce, ",p=", proof].concat();
            let other = ScramKeys {
                stored_key: vec![0; hash.len()],
                server_key: vec![0; hash.len()],
            };
            let (which, v) = c.finish(last.as_bytes(), &[other.clone(), keys.clone()]).unwrap();
            assert_eq!((which, std::str::from_utf8(&v).unwrap()), (1, verifier));
            assert_eq!(c.finish(last.as_bytes(), &[other]), Err(SaslError::NotAuthorized));
            assert_eq!(c.finish(last.as_bytes(), &[]), Err(SaslError::NotAuthorized));
            let replayed = last.replace(snonce, "other");
            assert_eq!(
                c.finish(replayed.as_bytes(), std::slice::from_ref(&keys)),
                Err(SaslError::NotAuthorized)
            );
            let header = last.replace("biws", &STANDARD.encode("y,,"));
            assert_eq!(
                c.finish(header.as_bytes(), &[keys]),
                Err(SaslError::NotAuthorized)
            );
        }
    }

    #[test]
    fn first_messages() {
        let none = ChannelBinding::none();
        let start =
            |b: &ChannelBinding, m: &str| ScramServer::start(ScramHash::Sha256, b, m.as_bytes(), "srv");
        let s = start(&none, "y,a=al=2Cice=3D@x,n=u=3Dser,r=abc,x=ext").unwrap();
        assert_eq!((s.username(), s.authzid()), ("u=ser", Some("al,ice=@x")));
        for bad in [
            "",
            "n",
            "n,",
            "n,,",
            "n,,n=",
            "n,,n=u",
            "n,,n=u,r=",
            "n,,r=a,n=u",
            "n,,m=x,n=u,r=a",
            "x,,n=u,r=a",
            "n,b=c,n=u,r=a",
            "n,a=,n=u,r=a",
            "n,,n=u=,r=a",
            "n,,n=u=2c,r=a",
            "n,,n=u,r=a b",
            "n,,n=u,r=a,m=x",
            "n,,n=u,r=a,",
            "p=tls-exporter,,n=u,r=a",
            "n,,n=u\0,r=a",
            "n,,n=u,r=\u{e9}",
        ] {
            assert_eq!(
                start(&none, bad).unwrap_err(),
                SaslError::MalformedRequest,
                "{bad}"
            );
        }
        let long = ["n,,n=u,r=", &"a".repeat(MAX_NONCE + 1)].concat();
        assert!(start(&none, &long).is_err());
        assert!(ScramServer::start(ScramHash::Sha1, &none, b"n,,n=\xFF,r=a", "srv").is_err());

        let offered = ChannelBinding::tls_exporter(&[7; 32], false);
        assert_eq!(
            start(&offered, "y,,n=u,r=a").unwrap_err(),
            SaslError::NotAuthorized,
            "a downgrade"
        );
        assert!(start(&offered, "n,,n=u,r=a").is_ok());
        let plus = ChannelBinding::tls_exporter(&[7; 32], true);
        for bad in ["n,,n=u,r=a", "y,,n=u,r=a"] {
            assert_eq!(start(&plus, bad).unwrap_err(), SaslError::MalformedRequest);
        }
        assert_eq!(
            start(&plus, "p=tls-unique,,n=u,r=a").unwrap_err(),
            SaslError::NotAuthorized
        );
    }
}
