//! Who is at the other end: the address behind trusted proxies, and whether TLS protects the way.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use axum::{
    extract::{Request, State},
    http::{HeaderMap, Method, header},
    middleware::Next,
    response::{IntoResponse, Redirect, Response},
};

use crate::{App, config::Network};

/// A connection as it was accepted.
#[derive(Debug, Clone, Copy)]
pub struct Conn {
    /// The socket's other end.
    pub addr: IpAddr,
    /// Whether TLS ends here.
    pub tls: bool,
}

/// The client, behind trusted proxies too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Client {
    /// Its address.
    pub addr: IpAddr,
    /// Whether TLS protects it up to here or to a trusted proxy.
    pub secure: bool,
}

impl Client {
    /// Whom a rate counts: the network that one customer has.
    pub fn bucket(self) -> String {
        network(self.addr).to_string()
    }
}

/// What one customer has: an IPv4 address, or the /64 of an IPv6 address (RFC 6177 §2).
pub fn network(addr: IpAddr) -> IpAddr {
    match addr.to_canonical() {
        IpAddr::V4(a) => a.into(),
        IpAddr::V6(a) => Ipv6Addr::from_bits(a.to_bits() >> 64 << 64).into(),
    }
}

/// An address as proxies write it, some with the port behind it.
fn named(text: &str) -> Option<IpAddr> {
    let with_port = || text.parse::<SocketAddr>().map(|a| a.ip());
    text.parse().or_else(|_| with_port()).ok()
}

/// Reads `X-Forwarded-For` from the right: the first address that is no trusted proxy's is the client's.
fn behind_proxies(conn: Conn, headers: &HeaderMap, trusted: &[Network]) -> Client {
    let is_trusted = |a: IpAddr| trusted.iter().any(|n| n.contains(a));
    let mut client = Client {
        addr: conn.addr.to_canonical(),
        secure: conn.tls,
    };
    if !is_trusted(conn.addr) {
        return client;
    }
    let all = |name: &str| -> Vec<String> {
        let values = headers.get_all(name).iter().filter_map(|v| v.to_str().ok());
        values
            .flat_map(|v| v.split(','))
            .map(|v| v.trim().to_owned())
            .collect()
    };
    for text in all("x-forwarded-for").iter().rev() {
        let Some(addr) = named(text) else { break };
        client.addr = addr.to_canonical();
        if !is_trusted(client.addr) {
            break;
        }
    }
    if let Some(proto) = all("x-forwarded-proto").last() {
        client.secure = proto.eq_ignore_ascii_case("https");
    }
    client
}

/// Whether a request should go to 127.0.0.1: it came for `localhost`, whose cookies OAuth's loopback rule would lose.
fn is_misplaced(req: &Request, app: &App) -> bool {
    let host = req
        .headers()
        .get(header::HOST)
        .and_then(|h| h.to_str().ok())
        .or_else(|| req.uri().authority().map(axum::http::uri::Authority::as_str))
        .unwrap_or_default();
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    let machine = [
        "/healthz",
        "/readyz",
        "/metrics",
        "/.well-known/",
        "/xmpp-websocket",
        "/mqtt",
        "/http-bind",
        "/upload/",
        "/api/",
    ];
    name.eq_ignore_ascii_case("localhost")
        && app.config.public_url.host_str() == Some("127.0.0.1")
        && matches!(*req.method(), Method::GET | Method::HEAD)
        && !req.headers().contains_key(header::UPGRADE)
        && !machine.iter().any(|m| req.uri().path().starts_with(m))
}

/// Finds out about the client, for all that follows.
pub async fn identify(State(app): State<App>, mut req: Request, next: Next) -> Response {
    let conn = req.extensions().get::<Conn>().copied().unwrap_or(Conn {
        addr: Ipv4Addr::LOCALHOST.into(),
        tls: false,
    });
    if !conn.tls && is_misplaced(&req, &app) {
        let path = req
            .uri()
            .path_and_query()
            .map_or("/", axum::http::uri::PathAndQuery::as_str);
        let base = app.config.public_url.origin().ascii_serialization();
        return Redirect::temporary(&[&base, path].concat()).into_response();
    }
    let client = behind_proxies(conn, req.headers(), &app.config.trusted_proxies);
    req.extensions_mut().insert(client);
    next.run(req).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forwarded_addresses() {
        let trusted = ["10.0.0.0/8".parse().unwrap(), "127.0.0.1".parse().unwrap()];
        let ask = |peer: &str, xff: &[&str], proto: Option<&str>| {
            let mut h = HeaderMap::new();
            for v in xff {
                h.append("x-forwarded-for", v.parse().unwrap());
            }
            if let Some(p) = proto {
                h.append("x-forwarded-proto", p.parse().unwrap());
            }
            let c = behind_proxies(
                Conn {
                    addr: peer.parse().unwrap(),
                    tls: false,
                },
                &h,
                &trusted,
            );
            (c.addr.to_string(), c.secure)
        };
        let s = |a: &str, secure| (a.to_owned(), secure);
        assert_eq!(
            ask("192.0.2.9", &["198.51.100.1"], Some("https")),
            s("192.0.2.9", false),
            "not trusted"
        );
        assert_eq!(
            ask("127.0.0.1", &["198.51.100.1"], Some("https")),
            s("198.51.100.1", true)
        );
        assert_eq!(
            ask("::ffff:127.0.0.1", &["1.1.1.1, 198.51.100.1, 10.0.0.7"], None),
            s("198.51.100.1", false)
        );
        assert_eq!(
            ask("127.0.0.1", &["1.1.1.1", "198.51.100.1"], None),
            s("198.51.100.1", false),
            "a forged first"
        );
        for port in ["198.51.100.1:4711", "1.1.1.1, 198.51.100.1:80, 10.0.0.7:9"] {
            assert_eq!(ask("127.0.0.1", &[port], None), s("198.51.100.1", false));
        }
        assert_eq!(
            ask("127.0.0.1", &["[2001:db8::1]:443"], None),
            s("2001:db8::1", false)
        );
        assert_eq!(
            ask("127.0.0.1", &["1.1.1.1, nonsense"], None),
            s("127.0.0.1", false)
        );
        assert_eq!(ask("127.0.0.1", &[], None), s("127.0.0.1", false));
    }
}
