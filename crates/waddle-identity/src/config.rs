//! What the identity layer is told at start.

use std::{net::SocketAddr, path::PathBuf};

use url::Url;
use waddle_core::Limits;

/// Least SCRAM iteration count that new credentials get (RFC 7677 §4 asks for 4,096 at the least).
pub const MIN_ITERATIONS: u32 = 10_000;

/// Settings of [`Identity`](crate::Identity).
#[derive(Debug, Clone)]
pub struct IdentityConfig {
    /// The XMPP domain, as in `alice@domain`.
    pub domain: String,
    /// What browsers see; its scheme and host decide the kind of OAuth client.
    pub public_url: Url,
    /// Where the key file `identity.keys` lies.
    pub data_dir: PathBuf,
    /// Iteration count of new SCRAM keys, at least [`MIN_ITERATIONS`].
    pub scram_iterations: u32,
    /// Login with Bluesky.
    pub atproto: AtprotoConfig,
    /// Bounds.
    pub limits: Limits,
}

/// How accounts of the AT Protocol are found.
#[derive(Debug, Clone)]
pub struct AtprotoConfig {
    /// Base URL of the PLC directory.
    pub plc_url: Url,
    /// A server whose `com.atproto.identity.resolveHandle` is asked instead of DNS and HTTPS.
    pub handle_resolver: Option<Url>,
    /// Allows plain HTTP and private addresses for 127.0.0.0/8 and ::1, for a network of one's own in tests.
    pub allow_http_loopback: bool,
    /// A PEM file with root certificates to trust besides the web's.
    pub extra_ca: Option<PathBuf>,
    /// Names that resolve here and not by DNS, as in `/etc/hosts`; a port other than 0 is taken too.
    pub hosts: Vec<(String, SocketAddr)>,
}

impl AtprotoConfig {
    /// The public network.
    pub fn public() -> Self {
        Self {
            plc_url: default_plc(),
            handle_resolver: None,
            allow_http_loopback: false,
            extra_ca: None,
            hosts: Vec::new(),
        }
    }
}

#[expect(clippy::expect_used, reason = "a constant, covered by a test")]
fn default_plc() -> Url {
    Url::parse("https://plc.directory").expect("a URL")
}

impl IdentityConfig {
    /// Settings for one machine: `domain`, opened at `public_url`.
    pub fn new(domain: impl Into<String>, public_url: Url, data_dir: impl Into<PathBuf>) -> Self {
        Self {
            domain: domain.into(),
            public_url,
            data_dir: data_dir.into(),
            scram_iterations: MIN_ITERATIONS,
            atproto: AtprotoConfig::public(),
            limits: Limits::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_public_directory() {
        assert_eq!(
            super::AtprotoConfig::public().plc_url.as_str(),
            "https://plc.directory/"
        );
    }
}
