//! The one way from here to servers that strangers name: https only, public addresses only, no redirects,
//! bounded in time and size, and server metadata checked before atrium-oauth sees it (ADR 0007).

use std::{
    net::SocketAddr,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use atrium_xrpc::HttpClient;
use http::{Request, Response, header};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::{CertificateDer, pem::PemObject as _};
use url::Url;

use super::{
    guard::{Guard, Refused},
    metadata,
    stores::TRIAL,
};
use crate::{AtprotoConfig, Error};

type BoxError = Box<dyn std::error::Error + Send + Sync + 'static>;

/// Longest time for one request.
const TIMEOUT: Duration = Duration::from_secs(10);

/// An HTTP client that goes nowhere it should not.
#[derive(Clone)]
pub struct SafeHttp {
    client: reqwest::Client,
    guard: Guard,
    max_body: usize,
}

/// Resolves a name itself and drops every address that the guard does not allow, so that the address that was
/// checked is the address that is connected to (no DNS rebinding between the two).
struct GuardedDns {
    guard: Guard,
    hosts: Arc<[(String, SocketAddr)]>,
}

impl Resolve for GuardedDns {
    fn resolve(&self, name: Name) -> Resolving {
        let (guard, hosts) = (self.guard, Arc::clone(&self.hosts));
        Box::pin(async move {
            let name = name.as_str();
            let found: Vec<SocketAddr> = match hosts.iter().find(|(h, _)| h.eq_ignore_ascii_case(name)) {
                Some((_, addr)) => vec![*addr],
                None => tokio::net::lookup_host((name, 0)).await?.collect(),
            };
            let allowed: Vec<SocketAddr> = found.into_iter().filter(|a| guard.allows(a.ip())).collect();
            if allowed.is_empty() {
                return Err(Refused::Address(name.to_owned()).into());
            }
            Ok(Box::new(allowed.into_iter()) as Addrs)
        })
    }
}

fn roots(config: &AtprotoConfig) -> Result<RootCertStore, Error> {
    let mut roots = RootCertStore {
        roots: webpki_roots::TLS_SERVER_ROOTS.to_vec(),
    };
    if let Some(path) = &config.extra_ca {
        let bad = |e: &dyn std::fmt::Display| {
            Error::Config(format!("{}: not PEM certificates: {e}", path.display()))
        };
        let mut any = false;
        for cert in CertificateDer::pem_file_iter(path).map_err(|e| bad(&e))? {
            roots.add(cert.map_err(|e| bad(&e))?).map_err(|e| bad(&e))?;
            any = true;
        }
        if !any {
            return Err(bad(&"no certificate in it"));
        }
    }
    Ok(roots)
}

impl SafeHttp {
    /// Builds the client; reads the extra root certificates.
    pub fn new(config: &AtprotoConfig, max_body: usize) -> Result<Self, Error> {
        let wrong = |e: &dyn std::fmt::Display| Error::Config(format!("HTTP client: {e}"));
        let guard = Guard::https(config.allow_http_loopback);
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|e| wrong(&e))?
            .with_root_certificates(roots(config)?)
            .with_no_client_auth();
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .dns_resolver(Arc::new(GuardedDns {
                guard,
                hosts: config.hosts.clone().into(),
            }))
            .connect_timeout(Duration::from_secs(5))
            .timeout(TIMEOUT)
            .pool_max_idle_per_host(1)
            .pool_idle_timeout(Duration::from_secs(15))
            .user_agent(concat!("waddle/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|e| wrong(&e))?;
        Ok(Self {
            client,
            guard,
            max_body,
        })
    }

    /// The rules in force.
    pub fn guard(&self) -> Guard {
        self.guard
    }

    async fn send(&self, request: Request<Vec<u8>>) -> Result<Response<Vec<u8>>, BoxError> {
        let (parts, body) = request.into_parts();
        let url = Url::parse(&parts.uri.to_string())?;
        self.guard.check(&url)?;
        let mut answer = self
            .client
            .request(parts.method, url.clone())
            .headers(parts.headers)
            .body(body)
            .send()
            .await?;
        let too_large = || format!("the answer is over {} bytes", self.max_body);
        if answer.content_length().is_some_and(|n| n > self.max_body as u64) {
            return Err(too_large().into());
        }
        if answer.status().is_redirection() {
            return Err("redirects are not followed".into());
        }
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await? {
            if body.len() + chunk.len() > self.max_body {
                return Err(too_large().into());
            }
            body.extend_from_slice(&chunk);
        }
        if answer.status().is_success() {
            match url.path() {
                metadata::SERVER_PATH => metadata::check_server(&url, &body, self.guard)?,
                metadata::RESOURCE_PATH => metadata::check_resource(&body, self.guard)?,
                _ => {}
            }
        } else if answer.status().is_client_error() {
            match serde_json::from_slice::<serde_json::Value>(&body) {
                Ok(v) if v.get("error").is_some_and(|e| e == "invalid_grant") => {
                    let _ = TRIAL.try_with(|void| void.store(true, Ordering::Relaxed));
                }
                Ok(_) => {}
                // atrium-oauth reads every 4xx as JSON
                Err(_) => body = br#"{"error":"invalid_answer"}"#.to_vec(),
            }
        }
        let mut out = Response::builder().status(answer.status());
        for (name, value) in answer.headers() {
            if name != header::TRANSFER_ENCODING && name != header::CONTENT_LENGTH {
                out = out.header(name, value);
            }
        }
        Ok(out.body(body)?)
    }
}

impl HttpClient for SafeHttp {
    async fn send_http(&self, request: Request<Vec<u8>>) -> Result<Response<Vec<u8>>, BoxError> {
        let shown = format!(
            "{} {}",
            request.method(),
            request.uri().authority().map_or("", |a| a.as_str())
        );
        let result = self.send(request).await;
        if let Err(e) = &result {
            // never the URL's query: it may carry secrets
            tracing::debug!(request = %shown, error = %e, "request to an account's server failed");
        }
        result
    }
}
