//! Requests that go nowhere they should not.

use std::{net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Method, StatusCode, header};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::{CertificateDer, pem::PemObject as _};
use url::Url;

use crate::{FetchError, Guard, Refused};

/// Connections to one host that are kept for the next request.
const IDLE: usize = 2;
/// How long such a connection is kept.
const IDLE_TIME: Duration = Duration::from_secs(15);
/// Bytes of a name or header that are shown in an error.
const SHOWN: usize = 200;

/// What happens with an answer that is longer than allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Overlong {
    /// Its beginning is taken: the head of a page.
    Cut,
    /// It is an error.
    Refuse,
}

/// Settings of a client.
#[derive(Debug, Clone)]
pub struct FetchConfig {
    /// What may be asked.
    pub guard: Guard,
    /// Time from the first connection to the last byte, redirects included.
    pub timeout: Duration,
    /// Bytes of an answer's body.
    pub body_bytes: usize,
    /// What happens with more.
    pub overlong: Overlong,
    /// Redirects that [`Fetcher::get`] follows.
    pub redirects: usize,
    /// What the server here is called.
    pub user_agent: String,
    /// Names that resolve to these addresses (which the guard checks like others): a test network.
    pub hosts: Vec<(String, SocketAddr)>,
    /// More root certificates, PEM.
    pub extra_ca: Option<PathBuf>,
}

impl FetchConfig {
    /// Ten seconds, 512 KiB, three redirects, https to public addresses.
    pub fn new() -> Self {
        Self {
            guard: Guard::default(),
            timeout: Duration::from_secs(10),
            body_bytes: 524_288,
            overlong: Overlong::Refuse,
            redirects: 3,
            user_agent: concat!("waddle/", env!("CARGO_PKG_VERSION")).to_owned(),
            hosts: Vec::new(),
            extra_ca: None,
        }
    }
}

impl Default for FetchConfig {
    fn default() -> Self {
        Self::new()
    }
}

/// What was answered, whatever its status.
#[derive(Debug, Clone)]
pub struct Fetched {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// Where it came from, after redirects.
    pub url: Url,
    /// The body, at most [`FetchConfig::body_bytes`].
    pub body: Bytes,
    /// Whether the body was cut.
    pub cut: bool,
}

impl Fetched {
    /// The media type in lower case, without parameters; empty where there is none.
    pub fn media_type(&self) -> String {
        let value = self
            .headers
            .get(header::CONTENT_TYPE)
            .and_then(|v| v.to_str().ok());
        let kind = value.unwrap_or_default().split(';').next().unwrap_or_default();
        kind.trim().to_ascii_lowercase()
    }
}

/// An HTTP client that goes nowhere it should not. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Fetcher {
    client: reqwest::Client,
    config: Arc<FetchConfig>,
}

/// Resolves a name itself and drops every address that the guard does not allow, so that the address that was checked is
/// the address that is connected to (no DNS rebinding between the two).
struct GuardedDns(Arc<FetchConfig>);

impl Resolve for GuardedDns {
    fn resolve(&self, name: Name) -> Resolving {
        let config = Arc::clone(&self.0);
        Box::pin(async move {
            let name = name.as_str();
            let pinned = config.hosts.iter().find(|(h, _)| h.eq_ignore_ascii_case(name));
            let found: Vec<SocketAddr> = match pinned {
                Some((_, addr)) => vec![*addr],
                None => tokio::net::lookup_host((name, 0)).await?.collect(),
            };
            let allowed: Vec<SocketAddr> = found
                .into_iter()
                .filter(|a| config.guard.allows(a.ip()))
                .collect();
            if allowed.is_empty() {
                return Err(Refused::Address(shorten(name)).into());
            }
            Ok(Box::new(allowed.into_iter()) as Addrs)
        })
    }
}

fn shorten(text: &str) -> String {
    text.chars().take(SHOWN).collect()
}

fn roots(config: &FetchConfig) -> Result<RootCertStore, FetchError> {
    let mut roots = RootCertStore {
        roots: webpki_roots::TLS_SERVER_ROOTS.to_vec(),
    };
    if let Some(path) = &config.extra_ca {
        let bad = |e: &dyn std::fmt::Display| {
            FetchError::Config(format!("{}: not PEM certificates: {e}", path.display()))
        };
        for cert in CertificateDer::pem_file_iter(path).map_err(|e| bad(&e))? {
            roots.add(cert.map_err(|e| bad(&e))?).map_err(|e| bad(&e))?;
        }
    }
    Ok(roots)
}

/// What went wrong, without the URL, which may hold secrets.
fn failed(e: reqwest::Error) -> FetchError {
    let e = e.without_url();
    let mut source: Option<&(dyn std::error::Error + 'static)> = Some(&e);
    let mut last = String::new();
    for _ in 0..16 {
        let Some(s) = source else { break };
        if let Some(refused) = s.downcast_ref::<Refused>() {
            return FetchError::Refused(refused.clone());
        }
        last = s.to_string();
        source = s.source();
    }
    let why = shorten(&last);
    if e.is_timeout() {
        FetchError::Timeout
    } else if e.is_connect() {
        FetchError::Connect(why)
    } else {
        FetchError::Broken(why)
    }
}

impl Fetcher {
    /// Builds the client.
    pub fn new(config: FetchConfig) -> Result<Self, FetchError> {
        let wrong = |e: &dyn std::fmt::Display| FetchError::Config(e.to_string());
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|e| wrong(&e))?
            .with_root_certificates(roots(&config)?)
            .with_no_client_auth();
        let config = Arc::new(config);
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .dns_resolver(Arc::new(GuardedDns(Arc::clone(&config))))
            .connect_timeout(config.timeout)
            .timeout(config.timeout)
            .pool_max_idle_per_host(IDLE)
            .pool_idle_timeout(IDLE_TIME)
            .user_agent(config.user_agent.as_str())
            .build()
            .map_err(|e| wrong(&e))?;
        Ok(Self { client, config })
    }

    /// The rules in force.
    pub fn guard(&self) -> Guard {
        self.config.guard
    }

    /// Whether an address may be asked, as far as its text tells.
    pub fn check(&self, url: &Url) -> Result<(), FetchError> {
        Ok(self.config.guard.check(url)?)
    }

    /// Fetches a page; follows redirects, each of them checked.
    pub async fn get(&self, url: &Url, headers: HeaderMap) -> Result<Fetched, FetchError> {
        let work = async {
            let mut url = url.clone();
            for _ in 0..=self.config.redirects {
                let got = self
                    .once(Method::GET, url.clone(), headers.clone(), Bytes::new())
                    .await?;
                if !matches!(got.status.as_u16(), 301 | 302 | 303 | 307 | 308) {
                    return Ok(got);
                }
                let place = got.headers.get(header::LOCATION).and_then(|v| v.to_str().ok());
                let next = place.and_then(|p| got.url.join(p).ok());
                url = next.ok_or(FetchError::Redirects)?;
            }
            Err(FetchError::Redirects)
        };
        tokio::time::timeout(self.config.timeout, work)
            .await
            .unwrap_or(Err(FetchError::Timeout))
    }

    /// Sends one request; a redirect is an answer like another.
    pub async fn send(
        &self,
        method: Method,
        url: &Url,
        headers: HeaderMap,
        body: Bytes,
    ) -> Result<Fetched, FetchError> {
        let work = self.once(method, url.clone(), headers, body);
        tokio::time::timeout(self.config.timeout, work)
            .await
            .unwrap_or(Err(FetchError::Timeout))
    }

    async fn once(
        &self,
        method: Method,
        url: Url,
        headers: HeaderMap,
        body: Bytes,
    ) -> Result<Fetched, FetchError> {
        self.check(&url)?;
        let request = self
            .client
            .request(method, url.clone())
            .headers(headers)
            .body(body);
        let mut answer = request.send().await.map_err(failed)?;
        let max = self.config.body_bytes;
        let refuse = self.config.overlong == Overlong::Refuse;
        if refuse && answer.content_length().is_some_and(|n| n > max as u64) {
            return Err(FetchError::TooLarge(max));
        }
        let (mut taken, mut cut) = (BytesMut::new(), false);
        while let Some(chunk) = answer.chunk().await.map_err(failed)? {
            let room = max - taken.len();
            if chunk.len() > room {
                if refuse {
                    return Err(FetchError::TooLarge(max));
                }
                taken.extend_from_slice(&chunk[..room]);
                cut = true;
                break;
            }
            taken.extend_from_slice(&chunk);
        }
        Ok(Fetched {
            status: answer.status(),
            headers: answer.headers().clone(),
            url,
            body: taken.freeze(),
            cut,
        })
    }
}
