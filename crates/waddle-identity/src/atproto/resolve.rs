//! Handles to DIDs (DNS TXT, then https; or one XRPC server) and DIDs to documents, both strict
//! (ATProto handle and DID specifications).

use std::{sync::Arc, time::Duration};

use atrium_api::{
    did_doc::DidDocument,
    types::string::{Did as AtDid, Handle},
};
use atrium_common::resolver::Resolver;
use atrium_identity::{
    Error as IdError,
    did::{CommonDidResolver, CommonDidResolverConfig},
    handle::{
        AppViewHandleResolver, AppViewHandleResolverConfig, DnsTxtResolver, WellKnownHandleResolver,
        WellKnownHandleResolverConfig,
    },
};
use hickory_resolver::{TokioResolver, proto::rr::RData};

use super::http::SafeHttp;
use crate::AtprotoConfig;

/// Resolves DIDs; refuses a document of another DID.
pub struct DidDocuments(CommonDidResolver<SafeHttp>);

impl DidDocuments {
    /// By the PLC directory of `config`, and https for did:web.
    pub fn new(config: &AtprotoConfig, http: &Arc<SafeHttp>) -> Self {
        Self(CommonDidResolver::new(CommonDidResolverConfig {
            plc_directory_url: config.plc_url.to_string(),
            http_client: Arc::clone(http),
        }))
    }
}

impl Resolver for DidDocuments {
    type Input = AtDid;
    type Output = DidDocument;
    type Error = IdError;

    async fn resolve(&self, did: &AtDid) -> Result<DidDocument, IdError> {
        // our own, stricter syntax first: it bounds what becomes part of a URL
        did.as_str()
            .parse::<waddle_core::Did>()
            .map_err(|e| IdError::Did(e.to_string()))?;
        let doc = self.0.resolve(did).await?;
        if doc.id != did.as_str() {
            return Err(IdError::DidDocument("the document is of another DID".into()));
        }
        Ok(doc)
    }
}

/// The machine's DNS resolver for TXT records; none where the machine has no usable `/etc/resolv.conf`.
#[derive(Clone)]
pub struct DnsTxt(Option<TokioResolver>);

impl DnsTxt {
    /// Reads `/etc/resolv.conf`.
    pub fn system() -> Self {
        let built = TokioResolver::builder_tokio().and_then(|mut b| {
            // a resolver that does not answer must leave time for the https way
            let options = b.options_mut();
            options.timeout = Duration::from_secs(2);
            options.attempts = 2;
            b.build()
        });
        Self(
            built
                .inspect_err(
                    |error| tracing::warn!(%error, "no DNS resolver: handles are looked up by https alone"),
                )
                .ok(),
        )
    }
}

impl DnsTxtResolver for DnsTxt {
    async fn resolve(
        &self,
        query: &str,
    ) -> Result<Vec<String>, Box<dyn std::error::Error + Send + Sync + 'static>> {
        let Some(resolver) = &self.0 else {
            return Ok(Vec::new());
        };
        let answer = resolver.txt_lookup(format!("{query}.")).await?;
        Ok(answer
            .answers()
            .iter()
            .filter_map(|r| match &r.data {
                RData::TXT(txt) => Some(txt.txt_data.concat()),
                _ => None,
            })
            .filter_map(|bytes| String::from_utf8(bytes).ok())
            .take(64)
            .collect())
    }
}

/// The DID in `_atproto` TXT records: none, one, or an error where they disagree (handle specification, "DNS TXT
/// Method": several values are an error, not a choice).
pub fn did_of_records(records: &[String]) -> Result<Option<AtDid>, IdError> {
    let mut found: Option<AtDid> = None;
    for value in records.iter().filter_map(|r| r.strip_prefix("did=")) {
        let did: AtDid = value
            .trim()
            .parse()
            .map_err(|e: &str| IdError::Did(e.to_owned()))?;
        match &found {
            Some(other) if *other != did => return Err(IdError::Did("several did= records".into())),
            _ => found = Some(did),
        }
    }
    Ok(found)
}

/// Resolves handles.
pub enum Handles<D = DnsTxt> {
    /// DNS TXT, then `https://<handle>/.well-known/atproto-did`.
    Network {
        /// TXT records.
        dns: D,
        /// The https way.
        https: WellKnownHandleResolver<SafeHttp>,
    },
    /// One server's `com.atproto.identity.resolveHandle`.
    Server(AppViewHandleResolver<SafeHttp>),
}

impl Handles {
    /// As `config` says.
    pub fn new(config: &AtprotoConfig, dns: DnsTxt, http: &Arc<SafeHttp>) -> Self {
        match &config.handle_resolver {
            Some(url) => Self::Server(AppViewHandleResolver::new(AppViewHandleResolverConfig {
                service_url: url.to_string(),
                http_client: Arc::clone(http),
            })),
            None => Self::network(dns, http),
        }
    }
}

impl<D> Handles<D> {
    /// By DNS and https, with a DNS resolver of one's choice.
    pub fn network(dns: D, http: &Arc<SafeHttp>) -> Self {
        Self::Network {
            dns,
            https: WellKnownHandleResolver::new(WellKnownHandleResolverConfig {
                http_client: Arc::clone(http),
            }),
        }
    }
}

impl<D: DnsTxtResolver + Send + Sync + 'static> Resolver for Handles<D> {
    type Input = Handle;
    type Output = AtDid;
    type Error = IdError;

    async fn resolve(&self, handle: &Handle) -> Result<AtDid, IdError> {
        match self {
            Self::Server(server) => server.resolve(handle).await,
            Self::Network { dns, https } => {
                let query = format!("_atproto.{}", handle.as_str());
                // a DNS failure is not an answer: the https way may still know
                let records = dns.resolve(&query).await.unwrap_or_default();
                match did_of_records(&records)? {
                    Some(did) => Ok(did),
                    None => https.resolve(handle).await,
                }
            }
        }
    }
}

/// A handle as people type it: trimmed, without `@` and without invisible marks, lower case.
pub fn normalize_handle(text: &str) -> String {
    let text = text.trim_matches(|c: char| c.is_whitespace() || c.is_control() || is_mark(c));
    let text = text.strip_prefix("at://").unwrap_or(text);
    text.trim_start_matches('@')
        .trim_end_matches('.')
        .to_ascii_lowercase()
}

/// Direction marks that come along when a handle is copied from a page.
fn is_mark(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records() {
        let r = |v: &[&str]| did_of_records(&v.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>());
        let a = "did=did:plc:ewvi7nxzyoun6zhxrhs64oiz";
        assert!(r(&[]).unwrap().is_none());
        assert!(r(&["v=spf1"]).unwrap().is_none());
        assert_eq!(r(&["x", a]).unwrap().unwrap().as_str(), &a[4..]);
        assert!(r(&[a, a]).is_ok());
        assert!(r(&[a, "did=did:web:evil.example"]).is_err(), "several records");
        assert!(r(&["did=nonsense"]).is_err());
    }

    #[test]
    fn handles_as_typed() {
        for typed in [
            "Alice.Test",
            "@alice.test",
            " alice.test\n",
            "\u{202a}alice.test\u{202c}",
            "at://alice.test",
            "alice.test.",
        ] {
            assert_eq!(normalize_handle(typed), "alice.test", "{typed:?}");
        }
    }
}
