//! PLAIN: [RFC 4616](https://www.rfc-editor.org/rfc/rfc4616).

use waddle_core::Secret;

use super::{MAX_MESSAGE, SaslError};

/// A message of PLAIN: `[authzid] NUL authcid NUL password`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plain {
    /// As whom the client wants to act; see [`check_authzid`](super::check_authzid).
    pub authzid: Option<String>,
    /// The login name; see [`login_name`](super::login_name).
    pub authcid: String,
    /// The password or token.
    pub password: Secret,
}

impl Plain {
    /// Reads a message. Exactly three parts, of which only the first may be empty; anything else, also the form
    /// `name NUL password`, is `malformed-request`.
    pub fn parse(message: &[u8]) -> Result<Self, SaslError> {
        if message.len() > MAX_MESSAGE {
            return Err(SaslError::MalformedRequest);
        }
        let text = std::str::from_utf8(message).map_err(|_| SaslError::MalformedRequest)?;
        let mut parts = text.split('\0');
        match (parts.next(), parts.next(), parts.next(), parts.next()) {
            (Some(authzid), Some(authcid), Some(password), None)
                if !authcid.is_empty() && !password.is_empty() =>
            {
                Ok(Self {
                    authzid: (!authzid.is_empty()).then(|| authzid.to_owned()),
                    authcid: authcid.to_owned(),
                    password: Secret::new(password),
                })
            }
            _ => Err(SaslError::MalformedRequest),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages() {
        let p = Plain::parse(b"\0tim\0tanstaaftanstaaf").unwrap();
        assert_eq!(
            (p.authzid, p.authcid.as_str(), p.password.expose()),
            (None, "tim", "tanstaaftanstaaf")
        );
        let p = Plain::parse(b"Ursel\0Kurt\0xipj3plmq").unwrap();
        assert_eq!(
            (p.authzid.as_deref(), p.authcid.as_str()),
            (Some("Ursel"), "Kurt")
        );
        for bad in [
            &b""[..],
            b"\0",
            b"\0\0",
            b"a\0b",
            b"\0a\0",
            b"\0\0p",
            b"\0a\0p\0",
            b"\0a\0p\0q",
            b"\0a\0\xFF",
            b"a",
        ] {
            assert_eq!(Plain::parse(bad), Err(SaslError::MalformedRequest), "{bad:?}");
        }
        assert!(Plain::parse(format!("\0a\0{}", "p".repeat(MAX_MESSAGE)).as_bytes()).is_err());
    }
}
