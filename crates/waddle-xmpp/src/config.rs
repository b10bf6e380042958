//! What the server is told at start: addresses, domain, TLS (`specs/configuration.md`).

use std::{net::SocketAddr, sync::Arc};

use crate::component::Component;

/// Who may make an account in band (XEP-0077).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Registration {
    /// Anybody.
    Open,
    /// Whoever holds an invitation (XEP-0401, XEP-0445).
    Invite,
    /// Nobody.
    #[default]
    Closed,
}

/// Settings of the XMPP server. Bounds are in [`waddle_core::Limits`].
#[derive(Clone)]
pub struct XmppConfig {
    /// The domain that is served, prepared (lower case).
    pub domain: String,
    /// The domain of the rooms, usually `muc.<domain>`.
    pub muc_domain: String,
    /// Addresses for plain TCP with STARTTLS (RFC 6120 §5).
    pub listen: Vec<SocketAddr>,
    /// Addresses for direct TLS (XEP-0368).
    pub listen_tls: Vec<SocketAddr>,
    /// TLS; without it there is no STARTTLS and no direct TLS. Its certificate resolver may change what it
    /// answers while the server runs.
    pub tls: Option<Arc<rustls::ServerConfig>>,
    /// Addresses for components (XEP-0114), without TLS.
    pub component_listen: Vec<SocketAddr>,
    /// The components that may connect there.
    pub components: Vec<Component>,
    /// Whether a client may log in over TCP without TLS, with SCRAM only.
    pub allow_plaintext: bool,
    /// Whether message, presence, join, IQ and byte rates and connections per address are limited.
    pub rate_limits: bool,
    /// Who may make an account in band.
    pub registration: Registration,
    /// What push services are told besides that there is something (XEP-0357).
    pub push_details: crate::push::Details,
    /// Where a client had better come back to resume its session (XEP-0198 §5), `host:port`.
    pub resume_location: Option<String>,
    /// Whom to write to, as URIs (XEP-0157).
    pub contacts: Vec<(crate::xep::xep0157::Concern, Vec<String>)>,
    /// Where clients look when this server does not answer (XEP-0455), as URIs.
    pub outage_addresses: Vec<String>,
    /// Where OAuth begins (RFC 8414): the URL of the metadata that OAUTHBEARER tells of (XEP-0493). Without it there
    /// is no OAUTHBEARER.
    pub oauth_discovery: Option<Arc<str>>,
    /// Numbers of XEPs that are switched off.
    pub disabled: Vec<u16>,
}

impl XmppConfig {
    /// Settings for `domain` without any listener.
    pub fn new(domain: impl Into<String>) -> Self {
        let domain = domain.into();
        Self {
            muc_domain: ["muc.", &domain].concat(),
            domain,
            listen: Vec::new(),
            listen_tls: Vec::new(),
            tls: None,
            component_listen: Vec::new(),
            components: Vec::new(),
            allow_plaintext: false,
            rate_limits: true,
            registration: Registration::Closed,
            push_details: crate::push::Details::default(),
            resume_location: None,
            contacts: Vec::new(),
            outage_addresses: Vec::new(),
            oauth_discovery: None,
            disabled: Vec::new(),
        }
    }
}

impl std::fmt::Debug for XmppConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("XmppConfig")
            .field("domain", &self.domain)
            .field("listen", &self.listen)
            .field("listen_tls", &self.listen_tls)
            .finish_non_exhaustive()
    }
}
