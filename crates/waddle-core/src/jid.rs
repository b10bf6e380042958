//! XMPP addresses over PRECIS (RFC 7622).

use std::{borrow::Cow, fmt, str::FromStr, sync::Arc};

use precis_core::profile::PrecisFastInvocation;
use precis_profiles::{Nickname, OpaqueString, UsernameCaseMapped};
use serde::{Deserialize, Serialize};

/// Why a text is no JID.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum JidError {
    /// The localpart is empty, over 1,023 bytes or not allowed by RFC 7622 §3.3.
    #[error("the localpart is empty, too long or has characters that are not allowed")]
    Local,
    /// The domain is empty, over 1,023 bytes or no host name.
    #[error("the domain is empty, too long or no host name")]
    Domain,
    /// The resource is empty, over 1,023 bytes or not allowed by RFC 7622 §3.4.
    #[error("the resource is empty, too long or has characters that are not allowed")]
    Resource,
}

/// An address: `[local@]domain[/resource]`, prepared once, cheap to clone.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Jid {
    text: Arc<str>,
    /// Length of the localpart; 0 where there is none.
    local: u16,
    /// Index of the slash; the text's length where there is no resource.
    slash: u16,
}

/// A [`Jid`] without a resource.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct BareJid(Jid);

fn is_simple(s: &str) -> bool {
    s.bytes()
        .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_' | b'.'))
}

fn bounded(s: Cow<'_, str>, err: JidError) -> Result<Cow<'_, str>, JidError> {
    if s.is_empty() || s.len() > 1023 {
        Err(err)
    } else {
        Ok(s)
    }
}

/// Enforces a profile until its output stays the same; what does not settle is refused (RFC 8264 §7).
fn stable(s: &str, enforce: impl Fn(&str) -> Option<String>) -> Option<String> {
    let mut last = enforce(s)?;
    for _ in 0..3 {
        let next = enforce(&last)?;
        if next == last {
            return Some(last);
        }
        last = next;
    }
    None
}

/// Prepares a localpart: PRECIS UsernameCaseMapped, less the characters that RFC 7622 §3.3.1 excludes.
pub fn precis_localpart(s: &str) -> Result<Cow<'_, str>, JidError> {
    let excluded = |s: &str| s.contains(['"', '&', '\'', '/', ':', '<', '>', '@']);
    if s.len() > 4096 || excluded(s) {
        return Err(JidError::Local);
    }
    let s = if is_simple(s) {
        Cow::Borrowed(s)
    } else {
        stable(s, |s| UsernameCaseMapped::enforce(s).ok().map(Cow::into_owned))
            .ok_or(JidError::Local)?
            .into()
    };
    // Width mapping turns U+FF0F into a slash: what came out must not hold them either.
    if excluded(&s) {
        return Err(JidError::Local);
    }
    bounded(s, JidError::Local)
}

/// Prepares a resource: PRECIS OpaqueString (RFC 7622 §3.4).
pub fn precis_resource(s: &str) -> Result<Cow<'_, str>, JidError> {
    if s.len() > 4096 {
        return Err(JidError::Resource);
    }
    let s = if is_simple(s) {
        Cow::Borrowed(s)
    } else {
        stable(s, |s| OpaqueString::enforce(s).ok().map(Cow::into_owned))
            .ok_or(JidError::Resource)?
            .into()
    };
    bounded(s, JidError::Resource)
}

/// Prepares a password for comparison or hashing: PRECIS OpaqueString (RFC 8265 §4.2).
pub fn precis_password(s: &str) -> Option<Cow<'_, str>> {
    if s.len() > 4096 {
        None
    } else {
        OpaqueString::enforce(s).ok().filter(|s| !s.is_empty())
    }
}

/// The form in which two nicknames are compared: PRECIS Nickname (RFC 8266 §2.3), which folds case.
pub fn nickname_key(s: &str) -> Option<String> {
    if s.len() > 4096 {
        return None;
    }
    let s = Nickname::enforce(s).ok()?;
    (!s.is_empty()).then(|| s.to_lowercase())
}

fn prepare_domain(s: &str) -> Result<Cow<'_, str>, JidError> {
    let s = s.strip_suffix('.').unwrap_or(s);
    if s.is_empty() || s.len() > 1023 {
        return Err(JidError::Domain);
    }
    if let Some(v6) = s.strip_prefix('[').and_then(|s| s.strip_suffix(']')) {
        return if v6.parse::<std::net::Ipv6Addr>().is_ok() {
            Ok(s.into())
        } else {
            Err(JidError::Domain)
        };
    }
    let lower: Cow<'_, str> = if s.bytes().any(|b| b.is_ascii_uppercase()) || !s.is_ascii() {
        s.to_lowercase().into()
    } else {
        s.into()
    };
    let label = |l: &str| {
        !l.is_empty()
            && l.len() <= 63 * 4
            && l.chars().all(|c| {
                c.is_alphanumeric()
                    || c == '-'
                    || c == '_'
                    || (!c.is_ascii() && !c.is_control() && !c.is_whitespace())
            })
    };
    if lower.split('.').all(label) {
        Ok(lower)
    } else {
        Err(JidError::Domain)
    }
}

impl Jid {
    /// Puts an address together from unprepared parts.
    pub fn new(local: Option<&str>, domain: &str, resource: Option<&str>) -> Result<Self, JidError> {
        let local = local.map(precis_localpart).transpose()?;
        let domain = prepare_domain(domain)?;
        let resource = resource.map(precis_resource).transpose()?;
        Ok(Self::join(local.as_deref(), &domain, resource.as_deref()))
    }

    fn join(local: Option<&str>, domain: &str, resource: Option<&str>) -> Self {
        let l = local.map_or(0, str::len);
        let mut text = String::with_capacity(l + domain.len() + resource.map_or(0, str::len) + 2);
        if let Some(local) = local {
            text.push_str(local);
            text.push('@');
        }
        text.push_str(domain);
        let slash = text.len();
        if let Some(resource) = resource {
            text.push('/');
            text.push_str(resource);
        }
        Self {
            text: text.into(),
            local: l as u16,
            slash: slash as u16,
        }
    }

    /// The whole address.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The part before `@`.
    pub fn local(&self) -> Option<&str> {
        (self.local > 0).then(|| &self.text[..usize::from(self.local)])
    }

    /// The host part.
    pub fn domain(&self) -> &str {
        let start = if self.local > 0 {
            usize::from(self.local) + 1
        } else {
            0
        };
        &self.text[start..usize::from(self.slash)]
    }

    /// The part after the first `/`.
    pub fn resource(&self) -> Option<&str> {
        self.text.get(usize::from(self.slash) + 1..)
    }

    /// The address without its resource, as text.
    pub fn bare_str(&self) -> &str {
        &self.text[..usize::from(self.slash)]
    }

    /// Whether there is no resource.
    pub fn is_bare(&self) -> bool {
        usize::from(self.slash) == self.text.len()
    }

    /// The address without its resource.
    pub fn bare(&self) -> BareJid {
        if self.is_bare() {
            return BareJid(self.clone());
        }
        BareJid(Self {
            text: self.bare_str().into(),
            local: self.local,
            slash: self.slash,
        })
    }
}

impl BareJid {
    /// Puts a bare address together from unprepared parts.
    pub fn new(local: Option<&str>, domain: &str) -> Result<Self, JidError> {
        Jid::new(local, domain, None).map(Self)
    }

    /// The whole address.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// The part before `@`.
    pub fn local(&self) -> Option<&str> {
        self.0.local()
    }

    /// The host part.
    pub fn domain(&self) -> &str {
        self.0.domain()
    }

    /// As a [`Jid`].
    pub fn as_jid(&self) -> &Jid {
        &self.0
    }

    /// This address with an unprepared resource.
    pub fn with_resource(&self, resource: &str) -> Result<Jid, JidError> {
        let r = precis_resource(resource)?;
        Ok(Jid::join(self.local(), self.domain(), Some(&r)))
    }
}

impl FromStr for Jid {
    type Err = JidError;
    fn from_str(s: &str) -> Result<Self, JidError> {
        let (rest, resource) = match s.split_once('/') {
            Some((rest, r)) => (rest, Some(r)),
            None => (s, None),
        };
        let (local, domain) = match rest.split_once('@') {
            Some((l, d)) => (Some(l), d),
            None => (None, rest),
        };
        Self::new(local, domain, resource)
    }
}
impl FromStr for BareJid {
    type Err = JidError;
    /// Refuses an address with a resource.
    fn from_str(s: &str) -> Result<Self, JidError> {
        let jid: Jid = s.parse()?;
        if jid.is_bare() {
            Ok(Self(jid))
        } else {
            Err(JidError::Resource)
        }
    }
}
impl From<BareJid> for Jid {
    fn from(b: BareJid) -> Self {
        b.0
    }
}
impl From<BareJid> for String {
    fn from(b: BareJid) -> Self {
        b.as_str().to_owned()
    }
}
impl TryFrom<String> for BareJid {
    type Error = JidError;
    fn try_from(s: String) -> Result<Self, JidError> {
        s.parse()
    }
}
impl fmt::Display for Jid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
impl fmt::Debug for Jid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
impl fmt::Display for BareJid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
impl fmt::Debug for BareJid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn j(s: &str) -> Jid {
        s.parse().unwrap()
    }

    #[test]
    fn parts() {
        let a = j("Juliet@Example.com/Balcony/foo@bar");
        assert_eq!(
            (a.local(), a.domain(), a.resource()),
            (Some("juliet"), "example.com", Some("Balcony/foo@bar"))
        );
        assert_eq!(a.bare().as_str(), "juliet@example.com");
        assert_eq!(j("example.com").local(), None);
        assert_eq!(j("example.com/x@y").resource(), Some("x@y"));
        assert_eq!(
            a.bare().with_resource("phone").unwrap(),
            j("juliet@example.com/phone")
        );
    }

    /// RFC 7622 §3.5, table 1 (valid) and table 2 (invalid).
    #[test]
    fn rfc7622_tables() {
        for ok in [
            "juliet@example.com",
            "juliet@example.com/foo",
            "juliet@example.com/foo bar",
            "juliet@example.com/foo@bar",
            "foo\\20bar@example.com",
            "fussball@example.com",
            "fu\u{df}ball@example.com",
            "\u{3c0}@example.com",
            "\u{3a3}@example.com/foo",
            "king@example.com/\u{265a}",
            "example.com",
            "example.com/foobar",
            "a.example.com/b@example.net",
        ] {
            assert!(ok.parse::<Jid>().is_ok(), "{ok}");
        }
        for bad in [
            "\"juliet\"@example.com",
            "foo bar@example.com",
            "juliet@example.com/ foo\u{0}",
            "@example.com/",
            "@example.com",
            "henry\u{2163}@example.com",
            "\u{265a}@example.com",
            "juliet@",
            "/foobar",
            "",
            "juliet@example.com/",
            "a@b@c",
            "a@b c",
        ] {
            assert!(bad.parse::<Jid>().is_err(), "{bad:?}");
        }
    }

    /// U+0387 becomes a middle dot, which is allowed between two `l` only.
    #[test]
    fn what_does_not_settle_is_refused() {
        assert!("a@b/\u{387}".parse::<Jid>().is_err());
        assert_eq!(j("a@b/l\u{387}l").resource(), Some("l\u{b7}l"));
    }

    /// Fullwidth forms of the excluded characters map to them.
    #[test]
    fn separators_do_not_come_in_by_width_mapping() {
        for bad in [
            "a\u{ff0f}b",
            "a\u{ff20}b",
            "a\u{ff1a}b",
            "a\u{ff06}b",
            "a\u{ff1c}b",
            "a\u{ff02}b",
        ] {
            assert!(precis_localpart(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn lengths() {
        assert!(format!("{}@a", "x".repeat(1023)).parse::<Jid>().is_ok());
        assert!(format!("{}@a", "x".repeat(1024)).parse::<Jid>().is_err());
        assert!(format!("a@b/{}", "x".repeat(1024)).parse::<Jid>().is_err());
        assert!("x".repeat(1024).parse::<Jid>().is_err());
    }

    #[test]
    fn nicknames_fold() {
        assert_eq!(nickname_key("Romeo"), nickname_key("romeo"));
        assert_eq!(nickname_key(" a  b "), nickname_key("a b"));
        assert!(nickname_key("").is_none() && nickname_key("  ").is_none());
    }
}
