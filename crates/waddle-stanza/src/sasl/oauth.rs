//! OAUTHBEARER, the server's side: [RFC 7628](https://www.rfc-editor.org/rfc/rfc7628).

use waddle_core::Secret;

use super::{MAX_MESSAGE, SaslError, scram::sasl_name};

/// What a client says to end a failed exchange (§3.2.3).
pub const OAUTH_END: &[u8] = b"\x01";

/// A client's message: `n,a=authzid,␁auth=Bearer token␁␁`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OauthBearer {
    /// As whom the client wants to act.
    pub authzid: Option<String>,
    /// The token; none where the client asks where to get one (XEP-0493).
    pub token: Option<Secret>,
}

impl OauthBearer {
    /// Reads the message.
    pub fn parse(message: &[u8]) -> Result<Self, SaslError> {
        let bad = SaslError::MalformedRequest;
        if message.len() > MAX_MESSAGE {
            return Err(bad);
        }
        let text = std::str::from_utf8(message).map_err(|_| bad)?;
        let (header, rest) = text.split_once('\u{1}').ok_or(bad)?;
        // The mechanism binds no channel: `p=` cannot be meant (§3.1).
        let authzid = header
            .strip_prefix("n,")
            .or_else(|| header.strip_prefix("y,"))
            .and_then(|h| h.strip_suffix(','))
            .ok_or(bad)?;
        let authzid = match authzid {
            "" => None,
            a => Some(sasl_name(a.strip_prefix("a=").ok_or(bad)?)?),
        };
        let pairs = if rest == "\u{1}" {
            ""
        } else {
            rest.strip_suffix("\u{1}\u{1}").ok_or(bad)?
        };
        let mut token = None;
        for pair in pairs.split('\u{1}').filter(|p| !p.is_empty()) {
            let (key, value) = pair.split_once('=').ok_or(bad)?;
            if key.is_empty() || !key.bytes().all(|b| b.is_ascii_alphabetic()) {
                return Err(bad);
            }
            if key != "auth" {
                continue;
            }
            let (scheme, value) = value.split_once(' ').unwrap_or((value, ""));
            if token.is_some() || !(scheme.is_empty() || scheme.eq_ignore_ascii_case("bearer")) {
                return Err(bad);
            }
            token = Some(value.trim());
        }
        Ok(Self {
            authzid,
            token: token.filter(|t| !t.is_empty()).map(Secret::new),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages() {
        let m = OauthBearer::parse(
            b"n,a=user@example.com,\x01host=server.example.com\x01port=143\x01auth=Bearer vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==\x01\x01",
        )
        .unwrap();
        assert_eq!(m.authzid.as_deref(), Some("user@example.com"));
        assert_eq!(
            m.token.unwrap().expose(),
            "vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg=="
        );
        for none in [
            &b"n,,\x01auth=Bearer \x01\x01"[..],
            b"n,,\x01auth=\x01\x01",
            b"n,,\x01auth=Bearer\x01\x01",
            b"y,,\x01\x01",
            b"n,,\x01host=a\x01\x01",
        ] {
            assert_eq!(OauthBearer::parse(none).unwrap().token, None, "{none:?}");
        }
        for bad in [
            &b""[..],
            b"\x01",
            b"n,,",
            b"n,,\x01auth=Bearer x",
            b"n,,\x01auth=Bearer x\x01",
            b"p=tls-exporter,,\x01auth=Bearer x\x01\x01",
            b"n,b=x,\x01auth=Bearer x\x01\x01",
            b"n,,\x01auth=Basic x\x01\x01",
            b"n,,\x01auth=Bearer x\x01auth=Bearer y\x01\x01",
            b"n,,\x01auth\x01\x01",
            b"n,,\x01=x\x01\x01",
            b"n,,\x01auth=Bearer \xFF\x01\x01",
        ] {
            assert_eq!(
                OauthBearer::parse(bad),
                Err(SaslError::MalformedRequest),
                "{bad:?}"
            );
        }
    }
}
