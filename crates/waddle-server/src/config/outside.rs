//! Parsers of the settings for what stands beside XMPP: files, STUN and TURN, contact addresses.

use url::Url;
use waddle_core::Secret;
use waddle_xmpp::xep::xep0215::ExternalService;

use super::parse::Parsed;

/// A number of bytes: digits and perhaps `K`, `M`, `G` or `T`, powers of 1,024.
pub(super) fn bytes(s: &str) -> Parsed<u64> {
    const ALLOWED: &str = "a number of bytes such as 5000000, 100M or 10G is expected";
    let unit = |c: char| "KMGT".find(c.to_ascii_uppercase());
    let (digits, power) = match s.chars().last().and_then(unit) {
        Some(i) => (&s[..s.len() - 1], i + 1),
        None => (s, 0),
    };
    let factor = 1_u64 << (10 * power);
    let number: u64 = digits.parse().map_err(|_| ALLOWED)?;
    number.checked_mul(factor).filter(|n| *n > 0).ok_or(ALLOWED)
}

pub(super) fn number(s: &str) -> Parsed<u64> {
    s.parse().map_err(|_| "a whole number is expected")
}

pub(super) fn text(s: &str) -> Parsed<String> {
    Ok(s.to_owned())
}

pub(super) fn optional_secret(s: &str) -> Parsed<Option<Secret>> {
    Ok((!s.is_empty()).then(|| Secret::new(s)))
}

pub(super) fn relays(s: &str) -> Parsed<Vec<ExternalService>> {
    const ALLOWED: &str = "stun:host:port and turn:host:port?transport=udp (also stuns, turns), separated by commas, are expected";
    let parts = s.split(',').map(str::trim).filter(|p| !p.is_empty());
    parts
        .map(|p| ExternalService::from_uri(p).ok_or(ALLOWED))
        .collect()
}

pub(super) fn addresses(s: &str) -> Parsed<Vec<String>> {
    const ALLOWED: &str =
        "URIs such as mailto:abuse@example.org or xmpp:admin@example.org, separated by commas, are expected";
    let parts = s.split(',').map(str::trim).filter(|p| !p.is_empty());
    parts
        .map(|p| match Url::parse(p) {
            Ok(u) if matches!(u.scheme(), "mailto" | "xmpp" | "https" | "http" | "tel") => Ok(p.to_owned()),
            _ => Err(ALLOWED),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        assert_eq!(bytes("10"), Ok(10));
        assert_eq!((bytes("1k"), bytes("100M")), (Ok(1_024), Ok(104_857_600)));
        for bad in ["", "M", "0", "-1", "1.5G", "99999999999T", "5 M", "1é"] {
            assert!(bytes(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn lists() {
        assert_eq!(relays("stun:a:1, turns:b:2?transport=tcp").unwrap().len(), 2);
        assert!(relays("").unwrap().is_empty() && relays("http://a").is_err());
        assert_eq!(
            addresses("mailto:a@b, xmpp:c@d").unwrap(),
            ["mailto:a@b", "xmpp:c@d"]
        );
        assert!(addresses("a@b").is_err() && addresses("javascript:x").is_err());
    }
}
