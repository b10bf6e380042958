//! Which URLs and addresses a server may have that strangers name: public ones, reached by https (ADR 0007).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use url::{Host, Url};

/// Why a request is not made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Not https (nor http where that is allowed).
    #[error("refused: {0} is not an https address")]
    Scheme(String),
    /// The host is or resolves to an address that is not public.
    #[error("refused: {0} is not a public address")]
    Address(String),
    /// No host, or a user name in the URL.
    #[error("refused: {0} is not the address of a server")]
    Shape(String),
    /// A port of other services than the web's.
    #[error("refused: {0} has none of the ports 80, 443 and those above 1023")]
    Port(String),
}

/// The rules, and their exceptions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Guard {
    /// Plain HTTP and private addresses for 127.0.0.0/8 and ::1: a test network of one's own.
    pub loopback: bool,
    /// Plain HTTP to public addresses.
    pub plain: bool,
    /// Private networks and this machine too, over plain HTTP as well, but never link-local addresses, where clouds
    /// tell their secrets: receivers in one's own house.
    pub private: bool,
}

/// Where a cloud answers its own machines with their secrets, at an address like those of the public Internet (Azure's
/// wire server).
const WIRE_SERVER: Ipv4Addr = Ipv4Addr::new(168, 63, 129, 16);

fn public_v4(a: Ipv4Addr) -> bool {
    let [x, y, z, _] = a.octets();
    !(a.is_unspecified()
        || a == WIRE_SERVER
        || a.is_loopback()
        || a.is_private()
        || a.is_link_local()
        || a.is_multicast()
        || a.is_broadcast()
        || a.is_documentation()
        || x == 0
        || x >= 240
        || (x == 100 && (64..128).contains(&y))
        || (x == 192 && y == 0 && z == 0)
        || (x == 192 && y == 88 && z == 99)
        || (x == 198 && (y == 18 || y == 19)))
}

fn public_v6(a: Ipv6Addr) -> bool {
    if let Some(v4) = a.to_ipv4_mapped() {
        return public_v4(v4);
    }
    let s = a.segments();
    // global unicast alone (RFC 4291 §2.4), less the blocks that embed IPv4 or are for special use
    (s[0] & 0xe000) == 0x2000
        && s[0] != 0x2002
        && !(s[0] == 0x2001 && (s[1] < 0x0200 || s[1] == 0x0db8))
        && !(s[0] == 0x3fff && s[1] < 0x1000)
}

/// Whether an address is one of the public Internet.
pub fn is_public(addr: IpAddr) -> bool {
    match addr {
        IpAddr::V4(a) => public_v4(a),
        IpAddr::V6(a) => public_v6(a),
    }
}

/// Whether an address is one of a network of one's own.
fn is_private(addr: IpAddr) -> bool {
    /// The metadata service of a cloud, over IPv6.
    const METADATA: Ipv6Addr = Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254);
    match addr {
        IpAddr::V4(a) => a.is_private() || a.is_loopback(),
        IpAddr::V6(a) => a.is_loopback() || ((a.segments()[0] & 0xfe00) == 0xfc00 && a != METADATA),
    }
}

impl Guard {
    /// Https to public addresses, and a test network on this machine where `loopback` says so.
    pub fn https(loopback: bool) -> Self {
        Self {
            loopback,
            plain: false,
            private: false,
        }
    }

    /// Whether a connection to `addr` may be made.
    pub fn allows(self, addr: IpAddr) -> bool {
        let addr = addr.to_canonical();
        is_public(addr) || (self.loopback && addr.is_loopback()) || (self.private && is_private(addr))
    }

    /// Checks a URL before any name of it is resolved.
    pub fn check(self, url: &Url) -> Result<(), Refused> {
        let shown = || {
            let host = url.host_str().unwrap_or_default();
            format!(
                "{}://{}",
                url.scheme(),
                host.chars().take(253).collect::<String>()
            )
        };
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Refused::Shape(shown()));
        }
        let (loopback, literal) = match url.host() {
            None => return Err(Refused::Shape(shown())),
            Some(Host::Domain(name)) => (name == "localhost" || name.ends_with(".localhost"), None),
            Some(Host::Ipv4(a)) => (a.is_loopback(), Some(IpAddr::V4(a))),
            Some(Host::Ipv6(a)) => (a.is_loopback(), Some(IpAddr::V6(a))),
        };
        match url.scheme() {
            "https" => {}
            "http" if self.plain || self.private || (self.loopback && loopback) => {}
            _ => return Err(Refused::Scheme(shown())),
        }
        if literal.is_some_and(|a| !self.allows(a)) || (loopback && !self.loopback && !self.private) {
            return Err(Refused::Address(shown()));
        }
        // others below 1024 are of services that a request could be mistaken by
        match url.port_or_known_default() {
            Some(80 | 443 | 1024..) => Ok(()),
            _ => Err(Refused::Port(shown())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        for bad in [
            "0.0.0.0",
            "127.0.0.1",
            "127.1.2.3",
            "10.0.0.1",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "192.0.0.8",
            "192.0.2.1",
            "198.18.0.1",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "168.63.129.16",
            "::ffff:168.63.129.16",
            "64:ff9b:1::a00:1",
            "fec0::1",
            "5f00::1",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "fe80::1",
            "fc00::1",
            "fd00:ec2::254",
            "ff02::1",
            "64:ff9b::7f00:1",
            "2002:7f00:1::",
            "2001::1",
            "2001:db8::1",
            "::127.0.0.1",
            "100::1",
        ] {
            assert!(!is_public(bad.parse().unwrap()), "{bad}");
        }
        for ok in [
            "1.1.1.1",
            "93.184.216.34",
            "172.32.0.1",
            "2606:4700::1111",
            "2001:4860:4860::8888",
        ] {
            assert!(is_public(ok.parse().unwrap()), "{ok}");
        }
    }

    #[test]
    fn urls() {
        let (strict, dev) = (Guard::https(false), Guard::https(true));
        let u = |s: &str| Url::parse(s).unwrap();
        for ok in [
            "https://pds.example.com/x",
            "https://1.1.1.1/",
            "https://1.1.1.1:80/",
            "https://1.1.1.1:1024/",
        ] {
            assert!(strict.check(&u(ok)).is_ok(), "{ok}");
        }
        for bad in [
            "http://pds.example.com/",
            "https://127.0.0.1/",
            "https://2130706433/",
            "https://0x7f.1/",
            "https://[::1]/",
            "https://localhost/",
            "https://a.localhost/",
            "https://169.254.169.254/latest/meta-data",
            "https://10.0.0.1/",
            "https://u:p@pds.example.com/",
            "javascript:alert(1)",
            "file:///etc/passwd",
            "ftp://a.example/",
            "https://[fd00::1]/",
            "https://168.63.129.16/",
            "https://pds.example.com:25/",
            "https://pds.example.com:0/",
            "https://1.1.1.1:22/",
        ] {
            assert!(strict.check(&u(bad)).is_err(), "{bad}");
        }
        for ok in [
            "http://127.0.0.1:2582/",
            "http://localhost:2583/",
            "https://[::1]/",
        ] {
            assert!(dev.check(&u(ok)).is_ok(), "{ok}");
        }
        for bad in [
            "http://10.0.0.1/",
            "http://pds.example.com/",
            "https://192.168.0.1/",
            "https://169.254.169.254/",
        ] {
            assert!(dev.check(&u(bad)).is_err(), "{bad}");
        }
    }
    #[test]
    fn plain_http_is_for_public_names_alone() {
        let open = Guard {
            plain: true,
            ..Guard::default()
        };
        let u = |s: &str| Url::parse(s).unwrap();
        assert!(open.check(&u("http://example.com/")).is_ok());
        for bad in [
            "http://localhost/",
            "http://10.1.1.1/",
            "http://[::1]/",
            "ftp://example.com/",
        ] {
            assert!(open.check(&u(bad)).is_err(), "{bad}");
        }
    }
    #[test]
    fn a_house_may_ask_its_own_machines_but_no_cloud() {
        let house = Guard {
            private: true,
            ..Guard::default()
        };
        let u = |s: &str| Url::parse(s).unwrap();
        for ok in [
            "http://192.168.1.7:8123/api",
            "http://localhost/",
            "https://[fd12::1]/",
            "https://example.com/",
        ] {
            assert!(house.check(&u(ok)).is_ok(), "{ok}");
        }
        for bad in [
            "http://169.254.169.254/",
            "http://[fd00:ec2::254]/",
            "http://0.0.0.0/",
            "http://[fe80::1]/",
        ] {
            assert!(house.check(&u(bad)).is_err(), "{bad}");
        }
    }
}
