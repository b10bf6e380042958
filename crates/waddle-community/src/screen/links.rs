//! Links in a text: their hosts, as a client that follows them would read them.

use url::Url;

use super::{RuleError, fold::is_hidden};

/// A link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// The host, in lower case, IDNA's ASCII form.
    pub host: String,
    /// What stands behind it.
    pub path: String,
    /// Whether it was written as a link, not as a bare name that may be none.
    pub explicit: bool,
    /// Where it stands in the text.
    pub at: (usize, usize),
}

/// Endings that make a bare name a link for most clients.
const ENDINGS: &[&str] = &[
    "app", "biz", "ca", "cc", "co", "com", "de", "dev", "eu", "fr", "gg", "gift", "info", "io", "live",
    "link", "ly", "me", "net", "nl", "online", "org", "pl", "pw", "ru", "shop", "site", "store", "su", "tk",
    "to", "top", "tv", "uk", "us", "xyz",
];

/// Hosts whose links ask into some other community, with how their paths begin.
const INVITES: &[(&str, &str)] = &[
    ("discord.gg", "/"),
    ("discord.com", "/invite/"),
    ("discordapp.com", "/invite/"),
    ("guilded.gg", "/i/"),
    ("t.me", "/+"),
    ("t.me", "/joinchat/"),
    ("telegram.me", "/joinchat/"),
    ("chat.whatsapp.com", "/"),
    ("signal.group", "/"),
    ("matrix.to", "/"),
    ("join.slack.com", "/"),
];

/// Every link of a text.
pub fn links(text: &str) -> Vec<Link> {
    let mut found = Vec::new();
    if !text.contains(['.', ':', '。', '．', '｡']) {
        return found;
    }
    let border = |c: char| {
        c.is_whitespace() || matches!(c, '<' | '>' | '"' | '(' | ')' | '[' | ']' | '{' | '}' | '|' | '`')
    };
    let mut start = 0;
    for part in text.split_inclusive(border) {
        let token = part.trim_end_matches(border);
        read(token, start, &mut found);
        start += part.len();
    }
    found
}

/// All addresses of a word. It may have several: within a query, a fragment, behind a comma. Each byte is looked at a
/// few times, however many there are.
fn read(token: &str, start: usize, found: &mut Vec<Link>) {
    let trimmed = token.trim_end_matches(['.', ',', ';', ':', '!', '?', '\'', '*', '_', '~', '…']);
    // Browsers read a backslash as a slash.
    let clean: String = trimmed
        .chars()
        .filter(|c| !is_hidden(*c))
        .map(|c| if c == '\\' { '/' } else { c })
        .collect();
    let clean = clean.trim_start_matches(['\'', '*', '_', '~', '.', ',']);
    let at = (start, start + trimmed.len());
    let lower = clean.to_ascii_lowercase();
    let known = ["xmpp:", "https:", "http:"]
        .into_iter()
        .find(|s| lower.starts_with(s));
    if let Some((scheme, rest)) = known.and_then(|s| Some((s, clean.get(s.len()..)?))) {
        if scheme == "xmpp:" {
            xmpp(rest, at, found);
        } else {
            // Also with one slash, or none.
            web(
                &["http://", rest.trim_start_matches('/')].concat(),
                true,
                at,
                found,
            );
        }
    } else if let Some(rest) = clean.strip_prefix("//") {
        web(&["http://", rest].concat(), true, at, found);
    } else {
        bare(clean, at, found);
    }
    let read = known.map(|s| s.len() - 1);
    let mut places = lower
        .match_indices("://")
        .map(|(i, _)| i)
        .filter(|i| Some(*i) != read)
        .peekable();
    while let Some(colon) = places.next() {
        let scheme = lower[..colon]
            .rfind(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '+' | '-'))
            .map_or(0, |n| n + lower[n..].chars().next().map_or(1, char::len_utf8));
        // As far as the next one: no host goes on behind its slashes.
        let end = places.peek().map_or(clean.len(), |next| next + 3);
        if let Some(address) = clean.get(scheme..end).filter(|a| !a.starts_with(':')) {
            web(address, true, at, found);
        }
    }
}

/// A name without a scheme, where it has the shape of one.
fn bare(clean: &str, at: (usize, usize), found: &mut Vec<Link>) {
    let host = clean.split(['/', '?', '#', ':']).next().unwrap_or_default();
    if !is_name(host) {
        return;
    }
    let ending = host
        .rsplit(['.', '。', '．', '｡'])
        .next()
        .unwrap_or_default()
        .to_lowercase();
    let explicit = clean.get(..4).is_some_and(|w| w.eq_ignore_ascii_case("www."))
        || clean.len() > host.len() && clean[host.len()..].starts_with('/')
        || ENDINGS.contains(&&*ending);
    web(&["http://", clean].concat(), explicit, at, found);
}

/// The host of an address as browsers read it; one that they would not read still names a host.
fn web(address: &str, explicit: bool, at: (usize, usize), found: &mut Vec<Link>) {
    let (host, path) = if let Ok(url) = Url::parse(address) {
        let Some(host) = url.host_str() else { return };
        let mut path = url.path().to_owned();
        for (sign, part) in [('?', url.query()), ('#', url.fragment())] {
            if let Some(part) = part {
                path.push(sign);
                path.push_str(part);
            }
        }
        (host.to_lowercase(), path)
    } else {
        let rest = address.split_once("://").map_or(address, |(_, rest)| rest);
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let path = rest.get(authority.len()..).unwrap_or_default().to_owned();
        let host = authority.rsplit('@').next().unwrap_or_default();
        (host.split(':').next().unwrap_or_default().to_lowercase(), path)
    };
    let host = host.trim_end_matches('.');
    if host.is_empty() {
        return;
    }
    let mut push = |host: &str, path: &str| {
        found.push(Link {
            host: host.to_owned(),
            path: path.to_owned(),
            explicit,
            at,
        });
    };
    push(host, &path);
    // No host has other signs, but clients may see several where one is written.
    let sign = |c: char| !c.is_alphanumeric() && !matches!(c, '.' | '-' | '_' | ':' | '[' | ']');
    if host.contains(sign) {
        for part in host.split(sign).filter(|part| is_name(part)) {
            push(part, "/");
        }
    }
}

/// An address of XMPP (RFC 5122): behind an account to be used, `//me@host/`, and before a resource, `/…`.
fn xmpp(rest: &str, at: (usize, usize), found: &mut Vec<Link>) {
    let end = rest.find(['?', '#']).unwrap_or(rest.len());
    let (address, query) = rest.split_at(end);
    let (account, target) = match address.strip_prefix("//") {
        Some(both) => both.split_once('/').unwrap_or((both, "")),
        None => ("", address),
    };
    for part in [account, target] {
        let part = part.split('/').next().unwrap_or_default();
        let host = part.rsplit('@').next().unwrap_or_default();
        // As a host of the web it is read the same way: escapes, case, IDNA.
        let read = Url::parse(&["http://", host].concat()).ok();
        let read = read
            .as_ref()
            .and_then(|u| u.host_str())
            .unwrap_or(host)
            .to_lowercase();
        if !read.is_empty() {
            found.push(Link {
                host: read,
                path: ["?", query.trim_start_matches(['?', '#'])].concat(),
                explicit: true,
                at,
            });
        }
    }
}

/// Whether it has the shape of a host name: labels with dots, the last one of letters.
fn is_name(host: &str) -> bool {
    let labels: Vec<&str> = host.split(['.', '。', '．', '｡']).collect();
    labels.len() > 1
        && host.len() <= 255
        && labels
            .iter()
            .all(|l| !l.is_empty() && l.chars().all(|c| c.is_alphanumeric() || c == '-' || c == '_'))
        && labels.last().is_some_and(|l| {
            l.chars().count() > 1 && (l.starts_with("xn--") || l.chars().all(char::is_alphabetic))
        })
}

/// A domain as rules name it, without `*.` before it.
pub fn domain(text: &str) -> Result<String, RuleError> {
    let name = text.trim().trim_start_matches("*.").trim_matches('.');
    let bad = RuleError("a domain is a host name such as example.com");
    if name.is_empty() || name.contains(['/', '@', ':', ' ', '*']) {
        return Err(bad);
    }
    match Url::parse(&["http://", name].concat()) {
        Ok(url) => url.host_str().map(str::to_lowercase).ok_or(bad),
        Err(_) => Err(bad),
    }
}

/// Whether a host is this domain or lies below it.
pub fn is_within(host: &str, domain: &str) -> bool {
    host.strip_suffix(domain)
        .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

/// What a link asks into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Invitation {
    /// Nothing.
    None,
    /// The waddle where it is said.
    Own,
    /// Some other community.
    Other,
}

/// What a link asks into, said in the waddle of this slug.
pub fn invitation(link: &Link, slug: &str) -> Invitation {
    if let Some(code) = link.path.split("/invite/").nth(1)
        && !link.path.starts_with('?')
        && !INVITES.iter().any(|(host, _)| is_within(&link.host, host))
    {
        // Codes of this server begin with the slug and a hyphen, then 26 characters.
        let code = code.split(['?', '#', '/']).next().unwrap_or_default();
        return match code.rsplit_once('-') {
            Some((of, secret)) if secret.len() == 26 && of == slug => Invitation::Own,
            Some((_, secret)) if secret.len() == 26 => Invitation::Other,
            _ => Invitation::None,
        };
    }
    if let Some(query) = link.path.strip_prefix('?')
        && query
            .split([';', '&'])
            .any(|q| q == "join" || q.starts_with("preauth"))
    {
        return Invitation::Other;
    }
    let known = INVITES.iter().any(|(host, path)| {
        is_within(&link.host, host) && link.path.starts_with(path) && link.path.len() > path.len()
    });
    if known {
        Invitation::Other
    } else {
        Invitation::None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts(text: &str) -> Vec<String> {
        links(text).into_iter().map(|l| l.host).collect()
    }

    #[test]
    fn hosts_are_what_a_client_would_go_to() {
        for (text, host) in [
            ("see https://Evil.example/x?y.", "evil.example"),
            ("(http://good.example@evil.example/)", "evil.example"),
            ("<https://evil.example>", "evil.example"),
            ("[click](https://evil.example:8443/a)", "evil.example"),
            ("go to evil.com now", "evil.com"),
            ("www.evil.example", "www.evil.example"),
            ("e\u{200b}vil.com!", "evil.com"),
            ("https://еvil.com", "xn--vil-qdd.com"),
            ("https:\\\\evil.com\\x", "evil.com"),
            ("http://192.0.2.1/x", "192.0.2.1"),
            ("http://3221225985/", "192.0.2.1"),
            ("evil。com", "evil.com"),
            ("xmpp:room@muc.evil.example?join", "muc.evil.example"),
            ("//evil.com/x", "evil.com"),
        ] {
            assert!(
                hosts(text).contains(&host.to_owned()),
                "{text}: {:?}",
                hosts(text)
            );
        }
        for none in [
            "hello.",
            "e.g. 3.14",
            "bob@example.com",
            "...",
            "a:b",
            "12:30",
            "http://",
            "",
        ] {
            assert!(hosts(none).is_empty(), "{none}: {:?}", hosts(none));
        }
        assert!(
            !links("main.rs")[0].explicit && links("main.rs/x")[0].explicit && links("a.com")[0].explicit
        );
    }

    #[test]
    fn domains_and_what_is_below() {
        assert!(is_within("a.b.example.com", "example.com") && is_within("example.com", "example.com"));
        assert!(!is_within("notexample.com", "example.com"));
        assert_eq!(domain(" *.Example.COM. ").unwrap(), "example.com");
        for bad in ["", "http://x", "a b", "a@b", "*"] {
            assert!(domain(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn invitations() {
        let of = |text: &str| invitation(&links(text)[0], "penguins");
        let code = "abcdefghijklmnopqrstuvwxyz";
        assert_eq!(
            of(&format!("https://x.example/invite/penguins-{code}")),
            Invitation::Own
        );
        assert_eq!(
            of(&format!("https://x.example/invite/seals-{code}")),
            Invitation::Other
        );
        assert_eq!(of("https://discord.gg/abc"), Invitation::Other);
        assert_eq!(of("discord.com/invite/abc"), Invitation::Other);
        assert_eq!(of("xmpp:lounge@muc.example?join"), Invitation::Other);
        assert_eq!(of("https://discord.com/channels/1"), Invitation::None);
        assert_eq!(of("https://x.example/invite/others"), Invitation::None);
    }
}
