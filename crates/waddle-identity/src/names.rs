//! Names of local accounts: prepared localparts (RFC 7622 §3.3) that no DID and no device can get.

use waddle_core::{Did, jid::precis_localpart};

use crate::Error;

/// What a device's user name starts with; people cannot take such names.
pub const DEVICE_PREFIX: &str = "device-";

/// What a bot's localpart starts with; people cannot take such names.
pub const BOT_PREFIX: &str = "bot-";

/// Longest name of a local account in bytes.
pub const MAX_NAME: usize = 64;

/// The prepared form of a name for a new local account.
pub fn local_name(name: &str) -> Result<String, Error> {
    let name =
        precis_localpart(name.trim()).map_err(|_| Error::Name("it has characters that are not allowed"))?;
    if name.len() > MAX_NAME {
        return Err(Error::Name("it is over 64 bytes"));
    }
    if Did::reserves(&name) {
        return Err(Error::Name("it is kept for Bluesky accounts"));
    }
    if name.starts_with(DEVICE_PREFIX) {
        return Err(Error::Name("it is kept for devices"));
    }
    if name.starts_with(BOT_PREFIX) {
        return Err(Error::Name("it is kept for bots"));
    }
    Ok(name.into_owned())
}

/// Characters of a name to show.
const SHOWN: usize = 100;

/// A name to show, without blanks around it; `None` where it is blank.
pub fn display_name(text: &str) -> Result<Option<String>, Error> {
    let text = text.trim();
    let hidden = |c: char| {
        c.is_control()
            || matches!(c, '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
    };
    if text.chars().count() > SHOWN || text.chars().any(hidden) {
        return Err(Error::DisplayName);
    }
    Ok((!text.is_empty()).then(|| text.to_owned()))
}

/// The prepared form of a name or bare JID that somebody logs in with; `None` where no account can have it.
pub fn login_name(text: &str, domain: &str) -> Option<String> {
    let local = match text.rsplit_once('@') {
        Some((local, host)) if host.trim_end_matches('.').eq_ignore_ascii_case(domain) => local,
        Some(_) => return None,
        None => text,
    };
    precis_localpart(local).ok().map(std::borrow::Cow::into_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        assert_eq!(local_name(" Alice ").unwrap(), "alice");
        for bad in [
            "",
            "a b",
            "a@b",
            "web-x",
            "device-x",
            "bot-x",
            "ewvi7nxzyoun6zhxrhs64oiz",
            &"a".repeat(65),
            "a/b",
            "\u{265a}",
        ] {
            assert!(local_name(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn names_to_show() {
        assert_eq!(
            display_name(" Ada  Łovelace ").unwrap().as_deref(),
            Some("Ada  Łovelace")
        );
        assert_eq!(
            display_name("👩\u{200d}🚀").unwrap().as_deref(),
            Some("👩\u{200d}🚀")
        );
        assert_eq!(display_name(" \t ").unwrap(), None);
        for bad in ["a\nb", "a\u{202e}b", "a\u{200b}b", &"a".repeat(101)] {
            assert!(display_name(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn login_names() {
        assert_eq!(login_name("Alice", "x.org").as_deref(), Some("alice"));
        assert_eq!(login_name("alice@X.org", "x.org").as_deref(), Some("alice"));
        assert_eq!(login_name("alice@y.org", "x.org"), None);
        assert_eq!(login_name("alice@x.org/phone", "x.org"), None);
        assert_eq!(login_name("", "x.org"), None);
    }
}
