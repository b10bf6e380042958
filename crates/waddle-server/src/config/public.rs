//! The names under which the world sees this server, made from the configuration and the bound addresses.

use std::net::SocketAddr;

use url::Url;

use super::{Config, ConfigError};

/// What goes into OAuth metadata, links and token answers.
#[derive(Debug, Clone)]
pub struct PublicNames {
    /// Base URL of the web pages, without a trailing slash in its path.
    pub url: Url,
    /// The name that XMPP and MQTT clients connect to.
    pub xmpp_host: String,
}

impl PublicNames {
    /// `http` is the first bound HTTP address. Without a configured URL it is named `127.0.0.1`, never
    /// `localhost`: OAuth's loopback redirect rule (RFC 8252 §8.3) and cookies want one name.
    pub fn new(config: &Config, http: Option<SocketAddr>) -> Result<Self, ConfigError> {
        let url = match (&config.public_url, http) {
            (Some(url), _) => url.clone(),
            (None, http) => {
                let port = http.map_or(3000, |a| a.port());
                let text = format!("http://127.0.0.1:{port}");
                Url::parse(&text).map_err(|e| ConfigError(format!("public_url: {text}: {e}")))?
            }
        };
        let xmpp_host = config.xmpp_host.clone().unwrap_or_else(|| config.domain.clone());
        Ok(Self { url, xmpp_host })
    }
}
