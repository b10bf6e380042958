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
    "app", "biz", "ca", "cc", "co", "com", "de", "dev", "eu", "fr", "gg", "gift", "info", "io", "live", "link", "ly",
    "me", "net", "nl", "online", "org", "pl", "pw", "ru", "shop", "site", "store", "su", "tk", "to", "top", "tv", "uk",
    "us", "xyz",
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
    let border =
        |c: char| c.is_whitespace() || matches!(c, '<' | '>' | '"' | '(' | ')' | '[' | ']' | '{' | '}' | '|' | '`');
    let mut start = 0;
    for part in text.split_inclusive(border) {
        let token = part.trim_end_matches(border);
        found.extend(link(token, start));
        start += part.len();
    }
    found
}

fn link(token: &str, start: usize) -> Option<Link> {
    let trimmed = token.trim_end_matches(['.', ',', ';', ':', '!', '?', '\'', '*', '_', '~', '…']);
    let clean: String = trimmed.chars().filter(|c| !is_hidden(*c)).collect();
    let clean = clean.trim_start_matches(['\'', '*', '_', '~', '.', ',']);
    let at = (start, start + trimmed.len());
    let lower = clean.to_ascii_lowercase();
    if let Some(i) = lower.find("xmpp:") {
        let rest = clean.get(i + 5..)?.trim_start_matches('/');
        let (address, query) = rest.split_once('?').unwrap_or((rest, ""));
        let host = address.rsplit('@').next()?.split('/').next()?.to_lowercase();
        return (!host.is_empty()).then(|| Link {
            host,
            path: ["?", query].concat(),
            explicit: true,
            at,
        });
    }
    let (address, explicit) = match lower.find("://") {
        Some(i) => {
            let scheme = lower[..i]
                .rfind(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '+' | '-'))
                .map_or(0, |n| n + 1);
            (clean.get(scheme..)?.to_owned(), true)
        }
        None if clean.starts_with("//") => (["http:", clean].concat(), true),
        None => {
            let host = clean.split(['/', '?', '#', ':']).next()?;
            if !is_name(host) {
                return None;
            }
            let ending = host.rsplit(['.', '。', '．', '｡']).next()?.to_lowercase();
            let explicit = lower.starts_with("www.")
                || clean.len() > host.len() && clean[host.len()..].starts_with('/')
                || ENDINGS.contains(&&*ending);
            (["http://", clean].concat(), explicit)
        }
    };
    let url = Url::parse(&address).ok()?;
    let host = url.host_str()?.trim_end_matches('.').to_lowercase();
    let mut path = url.path().to_owned();
    if let Some(q) = url.query() {
        path.push('?');
        path.push_str(q);
    }
    if let Some(f) = url.fragment() {
        path.push('#');
        path.push_str(f);
    }
    (!host.is_empty()).then_some(Link {
        host,
        path,
        explicit,
        at,
    })
}

/// Whether it has the shape of a host name: labels with dots, the last one of letters.
fn is_name(host: &str) -> bool {
    let labels: Vec<&str> = host.split(['.', '。', '．', '｡']).collect();
    labels.len() > 1
        && host.len() <= 255
        && labels.iter().all(|l| {
            !l.is_empty() && l.chars().all(|c| c.is_alphanumeric() || c == '-' || c == '_')
        })
        && labels
            .last()
            .is_some_and(|l| l.chars().count() > 1 && (l.starts_with("xn--") || l.chars().all(char::is_alphabetic)))
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
        && query.split([';', '&']).any(|q| q == "join" || q.starts_with("preauth"))
    {
        return Invitation::Other;
    }
    let known = INVITES
        .iter()
        .any(|(host, path)| is_within(&link.host, host) && link.path.starts_with(path) && link.path.len() > path.len());
    if known { Invitation::Other } else { Invitation::None }
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
            ("https://еvil.com", "xn--vil-8cd.com"),
            ("https:\\\\evil.com\\x", "evil.com"),
            ("http://192.0.2.1/x", "192.0.2.1"),
            ("http://3221225985/", "192.0.2.1"),
            ("evil。com", "evil.com"),
            ("xmpp:room@muc.evil.example?join", "muc.evil.example"),
            ("//evil.com/x", "evil.com"),
        ] {
            assert!(hosts(text).contains(&host.to_owned()), "{text}: {:?}", hosts(text));
        }
        for none in ["hello.", "e.g. 3.14", "bob@example.com", "...", "a:b", "12:30", "http://", ""] {
            assert!(hosts(none).is_empty(), "{none}: {:?}", hosts(none));
        }
        assert!(!links("main.rs")[0].explicit && links("main.rs/x")[0].explicit && links("a.com")[0].explicit);
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
        assert_eq!(of(&format!("https://x.example/invite/penguins-{code}")), Invitation::Own);
        assert_eq!(of(&format!("https://x.example/invite/seals-{code}")), Invitation::Other);
        assert_eq!(of("https://discord.gg/abc"), Invitation::Other);
        assert_eq!(of("discord.com/invite/abc"), Invitation::Other);
        assert_eq!(of("xmpp:lounge@muc.example?join"), Invitation::Other);
        assert_eq!(of("https://discord.com/channels/1"), Invitation::None);
        assert_eq!(of("https://x.example/invite/others"), Invitation::None);
    }
}
