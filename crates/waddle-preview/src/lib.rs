//! What a link leads to (`specs/messages.md`, "Previews"): title, description, picture and name of the site, as the page says
//! itself (OpenGraph, else its title).
//!
//! Pages are fetched by `waddle-fetch`, which goes to public addresses only, checks each redirect and bounds time and size.
//! What was found, and that nothing was, is kept for a while, so that a link that many say is asked once. Nobody waits
//! for any of this: a page that does not answer has no preview.

mod cache;
mod page;
mod turns;

use std::{
    hash::{DefaultHasher, Hash, Hasher as _},
    sync::Arc,
    time::Duration,
};

use http::{HeaderMap, HeaderValue, header};
use tokio::time::Instant;
use url::Url;
use waddle_fetch::{FetchConfig, FetchError, Fetcher, Guard, Overlong};

use cache::Cache;
pub use page::Page;
use turns::Turns;

/// Bounds of the previews.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Pages that are fetched at a time.
    pub at_a_time: usize,
    /// Of these, those of one waddle.
    pub at_a_time_of_one: usize,
    /// Pages that are fetched or wait for it; more are left out.
    pub waiting: usize,
    /// Of these, those of one waddle.
    pub waiting_of_one: usize,
    /// Pages that are remembered.
    pub remembered: usize,
    /// How long.
    pub remembered_for: Duration,
    /// How long a page is given.
    pub timeout: Duration,
    /// Bytes of a page that are read; its head is at its beginning.
    pub bytes: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            at_a_time: 8,
            at_a_time_of_one: 2,
            waiting: 256,
            waiting_of_one: 32,
            remembered: 1_000,
            remembered_for: Duration::from_secs(3_600),
            timeout: Duration::from_secs(8),
            bytes: 524_288,
        }
    }
}

/// Looks at links.
#[derive(Debug, Clone)]
pub struct Previews(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    fetcher: Fetcher,
    cache: Cache,
    turns: Turns,
}

impl Previews {
    /// Previews of pages on the public web; with `loopback` also of those on this machine, for tests.
    ///
    /// # Errors
    /// Where no client can be made.
    pub fn new(bounds: Bounds, loopback: bool) -> Result<Self, FetchError> {
        Self::with(bounds, |config| {
            config.guard = Guard {
                plain: true,
                ..Guard::https(loopback)
            };
        })
    }

    /// Previews with other settings of the client.
    ///
    /// # Errors
    /// Where no client can be made.
    pub fn with(bounds: Bounds, change: impl FnOnce(&mut FetchConfig)) -> Result<Self, FetchError> {
        let mut config = FetchConfig {
            timeout: bounds.timeout,
            body_bytes: bounds.bytes,
            overlong: Overlong::Cut,
            ..FetchConfig::new()
        };
        change(&mut config);
        Ok(Self(Arc::new(Inner {
            fetcher: Fetcher::new(config)?,
            cache: Cache::new(bounds.remembered, bounds.remembered_for),
            turns: Turns::new(bounds),
        })))
    }

    /// What a link that was said in a waddle leads to; nothing where it is no page, cannot be fetched, or too many wait.
    pub async fn look(&self, waddle: impl Hash, link: &str) -> Option<Page> {
        let mut hasher = DefaultHasher::new();
        waddle.hash(&mut hasher);
        let mut url = Url::parse(link).ok()?;
        url.set_fragment(None);
        let now = Instant::now();
        if let Some(known) = self.0.cache.get(url.as_str(), now) {
            return known.0;
        }
        let _turn = self.0.turns.take(hasher.finish()).await?;
        // Somebody else may have asked meanwhile.
        if let Some(known) = self.0.cache.get(url.as_str(), now) {
            return known.0;
        }
        let found = self.fetch(&url).await;
        self.0.cache.put(url.as_str(), found.clone(), Instant::now());
        found
    }

    async fn fetch(&self, url: &Url) -> Option<Page> {
        let mut headers = HeaderMap::new();
        headers.insert(
            header::ACCEPT,
            HeaderValue::from_static("text/html, application/xhtml+xml"),
        );
        let got = match self.0.fetcher.get(url, headers).await {
            Ok(got) => got,
            Err(why) => {
                tracing::debug!(host = url.host_str().unwrap_or_default(), %why, "a link has no preview");
                return None;
            }
        };
        let html = matches!(&*got.media_type(), "text/html" | "application/xhtml+xml");
        if !got.status.is_success() || !html {
            return None;
        }
        let page = page::read(&got.body, &got.url);
        (page != Page::default()).then_some(page)
    }
}
