//! How a broker is set up (`specs/configuration.md`: `WADDLE_MQTT_LISTEN`, `WADDLE_MQTTS_LISTEN`).

use std::{net::SocketAddr, sync::Arc};

use arc_swap::ArcSwap;
use waddle_core::{Limits, SharedClock};
use waddle_storage::Storage;

use crate::policy::Policy;

/// A certificate and its key in use, exchangeable while the broker runs.
pub type Tls = Arc<ArcSwap<rustls::ServerConfig>>;

/// One address to listen on.
#[derive(Clone)]
pub struct Listen {
    /// The address; port 0 picks a free one.
    pub addr: SocketAddr,
    /// With TLS from the first byte on.
    pub tls: Option<Tls>,
    /// Passwords may cross the network in the clear; without it only loopback addresses do without TLS.
    pub allow_plaintext: bool,
}

/// What a broker is made of.
#[derive(Clone)]
pub struct BrokerConfig {
    /// Where it listens.
    pub listen: Vec<Listen>,
    /// `mqtt_*`, `connections` and `connections_per_address` of them are obeyed here.
    pub limits: Limits,
    /// Byte rates and connections per address are limited too.
    pub rate_limits: bool,
    /// Sessions, queues and retained messages.
    pub storage: Storage,
    /// The time.
    pub clock: SharedClock,
    /// Who comes in and who may do what.
    pub policy: Arc<dyn Policy>,
}
