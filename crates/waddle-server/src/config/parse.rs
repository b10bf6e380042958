//! Parsers of single settings: each takes the text and either reads it or says what is allowed.

use std::{
    net::{IpAddr, SocketAddr},
    path::PathBuf,
};

use tracing_subscriber::EnvFilter;
use url::Url;
use waddle_core::{BareJid, Secret};
use waddle_http::Network;
use waddle_xmpp::{component::Component, push::Details};

use super::{LogFormat, Registration};

/// Addresses that a listener binds; none when it is off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listen(pub Vec<SocketAddr>);

pub(super) type Parsed<T> = Result<T, &'static str>;

pub(super) fn path(s: &str) -> Parsed<PathBuf> {
    if s.is_empty() {
        Err("a path is expected")
    } else {
        Ok(s.into())
    }
}

pub(super) fn optional_path(s: &str) -> Parsed<Option<PathBuf>> {
    Ok((!s.is_empty()).then(|| s.into()))
}

pub(super) fn domain(s: &str) -> Parsed<String> {
    const ALLOWED: &str = "a host name such as chat.example.org is expected";
    let jid = BareJid::new(None, s).map_err(|_| ALLOWED)?;
    if s.parse::<IpAddr>().is_ok() || s.starts_with('[') {
        return Err("a host name is expected; people's addresses would change with the IP address");
    }
    Ok(jid.domain().to_owned())
}

pub(super) fn optional_host(s: &str) -> Parsed<Option<String>> {
    if s.is_empty() {
        return Ok(None);
    }
    BareJid::new(None, s)
        .map(|j| Some(j.domain().to_owned()))
        .map_err(|_| "a host name or an IP address is expected")
}

pub(super) fn listen(s: &str) -> Parsed<Listen> {
    if s == "off" {
        return Ok(Listen(Vec::new()));
    }
    let one = |a: &str| {
        a.trim()
            .parse()
            .map_err(|_| "address:port (several separated by commas) or off is expected")
    };
    s.split(',').map(one).collect::<Result<_, _>>().map(Listen)
}

/// What push services are told.
pub(super) fn push_details(s: &str) -> Parsed<Details> {
    Ok(match s {
        "count" => Details::Count,
        "sender" => Details::Sender,
        "body" => Details::Body,
        _ => return Err("count, sender or body is expected"),
    })
}

/// Hosts of components and their secrets. The texts are not shown in errors: they may be secret.
pub(super) fn components(value: &toml::Value) -> Parsed<Vec<Component>> {
    const ALLOWED: &str =
        "host names with their secrets, as in \"bridge.example.org\" = \"secret\", are expected";
    let table = value.as_table().ok_or(ALLOWED)?;
    let one = |(host, secret): (&String, &toml::Value)| {
        let secret = secret.as_str().filter(|s| !s.is_empty()).ok_or(ALLOWED)?;
        Ok(Component {
            host: domain(host).map_err(|_| ALLOWED)?,
            secret: Secret::new(secret),
        })
    };
    table.iter().map(one).collect()
}

pub(super) fn networks(s: &str) -> Parsed<Vec<Network>> {
    const ALLOWED: &str = "networks such as 10.0.0.0/8 or ::1, separated by commas, are expected";
    s.split(',')
        .filter(|n| !n.trim().is_empty())
        .map(|n| n.parse().map_err(|_| ALLOWED))
        .collect()
}

pub(super) fn url(s: &str) -> Parsed<Url> {
    const ALLOWED: &str = "a URL with http or https and a host is expected";
    let url = Url::parse(s).map_err(|_| ALLOWED)?;
    let ok = matches!(url.scheme(), "http" | "https") && url.has_host() && url.username().is_empty();
    if ok { Ok(url) } else { Err(ALLOWED) }
}

pub(super) fn optional_url(s: &str) -> Parsed<Option<Url>> {
    if s.is_empty() { Ok(None) } else { url(s).map(Some) }
}

pub(super) fn switch(s: &str) -> Parsed<bool> {
    match s {
        "on" | "true" | "1" => Ok(true),
        "off" | "false" | "0" => Ok(false),
        _ => Err("on or off is expected"),
    }
}

pub(super) fn registration(s: &str) -> Parsed<Registration> {
    match s {
        "open" => Ok(Registration::Open),
        "invite" => Ok(Registration::Invite),
        "closed" => Ok(Registration::Closed),
        _ => Err("open, invite or closed is expected"),
    }
}

pub(super) fn log_filter(s: &str) -> Parsed<String> {
    EnvFilter::try_new(s)
        .map(|_| s.to_owned())
        .map_err(|_| "error, warn, info, debug, trace or target=level, separated by commas, is expected")
}

pub(super) fn log_format(s: &str) -> Parsed<LogFormat> {
    match s {
        "text" => Ok(LogFormat::Text),
        "json" => Ok(LogFormat::Json),
        _ => Err("text or json is expected"),
    }
}

pub(super) fn ratio(s: &str) -> Parsed<f64> {
    let r: f64 = s.parse().map_err(|_| "a number from 0 to 1 is expected")?;
    if (0.0..=1.0).contains(&r) {
        Ok(r)
    } else {
        Err("a number from 0 to 1 is expected")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn domains() {
        assert_eq!(domain("Chat.Example.").unwrap(), "chat.example");
        for bad in ["", "127.0.0.1", "[::1]", "a@b", "a/b", "a b"] {
            assert!(domain(bad).is_err(), "{bad}");
        }
    }
}
