//! What the HTTP layer is told at start, and the doors to the parts that it only carries bytes for.

use std::{net::IpAddr, sync::Arc};

use futures::future::BoxFuture;
use serde::Serialize;
use url::Url;
use waddle_community::Community;
use waddle_core::{Limits, Timestamp, UserId, WaddleId};
use waddle_files::Files;
use waddle_identity::Identity;
use waddle_muc::Rooms;
use waddle_xmpp::direct::Direct;

use crate::{
    bosh::BoshDoor,
    websocket::{ByteSocket, TextSocket},
};

/// Settings of the HTTP server.
#[derive(Debug, Clone)]
pub struct HttpConfig {
    /// What browsers and OAuth see.
    pub public_url: Url,
    /// The XMPP domain.
    pub domain: String,
    /// The name that XMPP clients connect to.
    pub xmpp_host: String,
    /// The public STARTTLS port.
    pub xmpp_port: u16,
    /// Networks whose `X-Forwarded-For` and `X-Forwarded-Proto` count.
    pub trusted_proxies: Vec<Network>,
    /// Whether request rates and connections per address are limited.
    pub rate_limits: bool,
    /// Whether the account servers of a test network, on http and loopback, may be led to.
    pub allow_http_loopback: bool,
    /// Bounds.
    pub limits: Limits,
}

/// A network of addresses, such as `10.0.0.0/8`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    addr: IpAddr,
    bits: u8,
}

impl std::str::FromStr for Network {
    type Err = &'static str;
    /// `address/bits`, or one address.
    fn from_str(s: &str) -> Result<Self, Self::Err> {
        let wrong = "expected a network such as 10.0.0.0/8 or an address";
        let (addr, bits) = match s.trim().split_once('/') {
            Some((a, b)) => (a, Some(b)),
            None => (s.trim(), None),
        };
        let addr: IpAddr = addr.parse().map_err(|_| wrong)?;
        let most = if addr.is_ipv4() { 32 } else { 128 };
        let bits = match bits {
            Some(b) => b.parse::<u8>().ok().filter(|b| *b <= most).ok_or(wrong)?,
            None => most,
        };
        Ok(Self { addr, bits })
    }
}

impl Network {
    /// Whether an address lies in it; an IPv4 address in IPv6 form counts as IPv4.
    pub fn contains(self, addr: IpAddr) -> bool {
        match (self.addr.to_canonical(), addr.to_canonical()) {
            (IpAddr::V4(n), IpAddr::V4(a)) => {
                let mask = u32::MAX
                    .checked_shl(32 - u32::from(self.bits.min(32)))
                    .unwrap_or(0);
                n.to_bits() & mask == a.to_bits() & mask
            }
            (IpAddr::V6(n), IpAddr::V6(a)) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(self.bits)).unwrap_or(0);
                n.to_bits() & mask == a.to_bits() & mask
            }
            _ => false,
        }
    }
}

/// Who is at the other end of a WebSocket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WsPeer {
    /// The client's address, behind trusted proxies too.
    pub addr: IpAddr,
    /// Whether TLS protects it up to here or to a trusted proxy.
    pub secure: bool,
}

/// One line of `/status`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct ServiceStatus {
    /// Such as `XMPP Server`.
    pub name: String,
    /// Whether it works.
    pub status: bool,
    /// Where, and how much of it there is.
    pub details: String,
}

/// Takes over a WebSocket of RFC 7395; `false`: too many connections.
pub type XmppDoor = Arc<dyn Fn(TextSocket, WsPeer) -> bool + Send + Sync>;
/// Takes over a WebSocket of MQTT; `false`: too many connections.
pub type MqttDoor = Arc<dyn Fn(ByteSocket, WsPeer) -> bool + Send + Sync>;
/// A live MQTT connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct MqttConnection {
    /// Its number, for ending it.
    pub serial: u64,
    /// Who.
    pub user: UserId,
    /// The account's localpart or the device's user name.
    pub name: String,
    /// The client identifier.
    pub client_id: String,
    /// From which address.
    pub address: String,
    /// `tcp`, `tls` or `websocket`.
    pub transport: &'static str,
    /// `3.1.1` or `5.0`.
    pub version: &'static str,
    /// Since when.
    pub since: Timestamp,
    /// When it last sent something.
    pub last_seen: Timestamp,
    /// Messages that found no room in its queue.
    pub dropped: u32,
    /// Its filters, as it wrote them.
    pub filters: Vec<String>,
}

/// The live MQTT connections of waddles.
pub trait MqttConnections: Send + Sync {
    /// Those that are mounted in a waddle.
    fn of(&self, waddle: WaddleId) -> BoxFuture<'_, Vec<MqttConnection>>;
    /// Ends one; `false` where there is none.
    fn end(&self, serial: u64) -> BoxFuture<'_, bool>;
}

/// The services and how they are.
pub type StatusDoor = Arc<dyn Fn() -> BoxFuture<'static, Vec<ServiceStatus>> + Send + Sync>;
/// The metrics in Prometheus' text form.
pub type MetricsDoor = Arc<dyn Fn() -> String + Send + Sync>;

/// What the HTTP layer stands on. Doors left out answer 404.
#[derive(Clone)]
pub struct HttpDeps {
    /// Who somebody is.
    pub identity: Identity,
    /// Waddles, channels, members.
    pub community: Community,
    /// Messages of channels, and what people do with them.
    pub rooms: Option<Rooms>,
    /// Webhooks, bots, slash commands.
    pub hooks: Option<waddle_hooks::Hooks>,
    /// `/direct`.
    pub direct: Option<Direct>,
    /// `/upload/…`.
    pub files: Option<Files>,
    /// Live MQTT connections.
    pub mqtt_connections: Option<Arc<dyn MqttConnections>>,
    /// `/xmpp-websocket`.
    pub xmpp: Option<XmppDoor>,
    /// `/http-bind`.
    pub bosh: Option<BoshDoor>,
    /// `/mqtt`.
    pub mqtt: Option<MqttDoor>,
    /// `/status`.
    pub status: StatusDoor,
    /// `/metrics`.
    pub metrics: Option<MetricsDoor>,
}

impl HttpConfig {
    /// Settings for one machine.
    pub fn new(public_url: Url, domain: impl Into<String>) -> Self {
        let domain = domain.into();
        Self {
            public_url,
            xmpp_host: domain.clone(),
            domain,
            xmpp_port: 5222,
            trusted_proxies: Vec::new(),
            rate_limits: true,
            allow_http_loopback: false,
            limits: Limits::default(),
        }
    }

    /// Where `/xmpp-websocket` is, by the public URL.
    pub fn websocket_url(&self) -> String {
        let mut url = self.public_url.clone();
        // cannot fail: both are special schemes
        let _ = url.set_scheme(if url.scheme() == "https" { "wss" } else { "ws" });
        url.set_path("/xmpp-websocket");
        url.to_string()
    }

    /// An absolute address here.
    pub fn at(&self, path: &str) -> String {
        let mut url = self.public_url.clone();
        url.set_path(path);
        url.to_string()
    }

    /// Whether browsers come by https.
    pub fn is_https(&self) -> bool {
        self.public_url.scheme() == "https"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks() {
        let n: Network = "10.0.0.0/8".parse().unwrap();
        assert!(n.contains("10.200.1.1".parse().unwrap()) && n.contains("::ffff:10.0.0.1".parse().unwrap()));
        assert!(!n.contains("11.0.0.1".parse().unwrap()) && !n.contains("::1".parse().unwrap()));
        let one: Network = "::1".parse().unwrap();
        assert!(one.contains("::1".parse().unwrap()) && !one.contains("::2".parse().unwrap()));
        assert!(
            "0.0.0.0/0"
                .parse::<Network>()
                .unwrap()
                .contains("8.8.8.8".parse().unwrap())
        );
        assert!(
            "::/0"
                .parse::<Network>()
                .unwrap()
                .contains("2001:db8::".parse().unwrap())
        );
        for bad in ["", "10.0.0.0/33", "x/8", "10.0.0.0/"] {
            assert!(bad.parse::<Network>().is_err(), "{bad}");
        }
    }

    #[test]
    fn addresses_follow_the_public_url() {
        let c = HttpConfig::new("https://chat.example.org".parse().unwrap(), "example.org");
        assert_eq!(c.websocket_url(), "wss://chat.example.org/xmpp-websocket");
        let l = HttpConfig::new("http://127.0.0.1:3000".parse().unwrap(), "localhost");
        assert_eq!(l.websocket_url(), "ws://127.0.0.1:3000/xmpp-websocket");
        assert_eq!(l.at("/invite/x"), "http://127.0.0.1:3000/invite/x");
    }
}
